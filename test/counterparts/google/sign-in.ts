/** OAuth's JWT bearer grant as Google's token endpoint does it (https://developers.google.com/identity/protocols/oauth2/service-account). */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, verify } from 'node:crypto';

export type AccountState = 'enabled' | 'disabled' | 'deleted';

export interface SignIn {
  /** The key file of the account, as `gcloud iam service-accounts keys create` writes it. */
  keyFile(email?: string): string;
  /** A key file with the account's name and a key that Google does not have. */
  strangeKeyFile(): string;
  /** Answers a request for a token: HTTP status and JSON. */
  token(form: URLSearchParams): { status: number; body: unknown };
  /** Whether an access token is good now. */
  accepts(token: string): boolean;
  /** Every access token handed out so far. */
  issued(): string[];
  /** Ends all tokens. */
  revoke(): void;
  setAccount(state: AccountState): void;
  /** How long tokens are good, in milliseconds (default 3,599 s). */
  setLife(ms: number): void;
  /** How far this Google's clock is ahead of the caller's, in milliseconds. */
  setSkew(ms: number): void;
}

const audience = 'https://oauth2.googleapis.com/token';
const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

function refused(error: string, error_description: string): { status: number; body: unknown } {
  return { status: 400, body: { error, error_description } };
}

export function openSignIn(project: string): SignIn {
  const email = `kqueen@${project}.iam.gserviceaccount.com`;
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const publicKey: KeyObject = createPublicKey(pair.publicKey.export({ type: 'spki', format: 'pem' }));
  const tokens = new Map<string, number>();
  let state: AccountState = 'enabled';
  let life = 3_599_000;
  let skew = 0;

  function file(privateKey: KeyObject, name = email): string {
    return JSON.stringify(
      {
        type: 'service_account',
        project_id: project,
        private_key_id: randomBytes(20).toString('hex'),
        private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        client_email: name,
        client_id: '104732984650213458796',
        auth_uri: 'https://accounts.google.com/o/oauth2/auth',
        token_uri: audience,
        universe_domain: 'googleapis.com',
      },
      null,
      2,
    );
  }

  function claimsOf(assertion: string): { claims?: Record<string, unknown>; signed: boolean } {
    const [head = '', body = '', signature = ''] = assertion.split('.');
    try {
      const header = JSON.parse(Buffer.from(head, 'base64url').toString('utf8')) as { alg?: unknown };
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Record<string, unknown>;
      const signed = verify('sha256', Buffer.from(`${head}.${body}`), publicKey, Buffer.from(signature, 'base64url'));
      return { claims, signed: signed && header.alg === 'RS256' };
    } catch {
      return { signed: false };
    }
  }

  return {
    keyFile: (name) => file(pair.privateKey, name),
    strangeKeyFile: () => file(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    token(form) {
      if (form.get('grant_type') !== grant) {
        return refused('unsupported_grant_type', `Invalid grant_type: ${form.get('grant_type')}`);
      }
      const { claims, signed } = claimsOf(form.get('assertion') ?? '');
      if (!claims) return refused('invalid_grant', 'Bad Request');
      if (claims.iss !== email || state === 'deleted')
        return refused('invalid_grant', 'Invalid grant: account not found');
      if (!signed) return refused('invalid_grant', 'Invalid JWT Signature.');
      if (state === 'disabled') return refused('invalid_grant', 'Invalid grant: account disabled');
      const now = (Date.now() + skew) / 1_000;
      const [iat, exp] = [Number(claims.iat), Number(claims.exp)];
      if (!(exp - iat <= 3_600) || iat > now + 300 || exp < now) {
        return refused(
          'invalid_grant',
          'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.',
        );
      }
      if (claims.aud !== audience)
        return refused(
          'invalid_grant',
          'Invalid JWT: Failed audience check. The right audience is https://oauth2.googleapis.com/token',
        );
      if (!String(claims.scope ?? '').includes('https://www.googleapis.com/auth/cloud-platform')) {
        return refused('invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
      }
      const token = `ya29.c.${randomBytes(96).toString('base64url')}`;
      tokens.set(token, Date.now() + life);
      return { status: 200, body: { access_token: token, expires_in: Math.floor(life / 1_000), token_type: 'Bearer' } };
    },
    accepts: (token) => (tokens.get(token) ?? 0) > Date.now() && state === 'enabled',
    issued: () => [...tokens.keys()],
    revoke() {
      for (const token of tokens.keys()) tokens.set(token, 0);
    },
    setAccount(next) {
      state = next;
    },
    setLife(ms) {
      life = ms;
    },
    setSkew(ms) {
      skew = ms;
    },
  };
}
