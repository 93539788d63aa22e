import { Fault } from '../../core/errors.ts';
import type { Call, Target } from '../../core/ports/engine.ts';
import type { Api, Place } from './api.ts';
import { isMine } from './labels.ts';
import { locationPattern } from './place.ts';
import { googleErrorOf } from './refusals.ts';
import type { ClusterAnswer } from './wire.ts';

/** Where a cluster is, by its parameters or by what the provider called it. */
export function placeOf(target: Target, usual: string | undefined): Place {
  const listed = /\/(?:locations|zones)\/([^/]+)\/clusters\/[^/]+$/.exec(target.externalId ?? '')?.[1];
  const { location } = target.spec;
  const where = typeof location === 'string' && location !== '' ? location : (listed ?? usual);
  if (where === undefined || !locationPattern.test(where)) {
    throw new Fault('bad-input', 'The location of the cluster is missing.', {
      field: 'location',
      next: 'Write a region such as europe-west3 or a zone such as europe-west3-a.',
    });
  }
  return { location: where, name: target.externalName };
}

/** The cluster of this name, whoever made it, or null when there surely is none. */
export async function findCluster(api: Api, place: Place, call: Call): Promise<ClusterAnswer | null> {
  try {
    return await api.get(place, call);
  } catch (thrown) {
    const error = googleErrorOf(thrown);
    if (error?.status !== 'NOT_FOUND') throw thrown;
    // "Not found: projects/…/clusters/<name>": Google speaks of this very cluster.
    if (error.message.includes(`clusters/${place.name}`)) return null;
  }
  // Something is not found, which may be the project or the location: only a list without it makes that "gone".
  const { clusters, missingZones } = await api.list(place.location, call);
  const found = clusters.find((each) => each.name === place.name);
  if (!found && missingZones.length > 0) {
    throw new Fault(
      'unreachable',
      `Google cannot say at the moment what there is in ${missingZones.slice(0, 5).join(', ')}.`,
      {
        next: 'Try again in a while.',
      },
    );
  }
  return found ?? null;
}

/** The same if it is this target's own; null when there is none; a Fault when it is somebody else's. */
export async function findOwn(api: Api, target: Target, place: Place, call: Call): Promise<ClusterAnswer | null> {
  const found = await findCluster(api, place, call);
  if (found && !isMine(found.resourceLabels, target)) throw foreign(place);
  return found;
}

export function foreign({ location, name }: Place): Fault {
  return new Fault('conflict', `Google has a cluster ${name} in ${location} already, and it is not this one.`, {
    whose: 'admin',
    retryable: false,
    next: 'Choose another name, or have that cluster removed at Google.',
  });
}

export function gone({ location, name }: Place): Fault {
  return new Fault('not-found', `Google has no cluster ${name} in ${location}.`, {
    whose: 'provider',
    next: 'Look at it with `cluster check`.',
  });
}
