/** Pauses before a key that failed is tried again, ms: doubled from the first to the last. */
const FIRST_PAUSE = 50;
const LAST_PAUSE = 10_000;

/**
 * Brings keys, one by one, to where they should be. A key that is added while it is worked on is worked on again; one
 * that fails is tried again later.
 */
export class Loop {
  readonly #reconcile: (key: string) => Promise<void>;
  readonly #width: number;
  readonly #onFailure: (key: string, error: unknown) => void;
  readonly #waiting = new Set<string>();
  readonly #working = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { timer: NodeJS.Timeout; due: number }>();
  #stopped = false;

  /** `width` is how many keys are worked on at once; `onFailure` hears of every failure. */
  constructor(
    reconcile: (key: string) => Promise<void>,
    width: number,
    onFailure: (key: string, error: unknown) => void,
  ) {
    this.#onFailure = onFailure;
    this.#reconcile = reconcile;
    this.#width = width;
  }

  /** Wants a key to be looked at soon. */
  add(key: string): void {
    if (this.#stopped) return;
    this.#waiting.add(key);
    queueMicrotask(() => this.#work());
  }

  /** Wants a key to be looked at after `ms`; the earliest of several wishes counts. */
  addAfter(key: string, ms: number): void {
    if (this.#stopped) return;
    const due = performance.now() + ms;
    const present = this.#timers.get(key);
    if (present !== undefined && present.due <= due) return;
    clearTimeout(present?.timer);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, ms);
    this.#timers.set(key, { timer, due });
  }

  /** Forgets everything that waits. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.clear();
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #work(): void {
    for (const key of this.#waiting) {
      if (this.#stopped || this.#working.size >= this.#width) return;
      if (this.#working.has(key)) continue;
      this.#waiting.delete(key);
      this.#working.add(key);
      this.#reconcile(key)
        .then(
          () => this.#failures.delete(key),
          (error: unknown) => {
            this.#onFailure(key, error);
            const failures = (this.#failures.get(key) ?? 0) + 1;
            this.#failures.set(key, failures);
            this.addAfter(key, Math.min(FIRST_PAUSE * 2 ** failures, LAST_PAUSE));
          },
        )
        .finally(() => {
          this.#working.delete(key);
          this.#work();
        });
    }
  }
}
