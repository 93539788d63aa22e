import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { deployFields, readWithin } from './app-deploy.ts';
import { askedBy, askedField, meantBy, workloadFields } from './app-fields.ts';
import { work, workable } from './cluster-work.ts';

/** An image as a registry names it. */
export const imageSchema = z
  .string()
  .trim()
  .max(300)
  .regex(
    /^[a-z0-9]([a-z0-9.-]*(:\d+)?\/)?[a-z0-9._/-]*(:[\w][\w.-]{0,127})?(@sha256:[a-f0-9]{64})?$/,
    'Use the name of an image, such as nginx:1.29 or registry.example.com/team/web:2.1.',
  );

/** Puts another image into an app, pod by pod. */
export const appUpdate: Command = {
  name: 'app update',
  summary: 'Put another image into an app, pod by pod',
  examples: ['app update dev-1 web nginx:1.30', 'app update dev-1 shop image=shop/cart:2 container=cart'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: workloadFields.cluster,
    name: workloadFields.name,
    image: field(imageSchema, { label: 'Image', example: 'nginx:1.30', order: 3 }),
    workload: workloadFields.workload,
    container: field(z.string().trim().max(63).optional(), {
      label: 'Container',
      help: 'For pods with several.',
      order: 12,
    }),
    force: deployFields.force,
    within: deployFields.within,
    asked: askedField,
    plan: deployFields.plan,
  }),
  positional: ['cluster', 'name', 'image'],
  words: { to: 'image' },
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { plan, container, image, ...rest } = values;
    const { asked, by } = askedBy(context, values);
    const withinMs = readWithin(values.within);
    const its = container ? { container } : {};
    return work(context, found, {
      ...{ op: 'app.update', title: `Update ${values.name} in`, button: 'Update it', plan },
      input: {
        ...meantBy(values),
        ...its,
        image,
        asked,
        by,
        withinMs,
        force: /^(yes|true|on)$/i.test(values.force ?? ''),
      },
      line: lineOf(appUpdate, { ...rest, ...its, cluster: found.record.name, image: image ?? '', asked }),
      allowedMs: withinMs + 15 * 60_000,
    });
  },
};
