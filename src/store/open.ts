/** Opens the configured store with everything that goes with it. */
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Sealer, Store } from '../core/ports/store.ts';
import { openCache, type WatchCache } from './cache.ts';
import type { Driver } from './driver.ts';
import { openEmbeddedDriver } from './embedded.ts';
import { openSealer, parseSecretKeys } from './seal.ts';
import { makeSecretKeyFile, readSecretKeyFile } from './secret-key-file.ts';
import { openStore } from './store.ts';

/** Where state is kept: etcd when hosts are given, else the embedded store of one process. */
export interface StoreSettings {
  etcd?: { hosts: string[]; username?: string; password?: string; ca?: string; cert?: string; key?: string };
  /** Where the records live, such as `/kqueen`. */
  prefix: string;
  /** Keys for sealing, as configured; absent: the embedded default's own key file. */
  secretKeys?: string;
}

export interface OpenedStore {
  store: Store;
  cache: WatchCache;
  sealer: Sealer;
  /** What is wrong with the store's space, in a sentence; null when nothing is. */
  space(): string | null;
  /** Deletes what has been kept long enough. */
  retain(): Promise<unknown>;
  close(): Promise<void>;
}

/** Opens driver, store, cache and sealer; a Fault says what is missing. */
export async function openConfiguredStore(
  settings: StoreSettings,
  parts: { clock: Clock; log: Log; dataDir: string; retention: { auditMs: number; jobMs: number } },
): Promise<OpenedStore> {
  const { clock, log } = parts;
  const keys = settings.secretKeys
    ? parseSecretKeys(settings.secretKeys)
    : (readSecretKeyFile(parts.dataDir) ?? makeSecretKeyFile(parts.dataDir));
  const driver = await openDriver(settings, parts);
  try {
    const store = openStore(driver, { prefix: settings.prefix, log });
    const cache = await openCache(driver, { prefix: settings.prefix, clock, log });
    return {
      store,
      cache,
      sealer: openSealer(keys),
      space: () => null,
      retain: async () => undefined,
      async close() {
        await cache.close();
        await store.close();
      },
    };
  } catch (thrown) {
    await driver.close();
    throw thrown;
  }
}

async function openDriver(
  settings: StoreSettings,
  { clock, log, dataDir }: { clock: Clock; log: Log; dataDir: string },
): Promise<Driver> {
  if (!settings.etcd) return openEmbeddedDriver({ dir: dataDir, clock, log });
  const { openEtcdDriver } = await import('./etcd.ts');
  return openEtcdDriver({ ...settings.etcd, clock, log });
}
