import { z } from 'zod';
import { type Field, type Form, plainCard } from '../card.ts';
import type { Answer, Command, Context } from '../command.ts';
import { provisionerSecret } from '../connect.ts';
import { Fault } from '../errors.ts';
import { hashOf } from '../plan.ts';
import type { CheckResult, Engine } from '../ports/engine.ts';
import type { Change } from '../ports/store.ts';
import type { Provisioner } from '../records.ts';
import { field, fieldsOf, type Problem, readValues, secretKeys } from '../schema.ts';
import { engineCalled, findProvisioner, movedFault, nameField, repeatAnswer, toPlace } from './common.ts';

/** Configures an engine with credentials. They are only taken from a private form, checked at the provider, and kept sealed. */
export const provisionerAdd: Command = {
  name: 'provisioner add',
  aliases: ['provisioner create', 'provisioner new'],
  summary: 'Add a place where clusters are made',
  examples: ['provisioner add', 'provisioner add lab engine=sandbox'],
  group: 'Provisioners',
  policy: 'provisioner:create',
  changes: true,
  args: z.object({
    name: nameField,
    engine: field(z.string().trim().min(1), { label: 'Engine', order: 2, live: true }),
  }),
  positional: ['name', 'engine'],
  open: true,
  async run(context, values) {
    const engines = context.engines.all();
    const asked = values.engine ?? (engines.length === 1 ? engines[0]?.name : undefined);
    const engine = asked === undefined ? undefined : engineCalled(engines, asked);
    const engineName = engine?.name ?? asked;
    if (engineName !== undefined && !engine) {
      throw new Fault('bad-input', `There is no engine ${engineName} here.`, {
        field: 'engine',
        next: `There are: ${engines.map(({ name }) => name).join(', ')}.`,
      });
    }
    const given = engineName === undefined ? values : { ...values, engine: engineName };
    if (engine && context.source !== 'form') knownKeys('provisioner add', engine, without(given, ['name', 'engine']));
    if (!engine || context.source !== 'form') return { audience: 'caller', form: addForm(context, given, engine) };
    const own = Object.fromEntries(Object.entries(given).filter(([key]) => key in provisionerAdd.args.shape));
    const common = readValues(provisionerAdd.args, own);
    const params = readValues(engine.provisioner, without(given, ['name', 'engine']));
    if (!common.ok || !params.ok) {
      const problems = [...(common.ok ? [] : common.problems), ...(params.ok ? [] : params.problems)];
      return refused(addForm(context, given, engine), problems);
    }
    const name = String(common.value.name);
    const id = context.newId(10);
    const checked = await checkParams(context, engine, id, params.value);
    if (checked.state !== 'OK') return refused(addForm(context, given, engine), [problemOf(checked, engine)]);
    const record = provisionerRecord(context, { id, name, engine, params: params.value, checked });
    const says = `Provisioner ${name} is added and answers: ${checked.message}`;
    const org = context.caller.org;
    const done = await context.effect(
      [
        { op: 'put', ref: { kind: 'provisioner', org, id }, record, if: 0 },
        {
          op: 'put',
          ref: { kind: 'name', org, id: `provisioner.${name}` },
          record: { v: 1, id: `provisioner.${name}`, org, holder: id },
          if: 0,
        },
        ...secretChange(context, record, engine, params.value),
      ],
      { action: 'provisioner.add', outcome: 'done', subject: name, says },
    );
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (!done.ok)
      return refused(addForm(context, given, engine), [{ field: 'name', message: `The name ${name} is taken.` }]);
    return toPlace(
      plainCard(`Provisioner ${name} is ready`, says, 'good', [
        { label: 'Create a cluster', command: `cluster create provisioner=${name}` },
      ]),
    );
  },
};

/** What was typed beyond the parameters of the engine would not be seen in the form, and so be lost without a word. */
function knownKeys(command: string, engine: Engine, given: Record<string, string>): void {
  const known = Object.keys(engine.provisioner.shape);
  const strange = Object.keys(given).find((key) => !known.includes(key));
  if (strange === undefined) return;
  throw new Fault('bad-input', `${command} has no ${strange} for ${engine.title}. It takes: ${known.join(', ')}.`, {
    next: 'Nothing was done.',
  });
}

/** Changes a provisioner's parameters; a secret left empty stays as it is. */
export const provisionerEdit: Command = {
  name: 'provisioner edit',
  aliases: ['provisioner rotate', 'provisioner update'],
  summary: 'Change its parameters or rotate its credentials',
  examples: ['provisioner edit sandbox'],
  group: 'Provisioners',
  policy: 'provisioner:update',
  changes: true,
  args: z.object({
    provisioner: field(z.string().trim().min(1), { label: 'Provisioner', example: 'sandbox', order: 1 }),
  }),
  positional: ['provisioner'],
  open: true,
  async run(context, values) {
    const found = await findProvisioner(context, values.provisioner ?? '');
    const before = found.record;
    const engine = context.engines.get(before.engine);
    if (!engine) throw new Fault('unsupported', `The engine ${before.engine} is not allowed here.`);
    const given = without(values, ['provisioner']);
    if (context.source !== 'form') {
      knownKeys('provisioner edit', engine, given);
      return { audience: 'caller', form: editForm(before, engine, given) };
    }
    const secrets = secretKeys(engine.provisioner);
    const kept = await keptSecrets(context, before);
    const moved = movedAddress(before, given);
    if (moved) {
      const message = `Enter it again: with another ${moved} it would be sent to another address.`;
      const empty = secrets.filter((key) => !given[key]?.trim() && kept[key]).map((key) => ({ field: key, message }));
      if (empty.length > 0) return refused(editForm(before, engine, given), empty);
    }
    const merged = {
      ...withLongTexts(before, engine, given),
      ...Object.fromEntries(
        secrets.filter((key) => !given[key]?.trim() && kept[key]).map((key) => [key, kept[key] ?? '']),
      ),
    };
    const params = readValues(engine.provisioner, merged);
    if (!params.ok) return refused(editForm(before, engine, given), params.problems);
    const checked = await checkParams(context, engine, `${before.id}.check`, params.value);
    if (checked.state !== 'OK') return refused(editForm(before, engine, given), [problemOf(checked, engine)]);
    const record = {
      ...provisionerRecord(context, { id: before.id, name: before.name, engine, params: params.value, checked }),
      createdBy: before.createdBy,
      createdAt: before.createdAt,
    };
    const says = `Provisioner ${before.name} is changed and answers: ${checked.message}`;
    const done = await context.effect(
      [
        { op: 'put', ref: found.ref, record, if: found.revision },
        ...secretChange(context, record, engine, params.value),
      ],
      {
        action: 'provisioner.edit',
        outcome: 'done',
        subject: before.name,
        says,
      },
    );
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (!done.ok) throw movedFault(`Provisioner ${before.name}`);
    return toPlace(plainCard(`Provisioner ${before.name} is changed`, says, 'good'));
  },
};

/** Asks the provider now and keeps the result. */
export const provisionerCheck: Command = {
  name: 'provisioner check',
  aliases: ['provisioner test'],
  summary: 'Ask the provider whether it works',
  examples: ['provisioner check sandbox'],
  group: 'Provisioners',
  policy: 'provisioner:check',
  changes: true,
  args: z.object({
    provisioner: field(z.string().trim().min(1), { label: 'Provisioner', example: 'sandbox', order: 1 }),
  }),
  positional: ['provisioner'],
  async run(context, values) {
    const found = await findProvisioner(context, values.provisioner ?? '');
    const client = await context.connect(found.record);
    const checked = await client.check(context.call(10_000));
    const { next: _next, ...rest } = found.record;
    const record: Provisioner = {
      ...rest,
      state: checked.state,
      message: checked.message,
      facts: checked.facts,
      checkedAt: context.now,
    };
    if (checked.next) record.next = checked.next;
    const says = `Provisioner ${record.name}: ${checked.state}. ${checked.message}`;
    const done = await context.effect([{ op: 'put', ref: found.ref, record, if: found.revision }], {
      action: 'provisioner.check',
      outcome: 'done',
      subject: record.name,
      says,
    });
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    const text = `${checked.message}${checked.next ? ` ${checked.next}` : ''}`;
    return {
      audience: 'caller',
      card: {
        title: `Provisioner ${record.name}: ${checked.state}`,
        tone: checked.state === 'OK' ? 'good' : 'bad',
        text: says,
        parts: [
          { part: 'text', text },
          ...(checked.facts.length > 0 ? [{ part: 'facts' as const, facts: checked.facts }] : []),
        ],
        buttons: [],
        ...(context.engines.get(record.engine)?.notice
          ? { footer: context.engines.get(record.engine)?.notice ?? '' }
          : {}),
      },
    };
  },
};

function without(values: Record<string, string>, keys: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => !keys.includes(key)));
}

function addForm(context: Context, given: Record<string, string>, engine: Engine | undefined): Form {
  const common: Field[] = fieldsOf(provisionerAdd.args, given).map((each) =>
    each.key === 'engine'
      ? {
          ...each,
          reloads: true,
          choices: context.engines.all().map(({ name, title }) => ({ value: name, label: title })),
        }
      : each,
  );
  return {
    title: 'Add a provisioner',
    command: 'provisioner add',
    submit: engine ? 'Check and add' : 'Continue',
    intro: [
      'It is checked at the provider before it is kept. Secret fields are kept sealed and never shown again.',
      ...(engine ? [`Where each value comes from: \`${context.prefix}guide ${engine.name}\`.`] : []),
    ].join(' '),
    fields: [...common, ...(engine ? fieldsOf(engine.provisioner, given) : [])],
    private: true,
  };
}

function editForm(before: Provisioner, engine: Engine, given: Record<string, string>): Form {
  const known = Object.fromEntries(Object.entries(before.params).map(([key, value]) => [key, String(value)]));
  const long = longTexts(before);
  const fields = fieldsOf(engine.provisioner, { ...known, ...given }).map((each) => {
    if (before.secretFields.includes(each.key))
      return { ...each, required: false, help: `Leave empty to keep the one there is. ${each.help ?? ''}`.trim() };
    const length = long.get(each.key);
    if (length === undefined || given[each.key] !== undefined) return each;
    const { value: _value, required, ...rest } = each;
    const away = required ? '' : ` A single ${takeAway} takes it away.`;
    const kept = `Leave empty to keep the one there is, of ${length.toLocaleString('en')} characters.${away}`;
    return { ...rest, required: false, help: `${kept} ${each.help ?? ''}`.trim() };
  });
  return {
    title: `Edit ${before.name}`.slice(0, 60),
    command: `provisioner edit ${before.name}`,
    submit: 'Check and save',
    intro: 'It is checked at the provider before it is kept.',
    fields,
    private: true,
  };
}

/** Texts above this are not shown in a form again: no chat takes every length, and a text that is cut would be the new one. */
const longestShown = 3_000;
/** What a person writes to take a long text away. */
const takeAway = '-';

/** The parameters that are too long to be shown, with their lengths. */
function longTexts(before: Provisioner): Map<string, number> {
  const long = Object.entries(before.params).filter(([, value]) => String(value).length > longestShown);
  return new Map(long.map(([key, value]) => [key, String(value).length]));
}

/** What was given, with the long texts that were left empty as they are. */
function withLongTexts(before: Provisioner, engine: Engine, given: Record<string, string>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const key of longTexts(before).keys()) {
    const typed = given[key]?.trim() ?? '';
    if (!Object.hasOwn(engine.provisioner.shape, key)) continue;
    if (typed === '') kept[key] = String(before.params[key]);
    else if (typed === takeAway) kept[key] = '';
  }
  return { ...given, ...kept };
}

function refused(form: Form, problems: Problem[]): Answer {
  const fields = form.fields.map((each) => {
    const problem = problems.find(({ field: key }) => key === each.key);
    return problem ? { ...each, problem: problem.message } : each;
  });
  return { audience: 'caller', form: { ...form, fields }, problems };
}

function problemOf(checked: CheckResult, engine: Engine): Problem {
  const said = `${checked.message}${checked.next ? ` ${checked.next}` : ''}`;
  if (checked.field && Object.hasOwn(engine.provisioner.shape, checked.field))
    return { field: checked.field, message: said };
  const [first] = Object.keys(engine.provisioner.shape);
  const [secret] = secretKeys(engine.provisioner);
  const key = checked.state === 'Unreachable' ? first : (secret ?? first);
  return { field: key ?? 'name', message: said };
}

async function checkParams(
  context: Context,
  engine: Engine,
  id: string,
  params: Record<string, unknown>,
): Promise<CheckResult> {
  const client = await context.engines.client(engine.name, `check.${id}`, hashOf(params), () => params);
  try {
    return await client.check(context.call(10_000));
  } finally {
    await client.close();
  }
}

function provisionerRecord(
  context: Context,
  made: { id: string; name: string; engine: Engine; params: Record<string, unknown>; checked: CheckResult },
): Provisioner {
  const secrets = secretKeys(made.engine.provisioner);
  return {
    v: 1,
    id: made.id,
    org: context.caller.org,
    name: made.name,
    engine: made.engine.name,
    params: Object.fromEntries(Object.entries(made.params).filter(([key]) => !secrets.includes(key))),
    secretFields: secrets.filter((key) => made.params[key] !== undefined),
    paramsVersion: context.newId(8),
    state: made.checked.state,
    message: made.checked.message,
    facts: made.checked.facts,
    checkedAt: context.now,
    createdBy: context.caller.person,
    createdAt: context.now,
  };
}

function secretChange(
  context: Context,
  record: Provisioner,
  engine: Engine,
  params: Record<string, unknown>,
): Change[] {
  const secrets = secretKeys(engine.provisioner).filter((key) => params[key] !== undefined);
  if (secrets.length === 0) return [];
  const ref = provisionerSecret(record.org, record.id);
  const text = JSON.stringify(Object.fromEntries(secrets.map((key) => [key, params[key]])));
  return [{ op: 'put', ref, record: { v: 1, id: ref.id, org: ref.org, sealed: context.sealer.seal(ref, text) } }];
}

async function keptSecrets(context: Context, record: Provisioner): Promise<Record<string, string>> {
  const ref = provisionerSecret(record.org, record.id);
  const stored = record.secretFields.length > 0 ? await context.store.get(ref) : undefined;
  return stored ? (JSON.parse(context.sealer.open(ref, stored.record.sealed)) as Record<string, string>) : {};
}

/** The first parameter that is an address and would change; null when all stay. */
function movedAddress(before: Provisioner, given: Record<string, string>): string | null {
  const address = (key: string, value: string) => /(url|host|endpoint)$/i.test(key) || /^https?:/i.test(value);
  const origin = (value: string) => (URL.canParse(value) ? new URL(value).origin : value.trim());
  const moved = Object.entries(given).find(([key, value]) => {
    const was = String(before.params[key] ?? '');
    return address(key, value) && origin(was) !== origin(value);
  });
  return moved?.[0] ?? null;
}
