import { z } from 'zod';
import { plainCard } from '../card.ts';
import { type Command, type Context, lineOf } from '../command.ts';
import { clusterKubeconfig, hasKubeconfig } from '../connect.ts';
import { Fault } from '../errors.ts';
import { hashOf } from '../plan.ts';
import { refusal } from '../policy.ts';
import type { Change } from '../ports/store.ts';
import type { Cluster } from '../records.ts';
import { field } from '../schema.ts';
import { clusterField, demand, findCluster, movedFault, repeatAnswer, toCaller, toPlace } from './common.ts';

/** The way to a cluster in which KQueen makes accounts; a Fault that says why there is none. */
async function wayIn(context: Context, cluster: Cluster): Promise<string> {
  if (cluster.readOnly) {
    throw new Fault('unsupported', `Cluster ${cluster.name} is read-only here, so KQueen made no account in it.`, {
      next: 'Ask whoever runs the cluster.',
    });
  }
  // Ending access must not wait for a change of the nodes to end.
  const isRunning = cluster.phase === 'Ready' || cluster.phase === 'Updating';
  if (!isRunning || cluster.stopped || !hasKubeconfig(cluster, context.engines)) {
    throw new Fault(
      'conflict',
      `The accounts of cluster ${cluster.name} cannot be seen: it is ${cluster.stopped ? 'stopped' : cluster.phase}.`,
      { next: `See cluster show ${cluster.name}.` },
    );
  }
  return clusterKubeconfig(context, cluster, { now: context.now, call: context.call(10_000) });
}

/** How a person is called here, with the id when there is a name for it. */
function called(context: Context, person: string): string {
  const name = context.cache.get({ kind: 'person', org: context.caller.org, id: person })?.name;
  return name === undefined ? person : `${name} (${person})`;
}

/** Who has an account for personal access. Members see their own, the owner and admins everybody's. */
export const clusterAccessList: Command = {
  name: 'cluster access list',
  aliases: ['access list', 'access show'],
  summary: 'Who has an account in a cluster, and with which rights',
  examples: ['cluster access list dev-1'],
  group: 'Clusters',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ cluster: clusterField }),
  positional: ['cluster'],
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    const all = refusal('cluster:access', context.caller, [cluster.owner]) === null;
    const args: Record<string, string> = all ? {} : { person: context.caller.person };
    const seen = await context.kube.look(await wayIn(context, cluster), 'accounts', args, context.call(10_000));
    const parts = seen.parts.map((part) =>
      part.part === 'table'
        ? { ...part, rows: part.rows.map(([person = '', ...rest]) => [called(context, person), ...rest]) }
        : part,
    );
    return toCaller({
      title: `Access to ${cluster.name}: ${seen.title.toLowerCase()}`,
      tone: 'plain',
      text: seen.text,
      parts: [
        ...parts,
        ...(all ? [] : [{ part: 'note' as const, text: 'You see your own; its owner and admins see all.' }]),
      ],
      buttons: [{ label: 'Revoke my own', command: lineOf(clusterAccessRevoke, { cluster: cluster.name }) }],
      footer: `A token lives for an hour at most. To end one now: cluster access revoke ${cluster.name} <person>`,
    });
  },
};

/** Deletes a person's account in a cluster: all its tokens end within seconds. */
export const clusterAccessRevoke: Command = {
  name: 'cluster access revoke',
  aliases: ['access revoke'],
  summary: "End somebody's access to a cluster now, or one's own",
  examples: ['cluster access revoke dev-1', 'cluster access revoke dev-1 ada'],
  group: 'Clusters',
  policy: 'cluster:get',
  changes: true,
  args: z.object({
    cluster: clusterField,
    person: field(z.string().trim().min(1).optional(), {
      label: 'Person',
      help: 'A name, or the id that cluster access list shows. Without one it is you.',
      example: 'ada',
      order: 2,
    }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'person'],
  words: { of: 'person', from: 'person' },
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    const { caller } = context;
    const person = personOf(context, values.person);
    if (person !== caller.person) demand(context, 'cluster:access', [cluster.owner]);
    const way = await wayIn(context, cluster);
    const whose = person === caller.person ? 'your' : `${called(context, person)}'s`;
    const says = `The access to ${cluster.name} of ${called(context, person)} is revoked: the account is deleted, and its tokens end within about ten seconds.`;
    const asked = { op: 'access.revoke', input: { person } };
    const seen = await context.kube.plan(way, asked, context.call(10_000));
    const links = await linksOf(context, cluster, person);
    const hash = hashOf({ action: asked.op, cluster: cluster.id, person, seen: seen.rests, links: links.length });
    if (seen.nothing && links.length === 0) {
      return toCaller(plainCard('Nothing to revoke', `${called(context, person)} has no account in ${cluster.name}.`));
    }
    if (values.plan !== hash) {
      const moved = values.plan !== undefined;
      const text = `${moved ? 'What you saw no longer holds; this is how it is now. ' : ''}Nothing happens until you press Revoke it.`;
      return toCaller({
        title: `Revoke ${whose} access to ${cluster.name}?`,
        tone: 'warn',
        text,
        parts: [
          { part: 'text', text },
          {
            part: 'facts',
            facts: [
              { label: 'Person', value: called(context, person) },
              ...seen.facts,
              ...(links.length > 0 ? [{ label: 'Links not yet opened', value: String(links.length) }] : []),
              { label: 'It disturbs', value: seen.disturbs },
            ],
          },
        ],
        buttons: [
          {
            label: 'Revoke it',
            command: lineOf(clusterAccessRevoke, { cluster: cluster.name, person, plan: hash }),
            style: 'danger',
          },
        ],
        footer: 'Whoever may have access can ask for it again.',
      });
    }
    // Recorded first: no account is deleted that the audit log does not tell of. A repeat does the rest of what it may have left.
    const effect = { action: asked.op, outcome: 'requested' as const, subject: cluster.name, says, reason: person };
    const done = await context.effect(links, effect);
    if (!done.ok) throw movedFault('The access');
    await context.kube.work(way, { ...asked, progress: {} }, context.call(10_000));
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    return toPlace(plainCard('Access revoked', says, 'good'));
  },
};

/** The id of who is meant; one that KQueen does not know counts when it is written as an id. */
function personOf({ cache, caller }: Context, typed: string | undefined): string {
  if (typed === undefined) return caller.person;
  const wanted = typed.replace(/^@/, '').toLowerCase();
  const near = cache.query('person', caller.org, {
    where: ({ id, name }) =>
      name.toLowerCase() === wanted || id.toLowerCase() === wanted || id.toLowerCase().endsWith(`:${wanted}`),
    limit: 3,
  });
  const exact = near.items.find(({ id }) => id === typed);
  const one = exact ?? (near.total === 1 ? near.items[0] : undefined);
  if (one) return one.id;
  if (near.total === 0 && /^[a-z]+:\S+$/.test(typed)) return typed;
  const why = near.total > 1 ? `More than one person is called ${typed}.` : `KQueen does not know ${typed}.`;
  throw new Fault('not-found', why, { field: 'person', next: 'Use the id that cluster access list shows.' });
}

/** The deletion of a person's one-time links to the cluster: one that is opened later would make the account again. */
async function linksOf({ store, caller }: Context, cluster: Cluster, person: string): Promise<Change[]> {
  const changes: Change[] = [];
  let after: string | undefined;
  do {
    const page = await store.page('handout', caller.org, { limit: 500, ...(after === undefined ? {} : { after }) });
    for (const { ref, record } of page.items) {
      if (record.cluster === cluster.id && record.person === person) changes.push({ op: 'delete', ref });
    }
    after = page.next;
  } while (after !== undefined);
  return changes;
}
