/** The core and the bot's middle on real parts: store, cache, sealer, queue, worker, engine and sandbox provider; only the chat is the test's own. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDispatch, type DispatchParts } from '../../src/bot/dispatch.ts';
import type { Inbound, Outbound } from '../../src/bot/inbound.ts';
import { createLiveOptions } from '../../src/bot/live-options.ts';
import { vaultOf } from '../../src/core/backup.ts';
import { registry } from '../../src/core/commands/index.ts';
import { connectProvisioner } from '../../src/core/connect.ts';
import type { Clock, NewId } from '../../src/core/ports/clock.ts';
import type { Change } from '../../src/core/ports/store.ts';
import type { Audit, Cluster, Job, Place, Provisioner, Role } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { createInProcessQueue, startWorker } from '../../src/jobs/index.ts';
import { type KubeOptions, openKube } from '../../src/kube/index.ts';
import { registerSandbox } from '../../src/sandbox-child.ts';
import { type OpenedStore, openConfiguredStore, type StoreSettings } from '../../src/store/index.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';

export const org = 'default';
export const channel: Place = { chat: 'slack', workspace: 'T1', conversation: 'C1' };
export const direct: Place = { chat: 'slack', workspace: 'T1', conversation: 'D1' };

/** The people of the tests: two admins, two members, somebody from outside. */
export const people = {
  grace: { id: 'slack:T1:grace', name: 'Grace', role: 'superadmin' },
  anna: { id: 'slack:T1:anna', name: 'Anna', role: 'admin' },
  dev: { id: 'slack:T1:dev', name: 'Dev', role: 'member' },
  mel: { id: 'slack:T1:mel', name: 'Mel', role: 'member' },
  gus: { id: 'slack:T1:gus', name: 'Gus', role: 'member' },
} as const satisfies Record<string, { id: string; name: string; role: Role }>;
export type Who = keyof typeof people;

let counted = 0;
/** Ids that can be foreseen and never meet. */
export const nextId: NewId = (size = 8) => {
  counted += 1;
  return counted.toString(36).padStart(size, 'k').slice(-size);
};

export interface Provider {
  url: string;
  token: string;
  ca: string;
}

export interface StageOptions {
  /** Absent: no provisioner is registered. */
  provider?: Provider;
  clock?: Clock;
  store?: StoreSettings;
  worker?: boolean;
  /** From where apps and add-ons may come. */
  apps?: KubeOptions['apps'];
  /** Where backups are kept. */
  archive?: KubeOptions['archive'];
  /** Other parts of dispatch. */
  parts?: Partial<DispatchParts>;
}

export interface Stage {
  opened: OpenedStore;
  parts: DispatchParts;
  dir: string;
  log: ReturnType<typeof keepingLog>;
  /** What was told later, by person. */
  told: { inbound: Inbound; answer: Outbound }[];
  handed: { inbound: Inbound; files: NonNullable<Outbound['files']> }[];
  /** One thing a person does; the first answer. */
  say(who: Who, text: string, more?: Partial<Inbound>): Promise<Outbound>;
  /** Presses the button whose label begins so. */
  press(who: Who, answer: Outbound, label: string, more?: Partial<Inbound>): Promise<Outbound>;
  /** Sends a form with these values over the ones it was prefilled with. */
  fill(who: Who, answer: Outbound, values: Record<string, string>, more?: Partial<Inbound>): Promise<Outbound>;
  put(...changes: Change[]): Promise<void>;
  cluster(name: string): Promise<Cluster | undefined>;
  job(id: string): Promise<Job>;
  /** The newest job of all. */
  lastJob(): Promise<Job>;
  audit(): Promise<Audit[]>;
  /** True when the store's files hold the text anywhere. */
  onDisk(text: string): boolean;
  close(): Promise<void>;
}

/** Everything a person can read of an answer. */
export function words(answer: Outbound): string {
  const { card, form, problems } = answer;
  return JSON.stringify([card, form, problems]);
}

/** Opens a stage with a store of its own. */
export async function openStage(options: StageOptions = {}): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), 'kqueen-stage-'));
  const clock = options.clock ?? realClock;
  const log = keepingLog();
  const opened = await openConfiguredStore(options.store ?? { prefix: '/kqueen', historyMs: 0 }, {
    clock,
    log,
    dataDir: dir,
  });
  const { store, cache, sealer } = opened;
  const engines = openEngines({ log, clock });
  const kube = openKube({
    ...{ log, clock, vault: vaultOf(sealer) },
    ...(options.apps ? { apps: options.apps } : {}),
    ...(options.archive ? { archive: options.archive } : {}),
  });
  const queue = createInProcessQueue({ clock, log });
  const told: Stage['told'] = [];
  const handed: Stage['handed'] = [];
  const base: DispatchParts = {
    registry,
    store,
    cache,
    engines,
    kube,
    sealer,
    queue,
    clock,
    newId: nextId,
    log,
    limits: { approvalMs: 3_600_000, provisionMs: 3_600_000 },
    org,
    version: '1.2.3',
    guide: async ({ docs }) => readFileSync(new URL(`../../${docs}`, import.meta.url), 'utf8'),
    options: createLiveOptions({
      connect: (provisioner) => connectProvisioner({ store, sealer, engines }, provisioner),
      clock,
      log,
    }),
    tell: async (inbound, answer) => void told.push({ inbound, answer }),
    handOver: async (inbound, files) => void handed.push({ inbound, files }),
    // On a busy machine the answer itself is waited for, and not only the word that it takes longer.
    patienceMs: 20_000,
  };
  const parts = { ...base, ...options.parts };
  const handle = createDispatch(parts);
  for (const { id, name, role } of [people.grace, people.anna]) {
    await store.commit([
      {
        op: 'put',
        ref: { kind: 'person', org, id },
        record: { v: 1, id, org, name, role, seenAt: clock.now() },
        if: 0,
      },
    ]);
  }
  if (options.provider)
    await registerSandbox({ store, sealer, newId: nextId, org, now: clock.now() }, options.provider);
  const worker = options.worker
    ? await startWorker({
        store,
        cache,
        sealer,
        engines,
        kube,
        queue,
        clock,
        newId: nextId,
        log,
        ...(options.archive ? { archive: options.archive } : {}),
        every: { health: 1_000, backups: 500 },
      })
    : null;
  await eventually(
    'the cache holds what was put',
    () => cache.query('person', org).total >= 2 && (!options.provider || cache.query('provisioner', org).total === 1),
  );

  const stage: Stage = {
    opened,
    parts,
    dir,
    log,
    told,
    handed,
    async say(who, text, more = {}) {
      const inbound: Inbound = {
        source: 'command',
        eventId: `event-${nextId(12)}`,
        person: { id: people[who].id, name: people[who].name, external: null },
        place: channel,
        private: false,
        text,
        canOpenForm: true,
        ...more,
      };
      const [first] = await handle(inbound);
      if (!first) throw new Error('no answer');
      return first;
    },
    async press(who, answer, label, more = {}) {
      const button = answer.card?.buttons.find((each) => each.label.startsWith(label));
      if (!button?.command) throw new Error(`no button ${label} in ${words(answer)}`);
      return stage.say(who, button.command, { source: 'button', ...more });
    },
    async fill(who, answer, values, more = {}) {
      const { form } = answer;
      if (!form) throw new Error(`no form in ${words(answer)}`);
      const before = Object.fromEntries(form.fields.map(({ key, value }) => [key, value ?? '']));
      return stage.say(who, form.command, { source: 'form', values: { ...before, ...values }, ...more });
    },
    async put(...changes) {
      const done = await store.commit(changes);
      if (!done.ok) throw new Error(`not put: ${JSON.stringify(done.conflicts)}`);
      await cache.reached(done.revision, 2_000);
    },
    async cluster(name) {
      const held = await store.get({ kind: 'name', org, id: `cluster.${name}` });
      return held && (await store.get({ kind: 'cluster', org, id: held.record.holder }))?.record;
    },
    async job(id) {
      const found = await store.get({ kind: 'job', org, id });
      if (!found) throw new Error(`no job ${id}`);
      return found.record;
    },
    async lastJob() {
      const page = await store.page('job', org, { limit: 500 });
      const last = page.items.sort((a, b) => a.revision - b.revision).at(-1);
      if (!last) throw new Error('no job');
      return last.record;
    },
    async audit() {
      return (await store.page('audit', org, { limit: 500 })).items.map(({ record }) => record);
    },
    onDisk(text) {
      const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
      return files.some((file) => readFileSync(join(file.parentPath, file.name)).includes(text));
    },
    async close() {
      await worker?.close(2_000);
      await queue.close(500);
      await engines.close();
      await kube.close();
      await opened.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return stage;
}

/** A provisioner whose last check is what it says; nobody is behind it. */
export function provisionerRecord(id: string, change: Partial<Provisioner> = {}): Change[] {
  const record: Provisioner = {
    v: 1,
    id,
    org,
    name: id,
    engine: 'sandbox',
    params: { url: 'https://127.0.0.1:1' },
    secretFields: [],
    paramsVersion: '1',
    state: 'OK',
    message: 'It answers.',
    facts: [],
    createdBy: 'x',
    createdAt: 1,
    ...change,
  };
  return [
    { op: 'put', ref: { kind: 'provisioner', org, id }, record },
    {
      op: 'put',
      ref: { kind: 'name', org, id: `provisioner.${record.name}` },
      record: { v: 1, id: `provisioner.${record.name}`, org, holder: id },
    },
  ];
}

/** A cluster with its name. */
export function clusterChanges(cluster: Cluster): Change[] {
  return [
    { op: 'put', ref: { kind: 'cluster', org, id: cluster.id }, record: cluster },
    {
      op: 'put',
      ref: { kind: 'name', org, id: `cluster.${cluster.name}` },
      record: { v: 1, id: `cluster.${cluster.name}`, org, holder: cluster.id },
    },
  ];
}
