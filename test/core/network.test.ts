/** Network rules as a person asks for them, from the plan to the objects in a sandbox cluster. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { apiOf } from '../kube/sandbox-cluster.ts';
import { eventually } from '../servers.ts';
import { openStage, type Stage, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;
let api: ReturnType<typeof apiOf>;

beforeAll(async () => {
  provider = await startSandboxProvider(200);
  stage = await openStage({ provider, worker: true });
  const wish = 'cluster create net-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=2';
  await stage.press('grace', await stage.say('grace', wish), 'Create it');
  const ready = await eventually('net-1 is ready', async () => {
    const found = await stage.cluster('net-1');
    return found?.phase === 'Ready' ? found : null;
  });
  api = apiOf(String(await provider.ask('GET', `/v1/clusters/${ready.externalName}/kubeconfig`)));
  await api.api('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
}, 60_000);
afterAll(async () => {
  await api.close();
  await stage.close();
  await provider.stop();
});

const path = '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies';
const names = async () => {
  const { body } = await api.api('GET', path);
  return (body as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name).sort();
};
const ended = () =>
  eventually('the job ends', async () => {
    const job = await stage.lastJob();
    return job.endedAt === undefined ? null : job;
  });

describe('network rules', { timeout: 60_000 }, () => {
  test('deny, with what is let through all the same, says that nothing is enforced yet', async () => {
    const plan = await stage.say('grace', 'network deny net-1 shop from=same to=outside');
    expect(plan.card?.title).toBe('Keep out of shop in net-1?');
    expect(words(plan)).toMatch(/does not enforce network policies/);
    expect(words(plan)).toMatch(/Lets out of all pods: the internet/);
    await stage.press('grace', plan, 'Keep out');
    const job = await ended();
    expect(job).toMatchObject({ state: 'Succeeded', kind: 'cluster.work', work: { op: 'network.set' } });
    expect(await names()).toEqual(['kqueen-deny', 'kqueen-from-same', 'kqueen-to-outside', 'kqueen-to-same']);
    expect((await stage.audit()).map(({ action, outcome }) => `${action} ${outcome}`)).toContain('network.set done');
    expect(words(await stage.say('grace', 'network deny net-1 shop from=same to=outside'))).toContain(
      'Nothing to change',
    );
  });

  test('the list has them in words, and buttons for those who may', async () => {
    const list = await stage.say('grace', 'network list net-1 shop');
    expect(list.card?.title).toBe('4 network policies of namespace shop in net-1');
    expect(words(list)).toContain('Lets into all pods: all pods of this namespace.');
    expect(words(list)).toContain('network remove net-1 shop kqueen-from-same');
    expect(list.card?.buttons.map(({ label }) => label)).toEqual(['Enforce them', 'Keep out']);
    const member = await stage.say('mel', 'network list net-1');
    expect(words(member)).toContain('Lets into all pods');
    expect(words(member)).not.toContain('network remove');
    expect(words(await stage.say('mel', 'network deny net-1 shop'))).toMatch(/Only its owner or an admin/);
  });

  test('allow asks for what is missing, and adds to what is there', async () => {
    const form = await stage.say('grace', 'network allow net-1 shop');
    expect(form.form?.fields.map(({ key }) => key)).toEqual(['from', 'to']);
    const plan = await stage.fill('grace', form, { from: 'default' });
    expect(words(plan)).toContain('Lets into all pods: all pods of namespace default.');
    await stage.press('grace', plan, 'Let through');
    expect(await ended()).toMatchObject({ state: 'Succeeded' });
    expect(await names()).toContain('kqueen-from-default');
    expect(words(await stage.say('grace', 'network allow net-1 shop from=ingress'))).toMatch(/no ingress controller/);
    expect(words(await stage.say('grace', 'network allow net-1 shop from=Not_A_Name'))).toMatch(/Write up to eight/);
    expect(words(await stage.say('grace', 'network allow net-1 nowhere from=same'))).toMatch(/no namespace nowhere/);
  });

  test('once they are enforced nothing warns of it, and removing them ends it', async () => {
    await stage.press('grace', await stage.say('grace', 'cluster netpol net-1 on'), 'Change it');
    expect(await ended()).toMatchObject({ state: 'Succeeded', kind: 'cluster.netpol' });
    await eventually('the cluster is free', async () => (await stage.cluster('net-1'))?.openJob === undefined);
    expect(words(await stage.say('grace', 'network list net-1 shop'))).toContain('The cluster enforces them.');
    const plan = await stage.say('grace', 'network remove net-1 shop');
    expect(words(plan)).toContain('kqueen-deny');
    await stage.press('grace', plan, 'Remove them');
    expect(await ended()).toMatchObject({ state: 'Succeeded', work: { op: 'network.remove' } });
    expect(await names()).toEqual([]);
    expect(words(await stage.say('grace', 'network list net-1 shop'))).toContain('Every pod may talk to every other.');
  });
});
