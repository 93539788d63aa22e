import { z } from 'zod';
import type { Button } from '../card.ts';
import { type Command, type Context, lineOf } from '../command.ts';
import { engineAt } from '../engine-at.ts';
import { asFault } from '../errors.ts';
import { formatLine } from '../line.ts';
import type { Checks } from '../plan-change.ts';
import { refusal } from '../policy.ts';
import type { Looked } from '../ports/work.ts';
import type { Cluster } from '../records.ts';
import { field } from '../schema.ts';
import { clusterField, findCluster } from './common.ts';
import { lookedCard, openToLook } from './look-into.ts';

/** Looks for what is in the way of an upgrade, without asking for one. */
export const clusterPrecheck: Command = {
  name: 'cluster precheck',
  aliases: ['precheck'],
  summary: 'What is in the way of another Kubernetes version',
  examples: ['cluster precheck dev-1', 'cluster precheck dev-1 1.35'],
  group: 'Clusters',
  policy: 'cluster:get',
  changes: false,
  args: z.object({
    cluster: clusterField,
    version: field(
      z
        .string()
        .trim()
        .regex(/^v?1\.\d{1,3}([.+-][\w.+-]{0,50})?$/, 'Write a version, such as 1.35.')
        .optional(),
      { label: 'Version', help: 'Without it, the next minor version.', example: '1.35', order: 2 },
    ),
  }),
  positional: ['cluster', 'version'],
  words: { to: 'version', for: 'version' },
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    const { version = '' } = values;
    const seen = await lookFor(context, cluster, version.replace(/^v/, ''), 12_000);
    return lookedCard(context, cluster, seen, buttons(context, cluster, version));
  },
};

function buttons(context: Context, cluster: Cluster, version: string): Button[] {
  const again = { label: 'Look again', command: lineOf(clusterPrecheck, { cluster: cluster.name, version }) };
  const check = { label: 'Check', command: formatLine('cluster check', ['cluster'], { cluster: cluster.name }) };
  const can =
    engineAt(context, cluster)?.capabilities.upgrade &&
    !cluster.readOnly &&
    refusal('cluster:update', context.caller, [cluster.owner]) === null;
  const upgrade = formatLine('cluster upgrade', ['cluster', 'version'], { cluster: cluster.name, version });
  return [again, check, ...(can ? [{ label: 'Upgrade', command: upgrade }] : [])];
}

async function lookFor(context: Context, cluster: Cluster, target: string, ms: number): Promise<Looked> {
  const kubeconfig = await openToLook(context, cluster);
  const args = { cluster: cluster.name, target, server: cluster.endpoint ?? '' };
  return context.kube.look(kubeconfig, 'precheck', args, context.call(ms));
}

/** The pre-checks for a plan; a cluster that cannot be looked into is said so, and does not stop the plan. */
export async function precheckOf(context: Context, cluster: Cluster, target: string, ms: number): Promise<Checks> {
  try {
    const { summary = '', warnings = [] } = await lookFor(context, cluster, target, ms);
    return { summary, warnings };
  } catch (thrown) {
    const { message } = asFault(thrown);
    return {
      summary: 'None could be taken: what is in the way of the upgrade is not known.',
      warnings: [`KQueen could not look into the cluster: ${message}`],
    };
  }
}
