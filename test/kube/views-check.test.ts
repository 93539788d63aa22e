import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Part } from '../../src/core/card.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Looked } from '../../src/core/ports/work.ts';
import { openKube } from '../../src/kube/index.ts';
import { writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { callFor, realClock } from '../engines/calls.ts';
import { json, type ScriptedServer, startScriptedServer } from '../engines/scripted-server.ts';
import { eventually } from '../servers.ts';
import { deployment, startSandboxCluster, type TestCluster } from './sandbox-cluster.ts';

/** The lines of what is found, in order, below their caption. */
function findings({ parts }: Looked, caption = 'Not as it should be, worst first'): string[] {
  const part = parts.find(
    (each): each is Extract<Part, { part: 'rows' }> => each.part === 'rows' && each.caption === caption,
  );
  return part?.rows.map(({ text }) => text) ?? [];
}
/** What is worth knowing, without the certificates of the test, which live for an hour only. */
const lasting = (looked: Looked) =>
  findings(looked, 'Worth knowing').filter((each) => !each.includes('of the API server*'));
const buttons = ({ parts }: Looked) =>
  parts.flatMap((part) => (part.part === 'rows' ? part.rows : [])).flatMap((row) => row.buttons ?? []);

let kube: Kube;
beforeAll(() => {
  kube = openKube({ log: silentLog, clock: realClock });
});
afterAll(() => kube.close());

describe('a cluster of the sandbox', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startSandboxCluster(2);
    const make = (body: unknown) => cluster.api('POST', '/apis/apps/v1/namespaces/default/deployments', body);
    await make(deployment('web', 'nginx:1.29', 2));
    await make(deployment('broken', 'x/crash:1', 2));
    await make(deployment('imageless', 'x/badimage:1'));
    const large = deployment('large', 'nginx:1.29') as {
      spec: { template: { spec: { containers: { resources: unknown }[] } } };
    };
    for (const each of large.spec.template.spec.containers) each.resources = { requests: { cpu: '64' } };
    await make(large);
    await cluster.api('POST', '/apis/batch/v1/namespaces/default/jobs', {
      metadata: { name: 'import' },
      spec: {
        backoffLimit: 0,
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'x/failjob:1' }] } },
      },
    });
  });
  afterAll(() => cluster.close());
  const look = (args: Record<string, string> = {}) =>
    kube.look(cluster.kubeconfig, 'check', { cluster: 'dev-1', ...args }, callFor());

  it('seeds 51: worst first: crash loops with their last lines, images, jobs, what the scheduler says, each once', async () => {
    const looked = await eventually('all of it is seen', async () => {
      const seen = await look({ logs: 'yes' });
      const found = findings(seen);
      if (found.length !== 4 || !found[0]?.includes('CrashLoopBackOff')) throw new Error(JSON.stringify(found));
      return seen.parts.some(({ part }) => part === 'code') ? seen : null;
    });
    expect(findings(looked)).toEqual([
      expect.stringMatching(/^\*Deployment default\/broken\*: CrashLoopBackOff, \d+ restarts?, and 1 more like it$/),
      expect.stringMatching(/^\*Deployment default\/imageless\*: (ImagePullBackOff|ErrImagePull)/),
      expect.stringMatching(/^\*Job default\/import\*: failed: BackoffLimitExceeded/),
      expect.stringMatching(/^\*Deployment default\/large\*: Pending: 0\/2 nodes are available: .*Insufficient cpu/),
    ]);
    const [log] = looked.parts.filter((part) => part.part === 'code');
    expect(log?.text).toMatch(/FATAL: the configuration names no database/);
    expect(looked.text).toMatch(
      /^4 things in it are not as they should be, worst first: Deployment default\/broken: CrashLoopBackOff/,
    );
    expect(looked.bad).toBe(true);
    const commands = buttons(looked).map(({ command }) => command);
    expect(commands).toContain('app logs dev-1 broken namespace=default previous=true');
    expect(commands).toContain('node list dev-1');
    expect(JSON.stringify(looked.parts)).toMatch(/Live use is not known/);
  });

  it('who may not have access sees what crashes, and no log', async () => {
    const looked = await look();
    expect(findings(looked)[0]).toMatch(/broken/);
    expect(JSON.stringify(looked)).not.toMatch(/FATAL|app logs/);
  });
});

describe('an API server that says what the test wants', () => {
  let server: ScriptedServer;
  afterEach(() => server.close());

  type Answers = Record<string, unknown>;
  async function check(answers: Answers, args: Record<string, string> = {}, through = kube): Promise<Looked> {
    server = await startScriptedServer();
    const maps = { 'ca.crt': server.ca };
    const known: Answers = {
      '/version': { gitVersion: 'v1.35.1', major: '1', minor: '35' },
      '/api/v1/nodes': [node('n1')],
      '/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt': { kind: 'ConfigMap', apiVersion: 'v1', data: maps },
      ...answers,
    };
    server.answer((request, response) => {
      const path = request.path.split('?')[0] ?? '';
      const found = known[path];
      if (found === null)
        return json(response, 403, { kind: 'Status', apiVersion: 'v1', message: 'forbidden', code: 403 });
      if (found === undefined && /proxy|configmaps|metrics/.test(path))
        return json(response, 404, { kind: 'Status', apiVersion: 'v1', message: 'not found', code: 404 });
      const list = { kind: 'List', apiVersion: 'v1', metadata: {}, items: found ?? [] };
      json(response, 200, found === undefined || Array.isArray(found) ? list : found);
    });
    const kubeconfig = writeKubeconfig('x', 'me', { server: server.url, ca: server.ca, token: 'tok' });
    const all = { cluster: 'dev-1', server: server.url, upgrade: 'yes', scale: 'yes', logs: 'yes', ...args };
    return through.look(kubeconfig, 'check', all, { ...callFor(), deadline: Date.now() + 7_210_000 });
  }

  function node(name: string, more: { version?: string; conditions?: unknown[]; cpu?: string } = {}): unknown {
    const amounts = { cpu: more.cpu ?? '4', memory: '8Gi', pods: '110' };
    return {
      metadata: { name },
      status: {
        conditions: more.conditions ?? [{ type: 'Ready', status: 'True' }],
        nodeInfo: { kubeletVersion: more.version ?? 'v1.35.1' },
        capacity: amounts,
        allocatable: amounts,
      },
    };
  }

  it('is quiet where nothing is wrong, and says what it could not see', async () => {
    const looked = await check({
      '/version': { gitVersion: 'v9.9.9' },
      '/api/v1/nodes': [node('n1', { version: 'v9.9.9' })],
    });
    expect(looked.title).toBe('Nothing is wrong');
    // The certificates of the test live for an hour only.
    expect(looked.text).toMatch(
      /^Nothing that KQueen looks at is wrong now. Worth knowing: Authority of the API server ends on/,
    );
    expect(looked.bad).toBeUndefined();
    expect(findings(looked)).toEqual([]);
    const notes = looked.parts.flatMap((part) => (part.part === 'note' ? [part.text] : [])).join(' ');
    expect(notes).toMatch(/Not seen\. How full volumes are: the kubelets of 1 node of 1 did not answer\./);
    expect(notes).not.toMatch(/certificate/i);
  });

  it('versions behind their end, kubelets that are too old or newer than the API server', async () => {
    const looked = await check({
      '/version': { gitVersion: 'v1.31.4-gke.100' },
      '/api/v1/nodes': [
        node('fits', { version: 'v1.31.4' }),
        node('last', { version: 'v1.28.9' }),
        node('newer', { version: 'v1.32.0' }),
        node('older', { version: 'v1.27.3' }),
      ],
    });
    expect(findings(looked)).toEqual([
      '*Node newer*: its kubelet 1.32.0 is newer than the API server 1.31.4-gke.100, which Kubernetes does not support',
      '*Node older*: its kubelet 1.27.3 is 4 minor versions behind the API server 1.31.4-gke.100; 3 are the most',
    ]);
    expect(lasting(looked)).toEqual([
      expect.stringMatching(/^\*Node last\*: its kubelet 1.28.9 is 3 minor versions behind/),
      '*Version 1.31*: gets no more fixes from Kubernetes itself since 2025-10-28; providers may go on longer',
    ]);
    expect(buttons(looked)).toContainEqual({ label: 'Upgrade', command: 'cluster upgrade dev-1' });
  });

  it('nodes: not ready first, then pressure; nearly all given away and cordoned are worth knowing', async () => {
    const ready = { type: 'Ready', status: 'True' };
    const looked = await check({
      '/version': { gitVersion: 'v9.9.9' },
      '/api/v1/nodes': [
        node('a-full', { version: 'v9.9.9', conditions: [ready, { type: 'DiskPressure', status: 'True' }] }),
        node('b-dead', {
          version: 'v9.9.9',
          conditions: [{ type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' }],
        }),
      ],
      '/api/v1/pods': [
        {
          metadata: { name: 'p', namespace: 'a' },
          spec: { nodeName: 'a-full', containers: [{ name: 'c', resources: { requests: { cpu: '3700m' } } }] },
          status: { phase: 'Running' },
        },
      ],
    });
    expect(findings(looked)).toEqual([
      '*Node b-dead*: NOT ready: NodeStatusUnknown',
      '*Node a-full*: Ready: DiskPressure',
    ]);
    expect(lasting(looked)).toEqual(['*Nodes*: 93 % of their CPU is asked for, so little more fits']);
    expect(buttons(looked)).toContainEqual({ label: 'Scale', command: 'cluster scale dev-1' });
  });

  it('volumes that are nearly full, once for all pods that share them, and claims that wait with the reason', async () => {
    const volume = (name: string, used: number, inodes = 0) => ({
      ...{ name: 'v', capacityBytes: 1_000, usedBytes: used, inodes: 100, inodesUsed: inodes },
      pvcRef: { name, namespace: 'shop' },
    });
    const claim = (name: string, phase: string) => ({
      metadata: { name, namespace: 'shop', creationTimestamp: '2020-01-01T00:00:00Z' },
      spec: { storageClassName: 'fast', resources: { requests: { storage: '3Gi' } } },
      status: { phase },
    });
    const event = {
      type: 'Warning',
      reason: 'ProvisioningFailed',
      message: 'no such class',
      metadata: {},
      involvedObject: {},
    };
    const looked = await check({
      '/version': { gitVersion: 'v9.9.9' },
      '/api/v1/nodes': [node('n1', { version: 'v9.9.9' })],
      '/api/v1/nodes/n1/proxy/stats/summary': {
        kind: 'Summary',
        node: { fs: { capacityBytes: 100, usedBytes: 50 } },
        pods: [
          { volume: [volume('db', 990), volume('cache', 100)] },
          { volume: [volume('db', 990), volume('mail', 10, 90), { name: 'token', capacityBytes: 1, usedBytes: 1 }] },
        ],
      },
      '/api/v1/persistentvolumeclaims': [claim('db', 'Bound'), claim('late', 'Pending')],
      '/api/v1/namespaces/shop/events': [event],
    });
    expect(findings(looked)).toEqual([
      '*Volume claim shop/db*: 99 % of its 1000 B is used, and 1 more like it',
      '*Volume claim shop/late*: waits for 3Gi of class fast: ProvisioningFailed no such class',
    ]);
    expect(lasting(looked)).toEqual(['*Volume claim shop/mail*: 90 % of its files (inodes) are used']);
    const asked = server.seen.find(({ path }) => path.includes('/events'))?.path ?? '';
    expect(decodeURIComponent(asked)).toContain('involvedObject.kind=PersistentVolumeClaim,involvedObject.name=late');
  });

  it('claims whose volume could not be changed as it was asked for, and those that wait for a restart', async () => {
    const claim = (name: string, type: string, message = '') => ({
      metadata: { name, namespace: 'shop' },
      spec: { resources: { requests: { storage: '3Gi' } } },
      status: { phase: 'Bound', conditions: [{ type, status: 'True', message }] },
    });
    const looked = await check({
      '/version': { gitVersion: 'v9.9.9' },
      '/api/v1/nodes': [node('n1', { version: 'v9.9.9' })],
      '/api/v1/persistentvolumeclaims': [
        claim('full', 'ControllerResizeError', 'quota exceeded'),
        claim('late', 'FileSystemResizePending'),
        claim('busy', 'Resizing'),
      ],
    });
    expect(findings(looked)).toEqual(['*Volume claim shop/full*: its volume could not be made larger: quota exceeded']);
    expect(lasting(looked)).toEqual([
      '*Volume claim shop/late*: its volume is larger already, and its file system grows once its pod starts again',
    ]);
  });

  it('seeds 50: exact requests, limits, shares, pods of most and live use of each node, NotReady too, with their picture', async () => {
    const amounts = { cpu: '4000000000n', memory: '4294967296', pods: '1e2' };
    const of = (name: string, ready: boolean) => ({
      metadata: { name },
      status: {
        conditions: [
          { type: 'Ready', status: ready ? 'True' : 'False', reason: ready ? 'KubeletReady' : 'KubeletNotReady' },
        ],
        nodeInfo: { kubeletVersion: 'v9.9.9' },
        capacity: { ...amounts, memory: '1Ei' },
        allocatable: amounts,
      },
    });
    const pod = (name: string, resources: unknown) => ({
      metadata: { name, namespace: 'a' },
      spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i', resources }] },
      status: { phase: 'Running' },
    });
    const answers = {
      '/version': { gitVersion: 'v9.9.9' },
      '/api/v1/nodes': [of('n1', true), of('n2', false)],
      '/api/v1/pods': [
        pod('a', { requests: { cpu: '100m', memory: '1Gi' }, limits: { cpu: '1', memory: '2Gi' } }),
        pod('b', { requests: { cpu: '900000u', memory: '1048576k' } }),
      ],
    };
    const use = { metadata: { name: 'n1' }, usage: { cpu: '250000000n', memory: '524288Ki' } };
    const live = await check({ ...answers, '/apis/metrics.k8s.io/v1beta1/nodes': [use] });
    const tableOf = ({ parts }: Looked) => parts.flatMap((part) => (part.part === 'table' ? part.rows : []));
    expect(tableOf(live)).toEqual([
      ['n2', 'NOT ready: KubeletNotReady', '0 of 4 (0 %)', '0 B of 4 GiB (0 %)', '0 of 100', '0, 0 B', 'not measured'],
      ['n1', 'Ready', '1 of 4 (25 %)', '2 GiB of 4 GiB (49 %)', '2 of 100', '1, 2 GiB', '250m, 512 MiB'],
    ]);
    expect(JSON.stringify(live.parts)).toMatch(/Live use by metrics\.k8s\.io/);
    expect(findings(live)[0]).toBe('*Node n2*: NOT ready: KubeletNotReady');
    const pictureOf = ({ parts }: Looked) => parts.flatMap((part) => (part.part === 'picture' ? [part.picture] : []));
    expect(pictureOf(live)).toMatchObject([
      {
        ...{ kind: 'use', title: 'Live use of the nodes', alt: 'Live use of the nodes: n1 CPU 6 %, memory 13 %.' },
        rows: [
          { label: 'n1: CPU', values: [6.3], note: '250m of 4 cores' },
          { label: 'n1: memory', values: [12.5], note: '512 MiB of 4 GiB' },
        ],
      },
    ]);
    await server.close();
    const asked = await check(answers);
    expect(tableOf(asked)[1]).toHaveLength(6);
    expect(JSON.stringify(asked.parts)).toMatch(/Live use is not known: this cluster has no metrics server/);
    expect(pictureOf(asked)[0]).toMatchObject({ title: 'Requests on the nodes' });
  });

  it('what KQueen may not read is said, and the rest is looked at', async () => {
    const looked = await check({ '/apis/batch/v1/jobs': null, '/api/v1/nodes/n1/proxy/stats/summary': null });
    const notes = looked.parts.flatMap((part) => (part.part === 'note' ? [part.text] : [])).join(' ');
    expect(notes).toMatch(/Jobs: KQueen may not read them\./);
    expect(notes).toMatch(/How full volumes are: KQueen may not ask the kubelets\./);
  });

  it('certificates: those that end soon are worth knowing, one that has ended is worst of all', async () => {
    const day = new Date(Date.now() + 30 * 60_000).toISOString().slice(0, 10);
    const soon = await check({});
    expect(findings(soon, 'Worth knowing')).toEqual([
      `*Authority of the API server*: ends on ${day}: renew it before then`,
      `*Certificate of the API server*: ends on ${day}: renew it before then`,
    ]);
    const later = openKube({ log: silentLog, clock: { ...realClock, now: () => Date.now() + 7_200_000 } });
    try {
      const map = { kind: 'ConfigMap', apiVersion: 'v1', data: { 'client-ca-file': `${server.ca}\nno certificate` } };
      await server.close();
      const ended = await check(
        { '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication': map },
        {},
        later,
      );
      expect(findings(ended)).toContain(`*Authority of client certificates*: ended on ${day}`);
      expect(ended.text).toMatch(
        /^3 things in it are not as they should be, worst first: Authority of client certificates: ended/,
      );
    } finally {
      await later.close();
    }
  });

  it('a certificate of another authority than the cluster says is not taken for its own', async () => {
    const other = await startScriptedServer();
    try {
      const looked = await check({}, { server: other.url });
      expect(JSON.stringify(looked)).toMatch(/The certificate of the API server: it could not be read from here/);
      expect(other.seen).toEqual([]);
    } finally {
      await other.close();
    }
  });
});
