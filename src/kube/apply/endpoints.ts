/** Where an app can be reached, by its Services and Ingresses. */
import type { Talk } from '../operation.ts';
import type { Place } from './kinds.ts';
import { isObject, type JsonObject, listAt, type Manifest, objectAt } from './manifests.ts';
import { internalAnnotations } from './publish.ts';
import { isWatched } from './rollout.ts';
import { readObject } from './server.ts';

/** From where an endpoint works, the widest first. */
export const scopes = [
  'from outside',
  'inside the cloud',
  'on every node',
  'on its own nodes',
  'inside the cluster',
  'awaited',
] as const;

/** One way to reach an app. */
export interface Endpoint {
  /** `Service web`. */
  by: string;
  /** `http://203.0.113.7`, `203.0.113.7:5432`, `web.shop:80 inside the cluster`. */
  address: string;
  /** From where it works. */
  scope: (typeof scopes)[number];
  protocol: string;
}

/** The address of a node that ports of nodes are reached at: an external one before an internal one; undefined with no node. */
export async function nodeAddress(talk: Talk): Promise<string | undefined> {
  const nodes = listAt(await talk.raw({ method: 'GET', path: '/api/v1/nodes?limit=10' }), 'items');
  const addresses = nodes.flatMap((node) => listAt(node, 'status', 'addresses').filter(isObject));
  const found =
    addresses.find(({ type }) => type === 'ExternalIP') ?? addresses.find(({ type }) => type === 'InternalIP');
  return found === undefined ? undefined : String(found.address);
}

/** The endpoints of a Service, an Ingress or a workload as it is in the cluster. `node` is an address for ports of nodes. */
export function endpointsIn(kind: string, object: JsonObject, node?: string): Endpoint[] {
  if (kind === 'Ingress') return ofIngress(object);
  return kind === 'Service' ? ofService(object, node) : ofPods(kind, object);
}

function ofService(object: JsonObject, node: string | undefined): Endpoint[] {
  const { name, namespace } = objectAt(object, 'metadata');
  const spec = objectAt(object, 'spec');
  const by = `Service ${String(name)}`;
  const ports = listAt(spec, 'ports').filter(isObject);
  const outside = [
    ...listAt(object, 'status', 'loadBalancer', 'ingress')
      .filter(isObject)
      .map((each) => String(each.ip ?? each.hostname ?? '')),
    ...listAt(spec, 'externalIPs').map(String),
  ].filter((each) => each !== '');
  if (spec.type === 'ExternalName')
    return [{ by, address: String(spec.externalName), scope: 'from outside', protocol: 'DNS' }];
  return ports.flatMap((port): Endpoint[] => {
    const protocol = String(port.protocol ?? 'TCP');
    const number = String(port.port);
    const found: Endpoint[] = outside.map((address) => ({
      by,
      address: url(address, number, protocol),
      scope: isInternal(object, address) ? 'inside the cloud' : 'from outside',
      protocol,
    }));
    if (spec.type === 'LoadBalancer' && outside.length === 0) {
      found.push({ by, address: `port ${number}, its address is not given yet`, scope: 'awaited', protocol });
    }
    if (spec.type === 'NodePort' && port.nodePort !== undefined) {
      found.push({ by, address: `${node ?? 'any node'}:${String(port.nodePort)}`, scope: 'on every node', protocol });
    }
    if (found.length === 0)
      found.push({
        by,
        address: `${String(name)}.${String(namespace)}:${number}`,
        scope: 'inside the cluster',
        protocol,
      });
    return found;
  });
}

/** An address that only the cloud's own network reaches: by the Service's word, or because the internet has no such addresses. */
function isInternal(service: JsonObject, address: string): boolean {
  const annotations = objectAt(service, 'metadata', 'annotations');
  if (Object.entries(internalAnnotations).some(([key, value]) => annotations[key] === value)) return true;
  return /^(10|127|192\.168|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.|^f[cd][0-9a-f]{2}:/i.test(
    address,
  );
}

/** Ports of the nodes that the pods of a workload take for themselves. */
function ofPods(kind: string, object: JsonObject): Endpoint[] {
  const by = `${kind} ${String(objectAt(object, 'metadata').name)}`;
  const spec = kind === 'Pod' ? objectAt(object, 'spec') : objectAt(object, 'spec', 'template', 'spec');
  return listAt(spec, 'containers').flatMap((container) =>
    listAt(container, 'ports')
      .filter(isObject)
      .filter(({ hostPort }) => Number(hostPort ?? 0) > 0)
      .map(
        ({ hostPort, protocol }): Endpoint => ({
          ...{ by, address: `port ${String(hostPort)} of each node that has a pod of it` },
          ...{ scope: 'on its own nodes', protocol: String(protocol ?? 'TCP') },
        }),
      ),
  );
}

function url(address: string, port: string, protocol: string): string {
  const host = address.includes(':') ? `[${address}]` : address;
  if (protocol !== 'TCP') return `${host}:${port}`;
  if (port === '80') return `http://${host}`;
  return port === '443' ? `https://${host}` : `${host}:${port}`;
}

function ofIngress(object: JsonObject): Endpoint[] {
  const by = `Ingress ${String(objectAt(object, 'metadata').name)}`;
  const secure = new Set(listAt(object, 'spec', 'tls').flatMap((each) => listAt(each, 'hosts').map(String)));
  const given = listAt(object, 'status', 'loadBalancer', 'ingress').length > 0;
  return listAt(object, 'spec', 'rules')
    .filter(isObject)
    .map(({ host }): Endpoint => {
      const name = String(host ?? '*');
      return {
        by,
        address: `${secure.has(name) ? 'https' : 'http'}://${name}`,
        scope: given ? 'from outside' : 'awaited',
        protocol: 'HTTP',
      };
    });
}

/** The endpoints of placed objects, as they are now. */
export async function endpointsOf(
  talk: Talk,
  all: readonly { place: Place; manifest: Pick<Manifest, 'kind' | 'name' | 'namespace'> }[],
): Promise<Endpoint[]> {
  const found: Endpoint[] = [];
  let node: string | undefined;
  for (const { place, manifest } of all) {
    if (manifest.kind !== 'Service' && manifest.kind !== 'Ingress' && !isWatched(manifest.kind)) continue;
    const live = await readObject(talk, place, manifest);
    if (!live) continue;
    if (objectAt(live, 'spec').type === 'NodePort') node ??= await nodeAddress(talk);
    found.push(...endpointsIn(manifest.kind, live, node));
  }
  return found.toSorted((a, b) => scopes.indexOf(a.scope) - scopes.indexOf(b.scope));
}

/** One endpoint in words. */
export function endpointText({ address, scope }: Endpoint): string {
  return scope === 'from outside' ? address : `${address} (${scope === 'awaited' ? 'awaited' : scope})`;
}
