/** What KQueen tells unasked: one message a job, a request to each approver, a cluster's health when it changes. */

import { type Card, plainCard } from '../core/card.ts';
import { clusterCard } from '../core/commands/cluster-show.ts';
import { engineAt } from '../core/engine-at.ts';
import { ownPerson } from '../core/own-jobs.ts';
import { hashOf } from '../core/plan.ts';
import { atLeast } from '../core/policy.ts';
import type { Engines } from '../core/ports/engine.ts';
import type { Cache } from '../core/ports/store.ts';
import { endedStates, type Job, type Message, type Place } from '../core/records.ts';
import { approvalCard } from '../core/views/approval.ts';
import { type JobLook, jobCard, waitsForPerson } from '../core/views/job.ts';
import { channelRef } from '../core/which.ts';

/** One message to keep up to date. */
export interface Topic {
  /** Also the id of its message record. */
  id: string;
  about: Message['about'];
  /** A conversation, or the person whose direct conversation it is. */
  to: Place | { person: string };
}

/** What the topic should show now. */
export interface Wanted {
  card: Card;
  /** Where to go when the place is gone. */
  fallback?: string;
}

export interface TopicParts {
  cache: Cache;
  engines: Engines;
  org: string;
  /** Where requests for approval go; empty means a direct message to each approver. */
  approvals: readonly Place[];
}

/** How long after its end an event is still news to somebody who has not been told. */
const newsMs = 3_600_000;

/** Whether a place belongs to a chat workspace. */
export function within(place: Place, chat: Place['chat'], workspace: string): boolean {
  return place.chat === chat && place.workspace === workspace;
}

/** Every topic of a workspace that is open, or ended so recently that it may still have to be told. */
export function topicsOf(parts: TopicParts, chat: Place['chat'], workspace: string, now: number): Topic[] {
  const { cache, org } = parts;
  const recent = (endedAt: number | undefined) => endedAt === undefined || now - endedAt < newsMs;
  const jobs = cache.query('job', org, {
    where: (job) => within(job.place, chat, workspace) && recent(job.endedAt),
    limit: 100_000,
  });
  const topics: Topic[] = jobs.items.map((job) => ({
    id: `job.${job.id}`,
    about: { kind: 'job', id: job.id },
    to: job.place,
  }));
  const approvals = cache.query('approval', org, {
    where: (each) => each.state === 'pending' || recent(each.decidedAt ?? each.expiresAt),
    limit: 10_000,
  });
  for (const approval of approvals.items) topics.push(...approvalTopics(parts, approval.id, chat, workspace));
  const open = cache.query('message', org, {
    // Files are no topics: they are only taken away again.
    where: (message) => !message.closed && message.about.kind !== 'file' && within(message.place, chat, workspace),
    limit: 100_000,
  });
  // A change of health while nobody led the workspace is still news.
  const changed = cache.query('health', org, {
    where: ({ since, changes }) => changes > 0 && recent(since),
    limit: 1_000,
  });
  for (const health of changed.items) {
    const told = cache.query('message', org, {
      where: ({ about, createdAt, editedAt }) =>
        about.kind === 'health' && about.id === health.id && (editedAt ?? createdAt) >= health.since,
      limit: 1,
    });
    const topic = told.total === 0 ? healthTopic(parts, health.id, chat, workspace, now) : null;
    if (topic) topics.push(topic);
  }
  for (const { id } of cache.query('notice', org, { where: ({ at }) => now - at < newsMs, limit: 1_000 }).items) {
    const topic = noticeTopic(parts, id, chat, workspace);
    if (topic) topics.push(topic);
  }
  const known = new Set(topics.map(({ id }) => id));
  for (const message of open.items) {
    if (!known.has(message.id)) topics.push({ id: message.id, about: message.about, to: message.place });
  }
  return topics;
}

/** The copies of one request for approval in a workspace. */
export function approvalTopics(parts: TopicParts, approvalId: string, chat: Place['chat'], workspace: string): Topic[] {
  const { cache, org } = parts;
  const approval = cache.get({ kind: 'approval', org, id: approvalId });
  if (!approval) return [];
  const about = { kind: 'approval', id: approvalId } as const;
  if (parts.approvals.length > 0) {
    return parts.approvals
      .filter((place) => within(place, chat, workspace))
      .map((place) => ({ id: `approval.${approvalId}.${hashOf(place)}`, about, to: place }));
  }
  const people = cache.query('person', org, {
    where: ({ id, role }) =>
      atLeast(role, approval.role) &&
      id !== approval.requestedBy &&
      id.startsWith(`${chat}:${workspace === 'local' ? '' : `${workspace}:`}`),
    limit: 20,
  });
  return people.items.map((person) => ({
    id: `approval.${approvalId}.${hashOf(person.id)}`,
    about,
    to: person.direct ?? { person: person.id },
  }));
}

/** The topic of a change of health, damped: changes within ten minutes share one message. */
export function healthTopic(
  parts: TopicParts,
  clusterId: string,
  chat: Place['chat'],
  workspace: string,
  now: number,
): Topic | null {
  const { cache, org } = parts;
  const cluster = cache.get({ kind: 'cluster', org, id: clusterId });
  if (!cluster || !within(cluster.place, chat, workspace)) return null;
  // A conversation that has said what it wants to be told gets that and nothing else.
  if (cache.get(channelRef(org, cluster.place))?.notify) return null;
  const before = cache.query('message', org, {
    descending: true,
    where: ({ about, createdAt }) => about.kind === 'health' && about.id === clusterId && now - createdAt < 600_000,
    limit: 1,
  });
  const id = before.items[0]?.id ?? `health.${clusterId}.${now}`;
  return { id, about: { kind: 'health', id: clusterId }, to: cluster.place };
}

/** The topic of something that is told once; null where it is not wanted. */
export function noticeTopic(
  { cache, org }: TopicParts,
  noticeId: string,
  chat: Place['chat'],
  workspace: string,
): Topic | null {
  const notice = cache.get({ kind: 'notice', org, id: noticeId });
  if (!notice || !within(notice.place, chat, workspace)) return null;
  const notify = cache.get(channelRef(org, notice.place))?.notify;
  if (notify && (notify.level === 'none' || !notify.events.includes('health'))) return null;
  return { id: `notice.${noticeId}`, about: { kind: 'notice', id: noticeId }, to: notice.place };
}

/** How a topic stands, without its card; null when what it is about is gone. */
export interface Standing {
  /** The same as long as nothing but time has passed. */
  mark: string;
  /** Nothing more will come. */
  last: boolean;
  job?: Job;
}

/** How a topic stands now. Boards are not among them. */
export function standingOf(parts: TopicParts, about: Message['about']): Standing | null {
  const { cache, org } = parts;
  if (about.kind === 'approval') {
    const approval = cache.get({ kind: 'approval', org, id: about.id });
    if (!approval || !cache.get({ kind: 'job', org, id: approval.job })) return null;
    return { mark: hashOf([approval.state, approval.decidedAt]), last: approval.state !== 'pending' };
  }
  if (about.kind === 'health' || about.kind === 'notice') {
    const wanted = wantedOf(parts, about, 0);
    return wanted && { mark: hashOf(wanted.card), last: true };
  }
  const job = cache.get({ kind: 'job', org, id: about.id });
  if (!job) return null;
  const approval = cache.get({ kind: 'approval', org, id: job.id });
  // Each attempt runs and waits: that is one state for those who look.
  const state = job.endedAt === undefined && job.attempt > 0 ? 'trying' : job.state;
  return {
    mark: hashOf([state, job.endedAt, job.steps.map(({ state }) => state), approval?.state, waitsForPerson(job)]),
    last: endedStates.includes(job.state),
    job,
  };
}

/** What is known beside the records when a job's card is made. */
export type Beside = Pick<JobLook, 'past' | 'nextLook' | 'onBoard'>;

/** What a topic shows now; null when what it is about is gone. */
export function wantedOf(parts: TopicParts, about: Message['about'], now: number, beside: Beside = {}): Wanted | null {
  const { cache, org } = parts;
  if (about.kind === 'approval') {
    const approval = cache.get({ kind: 'approval', org, id: about.id });
    const job = approval && cache.get({ kind: 'job', org, id: approval.job });
    return approval && job ? { card: approvalCard(approval, job) } : null;
  }
  if (about.kind === 'health') {
    const cluster = cache.get({ kind: 'cluster', org, id: about.id });
    if (!cluster) return null;
    const health = cache.get({ kind: 'health', org, id: about.id });
    return {
      card: clusterCard(cluster, health, health?.at ?? now, engineAt(parts, cluster)),
      fallback: cluster.owner,
    };
  }
  if (about.kind === 'notice') {
    const notice = cache.get({ kind: 'notice', org, id: about.id });
    if (!notice) return null;
    const { title, text, tone, buttons, owner } = notice;
    return { card: plainCard(title, text, tone, buttons), fallback: owner };
  }
  const job = cache.get({ kind: 'job', org, id: about.id });
  if (!job) return null;
  const card = jobCard(job, {
    approval: cache.get({ kind: 'approval', org, id: job.id }),
    cluster: cache.get({ kind: 'cluster', org, id: job.cluster }),
    health: cache.get({ kind: 'health', org, id: job.cluster }),
    capabilities: engineAt(parts, job)?.capabilities,
    now: job.endedAt ?? now,
    ...beside,
  });
  const owner = cache.get({ kind: 'cluster', org, id: job.cluster })?.owner;
  return { card, fallback: job.requestedBy === ownPerson ? (owner ?? job.requestedBy) : job.requestedBy };
}
