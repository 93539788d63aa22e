/** Rotation of keys: every secret is opened with the key that sealed it and sealed again with the first one. */
import { Fault } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Ref, Store } from '../core/ports/store.ts';
import type { KeyedSealer } from './seal.ts';

/** How far it came, in secrets. `failed` ones are left as they were. */
export interface ResealProgress {
  seen: number;
  resealed: number;
  failed: number;
}

export interface ResealOptions {
  store: Store;
  sealer: KeyedSealer;
  orgs: string[];
  log: Log;
  /** Told after each page. */
  onProgress?: (progress: ResealProgress) => void;
}

const attempts = 3;

/**
 * Seals every secret of these organisations with the first key. It may be stopped and repeated: what is done stays done, and a
 * secret that changes meanwhile is looked at again. An old key may be dropped once a run ends with `failed: 0`.
 */
export async function reseal(options: ResealOptions): Promise<ResealProgress> {
  const progress: ResealProgress = { seen: 0, resealed: 0, failed: 0 };
  for (const org of options.orgs) {
    let after: string | undefined;
    do {
      const page = await options.store.page('secret', org, { limit: 100, ...(after === undefined ? {} : { after }) });
      for (const { ref } of page.items) {
        progress.seen += 1;
        const outcome = await resealOne(options, ref);
        if (outcome !== 'kept') progress[outcome] += 1;
      }
      options.onProgress?.({ ...progress });
      after = page.next;
    } while (after !== undefined);
  }
  return progress;
}

async function resealOne(
  { store, sealer, log }: ResealOptions,
  ref: Ref<'secret'>,
): Promise<'kept' | 'resealed' | 'failed'> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const stored = await store.get(ref);
    if (!stored || sealer.current(stored.record.sealed)) return 'kept';
    let sealed: string;
    try {
      sealed = sealer.seal(ref, sealer.open(ref, stored.record.sealed));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      log.error({ ...ref, detail: error.detail }, 'a secret could not be sealed again');
      return 'failed';
    }
    const record = { ...stored.record, sealed };
    const commit = await store.commit([{ op: 'put', ref, record, if: stored.revision }]);
    if (commit.ok) return 'resealed';
  }
  log.warn({ ...ref }, 'a secret changed each time it was to be sealed again');
  return 'failed';
}
