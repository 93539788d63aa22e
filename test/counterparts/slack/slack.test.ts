/** Proves the loopback Slack with an unmodified Bolt app: what works with Slack works here, in HTTP and in Socket Mode. */
import type { AddressInfo } from 'node:net';
import { App, HTTPReceiver, LogLevel, SocketModeReceiver } from '@slack/bolt';
import { afterEach, describe, expect, it } from 'vitest';
import { allowInvalid } from '../../bot/valid.ts';
import { type Slack, type SlackOptions, signature, startSlack, words } from './index.ts';

// The app of this file is the test's own, and wrong on purpose.
allowInvalid();

const SECRET = 'loopback-signing-secret';
const OPTIONS: SlackOptions = {
  signingSecret: SECRET,
  botToken: 'xoxb-loopback',
  appToken: 'xapp-loopback',
  team: 'T1',
  users: [
    { id: 'U1', name: 'ada', tz: 'Europe/Prague', tzOffset: 3600 },
    { id: 'U2', name: 'grace', restricted: true },
    { id: 'U3', name: 'eve', stranger: true, teamId: 'T9' },
  ],
  channels: [{ id: 'C1', name: 'clusters' }],
};

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Running {
  slack: Slack;
  app: App;
  url: string;
}

async function startHttp(listen: (app: App) => void, options: Partial<SlackOptions> = {}): Promise<Running> {
  const slack = await startSlack({ ...OPTIONS, ...options });
  closers.push(() => slack.close());
  const receiver = new HTTPReceiver({ signingSecret: SECRET, logLevel: LogLevel.ERROR });
  const app = new App({
    receiver,
    token: OPTIONS.botToken,
    logLevel: LogLevel.ERROR,
    clientOptions: { slackApiUrl: slack.apiUrl, retryConfig: { retries: 2, minTimeout: 10, maxTimeout: 50 } },
  });
  app.error(async () => undefined);
  listen(app);
  const server = await receiver.start(0);
  closers.push(() => receiver.stop());
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/slack/events`;
  slack.deliverTo(url);
  return { slack, app, url };
}

function section(text: string) {
  return { type: 'section' as const, text: { type: 'mrkdwn' as const, text } };
}

const MODAL = {
  type: 'modal' as const,
  callback_id: 'create',
  title: { type: 'plain_text' as const, text: 'New cluster' },
  submit: { type: 'plain_text' as const, text: 'Create' },
  notify_on_close: true,
  blocks: [
    {
      type: 'input' as const,
      block_id: 'name',
      label: { type: 'plain_text' as const, text: 'Name' },
      element: { type: 'plain_text_input' as const, action_id: 'value', max_length: 20 },
    },
    {
      type: 'input' as const,
      block_id: 'size',
      optional: true,
      label: { type: 'plain_text' as const, text: 'Size' },
      element: {
        type: 'static_select' as const,
        action_id: 'value',
        options: ['small', 'large'].map((value) => ({ text: { type: 'plain_text' as const, text: value }, value })),
      },
    },
  ],
};

describe('over HTTP', () => {
  it('carries a command, its acknowledgement and its response URL', async () => {
    const { slack } = await startHttp((app) => {
      app.command('/kqueen', async ({ ack, respond, command }) => {
        await ack(`heard ${command.text}`);
        await respond({ text: 'for all', response_type: 'in_channel' });
        await respond('for you');
      });
    });
    const outcome = await slack.user('U1').command('/kqueen', 'clusters', { channel: 'C1' });
    expect(outcome).toMatchObject({ status: 200, ack: 'heard clusters', error: undefined });
    expect(outcome.ms).toBeLessThan(3000);
    await slack.sees('C1', /for all/);
    await slack.sees('C1', /for you/, { userId: 'U1' });
    expect(outcome.shown().map((each) => each.text)).toEqual(['heard clusters', 'for all', 'for you']);
    expect(slack.ephemeral('C1', 'U2')).toEqual([]);
    expect(slack.messages('C1').map((each) => each.text)).toEqual(['for all']);
    expect(slack.violations).toEqual([]);
  });

  it('hears mentions and direct messages, as Slack writes them, and repeats events with the same id', async () => {
    const heard: string[] = [];
    const retries: unknown[] = [];
    const { slack, url } = await startHttp((app) => {
      app.event('app_mention', async ({ event, body, context, say }) => {
        heard.push(`${body.event_id} ${event.text}`);
        retries.push([context.retryNum, context.retryReason]);
        await say({ text: 'hello', thread_ts: event.ts });
      });
      app.message(async ({ event, say }) => {
        if ('text' in event && event.subtype === undefined) await say(`echo ${event.text}`);
      });
    });
    const mention = await slack
      .user('U1')
      .mention('C1', 'show <dev> & ask @grace in #clusters, https://a.example/?b&c');
    const reply = await slack.sees('C1', /^hello$/);
    expect(reply.threadTs).toBe(slack.messages('C1')[0]?.ts);
    expect(heard[0]).toMatch(
      /^Ev\w+ <@U0KQUEEN> show &lt;dev&gt; &amp; ask <@U2> in <#C1\|clusters>, <https:\/\/a\.example\/\?b&amp;c>$/,
    );
    await slack.redeliver(mention, 3, { to: [url] });
    await slack.until(() => heard.length === 4);
    expect(new Set(heard).size).toBe(1);
    expect(retries.map(String).sort()).toEqual([',', '1,http_timeout', '2,http_timeout', '3,http_timeout']);
    await slack.user('U3').direct('hi');
    await slack.sees(slack.user('U3').dm, /^echo hi$/);
    expect(slack.violations).toEqual([]);
  });

  it('opens a modal, shows errors, pushes, updates and clears', async () => {
    const closed: string[] = [];
    const { slack } = await startHttp((app) => {
      app.command('/kqueen', async ({ ack, client, body }) => {
        await ack();
        await client.views.open({ trigger_id: body.trigger_id, view: MODAL });
      });
      app.view('create', async ({ ack, view }) => {
        const name = view.state.values.name?.value?.value ?? '';
        if (name === 'taken') return ack({ response_action: 'errors', errors: { name: 'That name is taken.' } });
        if (name === 'more') return ack({ response_action: 'push', view: { ...MODAL, callback_id: 'second' } });
        return ack({ response_action: 'update', view: { ...MODAL, callback_id: 'last' } });
      });
      app.view('second', async ({ ack }) => ack());
      app.view('last', async ({ ack }) => ack({ response_action: 'clear' }));
      app.view({ callback_id: 'create', type: 'view_closed' }, async ({ ack, body }) => {
        closed.push(body.view.callback_id);
        await ack();
      });
    });
    const ada = slack.user('U1');
    await ada.command('/kqueen', 'cluster create', { channel: 'C1' });
    const view = await slack.until(() => ada.view);
    expect(await ada.submit(view)).toMatchObject({
      error: 'client_refused',
      errors: { name: 'Please complete this required field.' },
    });
    expect((await ada.submit(view, { Name: 'x'.repeat(21) })).errors).toEqual({ name: 'Too long.' });
    expect((await ada.submit(view, { name: 'taken', Size: 'large' })).errors).toEqual({ name: 'That name is taken.' });
    expect(ada.view).toBe(view);
    await ada.submit(view, { name: 'more' });
    expect(ada.stack.map((each) => each.callbackId)).toEqual(['create', 'second']);
    await ada.submit(ada.stack[1] ?? view, { name: 'any' });
    expect(ada.view).toBe(view);
    expect(view.values.size?.value?.selected_option).toMatchObject({ value: 'large' });
    await ada.submit(view, { name: 'fine' });
    expect(ada.view?.callbackId).toBe('last');
    expect(view.values.name?.value?.value).toBe('fine');
    await ada.submit(view);
    expect(ada.stack).toEqual([]);
    await ada.command('/kqueen', 'cluster create', { channel: 'C1' });
    await ada.closeView(await slack.until(() => ada.view));
    expect(closed).toEqual(['create']);
    expect(slack.violations).toEqual([]);
  });

  it('pushes a view from a click in a modal, and publishes a home tab guarded by its hash', async () => {
    const button = { type: 'button' as const, action_id: 'more', text: { type: 'plain_text' as const, text: 'More' } };
    const blocks = [{ type: 'actions' as const, elements: [button] }];
    const { slack, app } = await startHttp((it) => {
      it.command('/kqueen', async ({ ack, client, body }) => {
        await ack();
        await client.views.open({ trigger_id: body.trigger_id, view: { ...MODAL, blocks } });
      });
      it.action('more', async ({ ack, client, body }) => {
        await ack();
        if (body.type !== 'block_actions') return;
        await client.views.push({ trigger_id: body.trigger_id, view: { ...MODAL, callback_id: 'pushed' } });
        const { id = '', hash = '' } = body.view ?? {};
        await client.views.update({ view_id: id, hash, view: { ...MODAL, blocks: [] } });
      });
      it.event('app_home_opened', async ({ client, event }) => {
        await client.views.publish({ user_id: event.user, view: { type: 'home', blocks: [section('Clusters')] } });
      });
    });
    const ada = slack.user('U1');
    await ada.command('/kqueen', '', { channel: 'C1' });
    const below = await slack.until(() => ada.view);
    await ada.clickIn(below, { text: 'More' });
    await slack.until(() => below.blocks.length === 0);
    expect(ada.view).toMatchObject({ callbackId: 'pushed', previousViewId: below.id, rootViewId: below.id });
    await ada.openHome();
    const home = await slack.until(() => slack.home('U1'));
    const view = { type: 'home' as const, blocks: [section('New')] };
    const { hash } = home;
    await app.client.views.publish({ user_id: 'U1', hash, view });
    expect(slack.home('U1')?.blocks).toMatchObject([section('New')]);
    await expect(app.client.views.publish({ user_id: 'U1', hash, view })).rejects.toThrow('hash_conflict');
    expect(slack.violations).toEqual([]);
  });

  it('updates a message on a click, and keeps metadata for those who ask', async () => {
    const actions: unknown[] = [];
    const { slack, app } = await startHttp((it) => {
      it.action('apply', async ({ ack, body, client, action, respond }) => {
        await ack();
        actions.push([body, action]);
        if (body.type !== 'block_actions') return;
        await client.chat.update({ channel: 'C1', ts: String(body.container.message_ts), text: 'Applied', blocks: [] });
        await respond({ text: 'done', replace_original: false });
      });
    });
    const elements = ['Apply', 'Cancel'].map((text) => ({
      type: 'button' as const,
      action_id: text.toLowerCase(),
      value: `plan:${text}`,
      text: { type: 'plain_text' as const, text },
    }));
    const metadata = { event_type: 'job', event_payload: { id: 'j1' } };
    const blocks = [section('A plan'), { type: 'actions' as const, block_id: 'buttons', elements }];
    const { ts } = await app.client.chat.postMessage({ channel: 'C1', text: 'A plan', blocks, metadata });
    const plan = await slack.sees('C1', /A plan/);
    await slack.user('U1').click(plan, { text: 'Apply' });
    await slack.sees('C1', /Applied/);
    await slack.sees('C1', /done/, { userId: 'U1' });
    expect(plan.revisions.map((each) => each.text)).toEqual(['A plan', 'Applied']);
    expect(actions[0]).toMatchObject([
      {
        type: 'block_actions',
        user: { id: 'U1', username: 'ada', team_id: 'T1' },
        team: { id: 'T1' },
        channel: { id: 'C1', name: 'clusters' },
        container: { type: 'message', message_ts: ts, is_ephemeral: false },
        message: { ts, text: 'A plan' },
        state: { values: {} },
      },
      { type: 'button', action_id: 'apply', block_id: 'buttons', value: 'plan:Apply', action_ts: expect.any(String) },
    ]);
    await expect(slack.user('U1').click(plan, { text: 'Apply' })).rejects.toThrow('0 buttons fit');
    await slack.user('U1').click(plan, { text: 'Apply', revision: 0 });
    expect(actions).toHaveLength(2);
    const plainly = await app.client.conversations.history({ channel: 'C1' });
    expect(plainly.messages?.[0]?.metadata).toBeUndefined();
    const asked = await app.client.conversations.history({ channel: 'C1', include_all_metadata: true });
    expect(asked.messages?.[0]?.metadata).toEqual(metadata);
    expect(slack.violations).toEqual([]);
  });

  it('offers the options that the app gives to an external select', async () => {
    const { slack, app } = await startHttp((it) => {
      it.options('pick', async ({ ack, payload }) => {
        await ack({ options: [{ text: { type: 'plain_text', text: `${payload.value}-1` }, value: 'one' }] });
      });
      it.action('pick', async ({ ack }) => ack());
    });
    const accessory = { type: 'external_select' as const, action_id: 'pick', min_query_length: 1 };
    await app.client.chat.postMessage({ channel: 'C1', text: 'Pick', blocks: [{ ...section('Pick'), accessory }] });
    const message = await slack.sees('C1', /Pick/);
    await expect(slack.user('U1').select(message, 'pick', 'dev')).rejects.toThrow('offered: one');
    expect(await slack.user('U1').suggestions(message, 'pick', 'dev')).toMatchObject([{ text: { text: 'dev-1' } }]);
    expect(slack.violations).toEqual([]);
  });

  it('takes uploads, shares them in a thread and deletes them', async () => {
    const { slack, app } = await startHttp(() => undefined);
    const dm = slack.user('U1').dm;
    const root = await app.client.chat.postMessage({ channel: 'U1', text: 'Your access' });
    expect(root.channel).toBe(dm);
    const result = await app.client.filesUploadV2({
      channel_id: dm,
      thread_ts: String(root.ts),
      filename: 'dev.kubeconfig',
      content: 'apiVersion: v1\n',
    });
    const id = String(result.files[0]?.files?.[0]?.id);
    expect(slack.files()[0]?.bytes?.toString()).toBe('apiVersion: v1\n');
    const shared = slack.messages(dm).at(-1);
    expect(shared).toMatchObject({ files: [id], threadTs: root.ts });
    const about = await app.client.files.info({ file: id });
    expect(about.file?.shares?.private?.[dm]?.[0]?.ts).toBe(shared?.ts);
    await app.client.files.delete({ file: id });
    expect(slack.files()[0]).toMatchObject({ deleted: true, bytes: undefined });
    expect(slack.messages(dm)).toHaveLength(1);
    await expect(app.client.filesUploadV2({ channel_id: 'U1', filename: 'a', content: 'b' })).rejects.toThrow(
      'channel_not_found',
    );
    expect(slack.violations).toEqual([]);
  });

  it('notices late and missing acknowledgements, and wrong signatures are refused by the app', async () => {
    const { slack, url } = await startHttp((app) => {
      app.command('/slow', async () => undefined);
    });
    expect(await slack.verifyUrl(url)).toBe(true);
    const outcome = await slack.user('U1').command('/slow', '', { channel: 'C1' });
    expect(outcome).toMatchObject({ status: 0, error: 'operation_timeout' });
    expect(slack.violations.map(({ kind }) => kind)).toEqual(['late-ack']);
    const timestamp = Math.floor(Date.now() / 1000);
    const headers = {
      'content-type': 'application/json',
      'x-slack-request-timestamp': String(timestamp),
      'x-slack-signature': signature('another secret', timestamp, '{}'),
    };
    expect((await fetch(url, { method: 'POST', headers, body: '{}' })).status).toBe(401);
  });
});

describe('over Socket Mode', () => {
  it('carries commands and forms, and survives a refresh', async () => {
    const slack = await startSlack(OPTIONS);
    closers.push(() => slack.close());
    const receiver = new SocketModeReceiver({
      appToken: String(OPTIONS.appToken),
      logLevel: LogLevel.ERROR,
      clientPingTimeout: 200,
      installerOptions: { clientOptions: { slackApiUrl: slack.apiUrl } },
    });
    const app = new App({
      receiver,
      token: OPTIONS.botToken,
      logLevel: LogLevel.ERROR,
      clientOptions: { slackApiUrl: slack.apiUrl },
    });
    app.command('/kqueen', async ({ ack, client, body }) => {
      await ack({ text: `heard ${body.text}` });
      if (body.text === 'form') await client.views.open({ trigger_id: body.trigger_id, view: MODAL });
    });
    app.view('create', async ({ ack }) => ack({ response_action: 'errors', errors: { name: 'No.' } }));
    app.event('app_mention', async ({ say }) => void (await say('hello')));
    await app.start();
    closers.push(() => app.stop());
    const ada = slack.user('U1');
    expect((await ada.command('/kqueen', 'form', { channel: 'C1' })).ack).toEqual({ text: 'heard form' });
    expect((await ada.submit(await slack.until(() => ada.view), { name: 'a' })).errors).toEqual({ name: 'No.' });
    const mention = await ada.mention('C1', 'hi');
    expect(mention).toMatchObject({ status: 200, ack: '' });
    expect(words(await slack.sees('C1', /hello/))).toBe('hello');

    slack.socket.refresh();
    expect(slack.socket.connections).toBe(0);
    expect((await ada.command('/kqueen', 'help', { channel: 'C1' })).error).toBe('dispatch_failed');
    await slack.until(() => slack.socket.connections === 1);
    expect((await ada.command('/kqueen', 'help', { channel: 'C1' })).status).toBe(200);
    slack.socket.cut();
    await slack.until(() => slack.socket.connections === 1);
    expect((await ada.command('/kqueen', 'help', { channel: 'C1' })).status).toBe(200);
    expect(slack.violations).toEqual([]);
  });
});
