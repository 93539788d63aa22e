/** Fields that commands about a deployed app share. */
import { z } from 'zod';
import { appName, appNameRule } from '../apps.ts';
import type { Context } from '../command.ts';
import { field } from '../schema.ts';
import { clusterField } from './common.ts';

/** Which workload of an app is meant. */
export const workloadFields = {
  cluster: clusterField,
  name: field(z.string().trim().regex(appName, appNameRule), {
    label: 'App',
    help: 'The name it was deployed under, or that of a Deployment.',
    example: 'web',
    order: 2,
  }),
  workload: field(
    z
      .string()
      .trim()
      .regex(
        /^([A-Za-z]+\/)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
        'Use the name of a workload, such as web or StatefulSet/db.',
      )
      .optional(),
    { label: 'Workload', help: 'For an app with several.', order: 10 },
  ),
  namespace: field(
    z
      .string()
      .trim()
      .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'Use the name of a namespace, such as default.')
      .optional(),
    { label: 'Namespace', help: 'Only of what KQueen has not deployed itself.', order: 11 },
  ),
  plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
};

/** What of a command's values says which workload is meant. */
export function meantBy(values: Record<string, string>): Record<string, string> {
  const { name = '', workload, namespace } = values;
  return { app: name, ...(workload ? { workload } : {}), ...(namespace ? { namespace } : {}) };
}

/** What every new revision is told: by whom, and the name of this asking, which its plan's button carries on. */
export function askedBy(context: Context, values: Record<string, string>): { asked: string; by: string } {
  return { asked: values.asked ?? context.newId(12), by: context.caller.name };
}

/** Names this asking, from its plan to its job. */
export const askedField = field(z.string().trim().max(40).optional(), { label: 'Asking', order: 98 });
