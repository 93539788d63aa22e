import { z } from 'zod';
import { plainCard } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { targetOf } from '../connect.ts';
import { endOfVersion, versionsAsOf } from '../digest-versions.ts';
import { Fault } from '../errors.ts';
import type { Choice } from '../ports/engine.ts';
import type { Cluster } from '../records.ts';
import { field } from '../schema.ts';
import { type Changeable, type ChangeWords, change, changeable, changeForm } from './cluster-change.ts';
import { precheckOf } from './cluster-precheck.ts';
import { compareVersions } from './clusters.ts';
import { clusterField, toCaller } from './common.ts';

const upgrading: ChangeWords = {
  ...{ kind: 'cluster.upgrade', capability: 'upgrade', done: 'upgraded', going: 'upgraded', button: 'Upgrade it' },
};

/** An upgrade takes its time for each node: so many times the limit of a creation. */
const patience = 4;

/** Upgrades Kubernetes to a version that the provider offers for this cluster. */
export const clusterUpgrade: Command = {
  name: 'cluster upgrade',
  aliases: ['cluster update'],
  summary: 'Another Kubernetes version',
  examples: ['cluster upgrade dev-1', 'cluster upgrade dev-1 version=1.35'],
  group: 'Clusters',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    version: field(z.string().trim().max(63).optional(), {
      label: 'Version',
      help: 'One of those the provider offers for it; 1.35 means the newest 1.35.',
      example: '1.35',
      order: 2,
    }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'version'],
  words: { to: 'version' },
  async run(context, values) {
    const on = await changeable(context, values.cluster ?? '', upgrading);
    const { cluster } = on;
    if (cluster.openJob && values.version === undefined) return upgradeForm(context, on, []);
    // A line that carries a plan was offered by KQueen a moment ago, and the plan's hash says whether it still holds.
    const known = cluster.openJob !== undefined || values.plan !== undefined;
    const choices = known ? [] : await offered(context, cluster);
    if (values.version === undefined || context.source === 'open-form') {
      return choices.length === 0 ? newest(cluster) : upgradeForm(context, on, choices, values.version);
    }
    const choice = known ? { value: values.version, note: undefined } : chosen(cluster, choices, values.version);
    if (choice === null) return newest(cluster, values.version);
    const line = lineOf(clusterUpgrade, { cluster: cluster.name, version: choice.value });
    return change(context, on, upgrading, {
      update: { version: choice.value },
      line,
      plan: values.plan,
      note: choice.note ?? endOf(choice.value),
      look: () => precheckOf(context, cluster, choice.value, values.plan === undefined ? lookMs : againMs),
      allowedMs: context.limits.provisionMs * patience,
      async check() {
        if (!known) return;
        const now = chosen(cluster, await offered(context, cluster), choice.value);
        if (now?.value !== choice.value)
          throw new Fault('bad-input', `${choice.value} is not a whole version.`, { field: 'version' });
      },
    });
  },
};

/**
 * How long the look into the cluster may take, in milliseconds: before the plan is shown, and at the click on it, which is not kept waiting. What is not
 * seen by then is said.
 */
const lookMs = 8_000;
const againMs = 1_500;

/** What KQueen itself knows of a version's end, where the provider says nothing. */
function endOf(version: string): string | undefined {
  const end = endOfVersion(version);
  if (end === null) return undefined;
  const day = new Date(end).toISOString().slice(0, 10);
  return `Kubernetes itself mends it until ${day} (as of ${versionsAsOf}); the provider has said nothing of it`;
}

/** What the provider offers for this cluster, now. */
async function offered(context: Context, cluster: Cluster): Promise<Choice[]> {
  const { org, provisioner, provisionerName } = cluster;
  const found = await context.store.get({ kind: 'provisioner', org, id: provisioner });
  if (!found) {
    throw new Fault('not-found', `Provisioner ${provisionerName} does not exist any more.`, {
      whose: 'admin',
      next: 'An admin adds it again.',
    });
  }
  const client = await context.connect(found.record);
  const choices = await client.upgrades(targetOf(cluster), context.call(10_000));
  // The provider's word goes first: it may support a version for longer, or shorter.
  return choices.map((choice) => {
    const note = choice.note ?? endOf(choice.value);
    return note === undefined ? choice : { ...choice, note };
  });
}

/** The offer that the typed version means; null when the cluster has it already. Throws when it cannot be reached from here. */
function chosen(cluster: Cluster, choices: readonly Choice[], typed: string): Choice | null {
  const wanted = typed.replace(/^v/, '');
  const found = choices.find(({ value }) => value === wanted) ?? choices.find(({ value }) => longer(value, wanted));
  if (found) return found;
  const now = cluster.version?.replace(/^v/, '');
  if (now !== undefined && (now === wanted || longer(now, wanted))) return null;
  const back = now !== undefined && compareVersions(now, wanted) > 0;
  const why = back
    ? 'Kubernetes cannot go back to an older version.'
    : 'Kubernetes goes up by one minor version at a time, and only to what the provider offers.';
  const list = choices.slice(0, 8).map(({ value }) => value);
  throw new Fault('bad-input', `${wanted} cannot be reached from ${now ?? 'its version'}. ${why}`, {
    field: 'version',
    next: list.length > 0 ? `It can go to: ${list.join(', ')}.` : 'There is no newer version for it now.',
  });
}

/** Whether a version goes on where the typed one stops. */
function longer(version: string, typed: string): boolean {
  return version.startsWith(`${typed}.`) || version.startsWith(`${typed}-`);
}

function newest(cluster: Cluster, typed?: string): Answer {
  const has = cluster.version ? `Kubernetes ${cluster.version}` : 'its version';
  const text =
    typed === undefined
      ? `The provider offers nothing newer than ${has} for ${cluster.name}.`
      : `Cluster ${cluster.name} has ${has} already.`;
  return toCaller(plainCard('Nothing to upgrade', text));
}

function upgradeForm(context: Context, on: Changeable, choices: Choice[], typed?: string): Promise<Answer> {
  const { cluster } = on;
  const value = choices.find((choice) => choice.value === typed)?.value ?? choices[0]?.value;
  return changeForm(context, on, {
    title: `Upgrade cluster ${cluster.name}`.slice(0, 60),
    command: lineOf(clusterUpgrade, { cluster: cluster.name }),
    submit: 'Show the plan',
    intro: `It has Kubernetes ${cluster.version ?? 'of an unknown version'} now.`,
    fields: [
      {
        ...{ key: 'version', label: 'Version', kind: 'choice', required: true, choices },
        ...(value === undefined ? {} : { value }),
      },
    ],
    private: false,
  });
}
