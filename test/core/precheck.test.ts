/** The pre-checks of an upgrade from chat: alone, in its plan, and when the cluster does not answer. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Outbound } from '../../src/bot/inbound.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { apiOf, deployment } from '../kube/sandbox-cluster.ts';
import { eventually } from '../servers.ts';
import { openStage, type Stage, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;
let api: ReturnType<typeof apiOf>;

beforeAll(async () => {
  provider = await startSandboxProvider(200);
});
afterAll(() => provider.stop());
beforeEach(async () => {
  stage = await openStage({ provider, worker: true });
  const wish = 'cluster create old-1 on sandbox region=sandbox-north version=1.33.6 size=small nodes=2';
  await stage.press('grace', await stage.say('grace', wish), 'Create it');
  const ready = await eventually('old-1 is ready', async () => {
    const found = await stage.cluster('old-1');
    return found?.phase === 'Ready' ? found : null;
  });
  api = apiOf(String(await provider.ask('GET', `/v1/clusters/${ready.externalName}/kubeconfig`)));
  await api.api('POST', '/apis/apps/v1/namespaces/default/deployments', deployment('web', 'nginx:1.29'));
  await api.api('POST', '/apis/policy/v1/namespaces/default/poddisruptionbudgets', {
    metadata: { name: 'web' },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
  });
  await eventually('the budget counts its pod', async () => {
    const { body } = await api.api('GET', '/apis/policy/v1/namespaces/default/poddisruptionbudgets/web');
    return (body as { status?: { expectedPods?: number } }).status?.expectedPods === 1;
  });
});
afterEach(async () => {
  await api.close();
  await stage.close();
});

/** The answer itself, where the first one only says that it takes longer. */
async function said(line: string, who: 'grace' | 'mel' = 'grace'): Promise<Outbound> {
  const before = stage.told.length;
  const answer = await stage.say(who, line);
  if (answer.card?.title !== 'Still working') return answer;
  return (await eventually('the answer', () => stage.told[before])).answer;
}

describe('an upgrade, looked at before', () => {
  test('seeds 41: the plan names what is in the way, what was looked at and what was not seen, and still can be done', async () => {
    const plan = await said('cluster upgrade old-1 version=1.34');
    const text = words(plan);
    expect(text).toMatch(/Careful\*: PodDisruptionBudget default\/web: it lets no pod go/);
    expect(text).toMatch(/Pre-checks.*\d looks into the cluster: 1 in the way/);
    expect(text).toMatch(/It cannot see clients that have not called/);
    expect(text).not.toMatch(/\bsafe\b/i);
    await stage.press('grace', plan, 'Upgrade it');
    const job = await eventually('the upgrade ends', async () => {
      const last = await stage.lastJob();
      return last.endedAt === undefined ? null : last;
    });
    // The record of the job keeps what was known when it was asked for.
    expect(job).toMatchObject({ kind: 'cluster.upgrade', state: 'Succeeded' });
    expect(job.plan.warnings?.join()).toMatch(/PodDisruptionBudget default\/web/);
  });

  test('alone, with the way to the upgrade for those who may', async () => {
    const seen = await said('cluster precheck old-1 1.34');
    expect(seen.card?.title).toBe('1 thing in the way of an upgrade to 1.34 in old-1');
    expect(seen.card?.tone).toBe('warn');
    expect(seen.card?.buttons.map(({ label }) => label)).toEqual(['Look again', 'Check', 'Upgrade']);
    const other = await said('cluster precheck old-1', 'mel');
    expect(other.card?.buttons.map(({ label }) => label)).toEqual(['Look again', 'Check']);
    expect(words(await said('cluster precheck old-1 newest'))).toMatch(/Write a version/);
  });

  test('a cluster that cannot be looked into is said so in the plan', async () => {
    const cluster = await stage.cluster('old-1');
    if (!cluster) throw new Error('no cluster');
    const secret = { kind: 'secret', org: cluster.org, id: `kubeconfig.${cluster.id}` } as const;
    const held = await stage.opened.store.get(secret);
    await stage.put({ op: 'delete', ref: secret, if: held?.revision ?? 0 });
    const plan = await said('cluster upgrade old-1 version=1.34');
    expect(words(plan)).toMatch(/None could be taken/);
    expect(words(plan)).toMatch(/Careful\*: KQueen could not look into the cluster: /);
    expect(plan.card?.buttons[0]?.label).toBe('Upgrade it');
  });
});
