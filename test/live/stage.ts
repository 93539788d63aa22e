/** The notifier as it runs, with a real store and the loopback Slack, on a clock that is moved by hand: half an hour passes in seconds. */

import { createDurations } from '../../src/bot/durations.ts';
import { type Notifier, type NotifierParts, startNotifier } from '../../src/bot/notifier.ts';
import { createApi } from '../../src/bot/slack/api.ts';
import { createPort } from '../../src/bot/slack/port.ts';
import type { ChatPort } from '../../src/core/ports/chat.ts';
import type { Change, Store } from '../../src/core/ports/store.ts';
import type { Job, JobState, Message as Kept, Place } from '../../src/core/records.ts';
import { nextId, openStage, org, type Stage } from '../core/stage.ts';
import { counted } from '../counted.ts';
import { type Message, type Slack, startSlack } from '../counterparts/slack/index.ts';
import { sampleJob } from '../jobs/samples.ts';
import { handClock } from '../store/clocks.ts';

export interface LiveOptions {
  /** How many channels there are: C1, C2, … */
  channels?: number;
}

export interface Live {
  slack: Slack;
  stage: Stage;
  now(): number;
  /** Starts a notifier; `kill` ends it as a crash would: what it does arrives nowhere any more. */
  start(change?: Partial<NotifierParts>): { notifier: Notifier; kill(): void };
  /** Lets time pass second by second; whatever is under way is waited for. */
  pass(ms: number, eachMs?: number, at?: (now: number) => Promise<void> | void): Promise<void>;
  /** Waits until nothing is under way, while no time passes. */
  settle(): Promise<void>;
  /** Puts jobs as they are now. */
  put(...jobs: Job[]): Promise<void>;
  /** Messages of a channel that are not in a thread, and those that are. */
  top(channel?: string): Message[];
  below(channel?: string): Message[];
  /** Calls of a method that Slack answered well. */
  calls(method: string): { at: number; args: Record<string, unknown> }[];
  refusals(): string[];
  messages(): Promise<Kept[]>;
  close(): Promise<void>;
}

export function placeIn(channel = 'C1'): Place {
  return { chat: 'slack', workspace: 'T1', conversation: channel };
}

/** A job of this stage. */
export function liveJob(id: string, state: JobState, now: number, change: Partial<Job> = {}): Job {
  return sampleJob({
    id,
    state,
    cluster: `c-${id}`,
    clusterName: id,
    requestedBy: 'slack:T1:UDEV',
    requesterName: 'Dev',
    requestedAt: now,
    place: placeIn(),
    note: 'The provider is working on it.',
    log: [],
    ...(state === 'Queued' ? {} : { startedAt: now }),
    ...change,
  });
}

/** The same job, ended. */
export function endOf(job: Job, state: 'Succeeded' | 'Failed', now: number): Job {
  const { dueAt: _due, ...rest } = job;
  return { ...rest, state, endedAt: now, note: state === 'Failed' ? 'The provider has no more room.' : 'It is ready.' };
}

export async function openLive({ channels = 1 }: LiveOptions = {}): Promise<Live> {
  const clock = handClock();
  const stage = await openStage({ clock });
  const slack = await startSlack({
    signingSecret: 'a-signing-secret',
    botToken: 'xoxb-test',
    clock,
    // One a second and no more, though Slack takes short bursts.
    postBurst: 1,
    events: [],
    users: [
      { id: 'UDEV', name: 'Dev' },
      { id: 'UMEL', name: 'Mel' },
    ],
    channels: Array.from({ length: channels }, (_, index) => ({ id: `C${index + 1}`, name: `channel-${index + 1}` })),
  });
  const silent = () => undefined;
  const logger = {
    ...{ debug: silent, info: silent, warn: silent, error: silent },
    ...{ setLevel: silent, setName: silent, getLevel: () => 'error' as never },
  };
  const api = await createApi({ token: () => 'xoxb-test', apiUrl: slack.apiUrl, clock, logger });
  const port = createPort(api);
  await port.ready();
  const durations = createDurations(stage.opened.cache, org);
  const count = { under: 0 };
  const started: Notifier[] = [];

  async function settle(): Promise<void> {
    for (let calm = 0; calm < 4; calm = count.under === 0 ? calm + 1 : 0)
      await new Promise((resolve) => setImmediate(resolve));
  }

  return {
    slack,
    stage,
    now: () => clock.now(),
    start(change = {}) {
      const cut = { off: false };
      const { store, cache } = stage.opened;
      const { engines, log } = stage.parts;
      const notifier = startNotifier({
        store: counted<Store>(store, count, cut),
        cache,
        engines,
        clock: {
          now: () => clock.now(),
          sleep: (ms, signal) => (cut.off ? new Promise(() => undefined) : clock.sleep(ms, signal)),
        },
        newId: nextId,
        log,
        port: counted<ChatPort>(port, count, cut),
        org,
        approvals: [],
        durations,
        ...change,
      });
      started.push(notifier);
      const kill = () => {
        cut.off = true;
        started.splice(started.indexOf(notifier), 1);
      };
      return { notifier, kill };
    },
    async pass(ms, eachMs = 1_000, at = () => undefined) {
      const end = clock.now() + ms;
      while (clock.now() < end) {
        await at(clock.now());
        await clock.advance(Math.min(eachMs, end - clock.now()));
        await settle();
      }
    },
    settle,
    async put(...jobs) {
      for (let from = 0; from < jobs.length; from += 100) {
        const changes = jobs.slice(from, from + 100).map(
          (record): Change => ({
            op: 'put',
            ref: { kind: 'job', org, id: record.id },
            record,
          }),
        );
        const done = await stage.opened.store.commit(changes);
        if (!done.ok) throw new Error(`not put: ${JSON.stringify(done.conflicts)}`);
      }
      await settle();
    },
    top: (channel = 'C1') => slack.messages(channel).filter(({ threadTs }) => threadTs === undefined),
    below: (channel = 'C1') => slack.messages(channel).filter(({ threadTs }) => threadTs !== undefined),
    calls: (method) => slack.calls.filter((call) => call.method === method && call.answer.ok === true),
    refusals: () =>
      slack.calls
        .filter(({ answer }) => answer.ok !== true)
        .map(({ method, status, answer }) => `${method} ${status} ${String(answer.error)}`),
    async messages() {
      const all: Kept[] = [];
      let after: string | undefined;
      do {
        const page = await stage.opened.store.page('message', org, { limit: 500, ...(after ? { after } : {}) });
        all.push(...page.items.map(({ record }) => record));
        after = page.next;
      } while (after);
      return all;
    },
    async close() {
      const closing = Promise.all(started.map((notifier) => notifier.close()));
      let closed = false;
      closing.finally(() => {
        closed = true;
      });
      while (!closed) {
        await clock.advance(2_000);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      durations.close();
      await slack.close();
      await stage.close();
    },
  };
}
