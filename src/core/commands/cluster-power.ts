import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { type ChangeWords, change, changeable } from './cluster-change.ts';
import { clusterField } from './common.ts';

const args = z.object({ cluster: clusterField, plan: field(z.string().optional(), { label: 'Plan', order: 99 }) });

const stopping: ChangeWords = {
  ...{ kind: 'cluster.stop', capability: 'power', done: 'stopped', going: 'stopped', button: 'Stop it' },
};

/** Stops a cluster, so that it costs less. */
export const clusterStop: Command = {
  name: 'cluster stop',
  aliases: ['cluster hibernate'],
  summary: 'Stop a cluster so that it costs less',
  examples: ['cluster stop dev-1'],
  group: 'Clusters',
  policy: 'cluster:update',
  changes: true,
  args,
  positional: ['cluster'],
  async run(context, values) {
    const on = await changeable(context, values.cluster ?? '', stopping);
    const line = lineOf(clusterStop, { cluster: on.cluster.name });
    return change(context, on, stopping, { update: { power: 'off' }, line, plan: values.plan });
  },
};

const starting: ChangeWords = {
  ...{ kind: 'cluster.start', capability: 'power', done: 'started', going: 'started', button: 'Start it' },
};

/** Starts a stopped cluster. */
export const clusterStart: Command = {
  name: 'cluster start',
  aliases: ['cluster wake'],
  summary: 'Start a stopped cluster',
  examples: ['cluster start dev-1'],
  group: 'Clusters',
  policy: 'cluster:update',
  changes: true,
  args,
  positional: ['cluster'],
  async run(context, values) {
    const on = await changeable(context, values.cluster ?? '', starting);
    const line = lineOf(clusterStart, { cluster: on.cluster.name });
    return change(context, on, starting, { update: { power: 'on' }, line, plan: values.plan });
  },
};
