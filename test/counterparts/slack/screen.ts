/** Finding things on the screen: buttons by what they say, by their action or by their value. */
import { elementsOf, readable } from './blocks.ts';
import { optionsOf } from './fields.ts';
import { objectOf, textOf } from './json.ts';
import type { Json, Message } from './types.ts';

/** Which button is meant; everything given has to fit, and exactly one button may fit. */
export interface Wanted {
  text?: string | RegExp;
  actionId?: string | RegExp;
  value?: string | RegExp;
  blockId?: string;
  /** A former content of the message, for somebody whose screen is behind: 0 is the first. */
  revision?: number;
}

export interface Button {
  block: Json;
  element: Json;
  /** The chosen line of an overflow menu. */
  option: Json | undefined;
}

function fits(wanted: string | RegExp | undefined, found: string): boolean {
  return wanted === undefined || (typeof wanted === 'string' ? wanted === found : wanted.test(found));
}

function buttonsOf(blocks: Json[]): Button[] {
  const found: Button[] = [];
  for (const block of blocks) {
    for (const element of elementsOf(block)) {
      if (element.type === 'button') found.push({ block, element, option: undefined });
      if (element.type === 'overflow') for (const option of optionsOf(element)) found.push({ block, element, option });
    }
  }
  return found;
}

function label({ element, option }: Button): string {
  return textOf(objectOf((option ?? element).text).text);
}

/** What the buttons say, in order. */
export function buttonTexts(blocks: Json[]): string[] {
  return buttonsOf(blocks).map(label);
}

/** The one button that fits; throws when none or several do. */
export function findButton(blocks: Json[], wanted: Wanted): Button {
  const found = buttonsOf(blocks).filter(
    (button) =>
      fits(wanted.text, label(button)) &&
      fits(wanted.actionId, textOf(button.element.action_id)) &&
      fits(wanted.value, textOf((button.option ?? button.element).value)) &&
      fits(wanted.blockId, textOf(button.block.block_id)),
  );
  const [button] = found;
  if (button === undefined || found.length > 1) {
    const known = buttonTexts(blocks).join(' | ');
    const asked = Object.entries(wanted).map(([name, each]) => `${name} ${String(each)}`);
    throw new Error(`${found.length} buttons fit ${asked.join(', ')}; there are: ${known}`);
  }
  return button;
}

/** Everything a person reads in a message. */
export function words(message: Message): string {
  return readable(message.text, message.blocks);
}
