import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';

/** The program that Kubernetes' own guide looks names up with (https://kubernetes.io/docs/tasks/administer-cluster/dns-debugging-resolution/). */
const image = 'registry.k8s.io/e2e-test-images/agnhost:2.39';

/** Looks from inside a cluster whether names resolve there. */
export const addonDns: Command = {
  name: 'addon dns',
  aliases: ['cluster dns', 'dns check'],
  summary: 'Check that names resolve inside a cluster',
  examples: ['addon dns dev-1', 'addon dns dev-1 registry.example.com'],
  group: 'Add-ons',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    name: field(
      z
        .string()
        .trim()
        .regex(/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/, 'Write a name such as example.com.')
        .default('example.com'),
      { label: 'Name outside', help: 'Looked up beside kubernetes.default.', example: 'example.com', order: 2 },
    ),
    asked: field(z.string().trim().max(40).optional(), { label: 'Asking', order: 98 }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'name'],
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { name = 'example.com' } = values;
    const asked = values.asked ?? context.newId(12);
    return work(context, found, {
      ...{ op: 'addon.dns', title: 'Check the names in', button: 'Check them', plan: values.plan },
      input: { names: ['kubernetes.default', name], image, asked },
      line: lineOf(addonDns, { cluster: found.record.name, name, asked }),
      allowedMs: 15 * 60_000,
    });
  },
};
