/** Restores a backup one bounded step after the other: chunk by chunk, in the order in which it was kept, which is that of a restore. */
import { z } from 'zod';
import type { Fact } from '../../core/card.ts';
import { asFault, Fault } from '../../core/errors.ts';
import type { Archive } from '../../core/ports/archive.ts';
import type { WorkStep } from '../../core/ports/work.ts';
import { count } from '../../core/words.ts';
import { called, isObject, listAt } from '../apply/manifests.ts';
import { inParallel } from '../apply/set.ts';
import { plain } from '../faults.ts';
import { apiVersionOf, baseOf, discover, resourceName, statusOf } from './discovery.ts';
import { type Manifest, readChunk, readManifest, type TakenKind } from './format.ts';
import { kindOf, type Outcome, type RestoreParts, readLine, restoreOne } from './restore-objects.ts';

const Problem = z.object({ at: z.tuple([z.number(), z.number()]), what: z.string(), why: z.string() });

export const RestoreProgress = z.object({
  stage: z.enum(['begin', 'apply', 'kinds', 'again', 'done']).default('begin'),
  chunk: z.number().default(0),
  line: z.number().default(0),
  created: z.number().default(0),
  changed: z.number().default(0),
  same: z.number().default(0),
  there: z.number().default(0),
  /** Objects that were left on purpose, by the reason. */
  left: z.record(z.string(), z.number()).default({}),
  /** Objects that the cluster has not taken; those past the bound are only counted. */
  problems: z.array(Problem).default([]),
  more: z.number().default(0),
  /** Objects of kinds that the cluster does not serve, by kind. */
  unserved: z.record(z.string(), z.number()).default({}),
  /** Kinds that the cluster does not serve, as `apps/v1 widgets`. */
  missing: z.array(z.string()).default([]),
  /** Those of them that may come with their definitions. */
  coming: z.array(z.string()).default([]),
  /** Since when they are waited for, epoch milliseconds. */
  since: z.number().default(0),
  /** Claims whose volumes begin empty. */
  empty: z.number().default(0),
  tries: z.number().default(0),
});
export type RestoreProgress = z.infer<typeof RestoreProgress>;

export const restoreSteps = [
  'Look at the backup',
  'Make its definitions',
  'Make its objects',
  'Try what was refused again',
];

const stepMs = 4_500;
const spareMs = 2_500;
const together = 16;
const width = 4;
/** Problems that are named; a job carries them. */
const mostProblems = 120;
/** How long new kinds are waited for, in milliseconds. */
const kindsMs = 60_000;
/** How often in a row a failing server is waited for before the object that it fails at counts as refused. */
const mostTries = 4;

interface Scene {
  parts: RestoreParts;
  archive: Archive;
  manifest: Manifest;
}

/** The next step of a restore. */
export async function stepRestore(parts: RestoreParts, archive: Archive, before: RestoreProgress): Promise<WorkStep> {
  const { input, talk } = parts;
  const manifest = await readManifest(archive, input.backup, talk.call);
  const scene: Scene = { parts: { ...parts, snapshots: manifest.snapshots }, archive, manifest };
  switch (before.stage) {
    case 'begin':
      return begin(scene, before);
    case 'apply':
      return apply(scene, before);
    case 'kinds':
      return awaitKinds(scene, before);
    case 'again':
    case 'done':
      return once(scene, before);
  }
}

const keyOf = (kind: Pick<TakenKind, 'group' | 'version' | 'plural'>): string => `${apiVersionOf(kind)} ${kind.plural}`;
const definitions = 'customresourcedefinitions.apiextensions.k8s.io';

/** Kinds of a backup that a cluster does not serve in the version that they are kept in; those that their definitions in the backup may bring are told apart. */
export function missingKinds(
  kinds: readonly TakenKind[],
  served: readonly Pick<TakenKind, 'group' | 'version' | 'plural'>[],
): { missing: TakenKind[]; coming: TakenKind[] } {
  const there = new Set(served.map(keyOf));
  const missing = kinds.filter((each) => !there.has(keyOf(each)));
  const defines = kinds.some((each) => resourceName(each) === definitions);
  const known = new Set(served.map(({ group }) => group));
  const coming = missing.filter(
    ({ group }) => defines && group.includes('.') && !(known.has(group) && group.endsWith('.k8s.io')),
  );
  return { missing, coming };
}

async function begin({ parts, manifest }: Scene, before: RestoreProgress): Promise<WorkStep> {
  const { resources } = await discover(parts.talk);
  // Discovery names the preferred version of a kind; others may be served as well.
  const { missing, coming } = missingKinds(manifest.kinds, resources);
  const absent: TakenKind[] = [];
  for (const each of missing) if (!(await serves(parts, each))) absent.push(each);
  const progress: RestoreProgress = {
    ...before,
    stage: 'apply',
    missing: absent.map(keyOf),
    coming: coming.filter((each) => absent.includes(each)).map(keyOf),
  };
  return again(manifest, progress, `${count(manifest.objects, 'object')} to look at.`);
}

/** Whether a cluster serves a kind in this very version. */
export async function serves(
  { talk }: Pick<RestoreParts, 'talk'>,
  kind: Pick<TakenKind, 'group' | 'version' | 'plural'>,
): Promise<boolean> {
  try {
    const answer = await talk.raw({ method: 'GET', path: baseOf(kind) });
    return listAt(answer, 'resources').some((each) => isObject(each) && each.name === kind.plural);
  } catch (thrown) {
    if (statusOf(thrown) === 404) return false;
    throw thrown;
  }
}

async function apply(scene: Scene, before: RestoreProgress): Promise<WorkStep> {
  const { parts, archive, manifest } = scene;
  const { talk, input } = parts;
  const progress = structuredClone(before);
  const until = Math.min(Date.now() + stepMs, talk.call.deadline - spareMs);
  const begun = [progress.chunk, progress.line].join();
  try {
    for (let mark = manifest.chunks[progress.chunk]; mark; mark = manifest.chunks[progress.chunk]) {
      const lines = await readChunk(archive, input.backup, mark, talk.call);
      while (progress.line < lines.length) {
        if (Date.now() > until) return again(manifest, progress, told(progress));
        const batch = nextBatch(scene, lines, progress.line);
        const [first] = batch;
        if (first && progress.coming.length > 0 && first.kind && resourceName(first.kind) !== definitions)
          return again(manifest, { ...progress, stage: 'kinds', since: talk.now() }, 'New kinds are waited for.');
        const outcomes = await inParallel(batch, width, (each) => outcomeOf(scene, progress, each));
        for (const [at, outcome] of outcomes.entries())
          note(progress, [progress.chunk, progress.line + at], batch[at], outcome);
        progress.line += batch.length;
        progress.tries = 0;
      }
      progress.chunk += 1;
      progress.line = 0;
    }
  } catch (thrown) {
    const fault = asFault(thrown);
    // What was done in this step is saved; a server that fails at one and the same object is borne with for a while.
    const moved = begun !== [progress.chunk, progress.line].join();
    if (!fault.retryable || (statusOf(fault) < 500 && !moved)) throw fault;
    const tries = moved ? 1 : progress.tries + 1;
    const waiting = again(manifest, { ...progress, tries }, `${fault.message} Trying again.`);
    return { ...waiting, state: 'wait', ms: 1_500 * tries };
  }
  return again(manifest, { ...progress, stage: 'again', tries: 0 }, told(progress));
}

interface Batched {
  kind: TakenKind | undefined;
  manifest: ReturnType<typeof readLine>;
}

/** Lines of one kind from `from` on: what another kind needs is there before it. */
function nextBatch({ parts, manifest }: Scene, lines: readonly string[], from: number): Batched[] {
  const batch: Batched[] = [];
  for (let at = from; at < lines.length && batch.length < together; at += 1) {
    const read = readLine(parts.input.backup, lines[at] ?? '', parts.vault);
    const kind = kindOf(manifest.kinds, read.object);
    if (batch.length > 0 && batch[0]?.kind !== kind) break;
    batch.push({ kind, manifest: read });
  }
  return batch;
}

async function outcomeOf({ parts }: Scene, progress: RestoreProgress, each: Batched): Promise<Outcome | 'unserved'> {
  const { kind, manifest } = each;
  if (!kind) return { is: 'refused', why: `${called(manifest)} is of a kind that the backup does not name.` };
  if (progress.missing.includes(keyOf(kind))) return 'unserved';
  return restoreOne(parts, kind, manifest, progress.tries < mostTries);
}

function note(
  progress: RestoreProgress,
  at: [number, number],
  each: Batched | undefined,
  outcome: Outcome | 'unserved',
): void {
  if (!each) return;
  if (outcome === 'unserved') {
    const kind = `${each.manifest.kind} of ${each.manifest.apiVersion}`;
    progress.unserved[kind] = (progress.unserved[kind] ?? 0) + 1;
    return;
  }
  if (outcome.empty) progress.empty += 1;
  if (outcome.is === 'left') {
    const why = outcome.why ?? '';
    progress.left[why] = (progress.left[why] ?? 0) + 1;
  } else if (outcome.is === 'refused') {
    if (progress.problems.length >= mostProblems) progress.more += 1;
    else progress.problems.push(problemOf(at, each, outcome));
  } else progress[outcome.is] += 1;
}

function problemOf(at: [number, number], { manifest }: Batched, { why = '' }: Outcome): z.infer<typeof Problem> {
  return { at, what: called(manifest), why: plain(why, 240) };
}

/** Waits until the kinds of the definitions that were made are served (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/). */
async function awaitKinds({ parts, manifest }: Scene, before: RestoreProgress): Promise<WorkStep> {
  const { talk } = parts;
  const open: string[] = [];
  for (const key of before.coming) {
    const kind = manifest.kinds.find((each) => keyOf(each) === key);
    if (kind && !(await serves(parts, kind))) open.push(key);
  }
  const served = before.coming.filter((each) => !open.includes(each));
  const missing = before.missing.filter((each) => !served.includes(each));
  if (open.length > 0 && talk.now() - before.since < kindsMs) {
    const waiting = again(manifest, { ...before, missing, coming: open }, `${open.join(', ')} not served yet.`);
    return { ...waiting, state: 'wait', ms: 700 };
  }
  return again(manifest, { ...before, missing, coming: [], stage: 'apply' }, 'Its kinds are served.');
}

/** What was refused is tried once more, since it may have waited for others; then it is said what is done and what is not. */
async function once(scene: Scene, before: RestoreProgress): Promise<WorkStep> {
  const { parts, archive, manifest } = scene;
  const { input, talk } = parts;
  const progress = structuredClone(before);
  const still: RestoreProgress['problems'] = [];
  let loaded: { chunk: number; lines: string[] } | undefined;
  const until = talk.call.deadline - spareMs;
  for (const problem of before.problems) {
    const [chunk, line] = problem.at;
    const mark = manifest.chunks[chunk];
    if (!mark || Date.now() > until) {
      still.push(problem);
      continue;
    }
    if (loaded?.chunk !== chunk) loaded = { chunk, lines: await readChunk(archive, input.backup, mark, talk.call) };
    const read = readLine(input.backup, loaded.lines[line] ?? '', parts.vault);
    const each = { kind: kindOf(manifest.kinds, read.object), manifest: read };
    const outcome = await outcomeOf(scene, { ...progress, tries: mostTries }, each);
    if (outcome !== 'unserved' && outcome.is === 'refused') still.push(problemOf(problem.at, each, outcome));
    else note(progress, problem.at, each, outcome);
  }
  return ended(scene, { ...progress, problems: still, stage: 'done' });
}

function told({ created, changed, same, there, problems, more }: RestoreProgress): string {
  const refused = problems.length + more;
  const parts = [
    `${created} made`,
    ...(changed > 0 ? [`${changed} changed`] : []),
    ...(there + same > 0 ? [`${there + same} there already`] : []),
    ...(refused > 0 ? [`${refused} refused`] : []),
  ];
  return `${parts.join(', ')}.`;
}

function ended({ parts, manifest }: Scene, progress: RestoreProgress): WorkStep {
  const { input } = parts;
  const unserved = Object.entries(progress.unserved);
  const lost = unserved.reduce((sum, [, amount]) => sum + amount, 0);
  const refused = progress.problems.length + progress.more;
  const left = Object.entries(progress.left);
  const done = told({ ...progress, problems: [], more: 0 }).replace(/\.$/, '');
  const lines = [
    ...unserved.map(([kind, amount]) => `${count(amount, 'object')} not restored: the cluster does not serve ${kind}.`),
    ...left
      .filter(([why]) => why !== 'it was not asked for')
      .map(([why, amount]) => `${count(amount, 'volume')} not restored: ${why}.`),
    ...(progress.empty > 0
      ? [
          `${count(progress.empty, 'claim')} begin with empty volumes.`
            .replace('claim begin', 'claim begins')
            .replace('empty volumes', progress.empty === 1 ? 'an empty volume' : 'empty volumes'),
        ]
      : []),
    ...(manifest.secretsLeft > 0
      ? [`${count(manifest.secretsLeft, 'Secret')} ${manifest.secretsLeft === 1 ? 'was' : 'were'} not in the backup.`]
      : []),
    ...progress.problems.map(({ why }) => why),
    ...(progress.more > 0 ? [`And ${progress.more} more were refused.`] : []),
  ];
  if (refused + lost > 0) {
    const some = progress.problems.slice(0, 3).map(({ why }) => why);
    const kinds = unserved.map(([kind, amount]) => `${amount} of ${kind}, which the cluster does not serve`);
    throw new Fault(
      'conflict',
      `Backup ${input.backup.id} is restored in part: ${done}; ${count(refused + lost, 'object')} not. ${[...some, ...(kinds.length > 0 ? [`Not restored: ${kinds.join('; ')}.`] : [])].join(' ')}`,
      {
        ...{ whose: 'caller', retryable: false, detail: lines.join('\n') },
        next: 'What was made stays. Mend what is named and press Retry: only what is missing is tried again.',
      },
    );
  }
  const result: Fact[] = [
    { label: 'Backup', value: `${input.backup.id} of ${input.source}` },
    { label: 'Objects', value: done },
  ];
  return {
    ...{ state: 'done', progress, at: restoreSteps.length - 1, percent: 100, lines: lines.slice(0, 20), result },
    note: `Backup ${input.backup.id} of ${input.source} is restored: ${done}.`,
  };
}

function again(manifest: Manifest, progress: RestoreProgress, note: string): WorkStep {
  const total = Math.max(
    1,
    manifest.chunks.reduce((sum, mark) => sum + mark[3], 0),
  );
  const before = manifest.chunks.slice(0, progress.chunk).reduce((sum, mark) => sum + mark[3], 0);
  const at: Record<RestoreProgress['stage'], number> = { begin: 0, kinds: 1, apply: 2, again: 3, done: 3 };
  const percent = Math.min(99, Math.floor((100 * (before + progress.line)) / total));
  return { state: 'again', progress, at: at[progress.stage], percent, note };
}
