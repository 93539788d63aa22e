/** What the roles of personal access can and cannot do, how far namespaces reach, and what is left after access is revoked. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { AccessRole, Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { accountName } from '../../src/kube/access.ts';
import { openKube } from '../../src/kube/index.ts';
import { callFor, faultOf, realClock } from '../engines/calls.ts';
import { eventually, needServer } from '../servers.ts';
import { startRealServer, whyNoRealServer } from './real-server.ts';
import { apiOf, startSandboxCluster, type TestCluster } from './sandbox-cluster.ts';

const run = promisify(execFile);
const reason = whyNoRealServer();
if (reason !== null) console.warn(`skipped: ${reason}`);

const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
const inShop = '/api/v1/namespaces/shop';

describe.each([
  ['a sandbox cluster', () => startSandboxCluster(1), false],
  ['a real API server', startRealServer, reason !== null],
] as const)('the rights of personal access to %s', (_name, start, skipped) => {
  let cluster: TestCluster;
  let kube: Kube;
  beforeAll(async () => {
    if (skipped) return;
    cluster = await start();
    kube = openKube({ log: silentLog, clock: realClock });
    for (const name of ['shop', 'cart', 'other']) {
      expect((await cluster.api('POST', '/api/v1/namespaces', { metadata: { name } })).status).toBe(201);
    }
  }, 120_000);
  afterAll(async () => {
    await kube?.close();
    await cluster?.close();
  });

  const issue = async (person: string, role: AccessRole, namespaces: string[] = []) => {
    const request = { cluster: 'dev-1', person, role, seconds: 900, namespaces };
    return (await kube.issueAccess(cluster.kubeconfig, request, callFor())).kubeconfig;
  };

  /** The status that each request gets as the bearer of a kubeconfig. */
  async function statuses(kubeconfig: string, requests: [string, string, unknown?][]): Promise<number[]> {
    const { api, close } = apiOf(kubeconfig);
    const found: number[] = [];
    for (const [method, path, body] of requests) found.push((await api(method, path, body)).status);
    await close();
    return found;
  }

  const tokenOf = (namespace: string, account: string): [string, string, unknown] => [
    'POST',
    `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } },
  ];
  const accountMade = async (namespace: string, name: string) => {
    await cluster.api('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });
  };
  const pod = (name: string) => ({ metadata: { name }, spec: { containers: [{ name: 'main', image: 'nginx:1.29' }] } });
  const secret = (name: string) => ({ metadata: { name }, stringData: { a: 'b' } });

  it.skipIf(skipped).each(['edit', 'admin'] as const)(
    '%s of a whole cluster works with workloads, and becomes nobody else',
    async (role) => {
      await accountMade('shop', 'builder');
      const given = await issue(`terminal:whole-${role}`, role);
      expect(
        await statuses(given, [
          ['POST', `${inShop}/configmaps`, { metadata: { name: `made-by-${role}` } }],
          ['GET', '/api/v1/nodes'],
          ['GET', `${inShop}/pods`],
          ['DELETE', `${inShop}/configmaps/made-by-${role}`],
        ]),
      ).toEqual([201, 200, 200, 200]);
      expect(
        await statuses(given, [
          tokenOf('shop', 'builder'),
          tokenOf('kqueen-access', accountName(`terminal:whole-${role}`)),
          ['GET', '/api/v1/secrets'],
          ['GET', '/api/v1/namespaces/kube-system/secrets'],
          ['POST', `${inShop}/secrets`, secret('mine')],
          ['POST', `${inShop}/serviceaccounts`, { metadata: { name: 'mine' } }],
          ['PATCH', '/api/v1/namespaces/kqueen-access/serviceaccounts/x', {}],
          ['DELETE', '/api/v1/namespaces/shop'],
          ['PUT', `${roles}/kqueen-edit`, { metadata: { name: 'kqueen-edit' }, rules: [] }],
        ]),
      ).toEqual(Array.from({ length: 9 }, () => 403));
    },
  );

  it.skipIf(skipped)('admin gives what it has and nothing beyond', async () => {
    // All the roles that are asked for are there.
    await issue('terminal:in-shop', 'admin', ['shop']);
    const given = await issue('terminal:giver', 'admin');
    const binding = (role: string): [string, string, unknown] => [
      'POST',
      '/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings',
      {
        metadata: { name: `gives-${role}` },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'somebody' }],
      },
    ];
    const asked = ['kqueen-edit', 'edit', 'admin', 'cluster-admin', 'kqueen-namespace-secrets'].map(binding);
    expect(await statuses(given, asked)).toEqual([201, 403, 403, 403, 403]);
  });

  it.skipIf(skipped)('nobody can have a pod or a Secret among the accounts, whose tokens they could hold', async () => {
    const given = await issue('terminal:sneaky', 'admin');
    const among = '/api/v1/namespaces/kqueen-access';
    expect(await statuses(given, [['POST', `${among}/pods`, pod('thief')]])).toEqual([403]);
    expect((await cluster.api('POST', `${among}/secrets`, secret('thief'))).status).toBe(403);
    expect(await statuses(given, [['DELETE', `${among}/resourcequotas/accounts-only`]])).toEqual([403]);
  });

  it.skipIf(skipped)('named namespaces are all of it, with their Secrets', async () => {
    const given = await issue('terminal:scoped', 'edit', ['shop', 'cart']);
    const context = (parse(given) as { contexts: { context: { namespace: string } }[] }).contexts[0];
    expect(context?.context.namespace).toBe('cart');
    await accountMade('shop', 'builder');
    expect(
      await statuses(given, [
        ['POST', `${inShop}/secrets`, secret('scoped')],
        ['GET', `${inShop}/secrets/scoped`],
        ['POST', '/api/v1/namespaces/cart/configmaps', { metadata: { name: 'scoped' } }],
      ]),
    ).toEqual([201, 200, 201]);
    expect(
      await statuses(given, [
        ['GET', '/api/v1/namespaces/other/pods'],
        ['POST', '/api/v1/namespaces/other/configmaps', { metadata: { name: 'scoped' } }],
        ['GET', '/api/v1/namespaces/kube-system/secrets'],
        ['GET', '/api/v1/pods'],
        ['GET', '/api/v1/nodes'],
        tokenOf('shop', 'builder'),
      ]),
    ).toEqual([403, 403, 403, 403, 403, 403]);
    const view = await issue('terminal:scoped-view', 'view', ['shop']);
    expect(
      await statuses(view, [
        ['GET', `${inShop}/pods`],
        ['GET', `${inShop}/secrets`],
        ['GET', '/api/v1/namespaces/cart/pods'],
      ]),
    ).toEqual([200, 403, 403]);
  });

  it.skipIf(skipped)('fewer namespaces the next time take the others away, also from tokens that are out', async () => {
    const first = await issue('terminal:moves', 'edit');
    expect(await statuses(first, [['GET', '/api/v1/nodes']])).toEqual([200]);
    await issue('terminal:moves', 'edit', ['shop', 'cart']);
    const last = await issue('terminal:moves', 'view', ['cart']);
    const requests: [string, string, unknown?][] = [
      ['GET', '/api/v1/nodes'],
      ['GET', `${inShop}/pods`],
      ['GET', '/api/v1/namespaces/cart/secrets'],
      ['GET', '/api/v1/namespaces/cart/pods'],
    ];
    for (const given of [first, last]) {
      await eventually('the earlier rights are gone', async () => {
        return JSON.stringify(await statuses(given, requests)) === JSON.stringify([403, 403, 403, 200]);
      });
    }
  });

  it.skipIf(skipped).each([
    ['nowhere', /no namespace nowhere/],
    ['kqueen-access', /holds the accounts/],
  ])('a namespace such as %s is refused before anything is made', async (name, words) => {
    const fault = await faultOf(issue('terminal:refused', 'edit', ['shop', name]));
    expect(fault).toMatchObject({ kind: 'bad-input', field: 'namespaces' });
    expect(fault.message).toMatch(words);
    const path = `/api/v1/namespaces/kqueen-access/serviceaccounts/${accountName('terminal:refused')}`;
    expect((await cluster.api('GET', path)).status).toBe(404);
  });

  it.skipIf(skipped)(
    'an older or altered role of KQueen is put right, and one of somebody else is left alone',
    async () => {
      type Role = { metadata: { annotations: Record<string, string>; labels?: unknown }; rules: unknown[] };
      const get = async (name: string) => (await cluster.api('GET', `${roles}/${name}`)).body as Role;
      await issue('terminal:roles', 'edit');
      const right = await get('kqueen-edit');
      const wide = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
      await cluster.api('PUT', `${roles}/kqueen-edit`, { ...right, rules: wide });
      await issue('terminal:roles', 'edit');
      expect((await get('kqueen-edit')).rules).toEqual(right.rules);
      const old = { ...(await get('kqueen-edit')), rules: wide };
      old.metadata.annotations = { 'kqueen/rules': '0' };
      await cluster.api('PUT', `${roles}/kqueen-edit`, old);
      await Promise.all([issue('terminal:roles', 'edit'), issue('terminal:roles-2', 'edit')]);
      expect(await get('kqueen-edit')).toMatchObject({
        rules: right.rules,
        metadata: { annotations: { 'kqueen/rules': '1' } },
      });
      const theirs = { ...(await get('kqueen-admin')), rules: wide };
      theirs.metadata.labels = {};
      await cluster.api('PUT', `${roles}/kqueen-admin`, theirs);
      const fault = await faultOf(issue('terminal:roles-3', 'admin'));
      expect(fault).toMatchObject({ kind: 'conflict' });
      expect(fault.message).toMatch(/ClusterRole kqueen-admin that KQueen did not make/);
      expect((await get('kqueen-admin')).rules).toEqual(wide);
      await cluster.api('DELETE', `${roles}/kqueen-admin`);
    },
  );

  it.skipIf(skipped)("what was bound to Kubernetes' own edit is bound to KQueen's from the next issue on", async () => {
    await accountMade('shop', 'builder');
    const given = await issue('terminal:older', 'edit');
    const bindings = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings';
    type Binding = { metadata: { name: string; labels: Record<string, string> }; subjects: unknown[] };
    const list = async () => ((await cluster.api('GET', bindings)).body as { items: Binding[] }).items;
    const account = accountName('terminal:older');
    const now = (await list()).find(({ metadata }) => metadata.name === `kqueen-access-${account}-kqueen-edit`);
    const { status } = await cluster.api('POST', bindings, {
      metadata: { name: `kqueen-access-${account}-edit`, labels: now?.metadata.labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
      subjects: now?.subjects,
    });
    expect(status).toBe(201);
    await eventually('it may mint', async () => (await statuses(given, [tokenOf('shop', 'builder')]))[0] === 201);
    await issue('terminal:older', 'edit');
    await eventually('it may not', async () => (await statuses(given, [tokenOf('shop', 'builder')]))[0] === 403);
    const left = (await list()).map(({ metadata }) => metadata.name).filter((name) => name.includes(account));
    expect(left.sort()).toEqual([
      `kqueen-access-${account}-kqueen-access-look`,
      `kqueen-access-${account}-kqueen-edit`,
    ]);
  });

  it.skipIf(skipped)('is listed, and revoked with everything it had', async () => {
    const person = 'slack:T1:leaver';
    const mine = await issue(person, 'edit', ['shop', 'other']);
    const kept = await issue('slack:T1:stays', 'view');
    const listed = await kube.look(cluster.kubeconfig, 'accounts', {}, callFor());
    const table = listed.parts.find((part) => part.part === 'table');
    const row = table?.rows.find(([who]) => who === person);
    expect(row?.slice(0, 3)).toEqual([person, 'edit', 'other, shop']);
    expect(row?.slice(3).every((at) => at.startsWith(new Date().toISOString().slice(0, 8)))).toBe(true);
    const own = await kube.look(cluster.kubeconfig, 'accounts', { person: 'slack:T1:stays' }, callFor());
    expect(JSON.stringify(own)).not.toContain(person);

    expect(await statuses(mine, [['GET', `${inShop}/pods`]])).toEqual([200]);
    const asked = { op: 'access.revoke', input: { person } };
    const plan = await kube.plan(cluster.kubeconfig, asked, callFor());
    expect(plan.facts[1]?.value).toMatch(/kqueen-edit in other, kqueen-edit in shop/);
    const step = () => kube.work(cluster.kubeconfig, { ...asked, progress: {} }, callFor());
    expect(await step()).toMatchObject({ state: 'done' });
    await eventually('the token is useless', async () => {
      const [status] = await statuses(mine, [['GET', `${inShop}/pods`]]);
      return status === 401;
    });
    const left = await cluster.api('GET', '/apis/rbac.authorization.k8s.io/v1/rolebindings');
    expect(JSON.stringify(left.body)).not.toContain(accountName(person));
    expect((await kube.plan(cluster.kubeconfig, asked, callFor())).nothing).toMatch(/no account/);
    // Again is as good, and nobody else is touched.
    expect(await step()).toMatchObject({ state: 'done' });
    expect(await statuses(kept, [['GET', `${inShop}/pods`]])).toEqual([200]);
    // The old token stays useless when the account is made anew.
    await issue(person, 'edit', ['shop']);
    expect(await statuses(mine, [['GET', `${inShop}/pods`]])).toEqual([401]);
  });

  it.skipIf(skipped)('is what kubectl auth can-i says', async (ctx) => {
    const kubectl = needServer(ctx, 'kubectl');
    const folder = mkdtempSync(join(tmpdir(), 'kqueen-test-kubectl-'));
    const file = join(folder, 'config');
    writeFileSync(file, await issue('slack:T1:can-i', 'edit', ['shop']), { mode: 0o600 });
    const can = async (...args: string[]) => {
      const asked = ['--kubeconfig', file, 'auth', 'can-i', ...args];
      const { stdout } = await run(kubectl, asked, { env: { HOME: folder } }).catch(
        (thrown: { stdout: string }) => thrown,
      );
      return stdout.trim().split(/\s/)[0];
    };
    expect(await can('create', 'deployments.apps')).toBe('yes');
    expect(await can('get', 'secrets', '-n', 'shop')).toBe('yes');
    expect(await can('create', 'serviceaccounts', '--subresource=token', '-n', 'shop')).toBe('no');
    expect(await can('impersonate', 'serviceaccounts', '-n', 'shop')).toBe('no');
    expect(await can('escalate', 'roles.rbac.authorization.k8s.io', '-n', 'shop')).toBe('no');
    expect(await can('create', 'deployments.apps', '-n', 'other')).toBe('no');
    rmSync(folder, { recursive: true, force: true });
  });
});
