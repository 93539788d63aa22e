import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jobCard } from '../../src/core/views/job.ts';
import { type AppStage, openAppStage, webYaml } from './apps-stage.ts';
import { words } from './stage.ts';

let on: AppStage;
beforeAll(async () => {
  on = await openAppStage();
  expect(await on.deploy('grace', 'app deploy web-1 web', webYaml())).toMatchObject({ state: 'Succeeded' });
}, 60_000);
afterAll(() => on.close());

const path = '/apis/apps/v1/namespaces/default/deployments/web';

async function done(line: string, label: string): Promise<Awaited<ReturnType<AppStage['ended']>>> {
  const plan = await on.stage.say('grace', line);
  if (!plan.card?.buttons.some((each) => each.label === label)) throw new Error(words(plan));
  await on.stage.press('grace', plan, label);
  return on.ended();
}

async function podUids(): Promise<string[]> {
  const { body } = await on.api('GET', '/api/v1/namespaces/default/pods?labelSelector=app%3Dweb');
  return (body as { items: { metadata: { uid: string; deletionTimestamp?: string } }[] }).items.map(
    ({ metadata }) => metadata.uid,
  );
}

describe('apps that run', () => {
  test('seeds 62, murano: scalePodUp, scalePodDown, scaleRc: exact numbers by the scale, one more and one less as absolute lines', async () => {
    const shown = await on.stage.say('mel', 'app show web-1 web');
    const text = words(shown);
    expect(text).toContain('app scale web-1 web 3 workload=Deployment/web');
    expect(text).toContain('app scale web-1 web 1 workload=Deployment/web');
    const job = await done('app scale web-1 web 3', 'Scale it');
    expect(job).toMatchObject({ state: 'Succeeded' });
    expect(job.note).toMatch(/Deployment default\/web has 3 pods/);
    expect(await on.read(path)).toMatchObject({ spec: { replicas: 3 }, status: { availableReplicas: 3 } });
    expect(words(await on.stage.say('grace', 'app scale web-1 web 3'))).toMatch(/has 3 pods already/);
    expect(words(await on.stage.say('grace', 'app scale web-1 web -1'))).toMatch(/At least 0 pods/);
    expect((await done('app scale web-1 web 2', 'Scale it')).state).toBe('Succeeded');
  });

  test('seeds 59, murano: serviceEndpoints: app show lists address, protocol and from where, and members may look', async () => {
    const text = words(await on.stage.say('mel', 'app show web-1 web'));
    expect(text).toContain('web.default:80');
    expect(text).toContain('inside the cluster');
    const list = words(await on.stage.say('mel', 'apps web-1'));
    expect(list).toMatch(/\*web\*: 2 of 2 pods ready, in default, revision 1/);
    expect(words(await on.stage.say('mel', 'app scale web-1 web 5'))).toMatch(/Only its owner or an admin/);
  });

  test('seeds 60, murano: rolling updates: another image is a new revision, watched to the end', async () => {
    const plan = await on.stage.say('grace', 'app update web-1 web nginx:1.30');
    expect(words(plan)).toMatch(/containers\[main\]\.image: nginx:1\.29 → nginx:1\.30/);
    await on.stage.press('grace', plan, 'Update it');
    expect((await on.ended()).state).toBe('Succeeded');
    expect(await on.read(path)).toMatchObject({
      metadata: { annotations: { 'kqueen/revision': '2' } },
      spec: { template: { spec: { containers: [{ image: 'nginx:1.30' }] } } },
    });
  });

  test('seeds 60, seeds 61, murano: rollback: a deadline that is missed fails with the reasons of the pods, and the card offers the way back', async () => {
    const job = await done('app update web-1 web x/badimage:1', 'Update it');
    expect(job.state).toBe('Failed');
    expect(job.note).toMatch(/web does not get ready/);
    expect(job.note).toMatch(/ImagePullBackOff|ErrImagePull/);
    const card = jobCard(job, { now: Date.now() });
    const button = card.buttons.find(({ label }) => label === 'Rollback');
    expect(button?.command).toBe('app rollback web-1 web');
    const plan = await on.stage.say('grace', button?.command ?? '', { source: 'button' });
    expect(words(plan)).toMatch(/Back to.*revision 2, by Grace/);
    await on.stage.press('grace', plan, 'Roll it back');
    expect((await on.ended()).state).toBe('Succeeded');
    expect(await on.read(path)).toMatchObject({
      spec: { template: { spec: { containers: [{ image: 'nginx:1.30' }] } } },
      status: { availableReplicas: 2 },
    });
    const first = await done('app rollback web-1 web to 1', 'Roll it back');
    expect(first.state).toBe('Succeeded');
    expect(await on.read(path)).toMatchObject({
      spec: { template: { spec: { containers: [{ image: 'nginx:1.29' }] } } },
    });
    expect(words(await on.stage.say('grace', 'app rollback web-1 web to 99'))).toMatch(
      /Revision 99 of web is not kept/,
    );
  });

  test('a crash says its last log lines', async () => {
    const job = await done('app update web-1 web x/crash:1', 'Update it');
    expect(job.state).toBe('Failed');
    expect(job.note).toMatch(/CrashLoopBackOff/);
    expect((await done('app rollback web-1 web', 'Roll it back')).state).toBe('Succeeded');
  });

  test('seeds 61, murano: pause and resume a rollout', async () => {
    expect((await done('app pause web-1 web', 'Pause it')).state).toBe('Succeeded');
    expect(await on.read(path)).toMatchObject({ spec: { paused: true } });
    expect(words(await on.stage.say('grace', 'app pause web-1 web'))).toMatch(/is paused already/);
    expect((await done('app resume web-1 web', 'Resume it')).state).toBe('Succeeded');
    expect((await on.read(path))?.spec).not.toHaveProperty('paused', true);
  });

  test('seeds 63, murano: recreatePod, deletePods: all pods are deleted by the selector, and new ones come', async () => {
    const before = await podUids();
    const plan = await on.stage.say('grace', 'app recreate web-1 web');
    expect(words(plan)).toMatch(/2, all at once/);
    await on.stage.press('grace', plan, 'Recreate them');
    expect((await on.ended()).state).toBe('Succeeded');
    const after = await podUids();
    expect(after.length).toBe(2);
    expect(after.filter((uid) => before.includes(uid))).toEqual([]);
  });

  test('murano: createService: expose is one Service, and the same again is nothing', async () => {
    expect(words(await on.stage.say('grace', 'app expose web-1 web'))).toMatch(/does not say which ports/);
    const job = await done('app expose web-1 web publish=nodes ports=80:8080', 'Expose it');
    expect(job.state).toBe('Succeeded');
    expect(await on.read('/api/v1/namespaces/default/services/web-nodes')).toMatchObject({
      spec: { type: 'NodePort', ports: [{ port: 80, targetPort: 8080 }] },
    });
    expect(words(await on.stage.say('grace', 'app expose web-1 web publish=nodes ports=80:8080'))).toMatch(
      /is like this already/,
    );
    expect(words(await on.stage.say('mel', 'app show web-1 web'))).toMatch(/on every node/);
  });

  test('seeds 60: a deadline of its own is said with what the scheduler says; a retry goes on with the same revision', async () => {
    const { stage } = on;
    const form = await stage.say('grace', 'app deploy web-1 slow within=1s');
    const plan = await stage.fill('grace', form, {
      manifest: webYaml({ name: 'slow', image: 'x/pending:1', replicas: 1 }),
    });
    await stage.press('grace', plan, 'Deploy it');
    const job = await on.ended();
    expect(job.state).toBe('Failed');
    expect(job.note).toMatch(/slow does not get ready.*0 of 1 ready\. .*Pending/);
    expect(jobCard(job, { now: Date.now() }).buttons.map(({ label }) => label)).not.toContain('Rollback');
    await stage.say('grace', `job retry ${job.id}`);
    const again = await on.ended();
    expect(again).toMatchObject({ state: 'Failed', retryOf: job.id });
    expect(await on.read('/api/v1/namespaces/kqueen/secrets/kqueen-app-slow-2')).toBeUndefined();
    const shown = words(await stage.say('mel', 'app show web-1 slow'));
    expect(shown).toMatch(/0 of 1 ready/);
    expect(shown).toMatch(/Pending/);
  });

  test('a quota that refuses pods is said in its own words', async () => {
    await on.api('POST', '/api/v1/namespaces', { metadata: { name: 'tight' } });
    await on.api('POST', '/api/v1/namespaces/tight/resourcequotas', {
      metadata: { name: 'few' },
      spec: { hard: { pods: '1' } },
    });
    const { stage } = on;
    const form = await stage.say('grace', 'app deploy web-1 crowd namespace=tight within=2s');
    const plan = await stage.fill('grace', form, { manifest: webYaml({ name: 'crowd', replicas: 2 }) });
    await stage.press('grace', plan, 'Deploy it');
    const job = await on.ended();
    expect(job.state).toBe('Failed');
    expect(job.note).toMatch(/1 of 2 ready\..*exceeded quota: few/);
  });
});
