import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { someNamespace } from './cluster-get.ts';
import { clusterField, demand, findCluster } from './common.ts';
import { lookedCard, openToLook } from './look-into.ts';

/** The last lines that an app has written. For those who may have access to the cluster: a log tells more than a list. */
export const appLogs: Command = {
  name: 'app logs',
  aliases: ['app log'],
  summary: 'The last lines of an app, credentials blotted out',
  examples: ['app logs dev-1 web', 'app logs dev-1 web namespace=shop previous=true lines=100'],
  group: 'Apps',
  policy: 'cluster:access',
  changes: false,
  args: z.object({
    cluster: clusterField,
    app: field(
      z
        .string()
        .trim()
        .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'Use the name of an app, a workload or a pod, such as web.'),
      { label: 'App', help: 'An app, a workload or a pod.', example: 'web', order: 2 },
    ),
    namespace: someNamespace,
    container: field(
      z
        .string()
        .trim()
        .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'Use the name of a container.')
        .optional(),
      { label: 'Container', help: 'Without it, all of them.', order: 4 },
    ),
    previous: field(z.boolean().default(false), { label: 'Before the last restart', order: 5 }),
    lines: field(z.number().int().min(1).max(500).default(50), { label: 'Lines of each container', order: 6 }),
  }),
  positional: ['cluster', 'app'],
  words: { in: 'namespace' },
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    demand(context, 'cluster:access', [cluster.owner]);
    const kubeconfig = await openToLook(context, cluster);
    const { app = '', namespace = '', container = '', previous = 'false', lines = '50' } = values;
    const args = { app, namespace, container, previous, lines };
    const seen = await context.kube.look(kubeconfig, 'logs', args, context.call(12_000));
    const again = lineOf(appLogs, {
      ...{ cluster: cluster.name, app, namespace, container, lines },
      previous: previous === 'true' ? 'false' : 'true',
    });
    const label = previous === 'true' ? 'Since its last restart' : 'Before its last restart';
    return lookedCard(context, cluster, seen, [{ label, command: again }]);
  },
};
