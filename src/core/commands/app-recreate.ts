import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { meantBy, workloadFields } from './app-fields.ts';
import { work, workable } from './cluster-work.ts';

/** Deletes all pods of an app at once, so that new ones are made. */
export const appRecreate: Command = {
  name: 'app recreate',
  summary: 'Delete all pods of an app at once, for new ones',
  examples: ['app recreate dev-1 web'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args: z.object(workloadFields),
  positional: ['cluster', 'name'],
  words: { in: 'namespace' },
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { plan, ...line } = values;
    return work(context, found, {
      ...{ op: 'app.recreate', title: `Recreate the pods of ${values.name} in`, button: 'Recreate them', plan },
      input: meantBy(values),
      line: lineOf(appRecreate, { ...line, cluster: found.record.name }),
    });
  },
};
