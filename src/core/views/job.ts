import { afterAppDone, afterAppFailed } from '../apps-buttons.ts';
import { afterBackup } from '../backup-buttons.ts';
import type { Button, Card, Fact, Part } from '../card.ts';
import { type Estimate, estimate, estimateText, leftText, usualText } from '../eta.ts';
import { formatLine } from '../line.ts';
import { afterNodeWork } from '../node-buttons.ts';
import { boundsText, changeTitles, isChange } from '../plan-change.ts';
import type { Capabilities } from '../ports/engine.ts';
import type { Approval, Cluster, Health, Job } from '../records.ts';
import { formatBytes, formatCores, formatDuration } from '../units.ts';
import { afterUpgradeFailed } from '../upgrade-buttons.ts';
import { count, jobName, jobTone, jobWords } from '../words.ts';
import { planParts } from './plan.ts';

const titles: Record<Exclude<Job['kind'], 'cluster.work'>, string> = {
  'cluster.create': 'Create cluster',
  'cluster.delete': 'Delete cluster',
  ...changeTitles,
  'cluster.adopt': 'Adopt cluster',
  'cluster.detach': 'Detach cluster',
};

/** "Create cluster dev-1". */
export function jobTitle(job: Job): string {
  const title = job.kind === 'cluster.work' ? (job.work?.title ?? 'Work on') : titles[job.kind];
  return `${title} ${job.clusterName}`;
}

export interface JobLook {
  approval?: Approval | undefined;
  cluster?: Cluster | undefined;
  health?: Health | undefined;
  /** What the cluster's engine can do; without it no button offers a change. */
  capabilities?: Capabilities | undefined;
  now: number;
  /** How long jobs like it took, newest first, in milliseconds; without them nothing is said of how long it will take. */
  past?: readonly number[] | undefined;
  /** When the message is brought up to date next, at the latest. */
  nextLook?: number | undefined;
  /** Its progress is shown on a board of many jobs instead. */
  onBoard?: boolean | undefined;
}

/** How long a job has run, and how long it will, as far as past runs tell; null when it does not run. */
export function estimateOf(job: Job, { past, now }: Pick<JobLook, 'past' | 'now'>): Estimate | null {
  if (job.state !== 'Running' && job.state !== 'Waiting') return null;
  return estimate(past ?? [], now - (job.startedAt ?? job.requestedAt));
}

/** A running job that goes on only when a person does something at the provider, as its note says. */
export function waitsForPerson(job: Job): boolean {
  return (job.state === 'Running' || job.state === 'Waiting') && /\bwaits for input\b/.test(job.note);
}

/** Where a person sees it at the provider, when the engine has told: the page that waits, or one that a note or the provider's own name is or ends with. */
function providerPage(job: Job, cluster: Cluster | undefined): string | undefined {
  const told = [waitsForPerson(job) ? job.note : '', cluster?.externalId ?? '', ...(cluster?.notes ?? [])];
  return told.flatMap((text) => /\bhttps:\/\/[^\s<>"'`|\\)\]]+$/.exec(text)?.[0] ?? [])[0];
}

/** The one live message of a job, in every state from the request to the summary. */
export function jobCard(job: Job, look: JobLook): Card {
  const fresh = job.kind === 'cluster.create' || job.kind === 'cluster.adopt';
  if (fresh && job.state === 'Succeeded' && look.cluster) return summaryCard(job, look.cluster, look);
  const title = `${jobTitle(job)}: ${waitsForPerson(job) ? 'waits for input' : jobWords[job.state]}`;
  const card: Card = {
    title,
    tone: waitsForPerson(job) ? 'warn' : jobTone[job.state],
    text: `${title}. ${sentence(job, look)}`,
    parts: [],
    buttons: buttons(job, look),
  };
  card.parts.push({ part: 'text', text: sentence(job, look) });
  if (job.state === 'AwaitingApproval') {
    card.parts.push(...planParts(job.plan));
    if (look.approval) card.parts.push({ part: 'time', label: 'Expires', at: look.approval.expiresAt });
  } else {
    card.parts.push(...progressParts(job, look));
    card.parts.push(...endParts(job, look));
  }
  card.footer = `Job ${jobName(job)}, asked for by ${job.requesterName}${job.plan.notice ? `. ${job.plan.notice}` : ''}`;
  return card;
}

function sentence(job: Job, look: JobLook): string {
  const { approval, now } = look;
  switch (job.state) {
    case 'AwaitingApproval':
      return `${job.requesterName} asks for this. A person with the role ${job.plan.approval.role} decides, because ${job.plan.approval.why}.`;
    case 'Denied':
      return `Denied by ${approval?.deciderName ?? 'an admin'}${approval?.reason ? `: ${approval.reason}` : ''}. Nothing was changed.`;
    case 'Expired':
      return 'Nobody decided in time. Nothing was changed; ask again if it is still wanted.';
    case 'Queued': {
      const made = estimate(look.past ?? [], 0);
      return `${approved(approval)}Waiting for a free worker.${made ? ` It usually takes ${usualText(made)}.` : ''}`;
    }
    case 'Running':
    case 'Waiting': {
      const elapsed = now - (job.startedAt ?? job.requestedAt);
      const made = estimateOf(job, look);
      const left = made ? `, ${estimateText(made, elapsed)}` : '';
      return `${approved(approval)}${job.note} ${formatDuration(elapsed)} so far${left}.`;
    }
    case 'Failed':
      return `${job.note}${job.failure?.next ? ` ${job.failure.next}` : ''}`;
    default:
      return job.note;
  }
}

function approved(approval: Approval | undefined): string {
  if (approval?.state !== 'approved') return '';
  return `Approved by ${approval.deciderName ?? 'an admin'}${approval.reason ? ` (${approval.reason})` : ''}. `;
}

function progressParts(job: Job, look: JobLook): Part[] {
  const { now } = look;
  const parts: Part[] = [];
  const open = job.state === 'Running' || job.state === 'Waiting' || job.state === 'Queued';
  if (open && job.percent !== undefined) {
    const elapsed = now - (job.startedAt ?? now);
    const made = estimateOf(job, look);
    const left = made ? `, ${leftText(made, elapsed)}` : '';
    parts.push({
      part: 'progress',
      percent: job.percent,
      label: `${formatDuration(elapsed)} so far${left}`,
    });
  }
  if (job.steps.length > 0 && job.state !== 'Denied' && job.state !== 'Expired') {
    parts.push({ part: 'steps', steps: job.steps.map(({ name, state }) => ({ name, state })) });
  }
  if (open && look.onBoard) parts.push({ part: 'note', text: 'Many jobs run at once: its progress is on the board.' });
  else if (open && look.nextLook !== undefined) parts.push({ part: 'time', label: 'Next look', at: look.nextLook });
  return parts;
}

/** What is worth knowing at the end: what the cluster is now, or what a failed creation has left behind. */
function endParts(job: Job, { cluster }: JobLook): Part[] {
  if (!cluster) return [];
  if (job.state === 'Failed' && cluster.leftovers?.length) {
    return [{ part: 'text', text: `Left behind at the provider: ${cluster.leftovers.join(', ')}. Delete removes it.` }];
  }
  if (job.work?.result?.length) return [{ part: 'facts', facts: job.work.result }];
  if (job.state === 'Succeeded' && isChange(job.kind)) return [{ part: 'facts', facts: clusterFacts(cluster) }];
  return [];
}

function buttons(job: Job, { cluster, capabilities }: JobLook): Button[] {
  const of = (verb: string) => formatLine(`job ${verb}`, ['job'], { job: job.id });
  const details: Button = { label: 'Details', command: of('show') };
  const showLog: Button = { label: 'Show log', command: of('log') };
  const page = providerPage(job, cluster);
  const open: Button[] = page === undefined ? [] : [{ label: 'Open', url: page }];
  switch (job.state) {
    case 'AwaitingApproval':
    case 'Queued':
    case 'Running':
    case 'Waiting': {
      const undone = whatCancelUndoes(job);
      const runs = job.startedAt !== undefined;
      const look = [details, ...(runs && capabilities?.log ? [showLog] : []), ...(runs ? open : [])];
      if (undone === null) return look;
      const confirm = { title: 'Cancel this?', text: undone, yes: 'Cancel it' };
      return [...look, { label: 'Cancel', command: of('cancel'), style: 'danger', confirm }];
    }
    case 'Failed': {
      // An adoption that failed before anything was marked has left no record: there is nothing to try again on.
      if (job.kind === 'cluster.adopt' && cluster === undefined) return [showLog];
      const made: Button[] = [{ label: 'Retry', command: of('retry'), style: 'primary' }, showLog, ...open];
      if (job.kind === 'cluster.create') made.push(removal(job.clusterName));
      made.push(...afterAppFailed(job), ...afterNodeWork(job), ...afterUpgradeFailed(job));
      if (job.kind === 'cluster.adopt') made.push(letGo(job.clusterName));
      return made;
    }
    case 'Succeeded':
      return isChange(job.kind) && cluster
        ? [details, ...clusterButtons(cluster, capabilities)].slice(0, 6)
        : [details, ...afterAppDone(job), ...afterNodeWork(job), ...afterBackup(job)];
    default:
      return [details, ...afterNodeWork(job)];
  }
}

/** What becomes of what was done when the job is cancelled now; null when it cannot be. */
function whatCancelUndoes(job: Job): string | null {
  if (job.kind === 'cluster.create') return `What was made of ${job.clusterName} so far is removed again.`;
  if (job.kind === 'cluster.delete') return null;
  if (job.intent === undefined) return 'Nothing has been changed yet.';
  return job.kind === 'cluster.upgrade' || job.kind === 'cluster.work'
    ? 'It stops after the step it is at; what is done until then stays.'
    : null;
}

function removal(name: string): Button {
  return { label: 'Delete', command: formatLine('cluster delete', ['cluster'], { cluster: name }), style: 'danger' };
}

function letGo(name: string): Button {
  return { label: 'Detach', command: formatLine('cluster detach', ['cluster'], { cluster: name }), style: 'danger' };
}

/** The last state of a creation or an adoption: what there is now, and what to do next. */
function summaryCard(job: Job, cluster: Cluster, { approval, health, capabilities }: JobLook): Card {
  const done = job.kind === 'cluster.adopt' ? 'Taken over' : 'Created';
  const took = formatDuration((job.endedAt ?? job.requestedAt) - (job.startedAt ?? job.requestedAt));
  const healthy = health?.verdict === 'Healthy' || cluster.stopped === true;
  const state = cluster.stopped ? 'stopped' : 'ready';
  const title = `Cluster ${cluster.name} is ${state}${health && !healthy ? `, but ${health.verdict.toLowerCase()}` : ''}`;
  const card: Card = {
    title,
    tone: healthy ? 'good' : 'warn',
    text: `${title}. ${done} in ${took} for ${job.requesterName}.`,
    parts: [
      { part: 'text', text: `${done} in ${took}. ${approved(approval)}Owner: ${cluster.ownerName}.` },
      { part: 'facts', facts: [...clusterFacts(cluster), ...(health ? healthFacts(health) : [])] },
    ],
    buttons: withPage(clusterButtons(cluster, capabilities), providerPage(job, cluster)),
    footer: `Job ${jobName(job)}${job.plan.notice ? `. ${job.plan.notice}` : ''}`,
  };
  const bad = health?.conditions.filter((condition) => condition.status !== 'True') ?? [];
  for (const note of cluster.notes ?? []) card.parts.push({ part: 'note', text: note });
  for (const condition of bad) card.parts.push({ part: 'note', text: `${condition.type}: ${condition.message}` });
  return card;
}

/** With a way to where the provider shows it, while Teams shows them all. */
function withPage(made: Button[], page: string | undefined): Button[] {
  return page === undefined || made.length >= 6 ? made : [...made, { label: 'Open', url: page }];
}

/** What a cluster is and where. */
export function clusterFacts(cluster: Cluster): Fact[] {
  const facts: Fact[] = [
    { label: 'Where', value: `${cluster.provisionerName} (${cluster.engine}), there named ${cluster.externalName}` },
    { label: 'What', value: cluster.summary },
  ];
  if (cluster.endpoint) facts.push({ label: 'Endpoint', value: cluster.endpoint });
  if (cluster.version) facts.push({ label: 'Kubernetes', value: cluster.version });
  const pools = cluster.pools ?? [];
  if (pools.length > 1 || pools.some((pool) => pool.autoscale)) {
    facts.push({ label: 'Node pools', value: pools.map(poolText).join('; ') });
  }
  for (const [pool, { min, max }] of Object.entries(cluster.scaling ?? {})) {
    facts.push({ label: 'Autoscaling', value: `${pool} by KQueen itself, ${boundsText({ min, max })}` });
  }
  if (cluster.leftovers?.length) facts.push({ label: 'Left behind', value: cluster.leftovers.join(', ') });
  return facts;
}

/** What its own API last showed. */
export function healthFacts(health: Health): Fact[] {
  const { requests, capacity } = health;
  const conditions: Fact = {
    label: 'Conditions',
    value: health.conditions
      .map(({ type, status }) => `${type} ${status === 'True' ? 'yes' : status === 'False' ? 'NO' : 'unknown'}`)
      .join(', '),
  };
  // Nobody could count anything, and no nodes would be another piece of news.
  const [api] = health.conditions.filter(({ type, status }) => type === 'APIServerAvailable' && status !== 'True');
  if (api && health.nodes === 0) return [{ label: 'API', value: api.message }, conditions];
  return [
    {
      label: 'Nodes',
      value: `${health.nodesReady} of ${health.nodes} ready; requests ${formatCores(requests.cpu)} of ${formatCores(capacity.cpu)} cores, ${formatBytes(requests.memory)} of ${formatBytes(capacity.memory)}`,
    },
    {
      label: 'Workloads',
      value: [
        `${health.deployments.available} of ${count(health.deployments.total, 'deployment')} available`,
        `${health.pods.running} of ${count(health.pods.total, 'pod')} running`,
        ...(health.services === undefined ? [] : [count(health.services, 'service')]),
        ...(health.namespaces === undefined ? [] : [`in ${count(health.namespaces, 'namespace')}`]),
      ].join(', '),
    },
    conditions,
  ];
}

/** "workers: 3 nodes, 2 to 6 nodes by the provider". */
function poolText({ name, nodes, size, autoscale }: NonNullable<Cluster['pools']>[number]): string {
  const more = [size, autoscale ? `scaled by the provider, ${boundsText(autoscale)}` : undefined];
  return `${name}: ${[count(nodes, 'node'), ...more].filter(Boolean).join(', ')}`;
}

/** The next steps that fit a cluster's phase, and what its engine can do. */
export function clusterButtons(cluster: Cluster, capabilities?: Capabilities): Button[] {
  const of = (verb: string): string => formatLine(`cluster ${verb}`, ['cluster'], { cluster: cluster.name });
  if (cluster.openJob)
    return [{ label: 'Show job', command: formatLine('job show', ['job'], { job: cluster.openJob }) }];
  const show: Button = { label: 'Show', command: of('show') };
  // What KQueen did not make is let go rather than deleted; who means it can still type it.
  const remove =
    cluster.origin === undefined || cluster.origin === 'created' ? removal(cluster.name) : letGo(cluster.name);
  if (cluster.phase !== 'Ready') return [show, remove];
  if (cluster.stopped) {
    const start: Button = { label: 'Start', command: of('start'), style: 'primary' };
    return [...(capabilities?.power && !cluster.readOnly ? [start] : []), show, remove];
  }
  const can = cluster.readOnly ? undefined : capabilities;
  const changes: Button[] = [
    ...(can?.scale ? [{ label: 'Scale', command: of('scale') }] : []),
    ...(can?.upgrade ? [{ label: 'Upgrade', command: of('upgrade') }] : []),
    ...(can?.power ? [{ label: 'Stop', command: of('stop') }] : []),
  ];
  return [
    { label: 'Get access', command: of('access'), style: 'primary' },
    { label: 'Check', command: of('check') },
    ...changes,
    // Teams shows six.
    ...(changes.length < 3 ? [show] : []),
    remove,
  ];
}
