/** What bringing an app to a set of objects would do, by the server's own dry run. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Fact } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import type { Work, WorkPlan } from '../../core/ports/work.ts';
import { asTaken } from '../addons/registry.ts';
import type { Talk } from '../operation.ts';
import { openKinds } from './kinds.ts';
import { called, keyOf, type Manifest, objectAt } from './manifests.ts';
import { privilegesOf } from './privileged.ts';
import { manifestsOf, type Revision, readRevisions } from './revisions.ts';
import { goesByItself } from './rollout.ts';
import { diffText, foresee, leftOver, ownAmong, type Placed, placed, type Verdict } from './set.ts';

/** What every piece of work on an app's objects is told. */
export const DeployInput = z.object({
  app: z.string().min(1),
  /** Name of who asks. */
  by: z.string(),
  /** Names this asking: a repeat finds the revision that it has kept. */
  asked: z.string().min(1),
  /** Fields that others keep are taken over. */
  force: z.boolean().default(false),
  /** An admin has allowed privileged workloads. */
  privileged: z.boolean().default(false),
  /** How long it may take until it runs, in milliseconds. */
  withinMs: z.number().default(600_000),
  /** Mirrors of the organisation, for clusters that have none of their own. */
  mirrors: z.array(z.object({ from: z.string(), to: z.string() })).default([]),
});
export type DeployInput = z.infer<typeof DeployInput>;

/** What an app is to become. */
export interface Wanted {
  manifests: Manifest[];
  namespace: string;
  /** Where it comes from, in words. */
  source: string;
  /** Privileged workloads were allowed for it before. */
  privileged: boolean;
  facts?: Fact[];
}

/** Says what an app is to become, by the work and by what there was of it. */
export type Want = (talk: Talk, work: Omit<Work, 'progress'>, revisions: Revision[]) => Promise<Wanted>;

const steps = ['Keep the revision', 'Apply its objects', 'Wait until it runs', 'Remove what is no more in it'];

/** What applying would do. */
export async function planDeploy(talk: Talk, work: Omit<Work, 'progress'>, want: Want): Promise<WorkPlan> {
  const input = DeployInput.parse(work.input);
  const revisions = await readRevisions(talk, input.app);
  const wanted = await want(talk, work, revisions);
  const taken = await asTaken(talk, wanted.manifests, input.mirrors);
  const last = revisions.at(-1);
  const privileges = privilegesOf(wanted.manifests);
  if (privileges.length > 0 && !input.privileged && !wanted.privileged) throw privilegedFault(privileges);
  const all = await placed(talk, { name: input.app, namespace: wanted.namespace }, taken.manifests);
  const foreseen = await foresee(talk, input.app, all, input.force);
  const left = leftOver(
    revisions,
    all.map(({ manifest }) => manifest),
  );
  const goes = await ownAmong(talk, input.app, openKinds(talk, []), left.goes);
  const listed = goes.map((each) => each.listed);
  const done = await doneBefore(talk, input.app, last, all);
  const verdicts = foreseen.verdicts.map(
    (each): Verdict => (each.is === 'new' && done.has(keyOf(each.manifest)) ? { ...each, is: 'same' } : each),
  );
  const amount = (is: Verdict['is']) => verdicts.filter((each) => each.is === is).length;
  const same = amount('new') + amount('changed') + goes.length === 0;
  const counts = [
    ...[`${amount('new')} new`, `${amount('changed')} changed`, `${amount('same') + amount('kept')} unchanged`],
    ...(goes.length > 0 ? [`${goes.length} removed`] : []),
  ];
  const warnings = [
    ...privileges.map((each) => `${each}. An admin has allowed it.`),
    ...verdicts.flatMap(({ manifest, from = [] }) =>
      from.map(
        (other) => `${called(manifest)}: taken over from ${other.manager}: ${other.fields.slice(0, 5).join(', ')}.`,
      ),
    ),
    ...verdicts
      .filter(({ taken }) => taken)
      .map(({ manifest }) => `${called(manifest)} is there already and becomes part of this app.`),
    ...left.stays.map((each) => `${called(each)} is no more in it and stays, because removing it could lose data.`),
    ...(last && last.state !== 'running'
      ? [`Revision ${last.revision} ${last.state === 'failed' ? 'failed' : 'did not end'}.`]
      : []),
  ];
  return {
    steps,
    facts: [
      { label: 'App', value: `${input.app}${last ? `, now at revision ${last.revision}` : ', which is new'}` },
      {
        label: 'Namespace',
        value: [...new Set(all.flatMap(({ manifest }) => manifest.namespace ?? []))].join(', ') || 'none',
      },
      { label: 'From', value: wanted.source },
      { label: 'Objects', value: counts.join(', ') },
      ...taken.facts,
      ...(wanted.facts ?? []),
    ],
    disturbs: disturbs(verdicts),
    detail: diffText({ ...foreseen, verdicts }, listed),
    warnings: warnings.slice(0, 12),
    rests: {
      revision: last?.revision ?? 0,
      digest: digestOf(taken.manifests),
      verdicts: verdicts.map(({ manifest, is, difference, uid }) => [
        keyOf(manifest),
        is,
        difference?.hash ?? '',
        uid ?? '',
      ]),
      goes: goes.map(({ uid }) => uid),
      namespaces: foreseen.namespaces,
    },
    ...(same && last?.state === 'running'
      ? { nothing: `App ${input.app} is like this already, at revision ${last.revision}.` }
      : {}),
  };
}

/** Jobs that have run for this app just like this, and have gone by themselves since: they are not to run again. */
async function doneBefore(
  talk: Talk,
  app: string,
  last: Revision | undefined,
  all: readonly Placed[],
): Promise<Set<string>> {
  const jobs = all.filter(({ manifest }) => goesByItself(manifest));
  if (jobs.length === 0 || last?.state !== 'running') return new Set();
  const place = { name: app, namespace: last.namespace };
  const before = await placed(talk, place, await manifestsOf(talk, app, last.revision));
  const ran = new Set(before.map(({ manifest }) => JSON.stringify(manifest.object)));
  return new Set(
    jobs.filter(({ manifest }) => ran.has(JSON.stringify(manifest.object))).map(({ manifest }) => keyOf(manifest)),
  );
}

/** The refusal of workloads that reach past their pods. */
export function privilegedFault(privileges: string[]): Fault {
  return new Fault(
    'not-allowed',
    `This is refused because it reaches past its pods: ${privileges.slice(0, 3).join('; ')}.`,
    {
      whose: 'admin',
      field: 'manifest',
      next: 'Take that out of the manifests, or ask an admin, who can deploy it with allow=privileged.',
    },
  );
}

function digestOf(manifests: readonly Manifest[]): string {
  return createHash('sha256')
    .update(JSON.stringify(manifests.map(({ object }) => object)))
    .digest('hex')
    .slice(0, 32);
}

function disturbs(verdicts: readonly Verdict[]): string {
  const replaced = verdicts.filter(
    ({ is, difference }) => is === 'changed' && difference?.lines.some((line) => /^. spec\.template\./.test(line)),
  );
  if (replaced.length === 0) {
    return verdicts.some(({ is }) => is === 'changed')
      ? 'Nobody, as far as can be seen: no pod is replaced by it.'
      : 'Nobody: what it makes is new.';
  }
  const single = replaced.filter(({ manifest }) => Number(objectAt(manifest.object, 'spec').replicas ?? 1) === 1);
  const names = replaced
    .slice(0, 5)
    .map(({ manifest }) => called(manifest))
    .join(', ');
  if (single.length > 0)
    return `Whoever uses ${names}, for a moment: its pods are replaced, and there is only one of them.`;
  return `Nobody, as long as the other pods of ${names} carry the load while each is replaced.`;
}
