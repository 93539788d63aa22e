import type { Button, Card, Fact, Part } from '../card.ts';
import { formatLine } from '../line.ts';
import type { Approval, Cluster, Health, Job } from '../records.ts';
import { formatBytes, formatCores, formatDuration } from '../units.ts';
import { count, jobName, jobTone, jobWords } from '../words.ts';
import { planParts } from './plan.ts';

const titles: Record<Job['kind'], string> = {
  'cluster.create': 'Create cluster',
  'cluster.delete': 'Delete cluster',
  'cluster.scale': 'Scale cluster',
  'cluster.autoscale': 'Set autoscaling of cluster',
  'cluster.upgrade': 'Upgrade cluster',
  'cluster.stop': 'Stop cluster',
  'cluster.start': 'Start cluster',
  'cluster.adopt': 'Adopt cluster',
  'cluster.detach': 'Detach cluster',
};

/** "Create cluster dev-1". */
export function jobTitle(job: Job): string {
  return `${titles[job.kind]} ${job.clusterName}`;
}

export interface JobLook {
  approval?: Approval | undefined;
  cluster?: Cluster | undefined;
  health?: Health | undefined;
  now: number;
}

/** The one live message of a job, in every state from the request to the summary. */
export function jobCard(job: Job, look: JobLook): Card {
  if (job.kind === 'cluster.create' && job.state === 'Succeeded' && look.cluster)
    return summaryCard(job, look.cluster, look);
  const title = `${jobTitle(job)}: ${jobWords[job.state]}`;
  const card: Card = {
    title,
    tone: jobTone[job.state],
    text: `${title}. ${sentence(job, look)}`,
    parts: [],
    buttons: buttons(job),
  };
  card.parts.push({ part: 'text', text: sentence(job, look) });
  if (job.state === 'AwaitingApproval') {
    card.parts.push(...planParts(job.plan));
    if (look.approval) card.parts.push({ part: 'time', label: 'Expires', at: look.approval.expiresAt });
  } else {
    card.parts.push(...progressParts(job, look));
  }
  card.footer = `Job ${jobName(job)}, asked for by ${job.requesterName}${job.plan.notice ? `. ${job.plan.notice}` : ''}`;
  return card;
}

function sentence(job: Job, { approval, now }: JobLook): string {
  switch (job.state) {
    case 'AwaitingApproval':
      return `${job.requesterName} asks for this. A person with the role ${job.plan.approval.role} decides, because ${job.plan.approval.why}.`;
    case 'Denied':
      return `Denied by ${approval?.deciderName ?? 'an admin'}${approval?.reason ? `: ${approval.reason}` : ''}. Nothing was changed.`;
    case 'Expired':
      return 'Nobody decided in time. Nothing was changed; ask again if it is still wanted.';
    case 'Queued':
      return `${approved(approval)}Waiting for a free worker.`;
    case 'Running':
    case 'Waiting': {
      const elapsed = formatDuration(now - (job.startedAt ?? job.requestedAt));
      return `${approved(approval)}${job.note} ${elapsed} so far.`;
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

function progressParts(job: Job, { now }: JobLook): Part[] {
  const parts: Part[] = [];
  const open = job.state === 'Running' || job.state === 'Waiting' || job.state === 'Queued';
  if (open && job.percent !== undefined) {
    parts.push({
      part: 'progress',
      percent: job.percent,
      label: `${job.percent} %, ${formatDuration(now - (job.startedAt ?? now))} so far`,
    });
  }
  if (job.steps.length > 0 && job.state !== 'Denied' && job.state !== 'Expired') {
    parts.push({ part: 'steps', steps: job.steps.map(({ name, state }) => ({ name, state })) });
  }
  return parts;
}

function buttons(job: Job): Button[] {
  const of = (verb: string) => formatLine(`job ${verb}`, ['job'], { job: job.id });
  switch (job.state) {
    case 'AwaitingApproval':
    case 'Queued':
    case 'Running':
    case 'Waiting': {
      const show: Button = { label: 'Details', command: of('show') };
      if (job.kind !== 'cluster.create') return [show];
      return [
        show,
        {
          label: 'Cancel',
          command: of('cancel'),
          style: 'danger',
          confirm: {
            title: 'Cancel this?',
            text: `What was made of ${job.clusterName} so far is removed again.`,
            yes: 'Cancel it',
          },
        },
      ];
    }
    case 'Failed': {
      const made: Button[] = [
        { label: 'Retry', command: of('retry'), style: 'primary' },
        { label: 'Show log', command: of('show') },
      ];
      if (job.kind === 'cluster.create') {
        made.push({
          label: 'Delete',
          command: formatLine('cluster delete', ['cluster'], { cluster: job.clusterName }),
          style: 'danger',
        });
      }
      return made;
    }
    default:
      return [{ label: 'Details', command: of('show') }];
  }
}

/** The last state of a creation: what there is now, and what to do next. */
function summaryCard(job: Job, cluster: Cluster, { approval, health }: JobLook): Card {
  const took = formatDuration((job.endedAt ?? job.requestedAt) - (job.startedAt ?? job.requestedAt));
  const healthy = health?.verdict === 'Healthy';
  const title = `Cluster ${cluster.name} is ready${health && !healthy ? `, but ${health.verdict.toLowerCase()}` : ''}`;
  const card: Card = {
    title,
    tone: healthy ? 'good' : 'warn',
    text: `${title}. Created in ${took} for ${job.requesterName}.`,
    parts: [
      { part: 'text', text: `Created in ${took}. ${approved(approval)}Owner: ${cluster.ownerName}.` },
      { part: 'facts', facts: [...clusterFacts(cluster), ...(health ? healthFacts(health) : [])] },
    ],
    buttons: clusterButtons(cluster),
    footer: `Job ${jobName(job)}${job.plan.notice ? `. ${job.plan.notice}` : ''}`,
  };
  const bad = health?.conditions.filter((condition) => condition.status !== 'True') ?? [];
  for (const condition of bad) card.parts.push({ part: 'note', text: `${condition.type}: ${condition.message}` });
  return card;
}

/** What a cluster is and where. */
export function clusterFacts(cluster: Cluster): Fact[] {
  const facts: Fact[] = [
    { label: 'Where', value: `${cluster.provisionerName} (${cluster.engine}), there named ${cluster.externalName}` },
    { label: 'What', value: cluster.summary },
  ];
  if (cluster.endpoint) facts.push({ label: 'Endpoint', value: cluster.endpoint });
  if (cluster.version) facts.push({ label: 'Kubernetes', value: cluster.version });
  return facts;
}

/** What its own API last showed. */
export function healthFacts(health: Health): Fact[] {
  const { requests, capacity } = health;
  return [
    {
      label: 'Nodes',
      value: `${health.nodesReady} of ${health.nodes} ready; requests ${formatCores(requests.cpu)} of ${formatCores(capacity.cpu)} cores, ${formatBytes(requests.memory)} of ${formatBytes(capacity.memory)}`,
    },
    {
      label: 'Workloads',
      value: `${health.deployments.available} of ${count(health.deployments.total, 'deployment')} available, ${health.pods.running} of ${count(health.pods.total, 'pod')} running`,
    },
    {
      label: 'Conditions',
      value: health.conditions
        .map(({ type, status }) => `${type} ${status === 'True' ? 'yes' : status === 'False' ? 'NO' : 'unknown'}`)
        .join(', '),
    },
  ];
}

/** The next steps that fit a cluster's phase. */
export function clusterButtons(cluster: Cluster): Button[] {
  const of = (verb: string): string => formatLine(`cluster ${verb}`, ['cluster'], { cluster: cluster.name });
  if (cluster.openJob)
    return [{ label: 'Show job', command: formatLine('job show', ['job'], { job: cluster.openJob }) }];
  const remove: Button = { label: 'Delete', command: of('delete'), style: 'danger' };
  if (cluster.phase !== 'Ready') return [{ label: 'Show', command: of('show') }, remove];
  return [
    { label: 'Get access', command: of('access'), style: 'primary' },
    { label: 'Check', command: of('check') },
    { label: 'Show', command: of('show') },
    remove,
  ];
}
