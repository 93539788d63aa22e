import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { appNameField, deployFields, readWithin } from './app-deploy.ts';
import { askedBy, askedField } from './app-fields.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';

/** Takes an app back to a revision that ran. */
export const appRollback: Command = {
  name: 'app rollback',
  aliases: ['app undo'],
  summary: 'Take an app back to an earlier revision',
  examples: ['app rollback dev-1 web', 'app rollback dev-1 web to 3'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    name: appNameField,
    to: field(z.int().min(1).optional(), {
      label: 'Revision',
      help: 'Without one: the last before this that ran.',
      order: 3,
    }),
    force: deployFields.force,
    within: deployFields.within,
    asked: askedField,
    plan: deployFields.plan,
  }),
  positional: ['cluster', 'name', 'to'],
  words: { to: 'to' },
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { plan, ...line } = values;
    const { asked, by } = askedBy(context, values);
    const withinMs = readWithin(values.within);
    return work(context, found, {
      ...{ op: 'app.rollback', title: `Roll ${values.name} back in`, button: 'Roll it back', plan },
      input: {
        ...{ app: values.name, asked, by, withinMs, force: /^(yes|true|on)$/i.test(values.force ?? '') },
        ...(values.to ? { to: Number(values.to) } : {}),
      },
      line: lineOf(appRollback, { ...line, cluster: found.record.name, asked }),
      allowedMs: withinMs + 15 * 60_000,
    });
  },
};
