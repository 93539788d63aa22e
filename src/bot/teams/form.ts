/**
 * Forms as Adaptive Cards: inputs with labels, help and problems in words, and one action that sends them. They stand inline in the conversation, which
 * works in every client, and the longer ones can be opened as a dialog.
 */
import type { Field, Form } from '../../core/card.ts';
import { givenUp } from '../loading.ts';
import { dialogAction, sendAction, submitAction } from './actions.ts';
import type { AdaptiveCard, Element } from './render.ts';
import { bytes, frame, heading, mostBytes, subtle } from './render.ts';
import type { RichTextBlock } from './text.ts';
import { block, clean, clip, markupBlocks, oneLine, run, shorten } from './text.ts';

/** Input ids carry this prefix, so that a field's key never meets a key of the action's own data. */
export const fieldPrefix = 'field.';
/** Of inputs in which a choice is typed that its list had no room for. */
export const typedPrefix = 'typed.';

/** Longer values are not sent back into a form: they would leave no room for the form. */
const longestValue = 4_000;
/** Above this a command leaves no room for its fallback, above the next none for the form. */
const longestTwice = 3_000;
const longestOnce = 12_000;
/** Bytes that the choices of one field may take, so that those after it have room. */
const mostForChoices = 16_000;
/** From this number on a person types to find a choice. */
const manyChoices = 20;

/** What was typed into a form before: kept instead of the form's own values, or only where it has none. */
export interface Typed {
  values: Record<string, string>;
  wins: boolean;
}

/** Where a form is shown: as a dialog, or inline with the offer to open it as one. */
export interface Shape {
  dialog?: boolean;
  offersDialog?: boolean;
}

/** From this number of fields on a form is offered as a dialog. */
const dialogFields = 4;

/** Renders a form with what was typed; secrets are never sent back. */
export function renderForm(
  asked: Form,
  typed: Typed = { values: {}, wins: false },
  { dialog = false, offersDialog = false }: Shape = {},
): AdaptiveCard {
  const form = givenUp(asked);
  const send: typeof sendAction = dialog ? submitAction : sendAction;
  const fields = form.fields.map((field) => withValue(field, typed.values[field.key], typed.wins));
  const problems = fields.filter(({ problem }) => problem).length;
  const adaptive = frame(clip(`Form: ${oneLine(form.title)}. ${oneLine(form.intro ?? '')}`.trim(), 600));
  adaptive.body.push(heading(form.title, problems > 0 ? 'warn' : 'plain'));
  if (form.intro) adaptive.body.push(...markupBlocks(form.intro, 1_500));
  if (problems > 0) {
    const what = problems === 1 ? 'One field needs' : `${problems} fields need`;
    adaptive.body.push(block([run(`${what} your attention; see below.`, { weight: 'Bolder' })]));
  }
  const length = Buffer.byteLength(form.command);
  if (length > longestOnce) {
    adaptive.body.push(block([run('This form is too long for Teams. Shorten the command and send it again.')]));
    return adaptive;
  }
  const bare = length > longestTwice;
  adaptive.actions = [send(form.submit, { kqueen: 'form', command: form.command }, 'primary', bare)];
  if (asked.loading !== undefined) {
    const payload = { kqueen: 'reload' as const, command: form.command };
    adaptive.actions.push(send('Load the choices', payload, undefined, bare));
  }
  if (offersDialog && fields.length >= dialogFields && !bare)
    adaptive.actions.push(dialogAction('Open as a dialog', form.command));

  let room = mostBytes - 400 - bytes(adaptive);
  // A reload sends the inputs as they are; clients refuse to send while a required input is empty, so the server asks for it.
  const reloading = fields.some(({ reloads }) => reloads);
  let hidden = 0;
  for (const field of fields) {
    const elements = hidden > 0 ? [] : renderField(field, form, { reloading, room, dialog });
    const used = bytes(elements);
    if (hidden > 0 || used > room) {
      hidden += 1;
      continue;
    }
    adaptive.body.push(...elements);
    room -= used;
  }
  if (hidden > 0) {
    const what = hidden === 1 ? 'field that does' : 'fields that do';
    adaptive.body.push(subtle(`… and ${hidden} more ${what} not fit; type them as key=value after the command.`));
  }
  return adaptive;
}

function withValue(field: Field, typed: string | undefined, wins: boolean): Field {
  if (field.kind === 'secret' || field.kind === 'secret-multiline') {
    const { value: _secret, ...rest } = field;
    return rest;
  }
  return typed === undefined || (field.value !== undefined && !wins) ? field : { ...field, value: typed };
}

interface Room {
  reloading: boolean;
  room: number;
  dialog: boolean;
}

function renderField(field: Field, form: Form, { reloading, room, dialog }: Room): Element[] {
  const send: typeof sendAction = dialog ? submitAction : sendAction;
  const [input, unlisted] = renderInput(field, reloading, room);
  const elements: Element[] = [input];
  if (unlisted > 0) elements.push(typedInput(field, unlisted));
  const hint = [field.help ?? '', lengthNote(field), secretNote(field)].map(oneLine).filter(Boolean).join(' ');
  if (hint) elements.push(small(clip(hint, 400)));
  if (field.problem) {
    const text = clip(oneLine(field.problem), 400);
    elements.push(block([run(`✗ ${text}`, { color: 'Attention', weight: 'Bolder' })], { spacing: 'Small' }));
  }
  if (field.reloads) {
    const payload = { kqueen: 'reload' as const, command: form.command };
    const bare = Buffer.byteLength(form.command) > longestTwice / 2;
    elements.push({
      type: 'ActionSet',
      spacing: 'Small',
      actions: [send(`Show the fields for this ${shorten(field.label, 30).toLowerCase()}`, payload, undefined, bare)],
    });
  }
  return elements;
}

function small(text: string): RichTextBlock {
  return block([run(text, { isSubtle: true, size: 'Small' })], { spacing: 'Small' });
}

function lengthNote({ kind, value }: Field): string {
  if (kind === 'choice' || kind === 'toggle') return '';
  return value && clean(value).length > longestValue
    ? `What was typed is ${value.length.toLocaleString('en')} characters long and is not shown here; type it again.`
    : '';
}

function secretNote({ kind, problem }: Field): string {
  const again = problem ? ' Type it again: it was not kept.' : '';
  if (kind === 'secret') return `Kept sealed, and never shown again.${again}`;
  if (kind === 'secret-multiline') return `Kept sealed, and never shown again; visible while you type.${again}`;
  return '';
}

/** The input of a field, and how many of its choices found no room in it. */
function renderInput(field: Field, relaxed: boolean, room: number): [Element, number] {
  if (field.kind === 'choice' && field.choices !== undefined) return choiceInput(field, relaxed, room);
  return [plainInput(field, relaxed), 0];
}

function sharedOf(field: Field, relaxed: boolean) {
  const name = shorten(field.label, 100) || field.key;
  const required = field.required && field.kind !== 'toggle';
  const shared = {
    id: `${fieldPrefix}${field.key}`,
    label: required && relaxed ? `${name} (required)` : name,
    spacing: 'Medium',
    ...(required && !relaxed ? { isRequired: true } : {}),
  };
  return { name, required, shared };
}

function plainInput(field: Field, relaxed: boolean): Element {
  const { name, required, shared } = sharedOf(field, relaxed);
  const needed = (text: string) => (required && !relaxed ? { errorMessage: text } : {});
  const example = oneLine(field.example ?? '');
  const hint = example ? { placeholder: shorten(`e.g. ${example}`, 100) } : {};
  const given = field.value === undefined ? '' : clean(field.value);
  const value = given && given.length <= longestValue ? { value: given } : {};
  switch (field.kind) {
    case 'text':
    case 'labels':
    case 'multiline':
      return {
        type: 'Input.Text',
        ...shared,
        ...hint,
        ...value,
        ...(field.kind === 'multiline' ? { isMultiline: true } : {}),
        ...(field.maxLength ? { maxLength: field.maxLength } : {}),
        ...needed(`${name} is needed.`),
      };
    case 'secret':
    case 'secret-multiline':
      return {
        type: 'Input.Text',
        ...shared,
        ...hint,
        ...(field.kind === 'secret' ? { style: 'Password' } : { isMultiline: true }),
        ...needed(`${name} is needed.`),
      };
    case 'number': {
      const number = Number(given);
      const range = rangeWords(field);
      return {
        type: 'Input.Number',
        ...shared,
        ...hint,
        ...(given !== '' && Number.isFinite(number) ? { value: number } : {}),
        ...(field.min === undefined ? {} : { min: field.min }),
        ...(field.max === undefined ? {} : { max: field.max }),
        ...(range || required ? { errorMessage: `Type a number${range}.` } : {}),
      };
    }
    case 'toggle':
      return {
        type: 'Input.Toggle',
        ...shared,
        title: 'Yes',
        value: field.value === 'true' ? 'true' : 'false',
        valueOn: 'true',
        valueOff: 'false',
      };
    case 'choice':
      return nothingToChoose(name);
  }
}

function rangeWords({ min, max }: Field): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of ${min} or more`;
  return max === undefined ? '' : ` of ${max} or less`;
}

function nothingToChoose(name: string): Element {
  return block([run(`${name}: `, { weight: 'Bolder' }), run('there is nothing to choose.', { isSubtle: true })]);
}

/** Where the list of choices is cut, the others are typed. */
function typedInput(field: Field, unlisted: number): Element {
  return {
    type: 'Input.Text',
    id: `${typedPrefix}${field.key}`,
    label: `Another ${(shorten(field.label, 100) || field.key).toLowerCase()}`,
    placeholder: `${unlisted.toLocaleString('en')} more are not in the list; type one here`,
    maxLength: 500,
    spacing: 'Small',
  };
}

/** A choice list within its share of the room; the value that is set is always among those shown. */
function choiceInput(field: Field, relaxed: boolean, room: number): [Element, number] {
  const { name, required, shared } = sharedOf(field, relaxed);
  const all = (field.choices ?? []).filter(({ value }) => value.length <= 500 && oneLine(value) !== '');
  if (all.length === 0) return [nothingToChoose(name), 0];
  const selected = all.find(({ value }) => value === field.value);
  const choices: { title: string; value: string }[] = [];
  let used = 0;
  for (const choice of selected ? [selected, ...all.filter((each) => each !== selected)] : all) {
    const note = oneLine(choice.note ?? '');
    const label = oneLine(choice.label) || oneLine(choice.value);
    const next = { title: shorten(note ? `${label} (${note})` : label, 100), value: choice.value };
    used += bytes(next) + 1;
    if (used > Math.min(room - 1_200, mostForChoices)) break;
    choices.push(next);
  }
  const order = new Map(all.map(({ value }, index) => [value, index]));
  choices.sort((a, b) => (order.get(a.value) ?? 0) - (order.get(b.value) ?? 0));
  const missing = all.length - choices.length;
  // What is typed beside the list counts as well, so that the list alone is never required then.
  const { isRequired: _required, ...relieved } = shared;
  const input = {
    type: 'Input.ChoiceSet',
    ...(missing > 0 ? relieved : shared),
    ...(required && !relaxed && missing === 0 ? { errorMessage: `Choose a ${name.toLowerCase()}.` } : {}),
    style: choices.length > manyChoices ? 'filtered' : 'compact',
    choices,
    placeholder: 'Choose',
    ...(selected ? { value: selected.value } : {}),
  };
  return [input, missing];
}
