/** What all changes of a running cluster share: who may, whether it can be done here, the plan, by policy an approval, then the job. */

import type { Form } from '../card.ts';
import type { Answer, Context } from '../command.ts';
import { targetOf } from '../connect.ts';
import { engineAt } from '../engine-at.ts';
import { asFault, Fault } from '../errors.ts';
import { hashOf } from '../plan.ts';
import { baseOf, type ChangeKind, type Checks, planChange } from '../plan-change.ts';
import type { Capabilities, ClusterUpdate, Engine, Options, Preview } from '../ports/engine.ts';
import type { Stored } from '../ports/store.ts';
import type { Cluster, Job, Plan } from '../records.ts';
import { textOf } from '../schema.ts';
import { proposalCard } from '../views/plan.ts';
import { askedAlready, begin } from './begin.ts';
import { busyFault, demand, findCluster, newJob, toCaller } from './common.ts';

/** A cluster that a person may change, with its engine, which can. */
export interface Changeable {
  found: Stored<'cluster'>;
  cluster: Cluster;
  engine: Engine;
  /** The job that has it now. */
  open?: Job;
}

/** The words of one kind of change: "scaled", "is being scaled", "Scale it". */
export interface ChangeWords {
  kind: ChangeKind;
  capability: keyof Capabilities;
  done: string;
  going: string;
  button: string;
}

/** The cluster of that name, if this person may change it and its engine can; a Fault that says why not. */
export async function changeable(context: Context, name: string, words: ChangeWords): Promise<Changeable> {
  const found = await findCluster(context, name);
  const cluster = found.record;
  demand(context, 'cluster:update', [cluster.owner]);
  const engine = engineAt(context, cluster);
  if (!engine) {
    throw new Fault('unsupported', `The engine ${cluster.engine} of cluster ${cluster.name} is not allowed here.`, {
      whose: 'admin',
    });
  }
  if (!engine.capabilities[words.capability]) {
    const why = engine.instead[words.capability];
    throw new Fault(
      'unsupported',
      why ?? `Clusters of ${engine.title} cannot be ${words.done} from here; do it at the provider.`,
    );
  }
  if (cluster.readOnly) {
    throw new Fault('unsupported', `KQueen only looks at cluster ${cluster.name}, so it cannot be ${words.done}.`, {
      next: 'Change it where it was made.',
    });
  }
  const open = cluster.openJob
    ? (await context.store.get({ kind: 'job', org: cluster.org, id: cluster.openJob }))?.record
    : undefined;
  if (!cluster.openJob) demandState(cluster, words);
  return { found, cluster, engine, ...(open ? { open } : {}) };
}

function demandState(cluster: Cluster, { kind, done }: ChangeWords): void {
  const { name, phase, stopped } = cluster;
  if (phase !== 'Ready') {
    throw new Fault('conflict', `Cluster ${name} is ${phase}, so it cannot be ${done}.`, {
      next: `See cluster show ${name}.`,
    });
  }
  if (kind === 'cluster.start') {
    if (!stopped) throw new Fault('conflict', `Cluster ${name} is not stopped.`);
    return;
  }
  if (!stopped) return;
  if (kind === 'cluster.stop') throw new Fault('conflict', `Cluster ${name} is stopped already.`);
  throw new Fault('conflict', `Cluster ${name} is stopped, so it cannot be ${done}.`, {
    next: `Start it first, with cluster start ${name}.`,
  });
}

/** What one change is: the update with absolute numbers, its canonical line, the plan that was seen, and what the plan says beside. */
export interface Wish {
  update: ClusterUpdate;
  line: string;
  plan?: string | undefined;
  note?: string | undefined;
  /** How long it may take, in milliseconds. */
  allowedMs?: number;
  /** Asks the provider once more whether it can be, for a line with a plan that does not hold; throws when it cannot. */
  check?(): Promise<void>;
  /** Looks into the cluster for what is in the way. Never throws: what could not be seen is among what it says. */
  look?(): Promise<Checks | null>;
}

/** Shows the plan, or, when it is the one that was seen or somebody else decides, asks for the job. */
export async function change(context: Context, on: Changeable, words: ChangeWords, wish: Wish): Promise<Answer> {
  const { cluster, engine, open } = on;
  if (cluster.openJob) {
    const same = open && open.kind === words.kind && hashOf(open.update) === hashOf(wish.update);
    if (same && open.requestedBy === context.caller.person) return askedAlready(open);
    throw await busyFault(context, cluster);
  }
  const [options, preview, checks] = await Promise.all([
    optionsOf(context, cluster, engine),
    previewOf(context, cluster, wish.update),
    wish.look?.() ?? null,
  ]);
  const plan = planChange(
    {
      ...{ kind: words.kind, cluster, engine, update: wish.update, options, preview, checks },
      ...(wish.note ? { note: wish.note } : {}),
    },
    context.caller,
  );
  if (wish.plan !== plan.hash) await wish.check?.();
  if (!plan.approval.needed && wish.plan !== plan.hash) {
    const { line, plan: seen } = wish;
    return toCaller(proposalCard(plan, { line, button: words.button, moved: seen !== undefined }));
  }
  return ask(context, on, words, wish, plan);
}

/** The provider's prices for a cluster as it is; null when it does not answer in time, or its provisioner is gone. */
export async function optionsOf(
  context: Pick<Context, 'store' | 'options'>,
  cluster: Cluster,
  engine: Engine,
): Promise<Options | null> {
  const { org, provisioner } = cluster;
  const found = await context.store.get({ kind: 'provisioner', org, id: provisioner });
  return found ? context.options(found.record, typedSpec(cluster.spec, engine)) : null;
}

/** How long a plan waits for the provider's own dry run, in milliseconds. */
const previewMs = 1_500;

/** What the provider's own dry run says; null where there is none, or when it does not answer in time: the plan is made without it. */
async function previewOf(context: Context, cluster: Cluster, update: ClusterUpdate): Promise<Preview | null> {
  const found = await context.store.get({ kind: 'provisioner', org: cluster.org, id: cluster.provisioner });
  if (!found) return null;
  try {
    const client = await context.connect(found.record);
    return (await client.preview?.(targetOf(cluster), update, context.call(previewMs))) ?? null;
  } catch (thrown) {
    context.log.info({ cluster: cluster.id, error: asFault(thrown).message }, 'no dry run of the provider for a plan');
    return null;
  }
}

/** A cluster's parameters as a form would hold them. */
export function typedSpec(spec: Record<string, unknown>, engine: Engine): Record<string, string> {
  const known = Object.keys(engine.cluster.shape);
  const given = Object.entries(spec).filter(([key, value]) => known.includes(key) && value !== undefined);
  return Object.fromEntries(given.map(([key, value]) => [key, textOf(value)]));
}

function ask(context: Context, on: Changeable, words: ChangeWords, wish: Wish, plan: Plan): Promise<Answer> {
  const { found, cluster } = on;
  const job: Job = {
    ...newJob(context, {
      ...{ id: context.newId(8), kind: words.kind, cluster: cluster.id, clusterName: cluster.name },
      ...{ provisioner: cluster.provisioner, engine: cluster.engine, nodes: wish.update.nodes ?? cluster.nodes },
      ...{ plan, command: wish.line },
    }),
    update: wish.update,
    base: baseOf(cluster),
    ...(wish.allowedMs === undefined ? {} : { allowedMs: wish.allowedMs }),
  };
  return begin(context, found, { job, begins: `Cluster ${cluster.name} is being ${words.going}.` });
}

/** A form of a change, for what is missing in its line; a cluster that is busy is told at once. */
export async function changeForm(context: Context, { cluster }: Changeable, form: Form): Promise<Answer> {
  if (cluster.openJob) throw await busyFault(context, cluster);
  return { audience: 'caller', form };
}
