import { objectAt, objectsAt, textAt } from './json.ts';
import type { Kinds } from './kube-kinds.ts';
import { type Resource, resourceKey } from './kube-registry.ts';
import type { ObjectStore } from './kube-store.ts';

/** Kinds that come and go often and own nothing, so that nobody looks for what they leave behind. */
const OWNS_NOTHING = new Set(['events', 'leases.coordination.k8s.io', 'endpoints', 'endpointslices.discovery.k8s.io']);

/** Kinds whose dependents the controller ends. */
const WORKLOADS = new Set([
  'pods',
  'replicasets.apps',
  'deployments.apps',
  'statefulsets.apps',
  'daemonsets.apps',
  'jobs.batch',
  'cronjobs.batch',
]);

/** Whether a deletion in the foreground takes what the object owns first; on other kinds nobody would end the wait. */
export function isForeground(resource: Resource): boolean {
  return resource.plural !== 'pods' && WORKLOADS.has(resourceKey(resource));
}

/** What becomes of objects whose owner goes. */
export class Garbage {
  readonly #store: ObjectStore;
  readonly #kinds: Kinds;

  constructor(store: ObjectStore, kinds: Kinds) {
    this.#store = store;
    this.#kinds = kinds;
  }

  /** Ends what a removed object leaves behind: custom objects with their definition, and what it owned. */
  removed(
    resource: Resource,
    object: Parameters<ObjectStore['remove']>[1],
    end: (resource: Resource, namespace: string, name: string) => void,
  ): void {
    if (resource.plural === 'customresourcedefinitions') {
      const key = textAt(object, 'metadata', 'name') ?? '';
      for (const left of [...this.#store.list(key)]) this.#store.remove(key, left);
    }
    if (OWNS_NOTHING.has(resourceKey(resource)) || WORKLOADS.has(resourceKey(resource))) return;
    const uid = textAt(object, 'metadata', 'uid') ?? '';
    for (const owned of this.#kinds.all()) {
      if (owned.review || owned.computed || OWNS_NOTHING.has(resourceKey(owned))) continue;
      for (const item of [...this.#store.list(resourceKey(owned))]) {
        const owners = objectsAt(item, 'metadata', 'ownerReferences');
        const alone = owners.length === 1 && owners[0]?.uid === uid;
        if (!alone || textAt(item, 'metadata', 'deletionTimestamp') !== undefined) continue;
        const { namespace, name } = objectAt(item, 'metadata');
        end(owned, String(namespace ?? ''), String(name));
      }
    }
  }

  /** Takes an owner out of what it owns, so that its end does not end them. */
  orphan(uid: string): void {
    for (const key of this.#kinds.keys()) {
      for (const object of [...this.#store.list(key)]) {
        const owners = objectsAt(object, 'metadata', 'ownerReferences');
        if (!owners.some((owner) => owner.uid === uid)) continue;
        const rest = owners.filter((owner) => owner.uid !== uid);
        this.#store.put(key, { ...object, metadata: { ...objectAt(object, 'metadata'), ownerReferences: rest } });
      }
    }
  }
}
