import { z } from 'zod';
import { type Form, plainCard } from '../card.ts';
import { type Command, type Context, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { hashOf } from '../plan.ts';
import { purposes, refusal } from '../policy.ts';
import type { Cluster } from '../records.ts';
import { field, fieldsOf, labelsSchema, parsePairs, textOf } from '../schema.ts';
import { clusterField, demand, findCluster, movedFault, repeatAnswer, toCaller, toPlace } from './common.ts';

/** Changes what KQueen knows of a cluster: purpose, labels, owner. Its machines are not touched. */
export const clusterEdit: Command = {
  name: 'cluster edit',
  aliases: ['cluster label', 'cluster set'],
  summary: 'Change purpose, labels or owner',
  examples: [
    'cluster edit dev-1 purpose=test labels="team=data"',
    'cluster edit dev-1 labels=none',
    'cluster edit dev-1 unlabel=team,tier',
  ],
  group: 'Clusters',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    purpose: field(z.enum(purposes).optional(), { label: 'Purpose', order: 2 }),
    labels: field(labelsSchema.optional(), {
      label: 'Labels',
      help: 'key=value pairs, separated by commas; they replace the ones there are. Empty: none.',
      example: 'team=data',
      order: 3,
    }),
    unlabel: field(z.string().trim().optional(), {
      label: 'Remove labels',
      help: 'Their keys, separated by commas; the others stay.',
      example: 'team',
      order: 5,
    }),
    owner: field(z.string().trim().optional(), {
      label: 'Owner',
      help: 'A person KQueen has seen; only admins change it.',
      order: 4,
    }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster'],
  clearable: ['labels'],
  async run(context, values) {
    const { caller, cache } = context;
    const found = await findCluster(context, values.cluster ?? '');
    const before = found.record;
    demand(context, 'cluster:update', [before.owner]);
    const wishes = [values.purpose, values.labels, values.unlabel, values.owner, values.plan];
    if (wishes.every((wish) => wish === undefined)) return { audience: 'caller', form: editForm(context, before) };
    const after: Cluster = { ...before };
    if (values.purpose) after.purpose = values.purpose;
    if (values.labels !== undefined) after.labels = parsePairs(values.labels) ?? {};
    if (values.unlabel) after.labels = withoutLabels(after, values.unlabel);
    if (values.owner) {
      demand(context, 'cluster:owner');
      const wanted = values.owner.replace(/^@/, '').toLowerCase();
      const people = cache.query('person', caller.org, {
        where: ({ id, name }) => name.toLowerCase() === wanted || id.toLowerCase().endsWith(`:${wanted}`),
        limit: 3,
      });
      const [person] = people.items;
      if (!person || people.total !== 1) {
        const why =
          people.total === 0
            ? `KQueen does not know ${values.owner}.`
            : `More than one person is called ${values.owner}.`;
        throw new Fault('bad-input', why, { field: 'owner', next: 'Write the id as whoami shows it to that person.' });
      }
      after.owner = person.id;
      after.ownerName = person.name;
    }
    if (before.purpose === 'production' && after.purpose !== 'production') demand(context, 'cluster:owner');
    const facts = differences(before, after);
    if (facts.length === 0) {
      return toCaller(
        plainCard(
          `Cluster ${before.name}`,
          'Nothing to change: say what, such as purpose=test, labels="team=data" or labels=none.',
        ),
      );
    }
    const hash = hashOf({ action: 'cluster.edit', cluster: before.id, facts });
    const { plan, ...given } = values;
    // A form sends the labels as they were too: they are not part of what is wanted.
    if (!facts.some(({ label }) => label === labelsLabel)) delete given.labels;
    if (plan !== hash) {
      const moved = plan !== undefined;
      const text = moved
        ? 'The cluster has changed since; nothing was done. This is the change now.'
        : 'Nothing happens until you press Change it.';
      return toCaller({
        title: `Change cluster ${before.name}?`,
        tone: moved ? 'warn' : 'plain',
        text,
        parts: [
          { part: 'text', text },
          { part: 'facts', facts },
          { part: 'note', text: 'Its machines are not touched and its cost stays as it is.' },
        ],
        buttons: [{ label: 'Change it', command: `${lineOf(clusterEdit, given)} plan=${hash}`, style: 'primary' }],
      });
    }
    const says = `Cluster ${before.name} is changed: ${facts.map(({ label, value }) => `${label.toLowerCase()} ${value}`).join('; ')}.`;
    const done = await context.effect([{ op: 'put', ref: found.ref, record: after, if: found.revision }], {
      action: 'cluster.edit',
      outcome: 'done',
      subject: before.name,
      says,
    });
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (!done.ok) throw movedFault(`Cluster ${before.name}`);
    return toPlace(plainCard(`Cluster ${before.name} is changed`, says, 'good'));
  },
};

const labelsLabel = 'Labels';

/** The cluster's labels without those keys; a Fault for one that it does not have. */
function withoutLabels({ name, labels }: Cluster, keys: string): Record<string, string> {
  const gone = keys.split(/[\s,]+/).filter(Boolean);
  const missing = gone.filter((key) => !Object.hasOwn(labels, key));
  if (missing.length > 0) {
    const has = Object.keys(labels).join(', ');
    throw new Fault('bad-input', `Cluster ${name} has no label ${missing.join(', ')}.`, {
      field: 'unlabel',
      next: has === '' ? 'It has none at all.' : `It has: ${has}.`,
    });
  }
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !gone.includes(key)));
}

function differences(before: Cluster, after: Cluster): { label: string; value: string }[] {
  const labels = (cluster: Cluster) =>
    Object.entries(cluster.labels)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${value}`)
      .join(', ') || 'none';
  const rows: [string, string, string][] = [
    ['Purpose', before.purpose, after.purpose],
    [labelsLabel, labels(before), labels(after)],
    ['Owner', before.ownerName, after.ownerName],
  ];
  return rows.filter(([, was, is]) => was !== is).map(([label, was, is]) => ({ label, value: `${was} → ${is}` }));
}

/** What KQueen knows of the cluster, to be changed; the owner only by those who may. */
function editForm({ caller }: Context, cluster: Cluster): Form {
  const now = { purpose: cluster.purpose, labels: textOf(cluster.labels) };
  const mayGive = refusal('cluster:owner', caller, [cluster.owner]) === null;
  const fields = fieldsOf(clusterEdit.args, now).flatMap((each) => {
    if (each.key === 'owner') return mayGive ? [{ ...each, help: `Leave empty to keep ${cluster.ownerName}.` }] : [];
    return each.key === 'purpose' || each.key === 'labels' ? [each] : [];
  });
  return {
    title: `Change cluster ${cluster.name}`.slice(0, 60),
    command: lineOf(clusterEdit, { cluster: cluster.name }),
    submit: 'Show the change',
    fields,
    private: false,
  };
}
