/** Clusters taken in by their kubeconfig: looked at before they are kept, read-only unless said otherwise, let go without being touched. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Outbound } from '../../src/bot/inbound.ts';
import { readKubeconfig, writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { makeTestCertificate } from '../certificate.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { type ScriptedServer, startScriptedServer } from '../engines/scripted-server.ts';
import { apiOf } from '../kube/sandbox-cluster.ts';
import { eventually, freePort } from '../servers.ts';
import { sampleCluster } from '../store/parts.ts';
import { clusterChanges, openStage, org, people, provisionerRecord, type Stage, type Who, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;
/** The kubeconfigs of two clusters that nobody here made. */
let kubeconfig = '';
let other = '';
/** Something that is no cluster. */
let page: ScriptedServer;

const jwt = (claims: Record<string, unknown>) =>
  ['{"alg":"none"}', JSON.stringify(claims), 'x'].map((each) => Buffer.from(each).toString('base64url')).join('.');

beforeAll(async () => {
  provider = await startSandboxProvider(400);
  page = await startScriptedServer();
  page.answer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<html>Please sign in</html>');
  });
  kubeconfig = await made('outside-1');
  other = await made('outside-2');
}, 60_000);
afterAll(async () => {
  await page.close();
  await provider.stop();
});
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

async function made(name: string): Promise<string> {
  const body = { name, region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 1, labels: {} };
  await provider.ask('POST', '/v1/clusters', body);
  return eventually(
    `${name} gives a kubeconfig and its node is ready`,
    async () => {
      const text = String(await provider.ask('GET', `/v1/clusters/${name}/kubeconfig`).catch(() => ''));
      if (!text) return null;
      const { api, close } = apiOf(text);
      const nodes = JSON.stringify((await api('GET', '/api/v1/nodes')).body);
      await close();
      return nodes.includes('"Ready","status":"True"') ||
        /"status":"True","type":"Ready"|"type":"Ready"[^}]*"status":"True"/.test(nodes)
        ? text
        : null;
    },
    { timeoutMs: 30_000 },
  );
}

/** Imports by form; waits for the answer where it comes later. */
async function imported(who: Who, name: string, values: Record<string, string> = {}): Promise<Outbound> {
  const form = await stage.say(who, `cluster import ${name}`);
  if (!form.form) return form;
  return later(() => stage.fill(who, form, { kubeconfig, ...values }));
}

async function later(act: () => Promise<Outbound>): Promise<Outbound> {
  const before = stage.told.length;
  const answer = await act();
  if (!/moment|Working/i.test(answer.card?.title ?? '')) return answer;
  return eventually('the answer comes', () => stage.told[before]?.answer, { timeoutMs: 15_000 });
}

const problem = (answer: Outbound, key = 'kubeconfig') => answer.problems?.find(({ field }) => field === key)?.message;

describe('import', () => {
  test('asks in private, looks, keeps the kubeconfig sealed, and shows what was found', async () => {
    const token = readKubeconfig(kubeconfig).token ?? '';
    const form = await stage.say('grace', 'cluster import old-1');
    expect(form.form).toMatchObject({ private: true, command: 'cluster import' });
    expect(form.form?.intro).toMatch(/nothing is changed there/);
    expect(form.form?.fields.find(({ key }) => key === 'kubeconfig')).toMatchObject({
      kind: 'secret-multiline',
      required: true,
    });
    const done = await later(() => stage.fill('grace', form, { kubeconfig, purpose: 'test', labels: 'team=data' }));
    expect(done.card?.title).toBe('Cluster old-1 is imported');
    const shown = words(done);
    expect(shown).toMatch(/1 of 1 ready/);
    expect(shown).toMatch(/1\.34\.2/);
    expect(shown).toMatch(/Look at it, and nothing else/);
    expect(shown).toMatch(/sandbox-admin/);
    // More rights than looking needs are worth a warning.
    expect(shown).toMatch(/may do everything in the cluster/);
    expect(done.card?.tone).toBe('warn');
    expect(shown).not.toContain(token);

    expect(await stage.cluster('old-1')).toMatchObject({
      origin: 'imported',
      readOnly: true,
      phase: 'Ready',
      engine: 'manual',
      provisionerName: 'existing',
      kubeconfig: true,
      nodes: 1,
      version: '1.34.2',
      owner: people.grace.id,
      purpose: 'test',
      labels: { team: 'data' },
    });
    expect(stage.onDisk(token)).toBe(false);
    expect(JSON.stringify(stage.log.lines)).not.toContain(token);
    for (const line of ['clusters', 'cluster show old-1', 'audit', 'provisioners', 'cluster import old-1 replace=yes'])
      expect(words(await stage.say('grace', line))).not.toContain(token);
    expect(await stage.audit()).toMatchObject([
      {
        action: 'cluster.import',
        outcome: 'done',
        subject: 'old-1',
        command: expect.not.stringContaining('kubeconfig'),
      },
    ]);
    // It is looked at like others, and its provisioner is there for the next.
    expect((await stage.say('dev', 'cluster check old-1')).card?.title).toBe('Cluster old-1 is healthy');
    expect(words(await stage.say('grace', 'provisioners'))).toContain('existing');
    expect((await stage.say('grace', 'provisioner check existing')).card?.title).toBe('Provisioner existing: OK');
  });

  test('a member imports once an admin allows it, and is told so before', async () => {
    const before = await imported('dev', 'mine-1');
    expect(words(before)).toMatch(/nothing can be imported yet.*An admin imports the first one/);
    await imported('grace', 'first-1');
    expect((await imported('dev', 'mine-1', { kubeconfig: other })).card?.title).toBe('Cluster mine-1 is imported');
    expect(await stage.cluster('mine-1')).toMatchObject({ owner: people.dev.id, provisionerName: 'existing' });
    // Only one was made for both.
    expect(stage.opened.cache.query('provisioner', org).total).toBe(1);
  });

  test('of several provisioners one is chosen; one of another engine is none', async () => {
    for (const name of ['here', 'there'])
      await stage.put(...provisionerRecord(name, { engine: 'manual', params: { mode: 'read-only' } }));
    await stage.put(...provisionerRecord('lab'));
    const form = await stage.say('dev', 'cluster import old-1');
    expect(form.form?.fields.find(({ key }) => key === 'provisioner')?.choices?.map(({ value }) => value)).toEqual([
      'here',
      'there',
    ]);
    expect(problem(await stage.fill('dev', form, { kubeconfig }), 'provisioner')).toMatch(/choose/);
    expect((await later(() => stage.fill('dev', form, { kubeconfig, provisioner: 'there' }))).card?.title).toBe(
      'Cluster old-1 is imported',
    );
    expect(words(await stage.say('dev', 'cluster import old-2 on lab'))).toMatch(/nothing is imported there/);
  });

  test('JSON with tabs, and parts where a chat cuts long fields', async () => {
    const { server, ca, token = '' } = readKubeconfig(kubeconfig);
    const json = JSON.stringify(
      {
        kind: 'Config',
        'current-context': 'c',
        clusters: [
          { name: 'c', cluster: { server, 'certificate-authority-data': Buffer.from(ca ?? '').toString('base64') } },
        ],
        users: [{ name: 'c', user: { token } }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'c' } }],
      },
      null,
      '\t',
    );
    expect((await imported('grace', 'json-1', { kubeconfig: json })).card?.title).toBe('Cluster json-1 is imported');
    // Slack's fields end at 3,000 characters: the rest goes into the next one, cut anywhere.
    const form = await stage.say('grace', 'cluster import parts-1');
    expect(form.form?.fields.filter(({ key }) => key.startsWith('kubeconfig'))).toHaveLength(4);
    const half = Math.floor(kubeconfig.length / 2);
    const inside = { kubeconfig: kubeconfig.slice(0, half), kubeconfig2: kubeconfig.slice(half) };
    expect((await later(() => stage.fill('grace', form, inside))).card?.title).toBe('Cluster parts-1 is imported');
    const at = kubeconfig.indexOf('\nusers:');
    const between = { kubeconfig: kubeconfig.slice(0, at), kubeconfig2: kubeconfig.slice(at + 1) };
    const next = await stage.say('grace', 'cluster import parts-2');
    expect((await later(() => stage.fill('grace', next, between))).card?.title).toBe('Cluster parts-2 is imported');
    const teams = await stage.say('grace', 'cluster import parts-3', {
      place: { chat: 'teams', workspace: 'T1', conversation: 'D1' },
      private: true,
    });
    expect(teams.form?.fields.filter(({ key }) => key.startsWith('kubeconfig'))).toHaveLength(1);
  });

  // Each of these was kept, or crashed, in one of the predecessors, or is what people paste.
  test.each<[string, () => string | Promise<string>, RegExp]>([
    ['is not one', () => 'hello', /not a YAML object/],
    ['is empty', () => '', /fill this in/],
    [
      'runs a program',
      () =>
        kubeconfig.replace(/ {4}token: .*/, '    exec: {command: aws, apiVersion: client.authentication.k8s.io/v1}'),
      /runs a program.*use a token/,
    ],
    [
      'has an auth provider',
      () => kubeconfig.replace(/ {4}token: .*/, '    auth-provider: {name: gcp}'),
      /auth provider/,
    ],
    [
      'has expired',
      () => writeKubeconfig('x', 'u', { ...readKubeconfig(kubeconfig), token: jwt({ exp: 1_600_000_000 }) }),
      /expired on 2020-09-13.*Get a new kubeconfig/,
    ],
    [
      'is revoked',
      () => writeKubeconfig('x', 'u', { ...readKubeconfig(kubeconfig), token: 'canary-of-a-token-5k2' }),
      /does not accept the token/,
    ],
    [
      'has the wrong authority',
      () => writeKubeconfig('x', 'u', { ...readKubeconfig(kubeconfig), ca: makeTestCertificate().ca }),
      /not signed by the authority/,
    ],
    [
      'leads nowhere',
      async () =>
        writeKubeconfig('x', 'u', { ...readKubeconfig(kubeconfig), server: `https://127.0.0.1:${await freePort()}` }),
      /https:\/\/127\.0\.0\.1:\d+ cannot be reached from KQueen.*machine that KQueen runs on/,
    ],
    [
      'leads to a web page',
      () => writeKubeconfig('x', 'u', { ...readKubeconfig(kubeconfig), server: page.url, ca: page.ca }),
      /web page instead of the Kubernetes API/,
    ],
  ])('a kubeconfig that %s is refused with the reason, and nothing is kept', async (_name, text, why) => {
    const given = await text();
    const answer = await imported('grace', 'bad-1', { kubeconfig: given });
    expect(problem(answer)).toMatch(why);
    expect(await stage.cluster('bad-1')).toBeUndefined();
    expect(stage.opened.cache.query('provisioner', org).total).toBe(0);
    const [, token] = /token: (\S+)/.exec(given) ?? [];
    if (token) {
      expect(words(answer)).not.toContain(token);
      expect(stage.onDisk(token)).toBe(false);
      expect(JSON.stringify(stage.log.lines)).not.toContain(token);
    }
  });

  test('a name that is taken or is none is said at its field', async () => {
    await imported('grace', 'old-1');
    const again = await imported('grace', 'old-1', { kubeconfig: other });
    expect(problem(again, 'name')).toMatch(/taken.*replace=yes/);
    await stage.put(...clusterChanges(sampleCluster('c5', { name: 'made-1' })));
    expect(problem(await imported('grace', 'made-1'), 'name')).toMatch(/taken\. Choose another/);
    expect(problem(await imported('grace', 'Not-A-Name'), 'name')).toMatch(/lower-case/);
  });

  test('the same cluster twice is said', async () => {
    await imported('grace', 'old-1');
    expect(words(await imported('anna', 'old-2'))).toMatch(/imported already, as old-1 of Grace/);
    expect(words(await imported('anna', 'new-1', { kubeconfig: other }))).not.toMatch(/already/);
  });

  test('a typed kubeconfig is withheld, and nothing of it is kept', async () => {
    const answer = await stage.say('grace', 'cluster import old-1 kubeconfig=canary-typed-2231', { source: 'direct' });
    expect(words(answer)).toMatch(/secret/i);
    expect(words(answer)).not.toContain('canary-typed-2231');
    expect(stage.onDisk('canary-typed-2231')).toBe(false);
  });

  test('of the same submission twice, one has an effect', async () => {
    const form = await stage.say('grace', 'cluster import old-1');
    const send = () => stage.fill('grace', form, { kubeconfig }, { eventId: 'twice-1' });
    await later(send);
    expect(words(await send())).toMatch(/Already done/);
    expect((await stage.audit()).filter(({ action }) => action === 'cluster.import')).toHaveLength(1);
  });
});

describe('read-only', () => {
  test('nothing is made in it, and nothing that changes it is offered', async () => {
    await imported('grace', 'old-1');
    const access = await stage.say('grace', 'cluster access old-1');
    expect(words(access)).toMatch(/read-only here, and access would make an account in it/);
    const { api, close } = apiOf(kubeconfig);
    expect(JSON.stringify((await api('GET', '/api/v1/namespaces')).body)).not.toContain('kqueen-access');
    await close();
    const show = await stage.say('grace', 'cluster show old-1');
    expect(show.card?.buttons.map(({ label }) => label)).not.toContain('Get access');
    expect(show.card?.buttons.map(({ label }) => label)).toContain('Detach');
    for (const line of ['cluster scale old-1 nodes=3', 'cluster upgrade old-1', 'cluster stop old-1'])
      expect((await stage.say('grace', line)).card?.tone, line).toMatch(/warn|bad/);
    expect(words(await stage.say('grace', 'cluster create x-1 on existing'))).toMatch(
      /makes no clusters.*cluster import/,
    );
  });

  test('unless the provisioner allows to operate and whoever imports says so', async () => {
    await imported('grace', 'old-1');
    const form = await stage.say('grace', 'cluster import old-1 replace=yes');
    expect(form.form?.fields.map(({ key }) => key)).not.toContain('mode');
    expect(problem(await stage.fill('grace', form, { kubeconfig, mode: 'operate' }), 'mode')).toMatch(
      /allows read-only alone/,
    );
    await stage.fill('grace', await stage.say('grace', 'provisioner edit existing'), { mode: 'operate' });
    const allowed = await stage.say('grace', 'cluster import old-1 replace=yes');
    await later(() => stage.fill('grace', allowed, { kubeconfig, mode: 'operate' }));
    expect(await stage.cluster('old-1')).toMatchObject({ readOnly: false });
    const access = await later(() => stage.say('grace', 'cluster access old-1 as view'));
    expect(access.card?.title).toBe('Access to old-1');
    expect(stage.handed[0]?.files[0]?.name).toBe('old-1.kubeconfig');
    expect(words(await stage.say('grace', 'cluster detach old-1'))).toMatch(/kubectl delete namespace kqueen-access/);
  });
});

describe('a new kubeconfig', () => {
  test('takes the place of the old one, for the same cluster alone', async () => {
    await imported('grace', 'old-1', { labels: 'team=data' });
    const form = await stage.say('grace', 'cluster import old-1 replace=yes');
    expect(form.form).toMatchObject({ private: true, command: 'cluster import old-1 replace=yes' });
    const elsewhere = makeTestCertificate();
    const wrong = writeKubeconfig('x', 'u', { server: 'https://127.0.0.1:1', ca: elsewhere.ca, token: 'abcdefgh' });
    expect(problem(await stage.fill('grace', form, { kubeconfig: wrong }))).toMatch(/cannot be reached/);
    const { api, close } = apiOf(kubeconfig);
    await api('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'looker' } });
    const issued = await api('POST', '/api/v1/namespaces/default/serviceaccounts/looker/token', {
      spec: { audiences: [], expirationSeconds: 3_000 },
    });
    await close();
    const { token } = (issued.body as { status: { token: string } }).status;
    const fresh = writeKubeconfig('x', 'looker', { ...readKubeconfig(kubeconfig), token });
    const done = await later(() => stage.fill('grace', form, { kubeconfig: fresh }));
    expect(done.card?.title).toBe('Cluster old-1 has a new kubeconfig');
    expect(words(done)).toMatch(/may not list nodes and pods/);
    // When it ends is said there, and on the card of the cluster from now on.
    expect(words(await stage.say('dev', 'cluster show old-1'))).toMatch(
      /Its token ends on \d{4}-\d\d-\d\d; give a new kubeconfig/,
    );
    expect(await stage.cluster('old-1')).toMatchObject({
      labels: { team: 'data' },
      owner: people.grace.id,
      readOnly: true,
    });
    expect(stage.onDisk(token)).toBe(false);
  });

  test('is given by the owner or an admin, and only to what was imported', async () => {
    await imported('grace', 'old-1');
    expect((await stage.say('mel', 'cluster import old-1 replace=yes')).card?.title).toBe('Not allowed');
    expect((await stage.say('anna', 'cluster import old-1 replace=yes')).form).toBeDefined();
    await stage.put(...clusterChanges(sampleCluster('c5', { name: 'made-1' })));
    expect(words(await stage.say('grace', 'cluster import made-1 replace=yes'))).toMatch(/was not imported/);
  });
});

describe('letting go', () => {
  test('delete leads to detach, which forgets and touches nothing', async () => {
    await imported('grace', 'first-1', { kubeconfig: other });
    await imported('dev', 'old-1');
    const cluster = await stage.cluster('old-1');
    const remove = await stage.say('dev', 'cluster delete old-1 confirm=old-1');
    expect(words(remove)).toMatch(/KQueen did not make it/);
    expect((await stage.say('mel', 'cluster detach old-1 confirm=old-1')).card?.title).toBe('Not allowed');
    const sure = await stage.press('dev', remove, 'Detach');
    expect(sure.form?.intro).toMatch(/Nothing is touched/);
    expect(problem(await stage.fill('dev', sure, { confirm: 'old' }), 'confirm')).toMatch(/not its name/);
    const done = await stage.fill('dev', sure, { confirm: 'old-1' });
    expect(done).toMatchObject({ audience: 'place', card: { title: 'Detached: old-1' } });
    expect(await stage.cluster('old-1')).toBeUndefined();
    const { store } = stage.opened;
    for (const ref of [
      { kind: 'secret', org, id: `kubeconfig.${cluster?.id}` },
      { kind: 'health', org, id: cluster?.id ?? '' },
      { kind: 'name', org, id: 'cluster.old-1' },
    ] as const)
      expect(await store.get(ref), ref.id).toBeUndefined();
    const trail = (await stage.audit()).filter(({ action }) => action === 'cluster.detach');
    expect(trail.map(({ who, outcome }) => [who, outcome])).toEqual([
      [people.mel.id, 'refused'],
      [people.dev.id, 'done'],
    ]);
    expect(String(await provider.ask('GET', '/v1/clusters/outside-1/kubeconfig'))).toBe(kubeconfig);
    // The name is free again.
    expect((await imported('dev', 'old-1')).card?.title).toBe('Cluster old-1 is imported');
  });

  test('works for a cluster that nobody reaches any more', async () => {
    await imported('grace', 'old-1');
    const cluster = await stage.cluster('old-1');
    if (!cluster) throw new Error('no cluster');
    await stage.put(
      ...clusterChanges({ ...cluster, endpoint: 'https://127.0.0.1:1', spec: { server: 'https://127.0.0.1:1' } }),
    );
    expect((await stage.say('grace', 'cluster detach old-1 confirm=old-1')).card?.title).toBe('Detached: old-1');
  });

  test('the provisioner stays while it has clusters', async () => {
    await imported('grace', 'old-1');
    expect(words(await stage.say('grace', 'provisioner remove existing confirm=existing'))).toMatch(/old-1|cluster/);
    expect(stage.opened.cache.query('provisioner', org).total).toBe(1);
  });
});
