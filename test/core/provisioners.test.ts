import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectProvisioner } from '../../src/core/connect.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { sampleCluster } from '../store/parts.ts';
import { clusterChanges, direct, openStage, org, provisionerRecord, type Stage, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;

beforeAll(async () => {
  provider = await startSandboxProvider(200);
});
afterAll(() => provider.stop());
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const wrongToken = 'canary-wrong-token-91kd';

async function added(name = 'lab') {
  const form = await stage.say('grace', `provisioner add ${name} engine=sandbox`);
  return stage.fill('grace', form, { url: provider.url, caBundle: provider.ca, token: provider.token });
}

const recordOf = async (name: string) => {
  const held = await stage.opened.store.get({ kind: 'name', org, id: `provisioner.${name}` });
  return held && (await stage.opened.store.get({ kind: 'provisioner', org, id: held.record.holder }))?.record;
};

describe('add', () => {
  test('asks in private, checks at the provider, keeps the secret sealed', async () => {
    const form = await stage.say('grace', 'provisioner add lab engine=sandbox');
    expect(form.form).toMatchObject({ private: true });
    expect(form.form?.fields.find(({ key }) => key === 'token')).toMatchObject({ kind: 'secret', required: true });
    const done = await added();
    expect(done).toMatchObject({ audience: 'place', card: { title: 'Provisioner lab is ready', tone: 'good' } });
    expect(await recordOf('lab')).toMatchObject({
      state: 'OK',
      params: { url: provider.url, caBundle: expect.stringContaining('BEGIN CERTIFICATE') },
      secretFields: ['token'],
    });
    // secrets-stay: on disk, in the log, in lists and in the audit there is no token.
    expect(stage.onDisk(provider.token)).toBe(false);
    expect(stage.onDisk('provisioner.lab')).toBe(true);
    expect(JSON.stringify(stage.log.lines)).not.toContain(provider.token);
    for (const line of ['provisioners', 'audit', 'provisioner edit lab', 'provisioner check lab'])
      expect(words(await stage.say('grace', line))).not.toContain(provider.token);
    // And it works: unsealed for the engine alone.
    const record = await recordOf('lab');
    if (!record) throw new Error('no provisioner');
    const client = await connectProvisioner(stage.parts, record);
    expect(await client.list({ signal: AbortSignal.timeout(5_000), deadline: Date.now() + 5_000 })).toEqual([]);
    const { audience: _audience, ...audit } = { audience: 0, ...(await stage.audit())[0] };
    expect(audit).toMatchObject({ action: 'provisioner.add', outcome: 'done', subject: 'lab' });
  });

  test('a wrong token is shown at its field and kept nowhere', async () => {
    const form = await stage.say('grace', 'provisioner add lab engine=sandbox');
    const answer = await stage.fill('grace', form, { url: provider.url, caBundle: provider.ca, token: wrongToken });
    expect(answer.problems).toMatchObject([{ field: 'token' }]);
    expect(words(answer)).not.toContain(wrongToken);
    expect(answer.form?.fields.find(({ key }) => key === 'url')?.value).toBe(provider.url);
    expect(await recordOf('lab')).toBeUndefined();
    expect(stage.onDisk(wrongToken)).toBe(false);
    expect(JSON.stringify(stage.log.lines)).not.toContain(wrongToken);
    // The right one goes in afterwards.
    expect((await added()).card?.title).toBe('Provisioner lab is ready');
  });

  test('an address where nobody is, is shown at its field', async () => {
    const form = await stage.say('grace', 'provisioner add lab engine=sandbox');
    const answer = await stage.fill('grace', form, { url: 'https://127.0.0.1:1', token: wrongToken });
    expect(answer.problems).toMatchObject([{ field: 'url' }]);
  });

  test.each<[string, Record<string, string>, string]>([
    ['missing token', { url: 'https://127.0.0.1:1' }, 'token'],
    ['plain http', { url: 'http://127.0.0.1:1', token: 'x' }, 'url'],
    ['no address', { url: 'nonsense', token: 'x' }, 'url'],
    ['no certificate', { url: 'https://127.0.0.1:1', token: 'x', caBundle: 'nonsense' }, 'caBundle'],
    ['a name nobody may have', { name: 'Lab!', url: 'https://127.0.0.1:1', token: 'x' }, 'name'],
    ['an unknown field', { url: 'https://127.0.0.1:1', token: 'x', verify: 'false' }, 'verify'],
  ])('%s stands at its field', async (_what, values, field) => {
    const form = await stage.say('grace', 'provisioner add lab engine=sandbox');
    const answer = await stage.fill('grace', form, values);
    expect(answer.problems?.map((problem) => problem.field)).toContain(field);
  });

  test('a taken name stands at its field', async () => {
    await added();
    expect((await added()).problems).toMatchObject([{ field: 'name', message: 'The name lab is taken.' }]);
  });

  test('an unknown engine lists those there are', async () => {
    expect(words(await stage.say('grace', 'provisioner add lab engine=gke2'))).toMatch(
      /no engine gke2.*There are: sandbox/,
    );
  });

  test('a form with secrets is not shown where others read, but for a dialog of Slack', async () => {
    const teams = { place: { chat: 'teams' as const, workspace: 'tenant', conversation: 'channel' } };
    const refused = await stage.say('grace', 'provisioner add lab engine=sandbox', teams);
    expect(refused.form).toBeUndefined();
    expect(refused.card?.title).toBe('In private, please');
    expect(
      (await stage.say('grace', 'provisioner add lab engine=sandbox', { ...teams, private: true })).form,
    ).toBeDefined();
    expect((await stage.say('grace', 'provisioner add lab engine=sandbox')).form).toBeDefined();
  });
});

describe('edit', () => {
  test('keeps the secret that is left empty, and takes a new one', async () => {
    await added();
    const before = await recordOf('lab');
    const form = await stage.say('grace', 'provisioner edit lab');
    expect(form.form?.fields.find(({ key }) => key === 'token')).toMatchObject({ required: false });
    expect(form.form?.fields.find(({ key }) => key === 'token')?.value).toBeUndefined();
    const kept = await stage.fill('grace', form, { token: '' });
    expect(kept.card?.title).toBe('Provisioner lab is changed');
    const after = await recordOf('lab');
    expect(after).toMatchObject({ id: before?.id, createdAt: before?.createdAt, secretFields: ['token'] });
    expect(after?.paramsVersion).not.toBe(before?.paramsVersion);
    const wrong = await stage.fill('grace', form, { token: wrongToken });
    expect(wrong.problems).toMatchObject([{ field: 'token' }]);
    expect((await recordOf('lab'))?.paramsVersion).toBe(after?.paramsVersion);
    expect((await stage.say('grace', 'provisioner check lab')).card?.title).toBe('Provisioner lab: OK');
  });

  // S5 in another dress: whoever may edit the address must not get the kept credential sent to it.
  test('S5 a kept secret is not sent to another address', async () => {
    await added();
    const form = await stage.say('grace', 'provisioner edit lab');
    const moved = await stage.fill('grace', form, { url: 'https://localhost:1', token: '' });
    expect(moved.problems).toMatchObject([{ field: 'token', message: expect.stringContaining('again') }]);
  });
});

describe('check', () => {
  test('keeps what the provider says', async () => {
    await added();
    const form = await stage.say('grace', 'provisioner check lab');
    expect(form.card).toMatchObject({ title: 'Provisioner lab: OK', tone: 'good' });
    await stage.put(...provisionerRecord('dead'));
    const dead = await stage.say('grace', 'provisioner check dead');
    expect(dead.card?.title).toMatch(/dead: (Unreachable|Error)|Not|Something|No answer/);
    expect(dead.card?.footer ?? '').not.toMatch(/at \w+ \(/);
  });
});

describe('remove', () => {
  test('a provisioner in use is refused, with the clusters', async () => {
    await added();
    const record = await recordOf('lab');
    await stage.put(...clusterChanges(sampleCluster('c1', { name: 'dev-1', provisioner: record?.id ?? '' })));
    // R3: removing what is in use left relations into nothing.
    expect(words(await stage.say('grace', 'provisioner remove lab confirm=lab'))).toMatch(/in use by dev-1/);
    expect(await recordOf('lab')).toBeDefined();
  });

  test('takes the name typed, and its credentials with it', async () => {
    await added();
    const record = await recordOf('lab');
    const form = await stage.say('grace', 'provisioner remove lab');
    expect((await stage.fill('grace', form, { confirm: 'lib' })).problems).toMatchObject([{ field: 'confirm' }]);
    expect(words(await stage.say('grace', 'provisioner remove lab confirm=lib'))).toMatch(/Nothing was removed/);
    expect((await stage.fill('grace', form, { confirm: 'lab' })).card?.title).toBe('Provisioner lab is removed');
    expect(await recordOf('lab')).toBeUndefined();
    expect(await stage.opened.store.get({ kind: 'secret', org, id: `provisioner.${record?.id}` })).toBeUndefined();
    expect(words(await stage.say('grace', 'provisioner check lab'))).toMatch(/no provisioner named lab/);
  });

  // R3: a cluster asked for at the same moment must not be left with a provisioner that is gone.
  test('R3 of a removal and a creation at once, one is refused', async () => {
    for (let round = 0; round < 6; round += 1) {
      const name = `lab-${round}`;
      await added(name);
      const plan = await stage.say(
        'grace',
        `cluster create dev-${round} on ${name} region=sandbox-north version=1.34.2 size=small nodes=2`,
      );
      await Promise.all([
        stage.press('grace', plan, 'Create it'),
        stage.say('anna', `provisioner remove ${name} confirm=${name}`),
      ]);
      const cluster = await stage.cluster(`dev-${round}`);
      const record = await recordOf(name);
      expect(cluster === undefined || record !== undefined, `round ${round}`).toBe(true);
      if (record && cluster) await stage.say('grace', `cluster delete dev-${round} confirm=dev-${round}`);
      if (record) await stage.say('grace', `provisioner remove ${name} confirm=${name}`);
    }
  });
});

describe('a secret that is pasted', () => {
  const canary = 'canary7Q2xPz91kd';
  test.each([
    `provisioner add lab token=${canary}`,
    `provisioner add lab --token ${canary}`,
    `provisioner add lab --token=${canary}`,
    'provisioner add lab token=abc',
    `add provisioner lab token="${canary} x"`,
    `help token=${canary}`,
    `nonsense token = ${canary}`,
    `deny k3 because my key is -----BEGIN PRIVATE KEY----- ${canary}`,
    `xoxb-123456789012-${canary}`,
    `cluster edit dev-1 labels="password=${canary}"`,
  ])('%s', async (line) => {
    const answer = await stage.say('grace', line);
    expect(answer).toMatchObject({
      remove: true,
      audience: 'caller',
      card: { title: 'A secret was written here', tone: 'bad' },
    });
    expect(words(answer)).not.toContain(canary);
    expect(words(answer)).toMatch(/change it at its provider/);
    for (let wait = 0; wait < 40 && (await stage.audit()).length === 0; wait += 1)
      await new Promise((resolve) => setTimeout(resolve, 25));
    expect(await stage.audit()).toMatchObject([{ action: 'secret', outcome: 'refused', command: '(withheld)' }]);
    expect(stage.onDisk(canary)).toBe(false);
    expect(stage.onDisk('token=abc')).toBe(false);
    expect(JSON.stringify(stage.log.lines)).not.toContain(canary);
  });

  test('in the direct conversation nothing is removed, and all else is the same', async () => {
    const answer = await stage.say('grace', `provisioner add lab token=${canary}`, { private: true, place: direct });
    expect(answer).toMatchObject({ remove: false, card: { title: 'A secret was written here' } });
  });

  test('in a field of a form that is none for secrets it is refused there', async () => {
    await stage.put(...clusterChanges(sampleCluster('c1', { name: 'dev-1' })));
    const answer = await stage.say('grace', 'provisioner add engine=sandbox', {
      source: 'form',
      values: { name: 'lab', engine: 'sandbox', url: `https://user:${canary}@host.example`, token: canary },
    });
    expect(answer.problems).toMatchObject([{ field: 'url' }]);
    const deny = await stage.say('grace', 'deny', {
      source: 'form',
      values: { job: 'k3', reason: `password=${canary}` },
    });
    expect(deny.problems).toMatchObject([{ field: 'reason', message: expect.stringContaining('change it') }]);
    expect(stage.onDisk(canary)).toBe(false);
  });

  test('what only looks like one is not refused', async () => {
    await stage.put(...clusterChanges(sampleCluster('c1', { name: 'dev-1' })));
    expect((await stage.say('grace', 'cluster edit dev-1 labels="team=token-ring"')).card?.title).toBe(
      'Change cluster dev-1?',
    );
    expect((await stage.say('grace', 'version')).card?.title).toBe('KQueen 1.2.3');
  });
});
