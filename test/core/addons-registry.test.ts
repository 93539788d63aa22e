import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mirroredImage, readImage, readMirrors } from '../../src/core/addons-images.ts';
import { dockerConfig } from '../../src/core/addons-registry.ts';
import { asFault } from '../../src/core/errors.ts';
import { eventually } from '../servers.ts';
import { type AppStage, openAppStage, webYaml } from './apps-stage.ts';
import { org, words } from './stage.ts';

describe('names of images', () => {
  test.each([
    ['nginx', 'docker.io/library/nginx'],
    ['nginx:1.29', 'docker.io/library/nginx :1.29'],
    ['library/nginx', 'docker.io/library/nginx'],
    ['bitnami/redis:7', 'docker.io/bitnami/redis :7'],
    ['docker.io/nginx', 'docker.io/library/nginx'],
    ['index.docker.io/library/nginx', 'docker.io/library/nginx'],
    ['localhost/a', 'localhost/a'],
    ['localhost:5000/a/b:1', 'localhost:5000/a/b :1'],
    ['registry.example:5000/a/b', 'registry.example:5000/a/b'],
    ['quay.io/a/b__c:v1.0-2', 'quay.io/a/b__c :v1.0-2'],
    [`a/b:1@sha256:${'0a'.repeat(32)}`, `docker.io/a/b :1 @sha256:${'0a'.repeat(32)}`],
    [`nginx@sha256:${'0a'.repeat(32)}`, `docker.io/library/nginx @sha256:${'0a'.repeat(32)}`],
  ])('%s', (text, wanted) => {
    const image = readImage(text);
    const tag = image?.tag === undefined ? '' : ` :${image.tag}`;
    const digest = image?.digest === undefined ? '' : ` @${image.digest}`;
    expect(`${image?.registry}/${image?.path}${tag}${digest}`).toBe(wanted);
  });
  test.each(['', 'Nginx', 'a//b', 'a:', 'a b', 'https://a/b', 'a/b@sha256:12', '-a', 'a/b:ü', '{{ image }}'])(
    'none: %s',
    (text) => {
      expect(readImage(text)).toBeNull();
    },
  );

  const mirrors = [
    { from: 'docker.io', to: 'mirror.example/hub' },
    { from: 'docker.io/bitnami', to: 'mirror.example:5000/bitnami' },
    { from: 'quay.io', to: 'quay.mirror.example' },
  ];
  test.each([
    ['nginx:1.29', 'mirror.example/hub/library/nginx:1.29'],
    ['bitnami/redis:7', 'mirror.example:5000/bitnami/redis:7'],
    ['bitnamilegacy/redis:7', 'mirror.example/hub/bitnamilegacy/redis:7'],
    [`quay.io/a/b@sha256:${'0a'.repeat(32)}`, `quay.mirror.example/a/b@sha256:${'0a'.repeat(32)}`],
    ['ghcr.io/a/b:1', 'ghcr.io/a/b:1'],
    ['quay.io.evil.example/a/b', 'quay.io.evil.example/a/b'],
    ['mirror.example/hub/library/nginx:1.29', 'mirror.example/hub/library/nginx:1.29'],
    ['not an image', 'not an image'],
  ])('%s through mirrors', (text, wanted) => {
    expect(mirroredImage(text, mirrors)).toBe(wanted);
  });

  test('what came through mirrors comes through them unchanged, and keeps tag and digest', () => {
    const piece = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const name = fc.tuple(
      fc.constantFrom('', 'quay.io/', 'docker.io/', 'h:5000/'),
      piece,
      piece,
      fc.constantFrom('', ':1.2'),
    );
    fc.assert(
      fc.property(name, ([registry, first, second, tag]) => {
        const once = mirroredImage(`${registry}${first}/${second}${tag}`, mirrors);
        expect(mirroredImage(once, mirrors)).toBe(once);
        expect(once.endsWith(`${second}${tag}`)).toBe(true);
      }),
    );
  });

  test.each([
    ['docker.io', /as registry=mirror/],
    ['https://docker.io=mirror.example', /without http/],
    ['docker.io=https://mirror.example', /without http/],
    ['docker.io=', /Nothing is no address/],
    ['hub=mirror.example', /hub is no address/],
    ['docker.io=a.example,docker.io=b.example', /two mirrors/],
    ['docker.io=a.example/Upper', /no address/],
  ])('no rules: %s', (text, why) => {
    expect(readMirrors(text)).toMatchObject({ problem: expect.stringMatching(why) as string });
  });
});

describe('what signs in at a registry', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const account = JSON.stringify({
    type: 'service_account',
    client_email: 'puller@project.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  });
  const refused = (given: Parameters<typeof dockerConfig>[0]) => {
    try {
      return String(dockerConfig(given));
    } catch (thrown) {
      const { field, message, next } = asFault(thrown);
      return `${field}: ${message} ${next ?? ''}`;
    }
  };

  test('a user with a password, a Docker configuration, nothing', () => {
    const made = JSON.parse(dockerConfig({ host: 'docker.io', user: 'u', password: 'p:w' }) ?? '') as { auths: object };
    expect(made.auths).toEqual({
      'https://index.docker.io/v1/': { username: 'u', password: 'p:w', auth: Buffer.from('u:p:w').toString('base64') },
    });
    const whole = JSON.stringify({ auths: { 'r.example': { auth: Buffer.from('bob:x').toString('base64') } } });
    expect(JSON.parse(dockerConfig({ key: whole }) ?? '')).toMatchObject({
      auths: { 'r.example': { username: 'bob' } },
    });
    expect(dockerConfig({})).toBeUndefined();
  });
  test('Murano gcloudKey: the key file of a service account signs in as _json_key', () => {
    const made = JSON.parse(dockerConfig({ host: 'gcr.io', key: account }) ?? '') as {
      auths: Record<string, { username: string; password: string }>;
    };
    expect(made.auths['gcr.io']?.username).toBe('_json_key');
    expect(JSON.parse(made.auths['gcr.io']?.password ?? '')).toEqual(JSON.parse(account));
  });
  test('what is missing or wrong is said at its field, and never quoted', () => {
    expect(refused({ key: account })).toMatch(/^host: Say which registry the key is for/);
    expect(refused({ host: 'r.example', user: 'u' })).toMatch(/^password: /);
    expect(refused({ host: 'r.example', password: 'p' })).toMatch(/^user: /);
    expect(refused({ user: 'u', password: 'p' })).toMatch(/^host: /);
    expect(refused({ host: 'no registry', user: 'u', password: 'p' })).toMatch(/^host: no registry is no address/);
    const broken = refused({ host: 'gcr.io', key: `${account.slice(0, -30)}` });
    expect(broken).toMatch(/^key: This key is no JSON/);
    expect(broken).not.toContain('PRIVATE KEY');
    expect(refused({ host: 'gcr.io', key: '{"type":"service_account"}' })).toMatch(/^key: .*neither/);
  });
});

describe('registries of a cluster, from chat', () => {
  let play: AppStage;
  const password = `pass-${generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).toString('hex').slice(-24)}`;
  beforeAll(async () => {
    play = await openAppStage();
  });
  afterAll(() => play.close());

  const secretOf = async (namespace: string) => {
    const secret = await play.read(`/api/v1/namespaces/${namespace}/secrets/kqueen-registry`);
    const data = secret?.data as Record<string, string> | undefined;
    return (
      secret && { type: secret.type, json: Buffer.from(data?.['.dockerconfigjson'] ?? '', 'base64').toString('utf8') }
    );
  };
  const pullsOf = async (namespace: string) =>
    (await play.read(`/api/v1/namespaces/${namespace}/serviceaccounts/default`))?.imagePullSecrets;

  test('seeds 66, Murano dockerRegistry and dockerMirror: a form, a plan, a Secret the default ServiceAccount pulls with', async () => {
    const { stage } = play;
    const form = await stage.say('grace', 'cluster registry web-1', { private: true });
    expect(form.form?.private).toBe(true);
    const values = { mirrors: 'docker.io=mirror.example/hub', host: 'mirror.example', user: 'puller', password };
    const wrong = await stage.fill('grace', form, { ...values, mirrors: 'docker.io' }, { private: true });
    expect(wrong.problems?.[0]).toMatchObject({ field: 'mirrors' });
    expect(words(wrong)).not.toContain(password);
    const plan = await stage.fill('grace', form, { ...values, namespaces: 'default' }, { private: true });
    expect(plan.card?.title).toBe('Set the registries of web-1?');
    expect(words(plan)).toMatch(/\+ images of docker\.io from mirror\.example\/hub/);
    expect(words(plan)).toMatch(/puller at mirror\.example, key not shown/);
    await stage.press('grace', plan, 'Set them', { private: true });
    const job = await play.ended();
    expect(job, JSON.stringify(job.failure)).toMatchObject({ state: 'Succeeded', work: { op: 'registry.set' } });
    const secret = await secretOf('default');
    expect(secret?.type).toBe('kubernetes.io/dockerconfigjson');
    expect(JSON.parse(secret?.json ?? '')).toMatchObject({
      auths: { 'mirror.example': { username: 'puller', password } },
    });
    expect(await pullsOf('default')).toEqual([{ name: 'kqueen-registry' }]);
    const shown = [
      plan,
      await stage.say('grace', 'cluster registry show web-1'),
      await stage.say('grace', `job log ${job.id}`),
    ];
    for (const each of [...shown, job, await stage.audit(), stage.log.lines])
      expect(JSON.stringify(each)).not.toContain(password);
    expect(stage.onDisk(password)).toBe(false);
    const again = await stage.fill('grace', await stage.say('grace', 'cluster registry web-1'), values, {
      private: true,
    });
    expect(words(again)).toMatch(/All of this is set so already/);
  });

  test('what is deployed from then on comes from the mirror, in namespaces that pull with it; others pull as before', async () => {
    const plan = await play.stage.fill(
      'grace',
      await play.stage.say('grace', 'app deploy web-1 shop namespace=shop'),
      { manifest: webYaml({ name: 'shop' }) },
      { private: true },
    );
    expect(words(plan)).toMatch(/nginx:1\.29 from mirror\.example\/hub\/library\/nginx:1\.29/);
    await play.stage.press('grace', plan, 'Deploy it');
    expect(await play.ended()).toMatchObject({ state: 'Succeeded' });
    const deployed = await play.read('/apis/apps/v1/namespaces/shop/deployments/shop');
    expect(JSON.stringify(deployed?.spec)).toContain('"mirror.example/hub/library/nginx:1.29"');
    expect((await secretOf('shop'))?.json).toContain(password);
    expect(await pullsOf('shop')).toEqual([{ name: 'kqueen-registry' }]);
    expect(await secretOf('kube-system')).toBeUndefined();
  });

  test('add-ons come from the mirror as well, and their own ServiceAccounts pull with the Secret', async () => {
    const plan = await play.stage.say('grace', 'addon enable web-1 traefik');
    expect(words(plan)).toMatch(/traefik:v[\d.]+ from mirror\.example\/hub\/library\/traefik:v/);
    await play.stage.press('grace', plan, 'Turn it on');
    expect(await play.ended()).toMatchObject({ state: 'Succeeded' });
    const account = await play.read('/api/v1/namespaces/traefik/serviceaccounts/traefik');
    expect(account?.imagePullSecrets).toEqual([{ name: 'kqueen-registry' }]);
    expect((await secretOf('traefik'))?.json).toContain(password);
  });

  test('another key takes the place of the first in every namespace; taken away, nothing of it stays', async () => {
    const { stage } = play;
    await play.api(
      'PATCH',
      '/api/v1/namespaces/shop/serviceaccounts/default',
      { imagePullSecrets: [{ name: 'kqueen-registry' }, { name: 'theirs' }] },
      'application/merge-patch+json',
    );
    const values = { host: 'mirror.example', user: 'puller', password: `${password}2` };
    const plan = await stage.fill('grace', await stage.say('grace', 'cluster registry web-1'), values, {
      private: true,
    });
    expect(words(plan)).toMatch(/~ pull Secret kqueen-registry/);
    await stage.press('grace', plan, 'Set them');
    expect(await play.ended()).toMatchObject({ state: 'Succeeded' });
    for (const namespace of ['default', 'shop', 'traefik'])
      expect((await secretOf(namespace))?.json).toContain(`${password}2`);
    const away = await stage.say('grace', 'cluster registry web-1 remove=secret');
    expect(words(away)).toMatch(/- Secret and default ServiceAccount of shop/);
    await stage.press('grace', away, 'Set them');
    expect(await play.ended()).toMatchObject({ state: 'Succeeded' });
    for (const namespace of ['default', 'shop', 'traefik', 'kqueen']) expect(await secretOf(namespace)).toBeUndefined();
    expect(await pullsOf('shop')).toEqual([{ name: 'theirs' }]);
    expect(words(await stage.say('grace', 'cluster registry show web-1'))).toMatch(
      /docker\.io from mirror\.example\/hub.*no pull secret/,
    );
  });

  test('a password typed into a line is refused, and kept nowhere', async () => {
    const typed = `typed-${password}`;
    const answer = await play.stage.say(
      'grace',
      `cluster registry web-1 host=mirror.example user=puller password=${typed}`,
    );
    expect(words(answer)).not.toContain(typed);
    expect(answer.card?.buttons.some(({ label }) => label === 'Set them') ?? false).toBe(false);
    expect(play.stage.onDisk(typed)).toBe(false);
  });

  test("the organisation's mirrors are for clusters without their own; admins alone set them", async () => {
    const { stage } = play;
    expect(words(await stage.say('mel', 'registry default mirrors=none'))).toMatch(/needs the role admin/);
    const bad = await stage.fill('grace', await stage.say('grace', 'registry default'), { mirrors: 'x' });
    expect(bad.problems?.[0]?.field).toBe('mirrors');
    const done = await stage.say('grace', 'registry default mirrors="docker.io=general.example/hub"');
    expect(words(done)).toMatch(/docker\.io=general\.example\/hub/);
    await eventually(
      'it is kept',
      async () => (await stage.opened.store.get({ kind: 'registry', org, id: 'default' })) ?? null,
    );
    const own = await stage.say('grace', 'app run web-1 own nginx:1.29 ports=80');
    expect(words(own)).toMatch(/from mirror\.example\/hub/);
    await stage.press('grace', await stage.say('grace', 'cluster registry web-1 mirrors=none'), 'Set them');
    expect(await play.ended()).toMatchObject({ state: 'Succeeded' });
    expect(words(await stage.say('grace', 'app run web-1 own nginx:1.29 ports=80'))).toMatch(
      /nginx:1\.29 from general\.example\/hub\/library\/nginx:1\.29/,
    );
  });
});
