import { describe, expect, test } from 'vitest';
import {
  type ApprovedAction,
  approvalFor,
  atLeast,
  type Caller,
  type Policy,
  policies,
  refusal,
} from '../../src/core/policy.ts';
import type { Role } from '../../src/core/records.ts';

const caller = (role: Role, person = 'slack:T1:me'): Caller => ({ person, name: 'Me', role, org: 'default' });

describe('who may', () => {
  test.each(Object.entries(policies) as [Policy, 'member' | 'owner' | 'admin' | 'superadmin'][])(
    '%s is for %s',
    (policy, rule) => {
      const may = (role: Role, owners: string[]) => refusal(policy, caller(role), owners) === null;
      expect(may('member', [])).toBe(rule === 'member');
      expect(may('member', ['slack:T1:me'])).toBe(rule === 'member' || rule === 'owner');
      expect(may('member', ['slack:T1:other'])).toBe(rule === 'member');
      expect(may('admin', [])).toBe(rule !== 'superadmin');
      expect(may('superadmin', [])).toBe(true);
    },
  );

  // S7: an unknown resource was allowed.
  test.each(['cluster:explode', 'constructor', 'toString', '__proto__', ''])(
    'S7 the unknown policy "%s" is refused',
    (policy) => {
      const fault = refusal(policy as Policy, caller('superadmin'), ['slack:T1:me']);
      expect(fault).toMatchObject({ kind: 'not-allowed', next: expect.any(String) });
    },
  );

  test('an unknown role is nobody', () => {
    expect(refusal('audit:list', caller('root' as Role))).toMatchObject({ kind: 'not-allowed' });
    expect(refusal('cluster:delete', caller('root' as Role))).toMatchObject({ kind: 'not-allowed' });
    expect(atLeast('root' as Role, 'member')).toBe(false);
  });

  // S6: one organisation's override of the policies became everybody's.
  test('S6 nobody can change the policies', () => {
    expect(Object.isFrozen(policies)).toBe(true);
  });
});

describe('who has to agree', () => {
  test.each<[ApprovedAction, Role, string, boolean]>([
    ['cluster.create', 'member', 'development', true],
    ['cluster.create', 'member', 'production', true],
    ['cluster.create', 'admin', 'development', false],
    ['cluster.create', 'admin', 'production', true],
    ['cluster.create', 'superadmin', 'production', true],
    ['cluster.delete', 'member', 'development', false],
    ['cluster.delete', 'member', 'production', true],
    ['cluster.delete', 'superadmin', 'production', true],
    ['cluster.grow', 'member', 'development', true],
    ['cluster.grow', 'admin', 'development', false],
    ['cluster.grow', 'superadmin', 'production', true],
    ['cluster.change', 'member', 'development', false],
    ['cluster.change', 'admin', 'production', true],
    ['cluster.adopt', 'member', 'development', true],
    ['cluster.adopt', 'admin', 'development', false],
    ['cluster.detach', 'member', 'development', false],
    ['cluster.detach', 'admin', 'production', true],
  ])('%s by a %s for %s: %s', (action, role, purpose, needed) => {
    const approval = approvalFor(action, caller(role), purpose);
    expect(approval).toMatchObject({ needed, role: 'admin' });
    expect(approval.why).not.toBe('');
  });
});
