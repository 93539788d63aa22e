/** Forms of Slack filled in as a person does who has the values of a test's harness in front of them. */
import type { ZodObject } from 'zod';
import { fieldsOf } from '../../src/core/schema.ts';
import type { FieldValue } from '../counterparts/slack/fields.ts';
import type { Slack } from '../counterparts/slack/index.ts';

/** What one field of a schema is to hold, by its label. */
export interface Entry {
  label: string;
  value: FieldValue;
}

/** The values of a schema's fields as they are typed, in the order of the form. */
export function entriesOf(schema: ZodObject, values: Record<string, unknown>): Entry[] {
  return fieldsOf(schema).flatMap(({ key, label, kind }) => {
    const value = values[key];
    if (value === undefined || value === null) return [];
    if (kind === 'labels') return [{ label, value: pairs(value) }];
    return [{ label, value: String(value) }];
  });
}

function pairs(value: unknown): string {
  return Object.entries(value as Record<string, string>)
    .map(([key, each]) => `${key}=${each}`)
    .join(', ');
}

/**
 * Fills in the form in front of the person and sends it. A field that others depend on is chosen first, and the form is waited for as it loads
 * again. Gives the complaints shown at fields, however late they come.
 */
export async function fillIn(slack: Slack, id: string, entries: Entry[]): Promise<string> {
  const person = slack.user(id);
  await slack.until(() => person.view?.submit, 10_000, 'a form');
  const later: Record<string, FieldValue> = {};
  for (const { label, value } of entries) {
    const view = person.view;
    const block = view?.blocks.find((each) => (each.label as { text?: string } | undefined)?.text === label);
    if (!view || !block) continue;
    if (block.dispatch_action !== true) {
      later[label] = value;
      continue;
    }
    const { hash } = view;
    await person.select(view, label, value);
    await slack.until(() => person.view && person.view.hash !== hash, 10_000, `the form again after ${label}`);
  }
  const view = person.view;
  if (!view) throw new Error('The form is gone.');
  const outcome = await person.submit(view, later);
  if (outcome.status !== 200 && outcome.status !== 0) throw new Error(`The form was answered with ${outcome.status}.`);
  const complaints = Object.values(outcome.errors);
  if (complaints.length > 0) return complaints.join(' ');
  // What takes long is answered in the form later on.
  await slack.until(
    () => !JSON.stringify(person.view ?? {}).includes('Still working on it'),
    20_000,
    'the end of the work',
  );
  const open = person.view;
  if (open && !open.submit) await person.closeView(open, { all: true });
  return [...JSON.stringify(open ?? {}).matchAll(/Problem: ((?:[^"\\]|\\.)*)"/g)].map(([, said]) => said).join(' ');
}
