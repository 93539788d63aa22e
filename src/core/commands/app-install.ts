import { z } from 'zod';
import { readDraft } from '../app-drafts.ts';
import { type CatalogueApp, catalogue, catalogueApp, catalogueSchema } from '../apps-catalogue.ts';
import type { Form, Row } from '../card.ts';
import { type Answer, type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import type { Stored } from '../ports/store.ts';
import { field, fieldsOf, type Problem, readValues } from '../schema.ts';
import { appNameField, deploy, deployFields, firstPlan, pick, problemAt, ways } from './app-deploy.ts';
import { namespaceField } from './app-restart.ts';
import { workable } from './cluster-work.ts';
import { clusterField, toCaller } from './common.ts';

const own = {
  name: appNameField,
  namespace: namespaceField,
};
const args = z.object({
  cluster: clusterField,
  what: field(z.string().trim().max(40).optional(), {
    label: 'App',
    help: 'Its name in the catalogue.',
    example: 'redis',
    order: 2,
  }),
  name: field(appNameField.optional(), { label: 'Name', order: 3 }),
  namespace: namespaceField,
  ...deployFields,
});

/** Deploys an app of the catalogue, with typed parameters. */
export const appInstall: Command = {
  name: 'app install',
  aliases: ['app catalogue', 'app catalog'],
  summary: 'Deploy a well-known app, such as redis or grafana',
  examples: ['app install dev-1', 'app install dev-1 redis', 'app install dev-1 postgresql name=db storage=20Gi'],
  group: 'Apps',
  policy: 'cluster:update',
  changes: true,
  args,
  positional: ['cluster', 'what'],
  words: { in: 'namespace', as: 'name' },
  open: true,
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const {
      cluster: _cluster,
      what,
      draft,
      plan: _plan,
      force: _force,
      allow: _allow,
      within: _within,
      ...given
    } = values;
    if (!what) return listing(found.record.name);
    const app = catalogueApp(what);
    if (!app) {
      throw new Fault('not-found', `The catalogue has no ${what.slice(0, 40)}.`, {
        field: 'what',
        next: `It has: ${catalogue.map(({ name }) => name).join(', ')}. Any image runs with app run.`,
      });
    }
    const line = {
      ...pick(values, ['cluster', 'name', 'namespace', 'force', 'allow', 'within', 'plan']),
      what: app.name,
    };
    const words = `${app.name} of the catalogue`;
    if (draft) return deploy(context, found, appInstall, { ...line, draft }, await readDraft(context, draft), words);
    const schema = catalogueSchema(app);
    const form = (problems: Problem[]) => installForm(found, app, given, ways(values), problems);
    if (!given.name && context.source !== 'form') return { audience: 'caller', form: form([]) };
    const read = readValues(schema.extend(own), given);
    if (!read.ok) {
      if (context.source === 'form') return { audience: 'caller', form: form(read.problems), problems: read.problems };
      const [first] = read.problems;
      throw new Fault('bad-input', first?.message ?? 'That does not fit.', { field: first?.field ?? 'name' });
    }
    const { name: _name, namespace: _namespace, ...parameters } = read.value;
    const plain = Object.entries(parameters).filter((pair): pair is [string, string | number | boolean] =>
      ['string', 'number', 'boolean'].includes(typeof pair[1]),
    );
    return firstPlan(
      context,
      found,
      appInstall,
      line,
      { from: 'catalogue', what: app.name, values: Object.fromEntries(plain) },
      form,
    );
  },
};

function listing(cluster: string): Answer {
  const rows: Row[] = catalogue.map(({ name, title, about }) => ({
    text: `*${title}*: ${about.toLowerCase()}`,
    buttons: [{ label: 'Install', command: lineOf(appInstall, { cluster, what: name }) }],
  }));
  return toCaller({
    title: 'What can be installed',
    tone: 'plain',
    text: `There are ${catalogue.map(({ title }) => title).join(', ')}.`,
    parts: [
      { part: 'rows', rows },
      { part: 'note', text: 'Any other image runs with app run, any manifests with app deploy.' },
    ],
    buttons: [{ label: 'Run an image', command: `app run ${cluster}` }],
  });
}

function installForm(
  found: Stored<'cluster'>,
  app: CatalogueApp,
  values: Record<string, string>,
  typed: Record<string, string>,
  problems: Problem[],
): Form {
  const fields = fieldsOf(catalogueSchema(app).extend(own), { name: app.name, ...values });
  return {
    title: `Install ${app.title} in ${found.record.name}`.slice(0, 60),
    command: lineOf(appInstall, { cluster: found.record.name, what: app.name, ...typed }),
    submit: 'Show the plan',
    intro:
      'Passwords are made up, kept in a Secret of the cluster and shown to nobody; access with the role edit to their namespace reads them.',
    fields: fields.map((each) => ({ ...each, ...problemAt(problems, each.key) })),
    private: false,
  };
}
