import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { field } from '../schema.ts';
import { meantBy, workloadFields } from './app-fields.ts';
import { work, workable } from './cluster-work.ts';

/** Sets how many pods an app has. */
export const appScale: Command = {
  name: 'app scale',
  summary: 'Set how many pods an app has',
  examples: ['app scale dev-1 web 3', 'app scale dev-1 shop replicas=0 workload=Deployment/cart'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    ...workloadFields,
    replicas: field(z.int().min(0, 'At least 0 pods.').max(1_000, 'At most 1,000 pods.'), { label: 'Pods', order: 3 }),
  }),
  positional: ['cluster', 'name', 'replicas'],
  words: { to: 'replicas', in: 'namespace' },
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { plan, ...line } = values;
    const replicas = Number(values.replicas);
    if (!Number.isInteger(replicas))
      throw new Fault('bad-input', 'Say how many pods it is to have.', { field: 'replicas' });
    return work(context, found, {
      ...{ op: 'app.scale', title: `Scale ${values.name} to ${replicas} in`, button: 'Scale it', plan },
      input: { ...meantBy(values), replicas },
      line: lineOf(appScale, { ...line, cluster: found.record.name }),
    });
  },
};
