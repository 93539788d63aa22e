import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent } from 'undici';
import { readKubeconfig } from '../../src/kube/kubeconfig.ts';
import { runningCluster, startChild, temporaryDirectory, until } from '../sandbox/sandbox.ts';
import { whyNoRealServer } from './real-server.ts';

/** The value at a path such as `spec.template.0.name` in what a server answered; undefined where there is none. */
export function at(value: unknown, path: string): unknown {
  let current = value;
  for (const part of path.split('.')) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = (current as Record<string, unknown>)[part];
  }
  return current;
}

/** The items of a list that a server answered. */
export function itemsOf(answer: Answer): unknown[] {
  const items = at(answer.body, 'items');
  return Array.isArray(items) ? items : [];
}

/** An answer of an API server. */
export interface Answer {
  status: number;
  body: unknown;
  text: string;
  warnings: string[];
}

/** A request's parts beside method and path. */
export interface Asking {
  body?: unknown;
  type?: string;
  token?: string;
  accept?: string;
}

/** A cluster for a suite that must hold on every API server, as its admin and as others. */
export interface BothCluster {
  kubeconfig: string;
  call(method: string, path: string, asking?: Asking): Promise<Answer>;
  /** A fresh namespace's name; the namespace is there, and so is its service account. */
  namespace(): Promise<string>;
  close(): Promise<void>;
}

/** One of the servers that a suite runs against. */
export interface Server {
  name: string;
  /** Why the suite cannot run against it, or null. */
  skipped: string | null;
  /** Why nodes, images and volumes cannot be made to fail there on demand, or null. */
  lasting: string | null;
  open(): Promise<BothCluster>;
}

function clusterOf(kubeconfig: string, close: () => Promise<void>): BothCluster {
  const to = readKubeconfig(kubeconfig);
  const server = new URL(to.server);
  const anybody = to.ca === undefined ? {} : { ca: to.ca };
  const admin = {
    ...anybody,
    ...(to.cert === undefined ? {} : { cert: to.cert }),
    ...(to.key === undefined ? {} : { key: to.key }),
  };
  const agent = new Agent({ connections: 8, allowH2: false, connect: admin });
  // A client certificate goes before a token: whoever has a token of their own must not bring the admin's certificate.
  const namespaces: string[] = [];
  const others = new Agent({ connections: 8, allowH2: false, connect: anybody });
  const call: BothCluster['call'] = async (method, path, { body, type, token, accept } = {}) => {
    const bearer = token ?? to.token;
    const answer = await (token === undefined ? agent : others).request({
      origin: server.origin,
      path: `${server.pathname.replace(/\/$/, '')}${path}`,
      method: method as 'GET',
      headers: {
        accept: accept ?? 'application/json',
        'user-agent': 'suite/1',
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
      },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await answer.body.text();
    const json = /json/.test(String(answer.headers['content-type'])) && !path.includes('watch=');
    const warning = answer.headers.warning ?? [];
    return {
      status: answer.statusCode,
      body: json ? (JSON.parse(text) as unknown) : {},
      text,
      warnings: Array.isArray(warning) ? warning : [warning],
    };
  };
  return {
    kubeconfig,
    call,
    async namespace() {
      const name = `suite-${randomBytes(4).toString('hex')}`;
      const made = await call('POST', '/api/v1/namespaces', { body: { metadata: { name } } });
      if (made.status !== 201) throw new Error(`namespace: ${made.text}`);
      namespaces.push(name);
      await until(`the service account of ${name}`, async () => {
        const account = await call('GET', `/api/v1/namespaces/${name}/serviceaccounts/default`);
        return account.status === 200 ? true : undefined;
      });
      return name;
    },
    async close() {
      // A cluster that was given is somebody's: nothing of the suite stays in it.
      for (const name of namespaces) await call('DELETE', `/api/v1/namespaces/${name}`);
      await agent.destroy();
      await others.destroy();
      await close();
    },
  };
}

/** What a pod is made of in the suites. */
export function podTemplate(name: string, image: string, more: object = {}): object {
  return { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image }], ...more } };
}

/** A condition of what a server answered, by its type. */
export function conditionOf(body: unknown, type: string): unknown {
  const list = at(body, 'status.conditions');
  return (Array.isArray(list) ? list : []).find((entry) => at(entry, 'type') === type);
}

/** What the suites do again and again in the namespace of the moment. */
export function deskOf(cluster: () => BothCluster, namespace: () => string) {
  const core = (path: string): string => `/api/v1/namespaces/${namespace()}/${path}`;
  const group = (prefix: string, path: string): string => `/apis/${prefix}/namespaces/${namespace()}/${path}`;
  const read = async (path: string): Promise<unknown> => (await cluster().call('GET', path)).body;
  const make = async (path: string, body: object): Promise<Answer> => {
    const made = await cluster().call('POST', path, { body });
    if (made.status !== 201) throw new Error(`POST ${path}: ${made.text}`);
    return made;
  };
  const merge = (path: string, body: object): Promise<Answer> =>
    cluster().call('PATCH', path, { body, type: 'application/merge-patch+json' });
  const pods = async (app: string): Promise<unknown[]> =>
    itemsOf(await cluster().call('GET', core(`pods?labelSelector=app%3D${app}`)));
  const settled = (path: string, field: string, value: unknown): Promise<unknown> =>
    until(
      `${path} to have ${field} ${String(value)}`,
      async () => {
        const body = await read(path);
        return at(body, field) === value ? body : undefined;
      },
      20_000,
    );
  return { core, group, read, make, merge, pods, settled };
}

/** A cluster of the sandbox; with `assets` its API server is the real one of that folder. */
async function openSandbox(assets: string | undefined): Promise<BothCluster> {
  const home = temporaryDirectory();
  const more: Record<string, string> = assets === undefined ? {} : { KUBEBUILDER_ASSETS: assets };
  const child = await startChild(join(home.path, 'data'), more);
  const stop = async (): Promise<void> => {
    await child.stop();
    home.remove();
  };
  try {
    const kubeconfig = await runningCluster(child.call, 'both', { nodes: 3, version: '1.34.2' });
    return clusterOf(kubeconfig, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

const given = process.env.KQUEEN_TEST_KUBECONFIG;

/** The servers that a behaviour must be the same on: the sandbox's own, and a real one where there is one. */
export const SERVERS: readonly Server[] = [
  { name: 'the sandbox', skipped: null, lasting: null, open: () => openSandbox(undefined) },
  given
    ? {
        name: 'the cluster of KQUEEN_TEST_KUBECONFIG',
        skipped: null,
        lasting: 'its nodes, images and volumes are not ours to fail',
        open: async () => clusterOf(readFileSync(given, 'utf8'), async () => undefined),
      }
    : {
        name: 'a real kube-apiserver',
        skipped: whyNoRealServer(),
        lasting: null,
        open: () => openSandbox(process.env.KUBEBUILDER_ASSETS),
      },
];

for (const { name, skipped } of SERVERS) if (skipped !== null) console.log(`skipped: ${name}: ${skipped}`);
