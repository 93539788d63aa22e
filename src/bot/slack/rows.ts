/** Rows as sections: what it is, small print below, and what can be done beside it. */
import type { KnownBlock, SectionBlock, Button as SlackButton } from '@slack/types';
import { type Part, type Row, rowButtons } from '../../core/card.ts';
import { renderButton } from './buttons.ts';
import { type Span, spans, words } from './markup.ts';
import { andMore, cut, oneLine } from './text.ts';

const textMax = 300;
const noteMax = 400;
/** A message has fifty blocks, and a row takes up to two. */
const rowsMax = 15;

/** The rows that fit, the rest counted; `index` keeps the ids of the buttons of one part apart from those of another. */
export function rowsBlocks(part: Extract<Part, { part: 'rows' }>, room: number, index: number): KnownBlock[] {
  const caption = cut(words(spans(oneLine(part.caption ?? ''))), 150);
  const blocks: KnownBlock[] = caption === '' ? [] : [heading(caption)];
  let left = room - caption.length - 60;
  for (const [at, row] of part.rows.entries()) {
    const made = rowBlocks(row, `${index}r${at}`);
    left -= weight(made);
    if (at >= rowsMax || left < 0) {
      const said = andMore(part.rows.length - at);
      return [...blocks, { type: 'context', elements: [{ type: 'plain_text', text: said, emoji: true }] }];
    }
    blocks.push(...made);
  }
  return blocks;
}

function heading(caption: string): KnownBlock {
  return {
    type: 'rich_text',
    elements: [{ type: 'rich_text_section', elements: [{ type: 'text', text: caption, style: { bold: true } }] }],
  };
}

/** One button stands beside the text; several below it. */
function rowBlocks(row: Row, id: string): KnownBlock[] {
  const made = (row.buttons ?? []).slice(0, rowButtons).map((button, at) => renderButton(button, `${id}b${at}`));
  const buttons = made.filter((each): each is SlackButton => typeof each !== 'string');
  const refused = made.filter((each): each is string => typeof each === 'string');
  const [only, ...others] = buttons;
  const section: SectionBlock = {
    type: 'section',
    text: rowText(row, refused),
    ...(only !== undefined && others.length === 0 ? { accessory: only } : {}),
  };
  return others.length === 0 ? [section] : [section, { type: 'actions', elements: buttons }];
}

/**
 * A section takes no rich text. Its own markup is written only where no character of the text could be taken for any; everything else is
 * shown as it is, without style.
 */
function rowText(row: Row, refused: string[]): NonNullable<SectionBlock['text']> {
  const first = spans(oneLine(row.text));
  const notes = [words(spans(oneLine(row.note ?? ''))), ...refused].filter((each) => each !== '');
  const lines = [cut(words(first).trim(), textMax) || '–', ...notes.map((each) => cut(each, noteMax))];
  const harmless = first.every((span) => span.url === undefined) && lines.every((each) => !/[*_~`<>&@#]/.test(each));
  if (!harmless || words(first).length > textMax) return { type: 'plain_text', text: lines.join('\n'), emoji: true };
  const [, ...rest] = lines;
  return { type: 'mrkdwn', text: [first.map(marked).join('').trim() || '–', ...rest].join('\n'), verbatim: true };
}

function marked({ text, bold, italic }: Span): string {
  if (text.trim() !== text || text === '') return text;
  if (bold === true) return `*${text}*`;
  return italic === true ? `_${text}_` : text;
}

/** Characters that Slack counts, and the values of buttons. */
function weight(value: unknown): number {
  return JSON.stringify(value).length / 3;
}
