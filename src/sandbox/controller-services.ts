import { createHash } from 'node:crypto';
import { APPLY } from './controller-client.ts';
import { isActive, isReady, nameOf, patchStatus, unlessGone, type World } from './controller-world.ts';
import { type JsonObject, numberAt, objectsAt, textAt, textsAt } from './json.ts';

/** Keeps the endpoints of services, and gives load balancers an address of the range that is for documentation. */
export class Services {
  readonly #world: World;
  readonly #written = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Whether a service selects a pod. */
  static selects(service: JsonObject, pod: JsonObject): boolean {
    const selector = Object.entries(textsAt(service, 'spec', 'selector'));
    const labels = textsAt(pod, 'metadata', 'labels');
    return selector.length > 0 && selector.every(([key, value]) => labels[key] === value);
  }

  /** Looks at one service. */
  async reconcile(key: string): Promise<undefined> {
    const service = this.#world.kinds.services.items.get(key);
    if (service === undefined) {
      await this.#remove(key);
      return undefined;
    }
    await this.#balance(service);
    if (Object.keys(textsAt(service, 'spec', 'selector')).length === 0) return undefined;
    const { namespace, name, uid } = nameOf(service);
    const pods = [...this.#world.kinds.pods.items.values()]
      .filter((pod) => nameOf(pod).namespace === namespace && isActive(pod) && Services.selects(service, pod))
      .filter((pod) => textAt(pod, 'status', 'podIP') !== undefined)
      .sort((a, b) => (nameOf(a).name < nameOf(b).name ? -1 : 1));
    const ports = objectsAt(service, 'spec', 'ports').map((port) => portOf(port, pods[0]));
    const target = (pod: JsonObject): JsonObject => ({
      kind: 'Pod',
      namespace,
      name: nameOf(pod).name,
      uid: nameOf(pod).uid,
    });
    const addresses = (ready: boolean): JsonObject[] =>
      pods
        .filter((pod) => isReady(pod) === ready)
        .map((pod) => ({
          ip: textAt(pod, 'status', 'podIP'),
          nodeName: textAt(pod, 'spec', 'nodeName'),
          targetRef: target(pod),
        }));
    const subset: JsonObject = { ports };
    if (addresses(true).length > 0) subset.addresses = addresses(true);
    if (addresses(false).length > 0) subset.notReadyAddresses = addresses(false);
    const endpoints = {
      kind: 'Endpoints',
      apiVersion: 'v1',
      metadata: { name, namespace },
      subsets: pods.length > 0 ? [subset] : [],
    };
    const slice = {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      metadata: {
        name: sliceName(name),
        namespace,
        labels: {
          'kubernetes.io/service-name': name,
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid, controller: true }],
      },
      addressType: 'IPv4',
      endpoints: pods.map((pod) => ({
        addresses: [textAt(pod, 'status', 'podIP') ?? ''],
        conditions: { ready: isReady(pod), serving: isReady(pod), terminating: false },
        nodeName: textAt(pod, 'spec', 'nodeName'),
        targetRef: target(pod),
      })),
      ports,
    };
    const text = JSON.stringify([endpoints, slice]);
    if (this.#written.get(key) === text) return undefined;
    for (const [path, object] of [
      [`/api/v1/namespaces/${namespace}/endpoints/${name}`, endpoints],
      [`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/${sliceName(name)}`, slice],
    ] as const) {
      await unlessGone(
        this.#world.api.request('PATCH', `${path}?fieldManager=endpoint-controller&force=true`, object, APPLY),
      );
    }
    this.#written.set(key, text);
    return undefined;
  }

  async #balance(service: JsonObject): Promise<void> {
    if (textAt(service, 'spec', 'type') !== 'LoadBalancer') return;
    if (objectsAt(service, 'status', 'loadBalancer', 'ingress').length > 0) return;
    const byte = createHash('sha256').update(nameOf(service).uid).digest()[0] ?? 0;
    await patchStatus(this.#world, 'services', service, {
      loadBalancer: { ingress: [{ ip: `203.0.113.${1 + (byte % 254)}` }] },
    });
  }

  async #remove(key: string): Promise<void> {
    this.#written.delete(key);
    const [namespace = '', name = ''] = key.split('/');
    await unlessGone(this.#world.api.request('DELETE', `/api/v1/namespaces/${namespace}/endpoints/${name}`));
    const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    await unlessGone(this.#world.api.request('DELETE', `${slices}/${sliceName(name)}`));
  }
}

function sliceName(service: string): string {
  return `${service}-${createHash('sha256').update(service).digest('hex').slice(0, 5)}`;
}

function portOf(port: JsonObject, pod: JsonObject | undefined): JsonObject {
  const wanted = port.targetPort;
  const named = objectsAt(pod, 'spec', 'containers')
    .flatMap((container) => objectsAt(container, 'ports'))
    .find((entry) => entry.name === wanted);
  const number =
    typeof wanted === 'number' ? wanted : (numberAt(named, 'containerPort') ?? numberAt(port, 'port') ?? 0);
  const name = textAt(port, 'name');
  return { ...(name === undefined ? {} : { name }), port: number, protocol: textAt(port, 'protocol') ?? 'TCP' };
}
