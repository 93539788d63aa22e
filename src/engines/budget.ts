import { Fault } from '../core/errors.ts';

/** Lets at most `size` pieces of work run at once; the others wait in line, for as long as their signal allows. */
export interface Budget {
  run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Nothing runs and nothing waits. */
  idle(): boolean;
}

/** Opens a budget of `size` places. Whoever gives up waiting gets a `rate-limited` Fault: nothing was sent for it. */
export function openBudget(size: number): Budget {
  const line: (() => void)[] = [];
  let running = 0;

  function enter(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(busy());
    if (running < size) {
      running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const go = () => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = () => {
        line.splice(line.indexOf(go), 1);
        reject(busy());
      };
      signal.addEventListener('abort', giveUp, { once: true });
      line.push(go);
    });
  }

  function leave(): void {
    const next = line.shift();
    // The place is handed on, so `running` stays as it is.
    if (next) next();
    else running -= 1;
  }

  return {
    async run(signal, work) {
      await enter(signal);
      try {
        return await work();
      } finally {
        leave();
      }
    },
    idle: () => running === 0,
  };
}

function busy(): Fault {
  return new Fault('rate-limited', "KQueen's other requests to this provider are not answered yet.", {
    whose: 'provider',
    retryAfterMs: 2_000,
    next: 'Nothing to do: KQueen tries again by itself.',
  });
}
