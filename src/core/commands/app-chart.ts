import { z } from 'zod';
import { readDraft } from '../app-drafts.ts';
import type { AppSource } from '../apps.ts';
import type { Form } from '../card.ts';
import { type Command, lineOf } from '../command.ts';
import type { Stored } from '../ports/store.ts';
import { field, fieldsOf, type Problem } from '../schema.ts';
import { appNameField, deploy, deployFields, firstPlan, pick, problemAt, ways, wordsOf } from './app-deploy.ts';
import { namespaceField } from './app-restart.ts';
import { workable } from './cluster-work.ts';
import { clusterField } from './common.ts';

const asked = {
  name: field(appNameField.optional(), {
    label: 'Name',
    help: 'KQueen finds the app again by it; the chart knows it as its release.',
    example: 'cache',
    order: 2,
  }),
  chart: field(z.string().trim().max(300).optional(), {
    label: 'Chart',
    help: 'Its name in the repository, or oci://host/path whole.',
    example: 'redis',
    order: 3,
  }),
  repo: field(
    z
      .url({ protocol: /^https$/, error: 'Use an address that begins with https://.' })
      .max(300)
      .optional(),
    {
      label: 'Repository',
      help: 'At a host that an admin has allowed.',
      example: 'https://charts.example.com',
      order: 4,
    },
  ),
  version: field(z.string().trim().max(60).optional(), {
    label: 'Version',
    help: 'Without one the newest.',
    example: '1.2.3',
    order: 5,
  }),
  values: field(z.string().max(200_000).optional(), {
    label: 'Values',
    help: 'YAML, as with --values.',
    secret: true,
    multiline: true,
    order: 6,
  }),
  namespace: namespaceField,
};

/** Deploys a Helm chart: helm makes its manifests, and they are planned, applied and rolled back like any others. */
export const appChart: Command = {
  name: 'app chart',
  aliases: ['app helm'],
  summary: 'Deploy an app from a Helm chart',
  examples: ['app chart dev-1', 'app chart dev-1 cache redis repo=https://charts.example.com version=1.2.3'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args: z.object({ cluster: clusterField, ...asked, ...deployFields }),
  positional: ['cluster', 'name', 'chart'],
  words: { in: 'namespace' },
  async run(context, given) {
    const found = await workable(context, given.cluster ?? '');
    const { draft, name, chart, repo, version, values } = given;
    const line = pick(given, [
      'cluster',
      'name',
      'chart',
      'repo',
      'version',
      'namespace',
      'force',
      'allow',
      'within',
      'plan',
    ]);
    const form = (problems: Problem[]) => chartForm(found, given, problems);
    if (!name || !chart) {
      const missing = [...(name ? [] : ['name']), ...(chart ? [] : ['chart'])].map((key) => ({
        field: key,
        message: 'Please fill this in.',
      }));
      return context.source === 'form'
        ? { audience: 'caller', form: form(missing), problems: missing }
        : { audience: 'caller', form: form([]) };
    }
    const source: AppSource = {
      from: 'chart',
      chart,
      ...(repo ? { repo } : {}),
      ...(version ? { version } : {}),
      ...(values ? { values } : {}),
    };
    if (draft)
      return deploy(context, found, appChart, { ...line, draft }, await readDraft(context, draft), wordsOf(source));
    return firstPlan(context, found, appChart, line, source, form);
  },
};

function chartForm(found: Stored<'cluster'>, values: Record<string, string>, problems: Problem[]): Form {
  const fields = fieldsOf(z.object(asked), values).map((each) => ({
    ...each,
    ...problemAt(problems, each.key),
    ...(each.key === 'name' || each.key === 'chart' ? { required: true } : {}),
  }));
  return {
    title: `Deploy a chart to ${found.record.name}`.slice(0, 60),
    command: lineOf(appChart, { cluster: found.record.name, ...ways(values) }),
    submit: 'Show the plan',
    intro:
      'Helm makes the manifests; nothing is changed before you have seen what would change. Hooks of the chart are not run.',
    fields,
    private: true,
  };
}
