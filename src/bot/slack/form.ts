/** Forms as Slack modals, and what a person filled in read back. */
import type { InputBlock, KnownBlock, ModalView, Option, PlainTextElement } from '@slack/types';
import type { Field, Form } from '../../core/card.ts';
import type { Place } from '../../core/records.ts';
import { limits } from './limits.ts';
import { cutSpans, richElements, spans } from './markup.ts';
import { rich, small } from './parts.ts';
import { andMore, clean, cut, oneLine } from './text.ts';

/** callback_id of a form; other views of the app are not ours to answer. */
export const formCallback = 'kqueen.form';
/** action_id of every field. */
export const fieldAction = 'kqueen.field';

/** What a modal carries so that its submission can be answered; never a value of a field. */
export interface FormMeta {
  command: string;
  place: Place;
  /** Only the person reads the place. */
  private: boolean;
  /** How often the form was loaded again; fields of a new load take their new values. */
  load: number;
}

/** Blocks that a view keeps for the intro and notes. */
const spareBlocks = 6;

/** A Form as a modal. One whose command is too long to be carried says so and cannot be submitted. */
export function renderForm(form: Form, place: Place, isPrivate: boolean, load = 0): ModalView {
  const meta: FormMeta = { command: form.command, place, private: isPrivate, load };
  const metadata = JSON.stringify(meta);
  const title = oneLine(form.title) || 'KQueen';
  const base = {
    type: 'modal' as const,
    title: label(title, limits.viewTitle),
    close: label('Cancel', limits.viewTitle),
  };
  const full: KnownBlock[] = title.length > limits.viewTitle ? [small(title, 600)] : [];
  if (metadata.length > limits.metadata) {
    const said = 'This command is too long for a form. Type it with fewer or shorter values.';
    return { ...base, callback_id: formCallback, blocks: [...full, rich([{ type: 'text', text: said }])] };
  }
  const fields = form.fields.slice(0, limits.blocksPerView - spareBlocks);
  const intro = spans(form.intro ?? '');
  const blocks: KnownBlock[] = [...full];
  if (intro.some((span) => span.text.trim() !== '')) blocks.push(rich(richElements(cutSpans(intro, limits.text))));
  blocks.push(...fields.map((field, index) => input(field, index, load)));
  const unshown = form.fields.length - fields.length;
  if (unshown > 0) blocks.push(small(`${andMore(unshown, 'fields')}; give them as key=value in the command.`));
  if (blocks.length === 0) blocks.push(small('Nothing has to be filled in.'));
  return {
    ...base,
    callback_id: formCallback,
    private_metadata: metadata,
    submit: label(oneLine(form.submit) || 'Send', limits.viewTitle),
    blocks,
  };
}

/** A view for the moment until the form is there, or until a slow answer comes. */
export function workingView(title: string, said: string): ModalView {
  return {
    type: 'modal',
    callback_id: `${formCallback}.working`,
    title: label(oneLine(title) || 'KQueen', limits.viewTitle),
    close: label('Close', limits.viewTitle),
    blocks: [rich([{ type: 'text', text: said }])],
  };
}

function label(text: string, max: number): PlainTextElement {
  return { type: 'plain_text', text: cut(text, max), emoji: true };
}

/** Index and load make the id unique; the kind's first letter tells secrets apart when values have to be put back. */
function blockId(field: Field, index: number, load: number): string {
  const kind = field.kind.startsWith('secret') ? 's' : 'f';
  return `${kind}.${load}.${index}.${field.key}`.slice(0, limits.id);
}

/** The key of the field that a block asks for, or null when the block is no field. */
export function fieldKey(id: string): string | null {
  return /^[fs]\.\d+\.\d+\.(.*)$/s.exec(id)?.[1] ?? null;
}

/** Whether the block asks for a secret. */
export function isSecretBlock(id: string): boolean {
  return id.startsWith('s.') && fieldKey(id) !== null;
}

function input(field: Field, index: number, load: number): InputBlock {
  const { element, notes } = elementFor(field);
  const hint = [
    field.problem === undefined ? '' : `⚠️ Problem: ${oneLine(field.problem)}`,
    oneLine(field.help ?? ''),
    ...notes,
  ].filter((each) => each !== '');
  return {
    type: 'input',
    block_id: blockId(field, index, load),
    label: label(oneLine(field.label) || oneLine(field.key) || 'Value', limits.label),
    element,
    optional: !field.required,
    ...(hint.length === 0 ? {} : { hint: label(hint.map((each) => cut(each, 600)).join(' '), limits.label) }),
    ...(field.reloads === true ? { dispatch_action: true } : {}),
  };
}

interface Asked {
  element: InputBlock['element'];
  /** What the hint has to say about the element. */
  notes: string[];
}

function elementFor(field: Field): Asked {
  switch (field.kind) {
    case 'choice':
      return field.choices?.some(({ value }) => fitsOption(value))
        ? choice(field, field.choices)
        : typed(field, false, field.choices === undefined ? [] : ['There is nothing to choose from.']);
    case 'toggle':
      return toggle(field);
    case 'number':
      return number(field);
    case 'secret':
    case 'secret-multiline':
      return typed({ ...field, value: '' }, field.kind === 'secret-multiline', [
        'Stored sealed; it is never shown again.',
      ]);
    case 'labels':
      return typed({ example: 'team=a, env=test', ...field }, false, ['Pairs such as team=a, separated by commas.']);
    case 'multiline':
      return typed(field, true, []);
    case 'text':
      return typed(field, false, []);
  }
}

function typed(field: Field, multiline: boolean, notes: string[]): Asked {
  const max = Math.min(limits.input, Math.max(1, Math.floor(field.maxLength ?? limits.input)));
  const given = multiline ? clean(field.value ?? '') : oneLine(field.value ?? '');
  const shown = given.length > max ? given.slice(0, max).toWellFormed() : given;
  const placeholder = oneLine(field.example ?? '');
  return {
    element: {
      type: 'plain_text_input',
      action_id: fieldAction,
      ...(multiline ? { multiline: true } : {}),
      ...(shown === '' ? {} : { initial_value: shown }),
      max_length: max,
      ...(placeholder === '' ? {} : { placeholder: label(`e.g. ${placeholder}`, limits.placeholder) }),
    },
    notes: given.length > max ? [...notes, `What you gave was cut to ${max} characters.`] : notes,
  };
}

/** Slack refuses a starting value that is no number or out of range; it is named in the hint instead. */
function number(field: Field): Asked {
  const range = { min: bound(field.min), max: bound(field.max) };
  const value = field.value?.trim() ?? '';
  const decimal = /^-?\d{1,15}(\.\d{1,10})?$/.test(value) ? Number(value) : null;
  const inside = decimal !== null && decimal >= (range.min ?? decimal) && decimal <= (range.max ?? decimal);
  const coherent = range.min === undefined || range.max === undefined || range.min <= range.max;
  const notes: string[] = [];
  if (range.min !== undefined && range.max !== undefined) notes.push(`From ${range.min} to ${range.max}.`);
  else if (range.min !== undefined) notes.push(`At least ${range.min}.`);
  else if (range.max !== undefined) notes.push(`At most ${range.max}.`);
  if (value !== '' && !inside) notes.push(`You gave ${cut(oneLine(value), 40)}.`);
  return {
    element: {
      type: 'number_input',
      action_id: fieldAction,
      is_decimal_allowed: true,
      ...(inside ? { initial_value: value } : {}),
      ...(range.min !== undefined && coherent ? { min_value: String(range.min) } : {}),
      ...(range.max !== undefined && coherent ? { max_value: String(range.max) } : {}),
      ...(field.example === undefined
        ? {}
        : { placeholder: label(`e.g. ${oneLine(field.example)}`, limits.placeholder) }),
    },
    notes,
  };
}

/** A bound that can be written as plain digits. */
function bound(value: number | undefined): number | undefined {
  return value !== undefined && /^-?\d{1,15}(\.\d{1,10})?$/.test(String(value)) ? value : undefined;
}

function fitsOption(value: string): boolean {
  return value !== '' && value.length <= limits.optionValue && value.isWellFormed();
}

function choice(field: Field, all: { value: string; label: string; note?: string }[]): Asked {
  const fitting = all.filter(
    ({ value }, index) => fitsOption(value) && all.findIndex((each) => each.value === value) === index,
  );
  const shown = fitting.slice(0, limits.options);
  const picked = fitting.find(({ value }) => value === field.value);
  if (picked !== undefined && !shown.includes(picked)) shown[shown.length - 1] = picked;
  const options = shown.map(option);
  const initial = picked === undefined ? undefined : options[shown.indexOf(picked)];
  const notes: string[] = [];
  if (all.length > shown.length)
    notes.push(`The first ${shown.length} of ${all.length} are listed; give another one in the command.`);
  if (field.value !== undefined && field.value !== '' && picked === undefined) {
    notes.push(`${cut(oneLine(field.value), 80)} is not in the list.`);
  }
  return {
    element: {
      type: 'static_select',
      action_id: fieldAction,
      options,
      ...(initial === undefined ? {} : { initial_option: initial }),
      placeholder: label('Choose', limits.placeholder),
    },
    notes,
  };
}

function option({
  value,
  label: said,
  note,
}: {
  value: string;
  label: string;
  note?: string;
}): Option & { text: PlainTextElement } {
  const description = oneLine(note ?? '');
  return {
    text: label(oneLine(said) || oneLine(value) || '–', limits.optionText),
    value,
    ...(description === '' ? {} : { description: label(description, limits.optionText) }),
  };
}

function toggle(field: Field): Asked {
  const yes = option({ value: 'true', label: 'Yes' });
  const no = option({ value: 'false', label: 'No' });
  const initial = [yes, no].find(({ value }) => value === field.value);
  return {
    element: {
      type: 'radio_buttons',
      action_id: fieldAction,
      options: [yes, no],
      ...(initial === undefined ? {} : { initial_option: initial }),
    },
    notes: [],
  };
}
