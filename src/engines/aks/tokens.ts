import { ClientSecretCredential } from '@azure/identity';
import { asFault, Fault } from '../../core/errors.ts';
import { unlessAborted } from '../bound.ts';
import { type Asked, type BadAnswer, statusFault } from '../http-faults.ts';
import { oneLine, scrub } from '../scrub.ts';
import { type Cloud, sameAuthority } from './clouds.ts';
import type { AksProvisioner } from './schema.ts';
import { errands, quiet, type Transport } from './transport.ts';

/** Access tokens of the provisioner's service principal. */
export interface Tokens {
  /** A token for the resource manager; kept until shortly before its end. Within an errand. */
  get(): Promise<string>;
  /** Forgets this token, which was refused, if it is still the kept one. */
  drop(refused: string): void;
  /** A new token for another audience, never kept. Within an errand. */
  fresh(scope: string): Promise<string>;
}

/** A kept token is renewed when it has less than this to go, in milliseconds: a request with it may take a while. */
const marginMs = 5 * 60_000;

const signIn = "Azure's sign-in service";

/** Signs in with the client secret through @azure/identity. */
export function openTokens(params: AksProvisioner, cloud: Cloud, transport: Transport): Tokens {
  const secrets = [params.clientSecret];
  const httpClient = transport.to({
    name: signIn,
    base: cloud.authority,
    knows: (host) => sameAuthority(host, new URL(cloud.authority).hostname),
    reads: true,
    judge(answer, asked) {
      if (answer.status >= 400) throw refusedSignIn(answer, asked);
    },
  });
  let kept: { token: string; until: number } | null = null;
  let flight: { work: Promise<string>; signal: AbortSignal } | null = null;

  /** A new credential each time: the SDK's would answer from a cache of its own, of which nothing can be dropped. */
  async function fetchToken(scope: string): Promise<{ token: string; until: number }> {
    const errand = errands.getStore();
    try {
      const credential = new ClientSecretCredential(params.tenantId, params.clientId, params.clientSecret, {
        authorityHost: cloud.authority,
        disableInstanceDiscovery: !cloud.known,
        httpClient,
        retryOptions: { maxRetries: 0 },
        redirectOptions: { maxRetries: 0 },
        userAgentOptions: { userAgentPrefix: 'kqueen' },
        loggingOptions: { logger: quiet },
      });
      const made = await credential.getToken(scope);
      return { token: made.token, until: made.expiresOnTimestamp };
    } catch (thrown) {
      throw errand?.fault ?? strangeSignIn(thrown, secrets);
    }
  }

  function lead(signal: AbortSignal): Promise<string> {
    const work = fetchToken(cloud.scope)
      .then(({ token, until }) => {
        kept = { token, until };
        return token;
      })
      .finally(() => {
        flight = null;
      });
    flight = { work, signal };
    return work;
  }

  return {
    async get() {
      const signal = errands.getStore()?.signal ?? new AbortController().signal;
      for (;;) {
        if (kept && kept.until - marginMs > Date.now()) return kept.token;
        const joined = flight;
        if (!joined) return unlessAborted(signal, lead(signal));
        try {
          return await unlessAborted(signal, joined.work);
        } catch (thrown) {
          // Whoever was asking gave up; that says nothing about the token.
          if (!joined.signal.aborted || signal.aborted) throw thrown;
        }
      }
    },
    drop(refused) {
      // Another request may have brought a new one already.
      if (kept?.token === refused) kept = null;
    },
    async fresh(scope) {
      return (await fetchToken(scope)).token;
    },
  };
}

interface Refusal {
  message: string;
  next: string;
}

const renew = 'A new one: `az ad app credential reset --id <application ID>`, then `provisioner edit` with its value.';

/** Codes of Microsoft Entra ID (https://learn.microsoft.com/entra/identity-platform/reference-error-codes) that an admin can do something about. */
const refusals: Record<string, Refusal> = {
  '7000215': {
    message: 'Azure does not accept the client secret of the provisioner.',
    next: `Make sure that it is the value of the secret and not its id. ${renew}`,
  },
  '7000222': { message: 'The client secret of the provisioner has expired.', next: `Renew the secret. ${renew}` },
  '7000218': { message: 'Azure got no client secret.', next: `Put it into the provisioner. ${renew}` },
  '700016': {
    message: 'The directory does not know the application of the provisioner.',
    next: 'Check the application (client) ID and the directory (tenant) ID with `provisioner edit`.',
  },
  '7000229': {
    message: 'The application of the provisioner has no service principal in the directory.',
    next: 'Make one with `az ad sp create --id <application ID>`.',
  },
  '7000112': {
    message: 'The application of the provisioner is disabled.',
    next: 'Enable it in Microsoft Entra ID, Enterprise applications.',
  },
  '90002': {
    message: 'Azure does not know the directory (tenant) of the provisioner.',
    next: 'Check the directory (tenant) ID and, in a sovereign cloud, the authority host with `provisioner edit`.',
  },
  '900023': {
    message: 'The directory (tenant) ID of the provisioner is none.',
    next: 'Check the directory (tenant) ID with `provisioner edit`.',
  },
  '53003': {
    message: 'A Conditional Access policy of the directory keeps the service principal out.',
    next: "Have the policy let KQueen's address or the service principal in.",
  },
  '500011': {
    message: 'The directory does not know what the token is for.',
    next: 'Check that the resource manager endpoint and the authority host belong to the same cloud.',
  },
};

/** The field of the provisioner that an error of the sign-in is about, by the code in its detail. */
const blamed: Record<string, string> = {
  '7000215': 'clientSecret',
  '7000222': 'clientSecret',
  '7000218': 'clientSecret',
  '700016': 'clientId',
  '7000229': 'clientId',
  '7000112': 'clientId',
  '90002': 'tenantId',
  '900023': 'tenantId',
  '500011': 'authorityHost',
};

/** The provisioner's field to look at for a Fault of the sign-in, if it is about one. */
export function fieldOfSignIn(fault: Fault): string | undefined {
  const code = /AADSTS(\d+)/.exec(fault.detail ?? '')?.[1];
  return code ? blamed[code] : undefined;
}

/** The Fault for a refused token: Entra answers 400 and 401 alike, its code tells them apart. */
function refusedSignIn(answer: BadAnswer, asked: Asked): Fault {
  const code = /AADSTS(\d+)/.exec(answer.text)?.[1];
  const detail = scrub(`HTTP ${answer.status}\n${answer.text}`, asked.secrets);
  const known = code && Object.hasOwn(refusals, code) ? refusals[code] : undefined;
  if (known) return new Fault('not-allowed', known.message, { next: `Ask an admin. ${known.next}`, detail });
  if (answer.status >= 500 || answer.status === 429 || answer.status === 408) {
    return statusFault(asked, answer, {}, Date.now());
  }
  // `error_description` is a sentence followed by trace ids and a time (RFC 6749, 5.2).
  const description = /"error_description"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(answer.text)?.[1] ?? '';
  const said = oneLine(description.replace(/\\r\\n.*|\s*Trace ID:.*/s, ''), asked.secrets, 200);
  return new Fault('not-allowed', `Azure does not let the service principal sign in${said ? `: ${said}` : '.'}`, {
    next: 'Ask an admin to check the ids and the client secret with `provisioner edit`.',
    detail,
  });
}

/** The Fault for what the SDK made up by itself, such as an answer without a token. */
function strangeSignIn(thrown: unknown, secrets: readonly string[]): Fault {
  if (thrown instanceof Fault) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const code = /AADSTS(\d+)/.exec(text)?.[1];
  const known = code && Object.hasOwn(refusals, code) ? refusals[code] : undefined;
  const detail = scrub(text, secrets);
  if (known) return new Fault('not-allowed', known.message, { next: `Ask an admin. ${known.next}`, detail });
  const fault = asFault(thrown);
  return new Fault('unreachable', `${signIn} answered in a way that KQueen does not understand.`, {
    whose: 'admin',
    retryable: true,
    next: 'Ask an admin to check the authority host of the provisioner.',
    detail,
    cause: fault.cause,
  });
}
