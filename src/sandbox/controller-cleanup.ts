import { ApiFailure, MERGE } from './controller-client.ts';
import {
  controllerOf,
  deleteObject,
  isEnding,
  type Kind,
  nameOf,
  pathOf,
  unlessGone,
  type World,
} from './controller-world.ts';
import { type JsonObject, listAt, objectsAt, textAt } from './json.ts';

/** The kinds whose objects control others, by the name that owners are given by. */
const OWNERS: Record<string, Owner> = {
  ReplicaSet: 'replicasets',
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  DaemonSet: 'daemonsets',
  Job: 'jobs',
  CronJob: 'cronjobs',
};

/** Kinds that are controlled by others. */
export const DEPENDENTS = ['pods', 'replicasets', 'jobs'] as const;

/** A kind whose objects are controlled by others. */
export type Dependent = (typeof DEPENDENTS)[number];

/** A kind whose objects control others. */
export type Owner = 'replicasets' | 'deployments' | 'statefulsets' | 'daemonsets' | 'jobs' | 'cronjobs';

/** The kind of an owner by its name; undefined when nobody here looks after it. */
export function ownerKind(name: string): Owner | undefined {
  return OWNERS[name];
}

/** How long an ending namespace waits for its pods before it is looked at again, ms of the sandbox's clock. */
const LOOK_AGAIN = 1000;

/** Ends what has lost its owner, and namespaces with all they hold. */
export class Cleanup {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** The objects that an owner of this uid controls. */
  #dependents(uid: string): { kind: Kind; object: JsonObject }[] {
    return DEPENDENTS.flatMap((kind) =>
      [...this.#world.kinds[kind].items.values()]
        .filter((object) => controllerOf(object)?.uid === uid)
        .map((object) => ({ kind, object })),
    );
  }

  /** Looks at one dependent: one whose owner is gone is deleted. */
  async orphan(kind: Dependent, key: string): Promise<undefined> {
    const object = this.#world.kinds[kind].items.get(key);
    const owner = object === undefined ? undefined : controllerOf(object);
    const owners = OWNERS[owner?.kind ?? ''];
    if (object === undefined || owner === undefined || owners === undefined || isEnding(object)) return undefined;
    const { namespace } = nameOf(object);
    const known = this.#world.kinds[owners].items.get(`${namespace}/${owner.name}`);
    if (known !== undefined && nameOf(known).uid === owner.uid) return undefined;
    const found = await unlessGone(this.#world.api.request('GET', pathOf(owners, namespace, owner.name)));
    if (found === undefined || nameOf(found).uid !== owner.uid) await deleteObject(this.#world, kind, object);
    return undefined;
  }

  /** Looks at one owner that is being deleted in the foreground: first its dependents, then itself. */
  async foreground(kind: Owner, key: string): Promise<undefined> {
    const owner = this.#world.kinds[kind].items.get(key);
    if (owner === undefined || !isEnding(owner)) return undefined;
    const finalizers = listAt(owner, 'metadata', 'finalizers');
    if (!finalizers.includes('foregroundDeletion')) return undefined;
    const { namespace, name, uid } = nameOf(owner);
    const dependents = this.#dependents(uid);
    for (const dependent of dependents) {
      if (!isEnding(dependent.object))
        await deleteObject(this.#world, dependent.kind, dependent.object, { propagationPolicy: 'Foreground' });
    }
    if (dependents.length > 0) return undefined;
    const rest = finalizers.filter((finalizer) => finalizer !== 'foregroundDeletion');
    await unlessGone(
      this.#world.api.request('PATCH', pathOf(kind, namespace, name), { metadata: { uid, finalizers: rest } }, MERGE),
    );
    return undefined;
  }

  /** Looks at one namespace: a new one gets its service account, an ending one loses all it holds and goes. */
  async namespace(key: string): Promise<number | undefined> {
    const namespace = this.#world.kinds.namespaces.items.get(key);
    if (namespace === undefined) return undefined;
    const { name } = nameOf(namespace);
    if (!isEnding(namespace)) {
      await this.#account(name);
      return undefined;
    }
    let left = 0;
    for (const path of await this.#collections(name)) {
      const page = await this.#world.api.request('GET', path);
      const items = objectsAt(page, 'items');
      if (items.length === 0) continue;
      left += items.filter(
        (item) => listAt(item, 'metadata', 'finalizers').length > 0 || path.endsWith('/pods'),
      ).length;
      if (items.some((item) => !isEnding(item))) await this.#world.api.request('DELETE', path);
    }
    if (left > 0) return this.#world.real(LOOK_AGAIN);
    const body = { kind: 'Namespace', apiVersion: 'v1', metadata: { name }, spec: { finalizers: [] } };
    await unlessGone(this.#world.api.request('PUT', `/api/v1/namespaces/${name}/finalize`, body));
    return undefined;
  }

  async #account(namespace: string): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts`;
    if ((await unlessGone(this.#world.api.request('GET', `${path}/default`))) !== undefined) return;
    try {
      await this.#world.api.request('POST', path, {
        kind: 'ServiceAccount',
        apiVersion: 'v1',
        metadata: { name: 'default', namespace },
      });
    } catch (error) {
      if (
        !(error instanceof ApiFailure && (error.reason === 'AlreadyExists' || error.code === 403 || error.code === 404))
      )
        throw error;
    }
  }

  /** The paths of everything in a namespace that can be deleted, as discovery tells. */
  async #collections(namespace: string): Promise<string[]> {
    const groups = await this.#world.api.request('GET', '/apis');
    const roots = objectsAt(groups, 'groups').map(
      (group) => `/apis/${textAt(group, 'preferredVersion', 'groupVersion')}`,
    );
    const paths: string[] = [];
    for (const root of ['/api/v1', ...roots]) {
      const list = await this.#world.api.request('GET', root);
      for (const resource of objectsAt(list, 'resources')) {
        const name = textAt(resource, 'name') ?? '';
        if (
          resource.namespaced !== true ||
          name.includes('/') ||
          !listAt(resource, 'verbs').includes('deletecollection')
        )
          continue;
        paths.push(`${root}/namespaces/${namespace}/${name}`);
      }
    }
    return paths;
  }
}
