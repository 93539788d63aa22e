/**
 * A form that is loaded again while a person fills it in. Slack keeps what is in an input as long as its block id stays, also what was typed after it told us
 * last; so a field keeps its id where the new form asks for the same, and gets a new one where it asks for something else or has another value.
 */
import type { AnyBlock, ModalView } from '@slack/types';
import { fieldKey, fileField, isSecretBlock } from './form.ts';
import { filledIn } from './form-values.ts';
import type { View } from './payloads.ts';

/** The new view with the ids of the one before wherever what is in a field may stay. */
export function keepTyped(view: ModalView, before: View): ModalView {
  const used = new Set<string>();
  const blocks = view.blocks.map((block): AnyBlock => {
    if (!('element' in block)) return block;
    const old = before.blocks.find((each) => {
      const id = each.block_id ?? '';
      return !used.has(id) && asksTheSame(block.block_id ?? '', { ...block.element }, each, before);
    });
    if (old?.block_id === undefined) return block;
    used.add(old.block_id);
    return { ...block, block_id: old.block_id };
  });
  return { ...view, blocks };
}

function asksTheSame(id: string, element: Record<string, unknown>, old: View['blocks'][number], before: View): boolean {
  const oldId = old.block_id ?? '';
  const file = fileField(id);
  if (file !== null) {
    const same = fileField(oldId);
    return same?.key === file.key && same.most === file.most && same.secret === file.secret;
  }
  const key = fieldKey(id);
  if (old.type !== 'input' || key === null || fieldKey(oldId) !== key) return false;
  if (isSecretBlock(id) !== isSecretBlock(oldId)) return false;
  const oldElement: Record<string, unknown> =
    typeof old.element === 'object' && old.element !== null ? { ...old.element } : {};
  if (element.type !== oldElement.type || element.multiline !== oldElement.multiline) return false;
  if (isSecretBlock(id)) return true;
  if (JSON.stringify(element.options) !== JSON.stringify(oldElement.options)) return false;
  const [entry] = Object.values(before.state?.values?.[oldId] ?? {});
  return (entry === undefined ? '' : filledIn(entry)) === startOf(element);
}

/** What an element starts with, as text. */
function startOf({ initial_value: typed, initial_option: picked }: Record<string, unknown>): string {
  if (typeof typed === 'string') return typed;
  return typeof picked === 'object' && picked !== null && 'value' in picked ? String(picked.value) : '';
}
