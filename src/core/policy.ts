/** Who may do what. Every command names its policy; an unknown policy or person is refused. */
import { Fault } from './errors.ts';
import type { Plan, Role } from './records.ts';

/** Whom a policy lets pass. `owner`: the owner of the cluster, or an admin. */
type Rule = 'member' | 'owner' | 'admin' | 'superadmin';

export const policies = Object.freeze({
  'kqueen:read': 'member',
  'kqueen:doctor': 'admin',
  'cluster:list': 'member',
  'cluster:get': 'member',
  'cluster:create': 'member',
  'cluster:update': 'owner',
  'cluster:delete': 'owner',
  'cluster:access': 'owner',
  'cluster:owner': 'admin',
  'cluster:forget': 'admin',
  'cluster:adopt': 'admin',
  'cluster:import': 'member',
  'cluster:detach': 'owner',
  'channel:set': 'member',
  'registry:update': 'admin',
  'provisioner:list': 'member',
  'provisioner:create': 'admin',
  'provisioner:update': 'admin',
  'provisioner:delete': 'admin',
  'provisioner:check': 'admin',
  'provisioner:discover': 'admin',
  'approval:list': 'member',
  'approval:decide': 'admin',
  'job:list': 'member',
  'job:control': 'owner',
  'job:log': 'owner',
  'audit:list': 'admin',
  'person:list': 'admin',
  'person:role': 'superadmin',
} as const satisfies Record<string, Rule>);

export type Policy = keyof typeof policies;

/** A person as KQueen knows them for the length of one command. */
export interface Caller {
  /** `slack:<team>:<user>`, `teams:<tenant>:<object id>`, `terminal:<name>`. */
  person: string;
  name: string;
  role: Role;
  org: string;
}

const rank: Record<Role, number> = { member: 1, admin: 2, superadmin: 3 };

/** Whether a role is at least another. */
export function atLeast(role: Role, wanted: Role): boolean {
  return rank[role] >= rank[wanted];
}

/**
 * Null when the caller may, else the Fault that says why not and what to do. `owners` are the persons who own the thing in question
 * (the cluster's owner, a job's requester).
 */
export function refusal(policy: Policy, caller: Caller, owners: readonly string[] = []): Fault | null {
  const rule: Rule | undefined = Object.hasOwn(policies, policy) ? policies[policy] : undefined;
  switch (rule) {
    case 'member':
      return null;
    case 'owner':
      if (owners.includes(caller.person) || atLeast(caller.role, 'admin')) return null;
      return new Fault(
        'not-allowed',
        `Only its owner or an admin may do that; you are a ${caller.role} and not its owner.`,
        {
          next: 'Ask its owner or an admin to do it.',
        },
      );
    case 'admin':
    case 'superadmin':
      if (atLeast(caller.role, rule)) return null;
      return new Fault('not-allowed', `That needs the role ${rule}; you are a ${caller.role}.`, {
        next: `Ask a person with the role ${rule}.`,
      });
    default:
      return new Fault('not-allowed', 'KQueen has no rule that allows this, so it is refused.', {
        next: 'Ask an admin.',
      });
  }
}

/** The purposes a cluster can have; `production` has stricter rules. */
export const purposes = ['development', 'test', 'demo', 'production'] as const;

/** A change as the rules of approval see it: `cluster.grow` can make a cluster cost more, `cluster.change` cannot. */
export type ApprovedAction =
  | 'cluster.create'
  | 'cluster.delete'
  | 'cluster.adopt'
  | 'cluster.detach'
  | 'cluster.grow'
  | 'cluster.change';

/** What members only ask for, since it makes somebody pay more, or KQueen answer for more. */
const asked: Partial<Record<ApprovedAction, string>> = {
  'cluster.create': 'members ask, an admin decides on new clusters',
  'cluster.adopt': 'members ask, an admin decides on new clusters',
  'cluster.grow': 'members ask, an admin decides on more nodes',
};

/** Who has to agree to a change, and why. */
export function approvalFor(action: ApprovedAction, caller: Caller, purpose: string): Plan['approval'] {
  if (purpose === 'production') {
    return { needed: true, role: 'admin', why: 'it is a production cluster, so an admin other than you decides' };
  }
  const why = asked[action];
  if (why !== undefined && !atLeast(caller.role, 'admin')) return { needed: true, role: 'admin', why };
  return {
    needed: false,
    role: 'admin',
    why: atLeast(caller.role, 'admin') ? `you are ${caller.role}` : 'it is your own cluster and not for production',
  };
}
