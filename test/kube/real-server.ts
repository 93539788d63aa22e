import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { makeTestCertificate } from '../certificate.ts';
import { eventually, freePort } from '../servers.ts';
import { apiOf, type TestCluster } from './sandbox-cluster.ts';

/** Why there is no real API server to test with, or null when there is one. */
export function whyNoRealServer(): string | null {
  const folder = process.env.KUBEBUILDER_ASSETS;
  if (!folder) return 'KUBEBUILDER_ASSETS names no folder with etcd and kube-apiserver';
  const missing = ['etcd', 'kube-apiserver'].filter((program) => !existsSync(join(folder, program)));
  return missing.length > 0 ? `${folder} has no ${missing.join(' and no ')}` : null;
}

/** A real kube-apiserver on loopback with an etcd of its own; without controllers, so nothing runs on it. */
export async function startRealServer(): Promise<TestCluster> {
  const assets = process.env.KUBEBUILDER_ASSETS ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'kqueen-test-kube-'));
  const [client, peer, secure] = [await freePort(), await freePort(), await freePort()];
  const certificate = makeTestCertificate();
  const token = `admin-${Math.random().toString(36).slice(2)}`;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const cert = file('server.crt', certificate.cert);
  const key = file('server.key', certificate.key);
  const tokens = file('tokens.csv', `${token},admin,admin,"system:masters"\n`);
  const signing = file('sa.key', privateKey.export({ type: 'sec1', format: 'pem' }).toString());
  const verifying = file('sa.pub', publicKey.export({ type: 'spki', format: 'pem' }).toString());
  const children: ChildProcess[] = [];
  let log = '';
  const start = (program: string, args: string[]) => {
    const child = spawn(join(assets, program), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-8_000);
      });
    }
    children.push(child);
  };
  const stop = async () => {
    for (const child of children.reverse()) {
      if (child.exitCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  };
  const etcd = `http://127.0.0.1:${client}`;
  const peers = `http://127.0.0.1:${peer}`;
  start('etcd', [
    ...['--name', 'test', '--data-dir', join(folder, 'etcd'), '--unsafe-no-fsync'],
    ...['--listen-client-urls', etcd, '--advertise-client-urls', etcd],
    ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `test=${peers}`],
  ]);
  start('kube-apiserver', [
    ...[`--etcd-servers=${etcd}`, '--bind-address=127.0.0.1', `--secure-port=${secure}`],
    // An API server refuses to advertise a loopback address; nobody uses this one.
    ...['--advertise-address=10.255.255.1', '--endpoint-reconciler-type=none', `--cert-dir=${folder}`],
    ...[`--tls-cert-file=${cert}`, `--tls-private-key-file=${key}`, `--token-auth-file=${tokens}`],
    ...['--authorization-mode=RBAC', '--service-cluster-ip-range=10.96.0.0/16', '--profiling=false'],
    ...[`--service-account-key-file=${verifying}`, `--service-account-signing-key-file=${signing}`],
    ...['--service-account-issuer=https://kubernetes.default.svc', '--disable-admission-plugins=ServiceAccount'],
  ]);
  const kubeconfig = writeKubeconfig('real', 'admin', {
    server: `https://127.0.0.1:${secure}`,
    ca: certificate.ca,
    token,
  });
  const direct = apiOf(kubeconfig);
  try {
    await eventually('the API server is ready', async () => (await direct.api('GET', '/readyz')).status === 200, {
      timeoutMs: 60_000,
      everyMs: 200,
    });
    await aggregate(direct.api);
  } catch (error) {
    await direct.close();
    await stop();
    throw new Error(`the API server did not start: ${log}`, { cause: error });
  }
  return {
    kubeconfig,
    api: direct.api,
    async close() {
      await direct.close();
      await stop();
    },
  };
}

interface ClusterRole {
  metadata: { name: string; labels?: Record<string, string> };
  rules?: unknown[] | null;
}

/** Fills view, edit and admin from the roles that are labelled for them, which is the controller manager's work. */
async function aggregate(api: TestCluster['api']): Promise<void> {
  for (const role of ['view', 'edit', 'admin']) {
    const { body } = await api('GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles');
    const rules = (body as { items: ClusterRole[] }).items
      .filter((each) => each.metadata.labels?.[`rbac.authorization.k8s.io/aggregate-to-${role}`] === 'true')
      .flatMap((each) => each.rules ?? []);
    const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${role}`;
    const answer = await api('PATCH', path, { rules }, 'application/merge-patch+json');
    if (answer.status !== 200) throw new Error(`role ${role}: ${JSON.stringify(answer.body)}`);
  }
}
