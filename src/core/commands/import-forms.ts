/** The forms of an import, and the card of what it found. */
import { z } from 'zod';
import type { Card, Field, Form, Part } from '../card.ts';
import type { Context } from '../command.ts';
import { formatLine } from '../line.ts';
import { purposes } from '../policy.ts';
import type { KubeReview } from '../ports/kube.ts';
import type { Stored } from '../ports/store.ts';
import type { Cluster, Health, Provisioner } from '../records.ts';
import { field, fieldsOf, labelsSchema } from '../schema.ts';
import { clusterButtons, healthFacts } from '../views/job.ts';
import { count } from '../words.ts';
import { nameField } from './common.ts';

/** The engine of clusters that KQueen did not make. */
export const importEngine = 'manual';
/** The name of the provisioner that an admin's first import makes. */
export const firstHome = 'existing';

/**
 * Slack takes 3,000 characters in a field, and a kubeconfig with certificates is about twice as long. It can come as a file, but that stays in Slack; so it
 * can be pasted in parts as well.
 */
export const kubeconfigParts = ['kubeconfig', 'kubeconfig2', 'kubeconfig3', 'kubeconfig4'] as const;

const part = (label: string, help: string, order: number, max = 3_000) =>
  field(z.string().max(max).optional(), { label, help, secret: true, multiline: true, order });

/** What an import takes. The kubeconfig is secret: it is taken from a form alone. */
export const importArgs = z.object({
  name: nameField,
  provisioner: field(z.string().trim().min(1).optional(), {
    label: 'Provisioner',
    help: 'The one for existing clusters that it is listed under.',
    order: 2,
    live: true,
  }),
  purpose: field(z.enum(purposes).default('production'), {
    label: 'Purpose',
    help: 'Production clusters have stricter rules.',
    order: 3,
  }),
  labels: field(labelsSchema.optional(), {
    label: 'Labels',
    help: 'key=value pairs, separated by commas.',
    example: 'team=data',
    order: 4,
  }),
  mode: field(z.enum(['read-only', 'operate']).optional(), {
    label: 'What KQueen may do',
    help: 'read-only: look at it. operate: also change what runs in it, such as accounts for access.',
    order: 5,
  }),
  replace: field(z.boolean().optional(), {
    label: 'Replace',
    help: 'Gives a cluster that was imported before a new kubeconfig.',
    order: 6,
  }),
  kubeconfig: part(
    'Kubeconfig',
    'As `kubectl config view --minify --flatten --raw` prints it; YAML or JSON.',
    10,
    256 * 1024,
  ),
  kubeconfig2: part('Kubeconfig, second part', 'What did not fit into the field above: it goes on here.', 11),
  kubeconfig3: part('Kubeconfig, third part', 'And here.', 12),
  kubeconfig4: part('Kubeconfig, fourth part', 'And here.', 13),
});

/** Where it is to be listed: a provisioner that is there, one that is yet to be made, or a choice among several. */
export type Home = { is: 'there'; stored: Stored<'provisioner'> } | { is: 'new' } | { is: 'open'; all: Provisioner[] };

/** Whether more than looking may be allowed there. */
export function mayOperate(home: Home): boolean {
  return home.is === 'there' && home.stored.record.params.mode === 'operate';
}

/** What was found, in half a sentence. */
export function sentence(health: Health, { version, endpoint }: Cluster): string {
  const nodes = health.nodes > 0 ? `${count(health.nodes, 'node')}, ` : '';
  return `${nodes}${version ? `Kubernetes ${version}` : 'Kubernetes'} at ${endpoint}, ${health.verdict.toLowerCase()}.`;
}

/** What an import found, with what is worth a warning. */
export function resultCard(
  title: string,
  says: string,
  cluster: Cluster,
  health: Health,
  review: KubeReview,
  warnings: string[],
): Card {
  const notes = [...warnings, ...reviewNotes(cluster, review)];
  const may = review.everything === null ? 'It does not say' : review.everything ? 'Everything' : 'Not everything';
  const shown: Part[] = [
    { part: 'text', text: says },
    {
      part: 'facts',
      facts: [
        { label: 'API server', value: review.server },
        ...(cluster.version ? [{ label: 'Kubernetes', value: cluster.version }] : []),
        { label: 'Signs in with', value: `${review.by}${review.user ? `, as ${review.user}` : ''}` },
        { label: 'It may there', value: may },
        { label: 'KQueen may', value: cluster.readOnly ? 'Look at it, and nothing else' : 'Look at it and operate it' },
        { label: 'Owner', value: cluster.ownerName },
        ...healthFacts(health),
      ],
    },
    ...notes.map((text): Part => ({ part: 'note', text })),
    ...(cluster.notes ?? []).map((text): Part => ({ part: 'note', text })),
  ];
  return {
    title,
    tone: notes.length > 0 || health.verdict !== 'Healthy' ? 'warn' : 'good',
    text: says,
    parts: shown,
    buttons: [
      ...clusterButtons(cluster).filter(({ label }) => label === 'Check' || label === 'Show'),
      { label: 'Detach', command: formatLine('cluster detach', ['cluster'], { cluster: cluster.name }) },
    ],
  };
}

function reviewNotes(cluster: Cluster, review: KubeReview): string[] {
  const notes: string[] = [];
  if (review.everything && cluster.readOnly) {
    notes.push(
      'This credential may do everything in the cluster, and KQueen only looks. One that may only read is enough and does less harm in wrong hands; give it with replace=yes.',
    );
  }
  if (review.looks === false) {
    notes.push('This credential may not list nodes and pods, so KQueen sees little of its health.');
  }
  return notes;
}

/** The fields of the kubeconfig: as many as the chat's field length needs. */
function kubeconfigFields(context: Context, all: Field[]): Field[] {
  const split = context.place.chat === 'slack';
  return all
    .filter(({ key }) => key === 'kubeconfig' || (split && kubeconfigParts.some((each) => each === key)))
    .map((each) => (each.key === 'kubeconfig' ? { ...each, required: true } : each));
}

/** The form of an import. */
export function importForm(context: Context, given: Record<string, string>, home: Home): Form {
  const all = fieldsOf(importArgs, given);
  const pick = (key: string) => all.filter((each) => each.key === key);
  const choice = pick('provisioner').map((each) => ({
    ...each,
    required: true,
    choices: home.is === 'open' ? home.all.map(({ name }) => ({ value: name, label: name })) : [],
  }));
  const fields = [
    ...pick('name'),
    ...(home.is === 'open' ? choice : []),
    ...pick('purpose'),
    ...pick('labels'),
    ...(mayOperate(home) ? pick('mode').map((each) => ({ ...each, value: given.mode ?? 'read-only' })) : []),
    ...kubeconfigFields(context, all),
  ];
  const where = home.is === 'there' ? [['provisioner', home.stored.record.name] as const] : [];
  return {
    title: 'Import a cluster',
    command: formatLine('cluster import', [], Object.fromEntries(where)),
    submit: 'Look at it and import',
    intro: introOf(home),
    fields,
    private: true,
  };
}

function introOf(home: Home): string {
  const first =
    home.is === 'new' ? ` A provisioner named ${firstHome} is made with it, for clusters that exist already.` : '';
  return `KQueen signs in with the kubeconfig and looks at the cluster before it is kept; nothing is changed there. The kubeconfig is kept sealed and never shown again.${first}`;
}

/** The form in which an imported cluster gets a new kubeconfig. */
export function replaceForm(context: Context, cluster: Cluster, given: Record<string, string>, home: Home): Form {
  const all = fieldsOf(importArgs, given);
  const mode = given.mode ?? (cluster.readOnly === false ? 'operate' : 'read-only');
  return {
    title: `New kubeconfig: ${cluster.name}`.slice(0, 60),
    command: formatLine('cluster import', ['name'], { name: cluster.name, replace: 'yes' }),
    submit: 'Look at it and save',
    intro: `KQueen signs in at ${String(cluster.spec.server)} with it before it takes the place of the old one.`,
    fields: [
      ...(mayOperate(home) ? all.filter(({ key }) => key === 'mode').map((each) => ({ ...each, value: mode })) : []),
      ...kubeconfigFields(context, all),
    ],
    private: true,
  };
}
