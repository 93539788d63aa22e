import { createHash } from 'node:crypto';
import { type JsonObject, objectAt, objectsAt, textAt, textsAt } from './json.ts';
import { quantity } from './kube-quantities.ts';
import type { Resource } from './kube-registry.ts';
import { methodNotAllowed, notFound } from './kube-status.ts';
import type { ObjectStore } from './kube-store.ts';

/** A container with this annotation on its pod uses that share of what it asks for, in percent: load on demand. */
const LOAD = 'sandbox.kqueen.io/cpu-percent';

/** What a container that asks for nothing uses: cores and bytes. */
const IDLE_CPU = 0.003;
const IDLE_MEMORY = 24 * 2 ** 20;

type Use = { cpu: number; memory: number };

function containerUse(pod: JsonObject, container: JsonObject): Use {
  const requests = objectAt(container, 'resources', 'requests');
  const name = `${textAt(pod, 'metadata', 'uid') ?? ''}/${textAt(container, 'name') ?? ''}`;
  // The same for a container as long as it lives, and different from its neighbour's.
  const byte = createHash('sha256').update(name).digest()[0] ?? 0;
  const asked = Number(textAt(pod, 'metadata', 'annotations', LOAD) ?? 20 + (byte % 20));
  return {
    cpu: quantity(requests.cpu) > 0 ? (quantity(requests.cpu) * asked) / 100 : IDLE_CPU,
    memory: quantity(requests.memory) > 0 ? quantity(requests.memory) * (0.4 + byte / 1024) : IDLE_MEMORY,
  };
}

function amounts({ cpu, memory }: Use): JsonObject {
  return { cpu: `${Math.round(cpu * 1e9)}n`, memory: `${Math.round(memory / 1024)}Ki` };
}

function isRunning(pod: JsonObject): boolean {
  return textAt(pod, 'status', 'phase') === 'Running';
}

function measured(resource: Resource, object: JsonObject, more: JsonObject): JsonObject {
  const { name, namespace } = objectAt(object, 'metadata');
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  return {
    kind: resource.kind,
    apiVersion: 'metrics.k8s.io/v1beta1',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      creationTimestamp: now,
      labels: textsAt(object, 'metadata', 'labels'),
    },
    timestamp: now,
    window: '15s',
    ...more,
  };
}

/** What metrics-server says of nodes or pods: of all, of a namespace's, or of one, which is a 404 when it has none. */
export function metrics(store: ObjectStore, resource: Resource, namespace: string, name: string): JsonObject[] {
  const objects = store
    .list(resource.plural, namespace)
    .filter((object) => name === '' || textAt(object, 'metadata', 'name') === name);
  if (name !== '' && objects.length === 0) throw notFound(resource, name);
  if (resource.plural === 'pods') {
    return objects.filter(isRunning).map((pod) =>
      measured(resource, pod, {
        containers: objectsAt(pod, 'spec', 'containers').map((container) => ({
          name: textAt(container, 'name') ?? '',
          usage: amounts(containerUse(pod, container)),
        })),
      }),
    );
  }
  if (resource.plural !== 'nodes') throw methodNotAllowed();
  const running = store.list('pods').filter(isRunning);
  return objects.map((node) => {
    const total: Use = { cpu: 0.05, memory: 256 * 2 ** 20 };
    for (const pod of running) {
      if (textAt(pod, 'spec', 'nodeName') !== textAt(node, 'metadata', 'name')) continue;
      for (const container of objectsAt(pod, 'spec', 'containers')) {
        const use = containerUse(pod, container);
        total.cpu += use.cpu;
        total.memory += use.memory;
      }
    }
    return measured(resource, node, { usage: amounts(total) });
  });
}
