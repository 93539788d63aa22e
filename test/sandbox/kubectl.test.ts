import { execFile, spawn } from 'node:child_process';
import { existsSync, realpathSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runningCluster, type SandboxChild, startChild, temporaryDirectory, until } from './sandbox.ts';

const run = promisify(execFile);

/** Every kubectl on the PATH, and those that KUBECTL names, for trying several versions. */
function findKubectls(): string[] {
  const named = (process.env.KUBECTL ?? '').split(delimiter).filter((path) => path !== '');
  const onPath = ['/usr/bin', '/usr/local/bin', ...(process.env.PATH ?? '').split(delimiter)].map((folder) =>
    join(folder, 'kubectl'),
  );
  const found = new Map<string, string>();
  for (const path of [...onPath, ...named]) {
    if (!existsSync(path)) continue;
    const real = realpathSync(path);
    if (!found.has(real)) found.set(real, path);
  }
  return [...found.values()];
}

const kubectls = findKubectls();
if (kubectls.length === 0 && process.env.CI !== 'true') {
  console.log('skipped: no kubectl on the PATH and none named by KUBECTL (Debian: apt install kubernetes-client)');
}

test.runIf(process.env.CI === 'true')('CI has a kubectl', () => {
  expect(kubectls).not.toEqual([]);
});

const APP = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "nginx:1.27", ports: [{containerPort: 80}], env: [{name: COLOUR, value: green}]}
      - {name: side, image: "busybox:1"}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
`;

describe.runIf(kubectls.length > 0).each(kubectls)('%s', (program) => {
  const home = temporaryDirectory();
  const kubeconfig = join(home.path, 'kubeconfig');
  const app = join(home.path, 'app.yaml');
  let sandbox: SandboxChild;
  // Discovery is cached below HOME by address, and addresses come again with other contents.
  const env = { HOME: home.path, KUBECONFIG: kubeconfig, PATH: process.env.PATH ?? '' };

  /** Runs kubectl and gives what it printed; throws when it fails. */
  async function kubectl(...args: string[]): Promise<string> {
    const { stdout, stderr } = await run(program, args, { env, timeout: 25_000 });
    return stdout + stderr;
  }

  async function refused(...args: string[]): Promise<string> {
    const failure: unknown = await kubectl(...args).then(
      (text) => `it did not fail: ${text}`,
      (error: unknown) => error,
    );
    return typeof failure === 'object' && failure !== null && 'stderr' in failure
      ? String(failure.stderr)
      : String(failure);
  }

  beforeAll(async () => {
    sandbox = await startChild(join(home.path, 'data'));
    writeFileSync(kubeconfig, await runningCluster(sandbox.call, 'stock', { nodes: 3 }), { mode: 0o600 });
  });

  afterAll(async () => {
    await sandbox.stop();
    home.remove();
  });

  test('says in the context, the nodes and the logs that this is a sandbox', async () => {
    expect(await kubectl('config', 'current-context')).toBe('sandbox-stock\n');
    expect(await kubectl('get', 'nodes', '-o', 'wide')).toContain('KQueen sandbox – no real machines');
    expect(await kubectl('version')).toContain('v1.33.6');
  });

  test('get nodes: three, Ready, with their usual columns', async () => {
    const lines = (await kubectl('get', 'nodes')).trim().split('\n');
    expect(lines[0]).toMatch(/^NAME\s+STATUS\s+ROLES\s+AGE\s+VERSION$/);
    expect(lines.slice(1)).toHaveLength(3);
    for (const line of lines.slice(1)) expect(line).toMatch(/^sandbox-stock-\d\s+Ready\s+worker\s+\d+s\s+v1\.33\.6$/);
    expect(await kubectl('describe', 'node', 'sandbox-stock-0')).toMatch(/kube-proxy-sandbox-stock-0\s+50m/);
  });

  test('create deployment, wait, scale, rollout, delete', async () => {
    expect(await kubectl('create', 'deployment', 'web', '--image=nginx:1', '--replicas=2')).toContain('created');
    expect(await kubectl('wait', '--for=condition=available', 'deployment/web', '--timeout=20s')).toContain(
      'condition met',
    );
    expect(await kubectl('scale', 'deployment/web', '--replicas=5')).toContain('scaled');
    expect(await kubectl('rollout', 'status', 'deployment/web', '--timeout=20s')).toContain('successfully rolled out');
    expect(await kubectl('get', 'deployment', 'web')).toMatch(/web\s+5\/5\s+5\s+5/);
    expect(await kubectl('set', 'image', 'deployment/web', 'nginx=nginx:2')).toContain('updated');
    expect(await kubectl('rollout', 'status', 'deployment/web', '--timeout=20s')).toContain('successfully rolled out');
    expect(await kubectl('rollout', 'undo', 'deployment/web')).toContain('rolled back');
    expect(await kubectl('rollout', 'status', 'deployment/web', '--timeout=20s')).toContain('successfully rolled out');
    expect(await kubectl('get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')).toBe(
      'nginx:1',
    );
    expect(await kubectl('describe', 'deployment', 'web')).toContain('ScalingReplicaSet');
    expect(await kubectl('logs', 'deployment/web')).toContain('no real machine');
    expect(await kubectl('expose', 'deployment', 'web', '--port=80')).toContain('exposed');
    expect(await kubectl('describe', 'service', 'web')).toMatch(/Endpoints:\s+10\.244\./);
    expect(await kubectl('get', 'all')).toContain('replicaset.apps/web-');
    await kubectl('delete', 'deployment/web', 'service/web', '--timeout=20s');
    await until('the end of the pods', async () =>
      (await kubectl('get', 'pods')).includes('No resources found') ? true : undefined,
    );
  });

  test('apply -f: created, configured, unchanged; then gone with its namespace', async () => {
    writeFileSync(app, APP.replace('REPLICAS', '2'));
    expect(await kubectl('apply', '-f', app)).toMatch(
      /namespace\/shop created[\s\S]*web created[\s\S]*service\/web created/,
    );
    writeFileSync(app, APP.replace('REPLICAS', '3').replace('green', 'blue'));
    expect(await kubectl('diff', '-f', app).catch((error: { stdout: string }) => error.stdout)).toContain('blue');
    expect(await kubectl('apply', '-f', app)).toMatch(/deployment.apps\/web configured/);
    expect(await kubectl('apply', '-f', app)).not.toContain('service/web configured');
    expect(await kubectl('rollout', 'status', '-n', 'shop', 'deployment/web', '--timeout=20s')).toContain(
      'successfully rolled out',
    );
    const env =
      'jsonpath={.spec.template.spec.containers[*].name} {.spec.template.spec.containers[0].env[0].value} {.spec.replicas}';
    expect(await kubectl('get', 'deployment', '-n', 'shop', 'web', '-o', env)).toBe('web side blue 3');
    expect(await kubectl('delete', 'namespace', 'shop', '--timeout=20s')).toContain('deleted');
    expect(await refused('get', 'namespace', 'shop')).toContain('NotFound');
    expect(await kubectl('get', 'pods', '-A')).not.toContain('shop');
  });

  test('server-side apply finds the conflict with another manager', async () => {
    writeFileSync(app, APP.replace('REPLICAS', '1'));
    await kubectl('create', 'namespace', 'shop');
    await kubectl('apply', '--server-side', '-f', app);
    await kubectl('scale', '-n', 'shop', 'deployment/web', '--replicas=2');
    expect(await refused('apply', '--server-side', '-f', app)).toContain('.spec.replicas');
    await kubectl('apply', '--server-side', '--force-conflicts', '-f', app);
    expect(await kubectl('get', 'deployment', '-n', 'shop', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('1');
    await kubectl('delete', 'namespace', 'shop', '--timeout=20s');
  });

  test('get -w prints what changes', async () => {
    const watch = spawn(program, ['get', 'deployments', '-w'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    watch.stdout.on('data', (chunk) => {
      text += String(chunk);
    });
    await kubectl('create', 'deployment', 'seen', '--image=nginx:1');
    await until('the watched deployment to be available', () => (/seen\s+1\/1\s+1\s+1/.test(text) ? true : undefined));
    expect(text.match(/NAME/g)).toHaveLength(1);
    watch.kill();
    await kubectl('delete', 'deployment', 'seen');
  });

  test('images by which a pod crashes, is not pulled, or waits', async () => {
    for (const fate of ['crash', 'badimage', 'pending'])
      await kubectl('create', 'deployment', fate, `--image=example/${fate}:1`);
    const pods = await until('the three fates', async () => {
      const text = await kubectl('get', 'pods');
      return /crash-.*CrashLoopBackOff/.test(text) && /badimage-.*ImagePullBackOff/.test(text) ? text : undefined;
    });
    expect(pods).toMatch(/pending-\S+\s+0\/1\s+Pending/);
    expect(await kubectl('describe', 'pod', '-l', 'app=pending')).toContain('FailedScheduling');
    await kubectl('delete', 'deployment', 'crash', 'badimage', 'pending');
  });

  test('drain empties a node and leaves its own pods, uncordon opens it again', async () => {
    await kubectl('create', 'deployment', 'moves', '--image=nginx:1', '--replicas=6');
    await kubectl('rollout', 'status', 'deployment/moves', '--timeout=20s');
    await kubectl('drain', 'sandbox-stock-1', '--ignore-daemonsets', '--timeout=20s');
    const left = await kubectl('get', 'pods', '-A', '--field-selector=spec.nodeName=sandbox-stock-1', '-o', 'name');
    expect(left).toBe('pod/kube-proxy-sandbox-stock-1\n');
    expect(await kubectl('get', 'nodes')).toContain('Ready,SchedulingDisabled');
    await kubectl('uncordon', 'sandbox-stock-1');
    await kubectl('delete', 'deployment', 'moves');
  });

  test('config maps, secrets, accounts, roles and what they allow', async () => {
    await kubectl('create', 'configmap', 'settings', '--from-literal=colour=green');
    await kubectl('create', 'secret', 'generic', 'key', '--from-literal=word=sesame');
    expect(await kubectl('get', 'configmap', 'settings', '-o', 'jsonpath={.data.colour}')).toBe('green');
    expect(await kubectl('get', 'secret', 'key', '-o', 'jsonpath={.data.word}')).toBe(
      Buffer.from('sesame').toString('base64'),
    );
    await kubectl('create', 'serviceaccount', 'viewer');
    await kubectl('create', 'rolebinding', 'viewer', '--clusterrole=view', '--serviceaccount=default:viewer');
    await kubectl('create', 'role', 'scaler', '--verb=get,patch', '--resource=deployments.apps/scale');
    const viewer = '--as=system:serviceaccount:default:viewer';
    expect(await kubectl('auth', 'can-i', 'list', 'pods', viewer)).toContain('yes');
    const cannot = (await refused('get', 'secret', 'key', viewer)).trim();
    expect(cannot).toContain('cannot get resource "secrets" in API group "" in the namespace "default"');
    expect(await refused('create', 'namespace', 'mine', viewer)).toContain('Forbidden');
    expect(await kubectl('get', 'role', 'scaler', '-o', 'jsonpath={.rules[0].resources[0]}')).toBe('deployments/scale');
  });

  test('a dry run on the server changes nothing', async () => {
    const text = await kubectl(
      'create',
      'deployment',
      'ghost',
      '--image=nginx:1',
      '--dry-run=server',
      '-o',
      'jsonpath={.metadata.uid}',
    );
    expect(text).toMatch(/^[0-9a-f-]{36}$/);
    expect(await refused('get', 'deployment', 'ghost')).toContain('not found');
  });

  test('mistakes get the words of a real API server', async () => {
    expect(await refused('get', 'pod', 'nobody')).toContain('pods "nobody" not found');
    expect(await refused('create', 'deployment', 'Bad_Name', '--image=nginx')).toContain('is invalid');
    expect(await refused('create', 'configmap', 'settings')).toContain('already exists');
    expect(await refused('-n', 'nowhere', 'create', 'configmap', 'x')).toContain('namespaces "nowhere" not found');
  });
});
