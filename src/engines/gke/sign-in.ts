/** Access tokens for a service account: a JWT signed by its key, given for a token (https://developers.google.com/identity/protocols/oauth2/service-account). */
import type { gaxios as Gaxios } from 'google-auth-library';
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import type { Http } from '../http.ts';
import type { BadAnswer, Explanation } from '../http-faults.ts';
import { oneLine } from '../scrub.ts';
import type { ServiceAccountKey } from './key.ts';
import type { AccessToken } from './tokens.ts';

type GaxiosOptions = Gaxios.GaxiosOptions;
type GaxiosPromise<T> = Gaxios.GaxiosPromise<T>;
type GaxiosResponse<T> = Gaxios.GaxiosResponse<T>;

/** GKE knows who a token belongs to by the e-mail address in it. */
const scopes = ['https://www.googleapis.com/auth/cloud-platform', 'https://www.googleapis.com/auth/userinfo.email'];

/** OAuth's error body (RFC 6749, 5.2). */
const OAuthError = z.object({ error: z.string(), error_description: z.string().optional() });

/**
 * Makes the function that fetches a token. The library signs, and would ask https://oauth2.googleapis.com/token whatever else the key says; its
 * requests go over `http` to `path` there instead, once and within the call.
 */
export async function openSignIn(
  key: ServiceAccountKey,
  http: Http,
  path: string,
): Promise<(call: Call) => Promise<AccessToken>> {
  const { JWT, gaxios } = await import('google-auth-library');

  class Courier extends gaxios.Gaxios {
    readonly #call: Call;
    constructor(call: Call) {
      super();
      this.#call = call;
    }
    override async request<T>(options: GaxiosOptions = {}): GaxiosPromise<T> {
      const form = Object.fromEntries(new URLSearchParams(String(options.data)));
      const answer = await http.send({ method: 'POST', path, form }, this.#call);
      if (answer.status === 404) throw notTheTokenAddress();
      return { data: answer.body } as GaxiosResponse<T>;
    }
  }

  return async (call) => {
    const jwt = new JWT({
      email: key.email,
      key: key.privateKey,
      scopes,
      ...(key.keyId ? { keyId: key.keyId } : {}),
      // Another cloud than the public one wants its own address in the signed text.
      ...(key.universe !== 'googleapis.com' && key.tokenUri ? { additionalClaims: { aud: key.tokenUri } } : {}),
      transporter: new Courier(call),
    });
    const { access_token: value, expiry_date: expiresAt } = await jwt.authorize().catch(rethrow);
    if (!value || !expiresAt || !Number.isFinite(expiresAt)) throw notTheTokenAddress();
    return { value, expiresAt };
  };
}

/** A request for a token changes nothing, whatever became of it. */
function rethrow(thrown: unknown): never {
  if (!(thrown instanceof Fault) || !thrown.outcomeUnknown) throw thrown;
  const { kind, message, whose, retryable, next, detail, cause } = thrown;
  throw new Fault(kind, message, {
    whose,
    retryable,
    cause,
    ...(next === undefined ? {} : { next }),
    ...(detail === undefined ? {} : { detail }),
  });
}

function notTheTokenAddress(): Fault {
  return new Fault('unreachable', "The token address does not answer like Google's sign-in.", {
    whose: 'admin',
    next: 'Ask an admin to check the token address of the provisioner.',
  });
}

/** What the sign-in says when it refuses; `email` names the account for the admin. */
export function explainSignIn(email: string): (status: number, body: unknown, answer: BadAnswer) => Explanation {
  return (status, body) => {
    const read = OAuthError.safeParse(body);
    if (!read.success || status >= 500 || status === 429) return {};
    const said = read.data.error_description ?? read.data.error;
    const explained: Explanation = { kind: 'not-allowed', message: said, retryable: false };
    if (/reasonable timeframe|\biat\b|issued in the future/i.test(said)) {
      explained.next =
        "The clock of KQueen's machine is wrong: have its operators set it (NTP). The key itself may be good.";
    } else if (/disabled/i.test(said)) {
      explained.next = `Ask an admin to enable the service account ${email} again, or to put in the key of another with \`provisioner edit\`.`;
    } else if (/account not found|invalid_client/i.test(`${said} ${read.data.error}`)) {
      explained.next = `The service account ${email} was deleted. Ask an admin for the key of another one, put in with \`provisioner edit\`.`;
    } else if (/signature/i.test(said)) {
      explained.next = `This key of ${email} was deleted or has expired. Ask an admin to make a new one and to put it in with \`provisioner edit\`.`;
    } else {
      explained.next = `Ask an admin to renew the key of ${email} with \`provisioner edit\`.`;
    }
    return explained;
  };
}

/** The account's address, fit for a message. */
export function accountName(key: ServiceAccountKey): string {
  return oneLine(key.email, [], 120);
}
