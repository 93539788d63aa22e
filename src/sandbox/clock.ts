type Alarm = { due: number; ring: () => void; timer: NodeJS.Timeout | undefined };

/** The longest delay that Node's timers take, in ms. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * A clock that runs faster than the wall by a factor that may change at any time; alarms that are set move with it.
 * All times are milliseconds of the sandbox's own time since the clock was made.
 */
export class SandboxClock {
  #speed: number;
  #markReal = performance.now();
  #markOwn = 0;
  readonly #alarms = new Set<Alarm>();

  constructor(speed: number) {
    this.#speed = speed;
  }

  /** The factor by which this clock is faster than the wall. */
  get speed(): number {
    return this.#speed;
  }

  /** The time on this clock, ms. */
  now(): number {
    return this.#markOwn + (performance.now() - this.#markReal) * this.#speed;
  }

  /** Changes the factor; whatever is waiting is rescheduled. */
  setSpeed(speed: number): void {
    this.#markOwn = this.now();
    this.#markReal = performance.now();
    this.#speed = speed;
    for (const alarm of this.#alarms) this.#arm(alarm);
  }

  /** Calls `ring` once after `ms` of this clock; the answer cancels it. */
  after(ms: number, ring: () => void): () => void {
    const alarm: Alarm = { due: this.now() + ms, ring, timer: undefined };
    this.#alarms.add(alarm);
    this.#arm(alarm);
    return () => {
      clearTimeout(alarm.timer);
      this.#alarms.delete(alarm);
    };
  }

  /** Cancels everything that waits. */
  stop(): void {
    for (const alarm of this.#alarms) clearTimeout(alarm.timer);
    this.#alarms.clear();
  }

  #arm(alarm: Alarm): void {
    clearTimeout(alarm.timer);
    const wait = Math.max(0, (alarm.due - this.now()) / this.#speed);
    alarm.timer = setTimeout(
      () => {
        if (wait > LONGEST_TIMER) {
          this.#arm(alarm);
          return;
        }
        this.#alarms.delete(alarm);
        alarm.ring();
      },
      Math.min(wait, LONGEST_TIMER),
    );
  }
}
