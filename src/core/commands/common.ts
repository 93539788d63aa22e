/** What several commands share: finding things by what people call them, names, small answers. */
import { z } from 'zod';
import { type Button, type Card, type Form, plainCard } from '../card.ts';
import type { Answer, Context } from '../command.ts';
import { Fault } from '../errors.ts';
import { formatLine } from '../line.ts';
import { type Policy, refusal } from '../policy.ts';
import type { Engine } from '../ports/engine.ts';
import type { Change, Stored } from '../ports/store.ts';
import type { Approval, Cluster, Job } from '../records.ts';
import { field } from '../schema.ts';

/** A name people choose: a DNS label of at most 30 characters, so that it fits into every provider's names. */
export const nameField = field(
  z
    .string()
    .trim()
    .max(30, 'Use at most 30 characters.')
    .regex(
      /^[a-z]([a-z0-9-]*[a-z0-9])?$/,
      'Use lower-case letters, digits and dashes; begin with a letter, end with a letter or digit.',
    ),
  { label: 'Name', help: 'Lower-case letters, digits and dashes, up to 30.', example: 'dev-1', order: 1 },
);

export const clusterField = field(z.string().trim().min(1), { label: 'Cluster', example: 'dev-1', order: 1 });
/** The name once more, before something is taken away. */
export const confirmField = field(z.string().trim().optional(), {
  label: 'Type its name',
  help: 'The name of the cluster, letter by letter.',
  order: 2,
});
export const jobField = field(z.string().trim().min(1), { label: 'Job', example: 'k3f9x2ab', order: 1 });

/** The cluster of that name, from the store itself; a Fault that lists near names when there is none. */
export async function findCluster(context: Context, name: string): Promise<Stored<'cluster'>> {
  const { store, caller } = context;
  const wanted = name.trim().toLowerCase();
  const held = await store.get({ kind: 'name', org: caller.org, id: `cluster.${wanted}` });
  const found = held && (await store.get({ kind: 'cluster', org: caller.org, id: held.record.holder }));
  if (!found)
    throw new Fault('not-found', `There is no cluster named ${wanted}.`, {
      field: 'cluster',
      next: nearClusters(context, wanted),
    });
  return found;
}

/** The cluster of that name for a look at it: from memory, so that it can be shown while the store does not answer. */
export async function seeCluster(context: Context, name: string): Promise<Cluster> {
  const wanted = name.trim().toLowerCase();
  const rows = context.cache.query('cluster', context.caller.org, { where: (each) => each.name === wanted, limit: 1 });
  return rows.items[0] ?? (await findCluster(context, name)).record;
}

/** The job people mean by `#id` or `id`, for a look at it: from memory first. */
export async function seeJob(context: Context, name: string): Promise<Job> {
  const id = name.trim().replace(/^#/, '').toLowerCase();
  const seen = context.cache.get({ kind: 'job', org: context.caller.org, id });
  return seen ?? (await findJob(context, name)).record;
}

function nearClusters(context: Context, wanted: string): string {
  const rows = context.cache.query('cluster', context.caller.org, { limit: 200 });
  const near = rows.items
    .map(({ name }) => name)
    .filter((name) => distance(name, wanted) <= 2 || name.startsWith(wanted.slice(0, 3)));
  if (near.length > 0) return `Did you mean ${near.slice(0, 3).join(', ')}?`;
  return rows.total === 0 ? 'There are no clusters yet: write cluster create.' : 'Write clusters to see them all.';
}

/** The job people mean by `#id` or `id`, from the store itself. */
export async function findJob(context: Context, name: string): Promise<Stored<'job'>> {
  const id = name.trim().replace(/^#/, '').toLowerCase();
  const found = /^[a-z0-9]{1,40}$/.test(id)
    ? await context.store.get({ kind: 'job', org: context.caller.org, id })
    : undefined;
  if (!found)
    throw new Fault('not-found', `There is no job #${id}.`, { field: 'job', next: 'Write jobs to see them.' });
  return found;
}

/** The provisioner of that name, from the store itself. */
export async function findProvisioner(context: Context, name: string): Promise<Stored<'provisioner'>> {
  const { store, caller } = context;
  const wanted = name.trim().toLowerCase();
  const near = context.cache.query('provisioner', caller.org).items;
  const guess = near.find((each) => each.name === wanted)?.id;
  const read = (id: string | undefined) => (id ? store.get({ kind: 'provisioner', org: caller.org, id }) : undefined);
  // The one that memory has under this name is read along with the name; it counts only if the store agrees.
  const [held, guessed] = await Promise.all([
    store.get({ kind: 'name', org: caller.org, id: `provisioner.${wanted}` }),
    read(guess),
  ]);
  const found = held?.record.holder === guess ? guessed : await read(held?.record.holder);
  if (found) return found;
  const names = near.map((each) => each.name);
  throw new Fault('not-found', `There is no provisioner named ${wanted}.`, {
    field: 'provisioner',
    next: names.length > 0 ? `There are: ${names.join(', ')}.` : 'An admin adds one with provisioner add.',
  });
}

/**
 * The form in which a name is typed before something is taken away. With `typed` (which was not the name) it says so at its field, and a line
 * that was typed whole gets the same as an error.
 */
export function confirmByName(
  context: Context,
  asked: { title: string; command: string; submit: string; intro: string; name: string; to: string; nothing: string },
  typed: string | undefined,
): Answer {
  const { name, to } = asked;
  const message = `That is not its name. ${asked.nothing} Type ${name} to ${to} it.`;
  if (typed !== undefined && context.source !== 'form') throw new Fault('bad-input', message, { field: 'confirm' });
  const form: Form = {
    title: asked.title.slice(0, 60),
    command: asked.command,
    submit: asked.submit,
    intro: asked.intro,
    fields: [
      {
        key: 'confirm',
        label: `Type ${name} to ${to} it`,
        kind: 'text',
        required: true,
        help: 'The name, letter by letter.',
        ...(typed === undefined ? {} : { value: typed, problem: message }),
      },
    ],
    private: false,
  };
  if (typed === undefined) return { audience: 'caller', form };
  return { audience: 'caller', form, problems: [{ field: 'confirm', message }] };
}

/** Throws the refusal, if there is one. */
export function demand(context: Context, policy: Policy, owners: readonly string[] = []): void {
  const fault = refusal(policy, context.caller, owners);
  if (fault) throw fault;
}

/** An answer for the caller's eyes. */
export function toCaller(card: Card): Answer {
  return { audience: 'caller', card };
}

/** An answer for everybody in the place: changes are public where they were asked for. */
export function toPlace(card: Card): Answer {
  return { audience: 'place', card };
}

/** What a person sees when this very event has had its effect before. */
export function repeatAnswer(delivery: { effect: string; job?: string | undefined }): Answer {
  const buttons: Button[] = delivery.job
    ? [{ label: 'Show job', command: formatLine('job show', ['job'], { job: delivery.job }) }]
    : [];
  return { ...toCaller(plainCard('Already done', delivery.effect, 'plain', buttons)), receipt: true };
}

/** The answer when a transaction found that the world has moved since it was looked at. */
export function movedFault(what: string): Fault {
  return new Fault('conflict', `${what} was changed by somebody else at the same moment.`, {
    next: 'Look at it again, then repeat your command.',
  });
}

/** A new job's fields that every kind shares. */
export function newJob(
  context: Context,
  part: Pick<Job, 'id' | 'kind' | 'cluster' | 'clusterName' | 'provisioner' | 'engine' | 'plan' | 'command' | 'nodes'>,
): Job {
  const { caller, now, place, limits } = context;
  return {
    v: 1,
    ...part,
    org: caller.org,
    state: 'Queued',
    requestedBy: caller.person,
    requesterName: caller.name,
    requestedAt: now,
    place,
    tick: 1,
    dueAt: now,
    allowedMs: limits.provisionMs,
    steps: [],
    note: 'Waiting for a free worker.',
    attempt: 0,
    log: [{ at: now, text: `Asked for by ${caller.name}.` }],
  };
}

/** The same job waiting for an approval, with the request for it; both go into one transaction. */
export function withApproval(context: Context, job: Job): { job: Job; change: Change } {
  const { now, limits } = context;
  const { id, org, cluster, clusterName, requestedBy, requesterName, plan } = job;
  const approval: Approval = {
    v: 1,
    id,
    org,
    job: id,
    cluster,
    clusterName,
    requestedBy,
    requesterName,
    requestedAt: now,
    role: plan.approval.role,
    planHash: plan.hash,
    state: 'pending',
    expiresAt: now + limits.approvalMs,
  };
  return {
    job: { ...job, state: 'AwaitingApproval', approval: id, dueAt: approval.expiresAt, note: 'Waiting for approval.' },
    change: { op: 'put', ref: { kind: 'approval', org, id }, record: approval, if: 0 },
  };
}

/** The job that runs on a cluster, for a person who asked for another. */
export async function busyFault(context: Context, cluster: Cluster): Promise<Fault> {
  const job = cluster.openJob
    ? await context.store.get({ kind: 'job', org: cluster.org, id: cluster.openJob })
    : undefined;
  const what = job
    ? `${job.record.kind.replace('cluster.', '')} asked for by ${job.record.requesterName}`
    : 'another job';
  return new Fault('conflict', `Cluster ${cluster.name} is busy: ${what}.`, {
    next: `Wait for it, or look at it with job show ${cluster.openJob ?? ''}.`.trim(),
  });
}

/** Damerau-Levenshtein distance (optimal string alignment), for suggestions. */
export function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const above = rows[i - 1] ?? [];
      let best = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

/** The engine of that name, or the only one with that word in its title: people write openstack, google or azure. */
export function engineCalled(engines: readonly Engine[], asked: string): Engine | undefined {
  const wanted = asked.toLowerCase();
  const named = engines.find(({ name }) => name === wanted);
  if (named) return named;
  const titled = engines.filter(({ title }) => title.toLowerCase().split(/\W+/).includes(wanted));
  return titled.length === 1 ? titled[0] : undefined;
}
