/** How each kind of job begins, and what must be true of the records and of the provider after it. */

import { sameVersion } from '../../src/core/jobs/update-cluster.ts';
import {
  type Capabilities,
  type Engine,
  type EngineClient,
  gatewayMark,
  type NodePool,
  type Observation,
  type Target,
} from '../../src/core/ports/engine.ts';
import type { Store } from '../../src/core/ports/store.ts';
import type { Cluster, Job, JobKindName } from '../../src/core/records.ts';
import { callFor } from '../engines/calls.ts';
import { drive, runsOrFails } from '../engines/drive.ts';
import type { Harness } from '../engines/harness.ts';
import { eventually } from '../servers.ts';

export const org = 'default';
const patienceMs = 60_000;

/** One run: a cluster of its own at the provider, seen past the worker and its proxies. */
export interface Ground {
  harness: Harness;
  client: EngineClient;
  target: Target;
}

/** What a job begins with. */
interface Begin {
  job: Partial<Job>;
  cluster: Partial<Cluster>;
}

export interface Scenario {
  /** Without these there is no such job. */
  needs: (keyof Capabilities)[];
  /** Makes the provider ready and gives what is in the records. */
  prepare(ground: Ground): Promise<Begin>;
  /** Throws when the world is not as it must be after the job. */
  verify(ground: Ground, store: Store): Promise<void>;
}

export function must(holds: unknown, problem: string): asserts holds {
  if (!holds) throw new Error(problem);
}

const observe = ({ client, target }: Ground): Promise<Observation> => client.observe(target, callFor());

/** A cluster of KQueen's that runs. */
async function running({ client, target, harness }: Ground): Promise<Cluster['spec']> {
  const operation = await client.create(target, harness.spec, callFor());
  await eventually(
    'a cluster to begin with',
    async () => {
      const seen = await client.observe({ ...target, operation: operation.id }, callFor());
      runsOrFails(seen);
      return seen.state === 'running';
    },
    { timeoutMs: patienceMs, everyMs: 100 },
  );
  return harness.spec;
}

async function record(store: Store, { target }: Ground): Promise<Cluster> {
  const found = await store.get({ kind: 'cluster', org, id: target.cluster });
  must(found, 'the record is gone');
  must(found.record.openJob === undefined, 'the cluster is still held');
  return found.record;
}

async function works(store: Store, ground: Ground): Promise<Cluster> {
  const cluster = await record(store, ground);
  const { id, phase } = cluster;
  must(phase === 'Ready', `the cluster is ${phase}`);
  const expires = ground.harness.engine.kubeconfigMs !== undefined;
  const kept = await store.get({ kind: 'secret', org, id: `kubeconfig.${id}` });
  must((kept === undefined) === expires, expires ? 'a kubeconfig that expires is kept' : 'no kubeconfig');
  must(await store.get({ kind: 'health', org, id }), 'no health record');
  const seen = await observe(ground);
  must(seen.state === 'running' && seen.mine, `at the provider it is ${seen.state}`);
  return cluster;
}

async function madeOnce({ harness, target }: Ground): Promise<void> {
  const made = await harness.made(target.externalName);
  must(made === 1, `${made} creations at the provider`);
}

async function forgotten(store: Store, { target }: Ground): Promise<void> {
  const { cluster, externalName } = target;
  must((await store.get({ kind: 'cluster', org, id: cluster })) === undefined, 'the record is still there');
  must((await store.get({ kind: 'name', org, id: `cluster.${externalName}` })) === undefined, 'its name is not free');
  must((await store.get({ kind: 'secret', org, id: `kubeconfig.${cluster}` })) === undefined, 'its secret is kept');
}

/** A change of a cluster that runs, or that the way before has brought where it must be. */
function changing(
  kind: JobKindName,
  needs: keyof Capabilities,
  update: (harness: Harness) => NonNullable<Job['update']>,
  verify: (ground: Ground, cluster: Cluster) => Promise<void>,
  before?: (ground: Ground) => Promise<Partial<Cluster>>,
): Scenario {
  return {
    needs: ['create', needs],
    async prepare(ground) {
      const spec = await running(ground);
      const more = (await before?.(ground)) ?? {};
      const cluster = { phase: 'Ready' as const, spec, ...more };
      return { job: { kind, update: update(ground.harness) }, cluster };
    },
    async verify(ground, store) {
      await verify(ground, kind === 'cluster.stop' ? await record(store, ground) : await works(store, ground));
      await madeOnce(ground);
    },
  };
}

/** The pool that is changed when none is named. */
function firstPool(engine: Engine, spec: Record<string, unknown>) {
  const [pool] = engine.pools(spec);
  must(pool, 'the spec has no pool');
  return pool;
}

function boundsOf({ engine, spec }: Harness): { min: number; max: number } {
  const { nodes, bounds } = firstPool(engine, spec);
  return { min: nodes, max: Math.min(nodes + 2, bounds?.max ?? nodes + 2) };
}

/** As its provider lists it; a list may lag behind. */
async function listed({ client, target }: Ground) {
  return eventually(
    'the list of the provider',
    async () => {
      const all = await client.list(callFor());
      return all.find(({ externalName, state }) => externalName.endsWith(target.externalName) && state === 'running');
    },
    { timeoutMs: patienceMs, everyMs: 100 },
  );
}

/** The kinds that go through providers. Work in a cluster has a matrix of its own, by what it does there. */
export type ProviderJob = Exclude<JobKindName, 'cluster.work'>;

/** One for every kind of job: a kind without one does not compile. */
export const scenarios: Record<ProviderJob, Scenario> = {
  'cluster.create': {
    needs: ['create'],
    async prepare({ harness }) {
      return { job: { kind: 'cluster.create' }, cluster: { phase: 'Requested', spec: harness.spec } };
    },
    async verify(ground, store) {
      await works(store, ground);
      await madeOnce(ground);
    },
  },
  'cluster.delete': {
    needs: ['create', 'delete'],
    async prepare(ground) {
      return { job: { kind: 'cluster.delete' }, cluster: { phase: 'Ready', spec: await running(ground) } };
    },
    async verify(ground, store) {
      await forgotten(store, ground);
      const { state } = await observe(ground);
      must(state === 'absent', `at the provider it is ${state}`);
    },
  },
  'cluster.scale': changing(
    'cluster.scale',
    'scale',
    ({ update }) => ({ nodes: update.nodes }),
    async (ground, { spec }) => {
      const { engine, update } = ground.harness;
      const asked = firstPool(engine, spec).nodes;
      must(asked === update.nodes, `the record says ${asked} nodes`);
      const [pool] = (await observe(ground)).pools ?? [];
      must(pool?.nodes === update.nodes, `the provider says ${pool?.nodes} nodes`);
    },
  ),
  'cluster.autoscale': changing(
    'cluster.autoscale',
    'autoscale',
    (harness) => ({ autoscale: boundsOf(harness) }),
    async (ground) => {
      const [pool] = (await observe(ground)).pools ?? [];
      const { min, max } = boundsOf(ground.harness);
      const { autoscale } = pool ?? {};
      must(autoscale?.min === min && autoscale.max === max, `the provider says ${JSON.stringify(autoscale)}`);
    },
  ),
  'cluster.upgrade': changing(
    'cluster.upgrade',
    'upgrade',
    ({ update }) => ({ version: update.version }),
    async (ground, { spec, version }) => {
      const { engine, update } = ground.harness;
      must(version && sameVersion(version, update.version), `the record says version ${version}`);
      const seen = await observe(ground);
      must(seen.version && sameVersion(seen.version, update.version), `the provider says version ${seen.version}`);
      // Asked for once more there is nothing left to do.
      must((await ground.client.update(ground.target, { version: update.version }, callFor())) === null, 'half done');
      must(engine.describe(spec) !== engine.describe(ground.harness.spec), 'the record keeps the old version');
    },
  ),
  'cluster.stop': changing(
    'cluster.stop',
    'power',
    () => ({ power: 'off' }),
    async (ground, { phase, stopped }) => {
      must(phase === 'Ready' && stopped === true, `the record says ${phase}, stopped: ${stopped}`);
      const { state } = await observe(ground);
      must(state === 'stopped', `at the provider it is ${state}`);
    },
  ),
  'cluster.start': changing(
    'cluster.start',
    'power',
    () => ({ power: 'on' }),
    async (_ground, { stopped }) => must(stopped === undefined, 'the record says that it is stopped'),
    async ({ client, target }) => {
      await drive(client, target, { power: 'off' }, patienceMs);
      return { stopped: true };
    },
  ),
  'cluster.netpol': changing(
    'cluster.netpol',
    'networkPolicy',
    () => ({ networkPolicy: true }),
    async (ground) => {
      const { networkPolicy } = await observe(ground);
      must(networkPolicy === true, `the provider says ${networkPolicy}`);
      // Asked for once more there is nothing left to do.
      must((await ground.client.update(ground.target, { networkPolicy: true }, callFor())) === null, 'half done');
    },
  ),
  'cluster.gateways': changing(
    'cluster.gateways',
    'gateways',
    () => ({ gateways: 2 }),
    async (ground, { spec }) => {
      const counts = (pools: readonly NodePool[]) => pools.find(({ name }) => name === gatewayMark.value)?.nodes;
      must(counts(ground.harness.engine.pools(spec)) === 2, 'the record has not got the gateways');
      const there = counts((await observe(ground)).pools ?? []);
      must(there === 2, `the provider says ${there} gateways`);
    },
  ),
  'cluster.adopt': {
    needs: ['adopt', 'list'],
    async prepare(ground) {
      await ground.harness.makeForeign(ground.target.externalName);
      const { externalName, externalId, spec = {} } = await listed(ground);
      Object.assign(ground.target, { externalName, spec }, externalId ? { externalId } : {});
      const found = { externalName, spec, ...(externalId ? { externalId } : {}) };
      return { job: { kind: 'cluster.adopt' }, cluster: { phase: 'Requested', origin: 'adopted', ...found } };
    },
    async verify(ground, store) {
      const { origin } = await works(store, ground);
      must(origin === 'adopted', `its origin is ${origin}`);
    },
  },
  'cluster.detach': {
    needs: ['create', 'adopt'],
    async prepare(ground) {
      const spec = await running(ground);
      return { job: { kind: 'cluster.detach' }, cluster: { phase: 'Ready', origin: 'adopted', spec } };
    },
    async verify(ground, store) {
      await forgotten(store, ground);
      const seen = await observe(ground);
      must(seen.state === 'running' && !seen.mine, `at the provider it is ${seen.state}, ours: ${seen.mine}`);
    },
  },
};

/** Why an engine has no such job, or false. */
export function unable(engine: Engine, kind: ProviderJob): string | false {
  const lacks = scenarios[kind].needs.filter((need) => !engine.capabilities[need]);
  return lacks.length > 0 && `${engine.title} cannot: ${lacks.join(', ')}`;
}
