import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { field } from '../schema.ts';
import { deployFields } from './app-deploy.ts';
import { askedBy, askedField, meantBy, workloadFields } from './app-fields.ts';
import { work, workable } from './cluster-work.ts';

/** Ports as people write them, parted by commas. */
export const portsField = field(z.string().trim().max(200).optional(), {
  label: 'Ports',
  help: '8080, or 80:8080 (from outside, of the container), or 53/udp; several with commas.',
  example: '80:8080',
  order: 5,
});

/** The host name of an Ingress. */
export const hostField = field(
  z
    .string()
    .trim()
    .max(253)
    .regex(
      /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/,
      'Use a host name, such as web.example.com.',
    )
    .optional(),
  {
    label: 'Host name',
    help: 'Makes an Ingress for it; the cluster needs an ingress controller.',
    example: 'web.example.com',
    order: 7,
  },
);

/** The parts of a comma-separated text. */
export function partsOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** Makes an app reachable by a Service, and with a host name by an Ingress. */
export const appExpose: Command = {
  name: 'app expose',
  summary: 'Make an app reachable, in the cluster or from outside',
  examples: ['app expose dev-1 web publish=loadbalancer ports=80:8080', 'app expose dev-1 web host=web.example.com'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: workloadFields.cluster,
    name: workloadFields.name,
    workload: workloadFields.workload,
    publish: field(z.enum(['cluster', 'nodes', 'internal', 'loadbalancer']).default('cluster'), {
      label: 'Reached',
      help: 'cluster: inside it. nodes: on a port of every node. internal: by an address of the cloud’s own network. loadbalancer: by one that all can reach.',
      order: 4,
    }),
    ports: portsField,
    host: hostField,
    force: deployFields.force,
    asked: askedField,
    plan: deployFields.plan,
  }),
  positional: ['cluster', 'name'],
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { plan, ...line } = values;
    const { asked, by } = askedBy(context, values);
    const { publish = 'cluster', host } = values;
    const ports = partsOf(values.ports);
    if (ports.length > 20) throw new Fault('bad-input', 'Use at most 20 ports.', { field: 'ports' });
    return work(context, found, {
      ...{ op: 'app.expose', title: `Expose ${values.name} in`, button: 'Expose it', plan },
      input: {
        ...{ ...meantBy(values), publish, ports, asked, by, force: /^(yes|true|on)$/i.test(values.force ?? '') },
        ...(host ? { host } : {}),
      },
      line: lineOf(appExpose, { ...line, cluster: found.record.name, asked }),
    });
  },
};
