import type { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { gaveUp } from '../bound.ts';
import { timeoutFault } from '../http-faults.ts';

/** A bearer token and when it ends, in epoch milliseconds. */
export interface AccessToken {
  value: string;
  expiresAt: number;
}

/** The tokens of one service account. */
export interface Tokens {
  /** A token that is good for `leastMs` from now (default one minute), the kept one where it is. */
  get(call: Call, leastMs?: number): Promise<string>;
  /** Drops the kept token if it is this one, because it was refused. */
  drop(value: string): void;
  close(): void;
}

/** How long Google may take to make a token, in milliseconds, however many wait for it. */
const patienceMs = 20_000;

/** Keeps one token and lets everybody who needs a new one wait for the same request, which ends when nobody waits any more. */
export function openTokens(fetchToken: (call: Call) => Promise<AccessToken>): Tokens {
  let kept: AccessToken | null = null;
  let under: { token: Promise<AccessToken>; waiting: number; stop: AbortController } | null = null;

  function begin() {
    const stop = new AbortController();
    const token = fetchToken({ signal: stop.signal, deadline: Date.now() + patienceMs });
    const begun = { token, waiting: 0, stop };
    const over = () => {
      if (under === begun) under = null;
    };
    token.then((made) => {
      kept = made;
      over();
    }, over);
    under = begun;
    return begun;
  }

  return {
    async get(call, leastMs = 60_000) {
      if (kept && kept.expiresAt - Date.now() > leastMs) return kept.value;
      if (call.signal.aborted || call.deadline <= Date.now()) throw late(call);
      const awaited = under ?? begin();
      awaited.waiting += 1;
      try {
        return (await within(call, awaited.token)).value;
      } finally {
        awaited.waiting -= 1;
        if (awaited.waiting === 0) {
          if (under === awaited) under = null;
          awaited.stop.abort();
        }
      }
    },
    drop(value) {
      if (kept?.value === value) kept = null;
    },
    close() {
      under?.stop.abort();
      kept = null;
    },
  };
}

/** Settles with the work, or with a Fault when the call is over. */
function within<T>(call: Call, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(late(call));
    const timer = setTimeout(giveUp, Math.min(call.deadline - Date.now(), 2 ** 31 - 1));
    call.signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      call.signal.removeEventListener('abort', giveUp);
    });
  });
}

function late(call: Call): Fault {
  const asked = { provider: "Google's sign-in", method: 'GET', secrets: [] };
  return timeoutFault(asked, gaveUp(call), true);
}
