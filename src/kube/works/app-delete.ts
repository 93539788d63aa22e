import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { count } from '../../core/words.ts';
import { openKinds } from '../apply/kinds.ts';
import { called } from '../apply/manifests.ts';
import { forget, readRevisions } from '../apply/revisions.ts';
import { removeObject } from '../apply/server.ts';
import { leftOver, ownAmong } from '../apply/set.ts';
import type { Talk, WorkOperation } from '../operation.ts';

const Input = z.object({
  app: z.string().min(1),
  /** Namespaces, volumes and kinds go as well. */
  data: z.boolean(),
});

const steps = ['Remove its objects', 'Wait until they are gone', 'Forget its revisions'];

/** How long one step goes on with removing, in milliseconds. */
const stepMs = 5_000;

async function look(talk: Talk, { app, data }: z.infer<typeof Input>) {
  const revisions = await readRevisions(talk, app);
  const { goes, stays } = leftOver(revisions, []);
  const own = await ownAmong(talk, app, openKinds(talk, []), [...goes, ...(data ? stays : [])]);
  return { revisions, own, stays: data ? [] : stays };
}

/** Removes what KQueen applied under the name of an app, and nothing else. */
export const deleteApp: WorkOperation = {
  op: 'app.delete',

  async plan(talk, { input: given }) {
    const input = Input.parse(given);
    const { revisions, own, stays } = await look(talk, input);
    if (revisions.length === 0) {
      throw new Fault('not-found', `KQueen has deployed no app ${input.app} in this cluster.`, {
        field: 'app',
        next: 'See app list.',
      });
    }
    const namespaces = own.filter(({ listed }) => listed.kind === 'Namespace').map(({ listed }) => listed.name);
    const volumes = own
      .filter(({ listed }) => listed.kind === 'PersistentVolumeClaim')
      .map(({ listed }) => listed.name);
    return {
      steps,
      facts: [
        { label: 'App', value: `${input.app}, at revision ${revisions.at(-1)?.revision ?? 0}` },
        { label: 'Removed', value: count(own.length, 'object') },
      ],
      disturbs: 'Whoever uses it: it is gone afterwards.',
      detail: own.map(({ listed }) => `- ${called(listed)}`).join('\n'),
      warnings: [
        ...namespaces.map((name) => `With the namespace ${name} goes everything in it, also what is not of this app.`),
        ...volumes.map((name) => `The data of the volume ${name} is lost.`),
        ...stays.map(
          (each) => `${called(each)} stays, because removing it could lose data; with data=yes it goes as well.`,
        ),
      ].slice(0, 12),
      rests: { revisions: revisions.map(({ revision }) => revision), own: own.map(({ uid }) => uid) },
    };
  },

  async step(talk, { input: given }) {
    const input = Input.parse(given);
    const { revisions, own } = await look(talk, input);
    const until = performance.now() + stepMs;
    if (own.length === 0) {
      // Revisions go last: until then a repeat knows what to remove.
      for (const { revision } of revisions) await forget(talk, input.app, revision);
      return { state: 'done', progress: {}, at: 2, percent: 100, note: `${input.app} is removed.` };
    }
    for (const { place, listed } of own) {
      if (performance.now() > until) break;
      await removeObject(talk, place, listed);
    }
    return {
      state: 'wait',
      ms: 1_000,
      progress: {},
      at: 1,
      note: `${count(own.length, 'object')} still to go, such as ${called(own[0]?.listed ?? { kind: 'object', name: '' })}.`,
    };
  },
};
