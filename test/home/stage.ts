/** The core of a test stage behind Slack, Teams and the terminal at once: what one chat does, all three see in the same store. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createDispatch } from '../../src/bot/dispatch.ts';
import { createFirstContact } from '../../src/bot/first-contact.ts';
import type { Handle, Inbound } from '../../src/bot/inbound.ts';
import { openSlack, type SlackAdapter } from '../../src/bot/slack/adapter.ts';
import { openTerminal } from '../../src/bot/text/terminal.ts';
import type { Clock } from '../../src/core/ports/clock.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Health, Place, Role } from '../../src/core/records.ts';
import {
  adaId,
  openStage as openTeamsStage,
  personalChat,
  type Stage as TeamsStage,
  tenantId,
} from '../bot/teams/stage.ts';
import { nextId, openStage, org, type Stage } from '../core/stage.ts';
import { type Slack, type SlackOptions, startSlack, words } from '../counterparts/slack/index.ts';
import { execute, say } from '../counterparts/teams/person.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';

export const publicUrl = 'https://kqueen.example.com';

export interface SlackSide {
  slack: Slack;
  adapter: SlackAdapter;
  /** Where this app listens. */
  url: string;
  /** What reached the one entrance. */
  heard: Inbound[];
  close(): Promise<void>;
}

const signingSecret = 'a-signing-secret';
const botToken = 'xoxb-test';

/** A loopback Slack before a stage's core; another app on the same Slack is another replica. */
export async function openSlackOn(
  stage: Stage,
  options: { clock?: Clock; slack?: Partial<SlackOptions>; on?: Slack } = {},
): Promise<SlackSide> {
  const clock = options.clock ?? realClock;
  const slack =
    options.on ??
    (await startSlack({
      signingSecret,
      botToken,
      users: [
        { id: 'U1', name: 'ada' },
        { id: 'U2', name: 'grace' },
        { id: 'U3', name: 'gus', restricted: true },
        { id: 'U4', name: 'eve', stranger: true, teamId: 'T9' },
      ],
      channels: [
        { id: 'C1', name: 'clusters', members: ['U1', 'U2', 'U3'] },
        { id: 'C2', name: 'elsewhere', hasBot: false, members: ['U1', 'U2', 'U3'] },
        { id: 'C3', name: 'shared', members: ['U1', 'U4'] },
      ],
      events: ['app_mention', 'message.im', 'message.channels', 'app_home_opened', 'link_shared'],
      unfurlDomains: [new URL(publicUrl).hostname],
      postBurst: 50,
      ...options.slack,
    }));
  const heard: Inbound[] = [];
  const { store, cache } = stage.opened;
  const handle = createDispatch({ ...stage.parts, clock, publicUrl });
  const adapter = await openSlack({
    ...{ botToken, signingSecret, apiUrl: slack.apiUrl, clock, log: silentLog },
    async handle(inbound) {
      heard.push(inbound);
      return await handle(inbound);
    },
    followed: { cache, org, publicUrl, firstContact: createFirstContact({ store, clock, org }) },
  });
  await adapter.start();
  const server = createServer((request, response) => adapter.requestListener?.(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = urlOf(server.address() as AddressInfo);
  if (options.on === undefined) slack.deliverTo(url);
  return {
    slack,
    adapter,
    url,
    heard,
    async close() {
      await adapter.stop(2_000);
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      if (options.on === undefined) await slack.close();
    },
  };
}

function urlOf({ port }: AddressInfo): string {
  return `http://127.0.0.1:${port}/slack/events`;
}

/** One person's private conversation with KQueen, in any chat. */
export interface Chat {
  name: 'Slack' | 'Teams' | 'terminal';
  /** The person's id. */
  person: string;
  place: Place;
  say(text: string): Promise<void>;
  /** Presses a button of the newest message that reads like this. */
  press(label: string, on: RegExp): Promise<void>;
  /** What the newest message says that reads like this. */
  sees(pattern: RegExp): Promise<string>;
  count(pattern: RegExp): number;
}

export interface Chats {
  stage: Stage;
  slack: SlackSide;
  teams: TeamsStage;
  all: Chat[];
  close(): Promise<void>;
}

/** All three chats on one core, with nobody in the records yet but the stage's own people. */
export async function openChats(): Promise<Chats> {
  const stage = await openStage();
  const { store } = stage.opened;
  const handle: Handle = createDispatch({ ...stage.parts, publicUrl });
  const slack = await openSlackOn(stage);
  const firstContact = createFirstContact({ store, clock: realClock, org });
  const teams = await openTeamsStage({ handle, publicUrl, firstContact }, { limits: false });
  return {
    stage,
    slack,
    teams,
    all: [slackChat(slack.slack), teamsChat(teams), terminalChat(handle)],
    async close() {
      await teams.stop();
      await slack.close();
      await stage.close();
    },
  };
}

function slackChat(slack: Slack): Chat {
  const ada = slack.user('U1');
  const find = (pattern: RegExp) => slack.messages(ada.dm).filter((each) => each.byApp && pattern.test(words(each)));
  const newest = (pattern: RegExp) => slack.until(() => find(pattern).at(-1), 5_000, String(pattern));
  return {
    name: 'Slack',
    person: 'slack:T1:U1',
    place: { chat: 'slack', workspace: 'T1', conversation: ada.dm },
    async say(text) {
      await ada.direct(text);
    },
    async press(label, on) {
      await ada.click(await newest(on), { text: label });
    },
    sees: async (pattern) => words(await newest(pattern)),
    count: (pattern) => find(pattern).length,
  };
}

type Node = Record<string, unknown>;

/** Everything in a card, in order. */
export function nodes(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(nodes);
  if (!value || typeof value !== 'object') return [];
  return [value as Node, ...Object.values(value).flatMap(nodes)];
}

/** The words of an Adaptive Card, in order. */
export function cardWords(card: unknown): string {
  return nodes(card)
    .map(({ text, title }) => text ?? title)
    .filter((each) => typeof each === 'string')
    .join('\n');
}

function teamsChat(teams: TeamsStage): Chat {
  const { service } = teams;
  const seat = teams.personal();
  const shown = () => service.messages.filter(({ conversation, removed }) => conversation === personalChat && !removed);
  const find = (pattern: RegExp) => shown().filter(({ activity }) => pattern.test(cardWords(activity.attachments)));
  const newest = (pattern: RegExp) => eventually(String(pattern), () => find(pattern).at(-1));
  return {
    name: 'Teams',
    person: adaId,
    place: { chat: 'teams', workspace: tenantId, conversation: personalChat },
    async say(text) {
      const { status } = await say(seat, text);
      if (status !== 200) throw new Error(`${text}: ${status}`);
    },
    async press(label, on) {
      const message = await newest(on);
      const action = nodes(message.activity.attachments).find(
        ({ type, title }) => type === 'Action.Execute' && title === label,
      );
      if (!action) throw new Error(`There is no button ${label}.`);
      const { status } = await execute(seat, message.id, action.data);
      if (status !== 200) throw new Error(`${label}: ${status}`);
    },
    sees: async (pattern) => cardWords((await newest(pattern)).activity.attachments),
    count: (pattern) => find(pattern).length,
  };
}

function terminalChat(handle: Handle): Chat {
  const lines: string[] = [];
  const terminal = openTerminal({ handle, newId: nextId, write: (_name, text) => lines.push(text) });
  const find = (pattern: RegExp) => lines.filter((each) => pattern.test(each));
  return {
    name: 'terminal',
    person: 'terminal:ada',
    place: { chat: 'terminal', workspace: 'local', conversation: 'ada' },
    async say(text) {
      await terminal.say('ada', text);
    },
    async press(label, on) {
      const at = lines.findLastIndex((each) => on.test(each));
      const short = lines.slice(at + 1).find((each) => each.includes('(short:')) ?? '';
      const number = new RegExp(`(\\d+) ${label}(?=[,)])`).exec(short)?.[1];
      if (number === undefined) throw new Error(`There is no button ${label} in ${short}`);
      await terminal.say('ada', number);
    },
    sees: (pattern) => eventually(String(pattern), () => find(pattern).at(-1)),
    count: (pattern) => find(pattern).length,
  };
}

/** Writes down who a person is. */
export async function putPerson(stage: Stage, id: string, role: Role, name = 'Ada'): Promise<void> {
  await stage.put({
    op: 'put',
    ref: { kind: 'person', org, id },
    record: { v: 1, id, org, name, role, seenAt: 1 },
  });
}

/** The health of a cluster as its own API last showed it. */
export function sampleHealth(id: string, verdict: Health['verdict'], at = Date.now()): Health {
  const none = { cpu: 0, memory: 0, pods: 0 };
  return {
    ...{ v: 1, id, org, at, verdict, since: at, nodesReady: 3, nodes: 3, capacity: none, requests: none },
    conditions:
      verdict === 'Healthy'
        ? []
        : [
            {
              type: 'EveryNodeReady',
              status: 'False',
              reason: 'NodesNotReady',
              message: '1 of 3 nodes is not ready.',
              since: at,
            },
          ],
    ...{ pods: { total: 9, running: 9 }, deployments: { total: 2, available: 2 }, problems: [], changes: 0 },
  };
}
