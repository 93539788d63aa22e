import type { ExternalState, Target } from '../../core/ports/engine.ts';
import { type Build, type History, handleOf, markOf } from './history.ts';

/** What the builds say of one cluster. Jenkins knows no clusters: one is there when a job has made it and none has removed it since. */
export interface Verdict {
  state: ExternalState;
  /** False when the name is in use by builds that do not carry the cluster's mark. */
  mine: boolean;
  /** Absent because its removal succeeded, not only because nothing was found. */
  proved: boolean;
  /** The build that made it. */
  made?: Build;
  /** The last removal since, when there is one. */
  removal?: Build;
  /** The last change since, when there is one. */
  change?: Build;
  /** The newest build that is about it. */
  latest?: Build;
  /** How many removals have failed in a row until now. */
  failures: number;
  nodes?: number;
  version?: string;
  /** Further builds that are making the same cluster at this moment. */
  twins: Build[];
}

/** Reads the state of a cluster out of the history. Pure. */
export function judge(history: History, target: Pick<Target, 'org' | 'cluster' | 'externalName'>): Verdict {
  const mark = markOf(target);
  const about = history.builds.filter((build) => build.mark === mark || build.name === target.externalName);
  const lastGone = about.findLastIndex((build) => build.purpose === 'deprovision' && build.stage === 'done');
  const since = about.slice(lastGone + 1);
  const makers = since.filter(({ purpose }) => purpose === 'provision');
  const own = makers.filter((build) => build.mark === mark);
  const mine = own.length > 0 || makers.length === 0;
  const made = (mine ? own : makers).at(-1);
  const later = made ? since.slice(since.indexOf(made) + 1) : since;
  const removals = later.filter(({ purpose }) => purpose === 'deprovision');
  const changes = later.filter(({ purpose }) => purpose === 'scale' || purpose === 'upgrade');
  const [removal, change] = [removals.at(-1), changes.at(-1)];
  const verdict: Verdict = {
    state: stateOf(made, removal, change),
    mine,
    proved: !made && !removal && !change && lastGone >= 0,
    failures: removals.length - 1 - removals.findLastIndex(({ stage }) => stage !== 'failed'),
    twins: own.filter((build) => build !== made && isBusy(build)),
  };
  if (made) verdict.made = made;
  if (removal) verdict.removal = removal;
  if (change) verdict.change = change;
  const latest = later.at(-1) ?? made ?? about[lastGone];
  if (latest) verdict.latest = latest;
  for (const build of [...(made ? [made] : []), ...changes.filter(({ stage }) => stage === 'done')]) {
    if (build.nodes !== undefined) verdict.nodes = build.nodes;
    if (build.version !== undefined) verdict.version = build.version;
  }
  return verdict;
}

function stateOf(made: Build | undefined, removal: Build | undefined, change: Build | undefined): ExternalState {
  if (removal && isBusy(removal)) return 'deleting';
  // Nobody knows what a removal that failed has left.
  if (removal) return removal.stage === 'strange' ? 'unknown' : 'error';
  // Its change is remembered, its making is not: Jenkins has thrown that build away.
  if (!made) return change ? 'unknown' : 'absent';
  if (isBusy(made)) return 'creating';
  if (made.stage !== 'done') return made.stage === 'strange' ? 'unknown' : 'error';
  return change && isBusy(change) ? 'updating' : 'running';
}

/** Whether a build waits or works. */
export function isBusy(build: Build): boolean {
  return build.stage === 'queued' || build.stage === 'running';
}

/** The build behind an operation's handle. */
export function buildOf(history: History, handle: string | undefined): Build | undefined {
  return handle === undefined ? undefined : history.builds.findLast((build) => handleOf(build) === handle);
}

/** How an operation stands by its build; undefined for an end that Jenkins has a new word for. */
export function outcomeOf(build: Build): 'running' | 'done' | 'failed' | undefined {
  if (isBusy(build)) return 'running';
  return build.stage === 'strange' ? undefined : build.stage === 'done' ? 'done' : 'failed';
}

/** "kubernetes/provision#12 failed" */
export function endWords(build: Build): string {
  const words: Record<string, string> = {
    FAILURE: 'failed',
    ABORTED: 'was aborted',
    UNSTABLE: 'ended unstable, which Jenkins counts neither as success nor as failure',
    NOT_BUILT: 'was not built',
  };
  const result = build.result ?? '';
  return `${build.job}#${build.number ?? '?'} ${Object.hasOwn(words, result) ? words[result] : `ended as ${result}`}`;
}
