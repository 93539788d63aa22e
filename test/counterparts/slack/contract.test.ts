/** Response URLs, rate limits, tokens, places and faults: what an app meets between its calls. */
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

function many<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

describe('response URLs', () => {
  async function post(url: string, body: Json): Promise<number> {
    const headers = { 'content-type': 'application/json' };
    return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).status;
  }

  it('work five times within thirty minutes', async () => {
    const { responseUrl } = await slack.user('U1').command('/x', '', { channel: 'C1' });
    for (const text of ['1', '2', '3', '4', '5']) expect(await post(responseUrl, { text })).toBe(200);
    expect(await post(responseUrl, { text: '6' })).toBe(404);
    expect(slack.ephemeral('C1', 'U1')).toHaveLength(5);
    const other = await slack.user('U1').command('/x', '', { channel: 'C1' });
    now += 30 * 60_000 + 1;
    expect(await post(other.responseUrl, { text: 'late' })).toBe(404);
    expect(slack.violations.map(({ kind }) => kind)).toEqual(['used_url', 'expired_url']);
  });

  it('replace and delete what was acted on, and nothing for a command', async () => {
    const blocks = [
      {
        type: 'actions' as const,
        elements: [{ type: 'button' as const, action_id: 'a', text: { type: 'plain_text' as const, text: 'Go' } }],
      },
    ];
    await client.chat.postEphemeral({ channel: 'C1', user: 'U1', text: 'pick', blocks });
    const [shown] = slack.ephemeral('C1', 'U1');
    if (shown === undefined) throw new Error('no ephemeral message');
    const { payload } = await slack.user('U1').click(shown, { text: 'Go' });
    expect(payload.message).toBeUndefined();
    expect(payload.container).toMatchObject({ is_ephemeral: true, message_ts: shown.ts });
    const url = String(payload.response_url);
    await post(url, { replace_original: true, text: 'replaced' });
    expect(shown.text).toBe('replaced');
    await post(url, { replace_original: false, text: 'another' });
    expect(slack.ephemeral('C1', 'U1').map((each) => each.text)).toEqual(['replaced', 'another']);
    await post(url, { delete_original: true });
    expect(shown.deleted).toBe(true);
    expect(slack.violations).toEqual([]);
    const command = await slack.user('U1').command('/x', '', { channel: 'C1' });
    await post(command.responseUrl, { replace_original: true, text: 'no original' });
    expect(slack.violations.map(({ kind }) => kind)).toEqual(['nothing-to-replace']);
  });
});

describe('rates, tokens and places', () => {
  it('allows fifty chat.update a minute, and says when to come back', async () => {
    const { ts } = await client.chat.postMessage({ channel: 'C1', text: 't' });
    for (const index of many(50, String))
      expect(await call('chat.update', { channel: 'C1', ts, text: `t${index}` })).toMatchObject({ ok: true });
    now += 20_000;
    await expect(client.chat.update({ channel: 'C1', ts: String(ts), text: 'more' })).rejects.toMatchObject({
      retryAfter: 40,
    });
    now += 40_000;
    await client.chat.update({ channel: 'C1', ts: String(ts), text: 'again' });
    expect(slack.calls.filter(({ status }) => status === 429)).toHaveLength(1);
  });

  it('takes one message per second and channel after a small burst', async () => {
    for (const text of many(5, String)) await client.chat.postMessage({ channel: 'C1', text: `m${text}` });
    await expect(client.chat.postMessage({ channel: 'C1', text: 'six' })).rejects.toMatchObject({ retryAfter: 1 });
    await client.chat.postMessage({ channel: 'U1', text: 'elsewhere' });
    now += 1000;
    await client.chat.postMessage({ channel: 'C1', text: 'six' });
    expect(slack.violations).toEqual([]);
  });

  it('lets WebClient retry after a 429', async () => {
    const patient = new WebClient(OPTIONS.botToken, {
      slackApiUrl: slack.apiUrl,
      retryConfig: { retries: 1, minTimeout: 1 },
    });
    slack.faults.rateLimit('chat.postMessage', 1);
    const started = performance.now();
    await patient.chat.postMessage({ channel: 'C1', text: 'in the end' });
    expect(performance.now() - started).toBeGreaterThanOrEqual(990);
    expect(slack.calls.map(({ status }) => status)).toEqual([429, 200]);
    expect(slack.messages('C1')).toHaveLength(1);
  });

  it('checks tokens', async () => {
    await expect(connect('').auth.test()).rejects.toThrow('not_authed');
    await expect(connect('xoxb-other').auth.test()).rejects.toThrow('invalid_auth');
    await expect(connect('xapp-1').auth.test()).rejects.toThrow('not_allowed_token_type');
    await expect(client.apps.connections.open({})).rejects.toThrow('not_allowed_token_type');
    await expect(client.apiCall('chat.teleport')).rejects.toThrow('unknown_method');
    expect(await client.auth.test()).toMatchObject({ team_id: 'T1', user_id: 'U0KQUEEN' });
  });

  it('knows archived channels, strangers to a channel and people who are not there', async () => {
    const answers = new Map<Json, string>([
      [{ channel: 'C2', text: 't' }, 'is_archived'],
      [{ channel: 'C3', text: 't' }, 'not_in_channel'],
      [{ channel: 'C4', text: 't' }, 'channel_not_found'],
      [{ channel: 'C9', text: 't' }, 'channel_not_found'],
      [{ channel: 'C1', text: 't', thread_ts: '1.1' }, 'thread_not_found'],
    ]);
    for (const [args, error] of answers) expect(await call('chat.postMessage', args)).toMatchObject({ error });
    expect(await call('chat.postEphemeral', { channel: 'C1', user: 'U2', text: 't' })).toMatchObject({
      error: 'user_not_in_channel',
    });
    expect(await call('users.info', { user: 'U2' })).toMatchObject({
      user: { is_restricted: true, is_ultra_restricted: true },
    });
    expect(await call('users.info', { user: 'U9' })).toMatchObject({ error: 'user_not_found' });
    const { ts } = await client.chat.postMessage({ channel: 'C1', text: 't' });
    slack.channel('C1').archived = true;
    expect(await call('chat.update', { channel: 'C1', ts, text: 'u' })).toMatchObject({ error: 'is_inactive' });
    expect(slack.violations).toEqual([]);
  });

  it('pages history without replies, and replies with their parent', async () => {
    slack.rates.enabled = false;
    const { ts } = await client.chat.postMessage({ channel: 'C1', text: 'root' });
    for (const text of ['r1', 'r2']) await client.chat.postMessage({ channel: 'C1', text, thread_ts: String(ts) });
    for (const text of ['a', 'b']) await client.chat.postMessage({ channel: 'C1', text });
    const first = await client.conversations.history({ channel: 'C1', limit: 2 });
    expect(first.messages?.map((each) => each.text)).toEqual(['b', 'a']);
    const cursor = String(first.response_metadata?.next_cursor);
    const second = await client.conversations.history({ channel: 'C1', limit: 2, cursor });
    expect(second).toMatchObject({ has_more: false, messages: [{ text: 'root', reply_count: 2 }] });
    const thread = await client.conversations.replies({ channel: 'C1', ts: String(ts) });
    expect(thread.messages?.map((each) => each.text)).toEqual(['root', 'r1', 'r2']);
  });

  it('fails on demand: errors, statuses, lost answers, hangs', async () => {
    slack.faults.error('chat.postMessage', 'channel_not_found');
    await expect(client.chat.postMessage({ channel: 'C1', text: '1' })).rejects.toThrow('channel_not_found');
    slack.faults.status('chat.postMessage', 500);
    await expect(client.chat.postMessage({ channel: 'C1', text: '2' })).rejects.toThrow();
    slack.faults.cut('chat.postMessage');
    await expect(client.chat.postMessage({ channel: 'C1', text: '3' })).rejects.toThrow();
    expect(slack.messages('C1')).toEqual([]);
    slack.faults.lose('chat.postMessage');
    await expect(client.chat.postMessage({ channel: 'C1', text: '4' })).rejects.toThrow();
    expect(slack.messages('C1').map((each) => each.text)).toEqual(['4']);
    slack.faults.hang('auth.test');
    const hasty = new WebClient(OPTIONS.botToken, {
      slackApiUrl: slack.apiUrl,
      timeout: 50,
      retryConfig: { retries: 0 },
    });
    await expect(hasty.auth.test()).rejects.toThrow();
    await client.auth.test();
    expect(slack.calls.map(({ fault }) => fault)).toEqual([
      'error channel_not_found',
      'status',
      'cut',
      'lost',
      'hang',
      undefined,
    ]);
    expect(slack.violations).toEqual([]);
  });
});
