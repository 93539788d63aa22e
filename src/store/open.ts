/** Opens the store with all that belongs to it: the embedded one or etcd, the same things out of both. */
import { Fault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Store } from '../core/ports/store.ts';
import type { WatchCache } from './cache.ts';
import { openCache } from './cache.ts';
import { openCompaction } from './compaction.ts';
import type { Driver } from './driver.ts';
import type { EmbeddedDriver } from './embedded.ts';
import { openEmbeddedDriver } from './embedded.ts';
import type { EtcdOptions } from './etcd.ts';
import { kindPrefix, normalPrefix } from './keys.ts';
import type { ResealProgress } from './reseal.ts';
import { reseal } from './reseal.ts';
import type { RetentionTimes, SweepResult } from './retention.ts';
import { openRetention } from './retention.ts';
import type { KeyedSealer, SecretKey } from './seal.ts';
import { openSealer, parseSecretKeys } from './seal.ts';
import { makeSecretKeyFile, readSecretKeyFile, secretKeyFile } from './secret-key-file.ts';
import type { SpaceStatus } from './space.ts';
import { openSpaceWatch } from './space.ts';
import { listOrgs, openStore } from './store.ts';

interface CommonOptions {
  clock: Clock;
  log: Log;
  /** Where the records live; default `/kqueen`. */
  prefix?: string;
  /** KQUEEN_SECRET_KEYS as it was set: the first key seals, all of them open. */
  secretKeys?: string;
  /** How long records are kept; what is left out has its default. */
  retention?: Partial<RetentionTimes>;
  /** How much history of revisions is kept, in milliseconds; default one hour, 0 leaves compaction to others. */
  historyMs?: number;
}

export interface EmbeddedStoreOptions extends CommonOptions {
  /** KQUEEN_DATA_DIR. */
  dir: string;
}

export interface EtcdStoreOptions extends CommonOptions, EtcdOptions {
  secretKeys: string;
}

/** Where state is kept: etcd when its hosts are given, else the embedded store of one process. */
export interface StoreSettings {
  etcd?: {
    hosts: string[];
    username?: string;
    password?: string;
    /** PEM texts. */
    ca?: string;
    cert?: string;
    key?: string;
    /** What etcd's `--quota-backend-bytes` is set to; default 2 GiB. */
    quotaBytes?: number;
  };
  /** Where the records live, such as `/kqueen`. */
  prefix: string;
  /** Keys for sealing, as configured; absent: the embedded default's own key file. */
  secretKeys?: string;
  /** How much history of revisions is kept, in milliseconds; default one hour, 0 leaves compaction to others. */
  historyMs?: number;
}

/** What one upkeep did. */
interface Upkeep extends SweepResult {
  /** The revision that history was compacted at, if it was. */
  compactedAt?: number;
}

/** An open store with all that belongs to it. */
export interface OpenedStore {
  store: Store;
  cache: WatchCache;
  sealer: KeyedSealer;
  /** Deletes what is past its retention, compacts, gives space back: bounded, every few minutes, by one process or by several. */
  retain(): Promise<Upkeep>;
  /** Why the store cannot take changes for want of space; null while it can. What comes before that is in `spaceStatus`. */
  space(): string | null;
  /** The space in use, as it was found at most half a minute ago. */
  spaceStatus(): SpaceStatus;
  /** Asks for the space in use now; never throws. */
  checkSpace(): Promise<SpaceStatus>;
  /** Seals every secret with the first key; see `reseal`. */
  reseal(onProgress?: (progress: ResealProgress) => void): Promise<ResealProgress>;
  close(): Promise<void>;
}

const spaceEveryMs = 30_000;
/** Pages of the embedded file that one upkeep gives back: about 4 MB, some milliseconds. */
const pagesAtOnce = 1_000;

/**
 * Opens the embedded store. Without `secretKeys` its keys are in `<dir>/secret.key`, which is made at the first start. Throws Faults: another process
 * holds the folder, the file is damaged, or its secrets are there without their key file.
 */
export async function openEmbedded(options: EmbeddedStoreOptions): Promise<OpenedStore> {
  const driver = openEmbeddedDriver(options);
  return assemble(driver, options, async (prefix) => {
    if (options.secretKeys !== undefined) return parseSecretKeys(options.secretKeys);
    const kept = readSecretKeyFile(options.dir);
    if (kept) return kept;
    // A new key would never open what the lost one sealed, and nobody would notice before it is needed.
    if (await holdsSecrets(driver, prefix)) {
      throw new Fault('internal', `The key file ${secretKeyFile} is gone, but the store holds secrets.`, {
        retryable: false,
        next: 'Put the key file back into the data folder, or set KQUEEN_SECRET_KEYS.',
      });
    }
    return makeSecretKeyFile(options.dir);
  });
}

/** Opens the store on etcd; throws Faults when it cannot be reached, refuses the user, or when there is no key for secrets. */
export async function openEtcd(options: EtcdStoreOptions): Promise<OpenedStore> {
  const keys = parseSecretKeys(options.secretKeys);
  // Loaded only here: etcd3 and gRPC would make every start of the embedded store slower.
  const { openEtcdDriver } = await import('./etcd.ts');
  return assemble(openEtcdDriver(options), options, async () => keys);
}

/** Opens the store that the configuration names; faults as `openEmbedded` and `openEtcd`. */
export async function openConfiguredStore(
  settings: StoreSettings,
  parts: { clock: Clock; log: Log; dataDir: string; retention?: { auditMs: number; jobMs: number } },
): Promise<OpenedStore> {
  const { prefix, etcd, secretKeys, historyMs } = settings;
  const common = {
    clock: parts.clock,
    log: parts.log,
    prefix,
    ...(historyMs === undefined ? {} : { historyMs }),
    ...(parts.retention === undefined
      ? {}
      : {
          retention: { audit: parts.retention.auditMs, jobs: parts.retention.jobMs, approvals: parts.retention.jobMs },
        }),
  };
  if (etcd) {
    const { ca, cert, key, ...rest } = etcd;
    const tls = { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
    return openEtcd({ ...rest, tls, ...common, secretKeys: secretKeys ?? '' });
  }
  return openEmbedded({ dir: parts.dataDir, ...common, ...(secretKeys === undefined ? {} : { secretKeys }) });
}

async function assemble(
  driver: Driver | EmbeddedDriver,
  options: CommonOptions,
  findKeys: (prefix: string) => Promise<SecretKey[]>,
): Promise<OpenedStore> {
  const { clock, log } = options;
  const prefix = normalPrefix(options.prefix ?? '/kqueen');
  try {
    const sealer = openSealer(await findKeys(prefix));
    const store = openStore(driver, { prefix, log });
    const cache = await openCache(driver, { prefix, clock, log });
    const retention = openRetention({ store, cache, clock, log, times: options.retention ?? {} });
    const keepMs = options.historyMs;
    const compaction =
      keepMs === 0 ? undefined : openCompaction({ driver, clock, log, ...(keepMs === undefined ? {} : { keepMs }) });
    const watch = openSpaceWatch(driver, log);
    await watch.check();
    const ending = new AbortController();
    void everySoOften(clock, ending.signal, watch.check);
    return {
      store,
      cache,
      sealer,
      async retain() {
        const swept = await retention.sweep();
        const compactedAt = await compaction?.run();
        if ('vacuum' in driver) await driver.vacuum(pagesAtOnce);
        return { ...swept, ...(compactedAt === undefined ? {} : { compactedAt }) };
      },
      space: () => (watch.last().level === 'full' ? watch.last().message : null),
      spaceStatus: watch.last,
      checkSpace: watch.check,
      reseal: async (onProgress) =>
        reseal({ store, sealer, log, orgs: await listOrgs(driver, prefix), ...(onProgress ? { onProgress } : {}) }),
      async close() {
        ending.abort();
        await cache.close();
        await driver.close();
      },
    };
  } catch (error) {
    await driver.close();
    throw error;
  }
}

async function everySoOften(clock: Clock, signal: AbortSignal, act: () => Promise<unknown>): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(spaceEveryMs, signal);
    } catch {
      // The clock rejects only when the store is closed.
      return;
    }
    await act();
  }
}

async function holdsSecrets(driver: Driver, prefix: string): Promise<boolean> {
  for (const org of await listOrgs(driver, prefix)) {
    const page = await driver.range(kindPrefix(prefix, org, 'secret'), { limit: 1, keysOnly: true });
    if (page.entries.length > 0) return true;
  }
  return false;
}
