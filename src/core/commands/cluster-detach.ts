import { z } from 'zod';
import { plainCard } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { kubeconfigSecret } from '../connect.ts';
import { formatLine } from '../line.ts';
import { planDetach } from '../plan-adopt.ts';
import type { Change, Stored } from '../ports/store.ts';
import { type Cluster, endedStates } from '../records.ts';
import { askedAlready, begin } from './begin.ts';
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
  toPlace,
} from './common.ts';

/** Lets go of a cluster that KQueen did not make: an imported one at once, an adopted one by a job that takes its mark away first. */
export const clusterDetach: Command = {
  name: 'cluster detach',
  aliases: ['cluster release', 'cluster unimport'],
  summary: 'Let go of a cluster that KQueen did not make',
  examples: ['cluster detach old-1', 'cluster detach old-1 confirm=old-1'],
  group: 'Clusters',
  policy: 'cluster:detach',
  changes: true,
  args: z.object({
    cluster: clusterField,
    confirm: confirmField,
  }),
  positional: ['cluster'],
  async run(context, values) {
    const found = await findCluster(context, values.cluster ?? '');
    const cluster = found.record;
    demand(context, 'cluster:detach', [cluster.owner]);
    const { origin = 'created' } = cluster;
    if (origin === 'created') return madeHere(cluster);
    const open = cluster.openJob
      ? await context.store.get({ kind: 'job', org: cluster.org, id: cluster.openJob })
      : undefined;
    if (open && !endedStates.includes(open.record.state)) {
      if (open.record.kind === 'cluster.detach' && open.record.requestedBy === context.caller.person)
        return askedAlready(open.record);
      throw await busyFault(context, cluster);
    }
    if (values.confirm !== cluster.name) return confirm(context, cluster, values.confirm);
    return origin === 'imported' ? letGo(context, found) : ask(context, found);
  },
};

/** The answer for whoever wants to delete a cluster that KQueen did not make; null when it may be deleted. */
export function notOurs(cluster: Cluster): Answer | null {
  if (cluster.origin !== 'imported') return null;
  return toCaller(
    plainCard(
      `${cluster.name} is not KQueen's to delete`,
      `Cluster ${cluster.name} was imported: KQueen did not make it and cannot delete it. Detach it, and KQueen forgets it while it stays as it is; delete it where it was made.`,
      'warn',
      [detachButton(cluster)],
    ),
  );
}

/** The button that lets go of a cluster; its name is typed after it. */
export function detachButton(cluster: Cluster) {
  return {
    label: 'Detach',
    command: formatLine('cluster detach', ['cluster'], { cluster: cluster.name }),
    style: 'danger' as const,
  };
}

function madeHere(cluster: Cluster): Answer {
  return toCaller(
    plainCard(
      `${cluster.name} was made by KQueen`,
      `Cluster ${cluster.name} was made by KQueen, so it is deleted, not detached. An admin can have only its record removed with cluster forget ${cluster.name}; it then goes on costing money.`,
      'warn',
      [
        {
          label: 'Delete',
          command: formatLine('cluster delete', ['cluster'], { cluster: cluster.name }),
          style: 'danger',
        },
      ],
    ),
  );
}

function confirm(context: Context, cluster: Cluster, typed: string | undefined): Answer {
  const lines =
    cluster.origin === 'imported'
      ? [
          `KQueen forgets ${cluster.name} and the kubeconfig it has for it. Nothing is touched at ${String(cluster.spec.server ?? cluster.externalName)}.`,
          ...accountsNote(cluster),
        ]
      : planLines(context, cluster);
  return confirmByName(
    context,
    {
      title: `Detach cluster ${cluster.name}?`,
      command: `cluster detach ${cluster.name}`,
      submit: 'Detach it',
      intro: lines.join('\n'),
      name: cluster.name,
      to: 'detach',
      nothing: 'Nothing was detached.',
    },
    typed,
  );
}

function planLines(context: Context, cluster: Cluster): string[] {
  const plan = planDetach(cluster, context.engines.get(cluster.engine), context.caller);
  const facts = plan.facts.map(({ label, value }) => `*${label}*: ${value}`);
  const why = plan.approval.needed ? [`*Approval* is needed: ${plan.approval.why}.`] : [];
  return [plan.disturbs, ...facts, ...accountsNote(cluster), ...why];
}

/** Where KQueen gave access, it made accounts; their tokens end within the hour, and they themselves stay. */
function accountsNote(cluster: Cluster): string[] {
  if (cluster.readOnly) return [];
  return [
    'Accounts that KQueen made in it for personal access stay, and their tokens end within the hour. To remove them: `kubectl delete namespace kqueen-access` `kubectl delete clusterrole,clusterrolebinding -l app.kubernetes.io/managed-by=kqueen` and `kubectl delete rolebinding -A -l app.kubernetes.io/managed-by=kqueen,kqueen-person`.',
  ];
}

/** The end of an imported cluster's record: nothing outside is asked, so that an unreachable cluster can be let go as well. */
async function letGo(context: Context, found: Stored<'cluster'>): Promise<Answer> {
  const { record: cluster } = found;
  const { org, id, name } = cluster;
  const held = await context.store.get({ kind: 'name', org, id: `cluster.${name}` });
  const changes: Change[] = [
    { op: 'delete', ref: found.ref, if: found.revision },
    { op: 'delete', ref: { kind: 'health', org, id } },
    { op: 'delete', ref: kubeconfigSecret(org, id) },
  ];
  if (held?.record.holder === id) changes.push({ op: 'delete', ref: held.ref, if: held.revision });
  const says = `KQueen has let go of ${name} and forgotten its kubeconfig. Nothing was touched at ${String(cluster.spec.server ?? cluster.externalName)}.`;
  const done = await context.effect(changes, { action: 'cluster.detach', outcome: 'done', subject: name, says });
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  if (!done.ok) throw movedFault(`Cluster ${name}`);
  const notes = accountsNote(cluster);
  const card = plainCard(`Detached: ${name}`, says, 'good');
  return toPlace({ ...card, parts: [...card.parts, ...notes.map((text) => ({ part: 'note' as const, text }))] });
}

/** Lets an adopted cluster go: by policy after an approval, the mark at its provider first. */
async function ask(context: Context, found: Stored<'cluster'>): Promise<Answer> {
  const { record: cluster } = found;
  const { name } = cluster;
  const job = newJob(context, {
    ...{ id: context.newId(8), kind: 'cluster.detach', cluster: cluster.id, clusterName: name },
    ...{ provisioner: cluster.provisioner, engine: cluster.engine },
    plan: planDetach(cluster, context.engines.get(cluster.engine), context.caller),
    command: lineOf(clusterDetach, { cluster: name }),
  });
  const begins = `Cluster ${name} is being detached; it runs on at its provider.`;
  return begin(context, found, { job, doing: `Detaching ${name}`, begins });
}
