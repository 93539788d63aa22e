/** Access to a cluster from chat: for namespaces alone, who has it, and how it ends. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { takeHandout } from '../../src/core/handout.ts';
import { accountName } from '../../src/kube/access.ts';
import { apiOf } from '../kube/sandbox-cluster.ts';
import { eventually } from '../servers.ts';
import { type AppStage, openAppStage } from './apps-stage.ts';
import { people, words } from './stage.ts';

let at: AppStage;
beforeAll(async () => {
  at = await openAppStage();
  // Grace made it, and it is Dev's from here on.
  const cluster = await at.stage.cluster('web-1');
  if (!cluster) throw new Error('no cluster');
  const ref = { kind: 'cluster', org: cluster.org, id: cluster.id } as const;
  await at.stage.put({ op: 'put', ref, record: { ...cluster, owner: people.dev.id, ownerName: 'Dev' } });
}, 60_000);
afterAll(() => at.close());

/** The kubeconfig that somebody was given last. */
const given = () => at.stage.handed.at(-1)?.files[0]?.content ?? '';

async function statusOf(kubeconfig: string, path: string): Promise<number> {
  const { api, close } = apiOf(kubeconfig);
  const { status } = await api('GET', path);
  await close();
  return status;
}

const accounts = async () =>
  JSON.stringify((await at.api('GET', '/api/v1/namespaces/kqueen-access/serviceaccounts')).body);

describe('access from chat', () => {
  test('for namespaces alone is what was asked for, and says so', async () => {
    const answer = await at.stage.say('dev', 'cluster access web-1 as edit in default');
    expect(answer.card?.footer).toMatch(/Role edit in only default/);
    expect(await statusOf(given(), '/api/v1/namespaces/default/pods')).toBe(200);
    expect(await statusOf(given(), '/api/v1/namespaces/kube-system/pods')).toBe(403);
    expect(words(await at.stage.say('dev', 'cluster access web-1 namespaces=nowhere'))).toMatch(/no namespace nowhere/);
    expect(words(await at.stage.say('dev', 'cluster access web-1 namespaces=Not_One'))).toMatch(/names of namespaces/);
  });

  test('is listed to its owner and admins whole, to others their own', async () => {
    await at.stage.say('anna', 'cluster access web-1 as view');
    for (const who of ['dev', 'grace'] as const) {
      const list = words(await at.stage.say(who, 'cluster access list web-1'));
      expect(list).toMatch(/slack:T1:dev/);
      expect(list).toMatch(/Anna \(slack:T1:anna\)/);
    }
    const other = words(await at.stage.say('mel', 'cluster access list web-1'));
    expect(other).toMatch(/no account of yours/);
    expect(other).not.toMatch(/anna/i);
  });

  test('ends with a click on the plan: the token is useless, and it is audited', async () => {
    await at.stage.say('anna', 'cluster access web-1 as view');
    const annas = given();
    expect(await statusOf(annas, '/api/v1/nodes')).toBe(200);
    expect((await at.stage.say('mel', 'cluster access revoke web-1 anna')).card?.title).toBe('Not allowed');
    const plan = await at.stage.say('dev', 'cluster access revoke web-1 anna');
    expect(words(plan)).toMatch(/Nothing happens until.*within about ten seconds/);
    expect(await accounts()).toContain(accountName(people.anna.id));
    const done = await at.stage.press('dev', plan, 'Revoke it');
    expect(done.card?.text).toMatch(/deleted, and its tokens end within about ten seconds/);
    expect(await accounts()).not.toContain(accountName(people.anna.id));
    await eventually('the token is useless', async () => (await statusOf(annas, '/api/v1/nodes')) === 401);
    const trail = (await at.stage.audit()).filter(({ action }) => action === 'access.revoke');
    expect(trail.filter(({ outcome }) => outcome === 'requested')).toMatchObject([
      { who: people.dev.id, subject: 'web-1', reason: people.anna.id },
    ]);
    expect(words(await at.stage.say('dev', 'cluster access revoke web-1 anna'))).toMatch(/has no account in web-1/);
    expect(await accounts()).toContain(accountName(people.dev.id));
  });

  test("one's own is always one's own to end, and a plan that no longer holds is shown anew", async () => {
    // Mel had an account while she owned the cluster.
    const [kubeconfig, person] = [String(await adminOf()), people.mel.id];
    const call = { signal: AbortSignal.timeout(10_000), deadline: Date.now() + 10_000 };
    const request = { cluster: 'web-1', person, role: 'view', seconds: 600 } as const;
    await at.stage.parts.kube.issueAccess(kubeconfig, request, call);
    const plan = await at.stage.say('mel', 'cluster access revoke web-1');
    await at.stage.parts.kube.issueAccess(kubeconfig, { ...request, namespaces: ['default'] }, call);
    const anew = await at.stage.press('mel', plan, 'Revoke it');
    expect(words(anew)).toMatch(/What you saw no longer holds/);
    expect(await accounts()).toContain(accountName(person));
    await at.stage.press('mel', anew, 'Revoke it');
    expect(await accounts()).not.toContain(accountName(person));
  });

  test('a link that was not opened ends with it, and one for namespaces opens no more than these', async () => {
    at.stage.parts.publicUrl = 'https://kqueen.example';
    const link = await at.stage.say('grace', 'cluster access web-1 as admin');
    const token = link.card?.buttons[0]?.url?.split('/d/')[1] ?? '';
    expect(token).not.toBe('');
    const plan = await at.stage.say('grace', 'cluster access revoke web-1');
    expect(words(plan)).toMatch(/Links not yet opened/);
    await at.stage.press('grace', plan, 'Revoke it');
    expect(await takeHandout(at.stage.parts, token)).toBeNull();
    expect(await accounts()).not.toContain(accountName(people.grace.id));
    const teams = { chat: 'teams', workspace: 'T', conversation: 'D' } as const;
    const scoped = await at.stage.say('grace', 'cluster access web-1 in default', { place: teams, private: true });
    const scopedToken = scoped.card?.buttons[0]?.url?.split('/d/')[1] ?? '';
    const taken = (await takeHandout(at.stage.parts, scopedToken))?.content ?? '';
    expect(await statusOf(taken, '/api/v1/namespaces/default/pods')).toBe(200);
    expect(await statusOf(taken, '/api/v1/nodes')).toBe(403);
    const [issued] = (await at.stage.audit()).filter(({ command }) => command.includes('namespaces=default'));
    expect(issued).toMatchObject({ action: 'cluster.access', outcome: 'issued' });
  });

  test('at a cluster that KQueen only looks at there is nothing of it', async () => {
    const cluster = await at.stage.cluster('web-1');
    if (!cluster) throw new Error('no cluster');
    const ref = { kind: 'cluster', org: cluster.org, id: cluster.id } as const;
    await at.stage.put({ op: 'put', ref, record: { ...cluster, readOnly: true } });
    for (const line of ['access list web-1', 'access revoke web-1', 'access revoke web-1 dev', 'access web-1'])
      expect(words(await at.stage.say('grace', `cluster ${line}`)), line).toMatch(/read-only here/);
  });
});

async function adminOf(): Promise<string> {
  const { clusterKubeconfig } = await import('../../src/core/connect.ts');
  const cluster = await at.stage.cluster('web-1');
  if (!cluster) throw new Error('no cluster');
  const call = { signal: AbortSignal.timeout(10_000), deadline: Date.now() + 10_000 };
  return clusterKubeconfig(at.stage.parts, cluster, { now: Date.now(), call });
}
