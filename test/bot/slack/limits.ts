/**
 * Slack's limits, written down a second time from the documentation, so that a slip in the renderer's own table shows.
 * Sources: docs.slack.dev/reference/block-kit/blocks, …/block-elements, …/composition-objects, …/views, the methods chat.postMessage and
 * chat.update, and slackapi/bolt-js#2509 for the text of all blocks.
 */
type Json = Record<string, unknown>;

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Every object within, with its path. */
function* objects(value: unknown, path = ''): Generator<{ path: string; object: Json }> {
  if (Array.isArray(value)) for (const [index, each] of value.entries()) yield* objects(each, `${path}/${index}`);
  if (!isJson(value)) return;
  yield { path, object: value };
  for (const [name, each] of Object.entries(value)) yield* objects(each, `${path}/${name}`);
}

/** Longest text of a plain_text or mrkdwn object by the property that holds it, per type of the object around it. */
const textMax: Record<string, number> = {
  'header.text': 150,
  'section.text': 3000,
  'button.text': 75,
  'option.text': 75,
  'option.description': 75,
  'confirm.title': 100,
  'confirm.text': 300,
  'confirm.confirm': 30,
  'confirm.deny': 30,
  'input.label': 2000,
  'input.hint': 2000,
  'modal.title': 24,
  'modal.submit': 24,
  'modal.close': 24,
  'plain_text_input.placeholder': 150,
  'number_input.placeholder': 150,
  'static_select.placeholder': 150,
  'external_select.placeholder': 150,
};

const stringMax: Record<string, number> = {
  action_id: 255,
  block_id: 255,
  callback_id: 255,
  private_metadata: 3000,
  'button.value': 2000,
  'option.value': 150,
  url: 3000,
  initial_value: 3000,
};

function typeOf(path: string, object: Json): string {
  if (path.endsWith('/confirm') && isJson(object.confirm)) return 'confirm';
  if (/\/(options\/\d+|initial_option)$/.test(path)) return 'option';
  return String(object.type ?? '');
}

function checkObject(path: string, object: Json, wrong: string[]): void {
  const type = typeOf(path, object);
  for (const [name, value] of Object.entries(object)) {
    if (isJson(value) && (value.type === 'plain_text' || value.type === 'mrkdwn')) {
      const max = textMax[`${type}.${name}`];
      if (max === undefined) wrong.push(`${path}: no limit known for ${type}.${name}`);
      else if (String(value.text).length > max) wrong.push(`${path}/${name}: ${String(value.text).length} > ${max}`);
      if (String(value.text).length === 0) wrong.push(`${path}/${name}: empty`);
    }
    const max = stringMax[`${type}.${name}`] ?? stringMax[name];
    if (typeof value === 'string' && max !== undefined && value.length > max)
      wrong.push(`${path}/${name}: ${value.length} > ${max}`);
    if (name === 'text' && typeof value === 'string' && value.length === 0) wrong.push(`${path}: empty text`);
    if (name === 'text' && typeof value === 'string' && value.length > 3000)
      wrong.push(`${path}: text of ${value.length}`);
  }
  const counts: [string, number][] = [
    ['actions', 25],
    ['context', 10],
  ];
  for (const [block, max] of counts) {
    const elements = Array.isArray(object.elements) ? object.elements : [];
    if (object.type === block && (elements.length > max || elements.length === 0))
      wrong.push(`${path}: ${elements.length} elements`);
  }
  if (Array.isArray(object.options) && (object.options.length > 100 || object.options.length === 0))
    wrong.push(`${path}: options`);
  if (object.type === 'radio_buttons' && Array.isArray(object.options) && object.options.length > 10)
    wrong.push(`${path}: options`);
  if (object.initial_option !== undefined && Array.isArray(object.options)) {
    const offered = object.options.map((each) => JSON.stringify(each));
    if (!offered.includes(JSON.stringify(object.initial_option)))
      wrong.push(`${path}: initial_option is not an option`);
  }
  if (object.type === 'plain_text_input' && typeof object.initial_value === 'string') {
    if (object.initial_value.length > Number(object.max_length ?? 3000))
      wrong.push(`${path}: initial_value over max_length`);
  }
}

function unique(values: unknown[], what: string, wrong: string[]): void {
  const given = values.filter((value) => value !== undefined);
  if (new Set(given).size !== given.length) wrong.push(`${what} is not unique`);
}

function total(value: unknown): number {
  let sum = 0;
  for (const { object } of objects(value)) if (typeof object.text === 'string') sum += object.text.length;
  return sum;
}

/** Characters and sequences that may not reach a reader from anybody's text. */
const forbidden = /(?!\n|\u200b|\u200c|\u200d)[\p{Cc}\p{Cf}]/u;

function checkTexts(value: unknown, wrong: string[]): void {
  for (const { path, object } of objects(value)) {
    const { text } = object;
    if (typeof text !== 'string') continue;
    if (forbidden.test(text)) wrong.push(`${path}: control or bidirectional character`);
    if (!text.isWellFormed()) wrong.push(`${path}: half a surrogate pair`);
    if (object.type === 'mrkdwn' && /<[@!#]/.test(text)) wrong.push(`${path}: a live mention`);
  }
}

/** What Slack would refuse in a message, or what could notify somebody; empty when it is fine. */
export function messageFaults(message: { text: string; blocks: unknown[] }): string[] {
  const wrong: string[] = [];
  if (message.text.length === 0 || message.text.length > 4000) wrong.push(`text of ${message.text.length}`);
  if (/<[@!#]/.test(message.text) || /@(channel|here|everyone)\b/.test(message.text))
    wrong.push('text holds a live mention');
  if (forbidden.test(message.text)) wrong.push('text holds a control or bidirectional character');
  if (message.blocks.length > 50) wrong.push(`${message.blocks.length} blocks`);
  for (const { path, object } of objects(message.blocks)) {
    if (typeOf(path, object) !== 'context') checkObject(path, object, wrong);
  }
  const inner = [...objects(message.blocks)].map(({ object }) => object);
  unique(
    inner.map(({ action_id }) => action_id),
    'action_id',
    wrong,
  );
  if (total(message.blocks) > 12_000) wrong.push(`${total(message.blocks)} characters in blocks`);
  checkTexts(message.blocks, wrong);
  return wrong;
}

/** The same for a modal. */
export function viewFaults(view: object): string[] {
  const wrong: string[] = [];
  const { blocks, submit } = view as { blocks: Json[]; submit?: unknown };
  if (blocks.length === 0 || blocks.length > 100) wrong.push(`${blocks.length} blocks`);
  for (const { path, object } of objects(view)) checkObject(path, object, wrong);
  unique(
    blocks.map(({ block_id }) => block_id),
    'block_id',
    wrong,
  );
  if (blocks.some(({ type }) => type === 'input') && submit === undefined) wrong.push('inputs without submit');
  checkTexts(view, wrong);
  return wrong;
}

/** All words of blocks, without a break where the style changes. */
export function wordsOf(value: unknown): string {
  const words: string[] = [];
  for (const { object } of objects(value)) if (typeof object.text === 'string') words.push(object.text);
  return words.join('');
}
