import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { apiOf } from '../kube/sandbox-cluster.ts';
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
  const wish = 'cluster create web-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=2';
  await stage.press('grace', await stage.say('grace', wish), 'Create it');
  const ready = await eventually('web-1 is ready', async () => {
    const found = await stage.cluster('web-1');
    return found?.phase === 'Ready' ? found : null;
  });
  api = apiOf(String(await provider.ask('GET', `/v1/clusters/${ready.externalName}/kubeconfig`)));
});
afterEach(async () => {
  await api.close();
  await stage.close();
});

async function deploy(name: string, replicas: number): Promise<void> {
  const { status } = await api.api('POST', '/apis/apps/v1/namespaces/default/deployments', {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name, image: 'nginx:1.29' }] } },
    },
  });
  expect(status).toBe(201);
  await eventually(`${name} is available`, async () => {
    const { body } = await api.api('GET', `/apis/apps/v1/namespaces/default/deployments/${name}`);
    return (body as { status?: { availableReplicas?: number } }).status?.availableReplicas === replicas;
  });
}

async function podsOf(name: string): Promise<string[]> {
  const { body } = await api.api('GET', `/api/v1/namespaces/default/pods?labelSelector=app%3D${name}`);
  return (body as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
}

const ended = () =>
  eventually('the job ends', async () => {
    const job = await stage.lastJob();
    return job.endedAt === undefined ? null : job;
  });

describe('work in a cluster, from chat to its pods', () => {
  test('seeds 63, murano: restartContainers: plan, click, one job that holds the cluster, new pods, an audit under its own name', async () => {
    await deploy('web', 3);
    const before = await podsOf('web');
    const plan = await stage.say('grace', 'app restart web-1 web');
    expect(plan.card?.title).toBe('Restart web in web-1?');
    expect(words(plan)).toMatch(/Nobody, as long as its other pods/);
    await stage.press('grace', plan, 'Restart it');
    const job = await ended();
    expect(job).toMatchObject({ state: 'Succeeded', kind: 'cluster.work', work: { op: 'app.restart' } });
    expect(job.note).toMatch(/All 3 pods of web are new/);
    const after = await podsOf('web');
    expect(after.filter((name) => before.includes(name))).toEqual([]);
    expect(await stage.cluster('web-1')).toMatchObject({ phase: 'Ready' });
    expect((await stage.cluster('web-1'))?.openJob).toBeUndefined();
    expect((await stage.audit()).map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(
      expect.arrayContaining(['app.restart requested', 'app.restart done']),
    );
    // The same click again finds that it was done, and restarts nothing a second time.
    await stage.press('grace', plan, 'Restart it');
    await ended();
    expect(await podsOf('web')).toEqual(after);
  });

  test('what is not there is said, and nothing is begun', async () => {
    const jobs = (await stage.lastJob()).id;
    expect(words(await stage.say('grace', 'app restart web-1 nothing'))).toMatch(
      /nothing.*not found|no such|not found/i,
    );
    expect((await stage.lastJob()).id).toBe(jobs);
    expect(words(await stage.say('grace', 'app restart web-1 Bad_Name'))).toMatch(/Use the name of a Deployment/);
    expect(words(await stage.say('mel', 'app restart web-1 web'))).toMatch(/Only its owner or an admin/);
  });

  test('a plan whose world has moved is shown anew instead of done', async () => {
    await deploy('moved', 1);
    const plan = await stage.say('grace', 'app restart web-1 moved');
    expect(words(plan)).toMatch(/one pod only/);
    await api.api(
      'PATCH',
      '/apis/apps/v1/namespaces/default/deployments/moved',
      { spec: { replicas: 2 } },
      'application/merge-patch+json',
    );
    const again = await stage.press('grace', plan, 'Restart it');
    expect(again.card?.title).toMatch(/the plan has changed/);
    expect((await stage.lastJob()).kind).toBe('cluster.create');
  });
});
