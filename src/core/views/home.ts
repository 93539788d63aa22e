/** A person's home: what is theirs, what runs, what waits for them, and how the fleet is. The same in every chat. */

import type { Button, Card, Part, Row } from '../card.ts';
import { engineAt } from '../engine-at.ts';
import { estimate, estimateText, likeness, pastRuns, usualText } from '../eta.ts';
import { formatLine } from '../line.ts';
import { costText } from '../plan.ts';
import { atLeast, type Caller } from '../policy.ts';
import type { Engines } from '../ports/engine.ts';
import type { Cache } from '../ports/store.ts';
import type { Approval, Cluster, Health, Job, Provisioner } from '../records.ts';
import { formatDuration } from '../units.ts';
import { ago, count, jobName, jobWords, standing } from '../words.ts';
import { clusterButtons, jobTitle } from './job.ts';

export interface HomeParts {
  cache: Cache;
  engines: Pick<Engines, 'get'>;
  caller: Caller;
  now: number;
}

/** The rows that are shown of each list; the rest is counted, and a button leads to all of it. */
const most = { approvals: 5, jobs: 5, clusters: 10, provisioners: 3 };

interface Listed<T> {
  items: T[];
  total: number;
}

/** A cluster with its health as last seen. */
interface Looked {
  cluster: Cluster;
  health: Health | undefined;
}

/** What the home says, before it is a card. */
export interface Home {
  toDecide: Listed<Approval>;
  asked: Listed<Approval>;
  running: Listed<Job>;
  mine: Listed<Looked>;
  fleet: { total: number; words: string; wrong: number };
  failing: Listed<Provisioner>;
}

/** Gathers a person's home from memory; no provider and no store is asked. */
export function homeOf({ cache, caller, now }: HomeParts): Home {
  const { org, person, role } = caller;
  const pending = (each: Approval) => each.state === 'pending' && each.expiresAt > now;
  const decides = (each: Approval) => pending(each) && each.requestedBy !== person && atLeast(role, each.role);
  const all = cache.query('cluster', org, { limit: 1_000_000 }).items;
  const look = (cluster: Cluster): Looked => ({
    cluster,
    health: cache.get({ kind: 'health', org, id: cluster.id }),
  });
  const owned = all.filter(({ owner }) => owner === person).map(look);
  const ownIds = new Set(owned.map(({ cluster }) => cluster.id));
  const open = cache.query('job', org, {
    where: ({ state }) => state === 'Queued' || state === 'Running' || state === 'Waiting',
    descending: true,
    limit: 1_000,
  });
  const isMine = (job: Job) => job.requestedBy === person || ownIds.has(job.cluster);
  const running = [...open.items.filter(isMine), ...open.items.filter((job) => !isMine(job))];
  const failing = atLeast(role, 'admin')
    ? cache.query('provisioner', org, { where: ({ state }) => state !== 'OK', limit: most.provisioners })
    : { items: [], total: 0 };
  return {
    toDecide: cache.query('approval', org, { where: decides, limit: most.approvals }),
    asked: cache.query('approval', org, {
      where: (each) => pending(each) && each.requestedBy === person,
      limit: most.approvals,
    }),
    running: { items: running.slice(0, most.jobs), total: open.total },
    mine: {
      items: owned.toSorted((a, b) => trouble(b) - trouble(a)).slice(0, most.clusters),
      total: owned.length,
    },
    fleet: fleetOf(all.map(look)),
    failing,
  };
}

/** How much a cluster wants to be looked at: what is broken stands above what is well. */
function trouble({ cluster, health }: Looked): number {
  if (cluster.phase === 'Failed') return 4;
  if (cluster.phase === 'Unknown') return 3;
  if (cluster.phase === 'Ready' && !cluster.stopped && health && health.verdict !== 'Healthy') return 2;
  return cluster.openJob === undefined && cluster.drift === undefined ? 0 : 1;
}

/** "9 of 12 clusters healthy; 1 failed, 2 degraded; 1 busy". Unknown is not counted as healthy. */
function fleetOf(all: readonly Looked[]): Home['fleet'] {
  const tally = new Map<string, number>();
  const add = (word: string) => tally.set(word, (tally.get(word) ?? 0) + 1);
  for (const { cluster, health } of all) {
    if (cluster.phase === 'Failed') add('failed');
    else if (cluster.phase === 'Unknown') add('unknown');
    else if (cluster.phase !== 'Ready') add('on the way');
    else if (cluster.stopped) add('stopped');
    else add(health ? health.verdict.toLowerCase() : 'not looked at yet');
  }
  const wrong = ['failed', 'unreachable', 'degraded', 'unknown'];
  const others = [...wrong, 'not looked at yet', 'on the way', 'stopped']
    .filter((word) => tally.has(word))
    .map((word) => `${tally.get(word)} ${word}`);
  const healthy = `${tally.get('healthy') ?? 0} of ${count(all.length, 'cluster')} healthy`;
  return {
    total: all.length,
    words: all.length === 0 ? 'no clusters yet' : [healthy, others.join(', ')].filter(Boolean).join('; '),
    wrong: wrong.reduce((sum, word) => sum + (tally.get(word) ?? 0), 0),
  };
}

/** The home as a card; it says when it was seen. */
export function homeCard(parts: HomeParts): Card {
  const { caller, now } = parts;
  const home = homeOf(parts);
  const { toDecide, asked, running, mine, fleet, failing } = home;
  const text = summary(home);
  const body: Part[] = [{ part: 'text', text }];
  const add = (caption: string, rows: Row[]) => {
    if (rows.length > 0) body.push({ part: 'rows', caption, rows });
  };
  add(
    headed('Waits for your decision', toDecide),
    toDecide.items.map((each) => decisionRow(parts, each)),
  );
  add(
    headed('You asked for this', asked),
    asked.items.map((each) => askedRow(parts, each)),
  );
  const past = pastRuns(parts.cache, caller.org, running.items);
  add(
    headed('Runs now', running),
    running.items.map((job) => jobRow(job, past, now)),
  );
  add(
    headed('Your clusters', mine),
    mine.items.map((each) => clusterRow(parts, each)),
  );
  add(
    headed('Provisioners that fail', failing),
    failing.items.map((each) => provisionerRow(each, now)),
  );
  body.push({ part: 'text', text: `*Fleet*: ${fleet.words}.` }, { part: 'time', label: 'As of', at: now });
  const sick = mine.items.some((each) => trouble(each) > 1);
  return {
    title: `Home of ${caller.name}`,
    tone: toDecide.total > 0 || sick || failing.total > 0 ? 'warn' : 'plain',
    text,
    parts: body,
    buttons: [
      { label: 'Create a cluster', command: 'cluster create', style: 'primary' },
      { label: 'Clusters', command: 'clusters' },
      ...(running.total > most.jobs ? [{ label: 'Jobs', command: 'jobs' }] : []),
      ...(toDecide.total > most.approvals ? [{ label: 'Approvals', command: 'approvals' }] : []),
      { label: 'Refresh', command: 'home again' },
      { label: 'Help', command: 'help' },
    ],
  };
}

function summary({ toDecide, asked, running, mine, fleet, failing }: Home): string {
  const said = [
    mine.total === 0 ? 'You have no clusters.' : `You have ${count(mine.total, 'cluster')}.`,
    running.total > 0 ? `${count(running.total, 'job')} running.` : 'Nothing runs.',
    toDecide.total > 0 ? `${count(toDecide.total, 'request')} to decide on.` : '',
    asked.total > 0 ? `${count(asked.total, 'request')} of yours waiting for a decision.` : '',
    failing.total > 0 ? `${count(failing.total, 'provisioner')} failing.` : '',
    fleet.wrong > 0 ? `${count(fleet.wrong, 'cluster')} of the fleet not as it should be.` : '',
  ];
  return said.filter(Boolean).join(' ');
}

function headed(caption: string, { items, total }: Listed<unknown>): string {
  return total > items.length ? `${caption} (${items.length} of ${total})` : caption;
}

function decisionRow({ cache, now }: HomeParts, approval: Approval): Row {
  const job = cache.get({ kind: 'job', org: approval.org, id: approval.job });
  const what = job ? jobTitle(job) : `Job ${jobName({ id: approval.job })}`;
  const cost = job ? costText(job.plan).replace(/\.$/, '') : 'Cost unknown';
  const left = `Expires in ${timeLeft(approval, now)}`;
  const look: Button = { label: 'Look', command: showJob(approval.job) };
  const approve: Button = {
    label: 'Approve',
    command: formatLine('approve', ['job'], { job: approval.job, plan: approval.planHash }),
    style: 'primary',
    confirm: {
      title: `${what}?`,
      text: `${approval.requesterName} asks for it. Cost: ${cost}. ${job ? job.plan.disturbs : ''}`.trim(),
      yes: 'Approve',
    },
  };
  return {
    text: `*${what}*, asked for by ${approval.requesterName}`,
    note: `${cost}. ${left}.`,
    // Without its plan at hand nobody can say what they agree to.
    buttons: job ? [look, approve] : [look],
  };
}

function askedRow({ cache, now }: HomeParts, approval: Approval): Row {
  const job = cache.get({ kind: 'job', org: approval.org, id: approval.job });
  return {
    text: `*${job ? jobTitle(job) : approval.clusterName}*: waits for a person with the role ${approval.role}`,
    note: `Expires in ${timeLeft(approval, now)}.`,
    buttons: [{ label: 'Show job', command: showJob(approval.job) }],
  };
}

/** Whole minutes, until the last two. */
function timeLeft({ expiresAt }: Approval, now: number): string {
  const ms = expiresAt - now;
  return formatDuration(ms > 120_000 ? Math.floor(ms / 60_000) * 60_000 : ms);
}

function jobRow(job: Job, past: ReadonlyMap<string, number[]>, now: number): Row {
  const elapsed = job.startedAt === undefined ? 0 : now - job.startedAt;
  const made = estimate(past.get(likeness(job)) ?? [], elapsed);
  const usual = job.startedAt === undefined ? (made ? `usually takes ${usualText(made)}` : '') : undefined;
  const state = job.state === 'Running' && job.percent !== undefined ? `${job.percent} %` : jobWords[job.state];
  const step = job.steps.find((each) => each.state === 'doing')?.name;
  const said = [
    step ?? job.note.replace(/\.$/, ''),
    job.startedAt === undefined ? '' : `${formatDuration(elapsed)} so far`,
    usual ?? (made ? estimateText(made, elapsed) : ''),
    `asked for by ${job.requesterName}`,
  ];
  return {
    text: `*${jobTitle(job)}*: ${state}`,
    note: `${said.filter(Boolean).join('; ')}.`,
    buttons: [{ label: 'Show job', command: showJob(job.id) }],
  };
}

function clusterRow({ engines, cache, now }: HomeParts, { cluster, health }: Looked): Row {
  const state = standing(cluster, health);
  const said = state === 'Ready' ? (health ? 'Ready, healthy' : 'Ready, not looked at yet') : state;
  const facts = `${cluster.summary} on ${cluster.provisionerName}, ${formatDuration(now - cluster.createdAt)} old`;
  const why =
    cluster.failure?.message ??
    cluster.drift?.changes[0] ??
    (health && health.verdict !== 'Healthy'
      ? health.conditions.find(({ status }) => status !== 'True')?.message
      : undefined);
  const step = nextStep(cluster, health, engineAt({ engines, cache }, cluster)?.capabilities);
  return {
    text: `*${cluster.name}*: ${said}`,
    note: `${[facts, health ? `Seen ${ago(now - health.at)}` : '', why?.replace(/\.$/, '') ?? ''].filter(Boolean).join('. ')}.`,
    ...(step ? { buttons: [step] } : {}),
  };
}

/** The one thing most likely to be done next. */
function nextStep(
  cluster: Cluster,
  health: Health | undefined,
  capabilities: Parameters<typeof clusterButtons>[1],
): Button | undefined {
  // What runs on it stands above, with its own button.
  if (cluster.openJob !== undefined)
    return { label: 'Show', command: formatLine('cluster show', ['cluster'], { cluster: cluster.name }) };
  const all = clusterButtons(cluster, capabilities);
  const sick = cluster.phase === 'Ready' && health !== undefined && health.verdict !== 'Healthy';
  const first = sick ? all.find(({ label }) => label === 'Check') : undefined;
  const found = first ?? all.find(({ command }) => !(cluster.readOnly && command?.startsWith('cluster access')));
  if (found === undefined) return undefined;
  const { style: _style, ...plain } = found;
  return plain;
}

function provisionerRow({ name, state, message, checkedAt }: Provisioner, now: number): Row {
  return {
    text: `*${name}*: ${state}`,
    note: `${message}${checkedAt === undefined ? '' : ` Seen ${ago(now - checkedAt)}.`}`,
    buttons: [{ label: 'Check', command: formatLine('provisioner check', ['provisioner'], { provisioner: name }) }],
  };
}

function showJob(job: string): string {
  return formatLine('job show', ['job'], { job });
}

/** The first words to a person, in their direct conversation; not every chat says at once who it is. */
export function helloCard(name?: string): Card {
  const text = `Hello${name === undefined ? '' : ` ${name}`}, I am KQueen: I make Kubernetes clusters and look after them. Write to me here without any prefix, or press a button. Everything that can be pressed can also be typed.`;
  return {
    title: 'Hello',
    tone: 'plain',
    text,
    parts: [
      { part: 'text', text },
      { part: 'text', text: 'For example: `cluster create`, `clusters`, `help`.' },
    ],
    buttons: [
      { label: 'Create a cluster', command: 'cluster create', style: 'primary' },
      { label: 'Home', command: 'home' },
      { label: 'What can I do here?', command: 'help' },
    ],
  };
}
