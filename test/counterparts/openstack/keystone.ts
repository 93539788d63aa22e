/** The fake's Keystone: tokens by password and by application credential, and the projects of a user. */
import { randomBytes } from 'node:crypto';
import { type Json, object } from './hot.ts';

export interface Account {
  id: string;
  name: string;
  password: string;
  /** Ids of the projects in which it has a role. */
  projects: string[];
}

export interface AppCredential {
  id: string;
  secret: string;
  user: string;
  project: string;
}

export interface Token {
  text: string;
  user: Account;
  project: { id: string; name: string } | null;
  byCredential: boolean;
  until: number;
}

export interface Keystone {
  accounts: Account[];
  projects: { id: string; name: string }[];
  credentials: AppCredential[];
  tokens: Map<string, Token>;
  /** How long a token is good, in milliseconds. */
  tokenMs: number;
  /** Asked at each token, since a proxy may stand before the services. */
  catalog(project: string): Json[];
  /** POST /v3/auth/tokens */
  signIn(body: unknown): { token: Token; body: Json } | null;
  /** Who a token is; null for one that is not known, over or revoked. */
  who(text: string | undefined): Token | null;
  tokenBody(token: Token): Json;
}

/** Ids of Keystone are 32 hex digits. */
export function keystoneId(): string {
  return randomBytes(16).toString('hex');
}

export function makeKeystone(catalog: Keystone['catalog']): Keystone {
  const accounts: Account[] = [];
  const projects: { id: string; name: string }[] = [];
  const credentials: AppCredential[] = [];
  const tokens = new Map<string, Token>();
  const domain = { id: 'default', name: 'Default' };

  const inDomain = (given: unknown) => {
    const { id, name } = object(given);
    return id === domain.id || name === domain.name;
  };

  function account(auth: Json): { user: Account; credential: AppCredential | null } | null {
    const identity = object(auth.identity);
    const methods = Array.isArray(identity.methods) ? identity.methods : [];
    if (methods[0] === 'password') {
      const given = object(object(identity.password).user);
      const user = accounts.find((each) =>
        given.id !== undefined ? each.id === given.id : each.name === given.name && inDomain(given.domain),
      );
      return user && user.password === given.password ? { user, credential: null } : null;
    }
    if (methods[0] === 'application_credential') {
      const given = object(identity.application_credential);
      const credential = credentials.find((each) => each.id === given.id && each.secret === given.secret);
      const user = accounts.find((each) => each.id === credential?.user);
      // "Application credentials cannot request a scope."
      return credential && user && auth.scope === undefined ? { user, credential } : null;
    }
    return null;
  }

  function scope(auth: Json, user: Account): { id: string; name: string } | null | undefined {
    if (auth.scope === undefined || auth.scope === 'unscoped') return null;
    const given = object(object(auth.scope).project);
    const found = projects.find((each) =>
      given.id !== undefined ? each.id === given.id : each.name === given.name && inDomain(given.domain),
    );
    return found && user.projects.includes(found.id) ? found : undefined;
  }

  const keystone: Keystone = {
    accounts,
    projects,
    credentials,
    tokens,
    tokenMs: 3_600_000,
    catalog,
    signIn(body) {
      const auth = object(object(body).auth);
      const found = account(auth);
      if (!found) return null;
      const { credential } = found;
      const project = credential ? projects.find(({ id }) => id === credential.project) : scope(auth, found.user);
      if (project === undefined) return null;
      const token: Token = {
        text: `gAAAAA${randomBytes(66).toString('base64url')}`,
        user: found.user,
        project,
        byCredential: credential !== null,
        until: Date.now() + keystone.tokenMs,
      };
      tokens.set(token.text, token);
      return { token, body: keystone.tokenBody(token) };
    },
    who(text) {
      const token = tokens.get(text ?? '');
      return token && Date.now() < token.until ? token : null;
    },
    tokenBody(token) {
      const made: Json = {
        methods: [token.byCredential ? 'application_credential' : 'password'],
        user: { id: token.user.id, name: token.user.name, domain, password_expires_at: null },
        audit_ids: [randomBytes(16).toString('base64url')],
        issued_at: stamp(token.until - keystone.tokenMs),
        expires_at: stamp(token.until),
      };
      if (token.project) {
        Object.assign(made, {
          project: { ...token.project, domain },
          is_domain: false,
          roles: ['member', 'reader', 'heat_stack_owner'].map((name) => ({ id: keystoneId(), name })),
          catalog: keystone.catalog(token.project.id),
        });
      }
      return { token: made };
    },
  };
  return keystone;
}

/** `2026-01-02T03:04:05.000000Z` */
function stamp(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}.000000Z`;
}
