import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { handoutId } from '../../src/core/commands/cluster-access.ts';
import { takeHandout } from '../../src/core/handout.ts';
import { sampleCluster } from '../store/parts.ts';
import { clusterChanges, nextId, openStage, org, people, type Stage, words } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
  // KQueen knows a person from their first change on.
  const { id, name } = people.mel;
  await stage.put({
    op: 'put',
    ref: { kind: 'person', org, id },
    record: { v: 1, id, org, name, role: 'member', seenAt: 1 },
  });
});
afterAll(() => stage.close());

const roleOf = async (person: string) =>
  (await stage.opened.store.get({ kind: 'person', org, id: person }))?.record.role;

/** Asks, and presses the button under the plan. */
async function give(person: string, role: string): Promise<void> {
  const asked = await stage.say('grace', `person role ${person} ${role}`);
  expect(words(asked)).toContain(person);
  await stage.say('grace', asked.card?.buttons[0]?.command ?? '');
}

describe('roles', () => {
  test('a superadmin makes an admin, who may then decide; both are audited', async () => {
    await stage.say('grace', `person role ${people.mel.id} admin`);
    expect(await roleOf(people.mel.id)).toBe('member');
    await give(people.mel.id, 'admin');
    expect(await roleOf(people.mel.id)).toBe('admin');
    expect((await stage.audit()).map(({ action }) => action)).toContain('person.role');
    expect(words(await stage.say('mel', 'people'))).toContain('admin');
    await give(people.mel.id, 'member');
    expect(words(await stage.say('mel', 'people'))).toContain('needs the role admin');
  });

  test('S2 nobody changes their own role, and an admin changes none', async () => {
    expect(words(await stage.say('grace', `person role ${people.grace.id} member`))).toContain('own role');
    expect(await roleOf(people.grace.id)).toBe('superadmin');
    expect(words(await stage.say('anna', `person role ${people.anna.id} superadmin`))).toContain(
      'needs the role superadmin',
    );
    expect(await roleOf(people.anna.id)).toBe('admin');
  });

  test('unknown people and roles are said plainly', async () => {
    expect(words(await stage.say('grace', 'person role nobody admin'))).toContain('does not know nobody');
    expect(words(await stage.say('grace', `person role ${people.mel.id} king`))).toMatch(/role/i);
    expect(await roleOf(people.mel.id)).toBe('member');
  });
});

describe('one-time links', () => {
  test('a link is of no use to a person who has lost the right since', async () => {
    const { store, sealer } = stage.opened;
    const token = 'abcdefghjkmnpqrstuvwxyz23456789';
    const cluster = sampleCluster('c9', { name: 'dev-9', owner: people.dev.id, phase: 'Ready', kubeconfig: true });
    const handout = {
      v: 1 as const,
      id: handoutId(token),
      org,
      cluster: 'c9',
      person: people.mel.id,
      role: 'view' as const,
      seconds: 600,
      expiresAt: Date.now() + 60_000,
    };
    await stage.put(...clusterChanges(cluster), {
      op: 'put',
      ref: { kind: 'handout', org, id: handout.id },
      record: handout,
    });
    const { engines } = stage.parts;
    const parts = { store, sealer, engines, kube: stage.parts.kube, clock: stage.parts.clock, newId: nextId, org };
    expect(await takeHandout(parts, token)).toBeNull();
    expect(await store.get({ kind: 'handout', org, id: handout.id })).toBeUndefined();
    const last = (await stage.audit()).find(
      ({ action, outcome }) => action === 'cluster.access' && outcome === 'refused',
    );
    expect(last?.who).toBe(people.mel.id);
  });
});
