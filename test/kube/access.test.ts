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
import { readKubeconfig } from '../../src/kube/kubeconfig.ts';
import { callFor, faultOf, realClock } from '../engines/calls.ts';
import { eventually, needServer } from '../servers.ts';
import { startRealServer, whyNoRealServer } from './real-server.ts';
import { apiOf, startSandboxCluster, type TestCluster } from './sandbox-cluster.ts';

const run = promisify(execFile);
const reason = whyNoRealServer();
if (reason !== null) console.warn(`skipped: ${reason}`);

describe.each([
  ['a sandbox cluster', () => startSandboxCluster(1), false],
  ['a real API server', startRealServer, reason !== null],
] as const)('personal access to %s', (_name, start, skipped) => {
  let cluster: TestCluster;
  let kube: Kube;
  beforeAll(async () => {
    if (skipped) return;
    cluster = await start();
    kube = openKube({ log: silentLog, clock: realClock });
  }, 120_000);
  afterAll(async () => {
    await kube?.close();
    await cluster?.close();
  });

  const issue = (person: string, role: AccessRole, seconds = 900) =>
    kube.issueAccess(cluster.kubeconfig, { cluster: 'dev-1', person, role, seconds }, callFor());

  async function may(kubeconfig: string, verb: string, resource: string, namespace = 'default'): Promise<boolean> {
    const { api, close } = apiOf(kubeconfig);
    const answer = await api('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { verb, resource, namespace } },
    });
    await close();
    return (answer.body as { status: { allowed: boolean } }).status.allowed;
  }

  it.skipIf(skipped)('is a token of the own account, not the admin credential', async () => {
    const access = await issue('slack:T1:U1', 'edit');
    const given = readKubeconfig(access.kubeconfig);
    const admin = readKubeconfig(cluster.kubeconfig);
    expect(given).toMatchObject({ server: admin.server, ca: admin.ca });
    expect(given.token).not.toBe(admin.token);
    expect(given.cert).toBeUndefined();
    expect(access.expiresAt - Date.now()).toBeGreaterThan(890_000);
    expect(access.expiresAt - Date.now()).toBeLessThan(910_000);
    expect((parse(access.kubeconfig) as Record<string, unknown>)['current-context']).toBe('dev-1');
  });

  it.skipIf(skipped)('has the rights of its role and no more', async () => {
    const rights = async (role: AccessRole) => {
      const { kubeconfig } = await issue(`terminal:${role}`, role);
      return Promise.all([
        may(kubeconfig, 'list', 'pods'),
        may(kubeconfig, 'create', 'pods'),
        may(kubeconfig, 'delete', 'nodes'),
        may(kubeconfig, 'get', 'secrets', 'kqueen-access'),
      ]);
    };
    expect(await rights('view')).toEqual([true, false, false, false]);
    expect((await rights('edit')).slice(0, 3)).toEqual([true, true, false]);
    expect((await rights('admin')).slice(0, 3)).toEqual([true, true, false]);
  });

  it.skipIf(skipped)('uses the same account again, and a smaller role takes the larger away', async () => {
    const accounts = async () => {
      const list = await cluster.api('GET', '/api/v1/namespaces/kqueen-access/serviceaccounts');
      return (list.body as { items: { metadata: { name: string } }[] }).items.map((each) => each.metadata.name);
    };
    await issue('slack:T1:again', 'admin');
    const before = await accounts();
    const [first] = await Promise.all([issue('slack:T1:again', 'view'), issue('slack:T1:again', 'view')]);
    expect((await accounts()).sort()).toEqual(before.sort());
    await eventually('the larger role is gone', async () => !(await may(first.kubeconfig, 'create', 'pods')));
    expect(await may(first.kubeconfig, 'list', 'pods')).toBe(true);
  });

  it.skipIf(skipped)('lasts ten minutes at least and an hour at most', async () => {
    const left = async (seconds: number) =>
      Math.round(((await issue('slack:T1:U2', 'view', seconds)).expiresAt - Date.now()) / 1_000);
    expect(await left(1)).toBeGreaterThan(590);
    expect(await left(1)).toBeLessThan(610);
    expect(await left(86_400)).toBeGreaterThan(3_590);
    expect(await left(86_400)).toBeLessThanOrEqual(3_601);
  });

  it.skipIf(skipped)('works with stock kubectl', async (ctx) => {
    const kubectl = needServer(ctx, 'kubectl');
    const folder = mkdtempSync(join(tmpdir(), 'kqueen-test-kubectl-'));
    const file = join(folder, 'config');
    writeFileSync(file, (await issue('slack:T1:kubectl', 'edit')).kubeconfig, { mode: 0o600 });
    const ctl = (...args: string[]) => run(kubectl, ['--kubeconfig', file, ...args], { env: { HOME: folder } });
    expect((await ctl('config', 'current-context')).stdout.trim()).toBe('dev-1');
    await ctl('create', 'configmap', 'made-by-kubectl', '--from-literal=a=b');
    expect((await ctl('get', 'configmaps', '-o', 'name')).stdout).toContain('configmap/made-by-kubectl');
    await expect(ctl('delete', 'namespace', 'default')).rejects.toThrow(/forbidden/i);
    rmSync(folder, { recursive: true, force: true });
  });

  it.skipIf(skipped)('is refused to whoever may not give it, in words', async () => {
    const viewer = await issue('slack:T1:viewer', 'view');
    const fault = await faultOf(
      kube.issueAccess(viewer.kubeconfig, { cluster: 'x', person: 'p', role: 'admin', seconds: 900 }, callFor()),
    );
    expect(fault).toMatchObject({ kind: 'not-allowed' });
    expect(fault.message).not.toContain(readKubeconfig(viewer.kubeconfig).token);
  });
});

describe('an account name', () => {
  it.each([
    'slack:T024BE7LD:U2147483697',
    'teams:a-b-c:d-e-f',
    'terminal:Ä ö/ü',
    '::::',
    'x'.repeat(500),
    'terminal:-a-',
  ])('is a DNS label for %s', (person) => {
    expect(accountName(person)).toMatch(/^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$/);
  });

  it('is the same for one person and different for two that differ in case alone', () => {
    expect(accountName('slack:T1:Ua')).toBe(accountName('slack:T1:Ua'));
    expect(accountName('slack:T1:Ua')).not.toBe(accountName('slack:T1:UA'));
  });
});
