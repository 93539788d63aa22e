import { execFile } from 'node:child_process';
import { existsSync, realpathSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryDirectory, until } from '../sandbox/sandbox.ts';
import { at, type BothCluster, itemsOf, SERVERS } from './both.ts';

/** Every kubectl on the PATH, and those that KUBECTL names: releases of several ages behave differently. */
function findKubectls(): string[] {
  const named = (process.env.KUBECTL ?? '').split(delimiter).filter((path) => path !== '');
  const folders = ['/usr/bin', '/usr/local/bin', ...(process.env.PATH ?? '').split(delimiter)];
  const found = new Map<string, string>();
  for (const path of [...folders.map((folder) => join(folder, 'kubectl')), ...named]) {
    if (existsSync(path) && !found.has(realpathSync(path))) found.set(realpathSync(path), path);
  }
  return [...found.values()];
}

const kubectls = findKubectls();
if (kubectls.length === 0) console.log('skipped: no kubectl on the PATH and none named by KUBECTL');
const PAIRS = SERVERS.flatMap((server) => kubectls.map((program) => ({ ...server, program })));

function manifest(image: string, replicas: number): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "${image}", ports: [{containerPort: 80}], env: [{name: COLOUR, value: green}]}
      - {name: side, image: "busybox:1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
`;
}

describe.each(PAIRS)('$program on $name', ({ skipped, open, program }) => {
  describe.skipIf(skipped !== null)('the daily work', () => {
    const home = temporaryDirectory();
    let cluster: BothCluster;
    let namespace: string;

    beforeAll(async () => {
      cluster = await open();
      namespace = await cluster.namespace();
      writeFileSync(join(home.path, 'kubeconfig'), cluster.kubeconfig, { mode: 0o600 });
    }, 120_000);

    afterAll(async () => {
      await cluster?.close();
      home.remove();
    });

    /** Runs kubectl in the namespace; what it says on both channels, and its code. */
    function kubectl(...args: string[]): Promise<{ code: number; out: string; err: string }> {
      const whole = [
        '--kubeconfig',
        join(home.path, 'kubeconfig'),
        '--cache-dir',
        join(home.path, 'cache'),
        '-n',
        namespace,
      ];
      return new Promise((resolve) => {
        execFile(
          program,
          [...whole, ...args],
          { env: { PATH: process.env.PATH ?? '', HOME: home.path } },
          (error, out, err) => {
            resolve({ code: error === null ? 0 : Number(error.code ?? 1), out: String(out), err: String(err) });
          },
        );
      });
    }

    async function ok(...args: string[]): Promise<string> {
      const { code, out, err } = await kubectl(...args);
      if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${err}${out}`);
      return out;
    }

    function file(name: string, text: string): string {
      const path = join(home.path, name);
      writeFileSync(path, text);
      return path;
    }

    test('apply, diff, dry run, rollout, history and undo', async () => {
      const first = file('first.yaml', manifest('nginx:1', 2));
      expect(await ok('apply', '-f', first)).toContain('deployment.apps/web created');
      expect(await ok('apply', '-f', first)).toContain('deployment.apps/web unchanged');
      await ok('rollout', 'status', 'deployment/web', '--timeout=60s');
      const second = file('second.yaml', manifest('nginx:2', 3));
      const diff = await kubectl('diff', '-f', second);
      expect([diff.code, diff.out]).toEqual([1, expect.stringMatching(/-.*nginx:1[\s\S]*\+.*nginx:2/)]);
      expect((await kubectl('diff', '-f', first)).code).toBe(0);
      expect(await ok('apply', '--dry-run=server', '-f', second)).toContain('configured (server dry run)');
      expect(await ok('get', 'deployment', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('2');
      await ok('apply', '-f', second);
      await ok('rollout', 'status', 'deployment/web', '--timeout=60s');
      expect(await ok('rollout', 'history', 'deployment/web')).toMatch(/1\s+<none>\s+2\s+<none>/);
      await ok('rollout', 'undo', 'deployment/web');
      await ok('rollout', 'status', 'deployment/web', '--timeout=60s');
      const image = 'jsonpath={.spec.template.spec.containers[0].image}';
      expect(await ok('get', 'deployment', 'web', '-o', image)).toBe('nginx:1');
      expect(await ok('get', 'all')).toMatch(/service\/web[\s\S]*deployment.apps\/web[\s\S]*replicaset.apps\/web-/);
    });

    test('conflicts of server-side apply, and force', async () => {
      const map = (value: string): string =>
        file(
          'map.yaml',
          `apiVersion: v1
kind: ConfigMap
metadata: {name: owned}
data: {a: "${value}"}
`,
        );
      await ok('apply', '--server-side', '--field-manager=first', '-f', map('1'));
      const refused = await kubectl('apply', '--server-side', '--field-manager=second', '-f', map('2'));
      expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('conflict with "first"')]);
      await ok('apply', '--server-side', '--field-manager=second', '--force-conflicts', '-f', map('2'));
      expect(await ok('get', 'configmap', 'owned', '-o', 'jsonpath={.data.a}')).toBe('2');
    });

    test('three kinds of patches, labels, scale and logs', async () => {
      const strategic = { spec: { template: { spec: { containers: [{ name: 'side', image: 'busybox:2' }] } } } };
      await ok('patch', 'deployment', 'web', '-p', JSON.stringify(strategic));
      await ok('patch', 'deployment', 'web', '--type=merge', '-p', '{"metadata":{"annotations":{"note":"x"}}}');
      await ok(
        'patch',
        'deployment',
        'web',
        '--type=json',
        '-p',
        '[{"op":"remove","path":"/metadata/annotations/note"}]',
      );
      const images = 'jsonpath={.spec.template.spec.containers[*].image}';
      expect(await ok('get', 'deployment', 'web', '-o', images)).toBe('nginx:1 busybox:2');
      await ok('label', 'deployment', 'web', 'tier=front');
      await ok('scale', 'deployment', 'web', '--replicas=1');
      await ok('rollout', 'status', 'deployment/web', '--timeout=60s');
      await until('one pod', async () => {
        const pods = await cluster.call('GET', `/api/v1/namespaces/${namespace}/pods?labelSelector=app%3Dweb`);
        return itemsOf(pods).length === 1 ? true : undefined;
      });
      if ((await kubectl('logs', 'deployment/web', '-c', 'web')).code === 0) {
        expect(await ok('logs', 'deployment/web', '-c', 'web', '--tail=1')).toMatch(/\S/);
      }
    });

    test('drain heeds budgets and tells what stands in its way; uncordon', async () => {
      await ok('scale', 'deployment', 'web', '--replicas=1');
      const budget = 'apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\n';
      const spec = 'spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}\n';
      await ok('apply', '-f', file('budget.yaml', `${budget}${spec}`));
      const pods = await cluster.call('GET', `/api/v1/namespaces/${namespace}/pods?labelSelector=app%3Dweb`);
      const node = String(at(itemsOf(pods)[0], 'spec.nodeName'));
      const drain = ['drain', node, '--ignore-daemonsets', '--pod-selector=app=web'];
      const stuck = await kubectl(...drain, '--timeout=3s');
      expect([stuck.code, stuck.err]).toEqual([1, expect.stringContaining("violate the pod's disruption budget")]);
      await ok('delete', 'poddisruptionbudget', 'web');
      expect(await ok(...drain, '--timeout=60s')).toContain('evicted');
      expect(await ok('get', 'node', node)).toContain('SchedulingDisabled');
      await ok('uncordon', node);
    });

    test('typos and unknown kinds are refused', async () => {
      const typo = file('typo.yaml', manifest('nginx:1', 1).replace('replicas:', 'replica:').replaceAll('web', 'typo'));
      const refused = await kubectl('apply', '--validate=true', '-f', typo);
      // kubectl before 1.25 looks for typos itself, with the schemas that only a real API server hands out.
      if (refused.code !== 0) expect(refused.err).toMatch(/unknown field "?(spec\.)?replica"?/);
      const unknown = file('unknown.yaml', 'apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: x}\n');
      expect((await kubectl('apply', '-f', unknown)).err).toMatch(/no matches for kind "Nothing"/);
    });
  });
});
