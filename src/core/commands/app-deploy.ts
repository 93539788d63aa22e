import { z } from 'zod';
import { keepDraft, readDraft } from '../app-drafts.ts';
import { type AppSource, appName, appNameRule, largestManifest } from '../apps.ts';
import type { Form } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { clusterKubeconfig } from '../connect.ts';
import { asFault, Fault } from '../errors.ts';
import { atLeast } from '../policy.ts';
import type { Stored } from '../ports/store.ts';
import { field, fieldsOf, type Problem, readValues } from '../schema.ts';
import { parseDuration } from '../units.ts';
import { namespaceField } from './app-restart.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';

/** The name that an app is deployed under. */
export const appNameField = field(z.string().trim().regex(appName, appNameRule), {
  label: 'Name',
  help: 'KQueen finds the app again by it. Two versions side by side are two names.',
  example: 'web',
  order: 2,
});

/** What all ways to deploy share. */
export const deployFields = {
  force: field(z.boolean().optional(), {
    label: 'Take over fields',
    help: 'Takes over what others have set in objects that are there. The plan names it.',
    order: 90,
  }),
  allow: field(z.enum(['privileged']).optional(), {
    label: 'Allow',
    help: 'privileged: workloads may reach their nodes. Admins only.',
    order: 91,
  }),
  within: field(z.string().trim().optional(), {
    label: 'Has to run within',
    help: 'How long it may take until it runs.',
    example: '10m',
    order: 92,
  }),
  draft: field(z.string().trim().optional(), { label: 'Draft', order: 98 }),
  plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
};

const args = z.object({
  cluster: clusterField,
  name: field(appNameField.optional(), {
    label: 'Name',
    help: 'Without one the manifests name it.',
    example: 'web',
    order: 2,
  }),
  namespace: namespaceField,
  manifest: field(z.string().max(largestManifest).optional(), {
    label: 'Manifests',
    help: 'YAML or JSON, any number of objects.',
    secret: true,
    multiline: true,
    order: 4,
  }),
  url: field(
    z
      .url({ protocol: /^https$/, error: 'Use an address that begins with https://.' })
      .max(1_000)
      .optional(),
    {
      label: 'Or their address',
      help: 'Of the raw file, at a host that an admin has allowed.',
      example: 'https://raw.githubusercontent.com/team/shop/main/shop.yaml',
      order: 5,
    },
  ),
  ...deployFields,
});

/** Deploys what manifests say, as an app of that name. */
export const appDeploy: Command = {
  name: 'app deploy',
  aliases: ['app apply'],
  summary: 'Deploy an app from manifests',
  examples: [
    'app deploy dev-1',
    'app deploy dev-1 web namespace=shop',
    'app deploy dev-1 shop url=https://raw.githubusercontent.com/team/shop/main/shop.yaml',
  ],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args,
  positional: ['cluster', 'name'],
  words: { in: 'namespace' },
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { draft, ...given } = values;
    if (draft)
      return deploy(
        context,
        found,
        appDeploy,
        { ...given, draft },
        await readDraft(context, draft),
        sourceWords(values.url),
      );
    const form = (problems: Problem[]) => deployForm(context, found, values, problems);
    const source = sourceOf(values);
    if (!source) {
      const problems =
        context.source === 'form' ? [{ field: 'manifest', message: 'Give manifests, or their address.' }] : [];
      return { audience: 'caller', form: form(problems), ...(problems.length > 0 ? { problems } : {}) };
    }
    // What stands after the path of an address may be secret, and the draft needs it no more.
    const { url, ...rest } = given;
    const line = url && URL.canParse(url) ? { ...rest, url: `${new URL(url).origin}${new URL(url).pathname}` } : rest;
    return firstPlan(context, found, appDeploy, line, source, form);
  },
};

function sourceOf({ manifest, url }: Record<string, string>): AppSource | undefined {
  if (manifest?.trim() && url)
    throw new Fault('bad-input', 'There are manifests and an address: take one of them away.', { field: 'url' });
  if (url) return { from: 'address', url };
  return manifest?.trim() ? { from: 'text', text: manifest } : undefined;
}

function deployForm(
  context: Context,
  found: Stored<'cluster'>,
  values: Record<string, string>,
  problems: Problem[],
): Form {
  const asked = ['name', 'namespace', 'manifest', 'url', ...(atLeast(context.caller.role, 'admin') ? ['allow'] : [])];
  const fields = fieldsOf(args, values)
    .filter(({ key }) => asked.includes(key))
    .map((each) => ({ ...each, ...problemAt(problems, each.key) }));
  return {
    title: `Deploy to ${found.record.name}`.slice(0, 60),
    command: lineOf(appDeploy, { cluster: found.record.name, ...ways(values) }),
    submit: 'Show the plan',
    intro: 'Nothing is changed before you have seen what would change. What you paste is kept sealed.',
    fields,
    private: true,
  };
}

/** What is wrong with one field, for its form. */
export function problemAt(problems: readonly Problem[], key: string): { problem?: string } {
  const found = problems.find((each) => each.field === key);
  return found ? { problem: found.message } : {};
}

/**
 * Reads where an app comes from, keeps it as a draft, and shows the plan. What is wrong with it is said in the form when it came from one.
 */
export async function firstPlan(
  context: Context,
  found: Stored<'cluster'>,
  command: Command,
  values: Record<string, string>,
  source: AppSource,
  form: (problems: Problem[]) => Form,
): Promise<Answer> {
  const refused = (problems: Problem[]): Answer => ({ audience: 'caller', form: form(problems), problems });
  const call = context.call(15_000);
  const kubeconfig = await clusterKubeconfig(context, found.record, { now: context.now, call });
  const { manifest: _manifest, values: _values, secretEnv: _secretEnv, ...line } = values;
  try {
    const namespace = values.namespace ?? 'default';
    const bundle = await context.kube.bundle(kubeconfig, { name: values.name ?? '', namespace }, source, call);
    const named = values.name ?? suggested(bundle.suggests);
    if (named === undefined) return refused([{ field: 'name', message: `Give it a name. ${appNameRule}` }]);
    const draft = await keepDraft(context, bundle.bulk);
    return await deploy(context, found, command, { ...line, name: named, draft }, bundle.bulk, wordsOf(source));
  } catch (thrown) {
    const fault = asFault(thrown);
    const mendable = fault.kind === 'bad-input' || fault.kind === 'conflict' || fault.kind === 'quota';
    if (context.source !== 'form' || !mendable) throw thrown;
    return refused([
      { field: fault.field ?? 'manifest', message: `${fault.message}${fault.next ? ` ${fault.next}` : ''}` },
    ]);
  }
}

function suggested(given: string | undefined): string | undefined {
  const name = given?.toLowerCase().replaceAll('.', '-').slice(0, 40).replace(/-+$/, '');
  return name !== undefined && appName.test(name) ? name : undefined;
}

/** An address in words: without what stands after its path, which may be secret. */
function sourceWords(url: string | undefined): string {
  return url && URL.canParse(url) ? `${new URL(url).host}${new URL(url).pathname}`.slice(0, 150) : 'manifests';
}

/** Where an app comes from, in words without anything secret. */
export function wordsOf(source: AppSource): string {
  switch (source.from) {
    case 'text':
      return 'manifests';
    case 'address':
      return sourceWords(source.url);
    case 'chart':
      return `chart ${source.chart}${source.version ? ` ${source.version}` : ''}`;
    case 'image':
      return `image ${source.image}`;
    case 'catalogue':
      return `${source.what} of the catalogue`;
  }
}

/** The plan of a draft, or the job when the plan was seen. */
export async function deploy(
  context: Context,
  found: Stored<'cluster'>,
  command: Command,
  values: Record<string, string>,
  bulk: string,
  source: string,
): Promise<Answer> {
  const { plan, draft = '', name = '', namespace = 'default' } = values;
  const given = readValues(
    z.object({ force: deployFields.force, allow: deployFields.allow }),
    pick(values, ['force', 'allow']),
  );
  if (!given.ok) throw new Fault('bad-input', given.problems[0]?.message ?? 'That does not fit.');
  const { force = false, allow } = given.value;
  if (allow === 'privileged' && !atLeast(context.caller.role, 'admin')) {
    throw new Fault('not-allowed', 'Only an admin allows workloads that reach their nodes.', {
      next: 'Ask an admin to deploy it.',
    });
  }
  const { plan: _plan, ...line } = values;
  const withinMs = readWithin(values.within);
  return work(context, found, {
    ...{ op: 'app.deploy', title: `Deploy ${name} to`, button: 'Deploy it', plan, bulk },
    input: {
      ...{ app: name, namespace, by: context.caller.name, asked: draft, force, privileged: allow === 'privileged' },
      ...{ source, withinMs },
    },
    line: lineOf(command, line),
    allowedMs: withinMs + 15 * 60_000,
  });
}

/** How long an app may take until it runs, in milliseconds. */
export function readWithin(text: string | undefined): number {
  const ms = text ? parseDuration(text) : 10 * 60_000;
  if (ms === null || ms < 1_000 || ms > 2 * 3_600_000) {
    throw new Fault('bad-input', 'Write how long it may take as 30s, 10m or 1h; two hours at the most.', {
      field: 'within',
    });
  }
  return ms;
}

/** How it is deployed, as it was typed: what a form does not ask goes on with it. */
export function ways(values: Record<string, string>): Record<string, string> {
  return pick(values, ['force', 'allow', 'within']);
}

/** Some of the values. */
export function pick(values: Record<string, string>, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => keys.includes(key)));
}
