/**
 * The workspaces that KQueen was installed in: a record for each, its tokens sealed in the secret record of the same id, both written and
 * removed in one transaction with the audit entry.
 */
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { atLeast } from '../../core/policy.ts';
import type { Clock, NewId } from '../../core/ports/clock.ts';
import type { Change, Ref, Sealer, Store } from '../../core/ports/store.ts';
import type { Audit, Installation } from '../../core/records.ts';

/** What calls to one workspace are made with. */
const Tokens = z.object({
  bot: z.string().min(1),
  /** Gives the next token; only where Slack rotates them. */
  refresh: z.string().optional(),
});
export type Tokens = z.infer<typeof Tokens>;

/** An installation as it is in the store. */
export interface Installed {
  record: Installation;
  tokens: Tokens;
  revision: number;
}

/** An installation as Slack has just granted it. */
export interface Granted {
  team: string;
  name: string;
  appId: string;
  botUser: string;
  scopes: string[];
  /** The user who installed it. */
  user: string;
  tokens: Tokens;
  expiresAt?: number;
}

export interface Installations {
  /** Undefined when there is none. Throws a Fault when the store does not answer or the tokens cannot be opened. */
  load(team: string): Promise<Installed | undefined>;
  /** Keeps it, in place of what there was. `firstAdmin`: the installer is the first admin of this KQueen. */
  save(granted: Granted): Promise<{ firstAdmin: boolean }>;
  /** Keeps new tokens; null when the installation has changed meanwhile. */
  renew(before: Installed, tokens: Tokens, expiresAt: number): Promise<Installed | null>;
  /** Forgets it; false when it is another by now, or gone. */
  remove(before: Installed, reason: string): Promise<boolean>;
}

export interface InstallationsOptions {
  store: Store;
  sealer: Sealer;
  org: string;
  clock: Clock;
  newId: NewId;
}

const tries = 5;

export function createInstallations({ store, sealer, org, clock, newId }: InstallationsOptions): Installations {
  const refOf = (team: string) => ({ kind: 'installation', org, id: `slack.${team}` }) as const;
  const secretOf = (team: string): Ref<'secret'> => ({ kind: 'secret', org, id: `slack.${team}` });

  function put(record: Installation, tokens: Tokens, revision: number): Change[] {
    const secret = secretOf(record.workspace);
    const sealed = sealer.seal(secret, JSON.stringify(tokens));
    return [
      { op: 'put', ref: refOf(record.workspace), record, if: revision },
      { op: 'put', ref: secret, record: { v: 1, id: secret.id, org, sealed } },
    ];
  }

  function audit(entry: Pick<Audit, 'who' | 'whoName' | 'action' | 'subject' | 'outcome' | 'reason'>): Change {
    const at = clock.now();
    const id = `${String(at).padStart(13, '0')}-${newId(8)}`;
    return {
      op: 'put',
      ref: { kind: 'audit', org, id },
      record: { v: 1, id, org, at, command: 'slack install', ...entry },
      if: 0,
    };
  }

  /**
   * The changes that make the installer the first admin; none when there is an admin, when another workspace is there already, or when somebody
   * became the first admin in this way before: it happens once in the life of a store.
   */
  async function firstAdmin(person: string, name: string, team: string): Promise<Change[]> {
    const latch = { kind: 'name', org, id: 'first-admin' } as const;
    if (await store.get(latch)) return [];
    const others = await store.page('installation', org, { limit: 2 });
    if (others.items.some(({ record }) => record.workspace !== team)) return [];
    let after: string | undefined;
    do {
      const page = await store.page('person', org, { limit: 500, ...(after === undefined ? {} : { after }) });
      if (page.items.some(({ record }) => atLeast(record.role, 'admin'))) return [];
      after = page.next;
    } while (after !== undefined);
    const ref = { kind: 'person', org, id: person } as const;
    const before = await store.get(ref);
    const known = before?.record ?? { v: 1 as const, id: person, org, name, seenAt: clock.now() };
    return [
      { op: 'put', ref: latch, record: { v: 1, id: latch.id, org, holder: person }, if: 0 },
      { op: 'put', ref, record: { ...known, role: 'superadmin' }, if: before?.revision ?? 0 },
      audit({
        who: person,
        whoName: known.name,
        action: 'person.role',
        subject: known.name,
        outcome: 'done',
        reason: 'installed KQueen in its first workspace while it had no admin',
      }),
    ];
  }

  return {
    async load(team) {
      for (let attempt = 0; attempt < tries; attempt += 1) {
        const [found, secret] = await Promise.all([store.get(refOf(team)), store.get(secretOf(team))]);
        if (!found || !secret) return undefined;
        // The two were read one after the other: only an unchanged record says that they belong together.
        const again = await store.get(refOf(team));
        if (again?.revision !== found.revision) continue;
        return {
          record: found.record,
          revision: found.revision,
          tokens: opened(sealer, secretOf(team), secret.record),
        };
      }
      throw new Fault('conflict', 'A Slack installation changes all the time.', { retryable: true });
    },

    async save(granted) {
      const { team, name, appId, botUser, scopes, user, tokens, expiresAt } = granted;
      const installedBy = `slack:${team}:${user}`;
      for (let attempt = 0; attempt < tries; attempt += 1) {
        const before = await store.get(refOf(team));
        const record: Installation = {
          v: 1,
          id: refOf(team).id,
          org,
          chat: 'slack',
          workspace: team,
          name,
          appId,
          botUser,
          scopes,
          installedBy,
          installedAt: clock.now(),
          tokensVersion: newId(12),
          ...(expiresAt === undefined ? {} : { expiresAt }),
        };
        const promoted = await firstAdmin(installedBy, user, team);
        const entry = audit({
          who: installedBy,
          whoName: user,
          action: 'workspace.install',
          subject: name,
          outcome: 'done',
          reason: `Slack workspace ${team}${before ? ', installed again' : ''}`,
        });
        const done = await store.commit([...put(record, tokens, before?.revision ?? 0), entry, ...promoted]);
        if (done.ok) return { firstAdmin: promoted.length > 0 };
      }
      throw new Fault('conflict', 'KQueen is being installed there by somebody else at this moment.', {
        next: 'Try again.',
      });
    },

    async renew({ record: before, revision }, tokens, expiresAt) {
      const record = { ...before, tokensVersion: newId(12), expiresAt };
      const done = await store.commit(put(record, tokens, revision));
      return done.ok ? { record, tokens, revision: done.revision } : null;
    },

    async remove({ record, revision }, reason) {
      const done = await store.commit([
        { op: 'delete', ref: refOf(record.workspace), if: revision },
        { op: 'delete', ref: secretOf(record.workspace) },
        audit({
          who: 'slack',
          whoName: 'Slack',
          action: 'workspace.uninstall',
          subject: record.name,
          outcome: 'done',
          reason: `Slack workspace ${record.workspace}: ${reason}`,
        }),
      ]);
      return done.ok;
    },
  };
}

function opened(sealer: Sealer, ref: Ref<'secret'>, { sealed }: { sealed: string }): Tokens {
  const text = sealer.open(ref, sealed);
  try {
    return Tokens.parse(JSON.parse(text));
  } catch {
    // What went wrong would quote the tokens.
    throw new Fault('internal', 'The tokens of a Slack installation cannot be read.', {
      retryable: false,
      next: 'Install KQueen again in that workspace.',
    });
  }
}
