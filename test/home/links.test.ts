/** Links to clusters: the page behind them, and what Slack and Teams show below them, to whom. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clusterOfLink, namesIn } from '../../src/bot/cluster-links.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { listen } from '../../src/http.ts';
import { ada, guest } from '../bot/teams/stage.ts';
import { clusterChanges } from '../core/stage.ts';
import type { Message } from '../counterparts/slack/index.ts';
import { activityFrom, deliver } from '../counterparts/teams/person.ts';
import { sampleCluster } from '../store/parts.ts';
import { type Chats, cardWords, nodes, openChats, publicUrl } from './stage.ts';

describe('a link to a cluster', () => {
  test.each([
    [`${publicUrl}/c/dev-1`, 'dev-1'],
    [`${publicUrl}/c/dev-1/`, 'dev-1'],
    [`${publicUrl}/c/dev-1?x=1#y`, 'dev-1'],
    [`${publicUrl}/c/Dev-1`, null],
    [`${publicUrl}/c/dev-1/more`, null],
    [`${publicUrl}/c/`, null],
    [`${publicUrl}/d/dev-1`, null],
    ['http://kqueen.example.com/c/dev-1', null],
    ['https://kqueen.example.com.evil.example/c/dev-1', null],
    ['https://kqueen.example.com@evil.example/c/dev-1', null],
    ['https://kqueen.example.com:8443/c/dev-1', null],
    ['https://joe@kqueen.example.com/c/dev-1', null],
    ['javascript:alert(1)', null],
    ['not a link', null],
  ])('%s is %s', (url, name) => {
    expect(clusterOfLink(url, publicUrl)).toBe(name);
  });

  test('keeps the path of an address that has one', () => {
    expect(clusterOfLink('https://a.example/kq/c/dev-1', 'https://a.example/kq/')).toBe('dev-1');
    expect(clusterOfLink('https://a.example/c/dev-1', 'https://a.example/kq')).toBe(null);
  });

  test('names in a text are kept without the rest', () => {
    expect(namesIn('*dev-1*: see <https://a.example/c/x1|this>, job #k3f9x2ab.')).toBe(
      'dev-1 see https://a.example/c/x1 this job #k3f9x2ab',
    );
    expect(namesIn(`token=abc AKIA_X ${'a'.repeat(40)} https://u:p@h.example/x?y=z`)).toBe('https://h.example');
    expect(namesIn('word '.repeat(5_000)).length).toBeLessThan(1_600);
  });
});

describe('the page behind it', () => {
  async function get(path: string, method = 'GET', on = true): Promise<Response> {
    const server = await listen(
      { host: '127.0.0.1', port: 0, metricsFrom: [], log: silentLog },
      { clusterLinks: on, notReady: async () => ({}), metrics: async () => ({ type: 'text/plain', body: '' }) },
    );
    try {
      return await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    } finally {
      await server.close(500);
    }
  }

  test('says where to ask, and nothing of the cluster, be there one or not', async () => {
    const answer = await get('/c/dev-1');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await answer.text()).toContain('cluster show dev-1');
  });

  test.each([
    ['/c/', 'GET', 404],
    ['/c/%3Cscript%3E', 'GET', 404],
    ['/c/Dev', 'GET', 404],
    ['/c/dev-1/x', 'GET', 404],
    ['/c/dev-1', 'POST', 405],
  ])('%s by %s is %i', async (path, method, status) => {
    expect((await get(path, method)).status).toBe(status);
  });

  test('is not there in a process without the bot', async () => {
    expect((await get('/c/dev-1', 'GET', false)).status).toBe(404);
  });
});

describe('shown below', () => {
  let chats: Chats;
  beforeEach(async () => {
    chats = await openChats();
    await chats.stage.put(...clusterChanges(sampleCluster('dev-1', { name: 'dev-1', ownerName: 'Ada' })));
  });
  afterEach(() => chats.close());

  const link = `${publicUrl}/c/dev-1`;

  async function shared(text: string, user = 'U1', channel = 'C1'): Promise<Message> {
    const { slack } = chats.slack;
    await slack.user(user).say(channel, text);
    const message = slack.messages(channel).findLast(({ author }) => author === user);
    if (!message) throw new Error('nothing was written');
    return message;
  }

  const unfurled = () => chats.slack.slack.calls.filter(({ method }) => method === 'chat.unfurl');

  /** Long enough for an answer that must not come. */
  async function settled(): Promise<void> {
    await chats.slack.slack.user('U1').direct('version');
    await chats.slack.slack.sees(chats.slack.slack.user('U1').dm, /KQueen 1\.2\.3/);
    await pause(150);
  }

  test('a link in Slack is shown with how its cluster is, without buttons', async () => {
    const { slack } = chats.slack;
    const message = await shared(`look at ${link} please`);
    await slack.until(() => message.unfurls.size > 0, 5_000, 'an unfurl');
    const blocks = JSON.stringify(message.unfurls.get(link));
    expect(blocks).toMatch(/Cluster dev-1: Ready/);
    expect(blocks).not.toContain('"button"');
    expect(slack.violations).toEqual([]);
  });

  test('where the bot is no member it is shown as well', async () => {
    const message = await shared(link, 'U1', 'C2');
    await chats.slack.slack.until(() => message.unfurls.size > 0, 5_000, 'an unfurl');
  });

  test('a link of a guest, to no cluster, or elsewhere stays a link', async () => {
    await shared(link, 'U3');
    await shared(`${publicUrl}/c/nothing-1 ${publicUrl}/healthz`);
    await settled();
    expect(unfurled()).toEqual([]);
    expect(chats.slack.heard.map(({ text }) => text)).toEqual(['version']);
  });

  test('nothing is shown where another organisation reads along', async () => {
    await shared(link, 'U1', 'C3');
    await settled();
    expect(chats.slack.slack.deliveries.some(({ payload }) => payload.is_ext_shared_channel === true)).toBe(true);
    expect(unfurled()).toEqual([]);
    expect(chats.slack.heard.map(({ text }) => text)).toEqual(['version']);
  });

  describe('in Teams', () => {
    const query = (person = ada, url = link) => {
      const seat = chats.teams.personal(person);
      return deliver(seat, activityFrom(seat, { type: 'invoke', name: 'composeExtension/queryLink', value: { url } }));
    };
    const attachments = (body: unknown) =>
      ((body as { composeExtension?: { attachments?: unknown[] } }).composeExtension?.attachments ?? []) as {
        contentType: string;
        content: unknown;
        preview?: { content: { title: string } };
      }[];

    test('a link is shown as an Adaptive Card with a preview', async () => {
      const { status, body } = await query();
      expect(status).toBe(200);
      const [card, ...others] = attachments(body);
      expect(others).toEqual([]);
      expect(card?.contentType).toBe('application/vnd.microsoft.card.adaptive');
      expect(cardWords(card?.content)).toMatch(/Cluster dev-1: Ready/);
      expect(nodes(card?.content).some(({ type }) => String(type).startsWith('Action.'))).toBe(false);
      expect(card?.preview?.content.title).toMatch(/Cluster dev-1/);
      expect(Buffer.byteLength(JSON.stringify(card?.content))).toBeLessThan(28 * 1024);
    });

    test('nothing is shown to guests, of other tenants, of no cluster and of other links', async () => {
      chats.teams.service.rosters.set('a:personal-29:guest', [
        guest,
        { id: chats.teams.personal().bot.id, name: 'KQueen' },
      ]);
      for (const answer of [
        await query(guest),
        await query(ada, `${publicUrl}/c/nothing-1`),
        await query(ada, 'https://elsewhere.example/c/dev-1'),
      ]) {
        expect(answer.status).toBe(200);
        expect(attachments(answer.body)).toEqual([]);
      }
      const seat = chats.teams.personal();
      const foreign = await deliver(
        seat,
        activityFrom(seat, {
          ...{ type: 'invoke', name: 'composeExtension/queryLink', value: { url: link } },
          channelData: { tenant: { id: 'other' } },
        }),
      );
      expect(attachments(foreign.body)).toEqual([]);
    });

    test('the action on a message finds what it speaks of', async () => {
      const seat = chats.teams.personal();
      const ask = (content: string) =>
        deliver(
          seat,
          activityFrom(seat, {
            ...{ type: 'invoke', name: 'composeExtension/fetchTask' },
            value: { commandId: 'about', messagePayload: { id: '17', body: { contentType: 'html', content } } },
          }),
        );
      const { status, body } = await ask(
        `<div>is <b>dev-1</b> up? <a href="${link}">this one</a>&nbsp;token=hunter22</div>`,
      );
      expect(status).toBe(200);
      expect(cardWords(body)).toMatch(/Cluster dev-1/);
      expect((body as { task: { type: string } }).task.type).toBe('continue');
      expect(cardWords((await ask('<p>lunch?</p>')).body)).toMatch(/I find no cluster/);
    });
  });
});

describe('the first contact in Teams', () => {
  let chats: Chats;
  beforeEach(async () => {
    chats = await openChats();
  });
  afterEach(() => chats.close());

  const added = (seat: ReturnType<Chats['teams']['personal']>, more: object) =>
    deliver(seat, activityFrom(seat, { ...more }));

  test('is one hello in the personal chat, however often Teams says that the app was added', async () => {
    const { service } = chats.teams;
    const seat = chats.teams.personal();
    const joined = { type: 'conversationUpdate', membersAdded: [{ id: seat.bot.id }] };
    expect((await added(seat, joined)).status).toBe(200);
    expect((await added(seat, { type: 'installationUpdate', action: 'add' })).status).toBe(200);
    await added(seat, joined);
    const hellos = service.messages.filter(({ activity }) => /I am KQueen/.test(cardWords(activity.attachments)));
    expect(hellos).toHaveLength(1);
    expect(hellos[0]?.conversation).toBe(seat.conversation.id);
  });

  test('is silent in a channel, for a guest, and when somebody else is added or the app removed', async () => {
    const { service } = chats.teams;
    const inChannel = chats.teams.inChannel();
    await added(inChannel, { type: 'conversationUpdate', membersAdded: [{ id: inChannel.bot.id }] });
    await added(inChannel, { type: 'installationUpdate', action: 'add' });
    const seat = chats.teams.personal();
    await added(seat, { type: 'conversationUpdate', membersAdded: [{ id: '29:somebody' }] });
    await added(seat, { type: 'installationUpdate', action: 'remove' });
    service.rosters.set('a:personal-29:guest', [guest, { id: seat.bot.id, name: 'KQueen' }]);
    await added(chats.teams.personal(guest), { type: 'installationUpdate', action: 'add' });
    expect(service.messages).toEqual([]);
  });
});
