/** Records to measure with, and how they get into the store many at a time. */
import type { Change, Store } from '../../src/core/ports/store.ts';
import type { Cluster, Job } from '../../src/core/records.ts';

const org = 'default';
const place = { chat: 'terminal', workspace: 'local', conversation: 'bench' } as const;

/** A cluster as it stands after some months: about as large as real ones. */
export function someCluster(index: number, change: Partial<Cluster> = {}): Cluster {
  const name = `bench-${String(index).padStart(5, '0')}`;
  return {
    ...{ v: 1, id: name, org, name, provisioner: 'p1', provisionerName: 'sandbox', engine: 'sandbox' },
    externalName: `${name}-a1b2c3`,
    phase: index % 7 === 0 ? 'Unknown' : 'Ready',
    spec: { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 3 },
    summary: '3 × small in sandbox-north, Kubernetes 1.34.2',
    purpose: index % 3 === 0 ? 'production' : 'development',
    owner: `terminal:person-${index % 40}`,
    ownerName: `Person ${index % 40}`,
    labels: { team: `team-${index % 25}`, stage: 'bench', ticket: `OPS-${index}` },
    createdAt: 1_700_000_000_000 + index * 60_000,
    readyAt: 1_700_000_300_000 + index * 60_000,
    place,
    endpoint: `https://127.0.0.1:8443/clusters/${name}`,
    version: '1.34.2',
    nodes: 3,
    externalId: `cl-${name}`,
    kubeconfig: true,
    ...change,
  };
}

/** A creation that was asked for and is due at `dueAt`. */
export function someJob(cluster: Cluster, provisioner: string, dueAt: number): Job {
  return {
    ...{ v: 1, id: cluster.id, org, kind: 'cluster.create', cluster: cluster.id, clusterName: cluster.name },
    ...{ provisioner, engine: 'sandbox', state: 'Queued', requestedBy: 'terminal:bench', requesterName: 'Bench' },
    requestedAt: dueAt,
    place,
    command: `cluster create ${cluster.name}`,
    plan: {
      ...{ title: `Create cluster ${cluster.name}`, facts: [], disturbs: 'Nobody: it is new.', cost: null },
      ...{ costNote: 'a measurement', approval: { needed: false, role: 'admin', why: 'a measurement' }, hash: 'abc' },
    },
    tick: 1,
    dueAt,
    allowedMs: 1_800_000,
    steps: [],
    note: 'Waiting for a free worker.',
    attempt: 0,
    log: [],
  };
}

/** Writes them, 100 a transaction, some transactions at once. */
export async function putAll(store: Store, changes: Change[]): Promise<void> {
  const packs: Change[][] = [];
  for (let from = 0; from < changes.length; from += 100) packs.push(changes.slice(from, from + 100));
  const next = packs.values();
  const writer = async () => {
    for (const pack of next) {
      const done = await store.commit(pack);
      if (!done.ok) throw new Error('The records could not be written.');
    }
  };
  await Promise.all(Array.from({ length: 8 }, writer));
}

/** `count` clusters under the store's prefix. */
export async function putClusters(store: Store, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, index) => someCluster(index));
  await putAll(
    store,
    records.map((record) => ({ op: 'put', ref: { kind: 'cluster', org, id: record.id }, record })),
  );
}
