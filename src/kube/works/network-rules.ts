import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { count } from '../../core/words.ts';
import { openKinds, type Place } from '../apply/kinds.ts';
import { listAt, type Manifest, objectAt } from '../apply/manifests.ts';
import { applyObject, readObject, removeObject } from '../apply/server.ts';
import { type Enforced, enforcement, ingressNamespaces } from '../network/enforcement.ts';
import { manifestOf, Rule, refuseVital, ruleLabel } from '../network/rules.ts';
import { wordsOf } from '../network/words.ts';
import type { Talk, WorkOperation } from '../operation.ts';
import { demandNamespace } from '../views/listing.ts';
import { eachListed, listPath } from '../views/pages.ts';

const Input = z.object({
  namespace: z.string().min(1),
  rules: z.array(Rule).min(1).max(20),
  /** What the provider says of the cluster, where it says. */
  enforced: z.enum(['yes', 'no']).optional(),
});
type Input = z.infer<typeof Input>;

const steps = ['Let through what is to pass', 'Keep out all else'];

async function placeOf(talk: Talk): Promise<Place> {
  const found = await openKinds(talk, []).find({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' });
  if (found) return found;
  throw new Fault('unsupported', 'This cluster does not know NetworkPolicy objects.', { whose: 'admin' });
}

/** The objects in the order in which they are applied: what is let through first, so that nothing is cut in between. */
async function manifestsOf(talk: Talk, { namespace, rules: asked }: Input): Promise<Manifest[]> {
  const rules = await wholeRules(talk, namespace, asked);
  const needs = rules.some((rule) => rule.kind !== 'deny' && rule.peer === 'ingress');
  const ingress = needs ? await ingressNamespaces(talk) : [];
  if (needs && ingress.length === 0) {
    throw new Fault('not-found', 'KQueen finds no ingress controller in this cluster.', {
      field: 'from',
      next: 'Name the namespace that it is in, or install one first.',
    });
  }
  return rules
    .toSorted((a, b) => Number(a.kind === 'deny') - Number(b.kind === 'deny'))
    .map((rule) => manifestOf(namespace, rule, ingress));
}

/** Pods that are kept from reaching anything reach each other only where that is let out, too. */
async function wholeRules(talk: Talk, namespace: string, rules: readonly Rule[]): Promise<Rule[]> {
  const is = (kind: 'from' | 'to') => rules.some((rule) => rule.kind === kind && rule.peer === 'same');
  if (!is('from') || is('to')) return [...rules];
  const denied = rules.find(({ kind }) => kind === 'deny');
  const both = denied ? everyWay(rules) : await keepsIn(talk, namespace);
  return both ? [...rules, { kind: 'to', peer: 'same' }] : [...rules];
}

/** Whether KQueen's rules keep the pods of a namespace from reaching what no rule names. */
async function keepsIn(talk: Talk, namespace: string): Promise<boolean> {
  const policies = await policiesOf(talk, namespace);
  return policies.some(
    (policy) =>
      objectAt(policy, 'metadata', 'labels')[ruleLabel] === 'deny' &&
      listAt(policy, 'spec', 'policyTypes').includes('Egress'),
  );
}

async function podsIn(talk: Talk, namespace: string): Promise<number> {
  let pods = 0;
  await eachListed(talk, listPath('v1', 'pods', namespace), () => {
    pods += 1;
  });
  return pods;
}

/** Makes rules of a namespace: what is kept out, and what is let through. */
export const setNetworkRules: WorkOperation = {
  op: 'network.set',

  async plan(talk, { input: given }) {
    const input = Input.parse(given);
    const { namespace, rules } = input;
    await demandNamespace(talk, namespace);
    refuseVital(namespace, rules);
    for (const rule of rules) {
      if (rule.kind !== 'deny' && !['same', 'ingress', 'outside'].includes(rule.peer))
        await demandPeer(talk, rule.peer);
    }
    const [place, manifests, pods] = [
      await placeOf(talk),
      await manifestsOf(talk, input),
      await podsIn(talk, namespace),
    ];
    const changes: Manifest[] = [];
    for (const manifest of manifests) {
      const before = await readObject(talk, place, manifest);
      const after = await applyObject(talk, place, manifest, { dryRun: true, force: true });
      if (!before || !isDeepStrictEqual(before.spec, after.spec)) changes.push(manifest);
    }
    const denies = rules.some(({ kind }) => kind === 'deny');
    return {
      steps,
      facts: [
        { label: 'Namespace', value: `${namespace}, with ${count(pods, 'pod')}` },
        ...changes.map(({ name, object }) => ({ label: name, value: wordsOf(object).join(' ') })),
      ],
      disturbs: denies
        ? `Whatever talks to the pods of ${namespace}${everyWay(rules) ? ', or is talked to by them,' : ''} and is not let through by a rule.`
        : 'Nobody: something more is let through.',
      warnings: await warningsOf(talk, input, denies),
      detail: changes
        .map(({ object }) => `+ ${stringify(object).trimEnd().replaceAll('\n', '\n+ ')}`)
        .join('\n+ ---\n'),
      rests: changes.map(({ object }) => object),
      ...(changes.length === 0 ? { nothing: `Namespace ${namespace} has these rules already.` } : {}),
    };
  },

  async step(talk, { input: given }) {
    const input = Input.parse(given);
    const [place, manifests] = [await placeOf(talk), await manifestsOf(talk, input)];
    for (const manifest of manifests) await applyObject(talk, place, manifest, { dryRun: false, force: true });
    const made = manifests.map(({ name }) => name).join(', ');
    return {
      ...{ state: 'done', progress: {}, at: 1, percent: 100 },
      note: `Namespace ${input.namespace} has ${count(manifests.length, 'rule')}: ${made}.`,
    };
  },
};

function everyWay(rules: readonly Rule[]): boolean {
  return rules.some((rule) => rule.kind === 'deny' && rule.direction === 'both');
}

async function demandPeer(talk: Talk, peer: string): Promise<void> {
  try {
    await demandNamespace(talk, peer);
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.kind !== 'not-found') throw thrown;
    throw new Fault('not-found', `There is no namespace ${peer} in this cluster to let anything through from or to.`, {
      next: 'Use one that is there, or same, ingress or outside.',
    });
  }
}

async function warningsOf(talk: Talk, { namespace, rules, enforced }: Input, denies: boolean): Promise<string[]> {
  const seen: Enforced = enforced ?? (await enforcement(talk));
  const warnings: string[] = [];
  if (seen === 'no') {
    warnings.push('This cluster does not enforce network policies: the rules are kept, and keep nothing out.');
  }
  if (seen === 'unknown') {
    warnings.push(
      'KQueen cannot tell whether this cluster enforces network policies; where it does not, they keep nothing out.',
    );
  }
  for (const rule of rules) {
    if (rule.kind !== 'from' || ['same', 'ingress', 'outside'].includes(rule.peer)) continue;
    if (!(await keepsIn(talk, rule.peer))) continue;
    warnings.push(
      `The pods of ${rule.peer} are kept from reaching others: let them out to ${namespace} as well, with network allow.`,
    );
  }
  if (!denies) {
    const kept = await policiesOf(talk, namespace);
    if (!kept.some((policy) => objectAt(policy, 'metadata', 'labels')[ruleLabel] === 'deny')) {
      warnings.push(
        `Nothing is kept out of ${namespace} by KQueen yet: this rule alone keeps out whatever it does not name.`,
      );
    }
    return warnings;
  }
  const inside = rules.some((rule) => rule.kind === 'from');
  if (!inside) warnings.push(`Nothing gets into ${namespace} but by other rules, not even from the namespace itself.`);
  if (everyWay(rules) && !rules.some((rule) => rule.kind === 'to')) {
    warnings.push(`Its pods reach nothing but names (DNS): no database, no other app, and not the cluster's own API.`);
  }
  return warnings;
}

/** The policies of a namespace, or with '' of all. */
async function policiesOf(talk: Talk, namespace: string): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  await eachListed(talk, listPath('networking.k8s.io/v1', 'networkpolicies', namespace), (each) => found.push(each));
  return found;
}

const Removal = z.object({ namespace: z.string().min(1), name: z.string().optional() });

/** KQueen's own rules of a namespace: the one of that name, or all of them, what keeps out first. */
async function ownRules(talk: Talk, { namespace, name }: z.infer<typeof Removal>) {
  const own = (await policiesOf(talk, namespace))
    .filter((policy) => ruleLabel in objectAt(policy, 'metadata', 'labels'))
    .filter((policy) => name === undefined || objectAt(policy, 'metadata').name === name)
    .map((policy) => ({
      name: String(objectAt(policy, 'metadata').name),
      denies: objectAt(policy, 'metadata', 'labels')[ruleLabel] === 'deny',
      words: wordsOf(policy).join(' '),
    }));
  return own.sort((a, b) => Number(b.denies) - Number(a.denies) || a.name.localeCompare(b.name));
}

/** Takes rules away that KQueen made; those of others stay. */
export const removeNetworkRules: WorkOperation = {
  op: 'network.remove',

  async plan(talk, { input: given }) {
    const input = Removal.parse(given);
    await demandNamespace(talk, input.namespace);
    const own = await ownRules(talk, input);
    const all = input.name === undefined || own.some(({ denies }) => denies);
    return {
      steps: ['Remove the rules'],
      facts: [
        { label: 'Namespace', value: input.namespace },
        ...own.map(({ name, words }) => ({ label: name, value: words })),
      ],
      disturbs: all
        ? `Nobody, and nothing is kept out of ${input.namespace} by KQueen any more.`
        : 'Whatever came through by it alone: it is kept out where another rule says so.',
      warnings: [],
      rests: own.map(({ name, words }) => [name, words]),
      ...(own.length === 0
        ? {
            nothing: `KQueen has made no ${input.name ? `rule ${input.name}` : 'rules'} in namespace ${input.namespace}.`,
          }
        : {}),
    };
  },

  async step(talk, { input: given }) {
    const input = Removal.parse(given);
    const [place, own] = [await placeOf(talk), await ownRules(talk, input)];
    for (const { name } of own) await removeObject(talk, place, { name, namespace: input.namespace });
    return {
      ...{ state: 'done', progress: {}, at: 0, percent: 100 },
      note: `Removed from namespace ${input.namespace}: ${own.map(({ name }) => name).join(', ') || 'nothing was left'}.`,
    };
  },
};
