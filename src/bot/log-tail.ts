import { targetOf } from '../core/connect.ts';
import { asFault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { EngineClient, Engines } from '../core/ports/engine.ts';
import type { Log } from '../core/ports/log.ts';
import type { Store } from '../core/ports/store.ts';
import type { Job, Provisioner } from '../core/records.ts';

export interface LogTailParts {
  store: Store;
  engines: Engines;
  clock: Clock;
  log: Log;
  /** A connection to a provider, for reading; absent where there is none, and then no log is read. */
  connect?: ((provisioner: Provisioner) => Promise<EngineClient>) | undefined;
}

const patienceMs = 10_000;

/** The provider's log of a job; null when its engine keeps none, or it cannot be read: then the button for it says why. */
export async function readProviderLog(parts: LogTailParts, job: Job): Promise<string | null> {
  const { store, engines, clock, log } = parts;
  if (!parts.connect || !engines.get(job.engine)?.capabilities.log) return null;
  const { org } = job;
  try {
    const cluster = await store.get({ kind: 'cluster', org, id: job.cluster });
    const provisioner = await store.get({ kind: 'provisioner', org, id: job.provisioner });
    if (!cluster || !provisioner) return null;
    const client = await parts.connect(provisioner.record);
    return await client.log(targetOf(cluster.record, job.operation), {
      signal: AbortSignal.timeout(patienceMs),
      deadline: clock.now() + patienceMs,
    });
  } catch (thrown) {
    const { message, detail } = asFault(thrown);
    log.info({ job: job.id, detail }, `a provider's log could not be read: ${message}`);
    return null;
  }
}
