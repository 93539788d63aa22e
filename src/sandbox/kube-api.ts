import type { Exchange } from './exchange.ts';
import { isObject, type JsonObject, objectAt, objectsAt, textAt } from './json.ts';
import { ADMIN, allowed, CONTROLLER, refusal, sameSecret, type User, userOfToken, type Wish } from './kube-access.ts';
import { aggregated, discovery, openapi } from './kube-discovery.ts';
import { checkEscalation } from './kube-escalation.ts';
import { Kinds } from './kube-kinds.ts';
import { podLog } from './kube-logs.ts';
import { metrics } from './kube-metrics.ts';
import { Objects, type WriteOptions } from './kube-objects.ts';
import { listObjects, type Scope, watchObjects } from './kube-reading.ts';
import { type Resource, resourceKey } from './kube-registry.ts';
import {
  answerError,
  deleted,
  deleteOptions,
  deleteOptionsOf,
  patchOf,
  readBody,
  readObject,
  scaled,
  scaleOf,
  success,
  writeOptions,
} from './kube-requests.ts';
import { fillToken, requestToken, review } from './kube-reviews.ts';
import { badRequest, forbidden, methodNotAllowed, noSuchPath, StatusError } from './kube-status.ts';
import type { ObjectStore } from './kube-store.ts';
import { formOf, shapeList, shapeOne } from './kube-tables.ts';
import { type Target, targetOf, verbOf } from './kube-target.ts';
import { shapeOf } from './kube-types.ts';
import { type Admission, callWebhooks, webhooksFor } from './kube-webhooks.ts';

/** What a cluster's API needs to know of its cluster. */
export type KubeCluster = {
  store: ObjectStore;
  /** The administrator's token. */
  adminToken: string;
  /** The token of the sandbox's own controller. */
  controllerToken: string;
  /** The key that signs service accounts' tokens. */
  tokenKey: string;
  /** The Kubernetes version served now, such as 1.34.2. */
  version: () => string;
  /** host:port of the API. */
  address: () => string;
};

/** One cluster's Kubernetes API. */
export class KubeApi {
  readonly #cluster: KubeCluster;
  readonly #store: ObjectStore;
  readonly #kinds: Kinds;
  readonly #objects: Objects;
  /** The deprecated resources that were asked for, as labels of a metric. */
  readonly #deprecated = new Set<string>();

  constructor(cluster: KubeCluster) {
    this.#cluster = cluster;
    this.#store = cluster.store;
    this.#kinds = Kinds.of(cluster.store);
    this.#objects = new Objects(cluster.store, this.#kinds);
  }

  /** Answers a request whose path below the cluster's root is given. */
  async handle(exchange: Exchange, path: string): Promise<void> {
    try {
      await this.#route(exchange, path);
    } catch (error) {
      answerError(exchange, error);
    }
  }

  async #route(exchange: Exchange, path: string): Promise<void> {
    if (['/healthz', '/livez', '/readyz'].includes(path)) {
      const verbose = exchange.query.has('verbose');
      const text = verbose ? `[+]ping ok\n[+]log ok\n[+]etcd ok\n${path.slice(1)} check passed\n` : 'ok';
      exchange.send(200, text, 'text/plain; charset=utf-8');
      return;
    }
    const user = this.#impersonated(exchange, this.#userOf(exchange));
    const target = targetOf(this.#kinds, path);
    if (target === undefined) {
      this.#plain(exchange, path, user);
      return;
    }
    const watching = exchange.query.get('watch') === 'true' || exchange.query.get('watch') === '1';
    const verb = verbOf(exchange.method, target, watching);
    const { resource, namespace, name, subresource } = target;
    const wish: Wish = {
      verb,
      group: resource.group,
      resource: resource.plural,
      subresource,
      // A namespace itself is asked for within itself, so that a RoleBinding in it can grant it.
      namespace: resource.plural === 'namespaces' ? name : namespace,
      name,
    };
    if (!allowed(this.#store, user, wish)) {
      const why = refusal(user, resource.plural === 'namespaces' ? { ...wish, namespace: '' } : wish);
      throw forbidden(resource, name, why);
    }
    const warning = resource.definition?.deprecated;
    if (warning !== undefined) {
      exchange.warn(warning);
      this.#deprecated.add(`group="${resource.group}",resource="${resource.plural}",version="${resource.version}"`);
    }
    if (resource.review) await this.#review(exchange, resource, user);
    else if (subresource !== '' && subresource !== 'status') await this.#subresource(exchange, target);
    else if (subresource === 'status' && !resource.status) throw noSuchPath();
    else await this.#object(exchange, target, verb, user);
  }

  /** Whether the sandbox's own controller asks. */
  #isOwn(exchange: Exchange): boolean {
    return exchange.token !== undefined && sameSecret(exchange.token, this.#cluster.controllerToken);
  }

  #userOf(exchange: Exchange): User {
    const token = exchange.token;
    if (token !== undefined) {
      if (sameSecret(token, this.#cluster.adminToken)) return ADMIN;
      if (sameSecret(token, this.#cluster.controllerToken)) return CONTROLLER;
      const user = userOfToken(token, this.#cluster.tokenKey, this.#store);
      if (user !== undefined) return user;
    }
    throw new StatusError(401, 'Unauthorized', 'Unauthorized');
  }

  #impersonated(exchange: Exchange, user: User): User {
    const name = exchange.headers['impersonate-user'];
    if (typeof name !== 'string') return user;
    const wish = { verb: 'impersonate', group: '', resource: 'users', subresource: '', namespace: '', name };
    const resource = { group: '', plural: 'users', kind: 'User' };
    if (!allowed(this.#store, user, wish)) throw forbidden(resource, name, refusal(user, wish));
    const groups = exchange.headers['impersonate-group'];
    const given = Array.isArray(groups) ? groups : (groups?.split(',').map((group) => group.trim()) ?? []);
    const [, , namespace] = name.split(':');
    const own = name.startsWith('system:serviceaccount:')
      ? ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
      : [];
    return { name, uid: '', groups: [...given, ...own, 'system:authenticated'], extra: {} };
  }

  #plain(exchange: Exchange, path: string, user: User): void {
    const wish = {
      verb: exchange.method.toLowerCase(),
      group: '',
      resource: '',
      subresource: '',
      namespace: '',
      name: '',
      path,
    };
    if (!allowed(this.#store, user, wish)) throw new StatusError(403, 'Forbidden', `forbidden: ${refusal(user, wish)}`);
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') throw methodNotAllowed();
    const version = this.#cluster.version();
    if (path === '/version' || path === '/version/') {
      const [major = '1', minor = '0'] = version.split('.');
      exchange.json(200, {
        major,
        minor,
        gitVersion: `v${version}`,
        gitCommit: 'sandbox',
        gitTreeState: 'clean',
        buildDate: '2025-01-01T00:00:00Z',
        goVersion: 'none (KQueen sandbox)',
        compiler: 'none',
        platform: 'sandbox/none',
      });
      return;
    }
    const schema = openapi(this.#kinds, path, exchange.headers.accept ?? '', version);
    if (schema !== undefined) {
      exchange.send(200, schema.body, schema.type);
      return;
    }
    if (path === '/metrics') {
      const name = 'apiserver_requested_deprecated_apis';
      const lines = [...this.#deprecated].map((labels) => `${name}{${labels},removed_release="",subresource=""} 1\n`);
      const help = `# HELP ${name} [STABLE] Gauge of deprecated APIs that have been requested\n# TYPE ${name} gauge\n`;
      exchange.send(200, `${help}${lines.join('')}`, 'text/plain; version=0.0.4; charset=utf-8');
      return;
    }
    const whole = aggregated(this.#kinds, path, exchange.headers.accept ?? '');
    if (whole !== undefined) {
      exchange.send(200, JSON.stringify(whole.body), whole.type);
      return;
    }
    const found = discovery(this.#kinds, path, this.#cluster.address());
    if (found === undefined) throw noSuchPath();
    exchange.json(200, found);
  }

  async #review(exchange: Exchange, resource: Resource, user: User): Promise<void> {
    if (exchange.method !== 'POST') throw methodNotAllowed();
    const body = await readObject(exchange);
    exchange.json(201, review(resource, body, user, this.#store, this.#cluster.tokenKey));
  }

  async #object(exchange: Exchange, target: Target, verb: string, user: User): Promise<void> {
    const { resource, namespace, name, subresource } = target;
    const form = formOf(exchange.headers.accept ?? '', exchange.query.get('includeObject'));
    const scope: Scope = { resource, namespace, query: exchange.query, form };
    const answer = (status: number, object: JsonObject): void => {
      exchange.json(status, shapeOne(resource, object, form));
    };
    const options = (): WriteOptions => ({
      ...writeOptions(exchange, this.#isOwn(exchange)),
      guard: (object) => {
        checkEscalation(this.#store, user, resource, namespace, object);
        if (resource.plural === 'secrets') fillToken(this.#store, object, this.#cluster.tokenKey);
      },
    });
    if (resource.computed) {
      if (verb !== 'get' && verb !== 'list') throw methodNotAllowed();
      const found = metrics(this.#store, resource, namespace, name);
      exchange.json(200, name === '' ? shapeList(resource, found, form, {}) : shapeOne(resource, found[0] ?? {}, form));
      return;
    }
    switch (verb) {
      case 'get':
        answer(200, this.#objects.get(resource, namespace, name));
        return;
      case 'list':
        exchange.json(200, listObjects(this.#store, scope));
        return;
      case 'watch':
        watchObjects(this.#store, scope, (onClose) => exchange.stream('application/json', onClose));
        return;
      case 'create': {
        if (name !== '' || (resource.namespaced && namespace === '')) throw methodNotAllowed();
        const body = await readObject(exchange);
        const run = (how: WriteOptions): JsonObject => this.#objects.create(resource, namespace, body, how);
        answer(201, await this.#admitted(target, 'CREATE', user, options(), run));
        return;
      }
      case 'update': {
        if (name === '') throw methodNotAllowed();
        const body = await readObject(exchange);
        const run = (how: WriteOptions): JsonObject =>
          this.#objects.update(resource, namespace, name, body, subresource, how);
        answer(200, await this.#admitted(target, 'UPDATE', user, options(), run));
        return;
      }
      case 'patch': {
        const there = this.#store.get(resourceKey(resource), namespace, name) !== undefined;
        const run = await this.#patch(exchange, target, subresource);
        answer(there ? 200 : 201, await this.#admitted(target, there ? 'UPDATE' : 'CREATE', user, options(), run));
        return;
      }
      case 'delete': {
        const how = await deleteOptions(exchange);
        const admission: Admission = { ...target, operation: 'DELETE', user, dryRun: how.dryRun };
        const old = this.#objects.get(resource, namespace, name);
        await callWebhooks(this.#store, webhooksFor(this.#store, admission), admission, null, old);
        const { object, gone } = this.#objects.delete(resource, namespace, name, how);
        exchange.json(200, gone && resource.plural !== 'pods' ? deleted(resource, object) : object);
        return;
      }
      default:
        await this.#deleteMany(exchange, scope);
    }
  }

  async #deleteMany(exchange: Exchange, scope: Scope): Promise<void> {
    const { resource, namespace } = scope;
    if (resource.namespaced && namespace === '') throw methodNotAllowed();
    const options = await deleteOptions(exchange);
    const list = listObjects(this.#store, { ...scope, form: { as: 'object', apiVersion: '', include: '' } });
    for (const object of objectsAt(list, 'items')) {
      this.#objects.delete(resource, namespace, textAt(object, 'metadata', 'name') ?? '', options);
    }
    exchange.json(200, list);
  }

  /** Does a write after the webhooks that have a say in it agreed to what it would make. */
  async #admitted(
    target: Target,
    operation: 'CREATE' | 'UPDATE',
    user: User,
    options: WriteOptions,
    run: (options: WriteOptions) => JsonObject,
  ): Promise<JsonObject> {
    const { resource, namespace, name } = target;
    const admission: Admission = { ...target, operation, user, dryRun: options.dryRun };
    const webhooks = webhooksFor(this.#store, admission);
    if (webhooks.length > 0) {
      const would = run({ ...options, dryRun: true, warn: () => undefined });
      const old = this.#store.get(resourceKey(resource), namespace, name) ?? null;
      const named = { ...admission, name: name === '' ? (textAt(would, 'metadata', 'name') ?? '') : name };
      await callWebhooks(this.#store, webhooks, named, would, old);
    }
    return run(options);
  }

  /** What a patch's body does, whenever it is run. */
  async #patch(
    exchange: Exchange,
    target: Target,
    subresource: string,
  ): Promise<(options: WriteOptions) => JsonObject> {
    const { resource, namespace, name } = target;
    if (name === '') throw methodNotAllowed();
    const type = (exchange.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
    const patch = await readBody(exchange);
    if (type.startsWith('application/apply-patch')) {
      if (!exchange.query.has('fieldManager'))
        throw badRequest(
          'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
        );
      if (!isObject(patch)) throw badRequest('an applied configuration is an object');
      const force = exchange.query.get('force') === 'true';
      return (options) => this.#objects.apply(resource, namespace, name, patch, subresource, force, options).object;
    }
    const edit = patchOf(type, patch, shapeOf(resource));
    return (options) => this.#objects.change(resource, namespace, name, subresource, options, edit);
  }

  async #subresource(exchange: Exchange, target: Target): Promise<void> {
    const { resource, namespace, name, subresource } = target;
    const offered =
      resource.subresources.some((entry) => entry.name === subresource) || (subresource === 'scale' && resource.scale);
    if (!offered) throw noSuchPath();
    if (subresource === 'scale') {
      await this.#scale(exchange, target);
      return;
    }
    if (subresource === 'log') {
      const text = podLog(this.#objects.get(resource, namespace, name), exchange.query);
      exchange.send(200, text, 'text/plain; charset=utf-8');
      return;
    }
    const wanted = subresource === 'finalize' ? 'PUT' : 'POST';
    if (exchange.method !== wanted) throw methodNotAllowed();
    const body = await readObject(exchange);
    switch (subresource) {
      case 'finalize':
        exchange.json(200, this.#objects.finalizeNamespace(resource, name, body));
        return;
      case 'token':
        exchange.json(
          201,
          requestToken(
            resource,
            this.#objects.get(resource, namespace, name),
            body,
            this.#cluster.tokenKey,
            this.#store,
          ),
        );
        return;
      case 'eviction':
        this.#objects.evict(resource, namespace, name, deleteOptionsOf(exchange, objectAt(body, 'deleteOptions')));
        exchange.json(201, success());
        return;
      default:
        this.#objects.bind(resource, namespace, name, textAt(body, 'target', 'name') ?? '');
        exchange.json(201, success());
    }
  }

  async #scale(exchange: Exchange, target: Target): Promise<void> {
    const { resource, namespace, name } = target;
    if (exchange.method === 'GET') {
      exchange.json(200, scaleOf(resource, this.#objects.get(resource, namespace, name)));
      return;
    }
    if (exchange.method !== 'PUT' && exchange.method !== 'PATCH') throw methodNotAllowed();
    const patch = await readBody(exchange);
    const type =
      exchange.method === 'PUT' ? 'put' : ((exchange.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '');
    const options = writeOptions(exchange, this.#isOwn(exchange));
    const changed = this.#objects.change(resource, namespace, name, 'scale', options, (old) => {
      const before = scaleOf(resource, old);
      const scale = type === 'put' && isObject(patch) ? patch : patchOf(type, patch, { kind: 'any' })(before);
      return scaled(resource, old, scale);
    });
    exchange.json(200, scaleOf(resource, changed));
  }
}
