import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AppStage, openAppStage, webYaml } from './apps-stage.ts';
import { words } from './stage.ts';

let on: AppStage;
beforeAll(async () => {
  on = await openAppStage();
});
afterAll(() => on.close());

const deployments = '/apis/apps/v1/namespaces/default/deployments';

describe('apps from manifests', () => {
  test('createPod, createReplicationController: a plan by the server, a click, pods that run, a revision in the cluster', async () => {
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

  test('the same again is nothing to do; a change is shown field by field and the rest is counted', async () => {
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

  test('prune removes what was deployed under that app and is no more in it, and nothing else', async () => {
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

  test('deleteReplicationController, deleteServices: delete lists the objects and removes those alone', async () => {
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
