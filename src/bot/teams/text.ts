/**
 * Text as Adaptive Cards show it. Everything that people or providers wrote goes into TextRuns, which know no markdown, so that
 * a value cannot become a link, a heading or a mention; what could reorder or hide text is taken out first.
 */
import { seenText } from '../seen.ts';

type Color = 'Default' | 'Good' | 'Accent' | 'Warning' | 'Attention';
type Spacing = 'None' | 'Small' | 'Default' | 'Medium' | 'Large';

/** How a run looks. */
export interface Look {
  weight?: 'Bolder';
  italic?: boolean;
  fontType?: 'Monospace';
  size?: 'Small' | 'Medium' | 'Large';
  isSubtle?: boolean;
  color?: Color;
}

/** A run of text in a RichTextBlock. */
export interface TextRun extends Look {
  type: 'TextRun';
  text: string;
  selectAction?: { type: 'Action.OpenUrl'; url: string };
}

export interface RichTextBlock {
  type: 'RichTextBlock';
  inlines: TextRun[];
  spacing?: Spacing;
  separator?: boolean;
}

/** The text as it may be shown, without Adaptive Cards' own functions; lines stay. */
export function clean(text: string): string {
  return seenText(text).replace(/\{\{(?=\s*(DATE|TIME)\s*\()/gi, '{ {');
}

/** Cleaned, on one line. */
export function oneLine(text: string): string {
  return clean(text).replace(/\s+/g, ' ').trim();
}

/** At most `most` characters, with the number of those left out at its end. */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text;
  const kept = text
    .slice(0, most)
    .toWellFormed()
    .replace(/\uFFFD$/, '')
    .trimEnd();
  return `${kept}… (${(text.length - kept.length).toLocaleString('en')} more characters)`;
}

/** At most `most` characters, ending in an ellipsis: for labels. */
export function shorten(text: string, most: number): string {
  const line = oneLine(text);
  return line.length <= most
    ? line
    : `${line
        .slice(0, most - 1)
        .toWellFormed()
        .replace(/\uFFFD$/, '')
        .trimEnd()}…`;
}

export function run(text: string, look: Look = {}): TextRun {
  return { type: 'TextRun', text, ...look };
}

export function block(inlines: TextRun[], extra: Pick<RichTextBlock, 'spacing' | 'separator'> = {}): RichTextBlock {
  return { type: 'RichTextBlock', inlines, ...extra };
}

/** Only links that a browser opens, with a host of their own. */
export function safeUrl(url: string): string | null {
  const cleaned = clean(url).trim();
  if (!/^https?:\/\/[^\s/]/i.test(cleaned) || !URL.canParse(cleaned)) return null;
  return new URL(cleaned).href;
}

/** Code, link, bold, italic: in this order, so that what stands in code stays as it is. */
const markup =
  /`([^`\n]+)`|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)|(?<![\w*])\*(?=\S)([^*\n]*[^\s*])\*(?![\w*])|(?<![\w_])_(?=\S)([^_\n]*[^\s_])_(?![\w_])/gi;

/** One line of the cards' little markup as runs; what is not closed is shown as it was written. */
function markupRuns(line: string, look: Look = {}): TextRun[] {
  const runs: TextRun[] = [];
  let at = 0;
  const push = (text: string, more: Partial<TextRun> = {}) => {
    if (text) runs.push({ ...run(text, look), ...more });
  };
  for (const found of line.matchAll(markup)) {
    push(line.slice(at, found.index));
    at = found.index + found[0].length;
    const [whole, code, label, link, bold, italic] = found;
    const url = link === undefined ? null : safeUrl(link);
    if (code !== undefined) push(code, { fontType: 'Monospace' });
    else if (label !== undefined && url)
      push(label, { color: 'Accent', selectAction: { type: 'Action.OpenUrl', url } });
    else if (bold !== undefined) push(bold, { weight: 'Bolder' });
    else if (italic !== undefined) push(italic, { italic: true });
    else push(whole);
  }
  push(line.slice(at));
  return runs;
}

/** Text with the little markup as blocks, one a line; empty lines become space. */
export function markupBlocks(text: string, most: number, look: Look = {}): RichTextBlock[] {
  const blocks: RichTextBlock[] = [];
  let gap = false;
  for (const line of clip(clean(text).trim(), most).split('\n')) {
    if (line.trim() === '') {
      gap = blocks.length > 0;
      continue;
    }
    blocks.push(block(markupRuns(line, look), blocks.length > 0 && !gap ? { spacing: 'None' } : {}));
    gap = false;
  }
  return blocks;
}

/** The little markup taken away, for notification texts. */
export function withoutMarkup(text: string): string {
  return oneLine(text).replace(
    markup,
    (whole, code, label, _link, bold, italic) => code ?? label ?? bold ?? italic ?? whole,
  );
}
