import type { SandboxDatabase } from './database.ts';
import { type JsonObject, objectAt, textAt } from './json.ts';

/** A change of one object; `before` is what it was, for watchers whose selector it enters or leaves. */
export type Change = {
  version: number;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  resource: string;
  object: JsonObject;
  before: JsonObject | undefined;
};

type Watcher = { resource: string; listener: (change: Change) => void };

/** How many changes a cluster remembers for watchers that come back. */
const REMEMBERED = 2000;

/**
 * The objects of one cluster: in memory, written through to the database, with one version counter for all of them
 * as etcd has. Stored objects are never changed in place.
 */
export class ObjectStore {
  readonly #db: SandboxDatabase;
  readonly #cluster: string;
  readonly #objects = new Map<string, Map<string, JsonObject>>();
  readonly #sorted = new Map<string, JsonObject[]>();
  readonly #watchers = new Set<Watcher>();
  readonly #closers = new Set<() => void>();
  #history: Change[] = [];
  #version: number;
  #floor: number;

  constructor(db: SandboxDatabase, cluster: string) {
    this.#db = db;
    this.#cluster = cluster;
    const kept = db.cluster(cluster);
    for (const { key, object } of kept.objects) {
      const slash = key.indexOf('/');
      this.#bucket(key.slice(0, slash)).set(key.slice(slash + 1), object);
    }
    this.#version = Math.max(kept.version, 1);
    this.#floor = this.#version;
  }

  /** The newest version. */
  get version(): number {
    return this.#version;
  }

  /** The oldest version from which the changes since are still known. */
  get floor(): number {
    return this.#floor;
  }

  /** Whether the cluster holds nothing yet. */
  get empty(): boolean {
    return this.#objects.size === 0;
  }

  #bucket(resource: string): Map<string, JsonObject> {
    let bucket = this.#objects.get(resource);
    if (bucket === undefined) {
      bucket = new Map();
      this.#objects.set(resource, bucket);
    }
    return bucket;
  }

  /** One object, or undefined. */
  get(resource: string, namespace: string, name: string): JsonObject | undefined {
    return this.#objects.get(resource)?.get(`${namespace}/${name}`);
  }

  /** All objects of a resource, or those of a namespace, sorted by namespace and name. */
  list(resource: string, namespace?: string): JsonObject[] {
    let sorted = this.#sorted.get(resource);
    if (sorted === undefined) {
      const entries = [...(this.#objects.get(resource) ?? [])];
      sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
      this.#sorted.set(resource, sorted);
    }
    if (namespace === undefined || namespace === '') return sorted;
    return sorted.filter((object) => textAt(object, 'metadata', 'namespace') === namespace);
  }

  /** Writes an object under its metadata's namespace and name, gives it the next version and tells the watchers. */
  put(resource: string, object: JsonObject): JsonObject {
    const place = placeOf(object);
    const bucket = this.#bucket(resource);
    const before = bucket.get(place);
    this.#version += 1;
    const kept = {
      ...object,
      metadata: { ...objectAt(object, 'metadata'), resourceVersion: String(this.#version) },
    };
    this.#db.putObject(this.#cluster, `${resource}/${place}`, JSON.stringify(kept), this.#version);
    bucket.set(place, kept);
    this.#sorted.delete(resource);
    this.#publish({
      version: this.#version,
      type: before === undefined ? 'ADDED' : 'MODIFIED',
      resource,
      object: kept,
      before,
    });
    return kept;
  }

  /** Removes an object and tells the watchers; the answer is its last state. */
  remove(resource: string, object: JsonObject): JsonObject {
    const place = placeOf(object);
    const bucket = this.#bucket(resource);
    const before = bucket.get(place);
    this.#version += 1;
    const last = {
      ...object,
      metadata: { ...objectAt(object, 'metadata'), resourceVersion: String(this.#version) },
    };
    this.#db.putObject(this.#cluster, `${resource}/${place}`, undefined, this.#version);
    bucket.delete(place);
    this.#sorted.delete(resource);
    this.#publish({ version: this.#version, type: 'DELETED', resource, object: last, before });
    return last;
  }

  #publish(change: Change): void {
    this.#history.push(change);
    if (this.#history.length > REMEMBERED) {
      const dropped = this.#history.splice(0, REMEMBERED / 2);
      this.#floor = dropped.at(-1)?.version ?? this.#floor;
    }
    for (const watcher of this.#watchers) {
      if (watcher.resource === change.resource) watcher.listener(change);
    }
  }

  /** The changes of a resource after a version; undefined when that version is too old to say. */
  since(resource: string, version: number): Change[] | undefined {
    if (version < this.#floor) return undefined;
    return this.#history.filter((change) => change.version > version && change.resource === resource);
  }

  /** Calls the listener on every change of a resource until the answer is called; `onClose` when the store goes. */
  watch(resource: string, listener: (change: Change) => void, onClose: () => void): () => void {
    const watcher = { resource, listener };
    this.#watchers.add(watcher);
    this.#closers.add(onClose);
    return () => {
      this.#watchers.delete(watcher);
      this.#closers.delete(onClose);
    };
  }

  /** Removes the events whose last occurrence is before a time (ISO 8601), as the API server does after an hour. */
  pruneEvents(before: string): void {
    for (const event of [...this.list('events')]) {
      const last = textAt(event, 'lastTimestamp') ?? textAt(event, 'metadata', 'creationTimestamp') ?? '';
      if (last < before) this.remove('events', event);
    }
  }

  /** Forgets the changes so far, as a compaction does: older versions are gone. */
  compact(): void {
    this.#history = [];
    this.#floor = this.#version;
  }

  /** Ends all watches. */
  close(): void {
    for (const close of [...this.#closers]) close();
    this.#watchers.clear();
    this.#closers.clear();
  }
}

function placeOf(object: JsonObject): string {
  return `${textAt(object, 'metadata', 'namespace') ?? ''}/${textAt(object, 'metadata', 'name') ?? ''}`;
}
