/** Records and looks for the tests of jobs. */
import type { Look } from '../../src/core/jobs/kind.ts';
import type { Observation } from '../../src/core/ports/engine.ts';
import type { ClusterHealth } from '../../src/core/ports/kube.ts';
import type { Cluster, Job, Plan, Provisioner } from '../../src/core/records.ts';
import { sampleCluster } from '../store/parts.ts';

export const start = 1_700_000_000_000;

const plan: Plan = {
  title: 'Create cluster dev-1',
  facts: [],
  disturbs: 'Nobody: it is new.',
  cost: null,
  costNote: 'a test',
  approval: { needed: false, role: 'admin', why: 'a test' },
  hash: 'abc',
};

/** A job that was asked for at `start`; `change` overrides. */
export function sampleJob(change: Partial<Job> = {}): Job {
  return {
    v: 1,
    id: 'job1',
    org: 'default',
    kind: 'cluster.create',
    cluster: 'c1',
    clusterName: 'dev-1',
    provisioner: 'p1',
    engine: 'sandbox',
    state: 'Queued',
    requestedBy: 'terminal:dev',
    requesterName: 'Dev',
    requestedAt: start,
    place: { chat: 'terminal', workspace: 'local', conversation: 'dev' },
    command: 'cluster create dev-1',
    plan,
    tick: 1,
    dueAt: start,
    allowedMs: 1_800_000,
    steps: [],
    note: 'Waiting for a free worker.',
    attempt: 0,
    log: [{ at: start, text: 'Asked for by Dev.' }],
    ...change,
  };
}

/** The cluster of `sampleJob`, held by it. */
export function heldCluster(change: Partial<Cluster> = {}): Cluster {
  return sampleCluster('c1', {
    name: 'dev-1',
    externalName: 'dev-1-abc',
    phase: 'Requested',
    openJob: 'job1',
    ...change,
  });
}

export function sampleProvisioner(change: Partial<Provisioner> = {}): Provisioner {
  return {
    v: 1,
    id: 'p1',
    org: 'default',
    name: 'sandbox',
    engine: 'sandbox',
    params: {},
    secretFields: [],
    paramsVersion: '1',
    state: 'OK',
    message: 'It works.',
    facts: [],
    createdBy: 'terminal:admin',
    createdAt: start,
    ...change,
  };
}

/** An observation; what is there carries our label unless told otherwise. */
export function seen(state: Observation['state'], change: Partial<Observation> = {}): Observation {
  return { state, mine: state !== 'absent', ...change };
}

/** What a probe finds in a cluster whose API answers and whose nodes are ready, or not. */
export function probed(available = true, nodesReady = true, at = start): ClusterHealth {
  const condition = (type: string, ok: boolean) => ({
    type,
    status: ok ? ('True' as const) : ('False' as const),
    reason: ok ? 'Fine' : 'NotYet',
    message: ok ? 'fine' : `${type} is not there yet`,
    since: at,
  });
  return {
    at,
    conditions: [condition('APIServerAvailable', available), condition('EveryNodeReady', nodesReady)],
    nodes: [],
    pods: { total: 0, running: 0 },
    deployments: { total: 0, available: 0 },
    namespaces: 4,
    services: 1,
    problems: [],
  };
}

/** A look of a running job, ten seconds after it was asked for. */
export function lookOf(
  change: Omit<Partial<Look>, 'job' | 'cluster'> & { job?: Partial<Job>; cluster?: Partial<Cluster> },
): Look {
  const { job, cluster, ...rest } = change;
  return {
    seen: seen('absent'),
    now: start + 10_000,
    jitter: 0.5,
    ...rest,
    job: sampleJob({ state: 'Running', startedAt: start, deadlineAt: start + 1_800_000, ...job }),
    cluster: heldCluster(cluster),
  };
}
