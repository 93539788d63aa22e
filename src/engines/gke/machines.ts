/** The machines of a node pool: GKE has a zonal managed instance group for each zone of it, which the compute API knows by name. */
import { createHash } from 'node:crypto';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import type { Google } from './google.ts';
import { googleErrorOf } from './refusals.ts';
import {
  ComputeOperationAnswer,
  GroupAnswer,
  InstanceAnswer,
  type MachineAnswer,
  MachinesAnswer,
  type PoolAnswer,
} from './wire.ts';

/** A managed instance group. */
export interface Group {
  zone: string;
  name: string;
}

/** The calls of the compute API (https://cloud.google.com/compute/docs/reference/rest/v1/instanceGroupManagers). */
export interface Machines {
  /** How many machines the group is to have; those that are being deleted do not count any more. */
  size(group: Group, call: Call): Promise<number>;
  /** Its machines, those that are being made or deleted as well. */
  list(group: Group, call: Call): Promise<MachineAnswer[]>;
  /** When the machine was made, epoch milliseconds; null when there is none at the moment. A recreated one keeps its name, and is made anew. */
  madeAt(zone: string, name: string, call: Call): Promise<number | null>;
  /** Has the machine made anew, under the same name. */
  recreate(group: Group, machine: MachineAnswer, call: Call): Promise<ComputeOperationAnswer>;
  /** Deletes the machine and lowers the size of its group by it; the operation fails when it is none of the group's, or goes already. */
  remove(group: Group, machine: MachineAnswer, call: Call): Promise<ComputeOperationAnswer>;
  /** Null when Google has forgotten it. */
  operation(zone: string, name: string, call: Call): Promise<ComputeOperationAnswer | null>;
}

/** The groups of a pool, the one that a machine of this name is likely in first: GKE names machines like their group. */
export function groupsOf(pool: PoolAnswer, machine: string): Group[] {
  const groups = pool.instanceGroupUrls.map((url) => {
    const found = /\/zones\/([^/]+)\/instanceGroup(?:Manager)?s\/([^/]+)$/.exec(url);
    if (found?.[1] && found[2]) return { zone: found[1], name: found[2] };
    throw new Fault('unsupported', `Google keeps the machines of the node pool ${pool.name} in no group of a zone.`, {
      whose: 'provider',
      retryable: false,
      next: 'Delete or recreate the machine at Google.',
    });
  });
  const likely = ({ name }: Group) => (machine.startsWith(name.replace(/-grp$/, '-')) ? 0 : 1);
  return groups.toSorted((a, b) => likely(a) - likely(b));
}

const pageSize = 500;

export function openMachines(google: Google): Machines {
  const { project } = google;

  async function orNull<T>(asked: Promise<T>): Promise<T | null> {
    try {
      return await asked;
    } catch (thrown) {
      if (googleErrorOf(thrown)?.code === 404) return null;
      throw thrown;
    }
  }

  return {
    async size({ zone, name }, call) {
      const { instanceGroupManagers: groups } = await google.computeLibrary();
      const read = await google.askCompute('GET', GroupAnswer, call, (options) =>
        groups.get({ project, zone, instanceGroupManager: name }, options),
      );
      return read.targetSize ?? 0;
    },

    async list({ zone, name }, call) {
      const { instanceGroupManagers: groups } = await google.computeLibrary();
      const all: MachineAnswer[] = [];
      for (let pageToken = ''; ; ) {
        const from = pageToken ? { pageToken } : {};
        const page = await google.askCompute('GET', MachinesAnswer, call, (options) =>
          groups.listManagedInstances(
            { project, zone, instanceGroupManager: name, maxResults: pageSize, ...from },
            options,
          ),
        );
        all.push(...page.managedInstances);
        if (!page.nextPageToken || page.nextPageToken === pageToken) return all.map(named);
        pageToken = page.nextPageToken;
      }
    },

    async madeAt(zone, instance, call) {
      const { instances } = await google.computeLibrary();
      const found = await orNull(
        google.askCompute('GET', InstanceAnswer, call, (options) =>
          instances.get({ project, zone, instance }, options),
        ),
      );
      const at = Date.parse(found?.creationTimestamp ?? '');
      return Number.isNaN(at) ? null : at;
    },

    async recreate({ zone, name }, machine, call) {
      const { instanceGroupManagers: groups } = await google.computeLibrary();
      return google.askCompute('POST', ComputeOperationAnswer, call, (options) =>
        groups.recreateInstances(
          {
            ...{ project, zone, instanceGroupManager: name, requestId: requestFor('recreate', name, machine) },
            requestBody: { instances: [`zones/${zone}/instances/${machine.name}`] },
          },
          options,
        ),
      );
    },

    async remove({ zone, name }, machine, call) {
      const { instanceGroupManagers: groups } = await google.computeLibrary();
      return google.askCompute('POST', ComputeOperationAnswer, call, (options) =>
        groups.deleteInstances(
          {
            ...{ project, zone, instanceGroupManager: name, requestId: requestFor('delete', name, machine) },
            requestBody: { instances: [`zones/${zone}/instances/${machine.name}`] },
          },
          options,
        ),
      );
    },

    async operation(zone, operation, call) {
      const { zoneOperations } = await google.computeLibrary();
      return orNull(
        google.askCompute('GET', ComputeOperationAnswer, call, (options) =>
          zoneOperations.get({ project, zone, operation }, options),
        ),
      );
    },
  };
}

/** Older answers name a machine by its address alone. */
function named(machine: MachineAnswer): MachineAnswer {
  return { ...machine, name: machine.name || (machine.instance.split('/').at(-1) ?? '') };
}

const sameRequestMs = 10 * 60_000;

/**
 * The same for the same wish within a while, so that Google takes one that was not answered for one when it is repeated; later another, so that a
 * request that failed can be made again. A recreated machine has an id of its own.
 */
function requestFor(act: string, group: string, machine: MachineAnswer): string {
  const wish = [act, group, machine.name, machine.id, Math.floor(Date.now() / sameRequestMs)].join('/');
  const hex = createHash('sha256').update(wish).digest('hex');
  // The form of a UUID of version 8, which is for digests of one's own (RFC 9562).
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
