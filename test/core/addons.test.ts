import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AppStage, openAppStage } from './apps-stage.ts';
import { words } from './stage.ts';

let play: AppStage;

beforeAll(async () => {
  play = await openAppStage();
});
afterAll(() => play.close());

const metrics = '/apis/apps/v1/namespaces/kube-system/deployments/metrics-server';
const metadataOf = (object: Record<string, unknown> | undefined) =>
  (object?.metadata ?? {}) as { labels?: Record<string, string>; annotations?: Record<string, string> };

describe('add-ons from chat', () => {
  test('the list shows what can be had, and that nothing is on', async () => {
    const list = await play.stage.say('grace', 'addons web-1');
    expect(list.card?.title).toMatch(/add-ons? in web-1/);
    expect(words(list)).toMatch(/metrics-server.*off; 0\.8\.1 can be had/);
    expect(words(list)).toMatch(/Traefik/);
  });

  test('seeds 49: enable applies and annotates, a second enable changes nothing, disable removes', async () => {
    const { stage } = play;
    const plan = await stage.say('grace', 'addon enable web-1 metrics-server');
    expect(plan.card?.title).toBe('Turn on metrics-server in web-1?');
    expect(words(plan)).toMatch(/\+ Deployment kube-system\/metrics-server/);
    await stage.press('grace', plan, 'Turn it on');
    const job = await play.ended();
    expect(job, JSON.stringify(job.failure)).toMatchObject({ state: 'Succeeded', work: { op: 'addon.change' } });
    const deployed = metadataOf(await play.read(metrics));
    expect(deployed.labels).toMatchObject({ 'kqueen/addon': 'metrics-server' });
    const service = metadataOf(await play.read('/api/v1/namespaces/kube-system/services/metrics-server'));
    expect(service.annotations).toMatchObject({ 'kqueen/name': 'metrics-server', 'kqueen/tag': 'metrics' });
    const again = await stage.say('grace', 'addon enable web-1 metrics-server');
    expect(words(again)).toMatch(/is on already, and nothing of it differs/);
    expect(again.card?.buttons).toEqual([]);
    expect(words(await stage.say('grace', 'addon show web-1 metrics-server'))).toMatch(/1 of 1 ready/);
    expect(words(await stage.say('grace', 'app list web-1'))).not.toMatch(/addon\./);
    const off = await stage.say('grace', 'addon disable web-1 metrics-server');
    expect(words(off)).toMatch(/- Deployment kube-system\/metrics-server/);
    await stage.press('grace', off, 'Turn it off');
    expect(await play.ended()).toMatchObject({ state: 'Succeeded' });
    expect(await play.read(metrics)).toBeUndefined();
    expect(words(await stage.say('grace', 'addon disable web-1 metrics-server'))).toMatch(/is not on/);
  });
});
