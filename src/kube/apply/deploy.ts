/** Brings an app to a set of objects, step after step until it runs. */
import { z } from 'zod';
import type { Fact } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import type { Work, WorkStep } from '../../core/ports/work.ts';
import { formatDuration } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import { asTaken, attachPull } from '../addons/registry.ts';
import type { Talk } from '../operation.ts';
import { pack } from './bundle.ts';
import { endpointsOf, endpointText } from './endpoints.ts';
import { openKinds } from './kinds.ts';
import { called, objectAt } from './manifests.ts';
import { DeployInput, privilegedFault, type Want } from './plan.ts';
import { privilegesOf } from './privileged.ts';
import { refusalFault, refusalOf } from './refusals.ts';
import { forgetOld, keepRevision, manifestsOf, markRevision, type Revision, readRevisions } from './revisions.ts';
import { reasonsOf, type Standing, standings } from './rollout.ts';
import { applyObject, ensureNamespace, readObject, removeObject } from './server.ts';
import { generatedAnnotation, inventory, leftOver, ownAmong, type Placed, placed } from './set.ts';

const Progress = z.object({
  phase: z.enum(['apply', 'rollout', 'prune']).optional(),
  revision: z.number().default(0),
  next: z.number().default(0),
  /** When what is waited for began, epoch milliseconds. */
  since: z.number().default(0),
});
type Progress = z.infer<typeof Progress>;

/** How long one step goes on with applying or removing, in milliseconds. */
const stepMs = 5_000;
/** How long a new kind may take to be served, in milliseconds. */
const kindMs = 60_000;

/** The next step; each is safe to repeat. */
export async function stepDeploy(talk: Talk, work: Work, want: Want): Promise<WorkStep> {
  const input = DeployInput.parse(work.input);
  const progress = Progress.parse(work.progress);
  if (progress.phase === undefined) return keep(talk, work, input, want);
  const revisions = await readRevisions(talk, input.app);
  const mine = revisions.find(({ revision, asked }) => revision === progress.revision && asked === input.asked);
  if (!mine)
    throw new Fault('conflict', `Revision ${progress.revision} of ${input.app} was taken away meanwhile.`, {
      retryable: false,
      next: 'Deploy it anew.',
    });
  if (mine.state === 'failed') {
    // A retry after a failure begins anew with applying.
    await markRevision(talk, input.app, mine.revision, 'applying');
    const again: Progress = { phase: 'apply', revision: mine.revision, next: 0, since: talk.now() };
    return { state: 'again', progress: again, at: 1, percent: 5, note: `Revision ${mine.revision} is tried again.` };
  }
  const manifests = await manifestsOf(talk, input.app, mine.revision);
  const all = await placed(talk, { name: input.app, namespace: mine.namespace }, manifests, mine.revision);
  switch (progress.phase) {
    case 'apply':
      return apply(talk, input, progress, mine, all);
    case 'rollout':
      return rollout(talk, input, progress, revisions, all);
    case 'prune':
      return prune(talk, input, progress, revisions, all);
  }
}

async function keep(talk: Talk, work: Work, input: DeployInput, want: Want): Promise<WorkStep> {
  const revisions = await readRevisions(talk, input.app);
  let mine = revisions.find(({ asked }) => asked === input.asked);
  if (!mine) {
    const wanted = await want(talk, work, revisions);
    const privileges = privilegesOf(wanted.manifests);
    if (privileges.length > 0 && !input.privileged && !wanted.privileged) throw privilegedFault(privileges);
    const { manifests } = await asTaken(talk, wanted.manifests, input.mirrors);
    const all = await placed(talk, { name: input.app, namespace: wanted.namespace }, manifests);
    mine = {
      app: input.app,
      revision: (revisions.at(-1)?.revision ?? 0) + 1,
      namespace: wanted.namespace,
      at: talk.now(),
      by: input.by.slice(0, 100),
      source: wanted.source.slice(0, 200),
      asked: input.asked,
      privileged: privileges.length > 0,
      objects: all.map(({ manifest: { apiVersion, kind, namespace = '', name } }) => [
        apiVersion,
        kind,
        namespace,
        name,
      ]),
      state: 'applying',
    };
    await keepRevision(talk, mine, pack(manifests));
  }
  const note = `Revision ${mine.revision} of ${input.app} is kept: ${count(mine.objects.length, 'object')}.`;
  return {
    state: 'again',
    progress: { phase: 'apply', revision: mine.revision, next: 0, since: talk.now() },
    at: 1,
    percent: 5,
    note,
  };
}

async function apply(
  talk: Talk,
  input: DeployInput,
  progress: Progress,
  mine: Revision,
  all: readonly Placed[],
): Promise<WorkStep> {
  const until = performance.now() + stepMs;
  if (progress.next === 0) await makeNamespaces(talk, all);
  const lines: string[] = [];
  let { next } = progress;
  while (next < all.length && (performance.now() < until || next === progress.next)) {
    const each = all[next];
    if (!each) break;
    if (each.place.coming) {
      if (talk.now() - progress.since > kindMs)
        throw await failed(
          talk,
          input,
          mine,
          `The kind ${each.manifest.kind} does not come to be served, though its definition is there.`,
        );
      return {
        state: 'wait',
        ms: 1_000,
        progress: { ...progress, next },
        at: 1,
        note: `Waiting for the kind ${each.manifest.kind} to be served.`,
      };
    }
    try {
      const word = await applyOne(talk, input, each);
      if (word !== '') lines.push(word);
    } catch (thrown) {
      const refusal = refusalOf(thrown, each.manifest);
      if (refusal) {
        const { message, next: way } = refusalFault([refusal]);
        const before = `${next} of ${count(all.length, 'object')} were applied before.`;
        throw await failed(talk, input, mine, `${message} ${before}`, way);
      }
      if (next === progress.next) throw thrown;
      // How far it came is saved first; the next step meets what stands in the way again.
      break;
    }
    next += 1;
  }
  const done = next >= all.length;
  const after: Progress = {
    phase: done ? 'rollout' : 'apply',
    revision: mine.revision,
    next: done ? 0 : next,
    since: talk.now(),
  };
  const note = `${next} of ${count(all.length, 'object')} applied.`;
  return {
    state: 'again',
    progress: after,
    at: done ? 2 : 1,
    percent: 5 + Math.floor((35 * next) / all.length),
    note,
    lines: lines.slice(0, 10),
  };
}

async function makeNamespaces(talk: Talk, all: readonly Placed[]): Promise<void> {
  const brought = new Set(
    all.filter(({ manifest }) => manifest.kind === 'Namespace').map(({ manifest }) => manifest.name),
  );
  const names = new Set(all.flatMap(({ manifest }) => manifest.namespace ?? []));
  for (const name of names) {
    if (brought.has(name)) continue;
    const there = await readObject(
      talk,
      { base: '/api/v1', plural: 'namespaces', namespaced: false, coming: false },
      { name },
    );
    if (!there) await ensureNamespace(talk, name);
  }
  // Before the first pod: what a pod pulls with is settled when it is made.
  await attachPull(talk, names);
}

/** What is to be said of it; '' for nothing. */
async function applyOne(talk: Talk, input: DeployInput, { place, manifest }: Placed): Promise<string> {
  if (objectAt(manifest.object, 'metadata', 'annotations')[generatedAnnotation] === 'true') {
    if (await readObject(talk, place, manifest)) return `${called(manifest)} stays as it is.`;
  }
  await applyObject(talk, place, manifest, { dryRun: false, force: input.force });
  return '';
}

/** Marks the revision, then the Fault that ends the job. */
async function failed(talk: Talk, input: DeployInput, mine: Revision, message: string, next?: string): Promise<Fault> {
  await markRevision(talk, input.app, mine.revision, 'failed');
  return new Fault('internal', message, {
    whose: 'caller',
    retryable: false,
    next: next ?? 'Press Rollback to go back to the revision before, or deploy a mended one.',
  });
}

async function rollout(
  talk: Talk,
  input: DeployInput,
  progress: Progress,
  revisions: Revision[],
  all: readonly Placed[],
): Promise<WorkStep> {
  const mine = revisions.find(({ revision }) => revision === progress.revision);
  const seen = await standings(talk, all);
  const open = seen.filter(({ is }) => is !== 'ready');
  const waited = talk.now() - progress.since;
  if (open.length === 0) {
    const note =
      seen.length === 0
        ? 'Nothing in it has to start.'
        : `${count(seen.length, 'workload')} run${seen.length === 1 ? 's' : ''}.`;
    return { state: 'again', progress: { ...progress, phase: 'prune', since: talk.now() }, at: 3, percent: 95, note };
  }
  const bad = seen.filter(({ is }) => is === 'failed');
  if (mine && (bad.length > 0 || waited > input.withinMs)) {
    const worst = bad.length > 0 ? bad : open;
    const told = await Promise.all(worst.slice(0, 3).map((each) => why(talk, each, all)));
    const late = bad.length > 0 ? '' : ` within ${formatDuration(input.withinMs)}`;
    const before = revisions.filter(({ revision, state }) => revision < mine.revision && state === 'running').at(-1);
    const next = before
      ? `Press Rollback to go back to revision ${before.revision}, or deploy a mended one.`
      : 'There is no revision to go back to: deploy a mended one, or delete it.';
    throw await failed(talk, input, mine, `${input.app} does not get ready${late}. ${told.join(' ')}`, next);
  }
  const ready = seen.reduce((sum, each) => sum + each.ready, 0);
  const wanted = seen.reduce((sum, each) => sum + each.wanted, 0);
  const [first] = open;
  const reason = waited > 5_000 && first ? ` ${await why(talk, first, all)}` : '';
  return {
    state: 'wait',
    ms: waited < 10_000 ? 1_000 : 3_000,
    progress,
    at: 2,
    percent: 40 + (wanted === 0 ? 0 : Math.floor((50 * Math.min(ready, wanted)) / wanted)),
    note: reason === '' ? `${ready} of ${wanted} pods are ready.` : reason.trim(),
  };
}

/** How one workload stands and why, in a sentence or two. */
async function why(talk: Talk, standing: Standing, all: readonly Placed[]): Promise<string> {
  const found = all.find(({ manifest }) => called(manifest) === standing.name);
  const reasons = found ? await reasonsOf(talk, found.place, found.manifest) : [];
  const said = reasons.length > 0 ? reasons.join('; ') : (standing.why ?? 'no reason is given yet');
  return `${standing.name}: ${standing.ready} of ${standing.wanted} ready. ${said.replace(/\.$/, '')}.`;
}

async function prune(
  talk: Talk,
  input: DeployInput,
  progress: Progress,
  revisions: Revision[],
  all: readonly Placed[],
): Promise<WorkStep> {
  const until = performance.now() + stepMs;
  const mine = revisions.find(({ revision }) => revision === progress.revision);
  const { goes } = leftOver(revisions, mine ? inventory(mine) : all.map(({ manifest }) => manifest));
  const own = await ownAmong(talk, input.app, openKinds(talk, []), goes);
  const lines: string[] = [];
  for (const { place, listed } of own) {
    if (performance.now() > until)
      return { state: 'again', progress, at: 3, percent: 96, note: 'Removing what is no more in it.', lines };
    await removeObject(talk, place, listed);
    lines.push(`${called(listed)} is removed.`);
  }
  await markRevision(talk, input.app, progress.revision, 'running');
  await forgetOld(talk, input.app);
  const endpoints = await endpointsOf(talk, all);
  const result: Fact[] = [{ label: 'Revision', value: String(progress.revision) }];
  if (endpoints.length > 0)
    result.push({ label: 'Endpoints', value: endpoints.slice(0, 5).map(endpointText).join(', ') });
  for (const note of notesOf(all)) result.push(note);
  return {
    state: 'done',
    progress,
    at: 3,
    percent: 100,
    note: `${input.app} runs, at revision ${progress.revision}.`,
    lines,
    result,
  };
}

/** Where what was made up for an app is found; never what it is. */
function notesOf(all: readonly Placed[]): Fact[] {
  return all.flatMap(({ manifest }) => {
    if (objectAt(manifest.object, 'metadata', 'annotations')[generatedAnnotation] !== 'true') return [];
    const value = `in the Secret ${manifest.name} of namespace ${manifest.namespace ?? 'default'}; access with the role edit to that namespace reads it`;
    return [{ label: 'Passwords', value }];
  });
}
