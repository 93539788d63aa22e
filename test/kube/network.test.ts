/** Network rules in a cluster: what is kept out and let through, in words, applied twice, removed again; and whether they have an effect. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { openKube } from '../../src/kube/index.ts';
import { wordsOf } from '../../src/kube/network/words.ts';
import { callFor, faultOf, realClock } from '../engines/calls.ts';
import { at, type BothCluster, deskOf, itemsOf, SERVERS } from './both.ts';

const group = 'networking.k8s.io/v1';

describe.each(SERVERS)('network rules on $name', ({ skipped, open }) => {
  let cluster: BothCluster;
  let kube: Kube;
  let space = '';
  beforeAll(async () => {
    if (skipped !== null) return;
    cluster = await open();
    kube = openKube({ log: silentLog, clock: realClock });
  }, 120_000);
  afterAll(async () => {
    await kube?.close();
    await cluster?.close();
  });
  const desk = deskOf(
    () => cluster,
    () => space,
  );
  const test = (name: string, run: () => Promise<void>) =>
    it.skipIf(skipped !== null)(name, { timeout: 60_000 }, async () => {
      space = await cluster.namespace();
      await run();
    });

  const plan = (op: string, input: object) =>
    kube.plan(cluster.kubeconfig, { op, input: { namespace: space, ...input } }, callFor(15_000));
  const work = (op: string, input: object) =>
    kube.work(cluster.kubeconfig, { op, input: { namespace: space, ...input }, progress: {} }, callFor(15_000));
  const look = (args: Record<string, string>) =>
    kube.look(cluster.kubeconfig, 'network', { cluster: 'dev-1', ...args }, callFor(15_000));
  const policies = async () => itemsOf(await cluster.call('GET', desk.group(group, 'networkpolicies')));
  const names = async () => (await policies()).map((policy) => at(policy, 'metadata.name')).sort();
  const deny = { kind: 'deny', direction: 'both' };

  test('keeps everything out but names and what is let through, and says so', async () => {
    const rules = [deny, { kind: 'from', peer: 'same' }, { kind: 'to', peer: 'outside' }];
    const seen = await plan('network.set', { rules });
    expect(seen.facts).toEqual(
      expect.arrayContaining([
        { label: 'kqueen-deny', value: expect.stringMatching(/Lets into all pods: nothing.*UDP 53, TCP 53/) as string },
        { label: 'kqueen-from-same', value: 'Lets into all pods: all pods of this namespace.' },
        { label: 'kqueen-to-outside', value: 'Lets out of all pods: the internet.' },
      ]),
    );
    expect(seen.disturbs).toContain('is not let through by a rule');
    expect(await names()).toEqual([]);
    expect(await work('network.set', { rules })).toMatchObject({ state: 'done' });
    expect(await names()).toEqual(['kqueen-deny', 'kqueen-from-same', 'kqueen-to-outside', 'kqueen-to-same']);
    const [made] = await policies();
    expect(at(made, 'spec')).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      egress: [
        {
          ports: [
            { port: 53, protocol: 'UDP' },
            { port: 53, protocol: 'TCP' },
          ],
        },
      ],
    });
    // The same once more is no change, in the plan and in the cluster.
    expect((await plan('network.set', { rules })).nothing).toMatch(/has these rules already/);
    const before = (await policies()).map((policy) => at(policy, 'metadata.resourceVersion'));
    await work('network.set', { rules });
    expect((await policies()).map((policy) => at(policy, 'metadata.resourceVersion'))).toEqual(before);
  });

  test('turns back to keeping out only what comes in', async () => {
    await work('network.set', { rules: [deny] });
    const rules = [{ kind: 'deny', direction: 'in' }];
    expect((await plan('network.set', { rules })).nothing).toBeUndefined();
    await work('network.set', { rules });
    const [made] = await policies();
    expect(at(made, 'spec')).toEqual({ podSelector: {}, policyTypes: ['Ingress'] });
  });

  test('lets another namespace in by its name, and refuses one that is not there', async () => {
    const other = await cluster.namespace();
    await work('network.set', { rules: [{ kind: 'from', peer: other }] });
    const [made] = await policies();
    expect(at(made, 'spec.ingress.0.from.0')).toEqual({
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': other } },
    });
    const fault = await faultOf(plan('network.set', { rules: [{ kind: 'from', peer: 'no-such-place' }] }));
    expect(fault.message).toContain('no-such-place');
    expect(fault.next).toMatch(/same, ingress or outside/);
    expect((await faultOf(plan('network.set', { namespace: 'nowhere', rules: [deny] }))).message).toContain('nowhere');
  });

  test('lets pods of one namespace reach each other in both directions, where both are kept', async () => {
    await work('network.set', {
      rules: [
        { kind: 'deny', direction: 'in' },
        { kind: 'from', peer: 'same' },
      ],
    });
    expect(await names()).toEqual(['kqueen-deny', 'kqueen-from-same']);
    await work('network.set', { rules: [deny] });
    await work('network.set', { rules: [{ kind: 'from', peer: 'same' }] });
    expect(await names()).toEqual(['kqueen-deny', 'kqueen-from-same', 'kqueen-to-same']);
    const home = space;
    space = await cluster.namespace();
    const seen = await plan('network.set', { rules: [{ kind: 'from', peer: home }] });
    expect(seen.warnings.join(' ')).toContain(`The pods of ${home} are kept from reaching others`);
  });

  test('finds where traffic comes in, or says that there is nothing', async () => {
    const rules = [{ kind: 'from', peer: 'ingress' }];
    const none = await faultOf(plan('network.set', { rules }));
    expect(none.message).toMatch(/finds no ingress controller/);
    const home = await cluster.namespace();
    await cluster.call('POST', `/api/v1/namespaces/${home}/services`, {
      body: {
        metadata: { name: 'entry', labels: { 'app.kubernetes.io/name': 'traefik' } },
        spec: { type: 'LoadBalancer', selector: { app: 'x' }, ports: [{ name: 'web', port: 443, targetPort: 8443 }] },
      },
    });
    const seen = await plan('network.set', { rules });
    expect(seen.facts.at(-1)?.value).toBe(`Lets into all pods: all pods of namespace ${home}.`);
    await cluster.call('DELETE', `/api/v1/namespaces/${home}/services/entry`);
  });

  test('leaves the namespaces of the cluster itself alone', async () => {
    const fault = await faultOf(plan('network.set', { namespace: 'kube-system', rules: [deny] }));
    expect(fault).toMatchObject({ kind: 'bad-input', field: 'namespace' });
    expect(fault.message).toMatch(/lives by kube-system/);
  });

  test('lists them in words, with those of others, and removes its own alone', async () => {
    await desk.make(desk.group(group, 'networkpolicies'), {
      apiVersion: group,
      kind: 'NetworkPolicy',
      metadata: { name: 'theirs' },
      spec: {
        podSelector: { matchLabels: { app: 'db' } },
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 5432 }] }],
      },
    });
    await work('network.set', { rules: [deny, { kind: 'from', peer: 'same' }] });
    const listed = JSON.stringify(await look({ namespace: space }));
    expect(listed).toContain('Lets into pods with app=db: pods with app=web of this namespace on TCP 5432.');
    expect(listed).toContain('Not made by KQueen.');
    expect(listed).toContain(`network remove dev-1 ${space} kqueen-deny`);
    const one = await plan('network.remove', { name: 'kqueen-from-same' });
    expect(one.disturbs).toMatch(/kept out where another rule says so/);
    await work('network.remove', { name: 'kqueen-from-same' });
    expect(await names()).toEqual(['kqueen-deny', 'kqueen-to-same', 'theirs']);
    expect((await plan('network.remove', { name: 'theirs' })).nothing).toMatch(/KQueen has made no rule theirs/);
    await work('network.remove', {});
    expect(await names()).toEqual(['theirs']);
    expect((await plan('network.remove', {})).nothing).toMatch(/KQueen has made no rules/);
    expect(await work('network.remove', {})).toMatchObject({ state: 'done' });
  });

  test('says whether they have an effect: by the provider, by the agents, or that nobody can tell', async () => {
    const warnings = async (enforced?: string) =>
      (await plan('network.set', { rules: [deny], ...(enforced ? { enforced } : {}) })).warnings.join(' ');
    expect(await warnings('no')).toMatch(/does not enforce network policies: the rules are kept, and keep nothing out/);
    expect(await warnings('yes')).not.toMatch(/enforce/);
    expect(await warnings()).toMatch(/cannot tell whether/);
    const agent = (name: string) => ({
      metadata: { name },
      spec: {
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: { containers: [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }] },
        },
      },
    });
    await desk.make(desk.group('apps/v1', 'daemonsets'), agent('kube-flannel-ds'));
    expect(await warnings()).toMatch(/keep nothing out/);
    expect(JSON.stringify(await look({}))).toContain('does not enforce');
    await desk.make(desk.group('apps/v1', 'daemonsets'), agent('calico-node'));
    expect(await warnings()).not.toMatch(/enforce/);
    for (const name of ['kube-flannel-ds', 'calico-node']) {
      await cluster.call('DELETE', `${desk.group('apps/v1', 'daemonsets')}/${name}`);
    }
  });
});

describe('words', () => {
  it.each<[object, RegExp]>([
    [{ podSelector: {} }, /^Lets into all pods: nothing by itself\.$/],
    [{ podSelector: {}, ingress: [{}] }, /^Lets into all pods: everything\.$/],
    [
      {
        podSelector: { matchExpressions: [{ key: 'tier', operator: 'In', values: ['db', 'cache'] }] },
        policyTypes: ['Egress'],
        egress: [
          { to: [{ ipBlock: { cidr: '10.1.0.0/16', except: ['10.1.1.0/24'] } }], ports: [{ port: 80, endPort: 90 }] },
        ],
      },
      /^Lets out of pods with tier In db\|cache: 10\.1\.0\.0\/16 without 10\.1\.1\.0\/24 on TCP 80-90\.$/,
    ],
    [
      {
        podSelector: {},
        policyTypes: ['Ingress'],
        ingress: [
          { from: [{ namespaceSelector: {}, podSelector: { matchLabels: { a: 'b' } } }], ports: [{ protocol: 'UDP' }] },
        ],
      },
      /^Lets into all pods: pods with a=b of all namespaces on every UDP port\.$/,
    ],
  ])('of %j', (spec, says) => {
    expect(wordsOf({ spec }).join(' ')).toMatch(says);
  });

  it('never fail, whatever a policy holds', () => {
    fc.assert(
      fc.property(
        fc.object({ key: fc.constantFrom('spec', 'ingress', 'from', 'ports', 'podSelector', 'egress') }),
        (policy) => {
          for (const sentence of wordsOf(policy as Record<string, unknown>)) expect(sentence.length).toBeLessThan(400);
        },
      ),
    );
  });
});
