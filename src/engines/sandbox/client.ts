import { Fault } from '../../core/errors.ts';
import type {
  Call,
  Choice,
  EngineClient,
  ExternalCluster,
  ExternalState,
  Observation,
  Operation,
  Target,
} from '../../core/ports/engine.ts';
import { readSpec } from '../fields.ts';
import { type Http, type HttpAnswer, openHttp } from '../http.ts';
import type { Explanation } from '../http-faults.ts';
import { oneLine, scrub } from '../scrub.ts';
import { cannot } from '../unsupported.ts';
import { SandboxCluster, type SandboxProvisioner } from './schema.ts';
import {
  AccountAnswer,
  BegunAnswer,
  CatalogAnswer,
  ClusterAnswer,
  ClustersAnswer,
  ErrorAnswer,
  EventsAnswer,
  OperationAnswer,
  readAnswer,
} from './wire.ts';

const sandboxTitle = 'The sandbox';

/** Labels on everything this engine makes. */
const clusterLabel = 'kqueen-cluster';
const orgLabel = 'kqueen-org';

const states: Record<string, ExternalState> = {
  PROVISIONING: 'creating',
  RUNNING: 'running',
  RECONCILING: 'updating',
  STOPPING: 'deleting',
  ERROR: 'error',
};

/** The state for a status of the provider; one that it did not have when this was written is `unknown`, never a guess. */
function stateOf(status: string): ExternalState {
  return (Object.hasOwn(states, status) ? states[status] : undefined) ?? 'unknown';
}

/** Opens the connections to one sandbox provider. */
export function openSandboxClient(params: typeof SandboxProvisioner._output): EngineClient {
  const secrets = [params.token];
  const http = openHttp({
    base: params.url,
    provider: 'the sandbox provider',
    authorize: () => ({ authorization: `Bearer ${params.token}` }),
    secrets,
    ...(params.caBundle?.trim() ? { caBundle: params.caBundle } : {}),
    explain,
  });

  /** The cluster of the target's name, whoever made it, or null when there surely is none. */
  async function find(target: Target, call: Call): Promise<ClusterAnswer | null> {
    const answer = await http.send({ path: pathOf(target) }, call);
    if (answer.status !== 404) return readAnswer(ClusterAnswer, answer.body);
    // Only a list that is readable and does not hold it makes "not found" mean "gone": an address that points half-way into
    // the API answers 404 to everything.
    const query = { label: `${clusterLabel}=${target.cluster}`, limit: 200 };
    const list = await http.send({ path: '/v1/clusters', query }, call);
    if (list.status === 404) throw notTheApi(list);
    const { clusters } = readAnswer(ClustersAnswer, list.body);
    return clusters.find((each) => each.name === target.externalName) ?? null;
  }

  /** The cluster if it is this target's own; null when there is none; a Fault when it is somebody else's. */
  async function findOwn(target: Target, call: Call): Promise<ClusterAnswer | null> {
    const found = await find(target, call);
    if (found && !isMine(found.labels, target)) throw foreign(target);
    return found;
  }

  return {
    async observe(target, call) {
      const found = await find(target, call);
      if (!found) return { state: 'absent', mine: true };
      const seen = observationOf(found, target);
      if (!seen.mine) return seen;
      return { ...seen, ...(await progressOf(http, found, seen.state, secrets, call)) };
    },

    async create(target, spec, call) {
      const wish = readSpec(SandboxCluster, spec);
      const labels = { [clusterLabel]: target.cluster, [orgLabel]: target.org };
      try {
        const body = { name: target.externalName, ...wish, labels };
        return begun(await http.send({ method: 'POST', path: '/v1/clusters', body }, call));
      } catch (thrown) {
        if (!(thrown instanceof Fault) || thrown.kind !== 'conflict') throw thrown;
        return adopt(target, call, thrown);
      }
    },

    async update(target, update, call) {
      const found = await findOwn(target, call);
      if (!found) throw gone(target);
      const body: Record<string, unknown> = {};
      const sameNodes = update.nodes === undefined || update.nodes === found.nodes;
      const sameVersion = update.version === undefined || update.version === found.version;
      if (sameNodes && sameVersion && stateOf(found.status) === 'running') return null;
      if (update.nodes !== undefined) body.nodes = update.nodes;
      if (update.version !== undefined) body.version = update.version;
      const answer = await http.send({ method: 'PATCH', path: pathOf(target), body }, call);
      if (answer.status === 404) throw gone(target);
      return begun(answer);
    },

    async delete(target, call) {
      const found = await findOwn(target, call);
      if (!found) return null;
      const answer = await http.send({ method: 'DELETE', path: pathOf(target) }, call);
      return answer.status === 404 ? null : begun(answer);
    },

    async kubeconfig(target, call) {
      const found = await findOwn(target, call);
      if (!found) throw gone(target);
      const answer = await http.send({ path: `${pathOf(target)}/kubeconfig`, answer: 'text' }, call);
      if (answer.status === 404 || typeof answer.body !== 'string') throw gone(target);
      return answer.body;
    },

    async list(call) {
      const all: ExternalCluster[] = [];
      // 200 pages of 200 are more than any account holds; a provider that never ends its list is cut off there.
      for (let page: number | null = 1, read = 0; page !== null && read < 200; read += 1) {
        const answer = await http.send({ path: '/v1/clusters', query: { limit: 200, page } }, call);
        if (answer.status === 404) throw notTheApi(answer);
        const { clusters, nextPage } = readAnswer(ClustersAnswer, answer.body);
        all.push(...clusters.map(externalOf));
        page = nextPage ?? null;
      }
      return all;
    },

    async check(call) {
      try {
        const answer = await http.send({ path: '/v1/account' }, call);
        if (answer.status === 404) throw notTheApi(answer);
        const { project, quota, used } = readAnswer(AccountAnswer, answer.body);
        const facts = [
          { label: 'Project', value: oneLine(project) },
          { label: 'Clusters', value: `${used.clusters} of ${quota.clusters}` },
          { label: 'Nodes', value: `${used.nodes} of ${quota.nodes}` },
        ];
        return { state: 'OK', message: 'The sandbox provider answers and accepts the token.', facts };
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown;
        // A check that was called off says nothing about the provider.
        if (call.signal.aborted && Date.now() < call.deadline - 50) throw thrown;
        const passing = thrown.kind === 'unreachable' || thrown.kind === 'rate-limited';
        return {
          state: passing ? 'Unreachable' : 'Error',
          message: thrown.message,
          ...(thrown.next ? { next: thrown.next } : {}),
          facts: [],
        };
      }
    },

    async options(_given, call) {
      const answer = await http.send({ path: '/v1/catalog' }, call);
      if (answer.status === 404) throw notTheApi(answer);
      const catalog = readAnswer(CatalogAnswer, answer.body);
      return { choices: choicesOf(catalog), prices: catalog, at: Date.now() };
    },

    async log(target, call) {
      const found = await findOwn(target, call);
      if (!found) return null;
      return scrub(await eventsOf(http, found, call), secrets);
    },

    async upgrades(target, call) {
      const found = await findOwn(target, call);
      if (!found) throw gone(target);
      const answer = await http.send({ path: '/v1/catalog' }, call);
      if (answer.status === 404) throw notTheApi(answer);
      return upgradesOf(readAnswer(CatalogAnswer, answer.body), found.version);
    },

    signIn: async () => null,
    adopt: async () => cannot(sandboxTitle, 'adopt'),
    release: async () => cannot(sandboxTitle, 'release'),

    close: () => http.close(),
  };

  /** The name is taken: by what an earlier, unanswered create of ours made, or by somebody else's cluster. */
  async function adopt(target: Target, call: Call, refusal: Fault): Promise<Operation> {
    const found = await findOwn(target, call);
    // Gone between the two answers: the next try makes it.
    if (!found)
      throw new Fault('conflict', refusal.message, { retryable: true, next: 'KQueen tries again by itself.' });
    if (stateOf(found.status) === 'deleting') {
      throw new Fault('conflict', `The earlier cluster ${target.externalName} is still being deleted.`, {
        retryable: true,
        next: 'KQueen tries again by itself.',
      });
    }
    return { id: found.operation ?? '' };
  }
}

function pathOf(target: Target): string {
  return `/v1/clusters/${encodeURIComponent(target.externalName)}`;
}

function isMine(labels: Record<string, string>, target: Target): boolean {
  return labels[clusterLabel] === target.cluster && labels[orgLabel] === target.org;
}

function begun(answer: HttpAnswer): Operation {
  if (answer.status === 404) throw notTheApi(answer);
  return { id: readAnswer(BegunAnswer, answer.body).operation.id };
}

function observationOf(found: ClusterAnswer, target: Target): Observation {
  const seen: Observation = {
    state: stateOf(found.status),
    mine: isMine(found.labels, target),
    version: found.version,
    nodes: found.nodes,
    region: found.region,
    externalId: found.id,
  };
  if (seen.state === 'unknown') seen.step = oneLine(found.status, [], 60);
  if (found.endpoint) seen.endpoint = found.endpoint;
  if (found.operation) seen.operation = found.operation;
  return seen;
}

/** How far the running operation is, or why the last one failed. */
async function progressOf(
  http: Http,
  found: ClusterAnswer,
  state: ExternalState,
  secrets: string[],
  call: Call,
): Promise<Partial<Observation>> {
  if (!found.operation || state === 'running' || state === 'unknown') return {};
  const answer = await http.send({ path: `/v1/operations/${encodeURIComponent(found.operation)}` }, call);
  const more: Partial<Observation> = {};
  if (answer.status !== 404) {
    const operation = readAnswer(OperationAnswer, answer.body);
    if (typeof operation.percent === 'number') more.percent = Math.min(100, Math.max(0, operation.percent));
    if (operation.step) more.step = oneLine(operation.step, secrets, 80);
    if (operation.error) more.message = oneLine(operation.error.message, secrets);
  }
  if (state !== 'error') return more;
  more.message ??= oneLine(found.statusMessage ?? 'The provider does not say why.', secrets);
  const history = await eventsOf(http, found, call);
  if (history !== '') more.detail = scrub(history, secrets);
  return more;
}

/** What happened to a cluster, a line an event. */
async function eventsOf(http: Http, found: ClusterAnswer, call: Call): Promise<string> {
  const answer = await http.send({ path: `/v1/clusters/${encodeURIComponent(found.name)}/events` }, call);
  if (answer.status === 404) return '';
  const { events } = readAnswer(EventsAnswer, answer.body);
  return events.map((event) => `${event.at} ${event.type} ${event.message}`).join('\n');
}

/** The versions on offer that are newer than `from`, by one minor at most: Kubernetes skips none. */
function upgradesOf(catalog: CatalogAnswer, from: string): Choice[] {
  const minor = Number(from.split('.')[1]);
  return catalog.versions
    .filter(({ version }) => newer(version, from) && Number(version.split('.')[1]) <= minor + 1)
    .map(({ version, status, endOfLife }) => ({
      value: version,
      label: version,
      note: `${status === 'supported' ? 'supported' : oneLine(status)} until ${oneLine(endOfLife)}`,
    }));
}

function newer(version: string, than: string): boolean {
  return version.localeCompare(than, 'en', { numeric: true }) > 0;
}

function externalOf(found: ClusterAnswer): ExternalCluster {
  const made: ExternalCluster = {
    externalName: found.name,
    state: stateOf(found.status),
    version: found.version,
    nodes: found.nodes,
  };
  const cluster = found.labels[clusterLabel];
  if (cluster) made.cluster = cluster;
  return made;
}

function choicesOf(catalog: CatalogAnswer): Record<string, Choice[]> {
  const money = new Intl.NumberFormat('en-US', { style: 'currency', currency: catalog.currency });
  return {
    region: catalog.regions.map((region) => ({ value: region.name, label: oneLine(region.title) })),
    // What is supported comes first: the first choice is what a form offers.
    version: catalog.versions
      .toSorted((a, b) => Number(b.status === 'supported') - Number(a.status === 'supported'))
      .map((version) => {
        const choice: Choice = { value: version.version, label: version.version };
        if (version.status !== 'supported') choice.note = oneLine(version.status);
        return choice;
      }),
    size: catalog.sizes.map((size) => ({
      value: size.name,
      label: oneLine(size.title),
      note: `${money.format(size.pricePerHour)} per node and hour`,
    })),
  };
}

/** Reads the provider's error codes; a code that is not known keeps the meaning of its HTTP status. */
function explain(_status: number, body: unknown): Explanation {
  const parsed = ErrorAnswer.safeParse(body);
  if (!parsed.success) return {};
  const { code, message, field, quota } = parsed.data.error;
  const explained: Explanation = { message };
  if (field) explained.field = field;
  switch (code) {
    case 'quota_exceeded':
      explained.kind = 'quota';
      if (quota === 'nodes') explained.field = 'nodes';
      explained.next = 'Delete a cluster that nobody needs, ask for fewer nodes, or have the quota raised.';
      break;
    case 'insufficient_capacity':
      explained.kind = 'capacity';
      explained.next = 'Try another region or machine size, or try again later.';
      break;
    case 'operation_in_progress':
    case 'not_ready':
      explained.kind = 'conflict';
      explained.retryable = true;
      explained.next = 'KQueen tries again by itself.';
      break;
    default:
      break;
  }
  return explained;
}

function foreign(target: Target): Fault {
  return new Fault(
    'conflict',
    `The sandbox provider has a cluster ${target.externalName} already, and it is not this one.`,
    { whose: 'admin', retryable: false, next: 'Choose another name, or have that cluster removed at the provider.' },
  );
}

function gone(target: Target): Fault {
  return new Fault('not-found', `The sandbox provider has no cluster ${target.externalName}.`, {
    whose: 'provider',
    next: 'Look at it with `cluster check`.',
  });
}

function notTheApi(answer: HttpAnswer): Fault {
  return new Fault('unreachable', 'The address of the provisioner is not that of a sandbox provider.', {
    whose: 'admin',
    detail: scrub(`HTTP ${answer.status}\n${JSON.stringify(answer.body)}`),
    next: 'Ask an admin to check the address of the provisioner.',
  });
}
