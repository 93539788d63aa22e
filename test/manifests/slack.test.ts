/** manifest.yml: valid by Slack's rules, and neither more nor less than what the code calls, hears and serves. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Ajv } from 'ajv';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Inbound } from '../../src/bot/inbound.ts';
import { openSlack } from '../../src/bot/slack/adapter.ts';
import { redirectPath } from '../../src/bot/slack/install.ts';
import { events, scopeNames, shortcuts, slashCommand } from '../../src/bot/slack/needs.ts';
import { plainCard } from '../../src/core/card.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Place } from '../../src/core/records.ts';
import { listen } from '../../src/http.ts';
import { startSlack } from '../counterparts/slack/index.ts';

interface Manifest {
  display_information: { name: string; description: string; long_description: string; [key: string]: unknown };
  features: {
    app_home: Record<string, boolean>;
    slash_commands: { command: string; url?: string; description: string; should_escape?: boolean }[];
    shortcuts: { name: string; type: string; callback_id: string; description: string }[];
    unfurl_domains: string[];
    [key: string]: unknown;
  };
  oauth_config: { redirect_urls?: string[]; scopes: { bot: string[] }; [key: string]: unknown };
  settings: {
    event_subscriptions: { request_url?: string; bot_events: string[] };
    interactivity: { is_enabled: boolean; request_url?: string; [key: string]: unknown };
    socket_mode_enabled: boolean;
    [key: string]: unknown;
  };
}

const root = join(import.meta.dirname, '..', '..');
const text = readFileSync(join(root, 'manifest.yml'), 'utf8');
const manifest = (): Manifest => parse(text) as Manifest;

const schema = JSON.parse(readFileSync(join(import.meta.dirname, 'slack-manifest.schema.json'), 'utf8')) as {
  definitions: { events: { items: { enum: string[] } } };
};
const check = new Ajv({ allErrors: true }).compile(schema);

/** What is wrong with a manifest, each with its place. */
function problems(candidate: unknown): string[] {
  check(candidate);
  return (check.errors ?? []).map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
}

/** The manifest with one thing changed. */
function changed(change: (draft: Manifest) => unknown): Manifest {
  const draft = manifest();
  change(draft);
  return draft;
}

/** Bot scopes of each method, as its page docs.slack.dev/reference/methods/NAME lists them; those of the history go by kind of conversation. */
const methodScopes: Record<string, readonly string[]> = {
  'apps.uninstall': [],
  'auth.test': [],
  'chat.delete': ['chat:write'],
  'chat.postEphemeral': ['chat:write'],
  'chat.postMessage': ['chat:write'],
  'chat.unfurl': ['links:write'],
  'chat.update': ['chat:write'],
  'conversations.history': ['channels:history', 'groups:history', 'im:history'],
  'conversations.open': ['im:write'],
  'conversations.replies': ['channels:history', 'groups:history', 'im:history'],
  'files.completeUploadExternal': ['files:write'],
  'files.delete': ['files:write'],
  'files.info': ['files:read'],
  'files.getUploadURLExternal': ['files:write'],
  'oauth.v2.access': [],
  'users.info': ['users:read'],
  'views.open': [],
  'views.publish': [],
  'views.update': [],
};

/** Scope of each event, as docs.slack.dev/reference/events/NAME says. */
const eventScopes: Record<string, string | null> = {
  app_mention: 'app_mentions:read',
  'message.im': 'im:history',
  app_home_opened: null,
  link_shared: 'links:read',
  app_uninstalled: null,
  tokens_revoked: null,
};

/** Scopes that belong to no method and no event: docs.slack.dev/reference/scopes/commands and …/chat.write.public. */
const otherScopes = ['commands', 'chat:write.public'];

const folder = join(root, 'src', 'bot', 'slack');
const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));

/** Every Web API method that the code names; filesUploadV2 of the client stands for the two methods that it calls. */
function methodsInCode(): string[] {
  const found = new Set<string>();
  for (const source of sources) {
    for (const [, argument = ''] of source.matchAll(/\bapi\s*\.call\(\s*([^,)]+)/g)) {
      const literal = /^'([\w.]+)'$/.exec(argument.trim());
      if (literal?.[1] === undefined) throw new Error(`A method is not written out: api.call(${argument}, …)`);
      found.add(literal[1]);
    }
    if (source.includes('.filesUploadV2(')) found.add('files.getUploadURLExternal').add('files.completeUploadExternal');
  }
  return [...found].sort();
}

describe('the manifest', () => {
  it('follows what Slack documents', () => {
    expect(problems(manifest())).toEqual([]);
  });

  it.each<[string, (draft: Manifest) => unknown, string]>([
    [
      'a name of 40 characters',
      (it) => Object.assign(it.display_information, { name: 'n'.repeat(40) }),
      '/display_information/name maxLength',
    ],
    [
      'a description of 141 characters',
      (it) => Object.assign(it.display_information, { description: 'd'.repeat(141) }),
      '/display_information/description maxLength',
    ],
    [
      'a long description of 174 characters',
      (it) => Object.assign(it.display_information, { long_description: 'd'.repeat(174) }),
      '/display_information/long_description minLength',
    ],
    [
      'a long description of 4001 characters',
      (it) => Object.assign(it.display_information, { long_description: 'd'.repeat(4001) }),
      '/display_information/long_description maxLength',
    ],
    [
      'a command described in 2001 characters',
      (it) => it.features.slash_commands.push({ command: '/k', description: 'd'.repeat(2001) }),
      '/features/slash_commands/*/description maxLength',
    ],
    [
      'a command without a slash',
      (it) => it.features.slash_commands.push({ command: 'kqueen', description: 'd' }),
      '/features/slash_commands/*/command pattern',
    ],
    ['an unknown key at the top', (it) => Object.assign(it, { setings: {} }), ' additionalProperties'],
    [
      'an unknown key within',
      (it) => Object.assign(it.settings, { socket_mode: true }),
      '/settings additionalProperties',
    ],
    [
      'an event that does not exist',
      (it) => it.settings.event_subscriptions.bot_events.push('message.direct'),
      '/settings/event_subscriptions/bot_events/* enum',
    ],
    [
      'an event that is not text',
      (it) => it.settings.event_subscriptions.bot_events.push(7 as unknown as string),
      '/settings/event_subscriptions/bot_events/* enum',
    ],
    [
      'a scope with a blank',
      (it) => it.oauth_config.scopes.bot.push('chat: write'),
      '/oauth_config/scopes/bot/* pattern',
    ],
    [
      'an address without a scheme',
      (it) => Object.assign(it.settings.interactivity, { request_url: 'kqueen.example.com/slack/events' }),
      '/settings/interactivity/request_url pattern',
    ],
  ])('would be refused with %s', (_what, change, problem) => {
    expect(problems(changed(change)).map((each) => each.replace(/\/\d+/g, '/*'))).toContain(problem);
  });

  it('is checked against event names that @slack/types knows', () => {
    const types = join(root, 'node_modules', '@slack', 'types', 'dist', 'events');
    const declared = readdirSync(types)
      .filter((name) => name.endsWith('.d.ts'))
      .flatMap((name) => [...readFileSync(join(types, name), 'utf8').matchAll(/^\s+type: '(\w+)'/gm)])
      .map(([, name]) => name);
    const ours = schema.definitions.events.items.enum.map((name) => name.split('.')[0]);
    expect(declared.length).toBeGreaterThan(50);
    expect(ours.filter((name) => !declared.includes(name))).toEqual([]);
  });

  it('becomes a manifest for Socket Mode by what its first lines say', () => {
    const without = (...endings: string[]) =>
      parse(
        text
          .split('\n')
          .filter((line) => line.startsWith('#') || !endings.some((ending) => line.endsWith(ending)))
          .join('\n')
          .replace('socket_mode_enabled: false', 'socket_mode_enabled: true'),
      ) as Manifest;
    const installing = without('# HTTP only');
    const socket = without('# HTTP only', '# installing at /slack/install only');
    expect([...problems(socket), ...problems(installing)]).toEqual([]);
    expect(JSON.stringify(socket)).not.toMatch(/https?:/);
    const wanted = changed((it) => {
      delete it.features.slash_commands[0]?.url;
      delete it.settings.event_subscriptions.request_url;
      delete it.settings.interactivity.request_url;
      delete it.settings.interactivity.message_menu_options_url;
      it.settings.socket_mode_enabled = true;
    });
    expect(installing).toEqual(wanted);
    delete wanted.oauth_config.redirect_urls;
    expect(socket).toEqual(wanted);
  });
});

describe('the manifest and the code', () => {
  it('know the same methods', () => {
    expect(methodsInCode()).toEqual(Object.keys(methodScopes).sort());
    expect(sources.join('\n').match(/\.apiCall\(/g)).toHaveLength(1);
  });

  it('ask for every scope that is needed, and for no other', () => {
    const { oauth_config: oauth, settings } = manifest();
    const events = settings.event_subscriptions.bot_events.flatMap((name) => eventScopes[name] ?? []);
    const needed = new Set([...Object.values(methodScopes).flat(), ...events, ...otherScopes]);
    expect([...oauth.scopes.bot].sort()).toEqual([...needed].sort());
    expect(oauth.scopes.bot).toEqual(scopeNames);
  });

  it('agree on where Slack sends a browser back to, and on the command', () => {
    const { oauth_config: oauth, features } = manifest();
    expect(oauth.redirect_urls?.map((url) => new URL(url).pathname)).toEqual([redirectPath]);
    expect(features.slash_commands.map(({ command }) => command)).toEqual([slashCommand]);
  });

  it('subscribe to the events that are listened to', () => {
    const read = sources.flatMap((source) => [...source.matchAll(/\bsaid\.type === '(\w+)'/g)].map(([, type]) => type));
    const subscribed = manifest().settings.event_subscriptions.bot_events;
    expect([...new Set(read)].sort()).toEqual(subscribed.map((name) => name.split('.')[0]).sort());
    expect([...subscribed].sort()).toEqual(Object.keys(eventScopes).sort());
    expect(subscribed).toEqual(events);
  });

  it('offer nothing that is not there', () => {
    const { features, settings, oauth_config: oauth } = manifest();
    const parts = ['app_home', 'bot_user', 'shortcuts', 'slash_commands', 'unfurl_domains'];
    expect(Object.keys(features).sort()).toEqual(parts);
    expect(features.app_home).toMatchObject({ home_tab_enabled: true, messages_tab_enabled: true });
    const offered = features.shortcuts.map(({ callback_id: id, name, type }) => [id, { name, type }]);
    const known = Object.entries(shortcuts).map(([id, { name, type }]) => [id, { name, type }]);
    expect(offered).toEqual(known);
    // Slack asks for the host of the links, and of nothing else of the address.
    expect(features.unfurl_domains).toEqual([new URL(settings.interactivity.request_url ?? '').hostname]);
    expect(Object.keys(settings.interactivity).sort()).toEqual([
      'is_enabled',
      'message_menu_options_url',
      'request_url',
    ]);
    expect(Object.keys(oauth).sort()).toEqual(['redirect_urls', 'scopes']);
  });
});

describe('an app made from the manifest', () => {
  const place: Place = { chat: 'slack', workspace: 'T1', conversation: 'C1' };
  const cleanups: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  /** KQueen's own server and adapter in front of a workspace that grants what the manifest asks for, and no more. */
  async function installed({ oauth_config: oauth, settings, features }: Manifest) {
    const credentials = { signingSecret: 'a-signing-secret', botToken: 'xoxb-test' };
    const slack = await startSlack({
      ...credentials,
      users: [{ id: 'U1', name: 'ada' }],
      channels: [{ id: 'C1', name: 'clusters' }],
      scopes: oauth.scopes.bot,
      events: settings.event_subscriptions.bot_events,
      shouldEscape: features.slash_commands[0]?.should_escape === true,
      postBurst: 50,
    });
    cleanups.push(() => slack.close());
    const heard: Inbound[] = [];
    const adapter = await openSlack({
      ...credentials,
      apiUrl: slack.apiUrl,
      handle: async (inbound) => {
        heard.push(inbound);
        const card = plainCard('Heard', `Heard: ${inbound.text}`);
        return [{ audience: 'place', card: { ...card, buttons: [{ label: 'Again', command: 'jobs' }] } }];
      },
      log: silentLog,
      clock: {
        now: () => Date.now(),
        sleep: (ms, signal) => pause(ms, undefined, signal === undefined ? {} : { signal }),
      },
    });
    cleanups.push(() => adapter.stop(2_000));
    await adapter.start();
    const server = await listen(
      { host: '127.0.0.1', port: 0, metricsFrom: [], log: silentLog },
      {
        ...(adapter.requestListener === undefined ? {} : { slack: adapter.requestListener }),
        notReady: async () => ({}),
        metrics: async () => ({ type: 'text/plain', body: '' }),
      },
    );
    cleanups.push(() => server.close(1_000));
    const deliverTo = (url: string | undefined) =>
      slack.deliverTo(`http://127.0.0.1:${server.port}${new URL(url ?? '').pathname}`);
    const refused = () => slack.calls.filter(({ answer }) => answer.error === 'missing_scope');
    return { slack, heard, port: adapter.port, deliverTo, refused };
  }

  it('reaches the adapter at each of its addresses, by command, mention, direct message and button', async () => {
    const { features, settings } = manifest();
    const [slash] = features.slash_commands;
    const { slack, heard, deliverTo, refused } = await installed(manifest());
    deliverTo(slash?.url);
    const outcome = await slack.user('U1').command(slash?.command ?? '', 'clusters', { channel: 'C1' });
    expect(outcome.status).toBe(200);
    deliverTo(settings.event_subscriptions.request_url);
    await slack.user('U1').mention('C1', 'health');
    await slack.user('U1').direct('help');
    deliverTo(settings.interactivity.request_url);
    const message = await slack.sees('C1', /Heard: health/);
    expect(await slack.user('U1').click(message, { text: 'Again' })).toMatchObject({ status: 200 });
    await slack.until(() => heard.length === 4);
    expect(heard.map(({ source, text: said }) => [source, said])).toEqual([
      ['command', 'clusters'],
      ['mention', 'health'],
      ['direct', 'help'],
      ['button', 'jobs'],
    ]);
    expect(refused()).toEqual([]);
    expect(slack.violations).toEqual([]);
  });

  it('does not answer at another address, nor to another command', async () => {
    const { slack, heard, deliverTo } = await installed(manifest());
    deliverTo('https://kqueen.example.com/slack/commands');
    expect(await slack.user('U1').command('/kqueen', 'clusters', { channel: 'C1' })).toMatchObject({ status: 404 });
    deliverTo(manifest().features.slash_commands[0]?.url);
    await slack.user('U1').command('/queen', 'clusters', { channel: 'C1' });
    expect(heard).toEqual([]);
  });

  it('may do everything that the notifier does', async () => {
    const { slack, port, refused } = await installed(manifest());
    await port.ready();
    const card = plainCard('A job', 'It runs.');
    const message = await port.post(place, card, 'key-1');
    await port.edit(place, message, plainCard('A job', 'It is done.'));
    expect(await port.find(place, 'key-1')).toEqual(message);
    const thread = { ...place, thread: message.id };
    const reply = await port.post(thread, card, 'key-2');
    expect(await port.find(thread, 'key-2')).toEqual(reply);
    const direct = await port.direct('slack:T1:U1');
    await port.ping(direct, null, 'slack:T1:U1', 'It is done.');
    const file = await port.attach(direct, { name: 'kubeconfig.yaml', content: 'kind: Config\n', text: 'Yours.' });
    await port.remove(direct, file);
    await port.remove(place, message);
    expect(refused()).toEqual([]);
    const called = new Set(slack.calls.map(({ method }) => method).filter((name) => name.includes('.')));
    expect([...called].filter((name) => methodScopes[name] === undefined)).toEqual([]);
    expect(slack.violations).toEqual([]);
  });

  it.each(['chat:write', 'im:write', 'files:write'])('could not without the scope %s', async (scope) => {
    const { port, refused } = await installed(
      changed((it) => {
        it.oauth_config.scopes.bot = it.oauth_config.scopes.bot.filter((name) => name !== scope);
      }),
    );
    const work = async () => {
      const direct = await port.direct('slack:T1:U1');
      await port.post(place, plainCard('A job', 'It runs.'), 'key-1');
      await port.attach(direct, { name: 'kubeconfig.yaml', content: 'kind: Config\n', text: 'Yours.' });
    };
    await expect(work()).rejects.toThrow();
    expect(refused().map(({ answer }) => answer.needed)).toEqual([scope]);
  });

  it('would not hear direct messages without their event', async () => {
    const { slack, heard, deliverTo } = await installed(
      changed((it) => {
        it.settings.event_subscriptions.bot_events = ['app_mention'];
      }),
    );
    deliverTo(manifest().settings.event_subscriptions.request_url);
    await slack.user('U1').mention('C1', 'health');
    await expect(slack.user('U1').direct('help')).rejects.toThrow();
    await slack.until(() => heard.length > 0);
    expect(heard.map(({ source }) => source)).toEqual(['mention']);
  });
});
