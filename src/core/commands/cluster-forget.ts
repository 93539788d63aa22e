import { z } from 'zod';
import { plainCard } from '../card.ts';
import type { Command } from '../command.ts';
import { kubeconfigSecret } from '../connect.ts';
import type { Change } from '../ports/store.ts';
import { type Cluster, endedStates } from '../records.ts';
import { field } from '../schema.ts';
import { withdrawApproval } from './approve.ts';
import { clusterField, confirmByName, findCluster, movedFault, repeatAnswer, toPlace } from './common.ts';

/** Removes a cluster's record and nothing else: what exists at the provider stays there and goes on costing money. */
export const clusterForget: Command = {
  name: 'cluster forget',
  summary: 'Remove the record only; the provider is not asked',
  examples: ['cluster forget dev-1', 'cluster forget dev-1 confirm=dev-1'],
  group: 'Clusters',
  policy: 'cluster:forget',
  changes: true,
  args: z.object({
    cluster: clusterField,
    confirm: field(z.string().trim().optional(), { label: 'Type its name', order: 2 }),
  }),
  positional: ['cluster'],
  async run(context, values) {
    const { store, now, caller } = context;
    const found = await findCluster(context, values.cluster ?? '');
    const cluster = found.record;
    const there = `${cluster.provisionerName}, where it is named ${cluster.externalName}${cluster.externalId ? ` (${cluster.externalId})` : ''}`;
    if (values.confirm !== cluster.name) {
      const intro = `KQueen will forget ${cluster.name}. It is not deleted: look at ${there}, because what runs there goes on costing money.${better(cluster)}`;
      const asked = {
        title: `Forget ${cluster.name}?`,
        command: `cluster forget ${cluster.name}`,
        submit: 'Forget it',
        intro,
        name: cluster.name,
        to: 'forget',
        nothing: 'Nothing was forgotten.',
      };
      return confirmByName(context, asked, values.confirm);
    }
    const org = cluster.org;
    const changes: Change[] = [
      { op: 'delete', ref: found.ref, if: found.revision },
      { op: 'delete', ref: { kind: 'name', org, id: `cluster.${cluster.name}` } },
      { op: 'delete', ref: { kind: 'health', org, id: cluster.id } },
      { op: 'delete', ref: kubeconfigSecret(org, cluster.id) },
    ];
    const open = cluster.openJob ? await store.get({ kind: 'job', org, id: cluster.openJob }) : undefined;
    if (open && !endedStates.includes(open.record.state)) {
      const { dueAt: _due, ...rest } = open.record;
      changes.push({
        op: 'put',
        ref: open.ref,
        record: { ...rest, state: 'Cancelled', endedAt: now, note: `${caller.name} made KQueen forget the cluster.` },
        if: open.revision,
      });
      changes.push(...(await withdrawApproval(context, open.record)));
    }
    const says = `KQueen has forgotten ${cluster.name}. Nothing was deleted at ${there}.`;
    const done = await context.effect(changes, {
      action: 'cluster.forget',
      outcome: 'done',
      subject: cluster.name,
      says,
    });
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (!done.ok) throw movedFault(`Cluster ${cluster.name}`);
    return toPlace(plainCard(`Forgotten: ${cluster.name}`, says, 'warn'));
  },
};

/** For what KQueen did not make there is a gentler way than forgetting. */
function better({ name, origin }: Cluster): string {
  if (origin === 'imported')
    return ` For an imported cluster cluster detach ${name} does the same, and its owner may do it.`;
  if (origin !== 'adopted') return ' Its mark stays there: it can be taken back with provisioner discover.';
  return ` Its mark stays there; cluster detach ${name} takes it away first.`;
}
