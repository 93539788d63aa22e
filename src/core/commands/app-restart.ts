import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';

/** The app a command is about: a Deployment by its name. */
export const appField = field(
  z
    .string()
    .trim()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'Use the name of a Deployment, such as web.'),
  { label: 'App', help: 'The name of its Deployment.', example: 'web', order: 2 },
);

/** A namespace of a cluster. */
export const namespaceField = field(
  z
    .string()
    .trim()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'Use the name of a namespace, such as default.')
    .default('default'),
  { label: 'Namespace', order: 3 },
);

/** Replaces the pods of an app, one after the other. */
export const appRestart: Command = {
  name: 'app restart',
  summary: 'Replace the pods of an app one after the other',
  examples: ['app restart dev-1 web', 'app restart dev-1 web namespace=shop'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    app: appField,
    namespace: namespaceField,
    at: field(z.string().optional(), { label: 'When it was asked for', order: 98 }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'app'],
  words: { in: 'namespace' },
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { app = '', namespace = 'default' } = values;
    // The mark on the pods is the time of the first asking, so that the plan and the click on it mean one restart.
    const at = values.at ?? new Date(context.now).toISOString().replace(/\.\d+/, '');
    return work(context, found, {
      ...{ op: 'app.restart', title: `Restart ${app} in`, button: 'Restart it', plan: values.plan },
      input: { namespace, name: app, at },
      line: lineOf(appRestart, { cluster: found.record.name, app, namespace, at }),
    });
  },
};
