import { randomBytes } from 'node:crypto';
import type { Answer, Asked } from './wire.ts';

/** A directory with one service principal. */
export interface Directory {
  tenantId: string;
  clientId: string;
  clientSecret: string;
  /** A second secret, whose time is over. */
  expiredSecret: string;
}

/** Tokens that were handed out, by what they are for. */
export interface Tokens {
  answer(asked: Asked): Answer;
  /** Whether the Authorization header holds a token for the resource manager that is still good. */
  accepts(authorization: string | undefined): boolean;
  /** Ends all tokens that were given so far. */
  expire(): void;
  all(): string[];
}

/** How long a token is good, in seconds (Entra gives 60 to 90 minutes, https://learn.microsoft.com/entra/identity-platform/access-tokens). */
const lifeSeconds = 3_599;

/**
 * Microsoft Entra ID as far as a client secret needs it: the OpenID configuration and the token endpoint of its v2.0
 * (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow), and its errors
 * (https://learn.microsoft.com/entra/identity-platform/reference-error-codes).
 */
export function openDirectory(directory: Directory): Tokens {
  const given = new Map<string, string>();
  const made: string[] = [];

  function token(asked: Asked, tenant: string): Answer {
    const form = new URLSearchParams(asked.text);
    if (form.get('grant_type') !== 'client_credentials') {
      return refused(400, 'unsupported_grant_type', 70003, 'The app requested an unsupported grant type.');
    }
    const clientId = form.get('client_id') ?? '';
    if (clientId !== directory.clientId) {
      return refused(
        400,
        'unauthorized_client',
        700016,
        `Application with identifier '${clientId}' was not found in the directory '${tenant}'. This can happen if the application has not been installed by the administrator of the tenant.`,
      );
    }
    const secret = form.get('client_secret') ?? '';
    if (secret === directory.expiredSecret) {
      return refused(
        401,
        'invalid_client',
        7000222,
        `The provided client secret keys for app '${clientId}' are expired.`,
      );
    }
    if (secret !== directory.clientSecret) {
      return refused(
        401,
        'invalid_client',
        7000215,
        `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`,
      );
    }
    const scope =
      form
        .get('scope')
        ?.split(' ')
        .find((each) => each.endsWith('/.default')) ?? '';
    if (scope === '') return refused(400, 'invalid_scope', 70011, 'The provided value for scope is not valid.');
    const value = jwt(tenant, scope);
    given.set(value, scope);
    made.push(value);
    return {
      status: 200,
      body: { token_type: 'Bearer', expires_in: lifeSeconds, ext_expires_in: lifeSeconds, access_token: value },
    };
  }

  return {
    answer(asked) {
      const [, tenant = '', ...rest] = asked.path.split('/');
      if (tenant !== directory.tenantId && tenant !== 'common') {
        return refused(
          400,
          'invalid_tenant',
          90002,
          `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.`,
        );
      }
      const route = rest.join('/');
      if (asked.method === 'GET' && route === 'v2.0/.well-known/openid-configuration') {
        return { status: 200, body: configurationOf(asked.origin, tenant) };
      }
      if (asked.method === 'POST' && route === 'oauth2/v2.0/token') return token(asked, tenant);
      return { status: 404, body: '' };
    },
    accepts: (authorization) =>
      given.get(authorization?.replace(/^Bearer /, '') ?? '') === 'https://management.azure.com/.default',
    expire: () => given.clear(),
    all: () => [...made],
  };
}

/** The fields that clients read (OpenID Connect Discovery 1.0, 3). */
function configurationOf(origin: string, tenant: string): Record<string, unknown> {
  return {
    token_endpoint: `${origin}/${tenant}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
    jwks_uri: `${origin}/${tenant}/discovery/v2.0/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    // The same whatever the address: clients accept Microsoft's own name for it.
    issuer: `https://login.microsoftonline.com/${tenant}/v2.0`,
    authorization_endpoint: `${origin}/${tenant}/oauth2/v2.0/authorize`,
    end_session_endpoint: `${origin}/${tenant}/oauth2/v2.0/logout`,
    tenant_region_scope: 'EU',
    cloud_instance_name: 'microsoftonline.com',
  };
}

function refused(status: number, error: string, code: number, sentence: string): Answer {
  const [trace, correlation] = [crypto.randomUUID(), crypto.randomUUID()];
  const timestamp = new Date().toISOString().replace('T', ' ').replace(/\..*/, 'Z');
  return {
    status,
    body: {
      error,
      error_description: `AADSTS${code}: ${sentence} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
      error_codes: [code],
      timestamp,
      trace_id: trace,
      correlation_id: correlation,
      error_uri: `https://login.microsoftonline.com/error?code=${code}`,
    },
  };
}

/** In the form of a JWT, as Entra's are; nobody but the one it is for may read it, so its signature is only bytes. */
function jwt(tenant: string, scope: string): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { aud: scope.replace('/.default', ''), tid: tenant, jti: crypto.randomUUID() };
  return `${part({ typ: 'JWT', alg: 'RS256' })}.${part(claims)}.${randomBytes(64).toString('base64url')}`;
}
