import type { JsonObject } from './json.ts';
import type { Kinds } from './kube-kinds.ts';
import { apiVersionOf, type Resource } from './kube-registry.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

function verbsOf(resource: Resource): string[] {
  return resource.review ? ['create'] : resource.computed ? ['get', 'list'] : VERBS;
}

function describe(resource: Resource): JsonObject[] {
  const base: JsonObject = {
    name: resource.plural,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: verbsOf(resource),
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

function groupOf(kinds: Kinds, group: string): JsonObject {
  const versions = [
    ...new Set(
      kinds
        .all()
        .filter((entry) => entry.group === group)
        .map((entry) => entry.version),
    ),
  ];
  const list = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: list, preferredVersion: list[0] };
}

/** The answer for a discovery path below the API's root, or undefined when the path is none. */
export function discovery(kinds: Kinds, path: string, address: string): JsonObject | undefined {
  const clean = path.replace(/\/$/, '');
  if (clean === '/api') {
    return {
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
    };
  }
  if (clean === '/apis')
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: kinds.groups().map((group) => groupOf(kinds, group)) };
  const [, root = '', ...rest] = clean.split('/');
  const group = root === 'apis' ? rest[0] : '';
  if (root === 'apis' && rest.length === 1 && group !== undefined && kinds.groups().includes(group)) {
    return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(kinds, group) };
  }
  const groupVersion = root === 'api' ? rest.join('/') : rest.slice(0, 2).join('/');
  const depth = root === 'api' ? 1 : 2;
  const found = kinds.all().filter((resource) => apiVersionOf(resource) === groupVersion);
  if (rest.length !== depth || found.length === 0) return undefined;
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: found.flatMap(describe) };
}

/** The aggregated form of discovery, as kubectl and client-go ask for it since 1.26. */
const AGGREGATED = /application\/json;\s*g=apidiscovery\.k8s\.io;\s*v=(v2|v2beta1);\s*as=APIGroupDiscoveryList/;

/** All groups with all their resources in one answer, or undefined when the path or the Accept header is another. */
export function aggregated(kinds: Kinds, path: string, accept: string): { type: string; body: JsonObject } | undefined {
  const clean = path.replace(/\/$/, '');
  const version = AGGREGATED.exec(accept)?.[1];
  if (version === undefined || (clean !== '/api' && clean !== '/apis')) return undefined;
  const groups = clean === '/api' ? [''] : kinds.groups();
  const items = groups.map((group) => {
    const own = kinds.all().filter((resource) => resource.group === group);
    const versions = [...new Set(own.map((resource) => resource.version))].map((name) => ({
      version: name,
      resources: own.filter((resource) => resource.version === name).map(describeWhole),
      freshness: 'Current',
    }));
    return { metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null }, versions };
  });
  return {
    type: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
    body: { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items },
  };
}

function describeWhole(resource: Resource): JsonObject {
  const [base, ...parts] = describe(resource);
  // Of the kinds that every API server has, the group and version are left empty where they are the resource's own.
  const own = resource.schema ? { group: resource.group, version: resource.version } : { group: '', version: '' };
  const responseKind = (entry: JsonObject | undefined): JsonObject => ({
    group: entry?.group ?? own.group,
    version: entry?.version ?? own.version,
    kind: entry?.kind,
  });
  const { shortNames, categories, verbs } = base ?? {};
  return {
    resource: resource.plural,
    responseKind: responseKind(base),
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs,
    ...(shortNames === undefined ? {} : { shortNames }),
    ...(categories === undefined ? {} : { categories }),
    ...(parts.length === 0
      ? {}
      : {
          subresources: parts.map((part) => ({
            subresource: String(part.name).split('/')[1] ?? '',
            responseKind: responseKind(part),
            verbs: part.verbs,
          })),
        }),
  };
}

/** The type of OpenAPI v2 in its binary form, the only one that kubectl reads; asked for with an @, answered without. */
const BINARY_OPENAPI = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/**
 * OpenAPI without schemas: kubectl then validates nothing on its side and patches by its own knowledge of the types.
 * What it does look up is whether a kind's PATCH knows `dryRun` and `fieldValidation`.
 */
export function openapi(
  kinds: Kinds,
  path: string,
  accept: string,
  version: string,
): { type: string; body: string | Uint8Array } | undefined {
  const title = 'Kubernetes (KQueen sandbox)';
  if (path === '/openapi/v3') return { type: 'application/json', body: JSON.stringify({ paths: {} }) };
  if (path !== '/openapi/v2') return undefined;
  if (accept.includes('proto-openapi')) return { type: BINARY_OPENAPI, body: binaryDocument(kinds, title, version) };
  const paths = Object.fromEntries(
    kinds.all().map((resource) => [
      itemPath(resource),
      {
        patch: {
          parameters: QUERY.map((name) => ({ in: 'query', name, type: 'string' })),
          [KIND_EXTENSION]: kindOf(resource),
          responses: {},
        },
      },
    ]),
  );
  const document = { swagger: '2.0', info: { title, version }, paths, definitions: {} };
  return { type: 'application/json', body: JSON.stringify(document) };
}

/** What kubectl looks up before it asks for a dry run, or for unknown fields to be refused. */
const QUERY = ['dryRun', 'fieldValidation'];

const KIND_EXTENSION = 'x-kubernetes-group-version-kind';

function itemPath(resource: Resource): string {
  const root = resource.group === '' ? '/api/v1' : `/apis/${apiVersionOf(resource)}`;
  return `${root}${resource.namespaced ? '/namespaces/{namespace}' : ''}/${resource.plural}/{name}`;
}

function kindOf({ group, version, kind }: Resource): JsonObject {
  return { group, kind, version };
}

/**
 * A gnostic `openapi.v2.Document`. Field numbers as in OpenAPIv2.proto: Document swagger 1, info 2, paths 8; Info
 * title 1, version 2; Paths path 2; NamedPathItem and NamedAny name 1, value 2; PathItem patch 8; Operation
 * parameters 8, vendor_extension 13; Any yaml 2; the steps down to a query parameter 1, 2, 3; its in 2 and name 4.
 */
function binaryDocument(kinds: Kinds, title: string, version: string): Uint8Array {
  const parameters = QUERY.map((name) =>
    field(8, field(1, field(2, field(3, Buffer.concat([field(2, 'query'), field(4, name)]))))),
  );
  const paths = kinds.all().map((resource) => {
    const kind = Object.entries(kindOf(resource)).map(([key, value]) => `${key}: "${String(value)}"\n`);
    const extension = field(13, Buffer.concat([field(1, KIND_EXTENSION), field(2, field(2, kind.join('')))]));
    const item = field(8, Buffer.concat([...parameters, extension]));
    return field(2, Buffer.concat([field(1, itemPath(resource)), field(2, item)]));
  });
  const info = Buffer.concat([field(1, title), field(2, version)]);
  return Buffer.concat([field(1, '2.0'), field(2, info), field(8, Buffer.concat(paths))]);
}

/** A length-delimited protobuf field. */
function field(number: number, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
