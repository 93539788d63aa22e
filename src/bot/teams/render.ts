/** Cards as Adaptive Cards 1.5: never above the size that every version of Teams takes, readable on a phone, no colour without a word. */
import type { Card, Part, Tone } from '../../core/card.ts';
import { type Picture, pictureBars } from '../../core/picture.ts';
import { renderActions } from './actions.ts';
import { renderRow, renderRowsCaption } from './rows.ts';
import { renderTable } from './table.ts';
import type { RichTextBlock } from './text.ts';
import { block, clean, clip, markupBlocks, oneLine, run, safeUrl, shorten, withoutMarkup } from './text.ts';

/** An element of a card's body. */
export type Element = RichTextBlock | { type: string; [key: string]: unknown };

/** What travels as the attachment's content. */
export interface AdaptiveCard {
  type: 'AdaptiveCard';
  $schema: string;
  version: '1.5';
  fallbackText: string;
  body: Element[];
  actions?: unknown[];
}

/** Largest card in bytes: connectors and older clients stop at 28 KB. */
export const mostBytes = 28 * 1024;
/** Kept free for the note on what was left out. */
const reserve = 600;

export function bytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** Marks that need no emoji font; the word beside them says the same. */
const tones: Record<Tone, { mark: string; style?: string }> = {
  plain: { mark: '' },
  good: { mark: '✓', style: 'good' },
  busy: { mark: '◔', style: 'accent' },
  warn: { mark: '!', style: 'warning' },
  bad: { mark: '✗', style: 'attention' },
};

const toneWords: Record<Tone, string> = {
  plain: '',
  good: 'Done',
  busy: 'In progress',
  warn: 'Attention',
  bad: 'Failed',
};

/** The title of a card or form, with its tone as a mark, a colour and, for screen readers, in the fallback text. */
export function heading(title: string, tone: Tone): Element {
  const { mark, style } = tones[tone];
  const text = shorten(title, 150) || 'KQueen';
  const line = block([
    ...(mark ? [run(`${mark}  `, { size: 'Medium', weight: 'Bolder' })] : []),
    run(text, { size: 'Medium', weight: 'Bolder' }),
  ]);
  return style ? { type: 'Container', style, bleed: true, items: [line] } : line;
}

/** An empty card with its frame: body and actions are filled in by the caller. */
export function frame(fallback: string): AdaptiveCard {
  return {
    type: 'AdaptiveCard',
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    version: '1.5',
    fallbackText: fallback,
    body: [],
  };
}

/** The card's message in plain words: notifications, screen readers, clients that show no cards. */
export function plainText(card: Pick<Card, 'title' | 'text' | 'tone'>): string {
  const word = toneWords[card.tone];
  const text = withoutMarkup(card.text) || oneLine(card.title);
  return clip([word ? `${word}:` : '', text].filter(Boolean).join(' '), 1_000) || 'KQueen';
}

/**
 * Renders a card; what does not fit is counted in words at its end. `urls` has the address of each picture, which may be a data URI; those without
 * are written as bars of letters.
 */
export function renderCard(card: Card, urls?: ReadonlyMap<Picture, string>): AdaptiveCard {
  const adaptive = frame(plainText(card));
  const { actions, left } = renderActions(card.buttons);
  if (actions.length > 0) adaptive.actions = actions;
  adaptive.body.push(heading(card.title, card.tone));
  const small: Element[] = [];
  if (left > 0)
    small.push(subtle(`… and ${left} more ${left === 1 ? 'action' : 'actions'}; type the command instead.`));
  const footer = clip(oneLine(card.footer ?? ''), 300);
  if (footer)
    small.push(block([run(footer, { size: 'Small', isSubtle: true })], { separator: true, spacing: 'Medium' }));

  let room = mostBytes - reserve - bytes(adaptive) - bytes(small);
  const parts = card.parts.length > 0 ? card.parts : [{ part: 'text' as const, text: card.text }];
  let divided = false;
  let hidden = 0;
  for (const part of parts) {
    if (part.part === 'divider') {
      divided = adaptive.body.length > 1;
      continue;
    }
    if (hidden > 0) {
      hidden += 1;
      continue;
    }
    const { elements, left: cut } = within(part, room, urls);
    if (elements.length === 0 && cut) hidden += 1;
    const [first, ...others] = elements;
    if (first === undefined) continue;
    const opened = divided ? { ...first, separator: true, spacing: 'Medium' } : first;
    divided = false;
    const shown: Element[] = [opened as Element, ...others];
    if (cut) shown.push(subtle(cut));
    adaptive.body.push(...shown);
    room -= bytes(shown);
  }
  if (hidden > 0)
    adaptive.body.push(subtle(`… and ${hidden} more ${hidden === 1 ? 'part' : 'parts'} that did not fit.`));
  adaptive.body.push(...small);
  return adaptive;
}

export function subtle(text: string): RichTextBlock {
  return block([run(text, { isSubtle: true })], { spacing: 'Small' });
}

/** Elements for a part within `room` bytes; `left` says in words what was left out, or nothing. */
function within(
  part: Exclude<Part, { part: 'divider' }>,
  room: number,
  urls?: ReadonlyMap<Picture, string>,
): { elements: Element[]; left: string } {
  if (part.part === 'table') return renderTable(part, room);
  const { elements, unit } = part.part === 'picture' ? renderPicture(part.picture, urls, room) : renderPart(part);
  let used = 0;
  let fitting = 0;
  for (const element of elements) {
    used += bytes(element) + 1;
    if (used > room) break;
    fitting += 1;
  }
  const missing = elements.length - fitting;
  return {
    elements: elements.slice(0, fitting),
    left: missing > 0 ? `… and ${missing} more ${missing === 1 ? unit : `${unit}s`}` : '',
  };
}

function renderPart(part: Exclude<Part, { part: 'table' } | { part: 'picture' } | { part: 'divider' }>): {
  elements: Element[];
  unit: string;
} {
  switch (part.part) {
    case 'text':
      return { elements: markupBlocks(part.text, 4_000), unit: 'line' };
    case 'note':
      return { elements: markupBlocks(part.text, 1_000, { isSubtle: true, size: 'Small' }), unit: 'line' };
    case 'facts':
      return { elements: part.facts.flatMap(({ label, value }) => factRow(label, value)), unit: 'fact' };
    case 'steps':
      return { elements: part.steps.map(stepLine), unit: 'step' };
    case 'progress':
      return { elements: [progressBlock(part.percent, part.label)], unit: 'line' };
    case 'rows':
      return { elements: [...renderRowsCaption(part.caption), ...part.rows.map(renderRow)], unit: 'row' };
    case 'code':
      return { elements: codeBlock(part.text), unit: 'line' };
    case 'time':
      return { elements: [timeRow(part.label, part.at)], unit: 'time' };
  }
}

/** An image with its words, where it fits into the card; else the words and bars of letters. */
function renderPicture(
  picture: Picture,
  urls: ReadonlyMap<Picture, string> | undefined,
  room: number,
): { elements: Element[]; unit: string } {
  const alt = clip(oneLine(picture.alt), 1_500) || 'A picture';
  const title = shorten(picture.title, 150);
  const url = urls?.get(picture);
  const image = url === undefined ? null : { type: 'Image', url, altText: alt, size: 'Stretch' };
  if (image && bytes(image) < room) return { elements: [image], unit: 'picture' };
  return {
    elements: [
      ...(title ? [block([run(title, { weight: 'Bolder' })])] : []),
      block([run(alt)], { spacing: 'Small' }),
      ...codeBlock(pictureBars(picture, 60).join('\n')),
    ],
    unit: 'line',
  };
}

function row(label: string, value: Element, extra: Record<string, unknown> = {}): Element {
  return {
    type: 'ColumnSet',
    spacing: 'Small',
    ...extra,
    columns: [
      { type: 'Column', width: '100px', items: [block([run(label, { weight: 'Bolder' })])] },
      { type: 'Column', width: 'stretch', items: [value] },
    ],
  };
}

function factRow(label: string, value: string): Element[] {
  const name = shorten(label, 80);
  const said = clip(
    clean(value)
      .replace(/\s*\n\s*/g, ' · ')
      .trim(),
    600,
  );
  if (!name && !said) return [];
  if (!name) return [block([run(said)], { spacing: 'Small' })];
  return [row(name, block([run(said || '–')]))];
}

/** Microsoft's clients write dates in the reader's own language and time zone, in TextBlocks only. */
function timeRow(label: string, at: number): Element {
  const name = shorten(label, 80) || 'Time';
  const date = new Date(at);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9_999) return row(name, block([run('unknown')]));
  const iso = `${date.toISOString().slice(0, 19)}Z`;
  return row(name, { type: 'TextBlock', text: `{{DATE(${iso}, SHORT)}} {{TIME(${iso})}}`, wrap: true });
}

const stepLooks = {
  done: { mark: '✓', word: 'done', color: 'Good' },
  doing: { mark: '▸', word: 'in progress', color: 'Accent' },
  failed: { mark: '✗', word: 'failed', color: 'Attention' },
  todo: { mark: '○', word: 'to do', color: 'Default' },
} as const;

function stepLine(step: { name: string; state: keyof typeof stepLooks; note?: string }): Element {
  const { mark, word, color } = stepLooks[step.state];
  const note = clip(oneLine(step.note ?? ''), 200);
  const waiting = step.state === 'todo';
  return block(
    [
      run(`${mark}  `, { color, weight: 'Bolder' }),
      run(
        clip(oneLine(step.name), 200),
        waiting ? { isSubtle: true } : step.state === 'doing' ? { weight: 'Bolder' } : {},
      ),
      run(`  ${word}${note ? `, ${note}` : ''}`, { isSubtle: true, size: 'Small' }),
    ],
    { spacing: 'Small' },
  );
}

/** A whole number from 0 to 100; what is not a number counts as none. */
function percentOf(percent: number): number {
  return Number.isFinite(percent) ? Math.round(Math.min(100, Math.max(0, percent))) : 0;
}

function progressBlock(percent: number, label: string): Element {
  const whole = percentOf(percent);
  const filled = Math.round(whole / 5);
  const said = clip(oneLine(label), 300);
  return {
    type: 'Container',
    items: [
      block([run(`${whole} %`, { weight: 'Bolder' }), ...(said ? [run(`  ${said}`)] : [])]),
      block(
        [
          run('█'.repeat(filled), { color: 'Accent', fontType: 'Monospace' }),
          run('░'.repeat(20 - filled), { isSubtle: true, fontType: 'Monospace' }),
        ].filter(({ text }) => text !== ''),
        { spacing: 'Small' },
      ),
    ],
  };
}

const codeLines = 60;

/** Monospaced lines on a grey ground. Leading spaces become no-break spaces, because clients collapse them otherwise. */
function codeBlock(text: string): Element[] {
  const lines = clip(clean(text).replace(/\s+$/, ''), 4_000).split('\n');
  if (lines.every((line) => line.trim() === '')) return [];
  const shown = lines.slice(0, codeLines);
  if (lines.length > codeLines) shown.push(`… and ${lines.length - codeLines} more lines`);
  return [
    {
      type: 'Container',
      style: 'emphasis',
      items: shown.map((line, index) =>
        block(
          [run(line.replace(/^ +/, (spaces) => '\u00a0'.repeat(spaces.length)) || '\u00a0', { fontType: 'Monospace' })],
          index > 0 ? { spacing: 'None' } : {},
        ),
      ),
    },
  ];
}

/** A one-time link or another thing meant for one pair of eyes: Teams cannot show a channel message to one person alone. */
export function isPersonal(card: Card): boolean {
  return card.buttons.some(({ url }) => url !== undefined && isOneTimeLink(url));
}

function isOneTimeLink(url: string): boolean {
  const safe = safeUrl(url);
  return safe !== null && /\/d\/[^/]+\/?$/.test(new URL(safe).pathname);
}
