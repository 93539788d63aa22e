/** The parts of a Card as blocks, each within a given room of text. */
import type { KnownBlock, RichTextBlock, RichTextElement } from '@slack/types';
import type { Part } from '../../core/card.ts';
import { type Picture, pictureBars } from '../../core/picture.ts';
import { limits } from './limits.ts';
import { cutSpans, richElements, type Span, spans } from './markup.ts';
import { rowsBlocks } from './rows.ts';
import { tableText } from './table.ts';
import { andMore, clean, cut, oneLine, utc } from './text.ts';

/** Longest text of one part, so that a long one leaves room for those after it. */
const partMax = 3_000;
const factMax = 600;
const labelMax = 120;
const stepMax = 200;

const stepMarks = { todo: '▫️', doing: '⏳', done: '✅', failed: '❌' };
const stepWords = { todo: 'to do', doing: 'in progress', done: 'done', failed: 'failed' };

/** A rich text block of one section. */
export function rich(elements: RichTextElement[]): RichTextBlock {
  return { type: 'rich_text', elements: [{ type: 'rich_text_section', elements }] };
}

/** Small print: plain text, so nothing in it is read as markup. */
export function small(text: string, max: number = limits.text): KnownBlock {
  return { type: 'context', elements: [{ type: 'plain_text', text: cut(clean(text), max), emoji: true }] };
}

/** The blocks of a part with at most about `room` units of text; none when it has nothing to show. `index` is its own among the parts of a card. */
export function partBlocks(part: Part, room: number, index = 0, files?: ReadonlyMap<Picture, string>): KnownBlock[] {
  const max = Math.min(partMax, room);
  switch (part.part) {
    case 'divider':
      return [{ type: 'divider' }];
    case 'text':
      return section(cutSpans(trimmed(spans(part.text)), max));
    case 'facts':
      return section(facts(part.facts, max));
    case 'steps':
      return section(steps(part.steps, max));
    case 'progress':
      return section([{ text: cut(progress(part.percent, part.label), Math.min(max, 400)) }]);
    case 'table':
      return table(part, max);
    case 'rows':
      return rowsBlocks(part, room, index);
    case 'code':
      return clean(part.text).trim() === '' ? [] : [preformatted(cut(clean(part.text), max))];
    case 'time':
      return [time(part.label, part.at)];
    case 'picture':
      return picture(part.picture, files?.get(part.picture), max);
    case 'note':
      return clean(part.text).trim() === '' ? [] : [small(part.text, Math.min(max, 2_000))];
  }
}

function section(all: Span[]): KnownBlock[] {
  return all.length === 0 ? [] : [rich(richElements(all))];
}

function preformatted(text: string): RichTextBlock {
  return {
    type: 'rich_text',
    elements: [{ type: 'rich_text_preformatted', elements: [{ type: 'text', text }], border: 0 }],
  };
}

function trimmed(all: Span[]): Span[] {
  return all.every((span) => span.text.trim() === '') ? [] : all;
}

function facts(list: { label: string; value: string }[], max: number): Span[] {
  const rows = list
    .map(({ label, value }) => ({ label: cut(oneLine(label), labelMax), value: cut(clean(value).trim(), factMax) }))
    .filter(({ label, value }) => label !== '' || value !== '')
    .map(({ label, value }): Span[] => [
      ...(label === '' ? [] : [{ text: `${label}: `, bold: true }]),
      { text: value === '' ? '–' : value },
    ]);
  return joined(rows, max);
}

function steps(list: { name: string; state: keyof typeof stepMarks; note?: string }[], max: number): Span[] {
  const rows = list.map(({ name, state, note }): Span[] => {
    const more = [stepWords[state], cut(oneLine(note ?? ''), stepMax)].filter((each) => each !== '').join(', ');
    return [
      { text: `${stepMarks[state]} ${cut(oneLine(name), stepMax)}`, ...(state === 'doing' ? { bold: true } : {}) },
      ...(more === '' ? [] : [{ text: ` – ${more}` }]),
    ];
  });
  return joined(rows, max);
}

/** Lines below one another, as many as fit; the rest is counted. */
function joined(rows: Span[][], max: number): Span[] {
  const out: Span[] = [];
  let left = max - 40;
  for (const [index, row] of rows.entries()) {
    left -= row.reduce((sum, span) => sum + span.text.length, 1);
    if (left < 0 && index > 0) return [...out, { text: `\n${andMore(rows.length - index)}`, italic: true }];
    out.push(...(index === 0 ? [] : [{ text: '\n' }]), ...(left < 0 ? cutSpans(row, Math.max(1, max - 40)) : row));
  }
  return out;
}

/** A bar of ten fields with the percentage beside it. */
export function progress(percent: number, label: string): string {
  const whole = Number.isFinite(percent) ? Math.round(Math.min(100, Math.max(0, percent))) : null;
  const filled = Math.floor((whole ?? 0) / 10);
  const name = oneLine(label);
  return `${'▓'.repeat(filled)}${'░'.repeat(10 - filled)} ${whole === null ? '? %' : `${whole} %`}${name === '' ? '' : ` · ${name}`}`;
}

function table(part: Extract<Part, { part: 'table' }>, max: number): KnownBlock[] {
  const caption = cut(oneLine(part.caption ?? ''), 200);
  const { aligned, lines } = tableText(part.columns, part.rows, max - caption.length);
  const head = caption === '' ? [] : [{ text: caption, bold: true }];
  if (aligned !== undefined) return [...section(head), preformatted(aligned)];
  return section([...head, ...(head.length === 0 ? [] : [{ text: '\n' }]), ...(lines ?? [])]);
}

/** An uploaded image with its words; without one, the words and bars of letters. */
function picture(shown: Picture, file: string | undefined, max: number): KnownBlock[] {
  const alt = cut(oneLine(shown.alt) || oneLine(shown.title) || 'A picture', limits.alt);
  if (file !== undefined) {
    const title = cut(oneLine(shown.title), limits.alt);
    const said = title === '' ? {} : { title: { type: 'plain_text' as const, text: title, emoji: true } };
    return [{ type: 'image', slack_file: { id: file }, alt_text: alt, ...said }];
  }
  const title = cut(oneLine(shown.title), labelMax);
  const bars = pictureBars(shown, barWidth).map(oneLined).join('\n');
  return [
    ...section(title === '' ? [] : [{ text: title, bold: true }]),
    ...section([{ text: cut(alt, max / 2) }]),
    ...(bars.trim() === '' ? [] : [preformatted(cut(bars, max / 2))]),
  ];
}

/** Columns that fit beside one another on a desktop. */
const barWidth = 80;

/** One line with its spaces: bars begin below one another. */
function oneLined(line: string): string {
  return clean(line).replaceAll('\n', ' ').trimEnd();
}

/** A moment in the reader's own time zone. */
function time(label: string, at: number): RichTextBlock {
  const fallback = utc(at);
  const name = cut(oneLine(label), labelMax);
  const head: Span[] = name === '' ? [] : [{ text: `${name}: `, bold: true }];
  if (fallback === null) return rich(richElements([...head, { text: 'unknown' }]));
  return rich([
    ...richElements(head),
    { type: 'date', timestamp: Math.floor(at / 1_000), format: '{date_short_pretty} {time}', fallback },
  ]);
}
