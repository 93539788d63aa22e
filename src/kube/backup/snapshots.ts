/** Snapshots of volumes through the cluster's own API (https://kubernetes.io/docs/concepts/storage/volume-snapshots/). */
import { createHash } from 'node:crypto';
import { asFault } from '../../core/errors.ts';
import { isObject, type JsonObject, objectAt } from '../apply/manifests.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { eachListed } from '../views/pages.ts';
import { statusOf } from './discovery.ts';
import type { Ref, SnapshotMark } from './format.ts';
import { outOfScope } from './strip.ts';
import { csiVolumes, type SnapshotMeans } from './volumes.ts';

const group = '/apis/snapshot.storage.k8s.io/v1';
const label = 'kqueen/backup';
const claimKind = {
  group: '',
  version: 'v1',
  plural: 'persistentvolumeclaims',
  kind: 'PersistentVolumeClaim',
  namespaced: true,
};

/** Of a backup and a claim, always the same. */
export function snapshotName({ id }: Pick<Ref, 'id'>, namespace: string, claim: string): string {
  const hash = createHash('sha256').update(`${namespace}/${claim}`).digest('hex').slice(0, 10);
  return `kqueen-${id}-${hash}`;
}

/** Makes a snapshot of each claim that can have one and has none of this backup yet; false when there was not enough time for all. */
export async function makeSnapshots(
  talk: Talk,
  ref: Ref,
  namespaces: readonly string[],
  means: SnapshotMeans,
  until: number,
): Promise<boolean> {
  const made = new Set((await readSnapshots(talk, ref)).map(({ namespace, claim }) => `${namespace}/${claim}`));
  const drivers = await csiVolumes(talk);
  const wanted: { namespace: string; claim: string; className: string }[] = [];
  await eachListed(talk, '/api/v1/persistentvolumeclaims', (each) => {
    if (outOfScope(claimKind, each, namespaces) !== null) return;
    const { namespace = '', name = '' } = objectAt(each, 'metadata') as { namespace?: string; name?: string };
    const driver = drivers.get(String(objectAt(each, 'spec').volumeName ?? ''));
    const className = driver === undefined ? undefined : means.classes.get(driver);
    if (className !== undefined && !made.has(`${namespace}/${name}`))
      wanted.push({ namespace, claim: name, className });
  });
  for (const { namespace, claim, className } of wanted) {
    if (Date.now() > until) return false;
    await create(talk, ref, namespace, claim, className);
  }
  return true;
}

async function create(talk: Talk, ref: Ref, namespace: string, claim: string, className: string): Promise<void> {
  try {
    await talk.raw({
      method: 'POST',
      path: `${group}/namespaces/${encodeURIComponent(namespace)}/volumesnapshots?fieldManager=kqueen`,
      body: {
        apiVersion: 'snapshot.storage.k8s.io/v1',
        kind: 'VolumeSnapshot',
        metadata: { name: snapshotName(ref, namespace, claim), namespace, labels: { [label]: ref.id } },
        spec: { volumeSnapshotClassName: className, source: { persistentVolumeClaimName: claim } },
      },
    });
  } catch (thrown) {
    // It was made by this step before, or its namespace is going.
    if (![403, 404, 409].includes(statusOf(thrown))) throw thrown;
  }
}

/** The snapshots of a backup as the cluster shows them now. */
export async function readSnapshots(talk: Talk, ref: Ref): Promise<SnapshotMark[]> {
  const found: SnapshotMark[] = [];
  const selector = encodeURIComponent(`${label}=${ref.id}`);
  let token = '';
  for (let page = 0; page < 100; page += 1) {
    const path = `${group}/volumesnapshots?labelSelector=${selector}&limit=500${token === '' ? '' : `&continue=${encodeURIComponent(token)}`}`;
    const answer = await talk.raw({ method: 'GET', path });
    for (const item of Array.isArray(answer.items) ? answer.items : []) if (isObject(item)) found.push(markOf(item));
    token = String(objectAt(answer, 'metadata').continue ?? '');
    if (token === '') break;
  }
  return found;
}

function markOf(snapshot: JsonObject): SnapshotMark {
  const { namespace, name } = objectAt(snapshot, 'metadata');
  const status = objectAt(snapshot, 'status');
  const problem = objectAt(status, 'error').message;
  return {
    namespace: String(namespace ?? ''),
    name: String(name ?? ''),
    claim: String(objectAt(snapshot, 'spec', 'source').persistentVolumeClaimName ?? ''),
    ready: status.readyToUse === true,
    ...(typeof problem === 'string' ? { problem: plain(problem, 200) } : {}),
  };
}

/** The same, with what the storage calls each: the handle by which another cluster can be told of it. */
export async function withHandles(talk: Talk, marks: readonly SnapshotMark[]): Promise<SnapshotMark[]> {
  const contents = new Map<string, { driver: string; handle: string }>();
  try {
    await eachListed(talk, `${group}/volumesnapshotcontents`, (each) => {
      const spec = objectAt(each, 'spec');
      const of = objectAt(spec, 'volumeSnapshotRef');
      const handle = objectAt(each, 'status').snapshotHandle ?? objectAt(spec, 'source').snapshotHandle;
      if (typeof handle !== 'string') return;
      contents.set(`${String(of.namespace)}/${String(of.name)}`, { driver: String(spec.driver ?? ''), handle });
    });
  } catch (thrown) {
    // Without the right to read them the snapshots can be used in this cluster alone.
    if (statusOf(thrown) !== 403 && statusOf(thrown) !== 404) throw asFault(thrown);
  }
  return marks.map((mark) => ({ ...mark, ...contents.get(`${mark.namespace}/${mark.name}`) }));
}
