/** Velero, where it is installed: its own objects are the way to ask it (https://velero.io/docs/main/api-types/). */
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { statusOf } from './discovery.ts';

const group = '/apis/velero.io/v1';

/** Velero as it is in a cluster. */
export interface Velero {
  namespace: string;
  /** Names of its storage locations, the default one first, with their phase. */
  locations: { name: string; phase: string }[];
}

/** Where Velero is; `unsupported` when it is not installed, and `conflict` when it has nowhere to keep anything. */
export async function findVelero(talk: Talk): Promise<Velero> {
  let answer: JsonObject;
  try {
    answer = await talk.raw({ method: 'GET', path: `${group}/backupstoragelocations?limit=100` });
  } catch (thrown) {
    if (statusOf(thrown) !== 404) throw thrown;
    throw new Fault('unsupported', 'Velero is not installed in this cluster.', {
      next: 'Leave by=velero out: KQueen keeps backups of its own.',
    });
  }
  const found = listAt(answer, 'items')
    .filter(isObject)
    .map((item) => ({
      namespace: String(objectAt(item, 'metadata').namespace ?? ''),
      name: String(objectAt(item, 'metadata').name ?? ''),
      phase: String(objectAt(item, 'status').phase ?? 'Unknown'),
      first: objectAt(item, 'spec').default === true,
    }))
    .sort((a, b) => Number(b.first) - Number(a.first));
  const [chosen] = found;
  if (!chosen) {
    throw new Fault('conflict', 'Velero is installed, and has no BackupStorageLocation.', {
      whose: 'admin',
      next: 'Give it one with `velero backup-location create`.',
    });
  }
  const own = found.filter(({ namespace }) => namespace === chosen.namespace);
  return { namespace: chosen.namespace, locations: own.map(({ name, phase }) => ({ name, phase })) };
}

/** What a Backup or Restore of Velero says of itself. */
export const VeleroState = z.object({
  phase: z.string(),
  errors: z.number(),
  warnings: z.number(),
  items: z.number(),
  total: z.number(),
  problems: z.array(z.string()),
});
export type VeleroState = z.infer<typeof VeleroState>;

/** Makes the object unless it is there. */
export async function askVelero(
  talk: Talk,
  namespace: string,
  plural: 'backups' | 'restores',
  body: JsonObject,
): Promise<void> {
  try {
    await talk.raw({
      method: 'POST',
      path: `${group}/namespaces/${encodeURIComponent(namespace)}/${plural}?fieldManager=kqueen`,
      body,
    });
  } catch (thrown) {
    if (statusOf(thrown) !== 409) throw thrown;
  }
}

/** The object's state; `not-found` when it is gone. */
export async function veleroState(
  talk: Talk,
  namespace: string,
  plural: 'backups' | 'restores',
  name: string,
): Promise<VeleroState> {
  const path = `${group}/namespaces/${encodeURIComponent(namespace)}/${plural}/${encodeURIComponent(name)}`;
  const object = await talk.raw({ method: 'GET', path });
  const status = objectAt(object, 'status');
  const progress = objectAt(status, 'progress');
  const problems = [...listAt(status, 'validationErrors'), status.failureReason].filter(
    (each): each is string => typeof each === 'string' && each !== '',
  );
  return {
    phase: String(status.phase ?? 'New'),
    errors: Number(status.errors ?? 0),
    warnings: Number(status.warnings ?? 0),
    items: Number(progress.itemsBackedUp ?? progress.itemsRestored ?? 0),
    total: Number(progress.totalItems ?? 0),
    problems: problems.map((each) => plain(each, 300)),
  };
}

/** Phases that Velero does not leave. */
export function isOver({ phase }: VeleroState): boolean {
  return ['Completed', 'PartiallyFailed', 'Failed', 'FailedValidation'].includes(phase);
}

/** What Velero says of an end that is not whole, as a Fault. */
export function veleroFault(what: 'backup' | 'restore', name: string, state: VeleroState): Fault {
  const { phase, errors, warnings, problems } = state;
  const counts = `${errors} ${errors === 1 ? 'error' : 'errors'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`;
  const says = problems.length > 0 ? ` It says: ${problems.slice(0, 3).join('; ')}.`.replace('..', '.') : '';
  const partly = phase === 'PartiallyFailed';
  return new Fault(
    'conflict',
    `Velero's ${what} ${name} ended as ${phase}: ${counts}.${says}${partly ? ' What it could do is done and stays.' : ''}`,
    {
      ...{ whose: 'admin', retryable: false, detail: problems.join('\n') },
      next: `See \`velero ${what} describe ${name} --details\` and \`velero ${what} logs ${name}\`.`,
    },
  );
}
