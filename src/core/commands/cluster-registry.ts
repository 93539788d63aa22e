import { z } from 'zod';
import { readMirrors } from '../addons-images.ts';
import { dockerConfig, generalMirrors } from '../addons-registry.ts';
import { keepDraft, readDraft } from '../app-drafts.ts';
import type { Form } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { clusterKubeconfig } from '../connect.ts';
import { asFault, Fault } from '../errors.ts';
import type { Stored } from '../ports/store.ts';
import { field, fieldsOf, type Problem } from '../schema.ts';
import { pick, problemAt } from './app-deploy.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField, findCluster, toCaller } from './common.ts';
import { openToLook } from './look-into.ts';

/** Mirrors as people write them. */
export const mirrorsField = field(z.string().max(4_000).optional(), {
  label: 'Mirrors',
  help: 'registry=mirror, one a line. Images that are deployed from then on are taken from there. none: no mirrors.',
  example: 'docker.io=mirror.example.com/dockerhub',
  multiline: true,
  order: 2,
});

const asked = {
  mirrors: mirrorsField,
  host: field(z.string().trim().max(300).optional(), {
    label: 'Registry that needs signing in',
    help: 'Its address; empty leaves it as it is.',
    example: 'registry.example.com',
    order: 3,
  }),
  user: field(z.string().trim().max(300).optional(), { label: 'User name', order: 4 }),
  password: field(z.string().max(4_000).optional(), {
    label: 'Password or token',
    help: 'Kept sealed, and in a Secret of the cluster. It is shown to nobody.',
    secret: true,
    order: 5,
  }),
  key: field(z.string().max(40_000).optional(), {
    label: 'Or a JSON key',
    help: 'The key file of a Google service account, or a Docker configuration with auths.',
    secret: true,
    multiline: true,
    order: 6,
  }),
  namespaces: field(z.string().trim().max(2_000).optional(), {
    label: 'Namespaces',
    help: 'Where pods pull with it at once, with commas. Those that KQueen deploys to are always among them.',
    example: 'default, shop',
    order: 7,
  }),
};

const namespace = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Where a cluster takes its images from: mirrors, and what signs in at a private registry. */
export const clusterRegistry: Command = {
  name: 'cluster registry',
  aliases: ['registry'],
  summary: 'Set registry mirrors and the pull secret of a cluster',
  examples: [
    'cluster registry dev-1',
    'cluster registry dev-1 mirrors="docker.io=mirror.example.com/dockerhub"',
    'cluster registry dev-1 remove=secret',
  ],
  group: 'Network and images',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    ...asked,
    remove: field(z.enum(['secret']).optional(), {
      label: 'Remove',
      help: 'secret: pods pull with it no more.',
      order: 8,
    }),
    draft: field(z.string().trim().optional(), { label: 'Draft', order: 98 }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster'],
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const wanted = pick(values, ['mirrors', 'host', 'user', 'password', 'key', 'namespaces', 'remove', 'draft']);
    if (Object.values(wanted).every((value) => value.trim() === '') && context.source !== 'form')
      return { audience: 'caller', form: await formOf(context, found, values, []) };
    try {
      return await set(context, found, values);
    } catch (thrown) {
      const fault = asFault(thrown);
      if (context.source !== 'form' || fault.kind !== 'bad-input' || !fault.field || !Object.hasOwn(asked, fault.field))
        throw thrown;
      const problems = [{ field: fault.field, message: `${fault.message}${fault.next ? ` ${fault.next}` : ''}` }];
      return { audience: 'caller', form: await formOf(context, found, values, problems), problems };
    }
  },
};

/** What is kept for the click on the plan. */
interface Draft {
  input: Record<string, unknown>;
  docker?: string;
}

async function set(context: Context, found: Stored<'cluster'>, values: Record<string, string>): Promise<Answer> {
  let { draft } = values;
  let kept: Draft;
  if (draft) kept = JSON.parse(await readDraft(context, draft, 'cluster registry')) as Draft;
  else {
    kept = readDraftOf(context, values);
    draft = await keepDraft(context, JSON.stringify(kept));
  }
  return work(context, found, {
    ...{ op: 'registry.set', title: 'Set the registries of', button: 'Set them', plan: values.plan },
    input: kept.input,
    ...(kept.docker === undefined ? {} : { bulk: kept.docker }),
    line: lineOf(clusterRegistry, { cluster: found.record.name, draft }),
  });
}

function readDraftOf(context: Context, values: Record<string, string>): Draft {
  const { mirrors: text, host, user, password, key, namespaces = '', remove } = values;
  const mirrors = text === undefined || (text.trim() === '' && context.source !== 'form') ? null : demandMirrors(text);
  const docker = dockerConfig({ host, user, password, key });
  if (remove && docker !== undefined)
    throw new Fault('bad-input', 'A secret is given and is to be removed: do one of them.', { field: 'host' });
  const names = namespaces.split(/[\s,]+/).filter((name) => name !== '');
  const wrong = names.find((name) => !namespace.test(name));
  if (wrong !== undefined)
    throw new Fault('bad-input', `${wrong.slice(0, 63)} cannot be the name of a namespace.`, { field: 'namespaces' });
  if (names.includes('kqueen'))
    throw new Fault('bad-input', "The namespace kqueen is KQueen's own.", { field: 'namespaces' });
  const pull = remove ? 'remove' : docker === undefined ? 'keep' : 'set';
  return {
    input: { mirrors, pull, namespaces: [...new Set(names)], by: context.caller.name, at: context.now },
    ...(docker === undefined ? {} : { docker }),
  };
}

/** The rules of a text; throws `bad-input` at the field for what is none. */
export function demandMirrors(text: string): { from: string; to: string }[] {
  if (/^\s*none\s*$/i.test(text)) return [];
  const read = readMirrors(text);
  if ('problem' in read) throw new Fault('bad-input', read.problem, { field: 'mirrors' });
  return read.mirrors;
}

async function formOf(
  context: Context,
  found: Stored<'cluster'>,
  values: Record<string, string>,
  problems: Problem[],
): Promise<Form> {
  const call = context.call(8_000);
  const kubeconfig = await clusterKubeconfig(context, found.record, { now: context.now, call });
  const seen = await context.kube.look(kubeconfig, 'registry', {}, call);
  const general = await generalMirrors(context.store, found.record.org);
  const now = seen.file?.content ?? '';
  const fields = fieldsOf(z.object(asked), { mirrors: now, ...pick(values, Object.keys(asked)) });
  const rest =
    general.length > 0
      ? ` Without mirrors of its own it has those of the organisation: ${general.map(({ from, to }) => `${from} from ${to}`).join(', ')}.`
      : '';
  return {
    title: `Registries of ${found.record.name}`.slice(0, 60),
    command: lineOf(clusterRegistry, { cluster: found.record.name }),
    submit: 'Show the plan',
    intro: `${seen.text}${rest}`,
    fields: fields.map((each) => ({ ...each, ...problemAt(problems, each.key) })),
    private: true,
  };
}

/** Where a cluster takes its images from, for everybody who may see it. */
export const clusterRegistryShow: Command = {
  name: 'cluster registry show',
  aliases: ['registry show'],
  summary: 'Show registry mirrors and pull secret of a cluster',
  examples: ['cluster registry show dev-1'],
  group: 'Network and images',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ cluster: clusterField }),
  positional: ['cluster'],
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    const kubeconfig = await openToLook(context, cluster);
    const seen = await context.kube.look(kubeconfig, 'registry', {}, context.call(10_000));
    const general = await generalMirrors(context.store, cluster.org);
    const rules = general.map(({ from, to }) => `${from} from ${to}`).join(', ');
    const note =
      general.length > 0
        ? `The organisation's, for clusters without their own: ${rules}.`
        : 'The organisation has none.';
    return toCaller({
      title: `Registries of ${cluster.name}`,
      tone: 'plain',
      text: seen.text,
      parts: [...seen.parts, { part: 'note', text: note }],
      buttons: [{ label: 'Change', command: lineOf(clusterRegistry, { cluster: cluster.name }) }],
    });
  },
};
