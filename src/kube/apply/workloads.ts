/** Which workload people mean by the name of an app. */
import { Fault } from '../../core/errors.ts';
import type { Talk } from '../operation.ts';
import { openKinds } from './kinds.ts';
import { called, type JsonObject, type Manifest } from './manifests.ts';
import { type Revision, readRevisions } from './revisions.ts';
import { readObject } from './server.ts';
import { inventory, type Listed, type Placed } from './set.ts';

/** What a person has said. */
export interface Meant {
  /** The name of an app of KQueen's, else of a Deployment or StatefulSet. */
  app: string;
  /** For an app with several: the name of one, or its kind and name as `StatefulSet/db`. */
  workload?: string | undefined;
  /** Where a workload is that KQueen has not deployed. */
  namespace?: string | undefined;
}

/** A workload as it is in the cluster. */
export interface Workload extends Placed {
  live: JsonObject;
}

/** Those of an app that have pods to scale. */
const scalable = ['Deployment', 'StatefulSet'];

/** The revision that counts: the newest. Throws `not-found` for what KQueen has not deployed. */
export function newest(app: string, revisions: readonly Revision[]): Revision {
  const last = revisions.at(-1);
  if (last) return last;
  throw new Fault('not-found', `KQueen has deployed no app ${app} in this cluster, so it keeps nothing of it.`, {
    field: 'name',
    next: 'See app list; deploy it with app deploy, then this works on it.',
  });
}

/** The one workload that is meant; throws `not-found`, or `bad-input` that lists them when there are several. */
export async function meantWorkload(talk: Talk, meant: Meant, kinds: readonly string[] = scalable): Promise<Workload> {
  const last = (await readRevisions(talk, meant.app)).at(-1);
  const own = last ? inventory(last).filter(({ kind }) => kinds.includes(kind)) : [];
  const wanted = meant.workload?.toLowerCase();
  const fits = ({ kind, name }: Listed) =>
    wanted === undefined || name === wanted || `${kind}/${name}`.toLowerCase() === wanted;
  const found = own.filter(fits);
  const [only] = found;
  if (found.length > 1) {
    throw new Fault(
      'bad-input',
      `${meant.app} has several: ${found
        .slice(0, 8)
        .map(({ kind, name }) => `${kind}/${name}`)
        .join(', ')}.`,
      {
        field: 'workload',
        next: `Say which, such as workload=${only?.kind}/${only?.name}.`,
      },
    );
  }
  if (only) return live(talk, only);
  if (last) {
    const there = own.map(({ kind, name }) => `${kind}/${name}`).join(', ');
    throw new Fault(
      'not-found',
      there === ''
        ? `${meant.app} has no ${kinds.join(' and no ')}.`
        : `${meant.app} has no ${meant.workload}; it has ${there}.`,
      { field: 'workload' },
    );
  }
  const namespace = meant.namespace ?? 'default';
  for (const kind of kinds) {
    const listed: Listed = { apiVersion: 'apps/v1', kind, name: meant.workload ?? meant.app, namespace };
    const place = await openKinds(talk, []).find(listed);
    const object = place && (await readObject(talk, place, listed));
    if (place && object) return { place, manifest: { ...listed, object }, live: object };
  }
  throw new Fault(
    'not-found',
    `There is no app ${meant.app} in this cluster, nor a ${kinds.join(' or ')} of that name in the namespace ${namespace}.`,
    {
      field: 'name',
      next: 'See app list, or name its namespace.',
    },
  );
}

async function live(talk: Talk, listed: Listed): Promise<Workload> {
  const place = await openKinds(talk, []).find(listed);
  const object = place && (await readObject(talk, place, listed));
  if (!place || !object)
    throw new Fault('not-found', `${called(listed)} is gone from the cluster.`, {
      next: 'Deploy the app again, or roll it back.',
    });
  const manifest: Manifest = { ...listed, object };
  return { place, manifest, live: object };
}
