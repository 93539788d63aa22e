/** Forms as Slack modals, and what a person filled in read back. */
import type { InputBlock, KnownBlock, ModalView, Option, PlainTextElement } from '@slack/types';
import type { Field, Form } from '../../core/card.ts';
import type { Place } from '../../core/records.ts';
import type { Choice } from '../search.ts';
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
  /** Values of the fields that others depend on, for the choices of those others; never of a secret. */
  given?: Record<string, string>;
}

/** Blocks that a view keeps for the intro and notes. */
const spareBlocks = 6;
/** Values of the fields that others depend on are carried up to this length. */
const longestGiven = 200;

/** A Form as a modal. One whose command is too long to be carried says so and cannot be submitted. */
export function renderForm(form: Form, place: Place, isPrivate: boolean, load = 0): ModalView {
  const meta: FormMeta = { command: form.command, place, private: isPrivate, load };
  const whole = JSON.stringify({ ...meta, ...givenOf(form) });
  // Without them the choices of other fields are those of a fresh form.
  const metadata = whole.length > limits.metadata ? JSON.stringify(meta) : whole;
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
  const intro = spans(form.intro ?? '');
  const blocks: KnownBlock[] = [...full];
  if (intro.some((span) => span.text.trim() !== '')) blocks.push(rich(richElements(cutSpans(intro, limits.text))));
  let unshown = 0;
  for (const [index, field] of form.fields.entries()) {
    const asked = inputs(field, index, load);
    if (unshown > 0 || blocks.length + asked.length > limits.blocksPerView - spareBlocks) unshown += 1;
    else blocks.push(...asked);
  }
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

/** What the choices of other fields depend on. */
function givenOf(form: Form): Pick<FormMeta, 'given'> {
  const given = form.fields.flatMap(({ key, value, reloads, kind }): [string, string][] =>
    reloads === true && value !== undefined && value.length <= longestGiven && !kind.startsWith('secret')
      ? [[key, value]]
      : [],
  );
  return given.length === 0 ? {} : { given: Object.fromEntries(given) };
}

/** A view for the moment until the form is there, or until a slow answer comes, and for what is said then. `clears`: closing it closes what is below. */
export function workingView(title: string, said: string, how: { close?: string; clears?: boolean } = {}): ModalView {
  return {
    type: 'modal',
    callback_id: `${formCallback}.working`,
    title: label(oneLine(title) || 'KQueen', limits.viewTitle),
    close: label(how.close ?? 'Close', limits.viewTitle),
    ...(how.clears === true ? { clear_on_close: true } : {}),
    blocks: [rich([{ type: 'text', text: cut(clean(said), limits.text) }])],
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

/** The id of a block that takes a field's text as a file carries how long it may be. */
function fileBlockId(field: Field, index: number, load: number): string {
  const kind = field.kind.startsWith('secret') ? 'v' : 'u';
  return `${kind}.${load}.${index}.${longest(field)}.${field.key}`.slice(0, limits.id);
}

/** The field that a block takes as a file, and how many characters that may have; null when it takes none. */
export function fileField(id: string): { key: string; most: number; secret: boolean } | null {
  const [, kind, most, key] = /^([uv])\.\d+\.\d+\.(\d+)\.(.*)$/s.exec(id) ?? [];
  return key === undefined ? null : { key, most: Number(most), secret: kind === 'v' };
}

/** The key of the field that a block asks for as text, or null when the block is no such field. */
export function fieldKey(id: string): string | null {
  return /^[fs]\.\d+\.\d+\.(.*)$/s.exec(id)?.[1] ?? null;
}

/** Whether the block asks for a secret. */
export function isSecretBlock(id: string): boolean {
  return id.startsWith('s.') && fieldKey(id) !== null;
}

/** Text that may be longer than an input holds can be given as a file as well. */
function takesFile({ kind, maxLength }: Field): boolean {
  return (kind === 'multiline' || kind === 'secret-multiline') && maxLength !== undefined && maxLength > limits.input;
}

function longest(field: Field): number {
  return Math.floor(Math.min(field.maxLength ?? limits.input, limits.file));
}

/** The blocks of a field: one, and for long texts a second one that takes a file. */
function inputs(field: Field, index: number, load: number): InputBlock[] {
  return takesFile(field) ? [input(field, index, load), fileInput(field, index, load)] : [input(field, index, load)];
}

function nameOf(field: Field): string {
  return oneLine(field.label) || oneLine(field.key) || 'Value';
}

function fileInput(field: Field, index: number, load: number): InputBlock {
  const hint = [
    `A text file of at most ${longest(field).toLocaleString('en')} characters, instead of the text above.`,
    ...(field.kind === 'secret-multiline'
      ? [
          'KQueen reads it once; Slack keeps it among your files until you delete it there, which no app can do for you.',
        ]
      : []),
  ];
  return {
    type: 'input',
    block_id: fileBlockId(field, index, load),
    label: label(`${cut(nameOf(field), 150)}, as a file`, limits.label),
    element: { type: 'file_input', action_id: fieldAction, max_files: 1 },
    optional: true,
    hint: label(hint.join(' '), limits.label),
  };
}

function input(field: Field, index: number, load: number): InputBlock {
  const { element, notes } = elementFor(field);
  const either = takesFile(field);
  const hint = [
    field.problem === undefined ? '' : `⚠️ Problem: ${oneLine(field.problem)}`,
    either && field.required ? 'Needed, here or as a file.' : '',
    oneLine(field.help ?? ''),
    ...notes,
  ].filter((each) => each !== '');
  return {
    type: 'input',
    block_id: blockId(field, index, load),
    label: label(nameOf(field), limits.label),
    element,
    // Slack refuses to send an empty input that is not optional, although the file may be there.
    optional: either || !field.required,
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
  // A text that can come as a file is never shown in part: sent back like that, it would be the new value.
  const shown = given.length <= max ? given : takesFile(field) ? '' : given.slice(0, max).toWellFormed();
  const cutNote = takesFile(field)
    ? `The text of ${given.length.toLocaleString('en')} characters is too long to be shown here; give it again as a file.`
    : `What you gave was cut to ${max} characters.`;
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
    notes: given.length > max ? [...notes, cutNote] : notes,
  };
}

/** Slack refuses a starting value that is no number or out of range; it is named in the hint instead. */
function number(field: Field): Asked {
  const range = { min: bound(field.min), max: bound(field.max) };
  const value = field.value?.trim() ?? '';
  const written = field.whole === true ? /^-?\d{1,15}$/ : /^-?\d{1,15}(\.\d{1,10})?$/;
  const decimal = written.test(value) ? Number(value) : null;
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
      is_decimal_allowed: field.whole !== true,
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

function choice(field: Field, all: Choice[]): Asked {
  const fitting = fittingChoices(all);
  const picked = fitting.find(({ value }) => value === field.value);
  const notes: string[] = [];
  if (field.value !== undefined && field.value !== '' && picked === undefined) {
    notes.push(`${cut(oneLine(field.value), 80)} is not in the list.`);
  }
  if (fitting.length > limits.options) {
    return {
      element: {
        type: 'external_select',
        action_id: fieldAction,
        min_query_length: 0,
        ...(picked === undefined ? {} : { initial_option: choiceOption(picked) }),
        placeholder: label('Type to search', limits.placeholder),
      },
      notes: [...notes, `${fitting.length.toLocaleString('en')} to choose from: type a part of the name.`],
    };
  }
  const options = fitting.map(choiceOption);
  const initial = picked === undefined ? undefined : options[fitting.indexOf(picked)];
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

/** The choices that Slack can carry, each value once. */
export function fittingChoices(all: readonly Choice[]): Choice[] {
  const seen = new Set<string>();
  return all.filter(({ value }) => {
    if (!fitsOption(value) || seen.has(value)) return false;
    seen.add(value);
    return true;
  });
}

/** A choice as an option of a select. */
export function choiceOption({ value, label: said, note }: Choice): Option & { text: PlainTextElement } {
  const description = oneLine(note ?? '');
  return {
    text: label(oneLine(said) || oneLine(value) || '–', limits.optionText),
    value,
    ...(description === '' ? {} : { description: label(description, limits.optionText) }),
  };
}

function toggle(field: Field): Asked {
  const yes = choiceOption({ value: 'true', label: 'Yes' });
  const no = choiceOption({ value: 'false', label: 'No' });
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
