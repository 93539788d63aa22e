/** Snapshots of a backup as the beginning of restored claims. */
import { objectAt } from '../apply/manifests.ts';
import type { Talk } from '../operation.ts';
import { statusOf } from './discovery.ts';
import type { Ref, SnapshotMark } from './format.ts';

const group = '/apis/snapshot.storage.k8s.io/v1';

/** What a claim's spec names to begin with a snapshot. */
export interface DataSource {
  apiGroup: 'snapshot.storage.k8s.io';
  kind: 'VolumeSnapshot';
  name: string;
}

/**
 * The snapshot as a data source: the one that is there, or, where only the storage still has it (another cluster, a namespace that was deleted), one made for
 * its handle, which never deletes it there. Null when there is no way to it.
 */
export async function bringSnapshot(talk: Talk, ref: Ref, mark: SnapshotMark): Promise<DataSource | null> {
  const { namespace, name, handle, driver } = mark;
  const found: DataSource = { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name };
  const within = `${group}/namespaces/${encodeURIComponent(namespace)}/volumesnapshots`;
  try {
    const live = await talk.raw({ method: 'GET', path: `${within}/${encodeURIComponent(name)}` });
    if (objectAt(live, 'metadata').deletionTimestamp === undefined) return found;
  } catch (thrown) {
    if (statusOf(thrown) !== 404) throw thrown;
  }
  if (handle === undefined || driver === undefined) return null;
  const content = `kqueen-${ref.id}-${name}`.slice(0, 250);
  const apiVersion = 'snapshot.storage.k8s.io/v1';
  try {
    await make(talk, `${group}/volumesnapshotcontents`, {
      ...{ apiVersion, kind: 'VolumeSnapshotContent', metadata: { name: content } },
      spec: {
        ...{ deletionPolicy: 'Retain', driver, source: { snapshotHandle: handle } },
        volumeSnapshotRef: { apiVersion, kind: 'VolumeSnapshot', namespace, name },
      },
    });
    await make(talk, within, {
      ...{ apiVersion, kind: 'VolumeSnapshot', metadata: { name, namespace } },
      spec: { source: { volumeSnapshotContentName: content } },
    });
    return found;
  } catch (thrown) {
    // A cluster without these definitions makes no snapshots.
    if (statusOf(thrown) !== 404) throw thrown;
    return null;
  }
}

async function make(talk: Talk, path: string, body: unknown): Promise<void> {
  try {
    await talk.raw({ method: 'POST', path: `${path}?fieldManager=kqueen`, body });
  } catch (thrown) {
    if (statusOf(thrown) !== 409) throw thrown;
  }
}
