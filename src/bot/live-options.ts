import { asFault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { EngineClient, Options } from '../core/ports/engine.ts';
import type { Log } from '../core/ports/log.ts';
import type { Provisioner } from '../core/records.ts';

export interface LiveOptionsParts {
  connect(provisioner: Provisioner): Promise<EngineClient>;
  clock: Clock;
  log: Log;
  /** How long an answer is good, in milliseconds. */
  freshMs?: number;
  /** How long a person waits for one that is not there yet, unless they see that it is being loaded. */
  patienceMs?: number;
}

/** What people type may be anything, so the answers that are kept have an end. */
const mostKept = 500;

/**
 * The providers' choices and prices for forms and plans. A provider that hangs costs a person a second, not their answer; what it says later
 * is kept for the next one, and what it said in the last ten minutes is used while it does not answer.
 */
export function createLiveOptions(
  parts: LiveOptionsParts,
): (provisioner: Provisioner, given: Record<string, string>, waitMs?: number) => Promise<Options | null> {
  const { clock, log, freshMs = 60_000, patienceMs = 1_000 } = parts;
  const kept = new Map<string, Options>();
  const asked = new Map<string, Promise<Options | null>>();

  async function ask(provisioner: Provisioner, given: Record<string, string>, key: string): Promise<Options | null> {
    try {
      const client = await parts.connect(provisioner);
      const options = await client.options(given, {
        signal: AbortSignal.timeout(8_000),
        deadline: clock.now() + 8_000,
      });
      if (kept.size >= mostKept) kept.clear();
      kept.set(key, { ...options, at: clock.now() });
      return options;
    } catch (thrown) {
      log.info(
        { provisioner: provisioner.name, error: asFault(thrown).message },
        'a provider did not tell its options',
      );
      return null;
    } finally {
      asked.delete(key);
    }
  }

  return async (provisioner, given, waitMs = patienceMs) => {
    const key = JSON.stringify([provisioner.id, provisioner.paramsVersion, Object.entries(given).sort()]);
    const before = kept.get(key);
    if (before && clock.now() - before.at < freshMs) return before;
    const asking = asked.get(key) ?? ask(provisioner, given, key);
    asked.set(key, asking);
    const timer = new AbortController();
    const late = clock.sleep(waitMs, timer.signal).then(
      () => null,
      () => null,
    );
    const answer = await Promise.race([asking, late]);
    timer.abort();
    if (answer) return answer;
    return before && clock.now() - before.at < 600_000 ? before : null;
  };
}
