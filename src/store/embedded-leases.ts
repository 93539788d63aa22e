/** Leases of the embedded store: kept in memory, because the one process that could keep them alive is this one. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/ports/clock.ts';

export interface Leases {
  grant(ttlMs: number): string;
  alive(lease: string): boolean;
  keepAlive(lease: string): boolean;
  forget(lease: string): void;
  /** Those that have ended by now. */
  ended(): string[];
  close(): void;
}

/** Calls `onEnd` when a lease has run out; it asks `ended()` and forgets what it has dealt with. */
export function openLeases(clock: Clock, onEnd: () => void): Leases {
  const leases = new Map<string, { ttlMs: number; endsAt: number }>();
  let alarm: { at: number; abort: AbortController } | undefined;

  function arm(): void {
    const at = Math.min(...[...leases.values()].map((lease) => lease.endsAt));
    if (alarm && alarm.at <= at) return;
    alarm?.abort.abort();
    alarm = undefined;
    if (at === Number.POSITIVE_INFINITY) return;
    const abort = new AbortController();
    alarm = { at, abort };
    clock.sleep(Math.max(0, at - clock.now()), abort.signal).then(
      () => {
        if (abort.signal.aborted) return;
        alarm = undefined;
        onEnd();
        arm();
      },
      // The clock rejects only when the alarm was called off.
      () => undefined,
    );
  }

  const ended = (): string[] => {
    const now = clock.now();
    return [...leases].filter(([, lease]) => lease.endsAt <= now).map(([id]) => id);
  };

  return {
    grant(ttlMs) {
      const id = randomBytes(8).toString('hex');
      leases.set(id, { ttlMs, endsAt: clock.now() + ttlMs });
      arm();
      return id;
    },
    alive: (id) => (leases.get(id)?.endsAt ?? 0) > clock.now(),
    keepAlive(id) {
      const lease = leases.get(id);
      if (!lease || lease.endsAt <= clock.now()) return false;
      lease.endsAt = clock.now() + lease.ttlMs;
      return true;
    },
    forget(id) {
      leases.delete(id);
    },
    ended,
    close() {
      alarm?.abort.abort();
      alarm = undefined;
      leases.clear();
    },
  };
}
