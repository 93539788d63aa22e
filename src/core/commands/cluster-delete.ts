import { z } from 'zod';
import { plainCard } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { dyingOf, planDelete } from '../plan.ts';
import type { Change, Stored } from '../ports/store.ts';
import type { Backup, Cluster, Job, Plan } from '../records.ts';
import { count } from '../words.ts';
import { undoRequest, withdrawApproval } from './approve.ts';
import { askedAlready, begin } from './begin.ts';
import { notOurs } from './cluster-detach.ts';
import {
  busyFault,
  clusterField,
  confirmByName,
  confirmField,
  demand,
  findCluster,
  movedFault,
  newJob,
  repeatAnswer,
  toCaller,
} from './common.ts';

/** Deletes a cluster: what dies is shown, its name is typed, by policy an admin agrees, and it is gone only when the provider says so. */
export const clusterDelete: Command = {
  name: 'cluster delete',
  aliases: ['cluster destroy', 'cluster remove', 'cluster rm', 'done'],
  summary: 'Delete a cluster; its name is asked for',
  examples: ['cluster delete dev-1', 'cluster delete dev-1 confirm=dev-1'],
  group: 'Clusters',
  policy: 'cluster:delete',
  changes: true,
  args: z.object({
    cluster: clusterField,
    confirm: confirmField,
  }),
  positional: ['cluster'],
  async run(context, values) {
    const found = await findCluster(context, values.cluster ?? '');
    const cluster = found.record;
    demand(context, 'cluster:delete', [cluster.owner]);
    const open = cluster.openJob
      ? await context.store.get({ kind: 'job', org: cluster.org, id: cluster.openJob })
      : undefined;
    const refused = notOurs(cluster);
    if (refused) return refused;
    // A deletion takes a creation over; everything else has to end first, or it would pass the approval that a deletion needs.
    if (open && open.record.kind !== 'cluster.create') {
      if (open.record.kind === 'cluster.delete' && open.record.requestedBy === context.caller.person)
        return askedAlready(open.record);
      throw await busyFault(context, cluster);
    }
    const health = context.cache.get({ kind: 'health', org: cluster.org, id: cluster.id });
    const counts = health && dyingOf(health);
    const plan = withBackups(
      context,
      cluster,
      planDelete(cluster, context.engines.get(cluster.engine), counts, context.caller),
    );
    if (values.confirm !== cluster.name) return confirm(context, plan, cluster.name, open?.record, values.confirm);
    return ask(context, found, open, plan);
  },
};

/** Backups outlive their cluster: that is said before it goes. */
function withBackups({ cache }: Context, { org, id }: Cluster, plan: Plan): Plan {
  const where = ({ cluster, state }: Backup) => cluster === id && (state === 'kept' || state === 'partial');
  const { total } = cache.query('backup', org, { where, limit: 1 });
  if (total === 0) return plan;
  const value = `${count(total, 'backup')} ${total === 1 ? 'stays' : 'stay'}, until ${total === 1 ? 'it is' : 'they are'} deleted or go by retention`;
  return { ...plan, facts: [...plan.facts, { label: 'Backups', value }] };
}

function confirm(context: Context, plan: Plan, name: string, open: Job | undefined, typed: string | undefined): Answer {
  const text = `${plan.disturbs}${open ? ' It is being created now; deleting cancels that.' : ''}`;
  const facts = plan.facts.map(({ label, value }) => `*${label}*: ${value}`);
  const why = plan.approval.needed ? [`*Approval* is needed: ${plan.approval.why}.`] : [];
  return confirmByName(
    context,
    {
      title: `${plan.title}?`,
      command: `cluster delete ${name}`,
      submit: 'Delete it',
      intro: [text, ...facts, ...why].join('\n'),
      name,
      to: 'delete',
      nothing: 'Nothing was deleted.',
    },
    typed,
  );
}

async function ask(
  context: Context,
  found: Stored<'cluster'>,
  open: Stored<'job'> | undefined,
  plan: Plan,
): Promise<Answer> {
  const { caller, now } = context;
  const cluster = found.record;
  let job = newJob(context, {
    id: context.newId(8),
    kind: 'cluster.delete',
    cluster: cluster.id,
    clusterName: cluster.name,
    provisioner: cluster.provisioner,
    engine: cluster.engine,
    nodes: cluster.nodes,
    plan,
    command: lineOf(clusterDelete, { cluster: cluster.name }),
  });
  const changes: Change[] = [];
  if (open) {
    // Delete during create takes the cluster over in the same transaction. A creation that never began has left nothing behind.
    if (open.record.startedAt === undefined && open.record.retryOf === undefined) return withdraw(context, open);
    const { dueAt: _due, ...rest } = open.record;
    const log = [...open.record.log, { at: now, text: `Cancelled by ${caller.name}, who deletes the cluster.` }].slice(
      -50,
    );
    const over: Job = {
      ...rest,
      state: 'Cancelled',
      endedAt: now,
      note: `Cancelled by ${caller.name}, who deletes the cluster.`,
      log,
    };
    changes.push({ op: 'put', ref: open.ref, record: over, if: open.revision });
    // What the creation asked for last may still be on its way: the deletion has to know.
    if (open.record.intent) job = { ...job, intent: open.record.intent };
  }
  return begin(context, found, {
    ...{ job, changes, phase: 'Deleting' as const, approval: plan.approval.needed && !open },
    ...{ doing: `Deleting ${cluster.name}`, begins: `Cluster ${cluster.name} is being deleted.` },
  });
}

/** Deleting a cluster whose creation has not begun: the request is taken back, and there is nothing to remove. */
async function withdraw(context: Context, open: Stored<'job'>): Promise<Answer> {
  const { caller, now } = context;
  const { dueAt: _due, ...rest } = open.record;
  const next: Job = {
    ...rest,
    state: 'Cancelled',
    endedAt: now,
    note: `Cancelled by ${caller.name} before anything was done.`,
  };
  const changes: Change[] = [
    { op: 'put', ref: open.ref, record: next, if: open.revision },
    ...(await undoRequest(context, open.record)),
  ];
  changes.push(...(await withdrawApproval(context, open.record)));
  const says = `Cluster ${open.record.clusterName} had not been begun; the request is withdrawn and nothing is left.`;
  const done = await context.effect(changes, {
    action: 'cluster.delete',
    outcome: 'done',
    subject: open.record.clusterName,
    says,
    job: open.record.id,
  });
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  if (!done.ok) throw movedFault('The request');
  return { ...toCaller(plainCard('Withdrawn', says, 'good')), receipt: true };
}
