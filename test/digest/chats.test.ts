/** The same story in Slack, Teams and the terminal: a digest with its picture, a change, and its end below it. */
import { afterEach, describe, expect, test } from 'vitest';
import { createApi } from '../../src/bot/slack/api.ts';
import { createPort } from '../../src/bot/slack/port.ts';
import { type Subscriptions, startSubscriptions } from '../../src/bot/subscriptions.ts';
import { openTerminal, terminalPerson, terminalPlace } from '../../src/bot/text/terminal.ts';
import type { ChatPort } from '../../src/core/ports/chat.ts';
import type { Health, Place } from '../../src/core/records.ts';
import { adaId, openStage as openTeamsStage, channel as teamsChannel, tenantId } from '../bot/teams/stage.ts';
import { clusterChanges, nextId, openStage, org, type Stage } from '../core/stage.ts';
import { startSlack } from '../counterparts/slack/index.ts';
import { say } from '../counterparts/teams/person.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';

interface Scene {
  port: ChatPort;
  place: Place;
  person: string;
  /** What people see, message by message, as text with everything in it; and whether it is below another. */
  seen(): { text: string; below: boolean }[];
  /** Whether a message shows the picture as an image with words, or as bars of letters. */
  picture: RegExp;
  hasThreads: boolean;
  close(): Promise<unknown>;
}

const silent = () => undefined;
const scenes: Record<string, () => Promise<Scene>> = {
  async slack() {
    const slack = await startSlack({
      ...{ signingSecret: 'a-signing-secret', botToken: 'xoxb-test', events: [], fileSettleMs: 300 },
      users: [{ id: 'UDEV', name: 'Dev' }],
      channels: [{ id: 'C1', name: 'ops' }],
    });
    const logger = {
      debug: silent,
      info: silent,
      warn: silent,
      error: silent,
      setLevel: silent,
      setName: silent,
      getLevel: () => 'error' as never,
    };
    const port = createPort(
      await createApi({ token: () => 'xoxb-test', apiUrl: slack.apiUrl, clock: realClock, logger }),
    );
    await port.ready();
    return {
      port,
      place: { chat: 'slack', workspace: 'T1', conversation: 'C1' },
      person: 'slack:T1:UDEV',
      seen: () =>
        slack.messages('C1').map(({ text, blocks, threadTs }) => ({
          text: `${text} ${JSON.stringify(blocks)}`,
          below: threadTs !== undefined,
        })),
      picture: /"type":"image".*"alt_text":"Bar chart of clusters by provisioner/,
      hasThreads: true,
      async close() {
        expect(slack.violations).toEqual([]);
        await slack.close();
      },
    };
  },
  async teams() {
    const stage = await openTeamsStage();
    await say(stage.inChannel(), 'help');
    return {
      port: stage.teams.port,
      place: { chat: 'teams', workspace: tenantId, conversation: teamsChannel },
      person: adaId,
      seen: () =>
        stage.service.messages.map((each) => ({
          text: stage.service.shown(each.id) + JSON.stringify(each),
          below: each.thread !== undefined,
        })),
      picture:
        /"type":"Image","url":"data:image\/png;base64,[^"]{5000,}","altText":"Bar chart of clusters by provisioner/,
      hasThreads: true,
      close: () => stage.stop(),
    };
  },
  async terminal() {
    const lines: string[] = [];
    const terminal = openTerminal({ handle: async () => [], newId: nextId, write: (_name, text) => lines.push(text) });
    return {
      port: terminal.port,
      place: terminalPlace('dev'),
      person: terminalPerson('dev'),
      seen: () => lines.map((text) => ({ text, below: false })),
      picture: /Bar chart of clusters by\s+provisioner[\s\S]*\[#+!* *\] 2/,
      hasThreads: false,
      async close() {},
    };
  },
};

let stage: Stage;
let scene: Scene;
let running: Subscriptions;

afterEach(async () => {
  await running.close();
  await scene.close();
  await stage.close();
});

function health(id: string, verdict: Health['verdict'], changes: number): Health {
  const now = realClock.now();
  return {
    ...{ v: 1, id, org, at: now, verdict, since: now, changes, nodesReady: 2, nodes: 3, problems: [] },
    conditions:
      verdict === 'Healthy'
        ? []
        : [{ type: 'EveryNodeReady', status: 'False', reason: 'Nodes', message: '2 of 3 nodes are ready', since: now }],
    capacity: { cpu: 6, memory: 2 ** 34, pods: 330 },
    requests: { cpu: 1, memory: 2 ** 30, pods: 10 },
    pods: { total: 10, running: 10 },
    deployments: { total: 1, available: 1 },
  };
}

const put = (record: Health) => stage.put({ op: 'put', ref: { kind: 'health', org, id: record.id }, record });
const found = (words: string) => scene.seen().filter(({ text }) => text.includes(words));

describe.each(Object.keys(scenes))('%s', (name) => {
  test('a digest with its picture, a change in a thread, and silence after notify off', async () => {
    stage = await openStage({ clock: realClock });
    scene = await (scenes[name] as () => Promise<Scene>)();
    const { port, place, person } = scene;
    const { store, cache } = stage.opened;
    running = startSubscriptions({
      store,
      cache,
      clock: realClock,
      newId: nextId,
      log: stage.log,
      port,
      org,
      leads: () => true,
    });
    const type = (text: string) =>
      stage.say('dev', text, { place, person: { id: person, name: 'Dev', external: null } });
    for (const id of ['dev-1', 'web-1']) {
      await stage.put(...clusterChanges(sampleCluster(id, { name: id, owner: person, createdAt: realClock.now() })));
      await put(health(id, 'Healthy', 0));
    }
    expect((await type('digest now')).receipt).toBe(true);
    await eventually('the digest', () => found('2 of 2 clusters healthy').length > 0, { timeoutMs: 20_000 });
    expect(found('2 of 2 clusters healthy')[0]?.text).toMatch(scene.picture);
    expect((await type('notify here events=health')).card?.text).toContain(
      'What changes with all clusters is told here (health)',
    );
    await put(health('dev-1', 'Degraded', 1));
    await eventually('the change', () => found('dev-1 is degraded').length > 0, { timeoutMs: 10_000 });
    expect(found('dev-1 is degraded')).toMatchObject([{ below: false }]);
    expect(found('dev-1 is degraded')[0]?.text).toContain('2 of 3 nodes are ready');
    await put(health('dev-1', 'Healthy', 2));
    await eventually('its end', () => found('dev-1 is healthy').length > 0, { timeoutMs: 10_000 });
    expect(found('dev-1 is healthy')).toMatchObject([{ below: scene.hasThreads }]);
    await type('notify off');
    const before = scene.seen().length;
    await put(health('web-1', 'Unreachable', 1));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(scene.seen()).toHaveLength(before);
  });
});
