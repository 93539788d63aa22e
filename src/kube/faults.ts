import { Fault, type FaultOptions } from '../core/errors.ts';
import { scrub } from '../core/secrets.ts';

/** An answer of a cluster's API that is not a success, with its body as far as it was read. */
export interface ApiAnswer {
  status: number;
  contentType: string;
  retryAfter: string | undefined;
  text: string;
}

const connectionProblems: Record<string, string> = {
  ECONNREFUSED: 'nothing listens at its address',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name could not be looked up',
  EHOSTUNREACH: 'there is no route to its host',
  ENETUNREACH: 'there is no route to its network',
  UND_ERR_CONNECT_TIMEOUT: 'it did not accept a connection in time',
  ECONNRESET: 'it closed the connection without an answer',
  EPIPE: 'it closed the connection without an answer',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_SOCKET: 'it closed the connection before the answer was complete',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not signed by the authority in the cluster's kubeconfig",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is not signed by the authority in the cluster's kubeconfig",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is not signed by the authority in the cluster's kubeconfig",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not signed by the authority in the cluster's kubeconfig",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not signed by the authority in the cluster's kubeconfig",
  CERT_SIGNATURE_FAILURE: "its certificate is not signed by the authority in the cluster's kubeconfig",
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host name',
};

/** Nothing of the request can have been read: it cannot have had an effect. */
const neverSent = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];

/** The error code of a thrown thing or of what caused it, else ''. */
function codeOf(thrown: unknown): string {
  for (let each = thrown, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth += 1) {
    const inner = each instanceof AggregateError ? codeOf(each.errors[0]) : '';
    const code = inner || (each as { code?: unknown }).code;
    if (typeof code === 'string' && code !== '') return code;
  }
  return '';
}

/** Whether a connection was closed by the other side, or by us for another: what is sent over a new one may be answered. */
export function isClosed(thrown: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_CLOSED', 'UND_ERR_DESTROYED'].includes(codeOf(thrown));
}

/** The Fault for a request to a cluster's API that got no complete answer. */
export function connectionFault(method: string, thrown: unknown): Fault {
  const code = codeOf(thrown);
  const tls = code === 'EPROTO' || code.startsWith('ERR_SSL_') ? 'it does not speak TLS there' : undefined;
  const known = connectionProblems[code];
  const why = known ?? tls ?? 'the connection failed';
  const certificate = known?.includes('certificate') ?? false;
  return new Fault('unreachable', `The cluster's API cannot be reached: ${why}.`, {
    cause: thrown,
    detail: scrub(thrown instanceof Error ? `${code} ${thrown.message}` : String(thrown)).slice(0, 2_000),
    outcomeUnknown: method !== 'GET' && !certificate && !tls && !neverSent.includes(code),
    next: certificate
      ? 'The credentials KQueen holds do not fit the cluster: `cluster check` reads them again from the provider.'
      : 'Try again in a while.',
  });
}

/** The Fault for a call whose time was over, or that its caller gave up. */
export function timeoutFault(method: string, gaveUp: boolean): Fault {
  return new Fault(
    'unreachable',
    gaveUp ? "KQueen stopped waiting for the cluster's API." : "The cluster's API did not answer in time.",
    { outcomeUnknown: method !== 'GET', next: 'Try again in a while.' },
  );
}

/** The Fault for an answer of 200 that is no Kubernetes object: client-node would read it as an empty one. */
export function strangeAnswer(method: string, answer: ApiAnswer): Fault {
  const page = answer.contentType.includes('html') || /^\s*</.test(answer.text);
  return new Fault(
    'unreachable',
    page
      ? "The cluster's address answers with a web page instead of the Kubernetes API, so a proxy or a login page stands before it."
      : "The cluster's address answers with something that is not the Kubernetes API.",
    {
      outcomeUnknown: method !== 'GET',
      detail: scrub(`HTTP ${answer.status} ${answer.contentType}\n${answer.text.slice(0, 2_000)}`),
      next: 'Look at what stands between KQueen and the cluster.',
    },
  );
}

/** The Fault for an answer that is larger than a page of objects can be. */
export function tooLargeFault(method: string, limit: number): Fault {
  return new Fault('internal', `The cluster's API sent more than ${Math.round(limit / 2 ** 20)} MiB in one answer.`, {
    retryable: false,
    outcomeUnknown: method !== 'GET',
  });
}

/** The Fault for an answer of 300 and above, by its code and the message of its Status object. */
export function statusFault(method: string, answer: ApiAnswer): Fault {
  const { status } = answer;
  const said = statusMessage(answer.text);
  const options: FaultOptions = { detail: scrub(`HTTP ${status}\n${answer.text.slice(0, 2_000)}`) };
  const seconds = Number(answer.retryAfter);
  if (answer.retryAfter && Number.isFinite(seconds))
    options.retryAfterMs = Math.max(0, Math.min(seconds, 3_600)) * 1_000;
  const says = said ? `: ${said}` : '.';
  if (status < 400) {
    return new Fault('unreachable', "The cluster's address points to another one, which KQueen does not follow.", {
      ...options,
      next: 'Look at what stands between KQueen and the cluster.',
    });
  }
  if (status >= 500) {
    return new Fault('unreachable', `The cluster's API failed with HTTP ${status}${says}`, {
      ...options,
      outcomeUnknown: method !== 'GET',
      next: 'Try again in a while.',
    });
  }
  switch (status) {
    case 401:
      return new Fault('not-allowed', "The cluster's API does not accept KQueen's credentials.", {
        ...options,
        next: 'Use `cluster check`: it reads the credentials again from the provider.',
      });
    case 403:
      return new Fault('not-allowed', `The cluster's API does not allow this to KQueen${says}`, {
        ...options,
        next: 'Ask an admin of the cluster to grant the missing right.',
      });
    case 404:
      return new Fault('not-found', `The cluster's API does not know that${says}`, options);
    case 409:
      return new Fault('conflict', `The cluster's API refuses because something else is in the way${says}`, {
        ...options,
        retryable: true,
      });
    case 429:
      return new Fault('rate-limited', `The cluster's API asks KQueen to slow down${says}`, {
        ...options,
        next: 'Nothing to do: KQueen tries again by itself.',
      });
    default:
      return new Fault('bad-input', `The cluster's API did not accept the request${says}`, options);
  }
}

/** The message of a Status object (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/), on one line. */
function statusMessage(text: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return '';
  }
  const message = (parsed as { message?: unknown } | null)?.message;
  if (typeof message !== 'string') return '';
  return plain(message, 240);
}

/** Text of a cluster for a person: without credentials, control characters and direction overrides, on one line of at most `max`. */
export function plain(text: string, max: number): string {
  const line = scrub(text.slice(0, 4_000))
    .replace(/[\p{Cc}\u200b-\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > max ? `${line.slice(0, max - 1).trimEnd()}…` : line;
}
