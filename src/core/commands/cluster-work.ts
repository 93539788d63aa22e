/** What all changes of what is in a cluster share: who may, the plan from the cluster itself, by policy an approval, then the job. */

import { generalMirrors } from '../addons-registry.ts';
import { plainCard } from '../card.ts';
import type { Answer, Context } from '../command.ts';
import { clusterKubeconfig, hasKubeconfig, workSecret } from '../connect.ts';
import { Fault } from '../errors.ts';
import { hashOf } from '../plan.ts';
import { approvalFor, atLeast, type Caller } from '../policy.ts';
import type { Change, Stored } from '../ports/store.ts';
import type { WorkPlan } from '../ports/work.ts';
import type { Cluster, Job, Plan } from '../records.ts';
import { proposalCard } from '../views/plan.ts';
import { askedAlready, begin } from './begin.ts';
import { busyFault, demand, findCluster, newJob, toCaller } from './common.ts';

/** What one piece of work is. */
export interface WorkWish {
  /** Name in the registry of src/kube/works. */
  op: string;
  /** "Restart web in", before the cluster's name. */
  title: string;
  /** "Restart it". */
  button: string;
  input: Record<string, unknown>;
  /** Manifests and secrets: sealed beside the job. */
  bulk?: string;
  /** The canonical line, without the plan. */
  line: string;
  /** Hash of the plan that was seen. */
  plan?: string | undefined;
  /** How long it may take, in milliseconds. */
  allowedMs?: number;
  /** What is kept along with the job, in the same transaction. */
  also?: Change[];
  /** The same, for what names the job. */
  alsoOf?: (job: Job) => Change[];
}

/** A cluster that this person may work in now; a Fault that says why not. */
export async function workable(context: Context, name: string): Promise<Stored<'cluster'>> {
  const found = await findCluster(context, name);
  const cluster = found.record;
  demand(context, 'cluster:update', [cluster.owner]);
  if (cluster.readOnly) {
    throw new Fault(
      'unsupported',
      `KQueen only looks at cluster ${cluster.name}, so nothing in it is changed from here.`,
      {
        next: 'Change it where it was made, or import it to be operated.',
      },
    );
  }
  if (cluster.openJob) return found;
  if (cluster.phase !== 'Ready' || !hasKubeconfig(cluster, context.engines)) {
    throw new Fault('conflict', `Cluster ${cluster.name} is ${cluster.phase}, so nothing can be done in it now.`, {
      next: `See cluster show ${cluster.name}.`,
    });
  }
  if (cluster.stopped) {
    throw new Fault('conflict', `Cluster ${cluster.name} is stopped.`, {
      next: `Start it first, with cluster start ${cluster.name}.`,
    });
  }
  return found;
}

/** Shows the plan, or, when it is the one that was seen or somebody else decides, asks for the job. */
export async function work(context: Context, found: Stored<'cluster'>, given: WorkWish): Promise<Answer> {
  const cluster = found.record;
  const wish = await withMirrors(context, given);
  if (cluster.openJob) {
    const open = await context.store.get({ kind: 'job', org: cluster.org, id: cluster.openJob });
    const asked = open?.record.work;
    const same = asked?.op === wish.op && hashOf(asked.input) === hashOf(wish.input);
    if (open && same && open.record.requestedBy === context.caller.person) {
      return askedAlready(open.record);
    }
    throw await busyFault(context, cluster);
  }
  const seen = await planAt(context, cluster, wish);
  if (seen.nothing) return toCaller(plainCard('Nothing to change', seen.nothing));
  const plan = planOf(cluster, wish, seen, context.caller);
  if (!plan.approval.needed && wish.plan !== plan.hash) {
    const { line, button, plan: before } = wish;
    return toCaller(proposalCard(plan, { line, button, moved: before !== undefined }));
  }
  return ask(context, found, wish, plan, seen.steps);
}

/** Work that puts images into a cluster: it has to know where the organisation takes them from. */
const deploying = new Set(['app.deploy', 'app.update', 'app.expose', 'app.rollback', 'addon.change', 'addon.dns']);

async function withMirrors(context: Context, wish: WorkWish): Promise<WorkWish> {
  if (!deploying.has(wish.op)) return wish;
  const mirrors = await generalMirrors(context.store, context.caller.org);
  return mirrors.length === 0 ? wish : { ...wish, input: { ...wish.input, mirrors } };
}

/** The plan of a job's work as it would be made now. */
export async function replanWork(context: Context, cluster: Cluster, job: Job, asker: Caller): Promise<Plan> {
  const { work: asked } = job;
  if (!asked) return job.plan;
  const ref = workSecret(job.org, job.id);
  const sealed = asked.bulk ? await context.store.get(ref) : undefined;
  const bulk = sealed ? { bulk: context.sealer.open(ref, sealed.record.sealed) } : {};
  const wish: WorkWish = {
    op: asked.op,
    title: asked.title,
    button: '',
    input: asked.input,
    line: job.command,
    ...bulk,
  };
  return planOf(cluster, wish, await planAt(context, cluster, wish), asker);
}

async function planAt(context: Context, cluster: Cluster, wish: WorkWish): Promise<WorkPlan> {
  const call = context.call(12_000);
  const kubeconfig = await clusterKubeconfig(context, cluster, { now: context.now, call });
  const { op, input, bulk } = wish;
  return context.kube.plan(kubeconfig, { op, input, ...(bulk === undefined ? {} : { bulk }) }, call);
}

/** Longest text of changes in a plan, in characters. */
const longestDetail = 6_000;

function planOf(cluster: Cluster, wish: WorkWish, seen: WorkPlan, caller: Caller): Plan {
  const usual = approvalFor('cluster.change', caller, cluster.purpose);
  const approval: Plan['approval'] =
    seen.admin && !usual.needed && !atLeast(caller.role, 'admin')
      ? { needed: true, role: 'admin', why: seen.admin }
      : usual;
  const plan: Omit<Plan, 'hash'> = {
    title: `${wish.title} ${cluster.name}`,
    facts: [
      { label: 'Cluster', value: `${cluster.name}, a ${cluster.purpose} cluster of ${cluster.ownerName}` },
      ...seen.facts,
    ],
    disturbs: seen.disturbs,
    cost: null,
    costNote: 'None of its own: it uses the nodes that are there.',
    approval,
    ...(seen.warnings.length > 0 ? { warnings: seen.warnings } : {}),
    ...(seen.detail ? { detail: cut(seen.detail) } : {}),
  };
  const rests = {
    ...{ action: wish.op, cluster: cluster.id, purpose: cluster.purpose, input: wish.input },
    ...{ bulk: wish.bulk ?? null, seen: seen.rests, approval: approval.needed },
  };
  return { ...plan, hash: hashOf(rests) };
}

function cut(text: string): string {
  if (text.length <= longestDetail) return text;
  const kept = text.slice(0, longestDetail);
  const rest = text.slice(longestDetail).split('\n').length;
  return `${kept.slice(0, kept.lastIndexOf('\n'))}\n… and ${rest} more lines`;
}

function ask(context: Context, found: Stored<'cluster'>, wish: WorkWish, plan: Plan, steps: string[]): Promise<Answer> {
  const { org, id: cluster, name: clusterName, provisioner, engine, nodes } = found.record;
  const id = context.newId(8);
  const job: Job = {
    ...newJob(context, {
      ...{ id, kind: 'cluster.work', cluster, clusterName, provisioner, engine, nodes, plan, command: wish.line },
    }),
    work: {
      ...{ op: wish.op, title: wish.title, steps, input: wish.input, bulk: wish.bulk !== undefined, progress: {} },
    },
    ...(wish.allowedMs === undefined ? {} : { allowedMs: wish.allowedMs }),
  };
  const changes: Change[] = [...(wish.also ?? [])];
  if (wish.bulk !== undefined) {
    const ref = workSecret(org, id);
    const sealed = context.sealer.seal(ref, wish.bulk);
    changes.push({ op: 'put', ref, record: { v: 1, id: ref.id, org, sealed } });
  }
  return begin(context, found, {
    ...{ job, changes, action: wish.op, begins: `${plan.title}: it begins now.` },
    ...(wish.alsoOf ? { also: wish.alsoOf } : {}),
  });
}
