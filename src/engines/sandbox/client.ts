import { Fault } from '../../core/errors.ts';
import type { Call, Choice, EngineClient, ExternalCluster, Operation, Target } from '../../core/ports/engine.ts';
import { readSpec } from '../fields.ts';
import { type HttpAnswer, openHttp } from '../http.ts';
import type { Explanation } from '../http-faults.ts';
import { oneLine, scrub } from '../scrub.ts';
import { gatewaysIn, nodesIn, retiredIn } from './pools.ts';
import { SandboxCluster, type SandboxProvisioner } from './schema.ts';
import {
  clusterLabel,
  eventsOf,
  externalOf,
  isMine,
  observationOf,
  orgLabel,
  pathOf,
  progressOf,
  stateOf,
  upgradesOf,
} from './seen.ts';
import { checkAddons, checkUpdate } from './update.ts';
import {
  AccountAnswer,
  BegunAnswer,
  CatalogAnswer,
  ClusterAnswer,
  ClustersAnswer,
  ErrorAnswer,
  readAnswer,
} from './wire.ts';

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
      return { ...seen, ...(await progressOf(http, found, target, secrets, call)) };
    },

    async create(target, spec, call) {
      const wish = readSpec(SandboxCluster, spec);
      const labels = { [clusterLabel]: target.cluster, [orgLabel]: target.org };
      try {
        const body = { name: target.externalName, ...wish, labels };
        return begun(await http.send({ method: 'POST', path: '/v1/clusters', body }, call));
      } catch (thrown) {
        if (!(thrown instanceof Fault) || thrown.kind !== 'conflict') throw thrown;
        return takeUp(target, call, thrown);
      }
    },

    async update(target, update, call) {
      checkUpdate(update);
      const found = await findOwn(target, call);
      if (!found) throw gone(target);
      const retired = retiredIn(found, update);
      if (retired !== null) {
        const answer = await http.send({ method: 'PATCH', path: pathOf(target), body: retired }, call);
        if (answer.status === 404) throw gone(target);
        return begun(answer);
      }
      const body: Record<string, unknown> = {};
      // Asked for again although it is as wanted: whatever went wrong on the way is then made good.
      const whole = stateOf(found.status) !== 'running';
      const nodes = nodesIn(update);
      if (nodes !== undefined && (whole || nodes !== found.nodes)) body.nodes = nodes;
      const gateways = gatewaysIn(update);
      if (gateways !== undefined && (whole || gateways !== found.gateways)) body.gateways = gateways;
      const { networkPolicy, addons = {} } = update;
      if (networkPolicy !== undefined && (whole || networkPolicy !== found.networkPolicy)) {
        body.networkPolicy = networkPolicy;
      }
      checkAddons(addons, found.addons);
      const turned = Object.entries(addons).filter(
        ([name, on]) => whole || found.addons.some((addon) => addon.name === name && addon.on !== on),
      );
      if (turned.length > 0) body.addons = Object.fromEntries(turned);
      if (update.version !== undefined && (whole || update.version !== found.version)) body.version = update.version;
      if (Object.keys(body).length === 0) return null;
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
          ...(thrown.kind === 'not-allowed' ? { field: 'token' } : {}),
          ...(thrown.kind === 'unreachable' ? { field: 'url' } : {}),
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
      return (await eventsOf(http, found, secrets, call)) || null;
    },

    async upgrades(target, call) {
      const found = await findOwn(target, call);
      if (!found) throw gone(target);
      const answer = await http.send({ path: '/v1/catalog' }, call);
      if (answer.status === 404) throw notTheApi(answer);
      return upgradesOf(readAnswer(CatalogAnswer, answer.body), found.version);
    },

    signIn: async () => null,

    async adopt(target, call) {
      const found = await find(target, call);
      if (!found) throw gone(target);
      if (isMine(found.labels, target)) return null;
      if (isMarked(found)) throw foreign(target);
      return relabel(target, found, { ...found.labels, [clusterLabel]: target.cluster, [orgLabel]: target.org }, call);
    },

    async release(target, call) {
      const found = await find(target, call);
      if (!found || !isMarked(found)) return null;
      if (!isMine(found.labels, target)) throw foreign(target);
      const { [clusterLabel]: _cluster, [orgLabel]: _org, ...others } = found.labels;
      return relabel(target, found, others, call);
    },

    close: () => http.close(),
  };

  /** Replaces the labels that were seen; null, because the provider does it at once. */
  async function relabel(
    target: Target,
    found: ClusterAnswer,
    labels: Record<string, string>,
    call: Call,
  ): Promise<null> {
    const body = { labels, labelFingerprint: found.labelFingerprint };
    const answer = await http.send({ method: 'PATCH', path: pathOf(target), body }, call);
    if (answer.status === 404) throw gone(target);
    return null;
  }

  /** The name is taken: by what an earlier, unanswered create of ours made, or by somebody else's cluster. */
  async function takeUp(target: Target, call: Call, refusal: Fault): Promise<Operation> {
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

function begun(answer: HttpAnswer): Operation {
  if (answer.status === 404) throw notTheApi(answer);
  return { id: readAnswer(BegunAnswer, answer.body).operation.id };
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

function isMarked(found: ClusterAnswer): boolean {
  return clusterLabel in found.labels || orgLabel in found.labels;
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
    case 'precondition_failed':
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
