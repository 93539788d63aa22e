/** Taking an add-on away: what goes, and what stays because others may need it. */
import { Fault } from '../../core/errors.ts';
import type { WorkPlan, WorkStep } from '../../core/ports/work.ts';
import { count } from '../../core/words.ts';
import { openKinds, type Place } from '../apply/kinds.ts';
import { called, isObject, listAt, objectAt } from '../apply/manifests.ts';
import { forget, type Revision, readRevisions } from '../apply/revisions.ts';
import { readObject, removeObject } from '../apply/server.ts';
import { inParallel, type Listed, leftOver, ownAmong } from '../apply/set.ts';
import type { Talk } from '../operation.ts';
import { appOf } from './state.ts';

/** What taking it away is made of, in order. */
export const removalSteps = ['Remove its objects', 'Wait until they are gone', 'Forget its revisions'];

/** How long one step goes on with removing, in milliseconds. */
const stepMs = 5_000;

interface Removal {
  revisions: Revision[];
  own: { place: Place; listed: Listed; uid: string }[];
  /** With the reason in a sentence. */
  stays: { listed: Listed; why: string }[];
}

/** With `data` everything goes, what others have made of its kinds included. */
async function lookAt(talk: Talk, name: string, data: boolean): Promise<Removal> {
  const app = appOf(name);
  const revisions = await readRevisions(talk, app);
  const left = leftOver(revisions, []);
  const weighed = await inParallel(left.stays, 4, async (listed) => ({
    listed,
    why: data ? '' : await whyStays(talk, listed),
  }));
  const goes = [...left.goes, ...weighed.filter(({ why }) => why === '').map(({ listed }) => listed)];
  const own = await ownAmong(talk, app, openKinds(talk, []), goes);
  const staying = await ownAmong(talk, app, openKinds(talk, []), left.stays);
  const there = new Set(staying.map(({ listed }) => called(listed)));
  return { revisions, own, stays: weighed.filter(({ listed, why }) => why !== '' && there.has(called(listed))) };
}

/** Why something outlives its add-on; '' for a kind of which there is nothing. */
async function whyStays(talk: Talk, listed: Listed): Promise<string> {
  if (listed.kind !== 'CustomResourceDefinition') return 'because removing it could lose data';
  const definition = await readObject(
    talk,
    { base: '/apis/apiextensions.k8s.io/v1', plural: 'customresourcedefinitions', namespaced: false, coming: false },
    listed,
  );
  const spec = objectAt(definition, 'spec');
  const served = listAt(spec, 'versions')
    .filter(isObject)
    .find((version) => version.served === true);
  if (!definition || !served) return '';
  const path = `/apis/${String(spec.group)}/${String(served.name)}/${String(objectAt(spec, 'names').plural)}?limit=1`;
  try {
    const items = listAt(await talk.raw({ method: 'GET', path }), 'items');
    return items.length === 0 ? '' : 'because there are objects of this kind, which would go with it';
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.kind === 'not-found') return '';
    throw thrown;
  }
}

/** What taking it away would do. */
export async function planRemoval(talk: Talk, name: string, title: string, data: boolean): Promise<WorkPlan> {
  const { revisions, own, stays } = await lookAt(talk, name, data);
  const last = revisions.at(-1);
  const namespaces = own.filter(({ listed }) => listed.kind === 'Namespace').map(({ listed }) => listed.name);
  const kinds = data ? own.filter(({ listed }) => listed.kind === 'CustomResourceDefinition') : [];
  return {
    steps: removalSteps,
    facts: [
      {
        label: 'Objects',
        value: `${own.length} ${own.length === 1 ? 'goes' : 'go'}, ${stays.length} ${stays.length === 1 ? 'stays' : 'stay'}`,
      },
    ],
    disturbs: `Whoever uses ${title}: it is gone afterwards.`,
    detail: [
      ...own.map(({ listed }) => `- ${called(listed)}`),
      ...stays.map(({ listed, why }) => `= ${called(listed)} stays, ${why}`),
    ].join('\n'),
    warnings: [
      ...namespaces.map((each) => `With the namespace ${each} goes everything in it, also what is not of ${title}.`),
      ...kinds.map(({ listed }) => `With ${called(listed)} go all objects of this kind.`),
      ...(stays.length > 0
        ? [
            `${count(stays.length, 'object')} would stay; with data=yes they go as well.`.replace(
              '1 object would stay; with data=yes they go',
              '1 object would stay; with data=yes it goes',
            ),
          ]
        : []),
    ].slice(0, 12),
    rests: { revisions: revisions.map(({ revision }) => revision), own: own.map(({ uid }) => uid) },
    ...(last ? {} : { nothing: `${title} is not on, as far as KQueen knows: it has put nothing of it there.` }),
  };
}

/** The next step of taking it away; safe to repeat. */
export async function stepRemoval(talk: Talk, name: string, title: string, data: boolean): Promise<WorkStep> {
  const { revisions, own, stays } = await lookAt(talk, name, data);
  if (own.length === 0) {
    // Revisions go last: until then a repeat knows what to remove.
    for (const { revision } of revisions) await forget(talk, appOf(name), revision);
    const rest =
      stays.length === 0
        ? ''
        : ` ${stays
            .map(({ listed }) => called(listed))
            .slice(0, 5)
            .join(', ')} ${stays.length === 1 ? 'stays' : 'stay'}.`;
    return { state: 'done', progress: {}, at: 2, percent: 100, note: `${title} is off.${rest}` };
  }
  const until = performance.now() + stepMs;
  for (const { place, listed } of own) {
    if (performance.now() > until) break;
    await removeObject(talk, place, listed);
  }
  return {
    state: 'wait',
    ms: 1_000,
    progress: {},
    at: 1,
    note: `${count(own.length, 'object')} of ${title} still to go, such as ${called(own[0]?.listed ?? { kind: 'object', name: '' })}.`,
  };
}
