/**
 * Block Kit's blocks, messages and views with their documented limits.
 *
 * Sources: docs.slack.dev/reference/block-kit/blocks (section text 3000, 10 fields of 2000; header 150; 25 elements in actions,
 * 10 in context; image alt text 2000; input label and hint 2000; block_id 255; table 100 rows of 20 cells; markdown 12,000
 * characters per message), docs.slack.dev/reference/views (100 blocks; title, submit and close 24; private_metadata 3000;
 * callback_id 255; submit required with inputs), and slackapi/bolt-js#2509: `msg_blocks_too_long` from about 13,200
 * characters of text in one message.
 */
import { keepFaults } from '../../bot/valid.ts';
import { blockFaults, viewStructureFaults } from '../../bot/valid-blocks.ts';
import { ACCESSORY, ACTION, anyText, CONTEXT, INPUT, plain } from './elements.ts';
import { isObject, objectsOf, within } from './json.ts';
import { agree, all, bool, byType, complain, list, type Rule, shape, text } from './rules.ts';
import type { Json } from './types.ts';

/** Text in all blocks of a message beyond which Slack answers `msg_blocks_too_long`. */
export const BLOCK_TEXT_REFUSED = 13_200;
/** Text in all blocks of a message that Slack's maintainers promise to take (bolt-js#2509). */
export const BLOCK_TEXT_PROMISED = 12_000;

const BLOCK_ID = { block_id: text(255, 1) };
const RICH_PART = agree((part) => (typeof part.type === 'string' ? undefined : 'missing required field: type'));
const RICH_TEXT = shape({ elements: list(RICH_PART, 1000, 1) }, BLOCK_ID);
const CELL = byType({
  rich_text: RICH_TEXT,
  raw_text: shape({ text: text(10_000, 1) }),
  raw_number: shape({ value: agree(() => undefined) }, { text: text(10_000, 1) }),
});
const IMAGE_SOURCE = agree((block) =>
  (block.image_url === undefined) === (block.slack_file === undefined)
    ? 'must have exactly one of image_url and slack_file'
    : undefined,
);

const EVERYWHERE: Record<string, Rule> = {
  section: all(
    shape(
      {},
      {
        ...BLOCK_ID,
        text: anyText(3000),
        fields: list(anyText(2000), 10, 1),
        accessory: ACCESSORY,
        expand: bool,
      },
    ),
    agree(({ text: words, fields }) =>
      words === undefined && fields === undefined ? 'missing required field: text or fields' : undefined,
    ),
  ),
  header: shape({ text: plain(150) }, BLOCK_ID),
  divider: shape({}, BLOCK_ID),
  context: shape({ elements: list(CONTEXT, 10, 1) }, BLOCK_ID),
  actions: shape({ elements: list(ACTION, 25, 1) }, BLOCK_ID),
  image: all(
    shape(
      { alt_text: text(2000, 1) },
      {
        ...BLOCK_ID,
        image_url: text(3000, 1),
        title: plain(2000),
        slack_file: shape({}, { id: text(255, 1), url: text(3000, 1) }),
      },
    ),
    IMAGE_SOURCE,
  ),
  input: shape(
    { label: plain(2000), element: INPUT },
    { ...BLOCK_ID, hint: plain(2000), optional: bool, dispatch_action: bool },
  ),
  rich_text: RICH_TEXT,
};

const IN_MESSAGES = byType({
  ...EVERYWHERE,
  markdown: shape({ text: text(12_000, 1) }, BLOCK_ID),
  table: shape({ rows: list(list(CELL, 20, 1), 100, 1) }, { ...BLOCK_ID, column_settings: list(shapeless, 20) }),
});
const IN_VIEWS = byType(EVERYWHERE);

function shapeless(value: unknown, at: string, errors: string[]): void {
  if (value !== null && !isObject(value)) complain(errors, at, 'must provide an object');
}

/** The elements of a block that a person can act on. */
export function elementsOf(block: Json): Json[] {
  const within = [...objectsOf(block.elements), ...objectsOf([block.accessory, block.element])];
  return block.type === 'rich_text' || block.type === 'context' ? [] : within;
}

/** block_id is unique in a message or view, action_id in a block, and only one element takes the focus. */
function unique(blocks: unknown, at: string, errors: string[]): void {
  const blockIds = new Set<unknown>();
  let focused = 0;
  for (const [index, block] of objectsOf(blocks).entries()) {
    const id = block.block_id;
    if (id !== undefined && blockIds.has(id)) {
      complain(errors, `${at}/${index}/block_id`, `\`block_id\` "${String(id)}" already exists`);
    }
    blockIds.add(id);
    const actionIds = new Set<unknown>();
    for (const element of elementsOf(block)) {
      if (element.action_id !== undefined && actionIds.has(element.action_id)) {
        complain(errors, `${at}/${index}`, `\`action_id\` "${String(element.action_id)}" already exists`);
      }
      actionIds.add(element.action_id);
      if (element.focus_on_load === true) focused += 1;
    }
  }
  if (focused > 1) complain(errors, at, 'only one element may have focus_on_load');
}

/** Complaints about the blocks of a message; empty when Slack would take them. */
export function checkMessageBlocks(blocks: unknown): string[] {
  const errors: string[] = [];
  list(IN_MESSAGES, 50)(blocks, '/blocks', errors);
  unique(blocks, '/blocks', errors);
  const kinds = objectsOf(blocks);
  if (kinds.filter((block) => block.type === 'table').length > 1) complain(errors, '/blocks', 'only_one_table_allowed');
  const markdown = kinds.filter((block) => block.type === 'markdown').map((block) => String(block.text).length);
  if (markdown.reduce((sum, length) => sum + length, 0) > 12_000) {
    complain(errors, '/blocks', 'markdown blocks must be less than 12001 characters together');
  }
  keepFaults('a message of Slack: ', [...errors, ...blockFaults(kinds)]);
  return errors;
}

const COMMON_VIEW = {
  private_metadata: text(3000),
  callback_id: text(255),
  external_id: text(255),
};
const MODAL = shape(
  { title: plain(24), blocks: list(IN_VIEWS, 100) },
  {
    ...COMMON_VIEW,
    submit: plain(24),
    close: plain(24),
    clear_on_close: bool,
    notify_on_close: bool,
    submit_disabled: bool,
  },
);
const HOME = shape({ blocks: list(IN_VIEWS, 100) }, COMMON_VIEW);

/** Complaints about a view; empty when Slack would take it. */
export function checkView(view: unknown, kind: 'modal' | 'home'): string[] {
  const errors: string[] = [];
  byType({ [kind]: kind === 'modal' ? MODAL : HOME })(view, '/view', errors);
  if (!isObject(view)) return errors;
  keepFaults(`a ${kind} of Slack: `, viewStructureFaults(view));
  unique(view.blocks, '/view/blocks', errors);
  const asks = objectsOf(view.blocks).some((block) => block.type === 'input');
  if (kind === 'modal' && asks && view.submit === undefined) {
    complain(errors, '/view', 'missing required field: submit');
  }
  keepFaults(`a ${kind} of Slack: `, errors);
  return errors;
}

/** Characters of text in all blocks together. */
export function blockTextLength(blocks: unknown): number {
  let sum = 0;
  for (const object of within(blocks)) if (typeof object.text === 'string') sum += object.text.length;
  return sum;
}

/** Everything a person reads in a message: its blocks, or its text when it has none. */
export function readable(text: string, blocks: Json[]): string {
  if (blocks.length === 0) return text;
  const words: string[] = [];
  for (const object of within(blocks)) {
    if (typeof object.text === 'string') words.push(object.text);
    if (typeof object.alt_text === 'string') words.push(object.alt_text);
  }
  return words.join('\n');
}
