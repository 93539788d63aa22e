/** Each documented limit is enforced: what Slack refuses is refused here, with Slack's words, and noted as a violation. */
import { WebClient } from '@slack/web-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allowInvalid } from '../../bot/valid.ts';
import { type Json, type Slack, type SlackOptions, startSlack } from './index.ts';

// The app of this file is the test's own, and wrong on purpose.
allowInvalid();

let now = 1_800_000_000_000;
let slack: Slack;
let client: WebClient;

const OPTIONS: SlackOptions = {
  signingSecret: 'secret',
  botToken: 'xoxb-1',
  appToken: 'xapp-1',
  users: [
    { id: 'U1', name: 'ada' },
    { id: 'U2', name: 'grace', ultraRestricted: true },
  ],
  channels: [
    { id: 'C1', name: 'clusters', members: ['U1'] },
    { id: 'C2', name: 'old', archived: true },
    { id: 'C3', name: 'others', hasBot: false },
    { id: 'C4', name: 'secret', private: true, hasBot: false },
  ],
  clock: { now: () => now },
};

function connect(token = OPTIONS.botToken): WebClient {
  return new WebClient(token, { slackApiUrl: slack.apiUrl, retryConfig: { retries: 0 }, rejectRateLimitedCalls: true });
}

beforeEach(async () => {
  slack = await startSlack(OPTIONS);
  client = connect();
});

afterEach(async () => {
  await slack.close();
});

/** Calls a method and gives the API's answer, refused or not. */
async function call(method: string, args: Json): Promise<Json> {
  const response = await fetch(`${slack.apiUrl}${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${OPTIONS.botToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(args),
  });
  return (await response.json()) as Json;
}

function plain(text: string): Json {
  return { type: 'plain_text', text };
}

function x(length: number): string {
  return 'x'.repeat(length);
}

function many<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function section(length: number): Json {
  return { type: 'section', text: { type: 'mrkdwn', text: x(length) } };
}

function button(more: Json = {}): Json {
  return { type: 'button', text: plain('Go'), ...more };
}

function actions(...elements: Json[]): Json {
  return { type: 'actions', elements };
}

function option(text: number, value: number): Json {
  return { text: plain(x(text)), value: x(value) };
}

function options(count: number): Json[] {
  return many(count, (index) => ({ text: plain(`o${index}`), value: `v${index}` }));
}

function select(more: Json): Json {
  return actions({ type: 'static_select', action_id: 'a', ...more });
}

const CONFIRM = { title: plain('Sure?'), text: plain('Really?'), confirm: plain('Yes'), deny: plain('No') };

describe('blocks of messages', () => {
  // name, blocks at the limit, blocks beyond it, what Slack says
  const cases: [string, Json[], Json[], string][] = [
    [
      '50 blocks',
      many(50, () => ({ type: 'divider' })),
      many(51, () => ({ type: 'divider' })),
      'no more than 50 items',
    ],
    [
      'section text 3000',
      [section(3000)],
      [section(3001)],
      'must be less than 3001 characters [json-pointer:/blocks/0/text/text]',
    ],
    ['section text 1', [section(1)], [section(0)], 'must be more than 0 characters'],
    [
      '10 fields',
      [{ type: 'section', fields: many(10, () => plain('f')) }],
      [{ type: 'section', fields: many(11, () => plain('f')) }],
      'no more than 10 items',
    ],
    [
      'field 2000',
      [{ type: 'section', fields: [plain(x(2000))] }],
      [{ type: 'section', fields: [plain(x(2001))] }],
      'less than 2001',
    ],
    [
      'header 150',
      [{ type: 'header', text: plain(x(150)) }],
      [{ type: 'header', text: plain(x(151)) }],
      'less than 151',
    ],
    [
      'header plain',
      [{ type: 'header', text: plain('h') }],
      [{ type: 'header', text: { type: 'mrkdwn', text: 'h' } }],
      'unsupported type: mrkdwn',
    ],
    [
      '10 context elements',
      [{ type: 'context', elements: many(10, () => plain('c')) }],
      [{ type: 'context', elements: many(11, () => plain('c')) }],
      'no more than 10 items',
    ],
    [
      '25 actions',
      [actions(...many(25, () => button()))],
      [actions(...many(26, () => button()))],
      'no more than 25 items',
    ],
    [
      'button text 75',
      [actions(button({ text: plain(x(75)) }))],
      [actions(button({ text: plain(x(76)) }))],
      'less than 76',
    ],
    [
      'button value 2000',
      [actions(button({ value: x(2000) }))],
      [actions(button({ value: x(2001) }))],
      'less than 2001',
    ],
    ['button style', [actions(button({ style: 'danger' }))], [actions(button({ style: 'warning' }))], 'must be one of'],
    [
      'action_id 255',
      [actions(button({ action_id: x(255) }))],
      [actions(button({ action_id: x(256) }))],
      'less than 256',
    ],
    ['block_id 255', [{ type: 'divider', block_id: x(255) }], [{ type: 'divider', block_id: x(256) }], 'less than 256'],
    [
      'action_id unique',
      [actions(button({ action_id: 'a' }), button({ action_id: 'b' }))],
      [actions(button({ action_id: 'a' }), button({ action_id: 'a' }))],
      '`action_id` "a" already exists',
    ],
    [
      'block_id unique',
      [
        { type: 'divider', block_id: 'a' },
        { type: 'divider', block_id: 'b' },
      ],
      [
        { type: 'divider', block_id: 'a' },
        { type: 'divider', block_id: 'a' },
      ],
      '`block_id` "a" already exists',
    ],
    ['100 options', [select({ options: options(100) })], [select({ options: options(101) })], 'no more than 100 items'],
    ['some options', [select({ options: options(1) })], [select({ options: [] })], 'no less than 1 items'],
    ['option text 75', [select({ options: [option(75, 1)] })], [select({ options: [option(76, 1)] })], 'less than 76'],
    [
      'option value 150',
      [select({ options: [option(1, 150)] })],
      [select({ options: [option(1, 151)] })],
      'less than 151',
    ],
    [
      'initial option',
      [select({ options: options(2), initial_option: options(1)[0] })],
      [select({ options: options(2), initial_option: option(1, 1) })],
      'must match one of the options',
    ],
    [
      'placeholder 150',
      [select({ options: options(1), placeholder: plain(x(150)) })],
      [select({ options: options(1), placeholder: plain(x(151)) })],
      'less than 151',
    ],
    [
      'overflow 5',
      [actions({ type: 'overflow', options: options(5) })],
      [actions({ type: 'overflow', options: options(6) })],
      'no more than 5 items',
    ],
    [
      'checkboxes 10',
      [actions({ type: 'checkboxes', options: options(10) })],
      [actions({ type: 'checkboxes', options: options(11) })],
      'no more than 10 items',
    ],
    [
      'confirm title 100',
      [actions(button({ confirm: { ...CONFIRM, title: plain(x(100)) } }))],
      [actions(button({ confirm: { ...CONFIRM, title: plain(x(101)) } }))],
      'less than 101',
    ],
    [
      'confirm text 300',
      [actions(button({ confirm: { ...CONFIRM, text: plain(x(300)) } }))],
      [actions(button({ confirm: { ...CONFIRM, text: plain(x(301)) } }))],
      'less than 301',
    ],
    [
      'confirm button 30',
      [actions(button({ confirm: { ...CONFIRM, deny: plain(x(30)) } }))],
      [actions(button({ confirm: { ...CONFIRM, deny: plain(x(31)) } }))],
      'less than 31',
    ],
    [
      'known properties',
      [{ type: 'divider' }],
      [{ type: 'divider', colour: 'red' }],
      'invalid additional property: colour',
    ],
    ['known types', [{ type: 'divider' }], [{ type: 'banner' }], 'unsupported type: banner'],
    ['required fields', [actions(button())], [actions({ type: 'button' })], 'missing required field: text'],
    [
      'table 20 cells',
      [{ type: 'table', rows: [many(20, () => ({ type: 'raw_text', text: 'a' }))] }],
      [{ type: 'table', rows: [many(21, () => ({ type: 'raw_text', text: 'a' }))] }],
      'no more than 20 items',
    ],
  ];

  it.each(cases)('%s', async (_, good, bad, complaint) => {
    expect(await call('chat.postMessage', { channel: 'C1', text: 't', blocks: good })).toMatchObject({ ok: true });
    expect(slack.violations).toEqual([]);
    const refused = await call('chat.postMessage', { channel: 'C1', text: 't', blocks: bad });
    expect(refused).toMatchObject({ ok: false, error: 'invalid_blocks' });
    expect(JSON.stringify((refused.response_metadata as Json).messages)).toContain(
      JSON.stringify(complaint).slice(1, -1),
    );
    expect(slack.violations.map(({ kind }) => kind)).toEqual(['invalid_blocks']);
    expect(slack.messages('C1')).toHaveLength(1);
  });

  it('limits the text of all blocks together, and of the message', async () => {
    slack.rates.enabled = false;
    const blocks = [...many(4, () => section(3000)), section(1200)];
    expect(await call('chat.postMessage', { channel: 'C1', text: 't', blocks })).toMatchObject({ ok: true });
    expect(slack.violations.map(({ kind }) => kind)).toEqual(['block-text-over-budget']);
    const over = [...many(4, () => section(3000)), section(1201)];
    expect(await call('chat.postMessage', { channel: 'C1', text: 't', blocks: over })).toMatchObject({
      error: 'msg_blocks_too_long',
    });
    expect(await call('chat.postMessage', { channel: 'C1', text: x(40_000) })).toMatchObject({ ok: true });
    expect(await call('chat.postMessage', { channel: 'C1', text: x(40_001) })).toMatchObject({ error: 'msg_too_long' });
    expect(await call('chat.postMessage', { channel: 'C1' })).toMatchObject({ error: 'no_text' });
    const { ts } = await client.chat.postMessage({ channel: 'C1', text: 't' });
    expect(await call('chat.update', { channel: 'C1', ts, text: x(4000) })).toMatchObject({ ok: true });
    expect(await call('chat.update', { channel: 'C1', ts, text: x(4001) })).toMatchObject({ error: 'msg_too_long' });
  });

  it('notes missing fallback text and unescaped or broken entities', async () => {
    await call('chat.postMessage', { channel: 'C1', blocks: [section(3)] });
    const fine =
      '> quote\n<@U1> in <#C1|clusters> &amp; &lt;b&gt; <https://a.example/?b=1&c=2|link> <!date^1^{date}|then>';
    await call('chat.postMessage', { channel: 'C1', text: fine });
    await call('chat.postMessage', { channel: 'C1', text: 'a <b> c' });
    await call('chat.postMessage', { channel: 'C1', text: 'R&D' });
    await call('chat.postMessage', { channel: 'C1', text: 'hello <@U9>' });
    expect(slack.violations.map(({ kind }) => kind)).toEqual([
      'missing-fallback-text',
      'bad-mrkdwn',
      'bad-mrkdwn',
      'bad-mrkdwn',
    ]);
  });
});

describe('views', () => {
  const input = {
    type: 'input',
    block_id: 'b',
    label: plain('L'),
    element: { type: 'plain_text_input', action_id: 'a' },
  };
  const modal: Json = { type: 'modal', title: plain('T'), submit: plain('Go'), blocks: [input] };

  async function trigger(): Promise<string> {
    return (await slack.user('U1').command('/x', '', { channel: 'C1' })).triggerId;
  }

  const cases: [string, Json, Json, string][] = [
    [
      'title 24',
      { title: plain(x(24)) },
      { title: plain(x(25)) },
      'must be less than 25 characters [json-pointer:/view/title/text]',
    ],
    ['submit 24', { submit: plain(x(24)) }, { submit: plain(x(25)) }, 'less than 25'],
    ['close 24', { close: plain(x(24)) }, { close: plain(x(25)) }, 'less than 25'],
    ['private_metadata 3000', { private_metadata: x(3000) }, { private_metadata: x(3001) }, 'less than 3001'],
    ['callback_id 255', { callback_id: x(255) }, { callback_id: x(256) }, 'less than 256'],
    [
      '100 blocks',
      { blocks: many(100, () => ({ type: 'divider' })) },
      { blocks: many(101, () => ({ type: 'divider' })) },
      'no more than 100 items',
    ],
    [
      'label 2000',
      { blocks: [{ ...input, label: plain(x(2000)) }] },
      { blocks: [{ ...input, label: plain(x(2001)) }] },
      'less than 2001',
    ],
    [
      'hint 2000',
      { blocks: [{ ...input, hint: plain(x(2000)) }] },
      { blocks: [{ ...input, hint: plain(x(2001)) }] },
      'less than 2001',
    ],
    ['submit with inputs', { submit: plain('Go') }, { submit: undefined }, 'missing required field: submit'],
    ['no markdown block', {}, { blocks: [{ type: 'markdown', text: 'm' }] }, 'unsupported type: markdown'],
  ];

  it.each(cases)('%s', async (_, good, bad, complaint) => {
    expect(await call('views.open', { trigger_id: await trigger(), view: { ...modal, ...good } })).toMatchObject({
      ok: true,
    });
    const refused = await call('views.open', { trigger_id: await trigger(), view: { ...modal, ...bad } });
    expect(refused).toMatchObject({ ok: false, error: 'invalid_arguments' });
    expect(JSON.stringify(refused.response_metadata)).toContain(complaint);
    expect(slack.violations.map(({ kind }) => kind)).toEqual(['invalid_arguments']);
  });

  it('takes a trigger once, within three seconds', async () => {
    const first = await trigger();
    now += 3000;
    expect(await call('views.open', { trigger_id: first, view: modal })).toMatchObject({ ok: true });
    expect(await call('views.open', { trigger_id: first, view: modal })).toMatchObject({
      error: 'exchanged_trigger_id',
    });
    const second = await trigger();
    now += 3001;
    expect(await call('views.open', { trigger_id: second, view: modal })).toMatchObject({
      error: 'expired_trigger_id',
    });
    expect(await call('views.open', { trigger_id: 'made.up', view: modal })).toMatchObject({
      error: 'invalid_trigger_id',
    });
  });

  it('stacks three, and guards them by hash and external_id', async () => {
    const opened = await call('views.open', { trigger_id: await trigger(), view: { ...modal, external_id: 'one' } });
    expect(
      await call('views.push', { trigger_id: await trigger(), view: { ...modal, external_id: 'one' } }),
    ).toMatchObject({ error: 'duplicate_external_id' });
    for (const id of ['two', 'three'])
      await call('views.push', { trigger_id: await trigger(), view: { ...modal, external_id: id } });
    expect(await call('views.push', { trigger_id: await trigger(), view: modal })).toMatchObject({
      error: 'push_limit_reached',
    });
    expect(slack.user('U1').stack.map((view) => view.externalId)).toEqual(['one', 'two', 'three']);
    const { id, hash } = opened.view as Json;
    const view = { ...modal, external_id: 'one' };
    expect(await call('views.update', { view_id: id, hash: 'stale', view })).toMatchObject({ error: 'hash_conflict' });
    expect(await call('views.update', { view_id: id, hash, view })).toMatchObject({ ok: true });
    expect(await call('views.update', { view_id: id, hash, view })).toMatchObject({ error: 'hash_conflict' });
    expect(await call('views.update', { external_id: 'gone', view })).toMatchObject({ error: 'not_found' });
  });
});
