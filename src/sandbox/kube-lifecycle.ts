import { randomInt } from 'node:crypto';
import { type Json, type JsonObject, listAt, objectAt, objectsAt, textAt } from './json.ts';
import type { Resource } from './kube-registry.ts';
import { forbidden, notFound } from './kube-status.ts';
import type { ObjectStore } from './kube-store.ts';

/** Throws when a namespace is not there (404) or is ending (403). */
export function checkNamespace(store: ObjectStore, resource: Resource, namespace: string, name: string): void {
  if (!resource.namespaced) return;
  const home = store.get('namespaces', '', namespace);
  if (home === undefined) throw notFound({ group: '', plural: 'namespaces', kind: 'Namespace' }, namespace);
  if (textAt(home, 'metadata', 'deletionTimestamp') === undefined) return;
  const refused = forbidden(
    resource,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  refused.details.causes = [
    {
      reason: 'NamespaceTerminating',
      message: `namespace ${namespace} is being terminated`,
      field: 'metadata.namespace',
    },
  ];
  throw refused;
}

/** A cluster IP or node port that no service has yet. */
export function allocate(store: ObjectStore, kind: 'clusterIP' | 'nodePort'): Json {
  const used = new Set<Json | undefined>(
    store
      .list('services')
      .flatMap((service) => [
        objectAt(service, 'spec').clusterIP,
        ...objectsAt(service, 'spec', 'ports').map((port) => port.nodePort),
      ]),
  );
  for (;;) {
    const candidate = kind === 'nodePort' ? randomInt(30000, 32768) : `10.96.${randomInt(1, 256)}.${randomInt(1, 255)}`;
    if (!used.has(candidate)) return candidate;
  }
}

/** Whether an object that is being deleted has nothing left to wait for. */
export function finished(resource: Resource, object: JsonObject): boolean {
  if (listAt(object, 'metadata', 'finalizers').length > 0) return false;
  if (resource.plural === 'namespaces') return listAt(object, 'spec', 'finalizers').length === 0;
  if (resource.plural === 'pods') return Number(objectAt(object, 'metadata').deletionGracePeriodSeconds ?? 0) === 0;
  return true;
}

/** Seconds that a deletion waits; only pods that are on a node have any. */
export function graceOf(resource: Resource, object: JsonObject, asked: number | undefined): number {
  if (resource.plural !== 'pods' || (textAt(object, 'spec', 'nodeName') ?? '') === '') return 0;
  const phase = textAt(object, 'status', 'phase');
  if (phase === 'Succeeded' || phase === 'Failed') return 0;
  return asked ?? Number(objectAt(object, 'spec').terminationGracePeriodSeconds ?? 30);
}
