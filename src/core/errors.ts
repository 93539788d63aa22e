/**
 * The one error that people see. Everything an engine, a cluster, the store or a chat platform can answer is turned into a
 * Fault at the border, so that the core can decide on its kind and a card can say what happened and what to press next.
 */
export type FaultKind =
  | 'bad-input'
  | 'not-allowed'
  | 'not-found'
  | 'quota'
  | 'capacity'
  | 'conflict'
  | 'rate-limited'
  | 'unreachable'
  | 'unsupported'
  | 'stale-plan'
  | 'internal';

/** Who can mend it: the person asking, an admin of KQueen, the provider, or KQueen's operators. */
export type FaultOwner = 'caller' | 'admin' | 'provider' | 'kqueen';

export interface FaultOptions {
  /** One sentence on what to do next. */
  next?: string;
  /** The field of a form or the argument of a command it belongs to. */
  field?: string;
  whose?: FaultOwner;
  /** Whether the same call may succeed later. */
  retryable?: boolean;
  /** How long the other side asked to wait, in milliseconds. */
  retryAfterMs?: number;
  /** True when the call may have taken effect although no answer came: look before you repeat. */
  outcomeUnknown?: boolean;
  /** The whole text of the other side, for the log and for a file; never for a card. */
  detail?: string;
  cause?: unknown;
}

const kindDefaults: Record<FaultKind, { whose: FaultOwner; retryable: boolean }> = {
  'bad-input': { whose: 'caller', retryable: false },
  'not-allowed': { whose: 'admin', retryable: false },
  'not-found': { whose: 'caller', retryable: false },
  quota: { whose: 'admin', retryable: false },
  capacity: { whose: 'provider', retryable: true },
  conflict: { whose: 'caller', retryable: false },
  'rate-limited': { whose: 'provider', retryable: true },
  unreachable: { whose: 'provider', retryable: true },
  unsupported: { whose: 'caller', retryable: false },
  'stale-plan': { whose: 'caller', retryable: false },
  internal: { whose: 'kqueen', retryable: true },
};

/** A typed error: `message` is one sentence fit for chat, without secrets. */
export class Fault extends Error {
  readonly kind: FaultKind;
  readonly whose: FaultOwner;
  readonly retryable: boolean;
  readonly next: string | undefined;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly outcomeUnknown: boolean;
  readonly detail: string | undefined;

  constructor(kind: FaultKind, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.kind = kind;
    this.whose = options.whose ?? kindDefaults[kind].whose;
    this.retryable = options.retryable ?? kindDefaults[kind].retryable;
    this.next = options.next;
    this.field = options.field;
    this.retryAfterMs = options.retryAfterMs;
    this.outcomeUnknown = options.outcomeUnknown ?? false;
    this.detail = options.detail;
  }
}

/** Any thrown thing as a Fault; what is not one already is `internal` and its own message goes to `detail` only. */
export function asFault(thrown: unknown, message = 'Something went wrong inside KQueen.'): Fault {
  if (thrown instanceof Fault) return thrown;
  const detail = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return new Fault('internal', message, { detail, cause: thrown });
}

/**
 * How long to wait before trying again: what the other side asked for, else doubling from `firstMs` up to `maxMs`.
 * `attempt` counts from 1; `jitter` is a number in [0, 1) and spreads the waits over ±20 %.
 */
export function backoffMs(fault: Fault, attempt: number, jitter: number, firstMs = 1_000, maxMs = 60_000): number {
  if (fault.retryAfterMs !== undefined) return Math.min(fault.retryAfterMs, 15 * 60_000);
  const base = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 16));
  return Math.round(base * (0.8 + 0.4 * jitter));
}
