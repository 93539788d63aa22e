/** The fleet summed up for a conversation: counts, what is worst and why, what has changed since the last time, and one picture. */
import type { Button, Card, Fact, Part, Tone } from '../card.ts';
import { badness, why } from '../commands/fleet.ts';
import { endOfVersion, minorOf } from '../digest-versions.ts';
import { formatLine } from '../line.ts';
import { type Picture, pictureRows } from '../picture.ts';
import type { Cache } from '../ports/store.ts';
import type { Audit, Cluster, Health } from '../records.ts';
import { inScope, type Scope, scopeText } from '../scope.ts';
import { formatDuration } from '../units.ts';
import { ago, count, standing } from '../words.ts';
import { jobTitle } from './job.ts';

/** A cluster that its owner has not touched for so long, and that is as old, is mentioned, in milliseconds. */
const idleMs = 30 * 86_400_000;
/** How long before its end a version is mentioned. */
const endingMs = 60 * 86_400_000;

const groups = [
  { name: 'Healthy', tone: 'good' },
  { name: 'Busy', tone: 'busy' },
  { name: 'Degraded', tone: 'warn' },
  { name: 'Down or failed', tone: 'bad' },
  { name: 'Stopped or unknown', tone: 'plain' },
] as const satisfies { name: string; tone: Tone }[];
type Group = (typeof groups)[number]['name'];

/** Which of the picture's groups a cluster is in. */
export function groupOf(cluster: Cluster, health: Health | undefined): Group {
  if (cluster.phase === 'Failed') return 'Down or failed';
  if (cluster.phase === 'Unknown' || cluster.phase === 'Deleted') return 'Stopped or unknown';
  if (cluster.phase !== 'Ready' || cluster.openJob !== undefined) return 'Busy';
  if (cluster.stopped || !health || health.verdict === 'Unknown') return 'Stopped or unknown';
  return health.verdict === 'Unreachable' ? 'Down or failed' : health.verdict;
}

export interface DigestAsk {
  scope: Scope;
  now: number;
  /** Whose day it is dated by; UTC when absent. */
  zone?: string | undefined;
  /** When the last one was and how many were in each group then; absent: this is the first. */
  last?: { at: number; counts: Record<string, number> } | undefined;
  /** Said below it: when it comes again, or that it is late. */
  footer?: string;
}

export interface DigestMade {
  card: Card;
  /** How many clusters are in each group, for the next one. */
  counts: Record<string, number>;
}

interface Seen {
  cluster: Cluster;
  health: Health | undefined;
}

/** Builds the digest from memory: no provider and no store is asked. */
export function digestCard(cache: Cache, org: string, { scope, now, zone, last, footer }: DigestAsk): DigestMade {
  const within = inScope(scope, now);
  const fleet: Seen[] = cache
    .query('cluster', org, { where: within, limit: 100_000 })
    .items.map((cluster) => ({ cluster, health: cache.get({ kind: 'health', org, id: cluster.id }) }));
  const counts: Record<string, number> = Object.fromEntries(groups.map(({ name }) => [name, 0]));
  for (const { cluster, health } of fleet) {
    const group = groupOf(cluster, health);
    counts[group] = (counts[group] ?? 0) + 1;
  }
  const name = scope.clusters === 'all' ? 'The fleet' : capital(scopeText(scope));
  const title = `${name} on ${dayText(now, zone)}`;
  const stale =
    cache.staleMs() > 0 ? `KQueen has lost touch with its store: this is how it was ${ago(cache.staleMs())}.` : '';
  const small = [stale, footer ?? ''].filter(Boolean).join(' ');
  if (fleet.length === 0) {
    const text = scope.clusters === 'all' ? 'There are no clusters yet.' : `There are no ${scopeText(scope)}.`;
    return {
      counts,
      card: {
        title,
        tone: 'plain',
        text,
        parts: [{ part: 'text', text }],
        buttons: [],
        ...(small ? { footer: small } : {}),
      },
    };
  }
  const worst = fleet
    .filter(({ cluster, health }) => !cluster.stopped && badness(cluster, health) > 0)
    .sort((a, b) => badness(b.cluster, b.health) - badness(a.cluster, a.health));
  const text = summary(fleet.length, counts);
  const facts = factsOf(cache, org, fleet, now, last, counts);
  const parts: Part[] = [
    { part: 'text', text },
    { part: 'picture', picture: fleetPicture(fleet, text) },
    ...(worst.length > 0 ? [worstTable(worst, now)] : []),
    ...(facts.length > 0 ? [{ part: 'facts' as const, facts }] : []),
  ];
  const tone: Tone = worst.some((each) => badness(each.cluster, each.health) >= 3)
    ? 'bad'
    : worst.length > 0
      ? 'warn'
      : 'good';
  return {
    counts,
    card: {
      title,
      tone,
      text: `${title}: ${text}`,
      parts,
      buttons: buttonsOf(cache, org, worst),
      ...(small ? { footer: small } : {}),
    },
  };
}

function capital(text: string): string {
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`;
}

function dayText(at: number, timeZone = 'UTC'): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone, weekday: 'long', day: 'numeric', month: 'long' }).format(at);
}

function summary(total: number, counts: Record<string, number>): string {
  const rest = groups
    .slice(1)
    .flatMap(({ name }) => ((counts[name] ?? 0) > 0 ? [`${counts[name]} ${name.toLowerCase()}`] : []));
  return `${[`${counts.Healthy ?? 0} of ${count(total, 'cluster')} healthy`, ...rest].join(', ')}.`;
}

function worstTable(worst: readonly Seen[], now: number): Part {
  const shown = worst.slice(0, 8);
  const more = worst.length - shown.length;
  return {
    part: 'table',
    caption: more > 0 ? `Worst first, ${more} more with health` : 'Worst first',
    columns: ['Cluster', 'State', 'Why', 'For'],
    rows: shown.map(({ cluster, health }) => [
      cluster.name,
      standing(cluster, health),
      why(cluster, health).slice(0, 160),
      since(cluster, health, now),
    ]),
  };
}

function since(cluster: Cluster, health: Health | undefined, now: number): string {
  const at = cluster.failure?.at ?? health?.since;
  return at === undefined ? '' : formatDuration(now - at);
}

/** Each provisioner's clusters as a bar, the largest first; small ones fall together so that a phone can show them. */
export function fleetPicture(fleet: readonly Seen[], text: string): Picture {
  const by = new Map<string, number[]>();
  for (const { cluster, health } of fleet) {
    const values = by.get(cluster.provisionerName) ?? groups.map(() => 0);
    const index = groups.findIndex(({ name }) => name === groupOf(cluster, health));
    values[index] = (values[index] ?? 0) + 1;
    by.set(cluster.provisionerName, values);
  }
  const sum = (values: readonly number[]) => values.reduce((all, each) => all + each, 0);
  const all = [...by].sort(([a, left], [b, right]) => sum(right) - sum(left) || a.localeCompare(b));
  const shown = all.length > pictureRows ? all.slice(0, pictureRows - 1) : all;
  const rest = all.slice(shown.length);
  const rows = shown.map(([label, values]) => ({ label, values }));
  if (rest.length > 0) {
    const together = groups.map((_, index) => sum(rest.map(([, values]) => values[index] ?? 0)));
    rows.push({ label: `${rest.length} other provisioners`, values: together });
  }
  const used = groups.map((_, index) => rows.some(({ values }) => (values[index] ?? 0) > 0));
  const series = groups.filter((_, index) => used[index]).map(({ name, tone }) => ({ name, tone }));
  const title = 'Clusters by provisioner';
  const said = rows.map(({ label, values }) => {
    const parts = groups.flatMap(({ name }, index) =>
      (values[index] ?? 0) > 0 ? [`${values[index]} ${name.toLowerCase()}`] : [],
    );
    return `${label}: ${parts.join(', ')}.`;
  });
  return {
    kind: 'stacks',
    title,
    alt: `Bar chart of clusters by provisioner. ${text} ${said.join(' ')}`,
    series,
    rows: rows.map(({ label, values }) => ({ label, values: values.filter((_, index) => used[index]) })),
  };
}

function factsOf(
  cache: Cache,
  org: string,
  fleet: readonly Seen[],
  now: number,
  last: DigestAsk['last'],
  counts: Record<string, number>,
): Fact[] {
  const facts: Fact[] = [];
  const from = last?.at ?? now - 86_400_000;
  const when = last ? `Since ${ago(now - last.at)}` : 'In the last day';
  const changes = changesOf(fleet, from, last, counts);
  facts.push({ label: when, value: changes === '' ? 'No cluster has changed its health.' : changes });
  const here = new Set(fleet.map(({ cluster }) => cluster.id));
  const jobs = cache.query('job', org, {
    where: (job) =>
      (job.endedAt ?? 0) > from &&
      (here.has(job.cluster) || job.kind === 'cluster.delete') &&
      (job.state === 'Failed' || job.state === 'Succeeded'),
    limit: 10_000,
  }).items;
  const failed = jobs.filter(({ state }) => state === 'Failed');
  if (jobs.length > 0) {
    const which = failed.slice(0, 3).map((job) => `${jobTitle(job)} (#${job.id})`);
    facts.push({
      label: 'Jobs',
      value:
        failed.length === 0
          ? `${jobs.length} done, none failed.`
          : `${jobs.length - failed.length} done, ${failed.length} failed: ${listed(which, failed.length)}.`,
    });
  }
  const waiting = cache.query('approval', org, {
    where: ({ state, cluster }) => state === 'pending' && here.has(cluster),
    limit: 1_000,
  }).items;
  if (waiting.length > 0) {
    const which = waiting
      .slice(0, 3)
      .map(({ clusterName, requesterName }) => `${clusterName} (asked by ${requesterName})`);
    facts.push({ label: 'Waiting for approval', value: `${waiting.length}: ${listed(which, waiting.length)}.` });
  }
  const ending = endings(fleet, now);
  if (ending !== '') facts.push({ label: 'Versions', value: ending });
  const idle = idleClusters(cache, org, fleet, now);
  if (idle.length > 0) {
    const who = idle.slice(0, 5).map(({ name, ownerName }) => `${name} (${ownerName})`);
    facts.push({
      label: 'Still needed?',
      value: `${count(idle.length, 'cluster')} untouched by the owner for 30 days: ${listed(who, idle.length)}.`,
    });
  }
  return facts;
}

function listed(shown: readonly string[], total: number): string {
  return `${shown.join(', ')}${total > shown.length ? ` and ${total - shown.length} more` : ''}`;
}

function changesOf(
  fleet: readonly Seen[],
  from: number,
  last: DigestAsk['last'],
  counts: Record<string, number>,
): string {
  const moved = fleet.filter(({ health }) => health !== undefined && health.changes > 0 && health.since > from);
  const fresh = fleet.filter(({ cluster }) => cluster.createdAt > from);
  const said = moved.slice(0, 5).map(({ cluster, health }) => `${cluster.name} is ${health?.verdict.toLowerCase()}`);
  const parts = [
    ...(moved.length > 0 ? [listed(said, moved.length)] : []),
    ...(fresh.length > 0 ? [`${count(fresh.length, 'cluster')} new`] : []),
  ];
  const before = last?.counts.Healthy;
  if (before !== undefined && before !== counts.Healthy) parts.push(`${before} were healthy then`);
  return parts.length === 0 ? '' : `${capital(parts.join('; '))}.`;
}

function endings(fleet: readonly Seen[], now: number): string {
  const by = new Map<string, { end: number; names: string[] }>();
  for (const { cluster } of fleet) {
    const end = cluster.version === undefined ? null : endOfVersion(cluster.version);
    const minor = minorOf(cluster.version ?? '');
    if (end === null || minor === null || end - now > endingMs) continue;
    const found = by.get(minor) ?? { end, names: [] };
    found.names.push(cluster.name);
    by.set(minor, found);
  }
  return [...by]
    .sort(([, a], [, b]) => a.end - b.end)
    .slice(0, 4)
    .map(([minor, { end, names }]) => {
      const day = new Date(end).toISOString().slice(0, 10);
      const when =
        end <= now ? `has had no more fixes from Kubernetes since ${day}` : `gets fixes from Kubernetes until ${day}`;
      return `${minor} ${when}: ${listed(names.slice(0, 4), names.length)}.`;
    })
    .join(' ');
}

/** Old clusters whose owner did nothing with them for long, as far as the audit remembers. */
function idleClusters(cache: Cache, org: string, fleet: readonly Seen[], now: number): Cluster[] {
  const old = new Map(
    fleet
      .filter(({ cluster }) => now - cluster.createdAt > idleMs && cluster.purpose !== 'production')
      .map(({ cluster }) => [cluster.name, cluster]),
  );
  if (old.size === 0) return [];
  const touched = (each: Audit) => each.at > now - idleMs && old.get(each.subject)?.owner === each.who;
  for (const { subject } of cache.query('audit', org, { where: touched, limit: 100_000 }).items) old.delete(subject);
  return [...old.values()].sort((a, b) => a.createdAt - b.createdAt);
}

function buttonsOf(cache: Cache, org: string, worst: readonly Seen[]): Button[] {
  const pending = cache.query('approval', org, { where: ({ state }) => state === 'pending', limit: 1 }).total;
  return [
    { label: 'Health now', command: 'health' },
    ...worst.slice(0, 2).map(({ cluster }) => ({
      label: `Show ${cluster.name}`,
      command: formatLine('cluster show', ['cluster'], { cluster: cluster.name }),
    })),
    ...(pending > 0 ? [{ label: 'Approvals', command: 'approvals' }] : []),
  ];
}
