import type { JsonObject } from './json.ts';
import { apiVersionOf, groups, RESOURCES, type Resource } from './kube-registry.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

function describe(resource: Resource): JsonObject[] {
  const base: JsonObject = {
    name: resource.plural,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: resource.review ? ['create'] : VERBS,
    ...(resource.shortNames.length > 0 ? { shortNames: [...resource.shortNames] } : {}),
    ...(resource.categories.length > 0 ? { categories: [...resource.categories] } : {}),
  };
  const under = (name: string, kind: string, verbs: string[], more: JsonObject = {}): JsonObject => ({
    name: `${resource.plural}/${name}`,
    singularName: '',
    namespaced: resource.namespaced,
    kind,
    verbs,
    ...more,
  });
  const parts = [base];
  if (resource.status) parts.push(under('status', resource.kind, ['get', 'patch', 'update']));
  if (resource.scale) {
    parts.push(under('scale', 'Scale', ['get', 'patch', 'update'], { group: 'autoscaling', version: 'v1' }));
  }
  for (const { name, kind, group, version } of resource.subresources) {
    const verbs = name === 'log' ? ['get'] : name === 'finalize' ? ['update'] : ['create'];
    parts.push(under(name, kind, verbs, group === undefined ? {} : { group, version }));
  }
  return parts;
}

function groupOf(group: string): JsonObject {
  const versions = [...new Set(RESOURCES.filter((entry) => entry.group === group).map((entry) => entry.version))];
  const list = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: list, preferredVersion: list[0] };
}

/** The answer for a discovery path below the API's root, or undefined when the path is none. */
export function discovery(path: string, address: string): JsonObject | undefined {
  const clean = path.replace(/\/$/, '');
  if (clean === '/api') {
    return {
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
    };
  }
  if (clean === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups().map(groupOf) };
  const [, root = '', ...rest] = clean.split('/');
  const group = root === 'apis' ? rest[0] : '';
  if (root === 'apis' && rest.length === 1 && group !== undefined && groups().includes(group)) {
    return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(group) };
  }
  const groupVersion = root === 'api' ? rest.join('/') : rest.slice(0, 2).join('/');
  const depth = root === 'api' ? 1 : 2;
  const found = RESOURCES.filter((resource) => apiVersionOf(resource) === groupVersion);
  if (rest.length !== depth || found.length === 0) return undefined;
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: found.flatMap(describe) };
}

/** The type of OpenAPI v2 in its binary form, the only one that kubectl reads; asked for with an @, answered without. */
const BINARY_OPENAPI = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/**
 * OpenAPI without schemas: kubectl then validates nothing on its side and patches by its own knowledge of the types.
 * The binary form is a gnostic `openapi.v2.Document` with its fields swagger (1) and info (2: title 1, version 2).
 */
export function openapi(
  path: string,
  accept: string,
  version: string,
): { type: string; body: string | Uint8Array } | undefined {
  const title = 'Kubernetes (KQueen sandbox)';
  if (path === '/openapi/v3') return { type: 'application/json', body: JSON.stringify({ paths: {} }) };
  if (path !== '/openapi/v2') return undefined;
  if (!accept.includes('proto-openapi')) {
    const document = { swagger: '2.0', info: { title, version }, paths: {}, definitions: {} };
    return { type: 'application/json', body: JSON.stringify(document) };
  }
  const info = Buffer.concat([field(1, Buffer.from(title)), field(2, Buffer.from(version))]);
  return { type: BINARY_OPENAPI, body: Buffer.concat([field(1, Buffer.from('2.0')), field(2, info)]) };
}

/** A length-delimited protobuf field; lengths here stay below 128, one byte. */
function field(number: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), value]);
}
