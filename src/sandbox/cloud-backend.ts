import type { Size } from './catalog.ts';
import { addonPlace, addonSeed } from './cloud-addons.ts';
import type { ClusterRecord, Failure } from './cloud-records.ts';
import {
  bootstrapSeeds,
  controlPlaneSeeds,
  nodeInfo,
  nodeLeftovers,
  nodeSeeds,
  type Place,
  type Seed,
} from './cloud-seed.ts';
import { objectAt, objectsAt, textAt } from './json.ts';
import type { KubeApi } from './kube-api.ts';
import { Kinds } from './kube-kinds.ts';
import { Objects } from './kube-objects.ts';
import { resourceOf } from './kube-registry.ts';
import type { ObjectStore } from './kube-store.ts';

/** How the provider reaches into a cluster's API, as the machines' owner does. What takes time goes on by itself. */
export type ClusterBackend = {
  /** The API when it is served by this program; a real one has a server of its own. */
  api: KubeApi | undefined;
  seedControlPlane: () => void;
  /** Boots a machine of the usual pool, or of the one that lets traffic in. */
  seedNode: (cluster: ClusterRecord, size: Size, index: number, gateway?: boolean) => void;
  /** Takes a machine away; what runs on it is ended by the controller. */
  removeNode: (cluster: ClusterRecord, index: number, gateway?: boolean) => void;
  /** Puts the program of an add-on into kube-system. */
  seedAddon: (name: string) => void;
  /** Takes the program of an add-on out again. */
  removeAddon: (name: string) => void;
  /** Restarts all machines with the software of the cluster's version. */
  upgradeNodes: (cluster: ClusterRecord) => void;
  /** How many nodes say that they are Ready, or why there will be none. */
  readyNodes: () => number | Failure;
  /** Sets an annotation of a node, or takes it off. */
  annotateNode: (node: string, key: string, value: string | undefined) => boolean;
  /** Forgets the changes so far, so that older versions are gone. */
  compact: () => void;
  /** Removes events before a time (ISO 8601). */
  pruneEvents: (before: string) => void;
  /** Ends watches and programs; what is kept stays. */
  close: () => Promise<void>;
  /** Removes what is kept. */
  drop: () => void;
};

const OPTIONS = { dryRun: false, manager: 'sandbox' };

/** The sandbox's own API over the objects of a store. */
export function ownBackend(store: ObjectStore, api: KubeApi, drop: () => void): ClusterBackend {
  const objects = new Objects(store, Kinds.of(store));

  /** Makes objects unless they are there, so that a seed that was cut short can go on. */
  function ensure(seeds: readonly Seed[]): void {
    for (const { resource, namespace, body } of seeds) {
      if (store.get(resource, namespace, textAt(body, 'metadata', 'name') ?? '') !== undefined) continue;
      objects.create(resourceOf(resource), namespace, body, OPTIONS);
    }
  }

  function remove(places: readonly Place[]): void {
    const options = { dryRun: false, grace: 0, propagation: 'Background', uid: undefined, version: undefined };
    for (const [resource, namespace, name] of places) {
      if (store.get(resource, namespace, name) === undefined) continue;
      objects.delete(resourceOf(resource), namespace, name, options);
    }
  }

  return {
    api,
    seedControlPlane: () => ensure([...bootstrapSeeds(), ...controlPlaneSeeds()]),
    seedNode: (cluster, size, index, gateway) => ensure(nodeSeeds(cluster, size, index, gateway)),
    removeNode: (cluster, index, gateway) => remove(nodeLeftovers(cluster, index, gateway)),
    seedAddon: (name) => ensure([addonSeed(name)]),
    removeAddon: (name) => remove([addonPlace(name)]),
    upgradeNodes: (cluster) => {
      for (const node of [...store.list('nodes')]) {
        const name = textAt(node, 'metadata', 'name') ?? '';
        const status = { ...objectAt(node, 'status'), nodeInfo: nodeInfo(cluster.version, cluster.id, name) };
        store.put('nodes', { ...node, status });
      }
    },
    readyNodes: () =>
      store
        .list('nodes')
        .filter((node) =>
          objectsAt(node, 'status', 'conditions').some((entry) => entry.type === 'Ready' && entry.status === 'True'),
        ).length,
    annotateNode: (name, key, value) => {
      const node = store.get('nodes', '', name);
      if (node === undefined) return false;
      const metadata = objectAt(node, 'metadata');
      const annotations = { ...objectAt(metadata, 'annotations'), [key]: value };
      store.put('nodes', { ...node, metadata: { ...metadata, annotations } });
      return true;
    },
    compact: () => store.compact(),
    pruneEvents: (before) => store.pruneEvents(before),
    close: () => {
      store.close();
      return Promise.resolve();
    },
    drop,
  };
}
