/**
 * What etcd and gRPC answer, as Faults. etcd3 keeps the server's text and puts the gRPC code before it (`14 UNAVAILABLE: …`); the texts
 * are those of etcd's `api/v3rpc/rpctypes`.
 */
import { Fault } from '../core/errors.ts';
import { Compacted } from './driver.ts';

/** Codes of gRPC that this file asks for. */
const cancelled = 1;
const unknown = 2;
const deadlineExceeded = 4;
const resourceExhausted = 8;
const internal = 13;
const unavailable = 14;
const unauthenticated = 16;

/** What the error says about its call. */
export interface EtcdFailure {
  fault: Fault;
  /** No answer came: another member may do better. */
  unreachable: boolean;
  /** The request certainly never left this process, so that repeating it cannot do anything twice. */
  notSent: boolean;
  /** The answer was larger than a message may be: ask for less. */
  tooLarge: boolean;
}

interface Context {
  /** Whether the call may have changed something. */
  writes: boolean;
  /** The revision that the call was about, for `Compacted`. */
  revision?: number | undefined;
}

const unsentTexts = /No connection established|Name resolution failed|Waiting for LB pick|before call started/;

/** Turns what etcd3 threw into a Fault and says whether the call may be repeated. */
export function etcdFailure(error: unknown, context: Context): EtcdFailure {
  if (error instanceof Fault) return failure(error);
  const text = error instanceof Error ? error.message : String(error);
  const code = Number(/^(?:\w+: )?(\d+) /.exec(text)?.[1] ?? -1);
  const known = serverFault(text, error, context);
  if (known) return failure(known);
  if (code === resourceExhausted && /Received message larger than max/.test(text)) {
    const fault = new Fault('internal', 'An answer of the store was too large.', { detail: text, retryable: false });
    return { ...failure(fault), tooLarge: true };
  }
  const notSent = unsentTexts.test(text);
  const noAnswer = [cancelled, unknown, deadlineExceeded, internal, unavailable].includes(code) || notSent;
  if (!noAnswer) {
    return failure(new Fault('internal', 'The store refused a request.', { detail: text, cause: error }));
  }
  return { ...failure(unreachableFault(text, context.writes && !notSent, error)), unreachable: true, notSent };
}

/** The store did not answer. */
export function unreachableFault(detail: string, outcomeUnknown: boolean, cause?: unknown): Fault {
  return new Fault('unreachable', 'The store does not answer.', {
    whose: 'kqueen',
    outcomeUnknown,
    detail,
    next: outcomeUnknown ? 'Look before you repeat it.' : 'Try again in a moment.',
    ...(cause === undefined ? {} : { cause }),
  });
}

function failure(fault: Fault): EtcdFailure {
  return { fault, unreachable: false, notSent: false, tooLarge: false };
}

/** The server's own refusals; undefined when the text is none of them. */
function serverFault(text: string, cause: unknown, { revision }: Context): Fault | undefined {
  const is = (part: string) => text.includes(part);
  const kqueen = { whose: 'kqueen' as const, detail: text, cause };
  if (is('required revision has been compacted')) return new Compacted(revision ?? 0);
  if (is('required revision is a future revision')) {
    return new Fault('bad-input', 'The store has no such revision yet.', kqueen);
  }
  if (is('database space exceeded')) {
    return new Fault('capacity', 'The store has no space left: nothing was saved.', {
      ...kqueen,
      next: 'Compact and defragment etcd or raise its quota, then disarm its NOSPACE alarm (etcdctl alarm disarm).',
    });
  }
  if (is('requested lease not found')) {
    return new Fault('conflict', 'The lease has ended: nothing was saved.', { ...kqueen, retryable: false });
  }
  if (is('too many operations in txn') || is('duplicate key given in txn')) {
    return new Fault('bad-input', 'The store refused a transaction that breaks its rules.', kqueen);
  }
  // The last one is the server's own limit on requests; our limit on answers is told with a capital letter.
  if (is('request is too large') || is('trying to send message larger') || is('grpc: received message larger')) {
    return new Fault('bad-input', 'The record is too large for the store.', kqueen);
  }
  if (is('too many requests')) {
    return new Fault('rate-limited', 'The store is overloaded.', { ...kqueen, retryAfterMs: 500 });
  }
  if (
    is('authentication failed') ||
    is('user name is empty') ||
    is('authentication is not enabled') ||
    is('invalid auth token')
  ) {
    return new Fault('not-allowed', 'The store refused the name or password of KQueen.', {
      ...kqueen,
      next: 'Check the user and password that KQueen is configured with for etcd.',
    });
  }
  if (is('permission denied') || new RegExp(`(^|: )${unauthenticated} `).test(text)) {
    return new Fault('not-allowed', 'The store does not let KQueen do this.', {
      ...kqueen,
      next: 'Give the user of KQueen read and write on its prefix in etcd.',
    });
  }
  return undefined;
}
