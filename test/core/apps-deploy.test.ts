import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AppStage, openAppStage, webYaml } from './apps-stage.ts';
import { people, words } from './stage.ts';

let on: AppStage;
beforeAll(async () => {
  on = await openAppStage();
});
afterAll(() => on.close());

const deployments = '/apis/apps/v1/namespaces/default/deployments';

describe('apps from manifests', () => {
  test('seeds 55, murano: createPod, createReplicationController: a plan by the server, a click, pods that run, a revision in the cluster', async () => {
    const { stage } = on;
    const form = await stage.say('grace', 'app deploy web-1');
    expect(form.form?.fields.map(({ key }) => key)).toContain('manifest');
    const plan = await stage.fill('grace', form, { manifest: webYaml() });
    expect(plan.card?.title).toBe('Deploy web to web-1?');
    expect(words(plan)).toMatch(/\+ Deployment default\/web: nginx:1.29; 2 pods/);
    expect(words(plan)).toMatch(/\+ Service default\/web: ClusterIP/);
    expect(words(plan)).toMatch(/2 new, 0 changed, 0 unchanged/);
    expect(await on.read(`${deployments}/web`)).toBeUndefined();
    await stage.press('grace', plan, 'Deploy it');
    const job = await on.ended();
    expect(job).toMatchObject({ state: 'Succeeded', work: { op: 'app.deploy' } });
    expect(job.work?.result).toContainEqual({ label: 'Endpoints', value: 'web.default:80 (inside the cluster)' });
    expect(await on.read(`${deployments}/web`)).toMatchObject({
      metadata: { labels: { 'kqueen/app': 'web' }, annotations: { 'kqueen/revision': '1' } },
      status: { availableReplicas: 2 },
    });
    expect(await on.read('/api/v1/namespaces/kqueen/secrets/kqueen-app-web-1')).toMatchObject({
      metadata: { labels: { 'kqueen/state': 'running' } },
    });
  });

  test('seeds 55: the same again is nothing to do; a change is shown field by field and the rest is counted', async () => {
    const { stage } = on;
    const form = await stage.say('grace', 'app deploy web-1 web');
    const same = await stage.fill('grace', form, { manifest: webYaml() });
    expect(words(same)).toMatch(/App web is like this already, at revision 1/);
    const plan = await stage.fill('grace', form, { manifest: webYaml({ image: 'nginx:1.30', replicas: 3 }) });
    expect(words(plan)).toMatch(/~ spec\.replicas: 2 → 3/);
    expect(words(plan)).toMatch(/~ spec\.template\.spec\.containers\[main\]\.image: nginx:1\.29 → nginx:1\.30/);
    expect(words(plan)).toMatch(/= 1 object unchanged/);
    expect(words(plan)).toMatch(/Nobody, as long as the other pods|Whoever uses/);
    await stage.press('grace', plan, 'Deploy it');
    expect(await on.ended()).toMatchObject({ state: 'Succeeded' });
    expect(await on.read(`${deployments}/web`)).toMatchObject({ spec: { replicas: 3 } });
  });

  test('seeds 64: prune removes what was deployed under that app and is no more in it, and nothing else', async () => {
    await on.api('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'mine' }, data: { a: 'b' } });
    const { stage } = on;
    const form = await stage.say('grace', 'app deploy web-1 web');
    const plan = await stage.fill('grace', form, {
      manifest: webYaml({ image: 'nginx:1.30', replicas: 3, service: false }),
    });
    expect(words(plan)).toMatch(/- Service default\/web/);
    await stage.press('grace', plan, 'Deploy it');
    expect(await on.ended()).toMatchObject({ state: 'Succeeded' });
    expect(await on.read('/api/v1/namespaces/default/services/web')).toBeUndefined();
    expect(await on.read('/api/v1/namespaces/default/configmaps/mine')).toBeDefined();
  });

  test('seeds 64, murano: deleteReplicationController, deleteServices: delete lists the objects and removes those alone', async () => {
    const { stage } = on;
    const plan = await stage.say('grace', 'app delete web-1 web');
    expect(words(plan)).toMatch(/- Deployment default\/web/);
    await stage.press('grace', plan, 'Delete it');
    expect(await on.ended()).toMatchObject({ state: 'Succeeded' });
    expect(await on.read(`${deployments}/web`)).toBeUndefined();
    expect(await on.read('/api/v1/namespaces/default/configmaps/mine')).toBeDefined();
    expect(await on.read('/api/v1/namespaces/kqueen/secrets/kqueen-app-web-1')).toBeUndefined();
    expect(words(await stage.say('grace', 'app delete web-1 web'))).toMatch(/KQueen has deployed no app web/);
  });
});

/** Changes the record of the cluster, as another command has done it. */
async function changed(part: { purpose?: string; owner?: string }): Promise<void> {
  const cluster = await on.stage.cluster('web-1');
  if (!cluster) throw new Error('no cluster');
  await on.stage.put({
    op: 'put',
    ref: { kind: 'cluster', org: cluster.org, id: cluster.id },
    record: { ...cluster, ...part },
  });
}

describe('who may', () => {
  test('on a production cluster an admin decides on the very manifests that were asked for', async () => {
    const { stage } = on;
    await changed({ purpose: 'production' });
    const asked = await stage.fill('grace', await stage.say('grace', 'app deploy web-1 prod'), {
      manifest: webYaml({ name: 'prod' }),
    });
    expect(words(asked)).toMatch(/an admin decides|asked for/);
    const job = await stage.lastJob();
    expect(job).toMatchObject({ state: 'AwaitingApproval', work: { op: 'app.deploy' } });
    expect(await on.read(`${deployments}/prod`)).toBeUndefined();
    const agreed = await stage.say('anna', `approve ${job.id}`);
    expect(words(agreed)).not.toMatch(/has changed/);
    expect(await on.ended()).toMatchObject({ state: 'Succeeded' });
    expect(await on.read(`${deployments}/prod`)).toBeDefined();
    await changed({ purpose: 'development' });
  });

  test('seeds 57: nobody deploys what another has pasted, and members allow no privileges', async () => {
    const { stage } = on;
    const plan = await stage.fill('grace', await stage.say('grace', 'app deploy web-1'), {
      manifest: webYaml({ name: 'hers' }),
    });
    const line = plan.card?.buttons.find(({ label }) => label === 'Deploy it')?.command ?? '';
    expect(words(await stage.say('anna', line, { source: 'button' }))).toMatch(/is not kept any more/);
    expect(words(await stage.say('mel', 'app deploy web-1 x'))).toMatch(/Only its owner or an admin/);
    await changed({ owner: people.dev.id });
    const own = await stage.say('dev', 'app deploy web-1 allow=privileged');
    expect(words(await stage.fill('dev', own, { manifest: webYaml({ name: 'his' }), allow: 'privileged' }))).toMatch(
      /Only an admin allows/,
    );
    await changed({ owner: people.grace.id });
  });

  test('seeds 55: broken YAML is said at its field with line and column, and what was written stays', async () => {
    const { stage } = on;
    const answer = await stage.fill('grace', await stage.say('grace', 'app deploy web-1 broken'), {
      manifest: 'kind: [',
    });
    expect(answer.problems).toMatchObject([
      { field: 'manifest', message: expect.stringMatching(/broken at line 1, column \d+/) as string },
    ]);
    expect(words(await stage.fill('grace', await stage.say('grace', 'app deploy web-1 broken'), {}))).toMatch(
      /Give manifests, or their address/,
    );
  });

  test('a Secret in manifests is kept sealed, and is in no message, record or log', async () => {
    const { stage } = on;
    const secret = `canary-${Math.random().toString(36).slice(2)}`;
    const manifest = `apiVersion: v1\nkind: Secret\nmetadata: {name: canary}\nstringData:\n  password: ${secret}\n`;
    const plan = await stage.fill('grace', await stage.say('grace', 'app deploy web-1'), { manifest });
    expect(words(plan)).toMatch(/Secret default\/canary: 1 value, not shown/);
    await stage.press('grace', plan, 'Deploy it');
    const job = await on.ended();
    expect(job.state).toBe('Succeeded');
    expect(JSON.stringify([job, plan, stage.told, stage.log])).not.toContain(secret);
    expect(stage.onDisk(secret)).toBe(false);
  });
});
