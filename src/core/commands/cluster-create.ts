import { z } from 'zod';
import type { Field, Form } from '../card.ts';
import type { Answer, Command, Context } from '../command.ts';
import { lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { hashOf, planCreate } from '../plan.ts';
import { purposes } from '../policy.ts';
import type { Engine, Options } from '../ports/engine.ts';
import type { Change } from '../ports/store.ts';
import type { Cluster, Plan, Provisioner } from '../records.ts';
import { clusterSchema, field, fieldsOf, labelsSchema, type Problem, readValues, secretKeys } from '../schema.ts';
import { proposalCard } from '../views/plan.ts';
import { jobName } from '../words.ts';
import { findProvisioner, nameField, newJob, repeatAnswer, toCaller, withApproval } from './common.ts';

const args = z.object({
  name: nameField,
  provisioner: field(z.string().trim().min(1), {
    label: 'Provisioner',
    help: 'Where it is made. Only those that answered their last check are offered.',
    order: 2,
    live: true,
  }),
  purpose: field(z.enum(purposes).default('development'), {
    label: 'Purpose',
    help: 'Production clusters have stricter rules.',
    order: 90,
  }),
  labels: field(labelsSchema.optional(), {
    label: 'Labels',
    help: 'key=value pairs, separated by commas.',
    example: 'team=data',
    order: 91,
  }),
  plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
});

/** Asks for a new cluster: a form when something is missing, then the plan, then (by policy) an approval, then the job. */
export const clusterCreate: Command = {
  name: 'cluster create',
  aliases: ['cluster new', 'cluster launch'],
  summary: 'Make a new cluster',
  examples: [
    'cluster create dev-1',
    'cluster create dev-2 on sandbox region=sandbox-north size=small nodes=3 purpose=test',
  ],
  group: 'Clusters',
  policy: 'cluster:create',
  changes: true,
  args,
  positional: ['name', 'provisioner'],
  words: { on: 'provisioner', in: 'region', for: 'purpose' },
  open: true,
  run,
};

async function run(context: Context, values: Record<string, string>): Promise<Answer> {
  const { plan: planHash, ...given } = values;
  const healthy = healthyProvisioners(context);
  if (!given.provisioner && healthy.length === 1 && healthy[0]) given.provisioner = healthy[0].name;
  if (!given.provisioner) {
    if (healthy.length === 0) {
      throw new Fault('not-found', 'There is no provisioner that works, so nothing can be created.', {
        whose: 'admin',
        next: 'An admin looks at provisioners, or adds one with provisioner add.',
      });
    }
    return formAnswer(createForm(context, given, null, null));
  }

  const provisioner = (await findProvisioner(context, given.provisioner)).record;
  const engine = context.engines.get(provisioner.engine);
  if (!engine) {
    throw new Fault(
      'unsupported',
      `The engine ${provisioner.engine} of provisioner ${provisioner.name} is not allowed here.`,
      { field: 'provisioner' },
    );
  }
  if (!engine.capabilities.create) {
    const { create } = engine.instead;
    throw new Fault('unsupported', `Provisioner ${provisioner.name} makes no clusters.`, {
      field: 'provisioner',
      ...(create ? { next: create } : {}),
    });
  }
  if (provisioner.state !== 'OK') {
    throw new Fault(
      'unreachable',
      `Provisioner ${provisioner.name} did not pass its last check: ${provisioner.message}`,
      {
        field: 'provisioner',
        whose: 'admin',
        next: `An admin looks at it with provisioner check ${provisioner.name}.`,
      },
    );
  }
  refuseForeignFields(engine, given);
  const options = await context.options(provisioner, given);
  if (!options && engine.liveParameters) {
    if (context.source === 'form') throw silentFault(provisioner);
    return formAnswer(createForm(context, given, engine, options, provisioner));
  }
  completeVersions(options, given);
  // A form that loads again is still being filled in: it is answered with itself.
  if (context.source === 'open-form')
    return formAnswer(createForm(context, onlyOffered(options, given), engine, options, provisioner));
  const checked = check(engine, options, given);
  if (!checked.ok) {
    const missing = checked.problems.every(({ field: key }) => given[key] === undefined);
    const form = createForm(context, given, engine, options, provisioner);
    if (context.source === 'form')
      return { ...formAnswer(withProblems(form, checked.problems)), problems: checked.problems };
    return formAnswer(missing ? form : withProblems(form, checked.problems));
  }
  const plan = planCreate(
    {
      ...checked.value,
      provisioner,
      engine,
      owner: { person: context.caller.person, name: context.caller.name },
      options,
    },
    context.caller,
  );
  const line = lineOf(clusterCreate, given);
  if (!plan.approval.needed && planHash !== plan.hash) {
    return toCaller(proposalCard(plan, { line, button: 'Create it', moved: planHash !== undefined }));
  }
  return ask(context, { ...checked.value, provisioner, engine }, plan, line);
}

interface Wanted {
  name: string;
  purpose: string;
  labels: Record<string, string>;
  spec: Record<string, unknown>;
}

function check(
  engine: Engine,
  options: Options | null,
  given: Record<string, string>,
): { ok: true; value: Wanted } | { ok: false; problems: Problem[] } {
  const own = Object.keys(args.shape);
  const pick = (mine: boolean) =>
    Object.fromEntries(Object.entries(given).filter(([key]) => own.includes(key) === mine));
  const common = readValues(args, pick(true));
  const spec = readValues(clusterSchema(engine.cluster, options?.parameters), pick(false));
  const problems: Problem[] = [...(common.ok ? [] : common.problems), ...(spec.ok ? [] : spec.problems)];
  for (const [key, choices] of Object.entries(options?.choices ?? {})) {
    const value = given[key];
    if (value === undefined || choices.some((choice) => choice.value === value)) continue;
    problems.push({
      field: key,
      message: `${value} is not offered. Choose one of: ${choices
        .slice(0, 10)
        .map((choice) => choice.value)
        .join(', ')}.`,
    });
  }
  if (problems.length > 0 || !common.ok || !spec.ok) return { ok: false, problems };
  const { name, purpose, labels } = common.value;
  return { ok: true, value: { name, purpose, labels: labels ?? {}, spec: spec.value } };
}

/** A cluster's fields can never reach a provisioner's parameters: a typed one is refused, not dropped. */
function refuseForeignFields(engine: Engine, given: Record<string, string>): void {
  const forbidden = Object.keys(engine.provisioner.shape).find((key) => key in given && !(key in engine.cluster.shape));
  if (!forbidden) return;
  const secret = secretKeys(engine.provisioner).includes(forbidden);
  throw new Fault('bad-input', `${forbidden} belongs to the provisioner and cannot be set for a cluster.`, {
    field: forbidden,
    ...(secret ? { next: 'If that was a real credential, change it at the provider now.' } : {}),
  });
}

/** `1.34` means the newest 1.34 on offer: a choice that goes on where the typed one stops. */
function completeVersions(options: Options | null, given: Record<string, string>): void {
  for (const [key, choices] of Object.entries(options?.choices ?? {})) {
    const typed = given[key];
    if (!typed || choices.some(({ value }) => value === typed)) continue;
    const longer = choices.find(({ value }) => value.startsWith(`${typed}.`));
    if (longer) given[key] = longer.value;
  }
}

/** What was chosen for another region is dropped where it is not offered, so that the form shows what is. */
function onlyOffered(options: Options | null, given: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).filter(([key, value]) => {
      const choices = options?.choices[key];
      return !choices || choices.some((choice) => choice.value === value);
    }),
  );
}

function silentFault(provisioner: Provisioner): Fault {
  return new Fault(
    'unreachable',
    `${provisioner.name} does not answer, and what a cluster there needs only it can say.`,
    {
      field: 'provisioner',
      whose: 'provider',
      next: 'Try again in a moment; nothing was lost.',
    },
  );
}

function healthyProvisioners(context: Context): Provisioner[] {
  const makes = ({ engine }: Provisioner) => context.engines.get(engine)?.capabilities.create !== false;
  return context.cache.query('provisioner', context.caller.org, {
    where: (each) => each.state === 'OK' && makes(each),
    limit: 100,
  }).items;
}

function createForm(
  context: Context,
  given: Record<string, string>,
  engine: Engine | null,
  options: Options | null,
  provisioner?: Provisioner,
): Form {
  const fields: Field[] = fieldsOf(args, given).filter(({ key }) => key !== 'plan');
  const offered = healthyProvisioners(context);
  for (const each of fields) {
    if (each.key !== 'provisioner') continue;
    each.choices = offered.map((one) => ({
      value: one.name,
      label: one.name,
      note: context.engines.get(one.engine)?.title ?? one.engine,
    }));
    if (offered.length > 1) each.reloads = true;
  }
  const at = fields.findIndex(({ key }) => key === 'purpose');
  // Where only the provider knows what to ask, nothing of it is asked before it has answered.
  if (engine && (options || !engine.liveParameters)) {
    const schema = clusterSchema(engine.cluster, options?.parameters);
    fields.splice(at, 0, ...fieldsOf(schema, given).map((each) => live(each, options)));
  }
  const form: Form = {
    title: 'Create a cluster',
    command: 'cluster create',
    submit: engine ? 'Show the plan' : 'Continue',
    fields,
    private: false,
  };
  if (engine?.notice) form.intro = engine.notice;
  if (provisioner && !options) form.loading = provisioner.name;
  return form;
}

function live(each: Field, options: Options | null): Field {
  const choices = options?.choices[each.key];
  if (!choices) return each.kind === 'choice' && !each.choices ? { ...each, kind: 'text' } : each;
  // What may be left out is left out: the first of its choices is not what was asked for.
  const value = each.value ?? (each.required ? choices[0]?.value : undefined);
  return { ...each, kind: 'choice', choices, ...(value === undefined ? {} : { value }) };
}

function withProblems(form: Form, problems: Problem[]): Form {
  const fields = form.fields.map((each) => {
    const problem = problems.find(({ field: key }) => key === each.key);
    return problem ? { ...each, problem: problem.message } : each;
  });
  const strays = problems
    .filter(({ field: key }) => !form.fields.some((each) => each.key === key))
    .map(({ message }) => message);
  return {
    ...form,
    fields,
    ...(strays.length > 0 ? { intro: [form.intro, ...strays].filter(Boolean).join(' ') } : {}),
  };
}

function formAnswer(form: Form): Answer {
  return { audience: 'caller', form };
}

async function ask(
  context: Context,
  wanted: Wanted & { provisioner: Provisioner; engine: Engine },
  plan: Plan,
  line: string,
): Promise<Answer> {
  const { caller, now, newId } = context;
  const { name, provisioner, engine, spec } = wanted;
  const id = newId(10);
  const jobId = newId(8);
  const cluster: Cluster = {
    v: 1,
    id,
    org: caller.org,
    name,
    provisioner: provisioner.id,
    provisionerName: provisioner.name,
    engine: engine.name,
    externalName: `${name}-${hashOf({ id }).slice(0, 6)}`,
    phase: 'Requested',
    spec,
    summary: engine.describe(spec),
    purpose: wanted.purpose,
    owner: caller.person,
    ownerName: caller.name,
    labels: wanted.labels,
    openJob: jobId,
    createdAt: now,
    place: context.place,
    kubeconfig: false,
    nodes: engine.nodes(spec),
  };
  let job = newJob(context, {
    id: jobId,
    kind: 'cluster.create',
    cluster: id,
    clusterName: name,
    provisioner: provisioner.id,
    engine: engine.name,
    nodes: engine.nodes(spec),
    plan,
    command: line,
  });
  const org = caller.org;
  // A provisioner that is being removed loses its name first: whoever still asks for a cluster there is refused by this check.
  const home = { kind: 'name', org, id: `provisioner.${provisioner.name}` } as const;
  const held = await context.store.get(home);
  if (held?.record.holder !== provisioner.id) throw removedFault(provisioner);
  const changes: Change[] = [
    { op: 'check', ref: home, if: held.revision },
    { op: 'put', ref: { kind: 'cluster', org, id }, record: cluster, if: 0 },
    {
      op: 'put',
      ref: { kind: 'name', org, id: `cluster.${name}` },
      record: { v: 1, id: `cluster.${name}`, org, holder: id },
      if: 0,
    },
  ];
  if (plan.approval.needed) {
    const waiting = withApproval(context, job);
    job = waiting.job;
    changes.push(waiting.change);
  }
  changes.push({ op: 'put', ref: { kind: 'job', org, id: jobId }, record: job, if: 0 });

  const says = plan.approval.needed
    ? `Cluster ${name} is asked for; an ${plan.approval.role} decides.`
    : `Cluster ${name} is being created.`;
  const done = await context.effect(changes, {
    action: 'cluster.create',
    outcome: 'requested',
    subject: name,
    says,
    job: jobId,
  });
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  if (!done.ok && done.conflicts.some((ref) => ref.id === home.id)) throw removedFault(provisioner);
  if (!done.ok) return takenAnswer(context, name, plan);
  context.tick(job);
  return {
    ...toCaller({
      title: plan.approval.needed ? `Asked for cluster ${name}` : `Creating cluster ${name}`,
      tone: 'busy',
      text: `${says} Job ${jobName(job)}; its message here shows how it goes.`,
      parts: [{ part: 'text', text: `${says} Its message here shows how it goes.` }],
      buttons: [],
      footer: `Job ${jobName(job)}`,
    }),
    receipt: true,
  };
}

function removedFault(provisioner: Provisioner): Fault {
  return new Fault('conflict', `Provisioner ${provisioner.name} was removed or changed at the same moment.`, {
    field: 'provisioner',
    next: 'Nothing was done. Look at provisioners, then ask again.',
  });
}

/** The name is taken: by the same wish (then its job is shown), or by something else. */
async function takenAnswer(context: Context, name: string, plan: Plan): Promise<Answer> {
  const org = context.caller.org;
  const held = await context.store.get({ kind: 'name', org, id: `cluster.${name}` });
  const cluster = held && (await context.store.get({ kind: 'cluster', org, id: held.record.holder }));
  const job = cluster?.record.openJob
    ? await context.store.get({ kind: 'job', org, id: cluster.record.openJob })
    : undefined;
  if (job && job.record.requestedBy === context.caller.person && job.record.plan.hash === plan.hash) {
    return repeatAnswer({
      effect: `You have asked for exactly this already; it is job ${jobName(job.record)}.`,
      job: job.record.id,
    });
  }
  throw new Fault('conflict', `The name ${name} is taken.`, {
    field: 'name',
    next: cluster
      ? `It is a cluster of ${cluster.record.ownerName}. Choose another name.`
      : 'Choose another name, or try again in a moment.',
  });
}
