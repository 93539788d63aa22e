/** Cards as Slack messages. */
import type { KnownBlock, Button as SlackButton } from '@slack/types';
import type { Button, Card, Part, Tone } from '../../core/card.ts';
import type { Picture } from '../../core/picture.ts';
import { buttonRoom, renderButton } from './buttons.ts';
import { limits } from './limits.ts';
import { spans, words } from './markup.ts';
import { partBlocks, progress, rich, small } from './parts.ts';
import { andMore, clean, cut, escapeWithin, oneLine, utc } from './text.ts';

/** What chat.postMessage and its kin take: `text` says everything that matters without the blocks. */
export interface SlackMessage {
  text: string;
  blocks: KnownBlock[];
}

const tones: Record<Tone, { mark: string; word: string } | null> = {
  plain: null,
  good: { mark: '✅', word: 'OK' },
  busy: { mark: '⏳', word: 'In progress' },
  warn: { mark: '⚠️', word: 'Attention' },
  bad: { mark: '❌', word: 'Problem' },
};

const buttonsMax = 2 * limits.actions;
const footerMax = 300;

/**
 * A Card as a message within Slack's limits; what does not fit is counted. `files` has the id of the uploaded file of each picture; those without
 * are written as bars of letters.
 */
export function renderCard(card: Card, files?: ReadonlyMap<Picture, string>): SlackMessage {
  const title = headline(card);
  const { blocks: actions, notes } = renderButtons(card.buttons);
  const footer = oneLine(card.footer ?? '');
  const tail = [...notes.map((note) => small(note)), ...actions, ...(footer === '' ? [] : [small(footer, footerMax)])];
  const head: KnownBlock[] = [
    { type: 'header', text: { type: 'plain_text', text: cut(title, limits.header), emoji: true } },
  ];
  const room = limits.blockText - textOf(head) - textOf(tail) - 200;
  const body = renderParts(card, room, limits.blocksPerMessage - head.length - tail.length - 1, files);
  return { text: plain(card, title), blocks: [...head, ...body, ...tail] };
}

/** The title with what the tone means, as a mark and a word. */
function headline(card: Pick<Card, 'title' | 'tone'>): string {
  const title = oneLine(card.title);
  const tone = tones[card.tone];
  const said = tone === null ? title : [`${tone.mark} ${tone.word}`, title].filter((each) => each !== '').join(' · ');
  return said === '' ? 'KQueen' : said;
}

function renderParts(card: Card, room: number, blocksMax: number, files?: ReadonlyMap<Picture, string>): KnownBlock[] {
  const blocks: KnownBlock[] = [];
  let left = room;
  const parts: Part[] = card.parts.length > 0 ? card.parts : [{ part: 'text', text: card.text }];
  for (const [index, part] of parts.entries()) {
    const made = left > 200 ? partBlocks(part, left, index, files) : null;
    if (made === null || blocks.length + made.length > blocksMax) {
      return [...blocks, small(andMore(parts.length - index, 'parts that do not fit into one message'))];
    }
    blocks.push(...made);
    left -= textOf(made);
  }
  return blocks;
}

/** Characters in all texts of the blocks, counted as Slack counts them for `msg_blocks_too_long`, and the values of buttons. */
function textOf(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, each) => sum + textOf(each), 0);
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce((sum, [name, each]) => {
    return (
      sum +
      (typeof each === 'string' && (name === 'text' || name === 'value' || name === 'url') ? each.length : textOf(each))
    );
  }, 0);
}

/** Buttons in blocks of 25. A command is never cut: one that is too long for a button is named in a note instead. */
function renderButtons(buttons: Button[]): { blocks: KnownBlock[]; notes: string[] } {
  const notes: string[] = [];
  const elements: SlackButton[] = [];
  let left = buttonRoom;
  let unshown = 0;
  for (const button of buttons) {
    const made = renderButton(button, String(elements.length));
    if (typeof made === 'string') {
      notes.push(made);
      continue;
    }
    left -= textOf(made);
    if (elements.length >= buttonsMax || left < 0) unshown += 1;
    else elements.push(made);
  }
  if (unshown > 0) notes.push(andMore(unshown, unshown === 1 ? 'button' : 'buttons'));
  const blocks: KnownBlock[] = [];
  for (let start = 0; start < elements.length; start += limits.actions) {
    blocks.push({ type: 'actions', elements: elements.slice(start, start + limits.actions) });
  }
  return { blocks, notes: notes.slice(0, 3) };
}

/** The card as text alone: title, summary, facts and where it stands; for notifications and screen readers. */
function plain(card: Card, title: string): string {
  const summary = clean(card.text).trim();
  const lines = [cut(title, 600), cut(summary, 1_500)];
  const facts: string[] = [];
  for (const part of card.parts) {
    const line = plainPart(part);
    if (line !== '' && line !== summary) facts.push(line);
  }
  const said = lines.filter((line) => line !== '').join('\n');
  return escapeWithin([said, ...facts].join('\n'), limits.messageText);
}

function plainPart(part: Part): string {
  switch (part.part) {
    case 'text':
      return cut(words(spans(part.text)).trim(), 800);
    case 'note':
      return cut(clean(part.text).trim(), 400);
    case 'facts':
      return part.facts
        .map(({ label, value }) => `${cut(oneLine(label), 120)}: ${cut(oneLine(value), 600)}`)
        .join('\n');
    case 'steps':
      return part.steps
        .filter(({ state }) => state === 'doing' || state === 'failed')
        .map(
          ({ name, state, note }) =>
            `${state === 'failed' ? 'Failed' : 'Now'}: ${cut(oneLine(`${name} ${note ?? ''}`), 200)}`,
        )
        .join('\n');
    case 'progress':
      return cut(progress(part.percent, part.label).replace(/^[▓░]+ /, ''), 300);
    case 'time':
      return `${cut(oneLine(part.label), 120)}: ${utc(part.at) ?? 'unknown'}`;
    case 'table':
      return plainTable(part);
    case 'picture':
      return cut(clean(part.picture.alt).trim(), 800);
    case 'rows':
      return plainRows(part);
    case 'code':
    case 'divider':
      return '';
  }
}

function plainTable({ caption, rows }: Extract<Part, { part: 'table' }>): string {
  const name = cut(oneLine(caption ?? '') || 'Table', 120);
  const shown = rows.slice(0, 10).map((row) => cut(row.map(oneLine).filter(Boolean).join(', '), 160));
  const more = rows.length > shown.length ? [andMore(rows.length - shown.length)] : [];
  return [`${name}: ${rows.length} ${rows.length === 1 ? 'row' : 'rows'}`, ...shown, ...more].join('\n');
}

function plainRows({ caption, rows }: Extract<Part, { part: 'rows' }>): string {
  const name = cut(words(spans(oneLine(caption ?? ''))), 120);
  const shown = rows.slice(0, 10).map(({ text, note }) => {
    const said = [words(spans(text)), words(spans(note ?? ''))].map(oneLine).filter(Boolean).join(', ');
    return cut(said, 240);
  });
  const more = rows.length > shown.length ? [andMore(rows.length - shown.length)] : [];
  return [...(name === '' ? [] : [name]), ...shown, ...more].join('\n');
}

/** One line as a message. */
export function renderLine(text: string): SlackMessage {
  const line = cut(clean(text), 2_000);
  return {
    text: escapeWithin(line, limits.messageText),
    blocks: [rich([{ type: 'text', text: line === '' ? '…' : line }])],
  };
}
