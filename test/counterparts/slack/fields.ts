/**
 * What a person typed or chose: the `state.values` that Slack sends along, and the checks its client makes before sending.
 *
 * Shapes: docs.slack.dev/reference/interaction-payloads/view-interactions-payload (`state.values[block_id][action_id]`);
 * client-side checks: required inputs, min_length/max_length, number bounds, e-mail and URL form (block-elements pages).
 */
import { elementsOf } from './blocks.ts';
import { flagOf, objectOf, objectsOf, textOf } from './json.ts';
import type { Json, View } from './types.ts';

/** What a test fills in: text, a number, a date, one or several options (by value or by their text), ids, or nothing. */
export type FieldValue = string | number | boolean | readonly string[] | ChosenFile | null;

/** A file of the person's machine; uploaded when it is chosen. */
export interface ChosenFile {
  name: string;
  content: string | Uint8Array;
  /** What Slack leaves out of its object: the address, for files that have to be asked for. */
  hidden?: boolean;
}

export function isChosenFile(value: FieldValue): value is ChosenFile {
  return typeof value === 'object' && value !== null && 'content' in value;
}

export type Values = View['values'];

const KEYS: Record<string, { key: string; initial: string; many: boolean }> = {
  plain_text_input: { key: 'value', initial: 'initial_value', many: false },
  email_text_input: { key: 'value', initial: 'initial_value', many: false },
  url_text_input: { key: 'value', initial: 'initial_value', many: false },
  number_input: { key: 'value', initial: 'initial_value', many: false },
  static_select: { key: 'selected_option', initial: 'initial_option', many: false },
  external_select: { key: 'selected_option', initial: 'initial_option', many: false },
  radio_buttons: { key: 'selected_option', initial: 'initial_option', many: false },
  checkboxes: { key: 'selected_options', initial: 'initial_options', many: true },
  multi_static_select: { key: 'selected_options', initial: 'initial_options', many: true },
  multi_external_select: { key: 'selected_options', initial: 'initial_options', many: true },
  datepicker: { key: 'selected_date', initial: 'initial_date', many: false },
  timepicker: { key: 'selected_time', initial: 'initial_time', many: false },
  datetimepicker: { key: 'selected_date_time', initial: 'initial_date_time', many: false },
  users_select: { key: 'selected_user', initial: 'initial_user', many: false },
  channels_select: { key: 'selected_channel', initial: 'initial_channel', many: false },
  conversations_select: { key: 'selected_conversation', initial: 'initial_conversation', many: false },
  multi_users_select: { key: 'selected_users', initial: 'initial_users', many: true },
  multi_channels_select: { key: 'selected_channels', initial: 'initial_channels', many: true },
  multi_conversations_select: { key: 'selected_conversations', initial: 'initial_conversations', many: true },
  // Nothing can be chosen beforehand.
  file_input: { key: 'files', initial: 'initial_files', many: true },
};

function keysOf(element: Json): { key: string; initial: string; many: boolean } | undefined {
  return KEYS[textOf(element.type)];
}

export function optionsOf(element: Json): Json[] {
  return [
    ...objectsOf(element.options),
    ...objectsOf(element.option_groups).flatMap((each) => objectsOf(each.options)),
  ];
}

/** The values that blocks start with; those of `kept` stay where block, action and type are still the same. */
export function startingValues(blocks: Json[], kept: Values = {}): Values {
  const values: Values = {};
  for (const block of blocks) {
    for (const element of elementsOf(block)) {
      const keys = keysOf(element);
      if (keys === undefined) continue;
      const blockId = textOf(block.block_id);
      const actionId = textOf(element.action_id);
      const old = kept[blockId]?.[actionId];
      const fresh = { type: element.type, [keys.key]: element[keys.initial] ?? (keys.many ? [] : null) };
      values[blockId] = {
        ...values[blockId],
        [actionId]: old !== undefined && old.type === element.type ? old : fresh,
      };
    }
  }
  return values;
}

/** The `state` entry for an element that now holds `value`; throws if a person could not choose that. */
export function entryFor(element: Json, value: FieldValue, offered: Json[] = optionsOf(element)): Json {
  const keys = keysOf(element);
  if (keys === undefined) throw new Error(`a ${textOf(element.type)} takes no value`);
  const type = element.type;
  if (value === null) return { type, [keys.key]: keys.many ? [] : null };
  if (keys.key === 'files') throw new Error('a file is chosen, not written');
  const asked = (Array.isArray(value) ? value : [value]).map(String);
  if (!keys.key.startsWith('selected_option')) {
    if (keys.key === 'selected_date_time') return { type, [keys.key]: Number(value) };
    return { type, [keys.key]: keys.many ? asked : String(value) };
  }
  const chosen = asked.map((each) => {
    const option = offered.find((one) => one.value === each || objectOf(one.text).text === each);
    if (option === undefined) {
      const known = offered.map((one) => textOf(one.value)).join(', ');
      throw new Error(`nobody can choose ${JSON.stringify(each)} in ${textOf(element.action_id)}; offered: ${known}`);
    }
    return option;
  });
  const limit = typeof element.max_selected_items === 'number' ? element.max_selected_items : chosen.length;
  if (chosen.length > limit) throw new Error(`nobody can choose more than ${limit} in ${textOf(element.action_id)}`);
  return { type, [keys.key]: keys.many ? chosen : chosen[0] };
}

/** An element of some blocks, found by block_id, action_id or the label of its input block. */
export function findField(blocks: Json[], name: string): { block: Json; element: Json } {
  for (const block of blocks) {
    for (const element of elementsOf(block)) {
      if (keysOf(element) === undefined) continue;
      if ([block.block_id, element.action_id, objectOf(block.label).text].includes(name)) return { block, element };
    }
  }
  const known = blocks.flatMap((block) => elementsOf(block).map((element) => textOf(element.action_id)));
  throw new Error(`no field ${JSON.stringify(name)}; there are: ${known.join(', ')}`);
}

function complaint(element: Json, entry: Json, optional: boolean): string | undefined {
  const keys = keysOf(element);
  const value = keys === undefined ? undefined : entry[keys.key];
  const empty = value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
  if (empty) return optional ? undefined : 'Please complete this required field.';
  if (typeof value !== 'string' || keys?.key !== 'value') return undefined;
  if (element.type === 'number_input') {
    const number = Number(value);
    if (Number.isNaN(number)) return 'Please enter a number.';
    if (!flagOf(element.is_decimal_allowed) && !Number.isInteger(number)) return 'Please enter a whole number.';
    if (element.min_value !== undefined && number < Number(element.min_value))
      return `Must be ${element.min_value} or more.`;
    if (element.max_value !== undefined && number > Number(element.max_value))
      return `Must be ${element.max_value} or less.`;
  }
  if (element.type === 'email_text_input' && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(value))
    return 'Enter an e-mail address.';
  if (element.type === 'url_text_input' && !URL.canParse(value)) return 'Enter a URL.';
  if (typeof element.min_length === 'number' && value.length < element.min_length) return 'Too short.';
  const max = typeof element.max_length === 'number' ? element.max_length : 3000;
  return value.length > max ? 'Too long.' : undefined;
}

/** What Slack's client would show instead of submitting: block id → complaint. */
export function clientErrors(blocks: Json[], values: Values): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const block of blocks) {
    if (block.type !== 'input') continue;
    const blockId = textOf(block.block_id);
    for (const element of elementsOf(block)) {
      const entry = values[blockId]?.[textOf(element.action_id)] ?? {};
      const wrong = complaint(element, entry, flagOf(block.optional));
      if (wrong !== undefined) errors[blockId] = wrong;
    }
  }
  return errors;
}
