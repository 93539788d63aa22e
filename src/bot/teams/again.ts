/** A form that was refused without one, with what is wrong at its fields. */
import type { Form } from '../../core/card.ts';
import type { Inbound, Outbound } from '../inbound.ts';

type Problems = NonNullable<Outbound['problems']>;

/**
 * The answers to a sent form, its own form among them where it was refused without. It is asked for with nothing but what its fields depend on, so that the
 * question is never taken for a filled form; what was filled in goes into it when it is rendered.
 */
export async function withFormAgain(
  inbound: Inbound,
  outbounds: Outbound[],
  answersOf: (inbound: Inbound) => Promise<Outbound[]>,
): Promise<Outbound[]> {
  const problems = outbounds.flatMap((each) => each.problems ?? []);
  const shown = outbounds.some((each) => each.form !== undefined);
  if (inbound.source !== 'form' || problems.length === 0 || shown) return outbounds;
  const form = await formOf(inbound, answersOf);
  return form === null ? outbounds : [{ audience: 'caller', form: marked(form, problems), problems }];
}

async function formOf(inbound: Inbound, answersOf: (inbound: Inbound) => Promise<Outbound[]>): Promise<Form | null> {
  const ask = async (values: Record<string, string>, turn: number) => {
    const answers = await answersOf({ ...inbound, source: 'open-form', values, eventId: `${inbound.eventId}:${turn}` });
    return answers.find((each) => each.form !== undefined)?.form ?? null;
  };
  const bare = await ask({}, 1);
  const filled = inbound.values ?? {};
  const given = (bare?.fields ?? []).flatMap(({ key, reloads }) =>
    reloads === true && filled[key] !== undefined ? [[key, filled[key]] as const] : [],
  );
  return bare === null || given.length === 0 ? bare : ((await ask(Object.fromEntries(given), 2)) ?? bare);
}

/** The problems at their fields; those of none come first. */
export function marked(form: Form, problems: Problems): Form {
  const known = new Set(form.fields.map(({ key }) => key));
  const strays = problems.filter(({ field }) => !known.has(field)).map(({ message }) => `✗ ${message}`);
  const fields = form.fields.map((field) => {
    const problem = field.problem ?? problems.find((each) => each.field === field.key)?.message;
    return problem === undefined ? field : { ...field, problem };
  });
  const intro = [...strays, form.intro ?? ''].filter(Boolean).join('\n');
  return { ...form, fields, ...(intro === '' ? {} : { intro }) };
}
