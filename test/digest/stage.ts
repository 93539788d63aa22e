/** What was asked to be told as it runs: a real store, Slack's port on the loopback Slack, and a clock that is moved by hand. */

import { createApi } from '../../src/bot/slack/api.ts';
import { createPort } from '../../src/bot/slack/port.ts';
import { startSubscriptions } from '../../src/bot/subscriptions.ts';
import type { ChatPort } from '../../src/core/ports/chat.ts';
import type { Store } from '../../src/core/ports/store.ts';
import type { Channel, Cluster, Health, Job, Place } from '../../src/core/records.ts';
import { clusterChanges, nextId, openStage, org, type Stage } from '../core/stage.ts';
import { counted } from '../counted.ts';
import { type Message, type Slack, type SlackOptions, startSlack } from '../counterparts/slack/index.ts';
import { sampleJob } from '../jobs/samples.ts';
import { handClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';

export const place: Place = { chat: 'slack', workspace: 'T1', conversation: 'C1' };
/** Where the clusters were asked for. */
export const elsewhere: Place = { chat: 'slack', workspace: 'T1', conversation: 'C9' };
export const dev = { id: 'slack:T1:UDEV', name: 'Dev' };

export interface Replica {
  leads: boolean;
  /** Ends it as a crash would: what it does arrives nowhere any more. */
  kill(): void;
  close(): Promise<void>;
}

export interface Told {
  slack: Slack;
  stage: Stage;
  now(): number;
  replica(approvals?: readonly Place[]): Replica;
  pass(ms: number, eachMs?: number): Promise<void>;
  settle(): Promise<void>;
  say(text: string, more?: { place?: Place; zone?: string }): ReturnType<Stage['say']>;
  cluster(id: string, change?: Partial<Cluster>): Promise<Cluster>;
  /** The verdict of a cluster's health from now on. */
  health(id: string, verdict: Health['verdict'], why?: string): Promise<void>;
  job(change: Partial<Job>): Promise<Job>;
  channel(): Promise<Channel | undefined>;
  /** Titles of what is in the conversation, and of what is in its threads. */
  top(channel?: string): string[];
  below(channel?: string): string[];
  messages(channel?: string): Message[];
  close(): Promise<void>;
}

/** The title of a message: its header without the mark and the word of its tone. */
export function titleOf(message: Message): string {
  const header = message.blocks.find((block) => block.type === 'header') as { text?: { text?: string } } | undefined;
  return (header?.text?.text ?? message.text).replace(/^\S+ (?:OK|In progress|Attention|Problem) · /, '');
}

export async function openTold(options: Partial<SlackOptions> = {}, start = '2027-03-04T05:00:00Z'): Promise<Told> {
  const clock = handClock(Date.parse(start));
  const stage = await openStage({ clock });
  const slack = await startSlack({
    signingSecret: 'a-signing-secret',
    botToken: 'xoxb-test',
    clock,
    events: [],
    users: [{ id: 'UDEV', name: 'Dev', tz: 'Europe/Berlin' }],
    channels: ['C1', 'C2', 'C9'].map((id) => ({ id, name: `channel-${id.toLowerCase()}` })),
    ...options,
  });
  const silent = () => undefined;
  const logger = {
    ...{ debug: silent, info: silent, warn: silent, error: silent },
    ...{ setLevel: silent, setName: silent, getLevel: () => 'error' as never },
  };
  const api = await createApi({ token: () => 'xoxb-test', apiUrl: slack.apiUrl, clock, logger });
  const count = { under: 0 };
  const port = createPort(api);
  await port.ready();
  const running: Replica[] = [];

  /** Waits until nothing is under way; a file that is waited for on the clock never ends by waiting here. */
  async function settle(): Promise<void> {
    const deadline = Date.now() + (options.fileSettleMs === undefined ? 10_000 : 20);
    for (let calm = 0; calm < 4 && Date.now() < deadline; calm = count.under === 0 ? calm + 1 : 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  const titles = (isBelow: boolean, channel: string) =>
    slack
      .messages(channel)
      .filter(({ threadTs }) => (threadTs !== undefined) === isBelow)
      .map(titleOf);

  const told: Told = {
    slack,
    stage,
    now: () => clock.now(),
    replica(approvals = []) {
      const cut = { off: false };
      const { store, cache } = stage.opened;
      const made: Replica = {
        leads: true,
        kill() {
          cut.off = true;
          running.splice(running.indexOf(made), 1);
        },
        close: () => subscriptions.close(),
      };
      const subscriptions = startSubscriptions({
        store: counted<Store>(store, count, cut),
        cache,
        clock: {
          now: () => clock.now(),
          sleep: (ms, signal) => (cut.off ? new Promise(() => undefined) : clock.sleep(ms, signal)),
        },
        newId: nextId,
        log: stage.parts.log,
        port: counted<ChatPort>(port, count, cut),
        org,
        approvals,
        leads: () => made.leads,
      });
      running.push(made);
      return made;
    },
    async pass(ms, eachMs = 1_000) {
      const end = clock.now() + ms;
      while (clock.now() < end) {
        await clock.advance(Math.min(eachMs, end - clock.now()));
        await settle();
      }
    },
    settle,
    async say(text, more = {}) {
      const person = { id: dev.id, name: dev.name, external: null, ...(more.zone ? { zone: more.zone } : {}) };
      const answer = await stage.say('dev', text, { person, place: more.place ?? place });
      await settle();
      return answer;
    },
    async cluster(id, change = {}) {
      const cluster = sampleCluster(id, {
        name: id,
        owner: dev.id,
        ownerName: dev.name,
        createdAt: clock.now(),
        place: elsewhere,
        ...change,
      });
      await stage.put(...clusterChanges(cluster));
      return cluster;
    },
    async health(id, verdict, why = '2 of 3 nodes are ready') {
      const ref = { kind: 'health', org, id } as const;
      const before = (await stage.opened.store.get(ref))?.record;
      const changed = before !== undefined && before.verdict !== verdict;
      const status = verdict === 'Healthy' ? 'True' : 'False';
      const record: Health = {
        v: 1,
        id,
        org,
        at: clock.now(),
        verdict,
        since: changed || !before ? clock.now() : before.since,
        conditions: [{ type: 'EveryNodeReady', status, reason: 'Nodes', message: why, since: clock.now() }],
        nodesReady: 2,
        nodes: 3,
        capacity: { cpu: 6, memory: 2 ** 34, pods: 330 },
        requests: { cpu: 1, memory: 2 ** 30, pods: 10 },
        pods: { total: 10, running: 10 },
        deployments: { total: 1, available: 1 },
        problems: [],
        changes: (before?.changes ?? 0) + (changed ? 1 : 0),
      };
      await stage.put({ op: 'put', ref, record });
      await settle();
    },
    async job(change) {
      const job = sampleJob({
        requestedAt: clock.now(),
        requestedBy: dev.id,
        requesterName: dev.name,
        place: elsewhere,
        log: [],
        ...change,
      });
      await stage.put({ op: 'put', ref: { kind: 'job', org, id: job.id }, record: job });
      await settle();
      return job;
    },
    async channel() {
      const page = await stage.opened.store.page('channel', org, { limit: 10 });
      return page.items.map(({ record }) => record).find(({ place: at }) => at.conversation === 'C1');
    },
    top: (channel = 'C1') => titles(false, channel),
    below: (channel = 'C1') => titles(true, channel),
    messages: (channel = 'C1') => slack.messages(channel),
    async close() {
      let closed = false;
      const closing = Promise.all(running.map((each) => each.close())).finally(() => {
        closed = true;
      });
      while (!closed) {
        await clock.advance(2_000);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await closing;
      await slack.close();
      await stage.close();
    },
  };
  return told;
}
