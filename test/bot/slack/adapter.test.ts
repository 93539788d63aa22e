import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Handle, Inbound, Outbound } from '../../../src/bot/inbound.ts';
import { openSlack, type SlackAdapter } from '../../../src/bot/slack/adapter.ts';
import type { SlackCall } from '../../../src/bot/slack/api.ts';
import { type Card, type Form, plainCard } from '../../../src/core/card.ts';
import type { Fault } from '../../../src/core/errors.ts';
import { PlaceGone } from '../../../src/core/ports/chat.ts';
import { silentLog } from '../../../src/core/ports/log.ts';
import type { Place } from '../../../src/core/records.ts';
import {
  BOT_USER,
  encoded,
  type Slack,
  signature,
  signedHeaders,
  startSlack,
  words,
} from '../../counterparts/slack/index.ts';
import { cardSamples, formSamples } from '../samples.ts';

const signingSecret = 'a-signing-secret';
const tokens = { botToken: 'xoxb-test', appToken: 'xapp-test' };
const place: Place = { chat: 'slack', workspace: 'T1', conversation: 'C1' };
const realClock = {
  now: () => Date.now(),
  sleep: (ms: number, signal?: AbortSignal) => pause(ms, undefined, signal === undefined ? {} : { signal }),
};

let slack: Slack;
let adapter: SlackAdapter;
let server: Server | undefined;
let url = '';
let heard: Inbound[];
let calls: SlackCall[];
let handle: Handle;

async function open(mode: 'http' | 'socket' = 'http'): Promise<void> {
  adapter = await openSlack({
    botToken: tokens.botToken,
    ...(mode === 'http' ? { signingSecret } : { appToken: tokens.appToken }),
    apiUrl: slack.apiUrl,
    handle: async (inbound) => {
      heard.push(inbound);
      return await handle(inbound);
    },
    log: silentLog,
    clock: realClock,
    onCall: (call) => calls.push(call),
    staggerMs: 50,
  });
  await adapter.start();
  if (adapter.requestListener === undefined) return;
  server = createServer(adapter.requestListener);
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`;
  slack.deliverTo(url);
}

beforeEach(async () => {
  heard = [];
  calls = [];
  handle = async () => [];
  slack = await startSlack({
    signingSecret,
    ...tokens,
    users: [
      { id: 'U1', name: 'ada', realName: 'Ada L.' },
      { id: 'U2', name: 'guest', restricted: true },
      { id: 'U3', name: 'stranger', stranger: true, teamId: 'T9' },
      { id: 'U4', name: 'solo', ultraRestricted: true },
      { id: 'U5', name: 'robot', bot: true },
      { id: 'U6', name: 'gone', deleted: true },
    ],
    channels: [
      { id: 'C1', name: 'clusters' },
      { id: 'C2', name: 'elsewhere', hasBot: false },
    ],
    postBurst: 50,
  });
});

afterEach(async () => {
  await adapter.stop(2_000);
  server?.closeAllConnections();
  await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  server = undefined;
  await slack.close();
});

/** A port of the loopback where nobody listens. */
async function closedPort(): Promise<number> {
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise<void>((resolve) => free.close(() => resolve()));
  return port;
}

function answer(...outbounds: Outbound[]): Handle {
  return async () => outbounds;
}

const hello: Outbound = { audience: 'caller', card: plainCard('Hello', 'Hello there.', 'good') };
const form: Form = {
  title: 'Create a cluster',
  command: 'cluster create',
  submit: 'Plan',
  fields: [
    { key: 'name', label: 'Name', kind: 'text', required: true, value: 'demo' },
    {
      key: 'size',
      label: 'Size',
      kind: 'choice',
      required: true,
      choices: [
        { value: 's', label: 'small' },
        { value: 'l', label: 'large' },
      ],
      reloads: true,
    },
    { key: 'note', label: 'Note', kind: 'multiline', required: false },
  ],
  private: false,
};

function inbound(index = 0): Inbound {
  const found = heard[index];
  if (found === undefined) throw new Error(`only ${heard.length} events were heard`);
  return found;
}

describe('slash commands', () => {
  test('are answered in the acknowledgement, for the caller alone', async () => {
    await open();
    handle = answer(hello);
    const outcome = await slack.user('U1').command('/kqueen', 'cluster show demo', { channel: 'C1' });
    expect(outcome.status).toBe(200);
    expect(slack.ephemeral('C1', 'U1').map(words).join()).toContain('Hello there.');
    expect(slack.messages('C1')).toEqual([]);
    expect(inbound()).toMatchObject({
      source: 'command',
      person: { id: 'slack:T1:U1', name: 'ada', external: null },
      place,
      private: false,
      text: 'cluster show demo',
      canOpenForm: true,
    });
    expect(slack.violations).toEqual([]);
  });

  test('an answer for everybody is posted; where the bot is no member it goes through the response URL', async () => {
    await open();
    handle = answer({ audience: 'place', card: plainCard('For all', 'Everybody reads this.') });
    await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
    await slack.sees('C1', /Everybody reads this/);
    await slack.user('U1').command('/kqueen', 'x', { channel: 'C2' });
    await slack.sees('C2', /Everybody reads this/);
    expect(slack.violations).toEqual([]);
  });

  test('a slow answer is announced in time and comes later', async () => {
    await open();
    handle = async () => {
      await pause(2_800);
      return [hello];
    };
    const outcome = await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
    expect(outcome.ms).toBeLessThan(2_900);
    expect(slack.ephemeral('C1', 'U1').map(words).join()).toContain('Still working on it');
    await slack.sees('C1', /Hello there/, { userId: 'U1' });
    expect(slack.violations).toEqual([]);
  });

  test('in our direct conversation they are private, in one with somebody else they are not', async () => {
    await open();
    handle = answer(hello);
    await slack.user('U1').command('/kqueen', 'x');
    expect(inbound().private).toBe(true);
    await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
    expect(inbound(1).private).toBe(false);
  });

  test('an unknown command and an error in the handler get an answer', async () => {
    await open();
    const other = await slack.user('U1').command('/other', 'x', { channel: 'C1' });
    expect(other).toMatchObject({ status: 200, error: undefined });
    expect(other.shown().map(words).join()).toContain('I do not know this command');
    handle = () => Promise.reject(new Error('boom'));
    await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
    await slack.sees('C1', /Something went wrong/, { userId: 'U1' });
    expect(slack.emitted()).not.toContain('boom');
  });

  test('the same event is told by the same id', async () => {
    await open();
    handle = answer(hello);
    const outcome = await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
    await slack.redeliver(outcome, 1);
    expect(inbound(1).eventId).toBe(inbound(0).eventId);
    await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
    expect(inbound(2).eventId).not.toBe(inbound(0).eventId);
  });

  test('files go to the direct conversation only', async () => {
    await open();
    handle = answer({
      ...hello,
      files: [{ name: 'kubeconfig.yaml', content: 'apiVersion: v1\n', text: 'Yours for an hour.' }],
    });
    await slack.user('U1').command('/kqueen', 'cluster access demo', { channel: 'C1' });
    await slack.until(() => slack.files().some(({ completed }) => completed));
    expect(slack.files().flatMap(({ shares }) => shares.map(({ channel }) => channel))).toEqual([slack.user('U1').dm]);
    expect(slack.violations).toEqual([]);
  });
});

describe('who it is', () => {
  test.each([
    ['U2', /guest/],
    ['U4', /guest/],
    ['U3', /another workspace/],
    ['U5', /Bots/],
    ['U6', /deactivated/],
  ])('%s is flagged', async (user, reason) => {
    await open();
    await slack.user(user).command('/kqueen', 'help', { channel: 'C1' });
    expect(inbound().person.external).toMatch(reason);
    expect(inbound().person.id).toBe(user === 'U3' ? 'slack:T9:U3' : `slack:T1:${user}`);
  });

  test('who cannot be looked up is not trusted, and is asked for again', async () => {
    await open();
    slack.faults.error('users.info', 'internal_error');
    await slack.user('U1').command('/kqueen', 'help', { channel: 'C1' });
    expect(inbound().person.external).toMatch(/^unverified/);
    slack.faults.hang('users.info');
    const hung = await slack.user('U1').command('/kqueen', 'help', { channel: 'C1' });
    expect(hung.ms).toBeLessThan(2_500);
    expect(inbound(1).person.external).toMatch(/^unverified/);
  });

  test('a look-up is remembered', async () => {
    await open();
    await slack.user('U1').command('/kqueen', 'help', { channel: 'C1' });
    await slack.user('U1').command('/kqueen', 'help', { channel: 'C1' });
    expect(slack.calls.filter(({ method }) => method === 'users.info')).toHaveLength(1);
  });
});

describe('mentions and direct messages', () => {
  test('a mention is read without itself and answered in the channel', async () => {
    await open();
    handle = answer({ audience: 'place', card: plainCard('Clusters', 'There are none.') });
    await slack.user('U1').mention('C1', 'clusters owner=@ada');
    await slack.sees('C1', /There are none/);
    expect(inbound()).toMatchObject({
      source: 'mention',
      text: 'clusters owner=<@U1>',
      private: false,
      place,
      canOpenForm: false,
    });
    expect(slack.violations).toEqual([]);
  });

  test('in a thread the answer stays in the thread', async () => {
    await open();
    handle = answer({ audience: 'place', card: plainCard('Yes', 'In the thread.') });
    await slack.user('U1').mention('C1', 'help');
    const root = await slack.sees('C1', /In the thread/);
    await slack.user('U1').mention('C1', 'help', { thread: root.ts });
    const reply = await slack.until(() =>
      slack.messages('C1').find(({ byApp, threadTs }) => byApp && threadTs === root.ts),
    );
    expect(words(reply)).toContain('In the thread');
    expect(inbound(1).place.thread).toBe(root.ts);
  });

  test('a direct message needs no prefix; our own messages and edits are not heard', async () => {
    await open();
    handle = answer(hello);
    await slack.user('U1').direct('cluster show demo');
    const dm = slack.user('U1').dm;
    const said = await slack.sees(dm, /Hello there/);
    expect(inbound()).toMatchObject({ source: 'direct', private: true, text: 'cluster show demo' });
    await adapter.port.edit(place, { conversation: dm, id: said.ts }, plainCard('Edited', 'Edited now.'));
    const edit = {
      type: 'message',
      subtype: 'message_changed',
      channel: dm,
      channel_type: 'im',
      hidden: true,
      message: { user: 'U1', text: 'edited' },
    };
    await slack.event(edit);
    await slack.event({
      type: 'message',
      channel: dm,
      channel_type: 'im',
      user: 'U1',
      bot_id: 'B1',
      text: 'bot',
      ts: '1.1',
    });
    await slack.event({ type: 'message', channel: dm, channel_type: 'im', user: BOT_USER, text: 'me', ts: '1.2' });
    await slack.until(
      () => slack.deliveries.filter(({ payload }) => JSON.stringify(payload).includes('Edited now')).length > 0,
    );
    expect(heard).toHaveLength(1);
    expect(slack.violations).toEqual([]);
  });

  test('a redelivered event keeps its id', async () => {
    await open();
    const delivery = await slack.user('U1').mention('C1', 'help');
    await slack.redeliver(delivery, 2);
    expect(new Set(heard.map(({ eventId }) => eventId)).size).toBe(1);
    expect(heard).toHaveLength(3);
  });

  test('the acknowledgement of an event waits for its handling', async () => {
    await open();
    handle = async () => {
      await pause(300);
      return [];
    };
    const delivery = await slack.user('U1').mention('C1', 'help');
    expect(delivery.ms).toBeGreaterThan(290);
    handle = async () => {
      await pause(3_500);
      return [hello];
    };
    const slow = await slack.user('U1').mention('C1', 'help');
    expect(slow.status).toBe(200);
    await slack.sees('C1', /Hello there/, { userId: 'U1' });
    expect(slack.violations).toEqual([]);
  });

  test('a message with a secret that cannot be deleted is pointed at', async () => {
    await open();
    handle = answer({ ...hello, remove: true });
    await slack.user('U1').mention('C1', 'provisioner add token=abc');
    await slack.sees('C1', /delete it yourself/, { userId: 'U1' });
  });
});

describe('buttons', () => {
  const asked: Card = {
    title: 'Sure?',
    tone: 'plain',
    text: 'Sure?',
    parts: [],
    buttons: [
      {
        label: 'Go',
        command: 'cluster create demo plan=1',
        style: 'primary',
        confirm: { title: 'Really?', text: 'Really.', yes: 'Yes' },
      },
      { label: 'Docs', url: 'https://docs.example/' },
    ],
  };

  test('send their command, and the answer may replace the message', async () => {
    await open();
    const ref = await adapter.port.post(place, asked, 'key-1');
    handle = answer({ audience: 'caller', replaces: true, card: plainCard('Asked', 'It is under way.', 'busy') });
    const message = await slack.sees('C1', /Sure/);
    await slack.user('U1').click(message, { text: 'Go' });
    await slack.sees('C1', /It is under way/);
    expect(slack.messages('C1')).toHaveLength(1);
    expect(inbound()).toMatchObject({
      source: 'button',
      text: 'cluster create demo plan=1',
      message: ref,
      canOpenForm: true,
    });
    expect(await adapter.port.find(place, 'key-1')).toEqual(ref);
    expect(slack.violations).toEqual([]);
  });

  test('in an ephemeral answer they replace that answer', async () => {
    await open();
    handle = answer({ audience: 'caller', card: asked });
    await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
    const message = await slack.sees('C1', /Sure/, { userId: 'U1' });
    handle = answer({ audience: 'caller', replaces: true, card: plainCard('Asked', 'It is under way.') });
    await slack.user('U1').click(message, { text: 'Go' });
    await slack.sees('C1', /It is under way/, { userId: 'U1' });
    expect(slack.ephemeral('C1', 'U1')).toHaveLength(1);
    expect(slack.violations).toEqual([]);
  });

  test('a link, an unknown action and an unreadable one are only acknowledged', async () => {
    await open();
    await adapter.port.post(place, asked, 'k');
    const message = await slack.sees('C1', /Sure/);
    const link = await slack.user('U1').click(message, { text: 'Docs' });
    expect(link).toMatchObject({ status: 200, error: undefined });
    const odd = [
      { ...link.payload, actions: [{ type: 'button', action_id: 'somebody.elses', value: 'x' }] },
      { type: 'block_actions', user: { id: 'U1' }, team: { id: 'T1' }, actions: [] },
      { type: 'shortcut', callback_id: 'x', user: { id: 'U1' }, team: { id: 'T1' }, trigger_id: '1' },
      { type: 'block_suggestion', action_id: 'x', block_id: 'b', user: { id: 'U1' }, team: { id: 'T1' }, value: '' },
      {
        type: 'view_submission',
        user: { id: 'U1' },
        team: { id: 'T1' },
        view: { id: 'V1', callback_id: 'other', hash: 'h', blocks: [] },
      },
      {
        type: 'view_closed',
        user: { id: 'U1' },
        team: { id: 'T1' },
        view: { id: 'V1', callback_id: 'other', hash: 'h', blocks: [] },
      },
      { type: 'something_new', user: { id: 'U1' }, team: { id: 'T1' } },
    ];
    for (const payload of odd) {
      const { body, type } = encoded('interactive', payload);
      const began = Date.now();
      const response = await fetch(url, { method: 'POST', body, headers: signedHeaders(signingSecret, body, type) });
      expect(response.status).toBe(200);
      expect(Date.now() - began).toBeLessThan(1_000);
    }
    expect(heard).toEqual([]);
  });

  test('a slow one says so, and answers later', async () => {
    await open();
    await adapter.port.post(place, asked, 'k');
    const message = await slack.sees('C1', /Sure/);
    handle = async () => {
      await pause(2_700);
      return [hello];
    };
    const delivery = await slack.user('U1').click(message, { text: 'Go' });
    expect(delivery.status).toBe(200);
    await slack.sees('C1', /Still working/, { userId: 'U1' });
    await slack.sees('C1', /Hello there/, { userId: 'U1' });
    expect(slack.violations).toEqual([]);
  });
});

describe('forms', () => {
  async function formFor(user = 'U1') {
    handle = answer({ audience: 'caller', form });
    await slack.user(user).command('/kqueen', 'cluster create', { channel: 'C1' });
    return await slack.until(() => slack.user(user).view);
  }

  test('open, refuse at the field, keep the values, and clear', async () => {
    await open();
    const view = await formFor();
    expect(view.title).toBe('Create a cluster');
    handle = answer({ audience: 'caller', form, problems: [{ field: 'name', message: 'The name is taken.' }] });
    const refused = await slack.user('U1').submit(view, { Name: 'demo2', Size: 's' });
    expect(Object.values(refused.errors)).toEqual(['The name is taken.']);
    expect(inbound(1)).toMatchObject({
      source: 'form',
      text: 'cluster create',
      values: { name: 'demo2', size: 's', note: '' },
      place,
    });
    handle = answer({ audience: 'caller', card: plainCard('Plan', 'Here is the plan.') });
    await slack.user('U1').submit(view, { Name: 'demo3' });
    expect(slack.user('U1').view).toBeUndefined();
    await slack.sees('C1', /Here is the plan/, { userId: 'U1' });
    expect(inbound(2).eventId.startsWith('slack:view:')).toBe(true);
    expect(slack.violations).toEqual([]);
  });

  test('a slow submission shows that it works, then the problems with what was filled in', async () => {
    await open();
    const view = await formFor();
    handle = async () => {
      await pause(2_800);
      return [{ audience: 'caller', problems: [{ field: 'name', message: 'The name is taken.' }] }];
    };
    await slack.user('U1').submit(view, { Name: 'demo2', Size: 'l', Note: 'a note' });
    expect(JSON.stringify(slack.user('U1').view)).toContain('Still working on it');
    const again = await slack.until(() =>
      JSON.stringify(view.blocks).includes('The name is taken.') ? view : undefined,
    );
    expect(JSON.stringify(again.blocks)).toContain('"initial_value":"demo2"');
    expect(JSON.stringify(again.blocks)).toContain('"initial_value":"a note"');
    expect(JSON.stringify(again.blocks)).toMatch(/"initial_option":\{"text":\{[^}]*"large"/);
    expect(slack.violations).toEqual([]);
  });

  test('a field that others depend on loads the form again with the values', async () => {
    await open();
    const view = await formFor();
    const extra = { key: 'disks', label: 'Disks', kind: 'number' as const, required: true, value: '2' };
    handle = answer({ audience: 'caller', form: { ...form, fields: [...form.fields, extra] } });
    await slack.user('U1').select(view, 'Size', 'l');
    await slack.until(() => JSON.stringify(view.blocks).includes('Disks'));
    expect(inbound(1)).toMatchObject({
      source: 'open-form',
      text: 'cluster create',
      values: { name: 'demo', size: 'l' },
    });
    expect(slack.violations).toEqual([]);
  });

  test('without a trigger a button opens it, also when the form takes time', async () => {
    await open();
    handle = answer({ audience: 'caller', form });
    await slack.user('U1').mention('C1', 'cluster create owner=ada');
    const offer = await slack.sees('C1', /Fill them in here/, { userId: 'U1' });
    await slack.user('U1').click(offer, { text: 'Open the form' });
    expect(inbound(1)).toMatchObject({ source: 'open-form', text: 'cluster create owner=ada', canOpenForm: true });
    const view = await slack.until(() => slack.user('U1').view);
    await slack.user('U1').closeView(view);
    handle = async () => {
      await pause(1_500);
      return [{ audience: 'caller', form }];
    };
    const delivery = slack.user('U1').click(offer, { text: 'Open the form' });
    await slack.until(() => JSON.stringify(slack.user('U1').view ?? {}).includes('Loading the form'));
    await delivery;
    await slack.until(() => JSON.stringify(slack.user('U1').view ?? {}).includes('Name'));
    expect(slack.violations).toEqual([]);
  });

  test('when the trigger has expired, the form is offered instead', async () => {
    await open();
    slack.faults.error('views.open', 'expired_trigger_id');
    handle = answer({ audience: 'caller', form });
    await slack.user('U1').command('/kqueen', 'cluster create', { channel: 'C1' });
    await slack.sees('C1', /Fill them in here/, { userId: 'U1' });
  });

  test('an answer to a form from a place without us goes to the person', async () => {
    await open();
    handle = answer({ audience: 'caller', form });
    await slack.user('U1').command('/kqueen', 'cluster create', { channel: 'C2' });
    const view = await slack.until(() => slack.user('U1').view);
    handle = answer(hello);
    await slack.user('U1').submit(view, { Name: 'x', Size: 's' });
    await slack.sees(slack.user('U1').dm, /Hello there/);
  });
});

describe('requests that are not from Slack', () => {
  const command = encoded('command', {
    command: '/kqueen',
    text: 'x',
    team_id: 'T1',
    user_id: 'U1',
    channel_id: 'C1',
    trigger_id: '1',
    response_url: 'http://127.0.0.1:1/',
  });

  async function send(body: string, headers: Record<string, string>): Promise<number> {
    const response = await fetch(url, { method: 'POST', body, headers });
    const text = await response.text();
    expect(text).not.toMatch(/error|stack|node_modules/i);
    return response.status;
  }

  test('unsigned, badly signed and stale ones are refused', async () => {
    await open();
    const { body, type } = command;
    const good = signedHeaders(signingSecret, body, type);
    const old = Math.floor(Date.now() / 1_000) - 600;
    expect(await send(body, { 'content-type': type })).toBe(401);
    expect(await send(body, signedHeaders('another secret', body, type))).toBe(401);
    expect(await send(`${body}&text=other`, good)).toBe(401);
    const stale = {
      ...good,
      'x-slack-request-timestamp': String(old),
      'x-slack-signature': signature(signingSecret, old, body),
    };
    expect(await send(body, stale)).toBe(401);
    expect(heard).toEqual([]);
  });

  test('oversized, non-JSON and odd JSON ones are refused', async () => {
    await open();
    const big = 'x'.repeat(1_100_000);
    expect(await send(big, signedHeaders(signingSecret, big, command.type))).toBe(413);
    for (const body of ['not json', 'null', '[]', '"text"', '{"type":']) {
      expect(await send(body, signedHeaders(signingSecret, body, 'application/json'))).toBe(400);
    }
    for (const body of ['payload=null', 'payload=%7B', 'payload=1&payload=2']) {
      expect(await send(body, signedHeaders(signingSecret, body, command.type))).toBe(400);
    }
    expect(heard).toEqual([]);
  });

  test('one that is cut short does no harm, other paths are not ours', async () => {
    await open();
    await new Promise<void>((resolve) => {
      const cut = httpRequest(url, {
        method: 'POST',
        headers: { ...signedHeaders(signingSecret, command.body, command.type), 'content-length': '5000' },
      });
      cut.on('error', () => resolve());
      cut.write(command.body);
      setTimeout(() => cut.destroy(), 50);
    });
    expect((await fetch(url.replace('/slack/events', '/slack/other'), { method: 'POST', body: '{}' })).status).toBe(
      404,
    );
    expect((await fetch(url, { method: 'GET' })).status).toBeGreaterThanOrEqual(400);
    handle = answer(hello);
    expect((await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' })).status).toBe(200);
    expect(heard).toHaveLength(1);
  });

  test('Slack’s own handshake is answered', async () => {
    await open();
    expect(await slack.verifyUrl(url)).toBe(true);
  });
});

describe('the port', () => {
  const card = plainCard('Job', 'It goes on.');

  async function fault(work: Promise<unknown>): Promise<Fault> {
    return await work.then(
      () => Promise.reject(new Error('it was not refused')),
      (error: Fault) => error,
    );
  }

  test('posts, finds, edits, pings and removes', async () => {
    await open();
    expect(adapter.port.workspace).toBe('T1');
    const ref = await adapter.port.post(place, card, 'message-1');
    expect(await adapter.port.find(place, 'message-1')).toEqual(ref);
    expect(await adapter.port.find(place, 'message-2')).toBeNull();
    await adapter.port.edit(place, ref, plainCard('Job', 'It is done.'));
    expect(words(await slack.sees('C1', /It is done/))).not.toContain('goes on');
    expect(await adapter.port.find(place, 'message-1')).toEqual(ref);
    await adapter.port.ping(place, ref, 'slack:T1:U1', 'is ready <!channel>');
    const ping = slack.messages('C1').find(({ threadTs }) => threadTs === ref.id);
    expect(ping?.text).toBe('<@U1> is ready &lt;!channel&gt;');
    const inThread = await adapter.port.post({ ...place, thread: ref.id }, card, 'message-3');
    expect(inThread.thread).toBe(ref.id);
    expect(await adapter.port.find({ ...place, thread: ref.id }, 'message-3')).toEqual(inThread);
    await adapter.port.remove(place, ref);
    expect(slack.messages('C1').map(({ ts }) => ts)).not.toContain(ref.id);
    expect(slack.violations).toEqual([]);
  });

  test('every sample is taken, as a message, as an edit and as a view', async () => {
    slack.rates.enabled = false;
    await open();
    for (const sample of cardSamples) {
      const ref = await adapter.port.post(place, sample.card, sample.name);
      await adapter.port.edit(place, ref, sample.card);
    }
    for (const sample of formSamples) {
      handle = answer({ audience: 'caller', form: sample.form });
      await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
      await slack.user('U1').closeView(await slack.until(() => slack.user('U1').view));
    }
    expect(slack.violations).toEqual([]);
  });

  test('hands files over and takes them back', async () => {
    await open();
    const direct = await adapter.port.direct('slack:T1:U1');
    expect(direct.conversation).toBe(slack.user('U1').dm);
    const ref = await adapter.port.attach(direct, { name: 'kubeconfig', content: 'apiVersion: v1 ✓', text: 'Yours.' });
    expect(slack.files()[0]?.bytes?.toString()).toBe('apiVersion: v1 ✓');
    await adapter.port.remove(direct, ref);
    expect(slack.files()[0]?.deleted).toBe(true);
    expect(slack.violations).toEqual([]);
  });

  test('a rate limit is told with its time and not repeated', async () => {
    await open();
    const ref = await adapter.port.post(place, card, 'k');
    slack.faults.rateLimit('chat.update', 17);
    expect(await fault(adapter.port.edit(place, ref, card))).toMatchObject({
      kind: 'rate-limited',
      retryAfterMs: 17_000,
    });
    expect(slack.calls.filter(({ method }) => method === 'chat.update')).toHaveLength(1);
    expect(calls.at(-1)).toMatchObject({ method: 'chat.update', outcome: 'rate-limited' });
  });

  test('a lost answer is unknown, a refused connection is not', async () => {
    await open();
    slack.faults.lose('chat.postMessage');
    expect(await fault(adapter.port.post(place, card, 'lost'))).toMatchObject({
      kind: 'unreachable',
      outcomeUnknown: true,
    });
    expect(await adapter.port.find(place, 'lost')).not.toBeNull();
    slack.faults.status('chat.postMessage', 503);
    expect(await fault(adapter.port.post(place, card, 'k'))).toMatchObject({
      kind: 'unreachable',
      outcomeUnknown: true,
    });
    const nobody = await openSlack({
      ...tokens,
      signingSecret,
      apiUrl: `http://127.0.0.1:${await closedPort()}/api/`,
      handle,
      log: silentLog,
      clock: realClock,
    });
    expect(await fault(nobody.port.post(place, card, 'k'))).toMatchObject({
      kind: 'unreachable',
      outcomeUnknown: false,
    });
  });

  test('a place that is gone, archived or without us is PlaceGone', async () => {
    await open();
    const ref = await adapter.port.post(place, card, 'k');
    slack.channel('C1').archived = true;
    expect(await fault(adapter.port.post(place, card, 'k'))).toBeInstanceOf(PlaceGone);
    expect(await fault(adapter.port.edit(place, ref, card))).toBeInstanceOf(PlaceGone);
    slack.channel('C1').archived = false;
    slack.channel('C1').gone = true;
    expect(await fault(adapter.port.post(place, card, 'k'))).toBeInstanceOf(PlaceGone);
    expect(await fault(adapter.port.post({ ...place, conversation: 'C2' }, card, 'k'))).toBeInstanceOf(PlaceGone);
    slack.faults.error('chat.postMessage', 'account_inactive');
    expect(await fault(adapter.port.post(place, card, 'k'))).toBeInstanceOf(PlaceGone);
  });

  test('readiness tells of refused credentials, and everything after it works without', async () => {
    await open();
    slack.faults.error('auth.test', 'account_inactive');
    expect(await fault(adapter.port.ready())).toMatchObject({ kind: 'not-allowed' });
    await adapter.port.ready();
  });

  test('a start while Slack is away comes right by itself', async () => {
    slack.faults.status('auth.test', 503, 2);
    await open();
    await slack.until(() => adapter.port.workspace === 'T1', 10_000);
  });
});

describe('Socket Mode', () => {
  test('answers commands, mentions and forms', async () => {
    await open('socket');
    expect(adapter.requestListener).toBeUndefined();
    await slack.until(() => slack.socket.connections === 2);
    handle = answer(hello);
    await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
    await slack.sees('C1', /Hello there/, { userId: 'U1' });
    handle = answer({ audience: 'place', card: plainCard('All', 'Everybody reads this.') });
    await slack.user('U1').mention('C1', 'help');
    await slack.sees('C1', /Everybody reads this/);
    handle = answer({ audience: 'caller', form });
    await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
    const view = await slack.until(() => slack.user('U1').view);
    handle = answer({ audience: 'caller', problems: [{ field: 'size', message: 'Too small.' }] });
    const refused = await slack.user('U1').submit(view, { Name: 'x', Size: 's' });
    expect(Object.values(refused.errors)).toEqual(['Too small.']);
    await adapter.port.ready();
    expect(slack.violations).toEqual([]);
  });

  test('a refresh of either connection is not heard by anybody', async () => {
    await open('socket');
    await slack.until(() => slack.socket.connections === 2);
    handle = answer(hello);
    for (let round = 0; round < 6; round += 1) {
      if (round % 3 === 0) slack.socket.refresh();
      const outcome = await slack.user('U1').command('/kqueen', `round ${round}`, { channel: 'C1' });
      expect(outcome).toMatchObject({ status: 200, error: undefined });
      if (round % 3 === 2) await slack.until(() => slack.socket.connections === 2, 5_000);
    }
    expect(slack.violations).toEqual([]);
  });

  test('after a cut of all connections it is back within two seconds', async () => {
    await open('socket');
    await slack.until(() => slack.socket.connections === 2);
    slack.socket.cut();
    await slack.until(() => slack.socket.connections >= 1, 2_000);
    handle = answer(hello);
    await slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
    await slack.sees('C1', /Hello there/, { userId: 'U1' });
  });

  test('a Slack that is away is asked again, without a crash', async () => {
    slack.faults.status('apps.connections.open', 500, 2);
    await open('socket');
    await expect(adapter.port.ready()).rejects.toMatchObject({ kind: 'unreachable' });
    await slack.until(() => slack.socket.connections >= 1, 10_000);
    await adapter.port.ready();
  });
});

test('stopping lets what runs finish', async () => {
  await open();
  handle = async () => {
    await pause(700);
    return [hello];
  };
  const delivery = slack.user('U1').command('/kqueen', 'x', { channel: 'C1' });
  await slack.until(() => heard.length === 1);
  const began = Date.now();
  await adapter.stop(5_000);
  expect(Date.now() - began).toBeLessThan(2_500);
  expect((await delivery).status).toBe(200);
  expect(slack.ephemeral('C1', 'U1').map(words).join()).toContain('Hello there');
  expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(503);
});

test('neither a signing secret nor an app token is refused by name', async () => {
  await open();
  const none = openSlack({ botToken: 'x', handle, log: silentLog, clock: realClock });
  await expect(none).rejects.toThrow(/SLACK_SIGNING_SECRET/);
});
