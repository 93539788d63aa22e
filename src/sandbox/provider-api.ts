import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Calls } from './calls.ts';
import { SANDBOX_TITLE } from './catalog.ts';
import type { SandboxClock } from './clock.ts';
import type { Cloud } from './cloud.ts';
import type { Change } from './cloud-records.ts';
import { badField, CloudError } from './cloud-rules.ts';
import type { SandboxDatabase } from './database.ts';
import { BodyTooLarge, decoded, type Exchange } from './exchange.ts';
import { FAULTS, type Faults } from './faults.ts';
import { type Json, type JsonObject, textAt } from './json.ts';
import { sameSecret } from './kube-access.ts';
import { DNS_LABEL } from './kube-defaults.ts';
import { catalogView, clusterView, kubeconfigOf, operationView } from './provider-views.ts';

/** The one project that the token may use. */
const PROJECT = 'kqueen-sandbox';

const LABELS = z.record(z.string().min(1).max(63), z.string().max(63));
const NODES = z.number().int().min(1).max(20);
const GATEWAYS = z.number().int().min(0).max(5);

const CREATE = z.strictObject({
  name: z.string().max(40).regex(DNS_LABEL, 'A name is a DNS label: lowercase letters, digits and hyphens.'),
  region: z.string(),
  version: z.string(),
  size: z.string(),
  nodes: NODES,
  gateways: GATEWAYS.default(0),
  networkPolicy: z.boolean().default(false),
  labels: LABELS.default({}),
});
const UPDATE = z.strictObject({
  nodes: NODES.optional(),
  version: z.string().optional(),
  gateways: GATEWAYS.optional(),
  networkPolicy: z.boolean().optional(),
  addons: z.record(z.string(), z.boolean()).optional(),
  retire: z.string().max(80).optional(),
  labels: LABELS.optional(),
  labelFingerprint: z.string().optional(),
});
const QUOTA = z.strictObject({ clusters: z.number().int().min(0), nodes: z.number().int().min(0) });
const NODE_STATE = z.strictObject({
  cluster: z.string(),
  node: z.string(),
  state: z.enum(['ready', 'not-ready', 'dead']),
});
const COMPACT = z.strictObject({ cluster: z.string() });
const SPEED = z.strictObject({ speed: z.number().positive().max(100_000) });

/** What the provider API hangs on. */
export type ProviderParts = {
  cloud: Cloud;
  db: SandboxDatabase;
  clock: SandboxClock;
  faults: Faults;
  calls: Calls;
  token: string;
  admin: boolean;
  ca: string;
  url: () => string;
};

type Call = { exchange: Exchange; name: string; kind: string };
type Route = { method: string; path: RegExp; kind: string; admin?: true; run: (call: Call) => Promise<void> | void };

/** The sandbox's own API, below /v1. */
export class ProviderApi {
  readonly #parts: ProviderParts;
  readonly #routes: readonly Route[];

  constructor(parts: ProviderParts) {
    this.#parts = parts;
    this.#routes = this.#table();
  }

  #table(): Route[] {
    const cluster = '/v1/clusters/([^/]+)';
    const route = (method: string, path: string, kind: string, run: Route['run']): Route => ({
      method,
      path: new RegExp(`^${path}$`),
      kind,
      run,
    });
    const admin = (method: string, path: string, run: Route['run']): Route => ({
      ...route(method, `/v1/admin/${path}`, `admin ${path}`, run),
      admin: true,
    });
    return [
      route('GET', '/v1/account', 'account', ({ exchange }) => this.#account(exchange)),
      route('GET', '/v1/catalog', 'catalog', ({ exchange }) => exchange.json(200, catalogView())),
      route('GET', '/v1/clusters', 'listClusters', ({ exchange }) => this.#list(exchange)),
      route('POST', '/v1/clusters', 'createCluster', (call) => this.#create(call)),
      route('GET', cluster, 'getCluster', ({ exchange, name }) => {
        exchange.json(200, clusterView(this.#parts.cloud.cluster(name), this.#parts.url()));
      }),
      route('PATCH', cluster, 'updateCluster', (call) => this.#update(call)),
      route('DELETE', cluster, 'deleteCluster', (call) => this.#delete(call)),
      route('GET', `${cluster}/kubeconfig`, 'kubeconfig', (call) => this.#kubeconfig(call)),
      route('GET', `${cluster}/events`, 'clusterEvents', ({ exchange, name }) => {
        exchange.json(200, { events: this.#parts.cloud.history(this.#parts.cloud.cluster(name)) as unknown as Json });
      }),
      route('GET', '/v1/operations/([^/]+)', 'getOperation', ({ exchange, name }) => {
        exchange.json(200, operationView(this.#parts.cloud.operation(name), this.#parts.cloud));
      }),
      admin('GET', 'calls', ({ exchange }) => exchange.json(200, this.#parts.calls.view())),
      admin('DELETE', 'calls', ({ exchange }) => {
        this.#parts.calls.reset();
        exchange.json(200, {});
      }),
      admin('GET', 'faults', ({ exchange }) => this.#showFaults(exchange)),
      admin('PUT', 'faults', async ({ exchange }) => {
        this.#parts.faults.set(await readAs(exchange, FAULTS));
        this.#showFaults(exchange);
      }),
      admin('DELETE', 'faults', ({ exchange }) => {
        this.#parts.faults.set([]);
        this.#parts.cloud.release();
        this.#showFaults(exchange);
      }),
      admin('POST', 'clock', async ({ exchange }) => {
        const { speed } = await readAs(exchange, SPEED);
        this.#parts.clock.setSpeed(speed);
        exchange.json(200, { speed });
      }),
      admin('POST', 'compact', async ({ exchange }) => {
        this.#parts.cloud.compact((await readAs(exchange, COMPACT)).cluster);
        exchange.json(200, {});
      }),
      admin('PUT', 'node', async ({ exchange }) => {
        const { cluster, node, state } = await readAs(exchange, NODE_STATE);
        for (const [key, meant] of [
          ['sandbox.kqueen.io/dead', 'dead'],
          ['sandbox.kqueen.io/not-ready', 'not-ready'],
        ] as const) {
          this.#parts.cloud.annotateNode(cluster, node, key, state === meant ? 'true' : undefined);
        }
        exchange.json(200, { cluster, node, state });
      }),
      admin('PUT', 'quota', async ({ exchange }) => {
        this.#parts.cloud.setQuota(await readAs(exchange, QUOTA));
        this.#account(exchange);
      }),
    ];
  }

  /** Answers a request below /v1. */
  async handle(exchange: Exchange): Promise<void> {
    try {
      await this.#dispatch(exchange);
    } catch (error) {
      answerError(exchange, error);
    }
  }

  async #dispatch(exchange: Exchange): Promise<void> {
    const { calls, faults, token } = this.#parts;
    const here = this.#routes.filter((route) => route.path.test(exchange.path));
    const found = here.find((route) => route.method === exchange.method);
    calls.received(found?.kind ?? 'unknown');
    // Faults strike before anything is looked at, as a broken network does; the routes that set them are spared.
    if (!exchange.path.startsWith('/v1/admin/')) {
      const go = await faults.apply(exchange, (status, code, message, retryAfter) => {
        const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
        exchange.json(status, { error: { code, message } }, headers);
      });
      if (!go) return;
    }
    if (exchange.token === undefined || !sameSecret(exchange.token, token)) {
      throw new CloudError(401, 'unauthorized', 'The API token is missing or wrong.');
    }
    const project = exchange.headers['sandbox-project'] ?? exchange.query.get('project') ?? PROJECT;
    if (project !== PROJECT)
      throw new CloudError(403, 'forbidden', `This token may not use the project ${String(project)}.`);
    if (here.length === 0 || (here[0]?.admin === true && !this.#parts.admin)) {
      throw new CloudError(404, 'not_found', `Nothing is at ${exchange.path}.`);
    }
    if (found === undefined)
      throw new CloudError(405, 'method_not_allowed', `${exchange.method} is not for ${exchange.path}.`);
    const name = decoded(found.path.exec(exchange.path)?.[1] ?? '');
    await found.run({ exchange, name, kind: found.kind });
  }

  #account(exchange: Exchange): void {
    const { cloud } = this.#parts;
    exchange.json(200, { project: PROJECT, title: SANDBOX_TITLE, quota: cloud.quota, used: cloud.used() });
  }

  #showFaults(exchange: Exchange): void {
    exchange.json(200, { faults: this.#parts.faults.list() as unknown as Json });
  }

  #list(exchange: Exchange): void {
    const wanted = exchange.query.getAll('label').map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw badField('label', 'A label is asked for as key=value.');
      return [text.slice(0, at), text.slice(at + 1)] as const;
    });
    const limit = wholeNumber(exchange, 'limit', 50, 200);
    const page = wholeNumber(exchange, 'page', 1, 1_000_000);
    const all = this.#parts.cloud
      .list()
      .filter((cluster) => wanted.every(([key, value]) => cluster.labels[key] === value));
    const start = (page - 1) * limit;
    const items = all.slice(start, start + limit).map((cluster) => clusterView(cluster, this.#parts.url()));
    exchange.json(200, {
      clusters: items,
      total: all.length,
      page,
      nextPage: start + limit < all.length ? page + 1 : null,
    });
  }

  async #create({ exchange, kind }: Call): Promise<void> {
    const { cloud, db, calls } = this.#parts;
    const wish = await readAs(exchange, CREATE);
    calls.create(wish.name, false);
    const key = exchange.headers['idempotency-key'];
    const print = createHash('sha256').update(JSON.stringify(wish)).digest('hex');
    if (typeof key === 'string') {
      const earlier = db.record('request', key);
      if (earlier !== undefined && earlier.print !== print) {
        throw new CloudError(422, 'idempotency_key_reused', 'This Idempotency-Key was used for another request.');
      }
      const made = cloud.list().find((cluster) => cluster.id === earlier?.cluster);
      if (made !== undefined) {
        const operation = cloud.operation(textAt(earlier, 'operation') ?? '');
        exchange.json(202, {
          cluster: clusterView(made, this.#parts.url()),
          operation: operationView(operation, cloud),
        });
        return;
      }
    }
    const { cluster, operation } = cloud.create(wish);
    if (typeof key === 'string')
      db.putRecord('request', key, { key, print, cluster: cluster.id, operation: operation.id });
    calls.effective(kind);
    calls.create(wish.name, true);
    exchange.json(202, {
      cluster: clusterView(cluster, this.#parts.url()),
      operation: operationView(operation, cloud),
    });
  }

  async #update({ exchange, name, kind }: Call): Promise<void> {
    const { cloud, calls } = this.#parts;
    const wish = await readAs(exchange, UPDATE);
    const { labels, labelFingerprint, ...rest } = wish;
    const change: Change = {};
    for (const [key, value] of Object.entries(rest)) if (value !== undefined) Object.assign(change, { [key]: value });
    const changes = Object.keys(change).length > 0;
    if (labels !== undefined || labelFingerprint !== undefined) {
      if (labels === undefined || changes)
        throw badField('labels', 'Labels are changed by themselves, all of them at once.');
      if (labelFingerprint === undefined)
        throw badField('labelFingerprint', 'Say which labels you have seen: the fingerprint of the cluster.');
      const cluster = cloud.setLabels(name, labels, labelFingerprint);
      calls.effective(kind);
      exchange.json(200, { cluster: clusterView(cluster, this.#parts.url()) });
      return;
    }
    if (!changes) throw badField('nodes', 'Say what to change: nodes, version, gateways, networkPolicy or addons.');
    const operation = cloud.update(name, change);
    calls.effective(kind);
    exchange.json(202, {
      cluster: clusterView(cloud.cluster(name), this.#parts.url()),
      operation: operationView(operation, cloud),
    });
  }

  #delete({ exchange, name, kind }: Call): void {
    const { cloud, calls } = this.#parts;
    const { operation, began } = cloud.delete(name);
    if (began) calls.effective(kind);
    exchange.json(202, {
      cluster: clusterView(cloud.cluster(name), this.#parts.url()),
      operation: operationView(operation, cloud),
    });
  }

  #kubeconfig({ exchange, name }: Call): void {
    const cluster = this.#parts.cloud.cluster(name);
    if (cluster.status !== 'RUNNING' && cluster.status !== 'RECONCILING') {
      throw new CloudError(
        409,
        'not_ready',
        `Cluster ${name} is ${cluster.status}; its kubeconfig comes when it runs.`,
      );
    }
    exchange.send(200, kubeconfigOf(cluster, this.#parts.url(), this.#parts.ca), 'application/yaml');
  }
}

function wholeNumber(exchange: Exchange, field: string, usual: number, most: number): number {
  const text = exchange.query.get(field);
  if (text === null || text === '') return usual;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw badField(field, `${field} is a number from 1 to ${most}.`);
  return value;
}

async function readAs<T extends z.ZodType>(exchange: Exchange, schema: T): Promise<z.output<T>> {
  let body: unknown;
  try {
    body = JSON.parse(await exchange.body());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CloudError(400, 'bad_request', 'The body is no JSON.');
  }
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const unknownKey = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  throw badField(unknownKey ?? issue?.path.join('.') ?? '', issue?.message ?? 'The body is wrong.');
}

function answerError(exchange: Exchange, error: unknown): void {
  if (exchange.answered) return;
  if (error instanceof CloudError) {
    const body: JsonObject = { code: error.code, message: error.message, ...error.more };
    exchange.json(error.status, { error: body });
    return;
  }
  if (error instanceof BodyTooLarge) {
    exchange.json(413, { error: { code: 'too_large', message: error.message } });
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  exchange.json(500, { error: { code: 'internal', message } });
}
