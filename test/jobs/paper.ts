/**
 * A provider on paper and the clusters in it, for what a real one cannot be made to do: hang for ever while ignoring its signal, throw a TypeError,
 * or have the world move between two lines. Everything that a real provider can be made to do is tested with the sandbox.
 */
import { z } from 'zod';
import type {
  ClusterUpdate,
  Engine,
  EngineClient,
  Observation,
  Operation,
  Target,
} from '../../src/core/ports/engine.ts';
import type { ClusterHealth, Kube } from '../../src/core/ports/kube.ts';
import type { Work, WorkStep } from '../../src/core/ports/work.ts';
import { probed } from './samples.ts';

export const kubeconfigCanary = 'kubeconfig-canary-5f3a';
export const tokenCanary = 'token-canary-77c1';

type Hook = (target: Target) => unknown;

/** What the provider has, what it was asked, and what happens when it is. */
export interface Paper {
  engine: Engine;
  clusters: Map<string, Observation>;
  calls: string[];
  /** Parameters of the last connection. */
  params: Record<string, unknown> | undefined;
  /** Run at the start of the call of that name; what they throw, the call throws; a promise is waited for. */
  before: Partial<
    Record<'connect' | 'observe' | 'create' | 'delete' | 'kubeconfig' | 'check' | 'adopt' | 'release', Hook>
  >;
  /** Answers for update. */
  update: (target: Target, update: ClusterUpdate) => Operation | null;
  /** Run after the call has had its effect. */
  after: Partial<Record<'create' | 'delete', Hook>>;
}

const nowhere: Target = { org: '', cluster: '', externalName: '', spec: {} };

/** A promise that never settles. */
export const never = new Promise<never>(() => {});

export function paperProvider(name = 'paper'): Paper {
  const paper: Paper = {
    engine: undefined as unknown as Engine,
    clusters: new Map(),
    calls: [],
    params: undefined,
    before: {},
    update: () => null,
    after: {},
  };
  function mark({ externalName }: Target, mine: boolean): void {
    const there = paper.clusters.get(externalName);
    if (there) paper.clusters.set(externalName, { ...there, mine });
  }
  const client: EngineClient = {
    async observe(target) {
      paper.calls.push('observe');
      await paper.before.observe?.(target);
      return paper.clusters.get(target.externalName) ?? { state: 'absent', mine: false };
    },
    async create(target) {
      paper.calls.push('create');
      await paper.before.create?.(target);
      paper.clusters.set(target.externalName, { state: 'running', mine: true, version: '1.34.1', nodes: 3 });
      await paper.after.create?.(target);
      return { id: 'op-create' };
    },
    async update(target, update) {
      paper.calls.push('update');
      return paper.update(target, update);
    },
    async delete(target) {
      paper.calls.push('delete');
      await paper.before.delete?.(target);
      const there = paper.clusters.delete(target.externalName);
      await paper.after.delete?.(target);
      return there ? { id: 'op-delete' } : null;
    },
    async kubeconfig(target) {
      paper.calls.push('kubeconfig');
      await paper.before.kubeconfig?.(target);
      return `${kubeconfigCanary} of ${target.externalName}`;
    },
    async list() {
      return [];
    },
    async adopt(target) {
      paper.calls.push('adopt');
      await paper.before.adopt?.(target);
      mark(target, true);
      return null;
    },
    async release(target) {
      paper.calls.push('release');
      await paper.before.release?.(target);
      mark(target, false);
      return null;
    },
    signIn: async () => null,
    upgrades: async () => [],
    log: async () => null,
    async check() {
      paper.calls.push('check');
      await paper.before.check?.(nowhere);
      return { state: 'OK', message: 'It works.', facts: [{ label: 'Quota', value: '10' }] };
    },
    async options() {
      return { choices: {}, prices: null, at: 0 };
    },
    async close() {},
  };
  paper.engine = {
    name,
    title: 'Paper',
    docs: 'none',
    capabilities: {
      create: true,
      delete: true,
      scale: false,
      upgrade: false,
      autoscale: false,
      power: false,
      percent: true,
      cancel: true,
      list: true,
      adopt: false,
      log: false,
      addons: false,
      networkPolicy: false,
      gateways: false,
      retire: false,
    },
    instead: {},
    provisioner: z.object({ token: z.string() }),
    cluster: z.object({ nodes: z.number() }),
    price: () => null,
    describe: ({ nodes }) => `${String(nodes)} on paper`,
    nodes: ({ nodes }) => Number(nodes),
    pools: ({ nodes }) => [{ name: 'default', nodes: Number(nodes) }],
    after: (spec, { nodes }) => (nodes === undefined ? spec : { ...spec, nodes }),
    async connect(params) {
      paper.calls.push('connect');
      paper.params = params;
      await paper.before.connect?.(nowhere);
      return client;
    },
  };
  return paper;
}

/** The clusters' own APIs on paper: `look` answers for a kubeconfig, which names the cluster. */
export function paperKube(
  look: (kubeconfig: string) => Promise<ClusterHealth> | ClusterHealth = () => probed(),
  step: (work: Work) => Promise<WorkStep> | WorkStep = () => ({ state: 'done', progress: {}, at: 0, note: 'Done.' }),
): Kube {
  return {
    probe: async (kubeconfig) => look(kubeconfig),
    async issueAccess() {
      throw new Error('not asked for in these tests');
    },
    async review() {
      throw new Error('not asked for in these tests');
    },
    async look() {
      throw new Error('not asked for in these tests');
    },
    async lookKept() {
      throw new Error('not asked for in these tests');
    },
    async addons() {
      throw new Error('not asked for in these tests');
    },
    async addon() {
      throw new Error('not asked for in these tests');
    },
    async bundle() {
      throw new Error('not asked for in these tests');
    },
    async plan() {
      throw new Error('not asked for in these tests');
    },
    work: async (_kubeconfig, work) => step(work),
    async scaling() {
      throw new Error('not asked for in these tests');
    },
    async close() {},
  };
}
