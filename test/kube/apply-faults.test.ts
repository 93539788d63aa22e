/** Applying an app while its cluster's API answers as it should not: what is said, what is done by then, and that it goes on from there. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { asFault, type Fault } from '../../src/core/errors.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import type { Work } from '../../src/core/ports/work.ts';
import { openKube } from '../../src/kube/index.ts';
import { type CountingProxy, type ProxiedRequest, startHttpProxy, type Verdict } from '../proxy.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';
import { startSandboxCluster, type TestCluster } from './sandbox-cluster.ts';

let cluster: TestCluster;
let proxy: CountingProxy;
let kube: Kube;
let kubeconfig = '';
/** What becomes of a request; undefined lets it through. */
let fault: ((request: ProxiedRequest) => Verdict | Promise<Verdict>) | null = null;

beforeAll(async () => {
  cluster = await startSandboxCluster();
  const config = parse(cluster.kubeconfig) as {
    clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
  };
  const [at] = config.clusters;
  if (!at) throw new Error('the kubeconfig has no cluster');
  const to = new URL(at.cluster.server);
  const targetCa = Buffer.from(at.cluster['certificate-authority-data'], 'base64').toString();
  proxy = await startHttpProxy(to.origin, { targetCa, before: (request) => fault?.(request) });
  at.cluster.server = `${proxy.url}${to.pathname}`;
  at.cluster['certificate-authority-data'] = Buffer.from(proxy.ca).toString('base64');
  kubeconfig = stringify(config);
  kube = openKube({ log: keepingLog(), clock: realClock });
}, 60_000);
afterEach(() => {
  fault = null;
});
afterAll(async () => {
  await kube.close();
  await proxy.close();
  await cluster.close();
});

const call = (ms = 10_000) => ({ signal: new AbortController().signal, deadline: Date.now() + ms });
const maps = (app: string, amount = 5) =>
  Array.from({ length: amount }, (_, at) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${app}-${at}}\n`).join(
    '---\n',
  );
/** An object is applied in earnest. */
const applies = ({ method, path }: ProxiedRequest, name: RegExp) =>
  method === 'PATCH' && !path.includes('dryRun') && name.test(path);

async function workOf(app: string, text = maps(app)): Promise<Omit<Work, 'progress'>> {
  const { bulk } = await kube.bundle(kubeconfig, { name: app, namespace: 'default' }, { from: 'text', text }, call());
  return { op: 'app.deploy', bulk, input: { app, namespace: 'default', by: 'Ada', asked: app, source: 'manifests' } };
}

/** Runs steps until the work is done or a step fails; the progress is that of the last step that was saved. */
async function run(work: Omit<Work, 'progress'>, from: Record<string, unknown> = {}, ms = 10_000) {
  let progress = from;
  const notes: string[] = [];
  for (let steps = 0; steps < 60; steps += 1) {
    try {
      const step = await kube.work(kubeconfig, { ...work, progress }, call(ms));
      notes.push(step.note);
      if (step.state === 'done') return { progress, notes, failed: null };
      progress = step.progress;
      if (step.state === 'wait') await new Promise((resolve) => setTimeout(resolve, 50));
    } catch (thrown) {
      return { progress, notes, failed: asFault(thrown) as Fault };
    }
  }
  throw new Error(`not done: ${notes.join(' ')}`);
}

const isThere = async (name: string) =>
  (await cluster.api('GET', `/api/v1/namespaces/default/configmaps/${name}`)).status === 200;
const status = (code: number, message: string, headers: Record<string, string> = {}): Verdict => ({
  status: code,
  headers,
  body: JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code }),
});

describe('in the middle of applying', () => {
  test.each<[string, Verdict, Partial<Fault>, RegExp]>([
    [
      '401',
      status(401, 'Unauthorized'),
      { kind: 'not-allowed', retryable: false },
      /does not accept KQueen's credentials/,
    ],
    [
      '403',
      status(403, 'configmaps "x" is forbidden: User "kq" cannot patch resource "configmaps"'),
      { kind: 'not-allowed', retryable: false },
      /does not allow this to KQueen.*cannot patch resource/,
    ],
    [
      '409',
      status(409, 'Operation cannot be fulfilled on configmaps "x": the object has been modified'),
      { kind: 'conflict', retryable: true },
      /something else is in the way.*has been modified/,
    ],
    [
      '429',
      status(429, 'too many requests', { 'retry-after': '7' }),
      { kind: 'rate-limited', retryable: true, retryAfterMs: 7_000 },
      /asks KQueen to slow down/,
    ],
    [
      '500',
      status(500, 'etcdserver: leader changed'),
      { kind: 'unreachable', retryable: true },
      /HTTP 500.*leader changed/,
    ],
    ['503 of a proxy', { status: 503, body: '<html>no backend</html>' }, { kind: 'unreachable' }, /HTTP 503/],
    [
      'a vanished cluster',
      'cut',
      { kind: 'unreachable', retryable: true },
      /cannot be reached: it closed the connection/,
    ],
  ])(
    '%s: how far it came is kept, the words are clear, and it goes on from there',
    async (name, verdict, wanted, words) => {
      const app = `f-${name.replace(/\W+/g, '-')}`;
      const work = await workOf(app);
      fault = (request) => (applies(request, new RegExp(`/${app}-3\\?`)) ? verdict : undefined);
      const stopped = await run(work);
      expect(stopped.failed).toMatchObject(wanted);
      expect(stopped.failed?.message).toMatch(words);
      expect(stopped.notes.at(-1)).toBe('3 of 5 objects applied.');
      expect(await Promise.all([0, 1, 2, 3, 4].map((at) => isThere(`${app}-${at}`)))).toEqual([
        true,
        true,
        true,
        false,
        false,
      ]);
      // What stood in the way is gone: nothing that was done is done again.
      const again: string[] = [];
      fault = (request) => {
        if (applies(request, new RegExp(`/${app}-\\d\\?`))) again.push(request.path.replace(/^.*\/|\?.*$/g, ''));
        return undefined;
      };
      const finished = await run(work, stopped.progress);
      expect(finished.failed).toBeNull();
      expect(again).toEqual([`${app}-3`, `${app}-4`]);
      expect(await isThere(`${app}-4`)).toBe(true);
    },
  );

  test('a server that hangs costs its deadline and no more, and the answer that was lost is no harm', async () => {
    const work = await workOf('f-hang');
    let held = true;
    fault = (request) => (held && applies(request, /\/f-hang-2\?/) ? new Promise(() => undefined) : undefined);
    const began = performance.now();
    const stopped = await run(work, {}, 1_500);
    expect(performance.now() - began).toBeLessThan(6_000);
    expect(stopped.failed).toMatchObject({ kind: 'unreachable', retryable: true, outcomeUnknown: true });
    expect(stopped.failed?.message).toMatch(/did not answer in time/);
    held = false;
    expect((await run(work, stopped.progress)).failed).toBeNull();
    expect(await isThere('f-hang-4')).toBe(true);
  });

  test('a webhook that rejects ends it with its words and with how much was applied; the revision is marked failed', async () => {
    const work = await workOf('f-hook');
    const said = 'admission webhook "policy.example.com" denied the request: no image tag';
    fault = (request) => (applies(request, /\/f-hook-2\?/) ? status(400, said) : undefined);
    const stopped = await run(work);
    expect(stopped.failed).toMatchObject({ retryable: false });
    expect(stopped.failed?.message).toMatch(
      /refuses ConfigMap default\/f-hook-2: .*no image tag.* 2 of 5 objects were applied before/,
    );
    const kept = await cluster.api('GET', '/api/v1/namespaces/kqueen/secrets/kqueen-app-f-hook-1');
    expect(kept.body).toMatchObject({ metadata: { labels: { 'kqueen/state': 'failed' } } });
  });

  test('a quota that is used up ends it with what to do', async () => {
    const work = await workOf('f-quota');
    const said =
      'configmaps "f-quota-1" is forbidden: exceeded quota: few, requested: count/configmaps=1, used: 9, limited: 9';
    fault = (request) => (applies(request, /\/f-quota-1\?/) ? status(403, said) : undefined);
    const { failed } = await run(work);
    expect(failed?.message).toMatch(
      /quota of the cluster refuses.*exceeded quota: few.*1 of 5 objects were applied before/,
    );
    expect(failed?.next).toMatch(/have the quota raised/);
  });
});

describe('at the plan', () => {
  test.each<[string, Verdict, RegExp]>([
    ['401', status(401, 'Unauthorized'), /not-allowed .*does not accept KQueen's credentials.*cluster check/],
    [
      '403',
      status(403, 'namespaces is forbidden: User "kq" cannot get resource "namespaces"'),
      /not-allowed .*cannot get resource/,
    ],
    ['429', status(429, 'slow down'), /rate-limited .*tries again by itself/],
    ['500', status(500, 'boom'), /unreachable .*HTTP 500.*boom/],
    [
      'a login page',
      { status: 200, body: '<html>Sign in</html>', headers: { 'content-type': 'text/html' } },
      /web page instead of the Kubernetes API/,
    ],
    ['a cut', 'cut', /unreachable .*closed the connection/],
  ])('%s is said, and nothing is made', async (name, verdict, words) => {
    const app = `p-${name.replace(/\W+/g, '-')}`;
    const work = await workOf(app);
    fault = () => verdict;
    const found = asFault(await kube.plan(kubeconfig, work, call(3_000)).catch((thrown: unknown) => thrown));
    expect(`${found.kind} ${found.message} ${found.next ?? ''}`).toMatch(words);
    expect(await isThere(`${app}-0`)).toBe(false);
  });
});
