import { z } from 'zod';
import type { Button, Form } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { describeExternal, stateRefusal, whoseIs } from '../external.ts';
import { planAdopt } from '../plan-adopt.ts';
import { purposes } from '../policy.ts';
import type { Engine, ExternalCluster } from '../ports/engine.ts';
import type { Change } from '../ports/store.ts';
import type { Cluster, Person, Plan, Provisioner } from '../records.ts';
import { field, fieldsOf, labelsSchema, type Problem, readValues } from '../schema.ts';
import { planParts } from '../views/plan.ts';
import { jobName } from '../words.ts';
import {
  distance,
  findProvisioner,
  movedFault,
  nameField,
  newJob,
  repeatAnswer,
  toCaller,
  withApproval,
} from './common.ts';
import { listExternal, listingEngine } from './provisioner-discover.ts';

const args = z.object({
  external: field(z.string().trim().min(1).max(500), {
    label: 'Name at the provider',
    help: 'As provisioner discover shows it.',
    order: 1,
  }),
  provisioner: field(z.string().trim().min(1), { label: 'Provisioner', example: 'sandbox', order: 2 }),
  where: field(z.string().trim().max(500).optional(), {
    label: 'Where',
    help: 'The place as the list shows it; needed when the name is there twice.',
    order: 3,
  }),
  name: field(nameField, {
    label: 'Name in KQueen',
    help: 'Lower-case letters, digits and dashes, up to 30.',
    order: 4,
  }),
  owner: field(z.string().trim().optional(), {
    label: 'Owner',
    help: 'Who answers for it: a person KQueen has seen, by name or id. Empty: you.',
    order: 5,
  }),
  purpose: field(z.enum(purposes).default('production'), {
    label: 'Purpose',
    help: 'Production clusters have stricter rules.',
    order: 6,
  }),
  labels: field(labelsSchema.optional(), {
    label: 'Labels',
    help: 'key=value pairs, separated by commas. They are kept in KQueen.',
    example: 'team=data',
    order: 7,
  }),
  plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
});

/** Takes over a cluster that exists at a provider: form, plan, by policy an approval, then a job that marks it there. */
export const clusterAdopt: Command = {
  name: 'cluster adopt',
  aliases: ['cluster take'],
  summary: 'Take over a cluster that exists at a provider',
  examples: [
    'cluster adopt legacy-1 on sandbox',
    'cluster adopt legacy-1 on sandbox name=old-1 purpose=test owner=ada',
  ],
  group: 'Clusters',
  policy: 'cluster:adopt',
  changes: true,
  args,
  positional: ['external', 'provisioner'],
  words: { on: 'provisioner', in: 'where', as: 'name', for: 'purpose' },
  open: true,
  run,
};

async function run(context: Context, values: Record<string, string>): Promise<Answer> {
  const { plan: planHash, ...given } = values;
  if (!given.provisioner) {
    throw new Fault('bad-input', 'Say where it is: cluster adopt <name there> on <provisioner>.', {
      field: 'provisioner',
    });
  }
  const provisioner = (await findProvisioner(context, given.provisioner)).record;
  const engine = adoptingEngine(context, provisioner);
  if (!given.external) {
    throw new Fault('bad-input', 'Say which: cluster adopt <name there> on <provisioner>.', {
      field: 'external',
      next: `Write provisioner discover ${provisioner.name} to see them.`,
    });
  }
  const { all, records } = await listExternal(context, provisioner);
  const found = pick(all, given.external, given.where, provisioner);
  const id = await idFor(context, found, provisioner, records);
  const form = adoptForm(context, given, found, provisioner, engine);
  if (context.source === 'open-form' || (given.name === undefined && context.source !== 'form'))
    return { audience: 'caller', form };
  const read = readValues(args, given);
  const problems: Problem[] = read.ok ? [] : [...read.problems];
  const owner = ownerOf(context, given.owner);
  if ('message' in owner) problems.push(owner);
  if (!read.ok || 'message' in owner || problems.length > 0) return refused(form, problems);
  const { name, purpose, labels } = read.value;
  const cluster = recordOf(context, { id, name, purpose, labels: labels ?? {}, owner, found, provisioner, engine });
  await refuseTaken(context, name);
  const plan = planAdopt(cluster, engine, context.caller);
  const line = lineOf(clusterAdopt, given);
  if (planHash !== plan.hash) return planAnswer(plan, line, planHash !== undefined, found);
  return ask(context, cluster, engine, provisioner, plan, line);
}

function adoptingEngine(context: Context, provisioner: Provisioner): Engine {
  const engine = context.engines.get(provisioner.engine);
  if (engine && !engine.capabilities.adopt) {
    const { adopt } = engine.instead;
    throw new Fault('unsupported', `Clusters of ${engine.title} cannot be adopted.`, adopt ? { next: adopt } : {});
  }
  return listingEngine(context, provisioner);
}

/** The listed cluster that a person means. */
function pick(
  all: readonly ExternalCluster[],
  external: string,
  where: string | undefined,
  provisioner: Provisioner,
): ExternalCluster {
  const named = all.filter((each) => each.externalName === external || each.externalId === external);
  const there = where === undefined ? named : named.filter((each) => each.where === where);
  const [only] = there;
  if (only && there.length === 1) return only;
  if (named.length > 1) {
    throw new Fault('bad-input', `There are ${named.length} clusters named ${external} at ${provisioner.name}.`, {
      field: 'where',
      next: `Say which with where=: ${named.map((each) => each.where ?? 'nowhere').join(', ')}.`,
    });
  }
  if (named.length === 1) {
    throw new Fault('not-found', `The cluster ${external} is in ${named[0]?.where ?? 'no place'}, not in ${where}.`, {
      field: 'where',
    });
  }
  const near = all
    .map(({ externalName: name }) => ({ name, far: distance(name.toLowerCase(), external.toLowerCase()) }))
    .filter(({ name, far }) => far <= 2 || name.includes(external))
    .sort((a, b) => a.far - b.far)
    .map(({ name }) => name)
    .slice(0, 3);
  throw new Fault('not-found', `The provider of ${provisioner.name} lists no cluster named ${external}.`, {
    field: 'external',
    next: near.length > 0 ? `Did you mean ${near.join(', ')}?` : `Write provisioner discover ${provisioner.name}.`,
  });
}

/** The id that the cluster gets: a new one, or the one of its mark when no record has it. Throws when it is somebody's. */
async function idFor(
  context: Context,
  found: ExternalCluster,
  provisioner: Provisioner,
  records: readonly Cluster[],
): Promise<string> {
  const { store, caller } = context;
  const name = found.externalName;
  const state = stateRefusal(found);
  if (state) {
    throw new Fault('conflict', `${name} cannot be adopted now. ${state}`, { next: 'Look again when that is over.' });
  }
  const whose = whoseIs(found, caller.org, records);
  if (whose.is === 'ours' || whose.is === 'unmarked') {
    const { cluster } = whose;
    throw new Fault('conflict', `${name} is a cluster of KQueen already: ${cluster.name} of ${cluster.ownerName}.`, {
      next:
        whose.is === 'ours'
          ? `See cluster show ${cluster.name}.`
          : `Its mark was taken away at the provider. Make KQueen forget ${cluster.name} first, or put the mark back there.`,
    });
  }
  if (whose.is === 'elsewhere') {
    throw new Fault('conflict', `${name} is marked as a cluster of another organisation of KQueen, ${whose.org}.`, {
      next: 'It is let go there with cluster detach, then it can be adopted here.',
    });
  }
  if (whose.is === 'free') return context.newId(10);
  // Not by the cache alone: it may be behind, and a record of another provisioner counts as well.
  const known = /^[a-z0-9][a-z0-9-]{0,62}$/.test(whose.id)
    ? await store.get({ kind: 'cluster', org: caller.org, id: whose.id })
    : null;
  if (known === null) {
    throw new Fault('conflict', `${name} carries a mark that is none of KQueen's ids: ${whose.id}.`, {
      next: `Take the mark away at the provider of ${provisioner.name}, then adopt it.`,
    });
  }
  if (known) {
    throw new Fault(
      'conflict',
      `${name} carries the mark of cluster ${known.record.name} of ${known.record.ownerName}.`,
      {
        next: `See cluster show ${known.record.name}.`,
      },
    );
  }
  return whose.id;
}

/** The person of that name or id; the caller when none is named. */
function ownerOf(context: Context, typed: string | undefined): Pick<Person, 'id' | 'name'> | Problem {
  const { caller, cache } = context;
  const wanted = (typed ?? '').trim().replace(/^@/, '').toLowerCase();
  if (wanted === '') return { id: caller.person, name: caller.name };
  const people = cache.query('person', caller.org, {
    where: ({ id, name }) =>
      name.toLowerCase() === wanted || id.toLowerCase() === wanted || id.toLowerCase().endsWith(`:${wanted}`),
    limit: 3,
  });
  const [person] = people.items;
  if (person && people.total === 1) return person;
  const why = people.total === 0 ? `KQueen does not know ${typed}.` : `More than one person is called ${typed}.`;
  return { field: 'owner', message: `${why} Write the id as whoami shows it to that person.` };
}

interface Wanted {
  id: string;
  name: string;
  purpose: string;
  labels: Record<string, string>;
  owner: Pick<Person, 'id' | 'name'>;
  found: ExternalCluster;
  provisioner: Provisioner;
  engine: Engine;
}

function recordOf(context: Context, wanted: Wanted): Cluster {
  const { id, name, purpose, labels, owner, found, provisioner, engine } = wanted;
  const spec = found.spec ?? {};
  const cluster: Cluster = {
    v: 1,
    id,
    org: context.caller.org,
    name,
    provisioner: provisioner.id,
    provisionerName: provisioner.name,
    engine: engine.name,
    externalName: found.externalName,
    phase: 'Requested',
    spec,
    summary: found.spec ? engine.describe(spec) : describeExternal(found),
    purpose,
    owner: owner.id,
    ownerName: owner.name,
    labels,
    createdAt: context.now,
    place: context.place,
    origin: 'adopted',
    kubeconfig: false,
  };
  if (found.externalId !== undefined) cluster.externalId = found.externalId;
  if (found.version !== undefined) cluster.version = found.version;
  if (found.nodes !== undefined) cluster.nodes = found.nodes;
  return cluster;
}

async function refuseTaken(context: Context, name: string): Promise<void> {
  const { store, caller } = context;
  const held = await store.get({ kind: 'name', org: caller.org, id: `cluster.${name}` });
  if (!held) return;
  const cluster = await store.get({ kind: 'cluster', org: caller.org, id: held.record.holder });
  const open = cluster?.record.openJob && cluster.record.origin === 'adopted' && cluster.record.openJob;
  throw new Fault('conflict', `The name ${name} is taken.`, {
    field: 'name',
    next: open
      ? `It is being adopted by job ${jobName({ id: open })}.`
      : cluster
        ? `It is a cluster of ${cluster.record.ownerName}. Choose another name.`
        : 'Choose another name, or try again in a moment.',
  });
}

/** A name that people could have chosen, from the provider's. */
function suggestion(externalName: string): string {
  return externalName
    .split('/')
    .at(-1)
    ?.toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 30)
    .replace(/-+$/, '') as string;
}

function adoptForm(
  context: Context,
  given: Record<string, string>,
  found: ExternalCluster,
  provisioner: Provisioner,
  engine: Engine,
): Form {
  const kept: Record<string, string> = { external: found.externalName, provisioner: provisioner.name };
  if (given.where !== undefined) kept.where = given.where;
  const prefilled = {
    ...given,
    name: given.name ?? suggestion(found.externalName),
    owner: given.owner ?? context.caller.name,
  };
  const fields = fieldsOf(args, prefilled).filter(({ key }) => ['name', 'owner', 'purpose', 'labels'].includes(key));
  const made = found.owner ? ` It says there that ${found.owner} made it.` : '';
  const lost = found.cluster
    ? ` It carries the mark of a KQueen cluster that this one has no record of (id ${found.cluster}). If another KQueen looks after it, leave it there.`
    : '';
  return {
    title: 'Adopt a cluster',
    command: lineOf(clusterAdopt, kept),
    submit: 'Show the plan',
    intro: `${found.externalName} at ${provisioner.name} (${engine.title}): ${describeExternal(found)}, ${found.state}.${made}${lost}`,
    fields,
    private: false,
  };
}

function refused(form: Form, problems: Problem[]): Answer {
  const fields = form.fields.map((each) => {
    const problem = problems.find(({ field: key }) => key === each.key);
    return problem ? { ...each, problem: problem.message } : each;
  });
  return { audience: 'caller', form: { ...form, fields }, problems };
}

function planAnswer(plan: Plan, line: string, moved: boolean, found: ExternalCluster): Answer {
  const go: Button = { label: 'Adopt it', command: `${line} plan=${plan.hash}`, style: 'primary' };
  const text = moved
    ? 'What you saw no longer holds. This is the plan now; nothing was done.'
    : 'Nothing happens until you press Adopt it.';
  const lost = found.cluster
    ? `It carries the mark of a KQueen cluster without a record here (id ${found.cluster}) and gets that id again. If another KQueen looks after it, leave it there.`
    : null;
  return toCaller({
    title: moved ? `${plan.title}: the plan has changed` : `${plan.title}?`,
    tone: moved || lost ? 'warn' : 'plain',
    text,
    parts: [{ part: 'text', text }, ...planParts(plan), ...(lost ? [{ part: 'note' as const, text: lost }] : [])],
    buttons: [go],
    footer: `Plan ${plan.hash}`,
  });
}

async function ask(
  context: Context,
  wanted: Cluster,
  engine: Engine,
  provisioner: Provisioner,
  plan: Plan,
  line: string,
): Promise<Answer> {
  const { store, newId } = context;
  const { org, id, name } = wanted;
  const jobId = newId(8);
  const cluster: Cluster = { ...wanted, openJob: jobId };
  let job = newJob(context, {
    id: jobId,
    kind: 'cluster.adopt',
    cluster: id,
    clusterName: name,
    provisioner: provisioner.id,
    engine: engine.name,
    plan,
    command: line,
  });
  const home = { kind: 'name', org, id: `provisioner.${provisioner.name}` } as const;
  const held = await store.get(home);
  if (held?.record.holder !== provisioner.id) throw movedFault(`Provisioner ${provisioner.name}`);
  const nameRef = { kind: 'name', org, id: `cluster.${name}` } as const;
  const changes: Change[] = [
    { op: 'check', ref: home, if: held.revision },
    { op: 'put', ref: { kind: 'cluster', org, id }, record: cluster, if: 0 },
    { op: 'put', ref: nameRef, record: { v: 1, id: nameRef.id, org, holder: id }, if: 0 },
  ];
  if (plan.approval.needed) {
    const waiting = withApproval(context, job);
    job = waiting.job;
    changes.push(waiting.change);
  }
  changes.push({ op: 'put', ref: { kind: 'job', org, id: jobId }, record: job, if: 0 });
  const says = plan.approval.needed
    ? `Adopting ${wanted.externalName} as ${name} is asked for; an ${plan.approval.role} decides.`
    : `${wanted.externalName} is being adopted as ${name}, owned by ${cluster.ownerName}.`;
  const done = await context.effect(changes, {
    action: 'cluster.adopt',
    outcome: 'requested',
    subject: name,
    says,
    job: jobId,
  });
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  if (!done.ok) {
    await refuseTaken(context, name);
    throw movedFault(`Cluster ${wanted.externalName}`);
  }
  context.tick(job);
  return {
    ...toCaller({
      title: plan.approval.needed ? `Asked to adopt ${name}` : `Adopting ${name}`,
      tone: 'busy',
      text: `${says} Job ${jobName(job)}; its message here shows how it goes.`,
      parts: [{ part: 'text', text: `${says} Its message here shows how it goes.` }],
      buttons: [],
      footer: `Job ${jobName(job)}`,
    }),
    receipt: true,
  };
}
