/** Forms in Slack to their full depth: files, long lists, fields that depend on others, choices that come late, answers that come late. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Handle, Inbound, Outbound } from '../../../src/bot/inbound.ts';
import { openSlack, type SlackAdapter } from '../../../src/bot/slack/adapter.ts';
import { type Field, type Form, plainCard } from '../../../src/core/card.ts';
import { silentLog } from '../../../src/core/ports/log.ts';
import { type Slack, startSlack, type View, words } from '../../counterparts/slack/index.ts';

const signingSecret = 'a-signing-secret';
const clock = {
  now: () => Date.now(),
  sleep: (ms: number, signal?: AbortSignal) => pause(ms, undefined, signal === undefined ? {} : { signal }),
};

let slack: Slack;
let adapter: SlackAdapter;
let server: Server;
let heard: Inbound[];
let handle: Handle;

async function open(scopes?: string[], socket = false): Promise<void> {
  slack = await startSlack({
    signingSecret,
    botToken: 'xoxb-test',
    appToken: 'xapp-test',
    users: [{ id: 'U1', name: 'ada' }],
    channels: [{ id: 'C1', name: 'clusters' }],
    ...(scopes ? { scopes } : {}),
  });
  adapter = await openSlack({
    botToken: 'xoxb-test',
    ...(socket ? { appToken: 'xapp-test' } : { signingSecret }),
    apiUrl: slack.apiUrl,
    handle: async (inbound) => {
      heard.push(inbound);
      return await handle(inbound);
    },
    log: silentLog,
    clock,
  });
  await adapter.start();
  server = createServer(adapter.requestListener ?? ((_request, response) => response.end()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  if (!socket) slack.deliverTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`);
}

beforeEach(() => {
  heard = [];
  handle = async () => [];
});

afterEach(async () => {
  await adapter.stop(3_000);
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  await slack.close();
});

function formOf(fields: Field[], more: Partial<Form> = {}): Form {
  return { title: 'A form', command: 'cluster create', submit: 'Go on', fields, private: false, ...more };
}
const asking = (form: Form): Outbound[] => [{ audience: 'caller', form }];
const done: Outbound[] = [{ audience: 'caller', card: plainCard('Done', 'It is done.', 'good') }];

/** Opens the form by a command, as Ada. */
async function opened(form: Form, then: Handle = async () => done): Promise<View> {
  handle = async (inbound) => (inbound.source === 'command' ? asking(form) : await then(inbound));
  await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
  return await slack.until(() => slack.user('U1').view);
}
const blocks = (view: View) => JSON.stringify(view.blocks);
const submitted = () => heard.filter(({ source }) => source === 'form');

const bundle = `-----BEGIN CERTIFICATE-----\n${'QUJD'.repeat(2_000)}\n-----END CERTIFICATE-----\n`;
const ca: Field = { key: 'caBundle', label: 'CA bundle', kind: 'multiline', required: true, maxLength: 20_000 };
const key: Field = { ...ca, key: 'serviceKey', label: 'Key', kind: 'secret-multiline' };

describe('a long text as a file', () => {
  test('stands for the field, and is read with the token from Slack alone', async () => {
    await open();
    const view = await opened(formOf([ca]));
    expect(blocks(view)).toContain('Needed, here or as a file.');
    await slack.user('U1').submit(view, { 'CA bundle, as a file': { name: 'ca.pem', content: bundle } });
    expect(submitted()).toMatchObject([{ values: { caBundle: bundle } }]);
    expect(slack.user('U1').stack).toEqual([]);
    expect(slack.ephemeral('C1', 'U1').map(words).join()).not.toContain('still in Slack');
    expect(slack.violations).toEqual([]);
  });

  test('short ones have no file beside them, and short texts are still typed', async () => {
    await open();
    const view = await opened(formOf([ca, { ...ca, key: 'note', label: 'Note', maxLength: 500 }]));
    expect(view.blocks.filter(({ element }) => (element as { type?: string }).type === 'file_input')).toHaveLength(1);
    await slack.user('U1').submit(view, { 'CA bundle': 'short', Note: 'n' });
    expect(submitted()).toMatchObject([{ values: { caBundle: 'short', note: 'n' } }]);
  });

  test.each<[string, { name: string; content: string | Uint8Array }, RegExp]>([
    ['too long', { name: 'big.pem', content: 'x'.repeat(20_001) }, /big\.pem is too long: at most 20,000/],
    ['too many bytes', { name: 'big.pem', content: 'x'.repeat(70_000) }, /too long/],
    ['no text', { name: 'photo.png', content: new Uint8Array([0x89, 0x50, 0xff, 0x00]) }, /is not text in UTF-8/],
    ['empty', { name: 'nothing.txt', content: '  \n' }, /nothing\.txt is empty/],
  ])('%s is refused at its own input, and the rest stays', async (_what, file, said) => {
    await open();
    const view = await opened(
      formOf([
        { ...ca, required: false },
        { ...ca, key: 'n', label: 'Name', kind: 'text' },
      ]),
    );
    const outcome = await slack.user('U1').submit(view, { 'CA bundle, as a file': file, Name: 'demo' });
    const [[at, message] = ['', '']] = Object.entries(outcome.errors);
    expect(message).toMatch(said);
    expect(at).toMatch(/^u\./);
    expect(submitted()).toEqual([]);
    expect(JSON.stringify(slack.user('U1').view?.values)).toContain('demo');
    expect(slack.violations).toEqual([]);
  });

  test('a text and a file at once: neither is guessed', async () => {
    await open();
    const view = await opened(formOf([ca]));
    const both = { 'CA bundle': 'typed', 'CA bundle, as a file': { name: 'ca.pem', content: bundle } };
    const outcome = await slack.user('U1').submit(view, both);
    expect(Object.values(outcome.errors).join()).toContain('take one of them away');
    expect(submitted()).toEqual([]);
  });

  test('a file whose address is not told is asked for', async () => {
    await open();
    const view = await opened(formOf([ca]));
    await slack.user('U1').submit(view, { 'CA bundle, as a file': { name: 'a', content: bundle, hidden: true } });
    expect(slack.calls.map(({ method }) => method)).toContain('files.info');
    expect(submitted()).toHaveLength(1);
  });

  test('without files:read the person is told what an admin does', async () => {
    await open(['commands', 'chat:write', 'users:read', 'im:write']);
    const view = await opened(formOf([ca]));
    const outcome = await slack.user('U1').submit(view, { 'CA bundle, as a file': { name: 'a', content: bundle } });
    expect(Object.values(outcome.errors).join()).toMatch(/may not read files.*files:read.*paste the text/);
    expect(submitted()).toEqual([]);
  });

  test('the token goes to no other host', async () => {
    await open();
    let asked = 0;
    const elsewhere = createServer((_request, response) => {
      asked += 1;
      response.end('stolen');
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const { port } = elsewhere.address() as AddressInfo;
    const view = await opened(formOf([ca]));
    const [id = ''] = Object.keys(view.values).filter((each) => each.startsWith('u.'));
    const file = { id: 'F1', name: 'ca.pem', size: 6, url_private: `http://127.0.0.1:${port}/ca.pem` };
    view.values[id] = { 'kqueen.field': { type: 'file_input', files: [file] } };
    const outcome = await slack.user('U1').submit(view);
    expect(Object.values(outcome.errors).join()).toContain("no file of Slack's own");
    expect(asked).toBe(0);
    await new Promise<void>((resolve) => elsewhere.close(() => resolve()));
  });

  test('with a secret: the form says first, and the answer says after, that the file stays; nothing of it is shown', async () => {
    await open();
    const view = await opened(formOf([key], { private: true }));
    expect(blocks(view)).toContain('Slack keeps it among your files until you delete it');
    const secret = `CANARY-${'k'.repeat(4_000)}`;
    await slack.user('U1').submit(view, { 'Key, as a file': { name: 'key.json', content: secret } });
    const said = await slack.sees('C1', /still in Slack/, { userId: 'U1' });
    expect(words(said)).toMatch(/key\.json.*Delete file/s);
    expect(submitted()).toMatchObject([{ values: { serviceKey: secret } }]);
    expect(slack.emitted()).not.toContain('CANARY');
    expect(slack.calls.map(({ method }) => method)).not.toContain('files.delete');
    expect(slack.violations).toEqual([]);
  });

  test('a value that is too long to be shown is never cut into a new one', async () => {
    await open();
    const view = await opened(formOf([{ ...ca, value: bundle, required: false }]));
    await slack.user('U1').submit(view);
    expect(submitted()).toMatchObject([{ values: { caBundle: '' } }]);
    expect(blocks(view)).toContain('too long to be shown here');
  });
});

const machines = Array.from({ length: 1_500 }, (_, index) => ({ value: `m${index}`, label: `Machine ${index}` }));
const many: Field = {
  key: 'machine',
  label: 'Machine',
  kind: 'choice',
  required: true,
  choices: machines,
  value: 'm7',
};

describe('more choices than Slack shows', () => {
  test('are searched as somebody types, and the one that is set stays', async () => {
    await open();
    const form = formOf([
      { ...many, key: 'region', label: 'Region', choices: machines.slice(0, 3), reloads: true },
      many,
    ]);
    const view = await opened(form, async ({ source }) => (source === 'form' ? done : asking(form)));
    expect(JSON.stringify(view.values)).toContain('"m7"');
    const ada = slack.user('U1');
    expect(await ada.suggestions(view, 'Machine', '')).toHaveLength(100);
    const found = await ada.suggestions(view, 'Machine', 'machine 149');
    expect(found.map(({ value }) => value)).toEqual([
      'm149',
      ...Array.from({ length: 10 }, (_, i) => `m149${i}`),
      'm1149',
    ]);
    expect(await ada.suggestions(view, 'Machine', 'nothing like it')).toEqual([]);
    // Nothing but what its choices depend on goes with the question: it can never pass for a filled form.
    const last = heard.at(-1);
    expect(last).toMatchObject({ source: 'open-form', text: 'cluster create', person: { id: 'slack:T1:U1' } });
    expect(Object.keys(last?.values ?? {})).toEqual(['region']);
    await ada.submit(view, { Region: 'm1', Machine: 'm1499' });
    expect(submitted()).toMatchObject([{ values: { machine: 'm1499' } }]);
    expect(slack.violations).toEqual([]);
  });

  test('over Socket Mode as well', async () => {
    await open(undefined, true);
    const form = formOf([many]);
    const view = await opened(form, async ({ source }) => (source === 'form' ? done : asking(form)));
    expect(await slack.user('U1').suggestions(view, 'Machine', 'machine 1499')).toHaveLength(1);
    await slack.user('U1').submit(view, { Machine: 'm1499' });
    expect(submitted()).toMatchObject([{ values: { machine: 'm1499' } }]);
    expect(slack.violations).toEqual([]);
  });

  test('a person who may not see them gets none; a slow answer is none, in time', async () => {
    await open();
    const view = await opened(formOf([many]), async () => [
      { audience: 'caller', card: plainCard('Not allowed', 'No.') },
    ]);
    expect(await slack.user('U1').suggestions(view, 'Machine', 'm')).toEqual([]);
    handle = async () => {
      await pause(2_600);
      return asking(formOf([many]));
    };
    expect(await slack.user('U1').suggestions(view, 'Machine', 'm')).toEqual([]);
    expect(slack.violations).toEqual([]);
  });
});

describe('fields that depend on another', () => {
  const engine = (value: string): Field => ({
    ...{ key: 'engine', label: 'Engine', kind: 'choice', required: true, reloads: true, value },
    choices: ['gke', 'aks', 'heat'].map((each) => ({ value: each, label: each })),
  });
  const region = (of: string): Field => ({
    ...{ key: 'region', label: 'Region', kind: 'choice', required: true },
    choices: ['north', 'south'].map((each) => ({ value: `${of}-${each}`, label: `${of}-${each}` })),
  });
  const name: Field = { key: 'name', label: 'Name', kind: 'text', required: true };
  const token: Field = { key: 'token', label: 'Token', kind: 'secret', required: false };
  const shape = (values: Record<string, string> = {}): Form =>
    formOf([
      { ...name, ...(values.name ? { value: values.name } : {}) },
      engine(values.engine ?? 'gke'),
      region(values.engine ?? 'gke'),
      token,
      key,
    ]);

  test('come anew, and everything else stays: texts, secrets, files, and what was typed meanwhile', async () => {
    await open();
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const view = await opened(shape(), async (inbound) => {
      if (inbound.source === 'form') return done;
      await gate;
      return asking(shape(inbound.values));
    });
    const ada = slack.user('U1');
    await ada.select(view, 'Name', 'demo');
    await ada.select(view, 'Token', 's3cret');
    const changing = ada.select(view, 'Engine', 'aks');
    await slack.until(() => heard.some(({ source }) => source === 'open-form'));
    await ada.select(view, 'Name', 'demo-2');
    go();
    await changing;
    await slack.until(() => blocks(view).includes('aks-north'));
    await ada.submit(view, { Region: 'aks-south', 'Key, as a file': { name: 'k', content: 'key' } });
    const values = { name: 'demo-2', engine: 'aks', region: 'aks-south', token: 's3cret', serviceKey: 'key' };
    expect(submitted()).toMatchObject([{ values }]);
    expect(slack.violations).toEqual([]);
  });

  test('changed twice, the newest counts, whichever answer comes first', async () => {
    await open();
    const view = await opened(shape(), async (inbound) => {
      await pause(inbound.values?.engine === 'aks' ? 400 : 50);
      return asking(shape(inbound.values));
    });
    const ada = slack.user('U1');
    await Promise.all([ada.select(view, 'Engine', 'aks'), pause(60).then(() => ada.select(view, 'Engine', 'heat'))]);
    await slack.until(() => blocks(view).includes('heat-north'));
    await pause(500);
    expect(blocks(view)).toContain('heat-north');
    expect(JSON.stringify(view.values)).toContain('"heat"');
    expect(slack.violations).toEqual([]);
  });

  test('sent while it loads: refused at its field, with everything in it', async () => {
    await open();
    const view = await opened(shape(), async (inbound) => {
      if (inbound.source !== 'form') {
        await pause(800);
        return asking(shape(inbound.values));
      }
      return [{ audience: 'caller', problems: [{ field: 'region', message: 'gke-north is not offered.' }] }];
    });
    const ada = slack.user('U1');
    const changing = ada.select(view, 'Engine', 'aks');
    const outcome = await ada.submit(view, { Name: 'demo', Region: 'gke-north', Key: 'k' });
    expect(Object.values(outcome.errors)).toEqual(['gke-north is not offered.']);
    await changing;
    await slack.until(() => blocks(view).includes('aks-north'));
    expect(JSON.stringify(view.values)).toContain('demo');
    expect(slack.violations).toEqual([]);
  });
});

describe('choices that come late', () => {
  const bare = (values: Record<string, string> = {}): Form =>
    formOf(
      [{ key: 'name', label: 'Name', kind: 'text', required: true, ...(values.name ? { value: values.name } : {}) }],
      {
        loading: 'lab',
      },
    );
  const whole = (values: Record<string, string> = {}): Form => {
    const { loading: _loading, ...form } = bare(values);
    return { ...form, fields: [...form.fields, { ...many, value: '', choices: machines.slice(0, 5) }] };
  };

  test('the form is there at once, says so, and gets them around what is typed', async () => {
    await open();
    const view = await opened(bare(), async ({ values }) => {
      await pause(700);
      return asking(whole(values));
    });
    expect(blocks(view)).toContain('Loading what lab offers');
    await slack.user('U1').select(view, 'Name', 'typed-meanwhile');
    await slack.until(() => blocks(view).includes('Machine 4'));
    expect(blocks(view)).not.toContain('Loading');
    expect(JSON.stringify(view.values)).toContain('typed-meanwhile');
    expect(heard.at(-1)).toMatchObject({ source: 'open-form', waitMs: 8_000 });
    expect(slack.violations).toEqual([]);
  });

  test('or it says that they did not come', async () => {
    await open();
    const view = await opened(bare(), async ({ values }) => asking(bare(values)));
    await slack.until(() => blocks(view).includes('lab does not answer at the moment'));
    expect(heard.filter(({ source }) => source === 'open-form')).toHaveLength(1);
  });

  test('sent before they come, it is answered, and the late ones open nothing', async () => {
    await open();
    const view = await opened(bare(), async ({ source, values }) => {
      if (source === 'form') return done;
      await pause(900);
      return asking(whole(values));
    });
    await slack.user('U1').submit(view, { Name: 'demo' });
    await slack.sees('C1', /It is done/, { userId: 'U1' });
    await pause(1_000);
    expect(slack.user('U1').stack).toEqual([]);
    expect(slack.violations).toEqual([]);
  });
});

describe('an answer that comes late', () => {
  test('refused, a form with secrets lies below as it was filled in', async () => {
    await open();
    let refuse = true;
    const view = await opened(formOf([{ ...key, required: true }], { private: true }), async () => {
      await pause(2_600);
      return refuse
        ? [{ audience: 'caller', problems: [{ field: 'serviceKey', message: 'The provider says no.' }] }]
        : done;
    });
    const ada = slack.user('U1');
    await ada.submit(view, { Key: 'CANARY-secret' });
    const top = await slack.until(() => (ada.stack.length === 2 ? ada.view : undefined));
    await slack.until(() => blocks(top).includes('The provider says no.'));
    expect(blocks(view)).toContain('Problem: The provider says no.');
    await ada.closeView(top);
    expect(ada.view).toBe(view);
    expect(JSON.stringify(view.values)).toContain('CANARY-secret');
    expect(JSON.stringify(slack.calls.map(({ args }) => args))).not.toContain('CANARY');
    refuse = false;
    await ada.submit(view);
    await slack.sees('C1', /It is done/, { userId: 'U1' });
    const last = await slack.until(() => (ada.stack.length === 2 ? ada.view : undefined));
    await slack.until(() => blocks(last).includes('The answer is in the conversation.'));
    await ada.closeView(last);
    expect(ada.stack).toEqual([]);
    expect(slack.violations).toEqual([]);
  });
});
