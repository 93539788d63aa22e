/** Faults on demand: the next calls of a method fail in the ways Slack and the network are known to fail. */

export type Fault =
  | { kind: 'error'; error: string }
  | { kind: 'rate-limit'; retryAfter: number }
  | { kind: 'status'; status: number }
  /** The answer never comes; the connection stays open until the loopback Slack is closed. */
  | { kind: 'hang' }
  /** The call is carried out, then the connection is cut instead of answering. */
  | { kind: 'lost' }
  /** The connection is cut before anything is done. */
  | { kind: 'cut' }
  /** The call is carried out and answered after a while. */
  | { kind: 'slow'; ms: number };

export class Faults {
  readonly #queue: { method: string; left: number; fault: Fault }[] = [];

  /** Lets the next `times` calls of `method` (`*` for any, `response_url` and `upload` too) meet `fault`. */
  next(method: string, fault: Fault, times = 1): void {
    this.#queue.push({ method, left: times, fault });
  }

  /** Answers `{ ok: false, error }`, e.g. `channel_not_found`, `is_archived`, `not_in_channel`, `internal_error`. */
  error(method: string, error: string, times = 1): void {
    this.next(method, { kind: 'error', error }, times);
  }

  rateLimit(method: string, retryAfter: number, times = 1): void {
    this.next(method, { kind: 'rate-limit', retryAfter }, times);
  }

  status(method: string, status: number, times = 1): void {
    this.next(method, { kind: 'status', status }, times);
  }

  hang(method: string, times = 1): void {
    this.next(method, { kind: 'hang' }, times);
  }

  lose(method: string, times = 1): void {
    this.next(method, { kind: 'lost' }, times);
  }

  cut(method: string, times = 1): void {
    this.next(method, { kind: 'cut' }, times);
  }

  slow(method: string, ms: number, times = 1): void {
    this.next(method, { kind: 'slow', ms }, times);
  }

  clear(): void {
    this.#queue.length = 0;
  }

  /** The fault this call has to meet, used up by asking. */
  take(method: string): Fault | undefined {
    const entry = this.#queue.find((each) => each.left > 0 && (each.method === method || each.method === '*'));
    if (entry === undefined) return undefined;
    entry.left -= 1;
    return entry.fault;
  }
}
