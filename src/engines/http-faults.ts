import { Fault, type FaultKind, type FaultOptions } from '../core/errors.ts';
import { oneLine, scrub } from './scrub.ts';

/** What a provider's own error text says, as its engine understands it; fields left out keep the meaning of the status. */
export interface Explanation {
  kind?: FaultKind;
  /** One sentence of the provider, fit for people; it is scrubbed and shortened. */
  message?: string;
  /** The field of the cluster or provisioner form it is about. */
  field?: string;
  next?: string;
  retryable?: boolean;
}

/** A refusing or failing answer, before it is a Fault. */
export interface BadAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** What is known of the request a fault belongs to. */
export interface Asked {
  /** For people: "the sandbox provider". */
  provider: string;
  method: string;
  secrets: readonly string[];
}

/** Certificate problems by the codes Node's TLS reports (https://nodejs.org/api/tls.html#x509-certificate-error-codes). */
const certificateProblems: Record<string, string> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by an authority known here',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is not signed by an authority known here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not signed by an authority known here',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by a private authority that is not known here',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  CERT_SIGNATURE_FAILURE: 'its certificate is not signed by the authority in the CA bundle',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate was revoked',
  CERT_UNTRUSTED: 'its certificate is not trusted',
  INVALID_CA: 'the CA bundle is not a certificate authority',
  INVALID_PURPOSE: 'its certificate is not meant for servers',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host name',
};

/** Failures before a byte of the request can have been read by the other side: nothing can have taken effect. */
const neverSent: Record<string, string> = {
  ECONNREFUSED: 'nothing listens at that address',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name could not be looked up',
  EHOSTUNREACH: 'there is no route to its host',
  ENETUNREACH: 'there is no route to its network',
  UND_ERR_CONNECT_TIMEOUT: 'it did not accept a connection in time',
};

const lost: Record<string, string> = {
  ECONNRESET: 'it closed the connection without an answer',
  EPIPE: 'it closed the connection without an answer',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_SOCKET: 'it closed the connection before the answer was complete',
  UND_ERR_HEADERS_TIMEOUT: 'it did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'its answer stopped half-way',
};

/** The error code of a thrown thing or of what caused it. */
function codeOf(thrown: unknown): string {
  for (let each = thrown, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth += 1) {
    const inner = each instanceof AggregateError ? codeOf(each.errors[0]) : '';
    const code = inner || (each as { code?: unknown }).code;
    if (typeof code === 'string' && code !== '') return code;
  }
  return '';
}

/** The Fault for a request that got no usable answer because the connection failed. */
export function connectionFault(asked: Asked, thrown: unknown): Fault {
  const code = codeOf(thrown);
  const detail = scrub(thrown instanceof Error ? `${code} ${thrown.message}` : String(thrown), asked.secrets);
  const base: FaultOptions = { detail, cause: thrown };
  const certificate = certificateProblems[code];
  if (certificate) {
    return new Fault('unreachable', `The connection to ${asked.provider} is not safe: ${certificate}.`, {
      ...base,
      whose: 'admin',
      next: 'Ask an admin to check the address and the CA bundle of the provisioner.',
    });
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return new Fault('unreachable', `${capital(asked.provider)} does not speak TLS at that address.`, {
      ...base,
      whose: 'admin',
      next: 'Ask an admin to check the address and the port of the provisioner.',
    });
  }
  const unsent = neverSent[code];
  const why = unsent ?? lost[code] ?? 'the connection failed';
  return new Fault('unreachable', `${capital(asked.provider)} cannot be reached: ${why}.`, {
    ...base,
    outcomeUnknown: asked.method !== 'GET' && !unsent,
    next: 'Try again in a while; if it lasts, ask an admin to check the address of the provisioner.',
  });
}

/** The Fault for a call whose time was over, or that its caller gave up. */
export function timeoutFault(asked: Asked, gaveUp: boolean, sent: boolean): Fault {
  const message = gaveUp
    ? `KQueen stopped waiting for ${asked.provider}.`
    : `${capital(asked.provider)} did not answer in time.`;
  return new Fault('unreachable', message, {
    outcomeUnknown: sent && asked.method !== 'GET',
    next: 'Try again in a while.',
  });
}

/** The Fault for an answer that is not what an API gives: a web page, a cut or foreign text. */
export function strangeAnswer(asked: Asked, answer: BadAnswer): Fault {
  const type = String(answer.headers['content-type'] ?? '');
  const page = type.includes('html') || /^\s*</.test(answer.text);
  const message = page
    ? `${capital(asked.provider)} answered with a web page instead of JSON, so a proxy or a login page stands before it.`
    : `${capital(asked.provider)} answered with something that is not JSON.`;
  return new Fault('unreachable', message, {
    whose: 'admin',
    retryable: true,
    outcomeUnknown: asked.method !== 'GET',
    next: 'Ask an admin to check the address of the provisioner.',
    detail: scrub(`HTTP ${answer.status} ${type}\n${answer.text}`, asked.secrets),
  });
}

/** The Fault for a redirect: following one would hand the credentials to another address. */
export function redirectFault(asked: Asked, answer: BadAnswer): Fault {
  return new Fault(
    'unreachable',
    `${capital(asked.provider)} points to another address, which KQueen does not follow.`,
    {
      whose: 'admin',
      retryable: false,
      next: 'Ask an admin to put the final address into the provisioner.',
      detail: scrub(`HTTP ${answer.status}, location: ${String(answer.headers.location ?? '')}`, asked.secrets),
    },
  );
}

/** The Fault for an answer that never ends. */
export function tooLargeFault(asked: Asked, limit: number): Fault {
  return new Fault(
    'internal',
    `${capital(asked.provider)} sent more than ${Math.round(limit / 1024)} KiB in one answer.`,
    {
      whose: 'provider',
      retryable: false,
      outcomeUnknown: asked.method !== 'GET',
      next: 'Tell the operators of KQueen: this provider answers in a way it was not built for.',
    },
  );
}

/** The Fault for an answer of 400 and above (404 is a value and never comes here, unless it is no API's 404). */
export function statusFault(asked: Asked, answer: BadAnswer, explained: Explanation, now: number): Fault {
  const { status } = answer;
  const retryAfterMs = retryAfter(answer.headers['retry-after'], now);
  const said = explained.message ? oneLine(explained.message, asked.secrets) : '';
  const detail = scrub(`HTTP ${status}\n${answer.text}`, asked.secrets);
  const { kind, message, next, ...rest } = byStatus(asked, status);
  const options: FaultOptions = { ...rest, detail };
  options.next = explained.next ?? next;
  if (explained.field) options.field = explained.field;
  if (explained.retryable !== undefined) options.retryable = explained.retryable;
  // A provider that says what went wrong (quota, capacity) has not done it.
  if (explained.kind && explained.kind !== 'unreachable') options.outcomeUnknown = false;
  if (retryAfterMs !== undefined) options.retryAfterMs = retryAfterMs;
  return new Fault(explained.kind ?? kind, said ? `${message.replace(/\.$/, '')}: ${said}` : message, options);
}

type ByStatus = { kind: FaultKind; message: string; next: string } & FaultOptions;

function byStatus(asked: Asked, status: number): ByStatus {
  const who = capital(asked.provider);
  if (status >= 500) {
    return {
      kind: 'unreachable',
      message: `${who} failed with HTTP ${status}.`,
      outcomeUnknown: asked.method !== 'GET',
      next: 'Try again in a while.',
    };
  }
  switch (status) {
    case 401:
      return {
        kind: 'not-allowed',
        message: `${who} did not accept the credentials of the provisioner.`,
        next: 'Ask an admin to renew the credentials with `provisioner edit`.',
      };
    case 403:
      return {
        kind: 'not-allowed',
        message: `${who} knows the credentials of the provisioner, but they may not do this.`,
        next: 'Ask an admin to grant the account the missing permission at the provider.',
      };
    case 404:
      return { kind: 'not-found', message: `${who} does not know that.`, next: 'Look with `cluster check`.' };
    case 409:
      return {
        kind: 'conflict',
        message: `${who} refuses because something else is in the way.`,
        next: 'Look at the cluster with `cluster show`, then try again.',
      };
    case 408:
      return {
        kind: 'unreachable',
        message: `${who} did not read the request in time.`,
        next: 'Try again in a while.',
      };
    case 429:
      return {
        kind: 'rate-limited',
        message: `${who} asks KQueen to slow down.`,
        next: 'Nothing to do: KQueen goes on as soon as it may.',
      };
    default:
      return {
        kind: 'bad-input',
        message: `${who} did not accept the request.`,
        next: 'Change the values and try again.',
      };
  }
}

/**
 * Reads a Retry-After header: seconds or an HTTP date (RFC 9110, 10.2.3), as milliseconds from `now`, at most a day.
 * Undefined when there is none or it is not readable.
 */
export function retryAfter(header: string | string[] | undefined, now: number): number | undefined {
  const text = (Array.isArray(header) ? header[0] : header)?.trim();
  if (!text) return undefined;
  const ms = /^\d{1,9}(\.\d+)?$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(0, Math.round(ms)), 86_400_000) : undefined;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
