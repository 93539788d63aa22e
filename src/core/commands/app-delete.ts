import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { appNameField } from './app-deploy.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';

/** Removes an app that KQueen has deployed: what it applied, and nothing else. */
export const appDelete: Command = {
  name: 'app delete',
  aliases: ['app remove'],
  summary: 'Remove an app with all that was deployed for it',
  examples: ['app delete dev-1 web', 'app delete dev-1 db data=yes'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    name: appNameField,
    data: field(z.boolean().optional(), {
      label: 'Its data too',
      help: 'Volumes, namespaces and kinds that it brought are removed as well.',
      order: 3,
    }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'name'],
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { name = '' } = values;
    const data = /^(yes|true|on)$/i.test(values.data ?? '');
    return work(context, found, {
      ...{ op: 'app.delete', title: `Delete ${name} from`, button: 'Delete it', plan: values.plan },
      input: { app: name, data },
      line: lineOf(appDelete, { cluster: found.record.name, name, ...(data ? { data: 'yes' } : {}) }),
    });
  },
};
