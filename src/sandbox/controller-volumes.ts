import { ApiFailure, MERGE } from './controller-client.ts';
import { isEnding, nameOf, patchStatus, tell, unlessGone, type World } from './controller-world.ts';
import { type JsonObject, listAt, objectAt, objectsAt, textAt } from './json.ts';
import { quantity } from './kube-quantities.ts';

const CLASSES = '/apis/storage.k8s.io/v1/storageclasses';
const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

/** The provisioner that makes volumes here; classes of others wait for theirs. */
export const PROVISIONER = 'disk.sandbox.kqueen.io';

/** Binds claims to volumes, makes volumes of the sandbox's own class, and ends or releases those of claims that go. */
export class Volumes {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Looks at one claim. */
  async claim(key: string): Promise<undefined> {
    const claim = this.#world.kinds.persistentvolumeclaims.items.get(key);
    if (claim === undefined || isEnding(claim)) return undefined;
    if (textAt(claim, 'status', 'phase') === 'Bound') {
      await this.#grow(claim);
      return undefined;
    }
    const className = await this.#className(claim);
    if (className === undefined) return undefined;
    const volume = this.#offer(claim, className) ?? (await this.#make(claim, className));
    if (volume !== undefined) await this.#bind(claim, volume);
    return undefined;
  }

  /** The class of a claim: its own, or the default one, which is written into it. */
  async #className(claim: JsonObject): Promise<string | undefined> {
    const own = textAt(claim, 'spec', 'storageClassName');
    if (own !== undefined) return own;
    const { items } = await this.#world.api.request('GET', CLASSES);
    const standard = (Array.isArray(items) ? items : []).find(
      (entry) => textAt(entry, 'metadata', 'annotations', DEFAULT_CLASS) === 'true',
    );
    return textAt(standard, 'metadata', 'name') ?? '';
  }

  #offer(claim: JsonObject, className: string): JsonObject | undefined {
    const wanted = quantity(objectAt(claim, 'spec', 'resources', 'requests').storage);
    const { namespace, name, uid } = nameOf(claim);
    const named = textAt(claim, 'spec', 'volumeName');
    return [...this.#world.kinds.persistentvolumes.items.values()].find((volume) => {
      if (isEnding(volume) || textAt(volume, 'status', 'phase') === 'Released') return false;
      const owner = objectAt(volume, 'spec', 'claimRef');
      if (owner.name !== undefined) {
        return owner.namespace === namespace && owner.name === name && (owner.uid === undefined || owner.uid === uid);
      }
      if (named !== undefined && named !== '' && named !== nameOf(volume).name) return false;
      const modes = listAt(volume, 'spec', 'accessModes');
      return (
        (textAt(volume, 'spec', 'storageClassName') ?? '') === className &&
        quantity(objectAt(volume, 'spec', 'capacity').storage) >= wanted &&
        listAt(claim, 'spec', 'accessModes').every((mode) => modes.includes(mode))
      );
    });
  }

  async #make(claim: JsonObject, className: string): Promise<JsonObject | undefined> {
    const storage =
      className === '' ? undefined : await unlessGone(this.#world.api.request('GET', `${CLASSES}/${className}`));
    const { namespace, name, uid } = nameOf(claim);
    if (storage === undefined) {
      const why =
        className === ''
          ? 'no persistent volumes available for this claim and no storage class is set'
          : `storageclass.storage.k8s.io "${className}" not found`;
      tell(
        this.#world,
        claim,
        className === '' ? 'Normal' : 'Warning',
        className === '' ? 'FailedBinding' : 'ProvisioningFailed',
        why,
        'persistentvolume-controller',
      );
      return undefined;
    }
    if (textAt(storage, 'provisioner') !== PROVISIONER) return undefined;
    const body = {
      kind: 'PersistentVolume',
      apiVersion: 'v1',
      metadata: { name: `pvc-${uid}`, annotations: { 'pv.kubernetes.io/provisioned-by': PROVISIONER } },
      spec: {
        capacity: objectAt(claim, 'spec', 'resources', 'requests'),
        accessModes: listAt(claim, 'spec', 'accessModes'),
        volumeMode: textAt(claim, 'spec', 'volumeMode') ?? 'Filesystem',
        persistentVolumeReclaimPolicy: textAt(storage, 'reclaimPolicy') ?? 'Delete',
        storageClassName: className,
        claimRef: { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid },
        csi: { driver: PROVISIONER, volumeHandle: `sandbox-${uid}` },
      },
    };
    try {
      const made = await this.#world.api.request('POST', '/api/v1/persistentvolumes', body);
      const message = `Successfully provisioned volume pvc-${uid}`;
      tell(this.#world, claim, 'Normal', 'ProvisioningSucceeded', message, PROVISIONER);
      return made;
    } catch (error) {
      if (error instanceof ApiFailure && error.reason === 'AlreadyExists') return undefined;
      throw error;
    }
  }

  async #bind(claim: JsonObject, volume: JsonObject): Promise<void> {
    const { namespace, name, uid } = nameOf(claim);
    const volumeName = nameOf(volume).name;
    const claimRef = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid };
    const { api, kinds } = this.#world;
    kinds.persistentvolumes.accept(
      await api.request('PATCH', `/api/v1/persistentvolumes/${volumeName}`, { spec: { claimRef } }, MERGE),
    );
    await patchStatus(this.#world, 'persistentvolumes', volume, { phase: 'Bound' });
    const storageClassName = textAt(volume, 'spec', 'storageClassName') ?? '';
    const spec = { volumeName, ...(storageClassName === '' ? {} : { storageClassName }) };
    const metadata = { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } };
    const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${name}`;
    const bound = await unlessGone(api.request('PATCH', path, { metadata, spec }, MERGE));
    if (bound === undefined) return;
    await patchStatus(this.#world, 'persistentvolumeclaims', bound, {
      phase: 'Bound',
      accessModes: listAt(volume, 'spec', 'accessModes'),
      capacity: objectAt(volume, 'spec', 'capacity'),
    });
  }

  async #grow(claim: JsonObject): Promise<void> {
    const wanted = objectAt(claim, 'spec', 'resources', 'requests').storage;
    if (quantity(wanted) <= quantity(objectAt(claim, 'status', 'capacity').storage)) return;
    const capacity = { storage: wanted };
    const volume = textAt(claim, 'spec', 'volumeName') ?? '';
    await this.#world.api.request('PATCH', `/api/v1/persistentvolumes/${volume}`, { spec: { capacity } }, MERGE);
    await patchStatus(this.#world, 'persistentvolumeclaims', claim, { capacity });
  }

  /** Looks at one volume: a new one is available, one whose claim is gone is deleted or released. */
  async volume(key: string): Promise<undefined> {
    const volume = this.#world.kinds.persistentvolumes.items.get(key);
    if (volume === undefined || isEnding(volume)) return undefined;
    const phase = textAt(volume, 'status', 'phase');
    const owner = objectAt(volume, 'spec', 'claimRef');
    if (owner.uid === undefined) {
      if (phase !== 'Available') await patchStatus(this.#world, 'persistentvolumes', volume, { phase: 'Available' });
      return undefined;
    }
    const path = `/api/v1/namespaces/${String(owner.namespace)}/persistentvolumeclaims/${String(owner.name)}`;
    const claim = await unlessGone(this.#world.api.request('GET', path));
    if (claim !== undefined && nameOf(claim).uid === owner.uid) return undefined;
    if (textAt(volume, 'spec', 'persistentVolumeReclaimPolicy') === 'Delete') {
      await unlessGone(this.#world.api.request('DELETE', `/api/v1/persistentvolumes/${nameOf(volume).name}`));
    } else if (phase !== 'Released') {
      await patchStatus(this.#world, 'persistentvolumes', volume, { phase: 'Released' });
    }
    return undefined;
  }
}

/** What of a pod's claims keeps it from being scheduled, or undefined. */
export function claimObstacle(world: World, pod: JsonObject): string | undefined {
  const { namespace } = nameOf(pod);
  for (const volume of objectsAt(pod, 'spec', 'volumes')) {
    const name = textAt(volume, 'persistentVolumeClaim', 'claimName');
    if (name === undefined) continue;
    const claim = world.kinds.persistentvolumeclaims.items.get(`${namespace}/${name}`);
    if (claim === undefined) return `persistentvolumeclaim "${name}" not found`;
    if (textAt(claim, 'status', 'phase') !== 'Bound') return 'pod has unbound immediate PersistentVolumeClaims';
  }
  return undefined;
}
