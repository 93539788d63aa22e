import { z } from 'zod';
import { readDraft } from '../app-drafts.ts';
import { type AppImage, type AppSource, publishWays } from '../apps.ts';
import type { Form } from '../card.ts';
import { type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import type { Stored } from '../ports/store.ts';
import { field, fieldsOf, type Problem, parsePairs, readValues } from '../schema.ts';
import { appNameField, deploy, deployFields, firstPlan, pick, problemAt, ways } from './app-deploy.ts';
import { hostField, partsOf, portsField } from './app-expose.ts';
import { namespaceField } from './app-restart.ts';
import { imageSchema } from './app-update.ts';
import { workable } from './cluster-work.ts';
import { clusterField } from './common.ts';

const asked = {
  name: field(appNameField.optional(), {
    label: 'Name',
    help: 'KQueen finds the app again by it.',
    example: 'web',
    order: 2,
  }),
  image: field(imageSchema.optional(), { label: 'Image', example: 'nginx:1.29', order: 3 }),
  env: field(z.record(z.string(), z.string()).optional(), {
    label: 'Variables',
    help: 'KEY=value pairs, with commas between them. What is secret goes into the next field.',
    example: 'MODE=fast, LEVEL=2',
    order: 4,
  }),
  secretEnv: field(z.string().max(20_000).optional(), {
    label: 'Secret variables',
    help: 'KEY=value, one a line. They go into a Secret.',
    secret: true,
    multiline: true,
    order: 5,
  }),
  ports: portsField,
  replicas: field(z.int().min(0).max(1_000).default(1), { label: 'Pods', order: 6 }),
  publish: field(z.enum(publishWays).default('cluster'), {
    label: 'Reached',
    help: 'no; cluster: inside it; nodes: on a port of every node; internal: by an address of the cloud’s own network; loadbalancer: by one that all can reach.',
    order: 7,
  }),
  host: hostField,
  folder: field(
    z
      .string()
      .trim()
      .regex(/^\/[\w./-]{1,200}$/, 'Write a path such as /data.')
      .optional(),
    {
      label: 'Folder',
      help: 'A folder that outlives its container.',
      example: '/data',
      order: 9,
    },
  ),
  storage: field(
    z
      .string()
      .trim()
      .regex(/^[1-9]\d{0,4}(Mi|Gi|Ti)$/, 'Write a size such as 8Gi.')
      .optional(),
    {
      label: 'Size of the folder',
      help: 'With a size it is a volume that outlives the pod as well.',
      example: '8Gi',
      order: 10,
    },
  ),
  namespace: namespaceField,
};
const args = z.object({ cluster: clusterField, ...asked, ...deployFields });

/** Runs an image as an app: the form with its name, image, variables, ports and how it is reached. */
export const appRun: Command = {
  name: 'app run',
  summary: 'Run an image as an app',
  examples: ['app run dev-1', 'app run dev-1 web nginx:1.29 ports=80 env=MODE=fast publish=loadbalancer'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args,
  positional: ['cluster', 'name', 'image'],
  words: { in: 'namespace' },
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { draft, name, image } = values;
    const line = pick(values, ['cluster', 'name', 'image', 'namespace', 'force', 'allow', 'within', 'plan']);
    if (draft)
      return deploy(
        context,
        found,
        appRun,
        { ...line, draft },
        await readDraft(context, draft),
        `image ${image ?? ''}`,
      );
    const form = (problems: Problem[]) => runForm(found, values, problems);
    if (!name || !image) {
      const missing = [...(name ? [] : ['name']), ...(image ? [] : ['image'])].map((key) => ({
        field: key,
        message: 'Please fill this in.',
      }));
      return context.source === 'form'
        ? { audience: 'caller', form: form(missing), problems: missing }
        : { audience: 'caller', form: form([]) };
    }
    return firstPlan(context, found, appRun, line, sourceOf(values), form);
  },
};

function runForm(found: Stored<'cluster'>, values: Record<string, string>, problems: Problem[]): Form {
  const fields = fieldsOf(z.object(asked), values).map((each) => ({
    ...each,
    ...problemAt(problems, each.key),
    ...(each.key === 'name' || each.key === 'image' ? { required: true } : {}),
  }));
  return {
    title: `Run an image in ${found.record.name}`.slice(0, 60),
    command: lineOf(appRun, { cluster: found.record.name, ...ways(values) }),
    submit: 'Show the plan',
    intro: 'Nothing is changed before you have seen what would be made.',
    fields,
    private: true,
  };
}

function sourceOf(values: Record<string, string>): AppSource {
  const read = readValues(args, values);
  if (!read.ok)
    throw new Fault('bad-input', read.problems[0]?.message ?? 'That does not fit.', {
      field: read.problems[0]?.field ?? 'image',
    });
  const { image = '', replicas, publish, host, folder, storage } = read.value;
  if (storage && !folder) throw new Fault('bad-input', 'Say which folder the volume is for.', { field: 'folder' });
  const parts: AppImage = {
    ...{ image, replicas, publish, ports: partsOf(values.ports) },
    env: parsePairs(values.env ?? '') ?? {},
    secretEnv: secretPairs(values.secretEnv ?? ''),
    ...(host ? { host } : {}),
    ...(folder ? { folder: { path: folder, ...(storage ? { size: storage } : {}) } } : {}),
  };
  return { from: 'image', ...parts };
}

/** Reads `KEY=value`, one a line; a value may hold anything but a line break. */
function secretPairs(text: string): Record<string, string> {
  const pairs = new Map<string, string>();
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    if (row.trim() === '') continue;
    const at = row.indexOf('=');
    if (at < 1) throw new Fault('bad-input', `Line ${index + 1} is not written as KEY=value.`, { field: 'secretEnv' });
    pairs.set(row.slice(0, at).trim(), row.slice(at + 1));
  }
  return Object.fromEntries(pairs);
}
