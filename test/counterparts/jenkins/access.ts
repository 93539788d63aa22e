/** Who may what: users, API tokens, sessions and crumbs (hudson.security.csrf.DefaultCrumbIssuer, CrumbFilter, ApiCrumbExclusion). */
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface User {
  id: string;
  password: string;
  token: string;
  /** Ids such as `hudson.model.Item.Build`; absent means all. */
  permissions?: Set<string>;
  /** Full names of jobs that this user cannot see. */
  hidden?: Set<string>;
}

export interface Caller {
  user: User | null;
  /** Signed in with an API token, so that no crumb is asked for. */
  byToken: boolean;
  session: string | null;
}

export interface Access {
  users: Map<string, User>;
  /** Cross-site request protection; without it there is no crumb issuer. */
  crumbs: boolean;
  /** The caller of a request, or null when the credentials are wrong. */
  identify(headers: IncomingHttpHeaders): Caller | null;
  /** A session and its crumb for the caller. */
  issue(caller: Caller): { session: string; crumb: string };
  hasCrumb(caller: Caller, headers: IncomingHttpHeaders): boolean;
  expireSessions(): void;
}

export const crumbField = 'Jenkins-Crumb';
export const cookieName = 'JSESSIONID.5c0ffee1';

export function makeAccess(): Access {
  const salt = randomBytes(16).toString('hex');
  const sessions = new Set<string>();

  function crumbFor(caller: Caller, session: string): string {
    return createHash('sha256')
      .update(`${caller.user?.id ?? 'anonymous'};${session}${salt}`)
      .digest('hex');
  }

  const access: Access = {
    users: new Map(),
    crumbs: true,
    identify(headers) {
      const cookie = headers.cookie?.split(/;\s*/).find((each) => each.startsWith(`${cookieName}=`));
      const known = cookie?.slice(cookieName.length + 1);
      const session = known !== undefined && sessions.has(known) ? known : null;
      const basic = /^Basic\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
      if (basic === undefined) return { user: null, byToken: false, session };
      const [id = '', ...rest] = Buffer.from(basic, 'base64').toString('utf8').split(':');
      const user = access.users.get(id);
      const secret = rest.join(':');
      if (!user || (secret !== user.token && secret !== user.password)) return null;
      return { user, byToken: secret === user.token, session };
    },
    issue(caller) {
      const session = caller.session ?? `node0${randomBytes(12).toString('hex')}.node0`;
      sessions.add(session);
      return { session, crumb: crumbFor(caller, session) };
    },
    hasCrumb(caller, headers) {
      if (!access.crumbs || caller.byToken) return true;
      const given = headers[crumbField.toLowerCase()];
      return caller.session !== null && given === crumbFor(caller, caller.session);
    },
    expireSessions: () => sessions.clear(),
  };
  return access;
}

/** Whether the user holds a permission. */
export function holds(user: User | null, permission: string): boolean {
  return user !== null && (user.permissions?.has(permission) ?? true);
}
