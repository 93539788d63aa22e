/** What goes wrong with a place for backups, in words: what happened, and what to do about it. */
import { Fault, type FaultKind, type FaultOptions } from '../../core/errors.ts';
import { scrub } from '../../core/secrets.ts';

/** A refusal of the place; `kind` decides who can mend it. */
export function refusal(
  kind: FaultKind,
  message: string,
  next: string,
  thrown: unknown,
  options: FaultOptions = {},
): Fault {
  return new Fault(kind, message, {
    whose: 'admin',
    retryable: false,
    ...options,
    next,
    detail: textOf(thrown),
  });
}

/** The place answers, but cannot at the moment: another try may do. */
export function passing(where: string, status: number, thrown: unknown, retryAfterMs?: number): Fault {
  const slow = status === 429 || (status === 503 && retryAfterMs !== undefined);
  const message = slow
    ? `${capital(where)} asks KQueen to slow down.`
    : `${capital(where)} is out of order at the moment (status ${status}).`;
  return new Fault(slow ? 'rate-limited' : 'unreachable', message, {
    whose: 'provider',
    next: 'Nothing to do: KQueen tries again. If it lasts, look at the state of that place.',
    detail: textOf(thrown),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** The clocks differ by more than the place bears: its signatures bear five to fifteen minutes. */
export function skewed(where: string, thrown: unknown, options: FaultOptions = {}): Fault {
  return refusal(
    'not-allowed',
    `${capital(where)} refuses KQueen because the clock of this machine is wrong.`,
    'Switch on time synchronisation on this machine (timedatectl set-ntp true, or the host’s own way); the key itself may be good.',
    thrown,
    options,
  );
}

const certificates: Record<string, string> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by an authority known here',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is not signed by an authority known here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not signed by an authority known here',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by a private authority that is not known here',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  CERT_SIGNATURE_FAILURE: 'its certificate is not signed by the authority of KQUEEN_BACKUP_CA_FILE',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_UNTRUSTED: 'its certificate is not trusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host name',
};

const connections: Record<string, string> = {
  ECONNREFUSED: 'nothing listens at that address',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name could not be looked up',
  EHOSTUNREACH: 'there is no route to its host',
  ENETUNREACH: 'there is no route to its network',
  ETIMEDOUT: 'the connection timed out',
  TimeoutError: 'it did not accept a connection in time',
  UND_ERR_CONNECT_TIMEOUT: 'it did not accept a connection in time',
  ECONNRESET: 'it closed the connection without an answer',
  EPIPE: 'it closed the connection without an answer',
  UND_ERR_SOCKET: 'it closed the connection before the answer was complete',
};

/** The Fault for what no driver knows a meaning of: most often the connection. */
export function connectionFault(where: string, thrown: unknown): Fault {
  const codes = codesOf(thrown);
  const certificate = codes.map((code) => certificates[code]).find(Boolean);
  if (certificate) {
    return refusal(
      'unreachable',
      `The connection to ${where} is not safe: ${certificate}.`,
      'Check the address in KQUEEN_BACKUP_URL, and put the authority of its certificate into KQUEEN_BACKUP_CA_FILE.',
      thrown,
    );
  }
  if (codes.some((code) => code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('HPE_'))) {
    return refusal(
      'unreachable',
      `${capital(where)} does not speak what its address says.`,
      'Check whether the endpoint in KQUEEN_BACKUP_URL begins with http:// or https://, and its port.',
      thrown,
    );
  }
  const why = codes.map((code) => connections[code]).find(Boolean);
  if (why === undefined) {
    return new Fault('internal', `Something unexpected went wrong with ${where}.`, {
      retryable: true,
      detail: textOf(thrown),
      next: 'Look into the log of KQueen.',
    });
  }
  return new Fault('unreachable', `${capital(where)} cannot be reached: ${why}.`, {
    next: 'Check the address in KQUEEN_BACKUP_URL and the network to it.',
    detail: textOf(thrown),
  });
}

/** The call's time was over. */
export function timeoutFault(where: string): Fault {
  return new Fault('unreachable', `${capital(where)} did not answer in time.`, {
    next: 'Try again in a while; if it lasts, look at the state of that place.',
  });
}

/** The caller gave up. */
export function gaveUpFault(where: string): Fault {
  return new Fault('unreachable', `KQueen stopped waiting for ${where}.`, { next: 'Try again in a while.' });
}

/** No credentials were found where the SDK looks for them. */
export function noCredentials(where: string, settings: string, thrown: unknown): Fault {
  return refusal('not-allowed', `There are no credentials for ${where}.`, settings, thrown);
}

/** Error codes of a thrown thing and of what caused it, outermost first. */
export function codesOf(thrown: unknown): string[] {
  const codes: string[] = [];
  for (let each = thrown, depth = 0; each instanceof Error && depth < 6; each = each.cause, depth += 1) {
    if (each instanceof AggregateError) codes.push(...codesOf(each.errors[0]));
    const { code } = each as { code?: unknown };
    if (typeof code === 'string') codes.push(code);
    codes.push(each.name);
  }
  return codes;
}

/** What a place said, for the log: without anything that looks like a credential, and short. */
function textOf(thrown: unknown): string {
  const text = thrown instanceof Error ? `${codesOf(thrown).join(' ')} ${thrown.message}` : String(thrown);
  // Signatures are no secrets for long, but nobody needs them either.
  return scrub(text.replace(/\b(sig|signature|X-Amz-[A-Za-z-]+)=[^&\s"']+/gi, '$1=•••')).slice(0, 1_000);
}

export function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
