import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { copyOf, isObject, type JsonObject, listAt, objectAt, objectsAt, sameJson, textAt } from './json.ts';
import { admitPod, checkQuotas } from './kube-admission.ts';
import { applyPatch, recordUpdate, sameManagers } from './kube-apply.ts';
import { definitionStatus } from './kube-custom.ts';
import { setDefaults, setInitial, validate } from './kube-defaults.ts';
import { coreEvent, isNewEvent, newEvent } from './kube-events.ts';
import { checkBudgets } from './kube-eviction.ts';
import { type FieldValidation, readFields, type Way } from './kube-fields.ts';
import { Garbage, isForeground } from './kube-garbage.ts';
import type { Kinds } from './kube-kinds.ts';
import { allocate, checkNamespace, finished, graceOf } from './kube-lifecycle.ts';
import { apiVersionOf, type Resource, resourceKey } from './kube-registry.ts';
import { alreadyExists, badRequest, conflict, forbidden, invalid, notFound } from './kube-status.ts';
import type { ObjectStore } from './kube-store.ts';

/** How a write is made. */
export type WriteOptions = {
  dryRun: boolean;
  manager: string;
  /** Whether managedFields are kept for an object that has none yet. */
  track?: boolean;
  /** What becomes of members that the kind does not have; Ignore when absent. */
  validation?: FieldValidation;
  /** Hears of members that were left out. */
  warn?: (warning: string) => void;
  /** Throws when the writer may not make the object what it is to be. */
  guard?: (object: JsonObject) => void;
};

/** What a deletion asks for; `grace` in seconds. */
export type DeleteOptions = {
  dryRun: boolean;
  grace: number | undefined;
  propagation: string;
  uid: string | undefined;
  version: string | undefined;
};

/** The time as Kubernetes writes it, whole seconds. */
export function timestamp(time = new Date()): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** How dependents are deleted. */
const BACKGROUND: DeleteOptions = {
  dryRun: false,
  grace: undefined,
  propagation: 'Background',
  uid: undefined,
  version: undefined,
};

/** Definitions of custom resources. */
const DEFINITIONS = 'customresourcedefinitions';

const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** Five letters that no word is made of, as generated names end with. */
function randomSuffix(): string {
  return Array.from({ length: 5 }, () => SUFFIX_LETTERS[randomInt(SUFFIX_LETTERS.length)]).join('');
}

/** The rules of writing objects, the same for every kind; what differs between kinds comes from the registry. */
export class Objects {
  readonly #store: ObjectStore;

  readonly #garbage: Garbage;

  constructor(store: ObjectStore, kinds: Kinds) {
    this.#store = store;
    this.#garbage = new Garbage(store, kinds);
  }

  /** The object, or a 404. */
  get(resource: Resource, namespace: string, name: string): JsonObject {
    const found = this.#store.get(resourceKey(resource), namespace, name);
    if (found === undefined) throw notFound(resource, name);
    return found;
  }

  /** Makes an object from a request's body. */
  create(resource: Resource, namespace: string, body: JsonObject, options: WriteOptions): JsonObject {
    const object = this.#accept(resource, namespace, body, 'body', options);
    return this.#create(resource, namespace, object, options, '');
  }

  #create(
    resource: Resource,
    namespace: string,
    object: JsonObject,
    options: WriteOptions,
    applier: string,
  ): JsonObject {
    const metadata = objectAt(object, 'metadata');
    const prefix = textAt(metadata, 'generateName');
    if (metadata.name === undefined || metadata.name === '') {
      if (prefix === undefined || prefix === '') {
        throw invalid(resource, '', [
          {
            reason: 'FieldValueRequired',
            message: 'Required value: name or generateName is required',
            field: 'metadata.name',
          },
        ]);
      }
      metadata.name = `${prefix.slice(0, 58)}${randomSuffix()}`;
    }
    const name = String(metadata.name);
    checkNamespace(this.#store, resource, namespace, name);
    if (this.#store.get(resourceKey(resource), namespace, name) !== undefined) throw alreadyExists(resource, name);
    metadata.uid = randomUUID();
    metadata.creationTimestamp = timestamp();
    if (resource.generation) metadata.generation = 1;
    delete metadata.resourceVersion;
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
    setDefaults(resource, object);
    setInitial(resource, object, (kind) => allocate(this.#store, kind));
    if (resource.plural === 'pods') admitPod(this.#store, resource, namespace, object);
    if (resource.plural === DEFINITIONS) object.status = definitionStatus(object, timestamp());
    const causes = validate(resource, object, undefined);
    if (causes.length > 0) throw invalid(resource, name, causes);
    checkQuotas(this.#store, resource, namespace, object, undefined);
    options.guard?.(object);
    const recorded = applier === '' ? this.#recorded(resource, undefined, object, '', options) : object;
    return options.dryRun ? recorded : this.#store.put(resourceKey(resource), recorded);
  }

  /** The object with what this write is recorded as; what defaults added is its writer's as well. */
  #recorded(
    resource: Resource,
    old: JsonObject | undefined,
    next: JsonObject,
    subresource: string,
    options: WriteOptions,
  ): JsonObject {
    const writer = { manager: options.manager, subresource, time: timestamp() };
    return recordUpdate(resource, old, next, writer, options.track === true);
  }

  #accept(resource: Resource, namespace: string, body: JsonObject, way: Way, options: WriteOptions): JsonObject {
    const object = copyOf(body);
    const apiVersion = apiVersionOf(resource);
    object.kind ??= resource.kind;
    object.apiVersion ??= apiVersion;
    if (object.kind !== resource.kind || object.apiVersion !== apiVersion) {
      throw badRequest(
        `the object provided is ${String(object.apiVersion)} ${String(object.kind)}, this path takes ${apiVersion} ${resource.kind}`,
      );
    }
    if (!isObject(object.metadata)) object.metadata = {};
    for (const member of ['name', 'generateName', 'namespace']) {
      const value = object.metadata[member];
      if (value === null) delete object.metadata[member];
      else if (value !== undefined && typeof value !== 'string') throw badRequest(`metadata.${member} must be a text`);
    }
    const given = object.metadata.namespace;
    if (resource.namespaced) {
      if (given !== undefined && given !== '' && given !== namespace) {
        throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
      }
      object.metadata.namespace = namespace;
    } else {
      delete object.metadata.namespace;
    }
    const read = readFields(resource, object, way, options.validation ?? 'Ignore', options.warn ?? (() => undefined));
    return isNewEvent(resource) ? coreEvent(read) : read;
  }

  /** Replaces an object, or its status when `subresource` is `status`. */
  update(
    resource: Resource,
    namespace: string,
    name: string,
    body: JsonObject,
    subresource: string,
    options: WriteOptions,
  ): JsonObject {
    const old = this.get(resource, namespace, name);
    const incoming = this.#accept(resource, namespace, body, 'body', options);
    const given = textAt(incoming, 'metadata', 'name') ?? name;
    if (given !== name)
      throw badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
    objectAt(incoming, 'metadata').name = name;
    return this.#write(resource, old, incoming, subresource, options);
  }

  /** Changes an object by a function of its present state, as patches do. */
  change(
    resource: Resource,
    namespace: string,
    name: string,
    subresource: string,
    options: WriteOptions,
    edit: (old: JsonObject) => JsonObject,
  ): JsonObject {
    const old = this.get(resource, namespace, name);
    const edited = this.#accept(
      resource,
      namespace,
      edit(copyOf(isNewEvent(resource) ? newEvent(old) : old)),
      'patch',
      options,
    );
    return this.#write(resource, old, edited, subresource, options);
  }

  /** Server-side apply: makes the object or merges into it. */
  apply(
    resource: Resource,
    namespace: string,
    name: string,
    body: JsonObject,
    subresource: string,
    force: boolean,
    options: WriteOptions,
  ): { object: JsonObject; created: boolean } {
    const old = this.#store.get(resourceKey(resource), namespace, name);
    const applied = this.#accept(resource, namespace, body, 'apply', options);
    objectAt(applied, 'metadata').name ??= name;
    if (objectAt(applied, 'metadata').name !== name) {
      throw badRequest(
        `the name of the object (${String(objectAt(applied, 'metadata').name)}) does not match the name on the URL (${name})`,
      );
    }
    if (objectAt(applied, 'metadata').managedFields !== undefined)
      throw badRequest('metadata.managedFields must be nil');
    const writer = { manager: options.manager, subresource, time: timestamp() };
    const merged = applyPatch(resource, old, applied, writer, force);
    if (old === undefined) {
      if (subresource !== '') throw notFound(resource, name);
      return { object: this.#create(resource, namespace, merged, options, options.manager), created: true };
    }
    return { object: this.#write(resource, old, merged, subresource, options, true), created: false };
  }

  #write(
    resource: Resource,
    old: JsonObject,
    incoming: JsonObject,
    subresource: string,
    options: WriteOptions,
    applied = false,
  ): JsonObject {
    const name = textAt(old, 'metadata', 'name') ?? '';
    const before = objectAt(old, 'metadata');
    const sent = objectAt(incoming, 'metadata');
    if (sent.uid !== undefined && sent.uid !== '' && sent.uid !== before.uid) {
      throw conflict(
        resource,
        name,
        `Precondition failed: UID in precondition: ${String(sent.uid)}, UID in object meta: ${String(before.uid)}`,
      );
    }
    if (
      sent.resourceVersion !== undefined &&
      sent.resourceVersion !== '' &&
      sent.resourceVersion !== before.resourceVersion
    ) {
      throw conflict(resource, name);
    }
    let next: JsonObject;
    if (subresource === 'status') {
      next = { ...old, status: incoming.status ?? {}, metadata: { ...before } };
      if (applied) objectAt(next, 'metadata').managedFields = sent.managedFields;
    } else {
      next = { ...incoming, metadata: { ...sent } };
      if (resource.status) next.status = old.status;
      if (resource.plural === 'namespaces') next.spec = old.spec;
      setDefaults(resource, next);
    }
    const metadata = objectAt(next, 'metadata');
    for (const fixed of [
      'uid',
      'creationTimestamp',
      'resourceVersion',
      'generation',
      'deletionTimestamp',
      'deletionGracePeriodSeconds',
    ]) {
      if (before[fixed] === undefined) delete metadata[fixed];
      else metadata[fixed] = before[fixed];
    }
    if (subresource !== '' && !applied && before.managedFields !== undefined)
      metadata.managedFields = before.managedFields;
    if (resource.generation && !sameJson(next.spec, old.spec)) metadata.generation = Number(before.generation ?? 1) + 1;
    const causes = subresource === 'status' ? [] : validate(resource, next, old);
    if (causes.length > 0) throw invalid(resource, name, causes);
    if (subresource !== 'status') {
      checkQuotas(this.#store, resource, textAt(before, 'namespace') ?? '', next, old);
      options.guard?.(next);
      if (resource.plural === DEFINITIONS) next.status = definitionStatus(next, timestamp());
    }
    const recorded = applied ? next : this.#recorded(resource, old, next, subresource, options);
    if (sameJson(withoutManagers(recorded), withoutManagers(old)) && sameManagers(recorded, old)) return old;
    if (options.dryRun) return recorded;
    if (before.deletionTimestamp !== undefined && finished(resource, recorded)) {
      const last = this.#store.remove(resourceKey(resource), recorded);
      this.#garbage.removed(resource, last, (one, place, name) => this.delete(one, place, name, BACKGROUND));
      return last;
    }
    return this.#store.put(resourceKey(resource), recorded);
  }

  /** Replaces a namespace's finalizers; without any a terminating namespace is gone. */
  finalizeNamespace(resource: Resource, name: string, body: JsonObject): JsonObject {
    const old = this.get(resource, '', name);
    const next = { ...old, spec: { ...objectAt(old, 'spec'), finalizers: listAt(body, 'spec', 'finalizers') } };
    if (textAt(old, 'metadata', 'deletionTimestamp') !== undefined && finished(resource, next)) {
      return this.#store.remove('namespaces', next);
    }
    return this.#store.put('namespaces', next);
  }

  /**
   * Deletes an object, or marks it as being deleted when something has to happen first: finalizers, a pod's grace
   * period, a namespace's contents. The answer says whether it is gone.
   */
  delete(
    resource: Resource,
    namespace: string,
    name: string,
    options: DeleteOptions,
  ): { object: JsonObject; gone: boolean } {
    const old = this.get(resource, namespace, name);
    const before = objectAt(old, 'metadata');
    if (options.uid !== undefined && options.uid !== before.uid) {
      throw conflict(
        resource,
        name,
        `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${String(before.uid)}`,
      );
    }
    if (options.version !== undefined && options.version !== before.resourceVersion) throw conflict(resource, name);
    if (resource.plural === 'namespaces' && ['default', 'kube-system', 'kube-public'].includes(name)) {
      throw forbidden(resource, name, 'this namespace may not be deleted');
    }
    if (options.dryRun) return { object: old, gone: true };
    if (options.propagation === 'Orphan') this.#garbage.orphan(String(before.uid));
    const metadata: JsonObject = { ...before };
    const next: JsonObject = { ...old, metadata };
    if (options.propagation === 'Foreground' && isForeground(resource)) {
      // On other kinds nobody would take the finalizer off again.
      const finalizers = listAt(before, 'finalizers');
      if (!finalizers.includes('foregroundDeletion')) metadata.finalizers = [...finalizers, 'foregroundDeletion'];
    }
    const grace = graceOf(resource, old, options.grace);
    if (before.deletionTimestamp === undefined || grace < Number(before.deletionGracePeriodSeconds ?? 0)) {
      metadata.deletionTimestamp = timestamp(new Date(Date.now() + grace * 1000));
      metadata.deletionGracePeriodSeconds = grace;
      if (resource.generation) metadata.generation = Number(before.generation ?? 1) + 1;
    }
    if (resource.plural === 'namespaces') next.status = { ...objectAt(old, 'status'), phase: 'Terminating' };
    if (finished(resource, next)) {
      const last = this.#store.remove(resourceKey(resource), next);
      this.#garbage.removed(resource, last, (one, place, name) => this.delete(one, place, name, BACKGROUND));
      return { object: last, gone: true };
    }
    if (sameJson(next, old)) return { object: old, gone: false };
    return { object: this.#store.put(resourceKey(resource), next), gone: false };
  }

  /** Evicts a pod: deletes it unless a disruption budget forbids (429 with reason DisruptionBudget). */
  evict(resource: Resource, namespace: string, name: string, options: DeleteOptions): void {
    const pod = this.get(resource, namespace, name);
    checkBudgets(this.#store, namespace, pod);
    this.delete(resource, namespace, name, options);
  }

  /** Binds a pod to a node, as a scheduler does. */
  bind(resource: Resource, namespace: string, name: string, node: string): void {
    const pod = this.get(resource, namespace, name);
    const present = textAt(pod, 'spec', 'nodeName') ?? '';
    if (present !== '') throw conflict(resource, name, `pod ${name} is already assigned to node "${present}"`);
    const conditions = objectsAt(pod, 'status', 'conditions').filter((condition) => condition.type !== 'PodScheduled');
    conditions.push({ type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: timestamp() });
    this.#store.put(resourceKey(resource), {
      ...pod,
      spec: { ...objectAt(pod, 'spec'), nodeName: node },
      status: { ...objectAt(pod, 'status'), conditions },
    });
  }
}

function withoutManagers(object: JsonObject): JsonObject {
  const { managedFields: _, ...metadata } = objectAt(object, 'metadata');
  return { ...object, metadata };
}

/** A secret text of 32 random bytes. */
export function randomToken(): string {
  return randomBytes(32).toString('base64url');
}
