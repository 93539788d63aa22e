/** What a conversation is told of a cluster: transitions alone, damped when they come and go. Pure. */
import { hashOf } from './plan.ts';
import type { Approval, Cluster, Health, Job, Notify, Watch } from './records.ts';
import { endedStates } from './records.ts';
import { formatDuration } from './units.ts';
import { jobTitle } from './views/job.ts';
import { jobName, jobTone, jobWords } from './words.ts';

/** So many changes within `dampMs` are a flapping; it is over after as long without one. */
export const flappingChanges = 3;
export const dampMs = 10 * 60_000;

/** How long after it something is still news. */
export const newsMs = 3_600_000;

const mostTold = 100;

/** Something to say. */
export type Telling = Omit<NonNullable<Watch['sending']>, 'key' | 'at'>;

/** A cluster as it is now, with what happened to it lately. */
export interface Sight {
  cluster: Cluster;
  health?: Health | undefined;
  jobs: readonly Job[];
  approvals: readonly Approval[];
  /** Its version before the change that made us look. */
  versionBefore?: string | undefined;
  now: number;
}

/** A step: the watch as it is from now on, and what is said of the change, if anything. */
export interface Advance {
  watch: Watch;
  says?: Telling;
}

/** The next thing that is not as it was told; null when all is told. Call it again with the watch it gives until it gives null. */
export function advance(watch: Watch, notify: Notify, sight: Sight): Advance | null {
  if (notify.level === 'none') return null;
  const wants = (event: Notify['events'][number]) => notify.events.includes(event);
  return (
    (wants('health') ? healthStep(watch, notify, sight) : null) ??
    (wants('drift') ? driftStep(watch, notify, sight) : null) ??
    (wants('versions') ? versionStep(watch, notify, sight) : null) ??
    (wants('approvals') ? approvalStep(watch, notify, sight) : null) ??
    (wants('jobs') ? jobStep(watch, notify, sight) : null)
  );
}

/** A watch before anything was told. */
export function newWatch(
  org: string,
  channel: { id: string; place: Watch['place'] },
  cluster: Cluster,
  now: number,
): Watch {
  return {
    v: 1,
    id: watchId(channel.id, cluster.id),
    org,
    channel: channel.id,
    cluster: cluster.id,
    clusterName: cluster.name,
    place: channel.place,
    changes: 0,
    lately: [],
    told: [],
    roots: [],
    attempts: 0,
    at: now,
  };
}

export function watchId(channel: string, cluster: string): string {
  return `${channel}.${cluster}`;
}

/**
 * The word for its health; null while there is none to tell: a job changes the cluster and tells of itself, or nobody has looked. Unknown is said
 * of a cluster that its provider does not know any more.
 */
function standingWord({ cluster, health }: Sight): string | null {
  if (cluster.phase === 'Unknown') return 'Unknown';
  if (cluster.phase !== 'Ready' || cluster.stopped || cluster.openJob !== undefined) return null;
  return health?.verdict ?? null;
}

const healthTones: Record<string, Telling['tone']> = {
  Healthy: 'good',
  Degraded: 'warn',
  Unreachable: 'bad',
  Unknown: 'bad',
};

function healthStep(watch: Watch, notify: Notify, sight: Sight): Advance | null {
  const { cluster, health, now } = sight;
  const word = standingWord(sight);
  if (word === null) return null;
  const counted = health?.changes ?? 0;
  const before = watch.health;
  if (before === undefined) {
    // What was so before the conversation asked is no change.
    const fresh =
      word === 'Unknown' ||
      (health !== undefined && counted > 0 && health.since > Math.max(notify.since, now - newsMs));
    // After a job it is well again without that anybody was told that it was not.
    if (!fresh || (word === 'Healthy' && byJob(sight))) return null;
  }
  const changed = before !== word || counted > watch.changes;
  const lately = watch.lately.filter((at) => at > now - dampMs);
  if (!changed) {
    if (watch.flapping === undefined || lately.length > 0) return null;
    const { flapping, ...steady } = watch;
    const said = `${cluster.name} is steady again: ${word.toLowerCase()} for ${formatDuration(dampMs)}, after ${flapping.changes} changes in ${formatDuration(now - flapping.since)}.`;
    return {
      watch: { ...steady, lately: [], at: now },
      says: {
        tone: healthTones[word] ?? 'warn',
        title: `${cluster.name} is steady again: ${word.toLowerCase()}`,
        text: `${said}${whyOf(sight, word)}`,
      },
    };
  }
  // Two changes between two looks end where it began: both count, and neither is told alone. Those that a job made do not count.
  const times = byJob(sight)
    ? 0
    : before === undefined
      ? 1
      : Math.max(before === word ? 0 : 1, Math.min(flappingChanges, counted - watch.changes));
  const all = [...lately, ...Array.from({ length: times }, () => now)].slice(-10);
  const { flapping } = watch;
  const next: Watch = { ...watch, health: word, changes: counted, lately: all, at: now };
  if (flapping) return { watch: { ...next, flapping: { ...flapping, changes: flapping.changes + times } } };
  if (all.length >= flappingChanges) {
    const since = all[0] ?? now;
    const text = `${cluster.name} changes to and fro: ${all.length} times in ${formatDuration(Math.max(60_000, now - since))}, now ${word.toLowerCase()}. Nothing more is said of its health until it has been steady for ${formatDuration(dampMs)}.`;
    return {
      watch: { ...next, flapping: { since, changes: all.length } },
      says: { tone: 'warn', title: `${cluster.name} is flapping`, text: `${text}${whyOf(sight, word)}` },
    };
  }
  if (before === word) return { watch: next };
  const was = before === undefined ? '' : ` It was ${before.toLowerCase()} before.`;
  const title =
    word === 'Unknown' ? `${cluster.name} is not found at its provider` : `${cluster.name} is ${word.toLowerCase()}`;
  return {
    watch: next,
    says: { tone: healthTones[word] ?? 'warn', title, text: `${title}.${whyOf(sight, word)}${was}` },
  };
}

/** Whether its health changed last while a job changed the cluster. */
function byJob({ health, jobs, now }: Sight): boolean {
  return jobs.some(
    ({ startedAt, endedAt }) =>
      startedAt !== undefined && health !== undefined && health.since >= startedAt && health.since <= (endedAt ?? now),
  );
}

function whyOf({ cluster, health }: Sight, word: string): string {
  if (word === 'Healthy') return '';
  if (word === 'Unknown' && cluster.failure) return ` ${sentence(cluster.failure.message)}`;
  const wrong = (health?.conditions ?? []).filter(({ status }) => status !== 'True').map(({ message }) => message);
  const first = wrong.find((message) => message !== '');
  return first === undefined ? '' : ` ${sentence(first)}`;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function driftStep(watch: Watch, notify: Notify, { cluster, now }: Sight): Advance | null {
  const found = cluster.drift;
  const hash = found ? hashOf(found.changes) : '';
  if ((watch.drift ?? '') === hash) return null;
  const next: Watch = { ...watch, drift: hash, at: now };
  if (!found) {
    const title = `${cluster.name} is as KQueen left it again`;
    return { watch: next, says: { tone: 'good', title, text: `${title}.` } };
  }
  if (watch.drift === undefined && found.at <= Math.max(notify.since, now - newsMs)) return null;
  const title = `${cluster.name} was changed by hand`;
  const shown = found.changes
    .slice(0, 5)
    .map((each) => sentence(each))
    .join(' ');
  const more = found.changes.length > 5 ? ` And ${found.changes.length - 5} more.` : '';
  return { watch: next, says: { tone: 'warn', title, text: `${title}. ${shown}${more}` } };
}

function versionStep(watch: Watch, notify: Notify, { cluster, versionBefore, now }: Sight): Advance | null {
  const { version } = cluster;
  const before = watch.version ?? versionBefore;
  if (version === undefined || before === undefined) return null;
  if (before === version) return watch.version === undefined ? { watch: { ...watch, version } } : null;
  const next: Watch = { ...watch, version, at: now };
  // A new version is no problem.
  if (notify.level === 'problems') return { watch: next };
  const title = `${cluster.name} runs Kubernetes ${version} now`;
  return { watch: next, says: { tone: 'good', title, text: `${title}, ${before} before.` } };
}

/** Whether the conversation sees the job's own message; of a quiet one only that it failed is told there. */
function isSamePlace(job: Job, watch: Watch): boolean {
  if (job.quiet && job.state !== 'Failed') return false;
  const { chat, workspace, conversation } = job.place;
  return chat === watch.place.chat && workspace === watch.place.workspace && conversation === watch.place.conversation;
}

function isNews(at: number, notify: Notify, now: number): boolean {
  return at > notify.since && at > now - newsMs;
}

function remembered(watch: Watch, key: string, now: number): Watch {
  return { ...watch, told: [...watch.told, key].slice(-mostTold), at: now };
}

/** Asked and decided, unless the conversation sees the job's own message. */
function approvalStep(watch: Watch, notify: Notify, { approvals, jobs, now }: Sight): Advance | null {
  for (const approval of approvals) {
    const job = jobs.find(({ id }) => id === approval.job);
    const { state } = approval;
    const at = state === 'pending' ? approval.requestedAt : (approval.decidedAt ?? approval.expiresAt);
    const key = `approval.${approval.id}.${state}`;
    if (!job || isSamePlace(job, watch) || watch.told.includes(key) || !isNews(at, notify, now)) continue;
    const isProblem = state === 'denied' || state === 'expired';
    if (notify.level === 'problems' && !isProblem) continue;
    const what = jobTitle(job);
    const title = state === 'pending' ? `Approval asked: ${what}` : `${what}: ${state}`;
    const who =
      state === 'pending'
        ? `${approval.requesterName} asks for it, and an ${approval.role} decides.`
        : approval.deciderName
          ? `${approval.deciderName} decided${approval.reason ? `: ${sentence(approval.reason)}` : '.'}`
          : '';
    const tone = state === 'pending' ? 'busy' : state === 'approved' ? 'good' : 'warn';
    return {
      watch: remembered(watch, key, now),
      says: { tone, title, text: [`${title}.`, who].filter(Boolean).join(' '), job: job.id },
    };
  }
  return null;
}

/** Begun and ended, unless the conversation sees the job's own message. */
function jobStep(watch: Watch, notify: Notify, { jobs, now }: Sight): Advance | null {
  for (const job of jobs) {
    const ended = endedStates.includes(job.state);
    const at = ended ? (job.endedAt ?? 0) : (job.startedAt ?? 0);
    const key = `job.${job.id}.${ended ? 'end' : 'start'}`;
    if (isSamePlace(job, watch) || watch.told.includes(key) || !isNews(at, notify, now)) continue;
    // Decisions are told as such.
    if (job.state === 'Denied' || job.state === 'Expired') continue;
    if (notify.level === 'problems' && job.state !== 'Failed') continue;
    const what = jobTitle(job);
    const title = ended ? `${what}: ${jobWords[job.state]}` : `${what}: started`;
    const took = ended && job.startedAt !== undefined ? ` It took ${formatDuration(at - job.startedAt)}.` : '';
    const why = job.failure ? ` ${sentence(job.failure.message)}${job.failure.next ? ` ${job.failure.next}` : ''}` : '';
    return {
      watch: remembered(watch, key, now),
      says: {
        tone: ended ? jobTone[job.state] : 'busy',
        title,
        text: `${title}.${why}${took} Asked for by ${job.requesterName}, job ${jobName(job)}.`,
        job: job.id,
      },
    };
  }
  return null;
}
