import { z } from 'zod';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { meantBy, workloadFields } from './app-fields.ts';
import { work, workable } from './cluster-work.ts';

async function hold(
  context: Context,
  command: Command,
  values: Record<string, string>,
  paused: boolean,
): Promise<Answer> {
  const found = await workable(context, values.cluster ?? '');
  const { plan, ...line } = values;
  const verb = paused ? 'Pause' : 'Resume';
  return work(context, found, {
    ...{ op: 'app.pause', title: `${verb} ${values.name} in`, button: `${verb} it`, plan },
    input: { ...meantBy(values), paused },
    line: lineOf(command, { ...line, cluster: found.record.name }),
  });
}

/** Holds the rollout of an app where it is. */
export const appPause: Command = {
  name: 'app pause',
  summary: "Hold an app's rollout where it is",
  examples: ['app pause dev-1 web'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args: z.object(workloadFields),
  positional: ['cluster', 'name'],
  words: { in: 'namespace' },
  run: (context, values) => hold(context, appPause, values, true),
};

/** Lets a rollout that was paused go on. */
export const appResume: Command = {
  name: 'app resume',
  summary: "Let an app's paused rollout go on",
  examples: ['app resume dev-1 web'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args: z.object(workloadFields),
  positional: ['cluster', 'name'],
  words: { in: 'namespace' },
  run: (context, values) => hold(context, appResume, values, false),
};
