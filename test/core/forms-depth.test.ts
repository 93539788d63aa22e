/** What the core gives into forms: what is awaited, what is kept, what is asked when somebody denies. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { renderForm } from '../../src/bot/slack/form.ts';
import type { Engine } from '../../src/core/ports/engine.ts';
import { fieldsOf } from '../../src/core/schema.ts';
import { openEngines } from '../../src/engines/index.ts';
import { manual } from '../../src/engines/manual/index.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { makeTestCertificate } from '../certificate.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog, sampleCluster } from '../store/parts.ts';
import { clusterChanges, openStage, org, people, type Stage, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;
beforeAll(async () => {
  provider = await startSandboxProvider(200);
}, 30_000);
afterAll(() => provider.stop());
afterEach(() => stage.close());

const place = { chat: 'slack', workspace: 'T1', conversation: 'C1' } as const;

describe('choices that are awaited', () => {
  test('the form comes without them and says from whom; asked with patience it has them', async () => {
    let answer = () => {};
    const later = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const patience: (number | undefined)[] = [];
    stage = await openStage({
      provider,
      parts: {
        async options(_provisioner, _given, waitMs) {
          patience.push(waitMs);
          if (waitMs === undefined) return null;
          await later;
          return { choices: { region: [{ value: 'north', label: 'North' }] }, prices: null, at: 1 };
        },
      },
    });
    const asked = await stage.say('grace', 'cluster create new-1');
    expect(asked.form).toMatchObject({ loading: 'sandbox' });
    expect(asked.form?.fields.find(({ key }) => key === 'region')).toMatchObject({ kind: 'text' });
    answer();
    const values = { name: 'new-1', provisioner: 'sandbox' };
    const whole = await stage.say('grace', 'cluster create', { source: 'open-form', values, waitMs: 5_000 });
    expect(whole.form?.loading).toBeUndefined();
    expect(whole.form?.fields.find(({ key }) => key === 'region')).toMatchObject({ kind: 'choice', value: 'north' });
    expect(whole.form?.fields.find(({ key }) => key === 'name')).toMatchObject({ value: 'new-1' });
    // What was sent is answered; nobody waits for prices then.
    await stage.say('grace', 'cluster create', { source: 'form', values, waitMs: 5_000 });
    expect(patience).toEqual([undefined, 5_000, undefined]);
  });

  test('where only the provider knows what to ask, nothing is guessed, and what is sent too early stays', async () => {
    const engine: Engine = { ...sandbox, liveParameters: true };
    const engines = openEngines({ engines: [engine], log: keepingLog(), clock: realClock });
    stage = await openStage({ provider, parts: { engines, options: async () => null } });
    const asked = await stage.say('grace', 'cluster create new-1');
    expect(asked.form?.fields.map(({ key }) => key)).toEqual(['name', 'provisioner', 'purpose', 'labels']);
    expect(asked.form?.loading).toBe('sandbox');
    const sent = await stage.fill('grace', asked, {});
    expect(sent.problems).toMatchObject([
      { field: 'provisioner', message: expect.stringContaining('does not answer') },
    ]);
  });
});

describe('a form that is refused', () => {
  test('for a reason of no field stays open with it', async () => {
    stage = await openStage({ provider });
    const at = stage.opened.cache.query('provisioner', org).items[0];
    const cluster = sampleCluster('c1', {
      ...{ name: 'dev-1', owner: people.dev.id, provisioner: at?.id ?? '', phase: 'Updating', openJob: 'j1' },
      spec: { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 3 },
    });
    await stage.put(...clusterChanges(cluster));
    const answer = await stage.say('grace', 'cluster scale dev-1', { source: 'form', values: { nodes: '4' } });
    expect(answer.problems).toMatchObject([{ field: '', message: expect.stringMatching(/busy/) }]);
  });
});

describe('deny', () => {
  test('asks for the reason alone, under what is asked for; empty is refused there', async () => {
    stage = await openStage({ provider });
    await stage.say('dev', 'cluster create n-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=1');
    const { id } = await stage.lastJob();
    const asked = await stage.say('anna', `deny ${id}`, { source: 'button' });
    expect(asked.form).toMatchObject({ command: `deny ${id}`, submit: 'Deny it', fields: [{ key: 'reason' }] });
    expect(asked.form?.intro).toMatch(/Create cluster n-1.*asked for by Dev/);
    const empty = await stage.fill('anna', asked, { reason: '  ' });
    expect(empty.problems).toEqual([{ field: 'reason', message: 'Please give a reason.' }]);
    expect((await stage.job(id)).state).toBe('AwaitingApproval');
    await stage.fill('anna', asked, { reason: 'no budget\nthis month' });
    expect(await stage.job(id)).toMatchObject({ state: 'Denied', note: 'Denied by Anna: no budget\nthis month' });
  });

  test('typed with its reason is decided at once, and nobody without the right sees its form', async () => {
    stage = await openStage({ provider });
    await stage.say('dev', 'cluster create n-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=1');
    const { id } = await stage.lastJob();
    expect((await stage.say('mel', `deny ${id}`)).form).toBeUndefined();
    await stage.say('anna', `deny ${id} because of the budget`);
    expect((await stage.job(id)).note).toBe('Denied by Anna: of the budget');
  });
});

describe('a long parameter of a provisioner', () => {
  test('is not shown in parts, and left empty it stays', async () => {
    stage = await openStage({ provider });
    const found = stage.opened.cache.query('provisioner', org).items[0];
    if (!found) throw new Error('no provisioner');
    const ref = { kind: 'provisioner', org, id: found.id } as const;
    const key = Object.keys(sandbox.provisioner.shape).find((each) => each === 'ca' || each === 'caBundle') ?? '';
    const own = String(found.params[key]);
    const { ca } = makeTestCertificate();
    const bundle = `${own.trimEnd()}\n${ca.trimEnd()}\n`.repeat(4);
    expect(bundle.length).toBeGreaterThan(3_000);
    await stage.put({ op: 'put', ref, record: { ...found, params: { ...found.params, [key]: bundle } } });
    const asked = await stage.say('grace', 'provisioner edit sandbox', { private: true });
    const field = asked.form?.fields.find((each) => each.key === key);
    expect(field).toMatchObject({
      required: false,
      help: expect.stringMatching(/Leave empty to keep the one there is, of [\d,]+ char/),
    });
    expect(field?.value).toBeUndefined();
    expect(words(asked)).not.toContain('BEGIN CERTIFICATE');
    const after = async () => (await stage.opened.store.get(ref))?.record.params[key];
    const kept = await stage.fill('grace', asked, {}, { private: true });
    expect(kept.card?.title).toBe('Provisioner sandbox is changed');
    expect(await after()).toBe(bundle);
  });
});

describe('fields', () => {
  test('whole numbers take no fractions in Slack', () => {
    const nodes = fieldsOf(sandbox.cluster).find(({ key }) => key === 'nodes');
    expect(nodes).toMatchObject({ kind: 'number', whole: true });
    const form = { title: 'f', command: 'x', submit: 'go', fields: nodes ? [nodes] : [], private: false };
    expect(JSON.stringify(renderForm(form, place, false))).toContain('"is_decimal_allowed":false');
  });

  test('every long text of every engine can come as a file, no short one', () => {
    const engines = openEngines({ log: keepingLog(), clock: realClock });
    for (const engine of [...engines.all(), manual]) {
      for (const schema of [engine.provisioner, engine.cluster]) {
        const fields = fieldsOf(schema);
        const view = renderForm({ title: 'f', command: 'x', submit: 'go', fields, private: true }, place, true);
        const files = view.blocks.filter((block) => JSON.stringify(block).includes('"file_input"')).length;
        const long = fields.filter(({ kind, maxLength }) => kind.endsWith('multiline') && (maxLength ?? 0) > 3_000);
        expect(files, engine.name).toBe(long.length);
      }
    }
  });

  test('all clusters are offered, not the first hundred', async () => {
    stage = await openStage({ provider });
    for (let start = 0; start < 150; start += 25) {
      const some = Array.from({ length: 25 }, (_, index) => `dev-${start + index}`);
      await stage.put(...some.flatMap((name) => clusterChanges(sampleCluster(`c-${name}`, { name }))));
    }
    const asked = await stage.say('grace', 'cluster delete');
    const field = asked.form?.fields[0];
    expect(field?.choices).toHaveLength(150);
    expect(JSON.stringify(asked.form && renderForm(asked.form, place, false))).toContain('"external_select"');
  });
});
