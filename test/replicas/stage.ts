/** Everything around KQueens under test: etcd, Redis, the loopback Slack and the sandbox provider, each a program of its own. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { newId, systemClock } from '../../src/clock.ts';
import type { Kind, RecordOf } from '../../src/core/records.ts';
import { registerSandbox } from '../../src/sandbox-child.ts';
import type { Settings } from '../../src/settings.ts';
import { type OpenedStore, openConfiguredStore } from '../../src/store/index.ts';
import { type Delivery, type Message, type Slack, startSlack, words } from '../counterparts/slack/index.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import {
  compiled,
  endProcess,
  spawnReaped,
  startEtcd,
  startRedis,
  type TestEtcd,
  type TestServer,
} from '../servers.ts';
import { keptLog, someSecretKey } from '../story/kqueen.ts';

export const org = 'default';
export const signingSecret = 'stage-signing-secret';
const botToken = 'xoxb-stage-token';
/** A cluster's fields as they are typed. */
export const typedSpec = 'on sandbox region=sandbox-north version=1.34 size=small nodes=1';

export interface Stage {
  etcd: TestEtcd;
  redis: TestServer;
  slack: Slack;
  provider: SandboxProvider;
  /** A view of the store that no KQueen under test shares. */
  opened: OpenedStore;
  /** Settings of a KQueen on this stage; what is given replaces them. */
  settings(given?: Partial<Settings>): Partial<Settings>;
  all<K extends Kind>(kind: K): Promise<RecordOf<K>[]>;
  /** How often the provider made a cluster of each external name. */
  made(): Promise<Record<string, { received: number; made: number }>>;
  /** What the app has put in a conversation for all to see and matches, pings in threads left out. */
  shown(channel: string, pattern: RegExp): Message[];
  close(): Promise<void>;
}

export interface StageOptions {
  /** Multiplies the provider's clock. */
  speed?: number;
  /** Where KQueens find the provider, when not at its own address. */
  providerUrl?: (provider: SandboxProvider) => Promise<string>;
  fsync?: boolean;
}

/** Starts it all and registers the provisioner `sandbox`. U1 and U4 are members, U2 and U3 admins, all in C1. */
export async function openStage({ speed = 40, providerUrl, fsync = false }: StageOptions = {}): Promise<Stage> {
  const [etcd, redis, provider] = await Promise.all([startEtcd({ fsync }), startRedis(), startSandboxProvider(speed)]);
  const slack = await startSlack({
    signingSecret,
    botToken,
    team: 'T1',
    users: ['ada', 'grace', 'edsger', 'barbara'].map((name, index) => ({ id: `U${index + 1}`, name })),
    channels: [{ id: 'C1', name: 'clusters' }],
  });
  const secretKeys = someSecretKey();
  const store = { prefix: '/kqueen', etcd: { hosts: etcd.hosts }, secretKeys };
  const opened = await openConfiguredStore(store, { clock: systemClock, log: keptLog(), dataDir: '' });
  const child = { ...provider, url: (await providerUrl?.(provider)) ?? provider.url };
  await registerSandbox({ ...opened, newId, org, now: Date.now() }, child);
  return {
    ...{ etcd, redis, slack, provider, opened },
    settings: (given = {}) => ({
      store,
      redisUrl: redis.url,
      slack: { botToken, signingSecret, apiUrl: slack.apiUrl },
      sandbox: { on: false, speed: 1, port: 0 },
      bootstrapAdmins: ['slack:T1:U2', 'slack:T1:U3'],
      ...given,
    }),
    async all<K extends Kind>(kind: K) {
      const records: RecordOf<K>[] = [];
      for (let after: string | undefined; ; ) {
        const page = await opened.store.page(kind, org, after === undefined ? {} : { after });
        records.push(...page.items.map(({ record }) => record));
        if (page.next === undefined) return records;
        after = page.next;
      }
    },
    async made() {
      const { creates } = (await provider.ask('GET', '/v1/admin/calls')) as Awaited<{
        creates: Record<string, { received: number; made: number }>;
      }>;
      return creates;
    },
    shown: (channel, pattern) =>
      slack.messages(channel).filter((each) => each.byApp && each.threadTs === undefined && pattern.test(words(each))),
    async close() {
      await opened.close();
      await slack.close();
      await Promise.all([etcd.stop(), redis.stop(), provider.stop()]);
    },
  };
}

/** A KQueen in a process of its own. */
export interface Replica {
  url: string;
  pid: number;
  /** What it logged so far. */
  log(): string;
  /** Whether its process still runs. */
  runs(): boolean;
  kill9(): Promise<void>;
  /** SIGTERM; answers the milliseconds until its end and its exit code. */
  terminate(): Promise<{ ms: number; code: number | null }>;
}

const program = join(import.meta.dirname, 'replica.ts');

/** Starts one and waits until it listens. It ends with the test's process, however that ends. */
export async function startReplica(settings: Partial<Settings>): Promise<Replica> {
  const dataDir = mkdtempSync(join(tmpdir(), 'kqueen-replica-'));
  const child = spawnReaped(process.execPath, [program], {
    PATH: process.env.PATH,
    ...compiled,
    ...(process.env.NODE_OPTIONS === undefined ? {} : { NODE_OPTIONS: process.env.NODE_OPTIONS }),
    TEST_KQUEEN: JSON.stringify({ ...settings, dataDir }),
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-200_000);
  });
  const ended = once(child, 'exit').then(() => rmSync(dataDir, { recursive: true, force: true }));
  if (!child.stdout) throw new Error('The replica has no output.');
  const first = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended.then(() => null)]);
  if (first === null) throw new Error(`a replica did not start: ${said}`);
  const { port } = JSON.parse(String(first[0])) as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    log: () => said,
    runs: () => child.exitCode === null && child.signalCode === null,
    async kill9() {
      await endProcess(child, 'SIGKILL');
      await ended;
    },
    async terminate() {
      const begun = performance.now();
      await endProcess(child, 'SIGTERM', 20_000);
      await ended;
      return { ms: performance.now() - begun, code: child.exitCode };
    },
  };
}

/**
 * Lets a person do something while nobody listens, so that a test has the signed request and decides where and how often it arrives.
 * What `act` answers is what Slack would deliver.
 */
export async function captured(slack: Slack, back: string[], act: () => Promise<Delivery>): Promise<Delivery> {
  const deaf = createServer((request, response) => {
    request.resume().on('end', () => response.end());
  });
  deaf.listen(0, '127.0.0.1');
  await once(deaf, 'listening');
  slack.deliverTo(`http://127.0.0.1:${(deaf.address() as AddressInfo).port}`);
  try {
    return { ...(await act()), retry: -1 };
  } finally {
    slack.deliverTo(...back);
    deaf.closeAllConnections();
    deaf.close();
  }
}
