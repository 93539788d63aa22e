import type { AppsV1Api, CoreV1Api, RbacAuthorizationV1Api, RequestContext, VersionApi } from '@kubernetes/client-node';
import { asFault, Fault } from '../core/errors.ts';
import type { Call } from '../core/ports/engine.ts';
import { strangeAnswer } from './faults.ts';
import type { KubeConnection } from './kubeconfig.ts';
import type { Transport } from './transport.ts';

/** The typed APIs of one cluster; every request of theirs is bound to the one call they were made for. */
export interface Client {
  version: VersionApi;
  core: CoreV1Api;
  apps: AppsV1Api;
  rbac: RbacAuthorizationV1Api;
  /** The text of a path such as `/readyz?verbose`. */
  text(path: string): Promise<string>;
}

/** Loaded at the first use and once: it costs more than a second and some 80 MB. */
let library: Promise<typeof import('@kubernetes/client-node')> | null = null;

/**
 * The APIs over our own transport: client-node gives types and (de)serialisation, while connections, deadlines, limits and errors
 * are ours. Nothing of its KubeConfig is used, so nothing of a kubeconfig can make it run or read anything.
 */
export async function openClient(connection: KubeConnection, transport: Transport, call: Call): Promise<Client> {
  library ??= import('@kubernetes/client-node');
  const k8s = await library;
  const httpApi = k8s.wrapHttpLibrary({
    async send(request: RequestContext) {
      const body = request.getBody();
      const answer = await transport(
        {
          method: request.getHttpMethod(),
          url: request.getUrl(),
          headers: request.getHeaders(),
          ...(typeof body === 'string' ? { body } : {}),
        },
        call,
      );
      return new k8s.ResponseContext(answer.status, answer.headers, {
        text: () => Promise.resolve(answer.text),
        binary: () => Promise.resolve(Buffer.from(answer.text)),
        stream: () => null,
      });
    },
  });
  const configuration = k8s.createConfiguration({
    baseServer: new k8s.ServerConfiguration(connection.server, {}),
    httpApi,
  });
  return {
    version: new k8s.VersionApi(configuration),
    core: new k8s.CoreV1Api(configuration),
    apps: new k8s.AppsV1Api(configuration),
    rbac: new k8s.RbacAuthorizationV1Api(configuration),
    async text(path) {
      const request = { method: 'GET', url: `${connection.server}${path}`, answer: 'text' as const };
      return (await transport(request, call)).text;
    },
  };
}

/** What client-node throws of its own accord comes from an answer it cannot read; everything else is a Fault already. */
export function asKubeFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  if (thrown instanceof SyntaxError) return strangeList();
  return asFault(thrown, "KQueen could not work with the answer of the cluster's API.");
}

/** What a look without client-node asks with: the answer's JSON by a path with its query. */
export type Get = (path: string, accept?: string) => Promise<Record<string, unknown>>;

/** Asks for names, labels and owners alone: the rest of 5,000 objects would be read for nothing. */
export const metadataOnly = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json';

/**
 * Gives every object of the list at `path` (which has no query) to `each`, page by page, keeping none. The objects are the answer's own, which takes a fifth
 * of the time that client-node's typed lists take, and makes the one difference that matters here: every date but that of the creation is a string.
 */
export async function eachRead<T>(get: Get, path: string, each: (object: T) => void, accept?: string): Promise<void> {
  let token = '';
  // A server that hands out the same token for ever is cut off at 200,000 objects.
  for (let page = 0; page < 400; page += 1) {
    const more = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
    const answer = await get(`${path}?limit=${pageSize}${more}`, accept);
    const { items, metadata } = answer as { items?: unknown; metadata?: { continue?: string } };
    if (!Array.isArray(items)) throw strangeList();
    for (const object of items) each(dated(object) as T);
    token = metadata?.continue ?? '';
    if (token === '') return;
  }
}

/** How many objects the list at `path` has. A page of one says how many follow it; where it does not, all are counted. */
export async function countAt(get: Get, path: string): Promise<number> {
  const { items, metadata } = (await get(`${path}?limit=1`, metadataOnly)) as {
    items?: unknown;
    metadata?: { continue?: string; remainingItemCount?: number };
  };
  if (!Array.isArray(items)) throw strangeList();
  if (!metadata?.continue) return items.length;
  if (typeof metadata.remainingItemCount === 'number') return items.length + metadata.remainingItemCount;
  let total = 0;
  const one = () => {
    total += 1;
  };
  await eachRead(get, path, one, metadataOnly);
  return total;
}

function dated(object: { metadata?: { creationTimestamp?: unknown } } | null): unknown {
  const { metadata } = object ?? {};
  if (typeof metadata?.creationTimestamp === 'string')
    metadata.creationTimestamp = new Date(metadata.creationTimestamp);
  return object;
}

function strangeList(): Fault {
  return strangeAnswer('GET', { status: 200, contentType: 'application/json', retryAfter: undefined, text: '' });
}

/** Objects in one page; 5,000 pods in one answer block the event loop for a second. */
const pageSize = 500;

interface Page<T> {
  items: T[];
  metadata?: { _continue?: string };
}

/**
 * Gives every object of a list to `each`, page by page, keeping none. A list that expires half-way (410) is a Fault of kind `bad-input`
 * or `conflict` by the server's word; the caller treats what it has as incomplete.
 */
export async function eachObject<T>(
  list: (page: { limit: number; _continue?: string }) => Promise<Page<T>>,
  each: (object: T) => void,
): Promise<void> {
  let token: string | undefined;
  // A server that hands out the same token for ever is cut off at 200,000 objects.
  for (let page = 0; page < 400; page += 1) {
    const answer = await list({ limit: pageSize, ...(token === undefined ? {} : { _continue: token }) });
    if (!Array.isArray(answer.items)) throw strangeList();
    for (const object of answer.items) each(object);
    token = answer.metadata?._continue || undefined;
    if (token === undefined) return;
  }
}
