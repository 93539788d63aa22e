import { Fault } from '../../core/errors.ts';
import type { Call, Choice, EngineClient, ExternalCluster, Operation, Target } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import { cannot } from '../unsupported.ts';
import { notHeat, openApi } from './api.ts';
import { openChanges } from './changes.ts';
import { checkAll } from './check.ts';
import { liveChoices } from './choices.ts';
import { eventLog } from './events.ts';
import { namesIn, valuesIn } from './explain.ts';
import { readKubeconfig } from './kubeconfig.ts';
import { openObserver } from './observe.ts';
import { askedParameters, heatParameters, keysFor, namesOf, poolsIn, specOf } from './parameters.ts';
import { openRetire } from './retire.ts';
import { type HeatProvisioner, readFixed } from './schema.ts';
import { openSession, placeOf, secretsOf } from './session.ts';
import { foreign, gone, isMine, marksOf, openStacks, tagsOf } from './stacks.ts';
import { stateOf, statusOf, writeHandle } from './states.ts';
import { openTemplates, stackPath } from './template.ts';
import { newerVersions } from './versions.ts';
import { CreatedAnswer, readAnswer, type Stack, StacksAnswer } from './wire.ts';

/** Stacks on a page of the list, and pages that are read at most: more than any project holds (512 stacks by default). */
const pageSize = 100;
const mostPages = 100;
/** Stacks that are looked into at once while listing. */
const lookingAtOnce = 4;
/** Values of parameters that are remembered. */
const mostAsked = 500;

/** Opens the connections to one cloud. */
export function openHeatClient(params: HeatProvisioner): EngineClient {
  const fixed = readFixed(params.hiddenParameters ?? '') ?? new Map<string, string>();
  const fixedNames = new Set(fixed.keys());
  const secrets = secretsOf(
    params,
    [...fixed.values()].filter((value) => value.length >= 6),
  );
  const session = openSession(params, secrets);
  const api = openApi(params, session, secrets, fieldOf);
  const stacks = openStacks(api);
  const templates = openTemplates(params, api);
  const observer = openObserver(params, api, session, stacks, templates, secrets);
  const changes = openChanges(params, api, stacks, templates);
  const retire = openRetire(api, stacks, templates, changes);
  /** What was asked for lately, so that a value which Heat refuses can be traced to its field. */
  const asked = new Map<string, string>();

  /** The field of the form that a refusal of Heat is about. */
  function fieldOf(message: string): string | undefined {
    const keys = templates.known()?.keys.keys;
    for (const name of namesIn(message)) {
      const key = keys?.get(name);
      if (key) return key;
    }
    return valuesIn(message)
      .map((value) => asked.get(value))
      .find((key) => key !== undefined);
  }

  async function repeatedCreate(target: Target, refusal: Fault, call: Call): Promise<Operation> {
    const found = await stacks.findOwn(target, call);
    // Gone between the two answers, or on its way: the next try makes it.
    if (!found || statusOf(found.stack_status).action === 'DELETE') {
      const message = found ? `The earlier stack ${target.externalName} is still being deleted.` : refusal.message;
      throw new Fault('conflict', message, { retryable: true, next: 'KQueen tries again by itself.' });
    }
    return { id: writeHandle({ action: 'CREATE', stack: found.id }) };
  }

  function remember(spec: Record<string, unknown>): void {
    for (const [key, value] of Object.entries(spec)) asked.set(String(value), key);
    for (const oldest of asked.keys()) {
      if (asked.size <= mostAsked) break;
      asked.delete(oldest);
    }
  }

  return {
    observe: observer.observe,

    async create(target, spec, call) {
      const template = await templates.described(call);
      const parameters = heatParameters(spec, template.parameters, template.keys, fixed);
      remember(spec);
      const body = {
        stack_name: target.externalName,
        template: template.text,
        parameters,
        tags: tagsOf(target).join(','),
        timeout_mins: params.timeoutMinutes,
        disable_rollback: !params.rollback,
      };
      try {
        const answer = await api.heat({ method: 'POST', path: '/stacks', body }, call);
        if (answer.status === 404) throw notHeat(answer);
        return { id: writeHandle({ action: 'CREATE', stack: readAnswer(CreatedAnswer, answer.body).stack.id }) };
      } catch (thrown) {
        if (!(thrown instanceof Fault) || thrown.kind !== 'conflict') throw thrown;
        return repeatedCreate(target, thrown, call);
      }
    },

    async update(target, update, call) {
      if (update.autoscale) {
        throw new Fault('unsupported', 'OpenStack Heat has no autoscaler that KQueen could set.', {
          next: 'Set the number of nodes instead.',
        });
      }
      if (update.addons !== undefined) cannot('OpenStack Heat', 'change the add-ons of');
      if (update.networkPolicy !== undefined) cannot('OpenStack Heat', 'change the network policies of');
      const stack = await stacks.findOwn(target, call);
      if (!stack) throw gone(target);
      if (update.power) return changes.switchPower(stack, update.power, call);
      if (update.retire) return retire(stack, { ...update, retire: update.retire }, call);
      return changes.apply(stack, update, call);
    },

    async preview(target, update, call) {
      if (update.autoscale || update.power || update.retire) return null;
      const stack = await stacks.findOwn(target, call);
      return stack ? changes.preview(stack, update, call) : null;
    },

    async delete(target, call) {
      const stack = await stacks.findOwn(target, call);
      if (!stack) return null;
      const handle: Operation = { id: writeHandle({ action: 'DELETE', stack: stack.id }) };
      if (stack.stack_status === 'DELETE_IN_PROGRESS') return handle;
      const path = stackPath(stack.stack_name, stack.id);
      const answer = await api.heat({ method: 'DELETE', path }, call);
      if (answer.status === 404) {
        api.isGone(answer);
        return null;
      }
      // Only a second try has a state from before that looks like its end.
      return statusOf(stack.stack_status).action === 'DELETE' ? changes.begun(stack, 'DELETE', call) : handle;
    },

    async adopt(target, call) {
      const stack = await stacks.find(target, call);
      if (!stack) throw gone(target);
      if (isMine(stack, target)) return null;
      const marks = marksOf(stack);
      if (marks.cluster || marks.org) throw foreign(target);
      return changes.retag(stack, [...plainTags(stack), ...tagsOf(target)], call);
    },

    async release(target, call) {
      const stack = await stacks.find(target, call);
      if (!stack) return null;
      const marks = marksOf(stack);
      if (!marks.cluster && !marks.org) return null;
      if (!isMine(stack, target)) throw foreign(target);
      return changes.retag(
        stack,
        plainTags(stack).filter((tag) => !tagsOf(target).includes(tag)),
        call,
      );
    },

    async kubeconfig(target, call) {
      const stack = await stacks.findOwn(target, call);
      if (!stack) throw gone(target);
      if (stateOf(stack.stack_status) === 'creating') throw notYet(stack);
      const value = await stacks.output(stack, params.kubeconfigOutput, call);
      if (value === undefined) throw noOutput(params.kubeconfigOutput);
      if (value === null || value === '') throw notYet(stack);
      const found = readKubeconfig(value);
      if (!found) throw notKubeconfig(params.kubeconfigOutput, value);
      return found.yaml;
    },

    signIn: async () => null,

    async upgrades(target, call): Promise<Choice[]> {
      const stack = await stacks.findOwn(target, call);
      if (!stack) throw gone(target);
      const { parameters, keys } = await templates.ofStack(stack, call);
      const parameter = parameters.find((each) => each.name === keys.roles.version);
      if (!parameter || parameter.immutable) return [];
      return newerVersions(parameter.allowed ?? [], String(stack.parameters[parameter.name] ?? ''));
    },

    async log(target, call) {
      const stack = await stacks.findOwn(target, call);
      return stack ? eventLog(api, stack, secrets, call) : null;
    },

    async list(call) {
      const found: { id: string; stack_name: string }[] = [];
      for (let marker: string | undefined, page = 0; page < mostPages; page += 1) {
        const answer = await api.heat({ path: '/stacks', query: { limit: pageSize, marker } }, call);
        if (answer.status === 404) throw notHeat(answer);
        const { stacks: entries } = readAnswer(StacksAnswer, answer.body);
        found.push(...entries);
        marker = entries.at(-1)?.id;
        if (entries.length < pageSize || marker === undefined) break;
      }
      const where = placeOf(await session.signedIn(call), params);
      const all: (ExternalCluster | null)[] = [];
      for (let at = 0; at < found.length; at += lookingAtOnce) {
        const some = found.slice(at, at + lookingAtOnce);
        all.push(...(await Promise.all(some.map(async (each) => externalOf(await stacks.whole(each, call), where)))));
      }
      return all.filter((each) => each !== null);
    },

    check: (call) => checkAll({ params, session, api, templates, fixed: fixedNames }, call),

    async options(_given, call) {
      const { parameters, keys } = await templates.described(call, true);
      const choices = await liveChoices(parameters, keys, api, call);
      return {
        choices: {},
        parameters: askedParameters(parameters, keys, fixedNames, choices),
        prices: params.prices?.trim() ? params.prices : null,
        at: Date.now(),
      };
    },

    async close() {
      await Promise.all([api.close(), session.close()]);
    },
  };

  /** A stack as a cluster; null for one that holds none and is not KQueen's: a project has other stacks, too. */
  function externalOf(stack: Stack | null, where: string): ExternalCluster | null {
    if (!stack) return null;
    const marks = marksOf(stack);
    if (!marks.cluster && !stack.outputs?.some((each) => each.output_key === params.kubeconfigOutput)) return null;
    const spec = specOf(stack.parameters, keysFor(namesOf(stack.parameters), params), fixedNames);
    const pools = poolsIn(spec);
    const made: ExternalCluster = {
      externalName: stack.stack_name,
      state: stateOf(stack.stack_status),
      externalId: stack.id,
      where,
      spec,
    };
    if (marks.cluster) made.cluster = marks.cluster;
    if (marks.org) made.org = marks.org;
    const owner = marks.owner ?? stack.stack_owner;
    if (owner) made.owner = oneLine(owner, [], 80);
    if (typeof spec.version === 'string') made.version = spec.version;
    if (pools.length > 0) {
      made.pools = pools;
      made.nodes = pools.reduce((sum, pool) => sum + pool.nodes, 0);
    }
    return made;
  }
}

/** Heat keeps an empty word for "no tags". */
function plainTags(stack: Stack): string[] {
  return (stack.tags ?? []).filter((tag) => tag !== '');
}

function notYet(stack: Stack): Fault {
  return new Fault('conflict', oneLine(`The cluster ${stack.stack_name} has no kubeconfig yet.`), {
    whose: 'provider',
    retryable: true,
    next: 'KQueen tries again by itself.',
  });
}

function noOutput(name: string): Fault {
  return new Fault('not-found', oneLine(`The stack has no output ${name}, so there is no kubeconfig.`), {
    whose: 'admin',
    next: 'Ask an admin to name the right output in the provisioner, or to add one to the template.',
  });
}

function notKubeconfig(name: string, value: unknown): Fault {
  const address = typeof value === 'string' && /^https?:\/\/\S+$/.test(value.trim());
  return new Fault('bad-input', oneLine(`The output ${name} of the stack is no kubeconfig.`), {
    whose: 'admin',
    retryable: false,
    next: address
      ? 'It is an address; the template has to give the kubeconfig itself, since an address without a password is open to everybody.'
      : 'It has to be YAML, or that in base64, or the data of a wait condition with one of the two.',
  });
}
