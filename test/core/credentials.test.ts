/** Kubeconfigs that expire are asked for and kept in memory; those that were rotated are fetched anew; and people can use their own accounts. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterKubeconfig, kubeconfigSecret, renewKubeconfig } from '../../src/core/connect.ts';
import { Fault } from '../../src/core/errors.ts';
import type { Engine, SignIn } from '../../src/core/ports/engine.ts';
import type { Cluster } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { createHealthSweep } from '../../src/jobs/health-sweep.ts';
import { readKubeconfig, writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { callFor } from '../engines/calls.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog, sampleCluster } from '../store/parts.ts';
import { clusterChanges, direct, openStage, org, people, type Stage, words } from './stage.ts';

const lifeMs = 600_000;
const external = 'paid-1';
const mark = { 'kqueen-cluster': 'c1', 'kqueen-org': org };

let provider: SandboxProvider;
let stage: Stage;
/** What the provider's kubeconfig is now. */
let given = '';
/** What stands between KQueen and the provider's answer, and how often it was asked. */
let asked = 0;
let before: () => Promise<void>;
let way: SignIn | null;

/** The sandbox as a provider whose kubeconfigs end after a while, or, without `expires`, as it is. */
function engineLike(expires: boolean): Engine {
  return {
    ...sandbox,
    ...(expires ? { kubeconfigMs: lifeMs } : {}),
    async connect(params) {
      const client = await sandbox.connect(params);
      return {
        ...client,
        async kubeconfig(target, call) {
          asked += 1;
          await before();
          return client.kubeconfig(target, call);
        },
        signIn: async () => way,
      };
    },
  };
}

beforeAll(async () => {
  provider = await startSandboxProvider(400);
  const body = { name: external, region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 1, labels: mark };
  await provider.ask('POST', '/v1/clusters', body);
  given = await eventually(
    'it gives a kubeconfig',
    async () => String(await provider.ask('GET', `/v1/clusters/${external}/kubeconfig`).catch(() => '')),
    { timeoutMs: 20_000 },
  );
});
afterAll(() => provider.stop());

async function open(expires: boolean, change: Partial<Cluster> = {}): Promise<Cluster> {
  const engines = openEngines({ engines: [engineLike(expires)], log: keepingLog(), clock: realClock });
  stage = await openStage({ provider, parts: { engines } });
  const at = stage.opened.cache.query('provisioner', org).items[0];
  const cluster = sampleCluster('c1', {
    ...{ name: 'dev-1', externalName: external, owner: people.dev.id, ownerName: 'Dev', provisioner: at?.id ?? '' },
    ...change,
  });
  await stage.put(...clusterChanges(cluster));
  return cluster;
}

beforeEach(() => {
  asked = 0;
  way = null;
  before = async () => undefined;
});
afterEach(async () => {
  await (stage.parts.engines as ReturnType<typeof openEngines>).close();
  await stage.close();
});

const at = (now: number, signal?: AbortSignal) => ({ now, call: callFor(10_000, signal) });

describe('a kubeconfig that expires', () => {
  test('is asked for once however many want it, and again when four fifths of its life are over', async () => {
    const cluster = await open(true);
    const { parts } = stage;
    const all = await Promise.all(Array.from({ length: 20 }, () => clusterKubeconfig(parts, cluster, at(1_000))));
    expect(new Set(all)).toEqual(new Set([given]));
    await clusterKubeconfig(parts, cluster, at(1_000 + lifeMs * 0.79));
    expect(asked).toBe(1);
    await clusterKubeconfig(parts, cluster, at(1_000 + lifeMs * 0.81));
    expect(asked).toBe(2);
  });

  test('is stored nowhere, and works for looking and for access', async () => {
    const token = readKubeconfig(given).token ?? '';
    const cluster = await open(true, { kubeconfig: false });
    expect((await stage.say('dev', 'cluster check dev-1')).card?.title).toMatch(/^Cluster dev-1 is (healthy|degraded)/);
    expect((await stage.say('dev', 'cluster access dev-1')).card?.title).toBe('Access to dev-1');
    expect(asked).toBe(1);
    expect(await stage.opened.store.get(kubeconfigSecret(org, cluster.id))).toBeUndefined();
    expect(stage.onDisk(token)).toBe(false);
    expect(JSON.stringify(stage.log.lines)).not.toContain(token);
    const { store, cache, sealer } = stage.opened;
    const { engines, kube, clock } = stage.parts;
    const sweep = createHealthSweep({ store, cache, sealer, engines, kube, clock, log: stage.log, random: () => 0 });
    await sweep.sweep(new AbortController().signal);
    expect((await store.get({ kind: 'health', org, id: 'c1' }))?.record.verdict).toMatch(/Healthy|Degraded/);
    expect(asked).toBe(1);
  });

  test('that could not be had is asked for again, and whoever gives up first spoils it for nobody', async () => {
    const cluster = await open(true);
    before = async () => {
      throw new Fault('unreachable', 'Refused.');
    };
    await expect(clusterKubeconfig(stage.parts, cluster, at(1_000))).rejects.toThrow('Refused.');
    const impatient = new AbortController();
    let go = () => {};
    before = () =>
      new Promise((resolve, reject) => {
        go = resolve;
        impatient.signal.addEventListener('abort', () => reject(new Fault('unreachable', 'Given up.')), { once: true });
      });
    const first = clusterKubeconfig(stage.parts, cluster, at(1_000, impatient.signal)).catch(() => 'given up');
    const others = [1, 2, 3].map(() => clusterKubeconfig(stage.parts, cluster, at(1_000)));
    await eventually('it is asked', () => asked === 2);
    before = async () => undefined;
    impatient.abort();
    go();
    expect(await first).toBe('given up');
    expect(new Set(await Promise.all(others))).toEqual(new Set([given]));
    expect(asked).toBe(3);
  });
});

describe('a kubeconfig that was rotated at the provider', () => {
  const stale = () => writeKubeconfig('x', 'u', { ...readKubeconfig(given), token: 'a-token-of-yesterday' });

  async function keep(text: string): Promise<void> {
    const ref = kubeconfigSecret(org, 'c1');
    const sealed = stage.opened.sealer.seal(ref, text);
    await stage.put({ op: 'put', ref, record: { v: 1, id: ref.id, org, sealed } });
  }

  async function kept(): Promise<string> {
    const ref = kubeconfigSecret(org, 'c1');
    const found = await stage.opened.store.get(ref);
    return found ? stage.opened.sealer.open(ref, found.record.sealed) : '';
  }

  // R8: a kubeconfig was kept for ever, and a rotated certificate never noticed.
  test('R8 is fetched anew and kept, when somebody looks', async () => {
    await open(false, { kubeconfig: true });
    await keep(stale());
    expect((await stage.say('dev', 'cluster check dev-1')).card?.title).toMatch(/^Cluster dev-1 is (healthy|degraded)/);
    expect(await kept()).toBe(given);
    expect(asked).toBe(1);
  });

  test('R8 is fetched anew by the sweep, and not again and again when that does not help', async () => {
    await open(false, { kubeconfig: true });
    await keep(stale());
    const { store, cache, sealer } = stage.opened;
    const { engines, kube, clock } = stage.parts;
    const { sweep } = createHealthSweep({
      store,
      cache,
      sealer,
      engines,
      kube,
      clock,
      log: stage.log,
      random: () => 0,
    });
    const on = new AbortController().signal;
    before = async () => {
      throw new Fault('unreachable', 'Refused.');
    };
    await sweep(on);
    await sweep(on);
    expect(asked).toBe(1);
    expect((await store.get({ kind: 'health', org, id: 'c1' }))?.record.verdict).not.toBe('Healthy');
    before = async () => undefined;
    // Another worker, that has not asked yet.
    const next = createHealthSweep({ store, cache, sealer, engines, kube, clock, log: stage.log, random: () => 0 });
    await next.sweep(on);
    expect(await kept()).toBe(given);
    expect((await store.get({ kind: 'health', org, id: 'c1' }))?.record.verdict).toMatch(/Healthy|Degraded/);
  });

  test('is not given back to a cluster that was deleted meanwhile', async () => {
    const cluster = await open(false, { kubeconfig: true });
    await keep(stale());
    before = async () =>
      stage.put(
        { op: 'delete', ref: { kind: 'cluster', org, id: 'c1' } },
        { op: 'delete', ref: kubeconfigSecret(org, 'c1') },
      );
    await renewKubeconfig(stage.parts, cluster, stale(), at(1_000));
    expect(await kept()).toBe('');
  });

  test('the same again is no news', async () => {
    const cluster = await open(false, { kubeconfig: true });
    await keep(given);
    expect(await renewKubeconfig(stage.parts, cluster, given, at(1_000))).toBeNull();
  });
});

describe("people's own accounts at the provider", () => {
  const own: SignIn = {
    kubeconfig: 'apiVersion: v1\nkind: Config\nusers: [{name: me, user: {exec: {command: provider-login}}}]\n',
    needs: 'Install provider-login and have the role Viewer.',
  };

  test('are offered where there are any, and the kubeconfig for them holds no secret', async () => {
    await open(true);
    way = own;
    const answer = await stage.say('dev', 'cluster access dev-1', { private: true, place: direct });
    expect(answer.card?.buttons.map(({ label }) => label)).toContain('Use my own account there');
    const other = await stage.press('dev', answer, 'Use my own account', { private: true, place: direct });
    expect(words(other)).toMatch(/holds no secret.*Install provider-login/);
    expect(stage.handed.at(-1)?.files).toMatchObject([{ name: 'dev-1-own.kubeconfig', content: own.kubeconfig }]);
    // Teams takes no files: there it is shown, since it is no secret.
    const teams = { chat: 'teams', workspace: 'T', conversation: 'D' } as const;
    const shown = await stage.say('dev', 'cluster access dev-1 how=provider', { place: teams, private: true });
    expect(words(shown)).toContain('provider-login');
    expect((await stage.say('mel', 'cluster access dev-1 how=provider')).card?.title).toBe('Not allowed');
    const trail = (await stage.audit()).filter(({ action }) => action === 'cluster.access');
    expect(trail.filter(({ reason }) => reason?.startsWith('through the provider'))).toHaveLength(2);
  });

  test('are the way in to a cluster that KQueen only looks at', async () => {
    await open(true, { readOnly: true });
    way = own;
    expect(words(await stage.say('dev', 'cluster access dev-1'))).toMatch(/read-only/);
    expect((await stage.say('dev', 'cluster access dev-1 how=provider')).card?.title).toBe('Sign in to dev-1');
  });

  test('where there are none, that is said with what there is instead', async () => {
    await open(true);
    const answer = await stage.say('dev', 'cluster access dev-1');
    expect(answer.card?.buttons).toEqual([]);
    expect(words(await stage.say('dev', 'cluster access dev-1 how=provider'))).toMatch(
      /no accounts for people.*cluster access dev-1: KQueen has the cluster issue a token/,
    );
  });
});
