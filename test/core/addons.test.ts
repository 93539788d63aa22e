import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AddonSource, map, openAddonSource, sha256 } from '../addons/source.ts';
import { type AppStage, openAppStage, webYaml } from './apps-stage.ts';
import { org, words } from './stage.ts';

let play: AppStage;
let source: AddonSource;

beforeAll(async () => {
  source = await openAddonSource();
  play = await openAppStage({ apps: source.access });
});
afterAll(async () => {
  await play.close();
  await source.close();
});

/** Turns something and waits for the end of its job. */
async function turn(line: string, button: string) {
  const plan = await play.stage.say('grace', line);
  await play.stage.press('grace', plan, button);
  const job = await play.ended();
  expect(job, JSON.stringify(job.failure)).toMatchObject({ state: 'Succeeded' });
  return { plan, job };
}

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

  test('seeds 49, Murano enableDashboard and exposeCAdvisor: boxes to tick, one plan and one job for all of them', async () => {
    const { stage } = play;
    const form = await stage.say('grace', 'addon enable web-1');
    const boxes = form.form?.fields.filter(({ kind }) => kind === 'toggle') ?? [];
    expect(boxes.map(({ key }) => key)).toEqual(expect.arrayContaining(['metrics-server', 'traefik', 'headlamp']));
    expect(boxes.every(({ key, value }) => key.startsWith('provider-') || value === 'false')).toBe(true);
    const same = await stage.fill('grace', form, {});
    expect(words(same)).toMatch(/like this already/);
    const plan = await stage.fill('grace', form, { 'metrics-server': 'true', headlamp: 'true' });
    expect(plan.card?.title).toBe('Change 2 add-ons of web-1?');
    expect(words(plan)).toMatch(/# metrics-server.*# Headlamp/);
    await stage.press('grace', plan, 'Change them');
    const job = await play.ended();
    expect(job, JSON.stringify(job.failure)).toMatchObject({ state: 'Succeeded' });
    expect(job.steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'Turn on metrics-server done',
      'Turn on Headlamp done',
    ]);
    const dashboard = metadataOf(await play.read('/api/v1/namespaces/headlamp/services/headlamp'));
    expect(dashboard.annotations).toMatchObject({ 'kqueen/name': 'Headlamp', 'kqueen/tag': 'dashboard' });
    const again = await stage.say('grace', 'addon choose web-1');
    expect(again.form?.fields.find(({ key }) => key === 'headlamp')?.value).toBe('true');
    const off = await stage.fill('grace', again, { 'metrics-server': 'false', headlamp: 'false' });
    await stage.press('grace', off, 'Change them');
    expect(await play.ended()).toMatchObject({ state: 'Succeeded' });
    expect(await play.read(metrics)).toBeUndefined();
  });

  test("seeds 49: the provider's add-ons are in the same list, and are turned through the engine", async () => {
    const { stage } = play;
    const list = await stage.say('grace', 'addon list web-1');
    expect(words(list)).toMatch(/Of the provider/);
    const name = /provider-[a-z0-9-]+/.exec(words(list))?.[0] ?? '';
    const turns = list.card?.parts.flatMap((part) => (part.part === 'rows' ? part.rows : [])) ?? [];
    const row = turns.find(({ note }) => note?.startsWith(name));
    const wasOn = /: on,/.test(row?.text ?? '');
    const [verb, button] = wasOn ? ['disable', 'Turn it off'] : ['enable', 'Turn it on'];
    await turn(`addon ${verb} web-1 ${name}`, button);
    const after = await stage.say('grace', `addon show web-1 ${name}`);
    expect(after.card?.text).toMatch(wasOn ? /is off/ : /is on/);
    expect(words(await stage.say('grace', `addon ${verb} web-1 ${name}`))).toMatch(/already, at the provider/);
  });

  test('an owner who is no admin asks for what reaches over the whole cluster; what does not, they do themselves', async () => {
    const { stage } = play;
    const found = await stage.cluster('web-1');
    if (!found) throw new Error('no cluster');
    const ref = { kind: 'cluster' as const, org, id: found.id };
    await stage.put({ op: 'put', ref, record: { ...found, owner: 'slack:T1:dev', ownerName: 'Dev', purpose: 'test' } });
    const own = await stage.say('dev', 'addon enable web-1 headlamp');
    expect(words(own)).toMatch(/Not needed/);
    const asked = await stage.say('dev', 'addon enable web-1 traefik');
    expect(words(asked)).toMatch(/is asked for; an admin decides/);
    const job = await stage.lastJob();
    expect(job).toMatchObject({ state: 'AwaitingApproval', plan: { approval: { needed: true } } });
    expect(job.plan.approval.why).toMatch(/Traefik reaches over the whole cluster/);
    expect(job.plan.warnings?.join()).toMatch(/ClusterRole kqueen-traefik may read all Secrets/);
    expect(words(await stage.say('dev', `approve ${job.id}`))).toMatch(/needs the role admin/);
    await stage.say('anna', `approve ${job.id}`);
    expect(await play.ended()).toMatchObject({ state: 'Succeeded', requesterName: 'Dev' });
    await turn('addon disable web-1 traefik data=yes', 'Turn it off');
  });

  test('a hash that nobody has vouched for is in the plan and kept by the click; another file is refused from then on', async () => {
    const { stage } = play;
    source.files.set('/fresh.yaml', map('fresh'));
    source.files.set('/late.yaml', map('late'));
    source.describe('fresh', { url: source.url('fresh.yaml'), about: 'Ours' });
    const { plan } = await turn('addon enable web-1 fresh', 'Turn it on');
    expect(words(plan)).toContain(`Its SHA-256 is ${sha256(map('fresh'))}`);
    const pins = await stage.opened.store.page('addonPin', org, { limit: 10 });
    expect(pins.items.map(({ record }) => record)).toMatchObject([
      { sha256: sha256(map('fresh')), byName: 'Grace', addon: 'fresh' },
    ]);
    source.files.set('/fresh.yaml', map('fresh', 'poisoned'));
    expect(words(await stage.say('grace', 'addon upgrade web-1 fresh'))).toMatch(/is not the file that it should be/);
    source.files.set('/fresh2.yaml', map('fresh', 'two'));
    source.describe('fresh', { url: source.url('fresh2.yaml'), version: '2.0.0', sha256: sha256(map('fresh', 'two')) });
    expect(words(await stage.say('grace', 'addons web-1'))).toMatch(/on, 1\.0\.0; 2\.0\.0 can be had.*Upgrade/);
    const upgrade = await turn('addon upgrade web-1 fresh', 'Upgrade it');
    expect(words(upgrade.plan)).toMatch(/~ data\.word: one → two/);
    expect(words(upgrade.plan)).not.toMatch(/first time/);
    await turn('addon disable web-1 fresh', 'Turn it off');
  });

  test('of two plans that saw a file first, the second click finds its hash kept; another file is refused', async () => {
    const { stage } = play;
    const plans: Awaited<ReturnType<typeof stage.say>>[] = [];
    for (const name of ['late-a', 'late-b']) {
      source.describe(name, { url: source.url('late.yaml'), namespace: name });
      plans.push(await stage.say('grace', `addon enable web-1 ${name}`));
    }
    source.files.set('/late.yaml', map('late', 'changed'));
    source.describe('late-c', { url: source.url('late.yaml') });
    const third = await stage.say('grace', 'addon enable web-1 late-c');
    const [first, second] = plans;
    if (!first || !second) throw new Error('no plans');
    await stage.press('grace', first, 'Turn it on');
    expect(await play.ended()).toMatchObject({ state: 'Succeeded' });
    expect(words(await stage.press('grace', third, 'Turn it on'))).toMatch(/was another file when Grace took it/);
    // The same objects are of another add-on by now, which is another matter.
    expect(words(await stage.press('grace', second, 'Turn it on'))).toMatch(/belongs to the add-on late-a/);
    source.files.set('/late.yaml', map('late'));
    await turn('addon disable web-1 late-a', 'Turn it off');
    await turn('addon enable web-1 late-b', 'Turn it on');
    await turn('addon disable web-1 late-b', 'Turn it off');
  });

  test('what needs another comes after it, and is refused without', async () => {
    const { stage } = play;
    source.write('base-1.0.0.yaml', map('base'));
    source.write('atop-1.0.0.yaml', map('atop'));
    source.describe('atop', { needs: ['base'] });
    source.describe('base', {});
    expect(words(await stage.say('grace', 'addon enable web-1 atop'))).toMatch(/atop needs base, which is not on/);
    const { job } = await turn('addon choose web-1 atop=yes base=yes', 'Change them');
    expect(job.steps.map(({ name }) => name)).toEqual(['Turn on base', 'Turn on atop']);
    expect(words(await stage.say('grace', 'addon disable web-1 base'))).toMatch(/atop is on and needs base/);
    const both = await turn('addon choose web-1 atop=no base=no', 'Change them');
    expect(both.job.steps.map(({ name }) => name)).toEqual(['Turn off atop', 'Turn off base']);
    expect(words(both.plan)).not.toMatch(/is on and needs/);
  });

  test('seeds 48: what Services announce is shown with its link, what announces nothing is not', async () => {
    const service = (name: string, annotations: Record<string, string>) =>
      play.api('POST', '/api/v1/namespaces/default/services', {
        metadata: { name, annotations },
        spec: { ports: [{ port: 80 }] },
      });
    await service('wiki', {
      'kqueen/name': 'Team wiki',
      'kqueen/tag': 'docs',
      'kqueen/link': 'https://wiki.example.com',
    });
    await service('plain', {});
    const list = await play.stage.say('grace', 'addons web-1');
    expect(words(list)).toMatch(/Team wiki\* \(docs\).*https:\/\/wiki\.example\.com/);
    expect(words(list)).not.toMatch(/default\/plain/);
    expect(words(await play.stage.say('grace', 'addon disable web-1 wiki'))).toMatch(/was put there by others/);
  });

  test('Murano enableKubeDns: names are looked up inside the cluster by a job with a plan', async () => {
    const plan = await play.stage.say('grace', 'addon dns web-1 registry.example.com');
    expect(words(plan)).toMatch(/kubernetes\.default, registry\.example\.com/);
    await play.stage.press('grace', plan, 'Check them');
    const job = await play.ended();
    expect(job, JSON.stringify(job.failure)).toMatchObject({ state: 'Succeeded' });
    expect(job.note).toMatch(/Names resolve inside the cluster: kubernetes\.default, registry\.example\.com/);
  });

  test('what somebody else has put there is shown as such, and not offered', async () => {
    const path = '/api/v1/namespaces/kube-system/services';
    await play.api('POST', path, { metadata: { name: 'metrics-server' }, spec: { ports: [{ port: 443 }] } });
    const list = await play.stage.say('grace', 'addons web-1');
    expect(words(list)).toMatch(/metrics-server\*: there already, and not by KQueen/);
    expect(words(list)).not.toMatch(/addon enable web-1 metrics-server/);
    const form = await play.stage.say('grace', 'addon choose web-1');
    expect(form.form?.fields.map(({ key }) => key)).not.toContain('metrics-server');
    await play.api('DELETE', `${path}/metrics-server`);
  });

  test('one that does not get ready says why, and what to press', async () => {
    const { stage } = play;
    const deployment = webYaml({ name: 'stuck', image: 'x/badimage:1', replicas: 1, service: false });
    source.write('stuck-1.0.0.yaml', deployment);
    source.describe('stuck', {});
    await stage.press('grace', await stage.say('grace', 'addon enable web-1 stuck within=2s'), 'Turn it on');
    const job = await play.ended();
    expect(job).toMatchObject({ state: 'Failed' });
    expect(job.failure?.message).toMatch(/^stuck does not get ready.* Deployment default\/stuck.*ImagePull/);
    expect(job.failure?.next).toBe('Press Retry when that is mended, or turn it off with addon disable.');
    const list = await stage.say('grace', 'addons web-1');
    expect(words(list)).toMatch(/stuck\*: failed at 1\.0\.0/);
    source.write('stuck-1.0.0.yaml', deployment.replace('x/badimage:1', 'nginx:1.29'));
    await turn('addon upgrade web-1 stuck', 'Upgrade it');
    await turn('addon disable web-1 stuck', 'Turn it off');
  });

  test('names that are no add-on are said with those that are', async () => {
    expect(words(await play.stage.say('grace', 'addon enable web-1 grafana'))).toMatch(
      /There is no add-on grafana.*metrics-server/,
    );
    expect(words(await play.stage.say('grace', 'addon choose web-1 grafana=yes'))).toMatch(
      /There is no add-on grafana/,
    );
    expect(words(await play.stage.say('grace', 'addon upgrade web-1 headlamp'))).toMatch(
      /is not on, so there is nothing to upgrade/,
    );
    expect(words(await play.stage.say('mel', 'addon enable web-1 headlamp'))).toMatch(/Only its owner or an admin/);
  });
});
