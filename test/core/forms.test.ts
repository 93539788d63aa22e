/** Every command's form in every chat: shown within the limits, filled in, sent, refused at its field with everything kept. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createDispatch } from '../../src/bot/dispatch.ts';
import { registry } from '../../src/core/commands/index.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { sampleCluster } from '../store/parts.ts';
import { type FormChat, openSlackChat, openTeamsChat, openTerminalChat } from './form-chats.ts';
import { clusterChanges, openStage, org, people, type Stage } from './stage.ts';

let provider: SandboxProvider;
beforeAll(async () => {
  provider = await startSandboxProvider(200);
}, 30_000);
afterAll(() => provider.stop());

interface Filling {
  /** The line that opens the form; `JOB` and `OTHER` are requests that wait. */
  line?: string;
  /** What is prefilled by the line. */
  prefilled?: Record<string, string>;
  /** Values that are refused, at this field. */
  refused?: { values: Record<string, string>; at: string };
  /** Values that are taken, and what is said then. */
  taken?: { values: Record<string, string>; said?: RegExp; done?: (stage: Stage, job: string) => Promise<void> };
}

const spec = { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 3 };
const unreachable = 'https://127.0.0.1:1';

/** Commands whose forms are filled in; those of all the others are shown, and sent as they are. */
const fillings: Record<string, Filling> = {
  'cluster create': {
    line: 'cluster create new-1 nodes=2',
    prefilled: { name: 'new-1', nodes: '2' },
    refused: { values: { name: 'Not A Name' }, at: 'name' },
    taken: {
      values: { name: 'new-1', size: 'small', region: 'sandbox-north', version: '1.34.2' },
      said: /Create cluster new-1/,
    },
  },
  'cluster import': {
    line: 'cluster import old-1',
    prefilled: { name: 'old-1' },
    refused: { values: { kubeconfig: 'this is no kubeconfig' }, at: 'kubeconfig' },
  },
  'cluster scale': {
    line: 'cluster scale dev-1',
    prefilled: { nodes: '3' },
    refused: { values: { nodes: '5000' }, at: 'nodes' },
    taken: { values: { nodes: '+1' }, said: /3 → 4/ },
  },
  'cluster edit': {
    line: 'cluster edit dev-1',
    prefilled: { purpose: 'development' },
    refused: { values: { labels: 'no pair' }, at: 'labels' },
    taken: { values: { labels: 'team=data', purpose: 'test' }, said: /Change cluster dev-1/ },
  },
  'cluster upgrade': { line: 'cluster upgrade dev-1' },
  'cluster delete': {
    line: 'cluster delete dev-1',
    refused: { values: { confirm: 'prod-9' }, at: 'confirm' },
  },
  'cluster forget': { line: 'cluster forget dev-1', refused: { values: { confirm: 'x' }, at: 'confirm' } },
  'provisioner add': {
    line: 'provisioner add lab engine=sandbox',
    prefilled: { name: 'lab', engine: 'sandbox' },
    refused: { values: { url: unreachable, token: 'a-token-that-is-long-enough' }, at: 'url' },
  },
  'provisioner edit': {
    line: 'provisioner edit sandbox',
    refused: { values: { url: unreachable, token: 'a-token-that-is-long-enough' }, at: 'url' },
  },
  approve: {
    line: 'approve OTHER ask=note',
    taken: {
      values: { reason: 'until Friday' },
      done: async (stage, job) =>
        expect((await stage.job(job)).log.at(-1)?.text).toMatch(/^Approved by ada.*: until Friday$/i),
    },
  },
  deny: {
    line: 'deny JOB',
    refused: { values: { reason: ' ' }, at: 'reason' },
    taken: {
      values: { reason: 'the budget is used up' },
      done: async (stage, job) =>
        expect(await stage.job(job)).toMatchObject({ state: 'Denied', note: expect.stringContaining('budget') }),
    },
  },
};

/** Fields whose values are never shown again. */
const secrets = ['token', 'kubeconfig'];

describe.each([
  ['Slack', openSlackChat],
  ['Teams', openTeamsChat],
  ['terminal', openTerminalChat],
] as const)('the forms in %s', (name, openOne) => {
  let stage: Stage;
  let chat: FormChat;
  let waiting = '';
  let other = '';

  beforeAll(async () => {
    stage = await openStage({ provider });
    const at = stage.opened.cache.query('provisioner', org).items[0];
    await stage.put(
      ...clusterChanges(
        sampleCluster('c1', {
          ...{
            name: 'dev-1',
            externalName: 'dev-1-abc',
            owner: people.dev.id,
            ownerName: 'Dev',
            purpose: 'development',
          },
          ...{ provisioner: at?.id ?? 'none', spec, summary: sandbox.describe(spec), version: '1.34.2', nodes: 3 },
          kubeconfig: true,
        }),
      ),
    );
    await stage.say(
      'dev',
      'cluster create wanted-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=1 purpose=production',
    );
    waiting = (await stage.lastJob()).id;
    await stage.say(
      'dev',
      'cluster create wanted-2 on sandbox region=sandbox-north version=1.34.2 size=small nodes=1 purpose=production',
    );
    other = (await stage.lastJob()).id;
    chat = await openOne(createDispatch(stage.parts));
    const id = chat.person;
    await stage.put({
      op: 'put',
      ref: { kind: 'person', org, id },
      record: { v: 1, id, org, name: 'Ada', role: 'superadmin', seenAt: 1 },
    });
  }, 30_000);
  afterEach(() => chat.leave());
  afterAll(async () => {
    await chat?.close();
    await stage.close();
  });

  test.each(registry.all.map((command) => command.name))('%s', { timeout: 60_000 }, async (command) => {
    const filling = fillings[command] ?? {};
    const line = (filling.line ?? command).replace('JOB', waiting).replace('OTHER', other);
    const asked = await stage.say('grace', line, { private: true });
    const shown = await chat.open(line, asked.form !== undefined);
    expect(shown !== null, 'the form is shown where there is one').toBe(asked.form !== undefined);
    if (shown === null || asked.form === undefined) {
      expect(filling.refused ?? filling.taken).toBeUndefined();
      return;
    }
    // Every field is there under its key, and what was typed with it.
    const wanted = asked.form.fields
      .map(({ key }) => key)
      .filter((key) => name === 'Slack' || !/^kubeconfig\d$/.test(key));
    expect(Object.keys(shown)).toEqual(expect.arrayContaining(wanted));
    expect(shown).toMatchObject(filling.prefilled ?? {});
    if (filling.refused) {
      const { values, at } = filling.refused;
      const sent = await chat.send(values);
      expect(sent.wrong, sent.said).toEqual([at]);
      for (const [key, value] of Object.entries({ ...shown, ...values })) {
        if (secrets.includes(key) || value.trim() === '' || key === at) continue;
        expect(sent.kept[key], `${key} is kept`).toBe(value);
      }
    } else if (!filling.taken && command !== 'cluster upgrade') {
      // Nothing is filled in: nothing is done.
      const before = (await stage.opened.store.page('job', org, { limit: 500 })).items.length;
      await chat.send({});
      expect((await stage.opened.store.page('job', org, { limit: 500 })).items).toHaveLength(before);
    }
    if (filling.taken) {
      const sent = await chat.send(filling.taken.values);
      expect(sent.wrong, sent.said).toEqual([]);
      if (filling.taken.said) expect(sent.said).toMatch(filling.taken.said);
      await filling.taken.done?.(stage, line.includes(other) ? other : waiting);
    }
    expect(chat.faults()).toEqual([]);
  });
});
