/** What a person filled into a modal, read back; and a modal put back as it was filled in. */
import type { KnownBlock, ModalView } from '@slack/types';
import { z } from 'zod';
import { Place } from '../../core/records.ts';
import { type FormMeta, fieldKey, fileField, formCallback, isSecretBlock } from './form.ts';
import { limits } from './limits.ts';
import type { View } from './payloads.ts';
import { cut, oneLine } from './text.ts';

type Entry = {
  value?: string | null | undefined;
  selected_option?: { value?: string | null | undefined } | null | undefined;
};

const Given = z.record(z.string(), z.string());

/** What the modal carried, or null when it is not ours or not readable. */
export function formMeta(view: View): FormMeta | null {
  if (view.callback_id !== formCallback) return null;
  try {
    const meta: unknown = JSON.parse(view.private_metadata);
    if (typeof meta !== 'object' || meta === null || !('command' in meta) || typeof meta.command !== 'string')
      return null;
    const place = Place.safeParse('place' in meta ? meta.place : null);
    if (!place.success) return null;
    const given = Given.safeParse('given' in meta ? meta.given : null);
    return {
      command: meta.command,
      place: place.data,
      private: 'private' in meta && meta.private === true,
      load: 'load' in meta && typeof meta.load === 'number' ? meta.load : 0,
      ...(given.success ? { given: given.data } : {}),
    };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** The values by field key; a field left empty is the empty text. */
export function formValues(view: View): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [id, actions] of Object.entries(view.state?.values ?? {})) {
    const key = fieldKey(id);
    if (key === null) continue;
    for (const entry of Object.values(actions)) values[key] = filledIn(entry);
  }
  return values;
}

/** What a field holds now, as text. */
export function filledIn(entry: Entry): string {
  return entry.value ?? entry.selected_option?.value ?? '';
}

/**
 * Problems as the `errors` of a view_submission, by block id; null when the view has no field to show them at. A problem of a field that
 * is not in the view is shown at the first one; one that names a block itself is shown there.
 */
export function formErrors(view: View, problems: { field: string; message: string }[]): Record<string, string> | null {
  const inputs = view.blocks.filter(({ type }) => type === 'input').map((block) => block.block_id ?? '');
  const first = inputs[0];
  if (first === undefined) return null;
  const errors: Record<string, string> = {};
  for (const { field, message } of problems) {
    const at = inputs.find((id) => id === field || fieldKey(id) === field);
    const said = at === undefined && field !== '' ? `${oneLine(field)}: ${oneLine(message)}` : oneLine(message);
    const id = at ?? first;
    errors[id] = cut([errors[id], said].filter((each) => each !== undefined).join(' '), limits.label);
  }
  return errors;
}

/** Whether something is filled in that a new view could not be given back: a secret, or a file. */
export function holdsSecrets(view: View): boolean {
  return Object.entries(view.state?.values ?? {}).some(([id, actions]) =>
    Object.values(actions).some((entry) =>
      fileField(id) === null ? isSecretBlock(id) && filledIn(entry) !== '' : (entry.files ?? []).length > 0,
    ),
  );
}

/** The modal as it was submitted, with the problems in its hints; secrets have to be typed again. */
export function refilled(view: View, problems: { field: string; message: string }[]): ModalView {
  const errors = formErrors(view, problems) ?? {};
  const blocks = view.blocks.map((block) => {
    const id = block.block_id ?? '';
    const entry = Object.values(view.state?.values?.[id] ?? {})[0];
    if (block.type !== 'input' || typeof block.element !== 'object' || block.element === null) return block;
    const problem = errors[id];
    const hint = problem === undefined ? {} : { hint: problemHint(problem) };
    if (fileField(id) !== null) return { ...block, ...hint };
    const {
      initial_value: _typed,
      initial_option: _picked,
      ...element
    }: Record<string, unknown> = { ...block.element };
    const kept = entry === undefined || isSecretBlock(id) ? {} : starting(entry, element);
    return { ...block, element: { ...element, ...kept }, ...hint };
  });
  return {
    type: 'modal',
    callback_id: view.callback_id,
    private_metadata: view.private_metadata,
    title: { type: 'plain_text', text: cut(view.title?.text ?? 'KQueen', limits.viewTitle) },
    submit: { type: 'plain_text', text: cut(view.submit?.text ?? 'Send', limits.viewTitle) },
    close: { type: 'plain_text', text: 'Cancel' },
    blocks: blocks as unknown as KnownBlock[],
  };
}

function problemHint(problem: string): { type: 'plain_text'; text: string; emoji: true } {
  return { type: 'plain_text', text: cut(`⚠️ Problem: ${problem}`, limits.label), emoji: true };
}

function starting(entry: Entry, { type, options }: Record<string, unknown>): Record<string, unknown> {
  if (typeof entry.value === 'string' && entry.value !== '') return { initial_value: entry.value };
  const picked = entry.selected_option?.value;
  if (picked === undefined || picked === null) return {};
  if (type === 'external_select') return { initial_option: entry.selected_option };
  const offered: unknown[] = Array.isArray(options) ? options : [];
  // Slack wants the very option that is offered.
  const option = offered.find(
    (each) => typeof each === 'object' && each !== null && 'value' in each && each.value === picked,
  );
  return option === undefined ? {} : { initial_option: option };
}
