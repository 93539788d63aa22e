import { z } from 'zod';
import type { Button } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { atLeast } from '../policy.ts';
import type { Cluster } from '../records.ts';
import { appDelete } from './app-delete.ts';
import { appNameField } from './app-deploy.ts';
import { appRecreate } from './app-recreate.ts';
import { appRollback } from './app-rollback.ts';
import { clusterField, findCluster } from './common.ts';
import { lookedCard, openToLook } from './look-into.ts';

/** A look at the apps of a cluster, as a card. */
async function lookAt(
  context: Context,
  cluster: Cluster,
  view: string,
  args: Record<string, string>,
  buttons: Button[],
): Promise<Answer> {
  const kubeconfig = await openToLook(context, cluster);
  const seen = await context.kube.look(kubeconfig, view, args, context.call(10_000));
  return lookedCard(context, cluster, seen, buttons);
}

function mayChange({ caller }: Context, cluster: Cluster): boolean {
  return (cluster.owner === caller.person || atLeast(caller.role, 'admin')) && !cluster.readOnly;
}

/** The apps that KQueen has deployed in a cluster. */
export const appList: Command = {
  name: 'app list',
  aliases: ['apps'],
  summary: 'Show the apps deployed in a cluster',
  examples: ['app list dev-1', 'apps dev-1'],
  group: 'Apps',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ cluster: clusterField }),
  positional: ['cluster'],
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    const buttons: Button[] = mayChange(context, cluster)
      ? [{ label: 'Deploy an app', command: `app deploy ${cluster.name}`, style: 'primary' }]
      : [];
    return lookAt(context, cluster, 'apps', { cluster: cluster.name }, buttons);
  },
};

/** One app with its workloads, endpoints and revisions. */
export const appShow: Command = {
  name: 'app show',
  aliases: ['app status'],
  summary: 'Show one app: its pods, endpoints and revisions',
  examples: ['app show dev-1 web'],
  group: 'Apps',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ cluster: clusterField, name: appNameField }),
  positional: ['cluster', 'name'],
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    const named = { cluster: cluster.name, name: values.name ?? '' };
    const buttons: Button[] = mayChange(context, cluster)
      ? [
          { label: 'Roll back', command: lineOf(appRollback, named) },
          { label: 'Recreate pods', command: lineOf(appRecreate, named) },
          { label: 'Delete', command: lineOf(appDelete, named), style: 'danger' },
        ]
      : [];
    return lookAt(context, cluster, 'app', { app: named.name, cluster: cluster.name }, buttons);
  },
};
