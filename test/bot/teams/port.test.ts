import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { openRates } from '../../../src/bot/teams/rates.ts';
import { plainCard } from '../../../src/core/card.ts';
import type { ChatPort } from '../../../src/core/ports/chat.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import type { Place } from '../../../src/core/records.ts';
import { activityFrom, deliver, say } from '../../counterparts/teams/person.ts';
import type { Stage } from './stage.ts';
import { ada, adaId, bot, channel, openStage, personalChat, tenantId } from './stage.ts';

const open: Stage[] = [];
async function stageFor(...options: Parameters<typeof openStage>): Promise<Stage> {
  const stage = await openStage(...options);
  open.push(stage);
  return stage;
}
afterEach(async () => {
  for (const stage of open.splice(0)) await stage.stop();
});

const inChannel: Place = { chat: 'teams', workspace: tenantId, conversation: channel };
const personal: Place = { chat: 'teams', workspace: tenantId, conversation: personalChat };
const card = (title: string) => plainCard(title, `${title} in full.`, 'busy');

describe('proactive messages', () => {
  it('reach a conversation that was spoken in, after a restart as well, and are edited in place', async () => {
    const stage = await stageFor();
    await say(stage.inChannel(), 'help');
    const { port } = await stage.another();
    const message = await port.post(inChannel, card('Creating demo'), 'k1');
    expect(message).toEqual({ conversation: channel, id: stage.service.messages[0]?.id });
    expect(stage.service.messages[0]).toMatchObject({ conversation: channel, edits: 0 });
    expect(stage.service.messages[0]?.thread).toBeUndefined();
    await port.edit(inChannel, message, card('Demo is ready'));
    expect(stage.service.messages).toMatchObject([{ edits: 1 }]);
    expect(stage.service.shown(message.id)).toContain('Demo is ready in full.');
    await port.remove(inChannel, message);
    expect(stage.service.messages).toMatchObject([{ removed: true }]);
    expect(await port.find(inChannel, 'k1')).toBeNull();
  });

  it('stay in their thread', async () => {
    const stage = await stageFor();
    await say(stage.inChannel(), 'help');
    const { port } = stage.teams;
    const place = { ...inChannel, thread: '1699999999999' };
    const message = await port.post(place, card('Creating demo'), 'k1');
    expect(message.thread).toBe('1699999999999');
    expect(stage.service.messages[0]).toMatchObject({ thread: '1699999999999' });
    await port.edit(place, message, card('Ready'));
    await port.ping(place, message, adaId, 'Demo is ready.');
    expect(stage.service.messages).toMatchObject([{ edits: 1 }, { thread: '1699999999999' }]);
  });

  it('are known from the installation alone', async () => {
    const stage = await stageFor();
    const seat = stage.inChannel();
    const added = {
      type: 'conversationUpdate',
      membersAdded: [bot],
      conversation: { id: channel, conversationType: 'channel' },
    };
    expect((await deliver(seat, activityFrom(seat, added))).status).toBe(200);
    expect((await stage.teams.port.post(inChannel, card('Hello'), 'k')).conversation).toBe(channel);
    expect(stage.heard).toEqual([]);
  });

  it('find a person who has never written: the personal chat is opened once', async () => {
    const stage = await stageFor();
    await say(stage.inChannel(), 'help');
    const { port } = stage.teams;
    expect(await port.direct(adaId)).toEqual(personal);
    expect(await port.direct(adaId)).toEqual(personal);
    expect(stage.service.calls.filter((call) => call === 'POST /v3/conversations')).toHaveLength(1);
    await port.post(personal, card('For you'), 'k');
    expect(stage.service.messages).toMatchObject([{ conversation: personalChat }]);
    await expect(port.direct('teams:other:x')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(port.direct('slack:T1:U1')).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('ping by a mention in a channel and by a plain line in the personal chat', async () => {
    const stage = await stageFor();
    await say(stage.inChannel(), 'help');
    await say(stage.personal(), 'help');
    const { port } = stage.teams;
    const message = await port.post(inChannel, card('Creating demo'), 'k');
    await port.ping(inChannel, message, adaId, 'Demo is *ready* <at>all</at>.');
    const { activity, thread } = stage.service.messages.at(-1) ?? {};
    expect(thread).toBe(message.id);
    expect(activity).toMatchObject({
      text: '<at>Ada Lovelace</at> Demo is \\*ready\\* &lt;at&gt;all&lt;/at&gt;.',
      entities: [{ type: 'mention', text: '<at>Ada Lovelace</at>', mentioned: { id: ada.id } }],
    });
    await port.ping(personal, null, adaId, 'Demo is ready.');
    expect(stage.service.messages.at(-1)).toMatchObject({
      conversation: personalChat,
      activity: { text: 'Demo is ready.' },
    });
    await port.ping(inChannel, null, `teams:${tenantId}:nobody`, 'Demo is ready.');
    expect(stage.service.messages.at(-1)?.activity.entities ?? []).toEqual([]);
  });
});

describe('what Teams answers instead', () => {
  const attempt = async (stage: Stage, run: (port: ChatPort) => Promise<unknown>) => {
    await say(stage.inChannel(), 'help');
    return run(stage.teams.port).then(
      () => null,
      (error: unknown) => error,
    );
  };
  const post = (port: ChatPort) => port.post(inChannel, card('x'), 'k');

  it.each([
    [403, 'BotNotInConversationRoster'],
    [403, 'BotDisabledByAdmin'],
    [404, 'ConversationNotFound'],
  ])('%d %s means that the place is gone', async (status, code) => {
    const stage = await stageFor();
    stage.service.trouble({ match: /^POST .*activities/, status, code });
    expect(await attempt(stage, post)).toMatchObject({ name: 'PlaceGone' });
    expect(stage.outcomes).toContain('post gone');
  });

  it('404 for a message means that the message is gone', async () => {
    const stage = await stageFor();
    const gone = await attempt(stage, (port) => port.edit(inChannel, { conversation: channel, id: 'old' }, card('x')));
    expect(gone).toMatchObject({ name: 'Fault', kind: 'not-found' });
  });

  it('429 with Retry-After is kept to, for the whole conversation', async () => {
    const stage = await stageFor();
    stage.service.trouble({ match: /^POST .*activities/, status: 429, headers: { 'retry-after': '30' } });
    expect(await attempt(stage, post)).toMatchObject({ kind: 'rate-limited', retryAfterMs: 30_000, retryable: true });
    const calls = stage.service.calls.length;
    const again = await post(stage.teams.port).catch((error: unknown) => error);
    expect(again).toMatchObject({ kind: 'rate-limited' });
    expect((again as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(25_000);
    expect(stage.service.calls).toHaveLength(calls);
  });

  it.each([412, 429])('%d without Retry-After asks for some seconds', async (status) => {
    const stage = await stageFor();
    stage.service.trouble({ match: /^POST .*activities/, status });
    expect(await attempt(stage, post)).toMatchObject({ kind: 'rate-limited', retryAfterMs: 5_000 });
  });

  it.each([500, 502, 504])('%d leaves it open whether the message is there', async (status) => {
    const stage = await stageFor();
    stage.service.trouble({ match: /^POST .*activities/, status });
    const fault = await attempt(stage, post);
    expect(fault).toMatchObject({ kind: 'unreachable', outcomeUnknown: true, retryable: true });
    expect((fault as Error).message).not.toContain('canary');
    // The SDK's error holds the whole request, our access token included.
    expect(inspect(fault, { depth: 20, showHidden: true })).not.toContain('access-');
  });

  it('no answer in time leaves it open as well', async () => {
    const stage = await stageFor({ timeoutMs: 300 });
    stage.service.trouble({ match: /^POST .*activities/ });
    expect(await attempt(stage, post)).toMatchObject({ kind: 'unreachable', outcomeUnknown: true });
  });

  it('a refused connection does not', async () => {
    const stage = await stageFor();
    await say(stage.inChannel(), 'help');
    for (const each of stage.stored.values()) each.reference.serviceUrl = 'http://127.0.0.1:9/';
    const { port } = await stage.another();
    expect(await post(port).catch((error: unknown) => error)).toMatchObject({
      kind: 'unreachable',
      outcomeUnknown: false,
    });
  });

  it('a store that is down is no place that is gone', async () => {
    const stage = await stageFor();
    const { port } = await stage.another({
      async loadConversation() {
        throw new Error('the store is down');
      },
    });
    await expect(post(port)).rejects.toThrow('the store is down');
  });
});

describe('the limits', () => {
  function fakeClock(): Clock & { at: number } {
    return {
      at: 1_000_000,
      now() {
        return this.at;
      },
      async sleep(ms) {
        this.at += ms;
      },
    };
  }

  it('are those of Microsoft, however long it goes on', async () => {
    const clock = fakeClock();
    const rates = openRates(clock);
    const sent: number[] = [];
    for (let index = 0; index < 2_000; index += 1) {
      await rates.enter('c', Number.POSITIVE_INFINITY);
      sent.push(clock.now());
    }
    for (const [most, ms] of [
      [7, 1_000],
      [8, 2_000],
      [60, 30_000],
      [1_800, 3_600_000],
    ] as const) {
      const worst = Math.max(
        ...sent.map((at, index) => sent.slice(0, index + 1).filter((each) => each > at - ms).length),
      );
      expect(worst, `${most} in ${ms} ms`).toBeLessThanOrEqual(most);
    }
    // No slower than they allow either: 60 in 30 s, until the hour's 1,800 are used up, which is the same pace.
    expect((sent[1_799] ?? 0) - (sent[0] ?? 0)).toBeLessThan(900_000);
  });

  it('are counted for each conversation, and impatience takes no slot', async () => {
    const clock = fakeClock();
    const rates = openRates(clock);
    for (let index = 0; index < 7; index += 1) await rates.enter('a', 0);
    await expect(rates.enter('a', 500)).rejects.toMatchObject({ kind: 'rate-limited', retryAfterMs: 1_100 });
    await rates.enter('b', 0);
    clock.at += 1_100;
    await rates.enter('a', 0);
    rates.close('b', 9_000);
    await expect(rates.enter('b', 8_999)).rejects.toMatchObject({ retryAfterMs: 9_000 });
    await rates.enter('b', 9_000);
  });
});
