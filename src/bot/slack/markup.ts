/**
 * The little markup of Cards as rich text. Rich text carries style beside the text instead of in it, so that whatever a value holds
 * (stars, backticks, `<!channel>`) is shown as it is.
 */
import type { RichTextElement } from '@slack/types';
import { limits } from './limits.ts';
import { clean, cut, safeUrl } from './text.ts';

/** A stretch of text in one style. */
export interface Span {
  text: string;
  bold?: boolean;
  italic?: boolean;
  code?: boolean;
  url?: string;
}

const markup =
  /`(?<code>[^`\n]+)`|\[(?<label>[^[\]\n]{1,300})\]\((?<url>https?:\/\/[^\s()<>]+)\)|(?<![\w*])\*(?=\S)(?<bold>[^*\n]{1,1000})(?<=\S)\*(?![\w*])|(?<![\w_])_(?=\S)(?<italic>[^_\n]{1,1000})(?<=\S)_(?![\w_])/g;

/** Reads `*bold*`, `_italic_`, `` `code` `` and `[text](https://…)`; what is not closed stays as it was typed. */
export function spans(source: string, style: Omit<Span, 'text'> = {}): Span[] {
  const text = clean(source);
  const found: Span[] = [];
  let last = 0;
  for (const match of text.matchAll(markup)) {
    found.push({ ...style, text: text.slice(last, match.index) });
    const { code, label, url, bold, italic } = match.groups ?? {};
    if (code !== undefined) found.push({ ...style, text: code, code: true });
    else if (label !== undefined && url !== undefined) found.push(link(label, url, style));
    else if (bold !== undefined) found.push(...spans(bold, { ...style, bold: true }));
    else if (italic !== undefined) found.push(...spans(italic, { ...style, italic: true }));
    last = match.index + match[0].length;
  }
  found.push({ ...style, text: text.slice(last) });
  return found.filter((span) => span.text !== '');
}

/** A label that names another host than the link goes to gets that host behind it. */
function link(label: string, url: string, style: Omit<Span, 'text'>): Span {
  const address = safeUrl(url, limits.url);
  if (address === null) return { ...style, text: `${label} (${url})` };
  const { host } = new URL(address);
  const looksLikeHost = /[\w-]\.[a-z]{2,}/i.test(label) && !label.toLowerCase().includes(host.toLowerCase());
  return { ...style, text: looksLikeHost ? `${label} (${host})` : label, url: address };
}

/** The first `max` units of the spans, ending in `…` when something was cut. */
export function cutSpans(all: Span[], max: number): Span[] {
  const kept: Span[] = [];
  let left = max;
  for (const [index, span] of all.entries()) {
    if (span.text.length > left || (span.text.length === left && index < all.length - 1)) {
      const text = left > 1 ? cut(`${span.text}……`, left) : '…';
      kept.push({ ...span, text });
      return kept;
    }
    kept.push(span);
    left -= span.text.length;
  }
  return kept;
}

/** The same words without style. */
export function words(all: Span[]): string {
  return all.map((span) => span.text).join('');
}

/** Spans as the elements of a rich text section; neighbours of one style become one element. */
export function richElements(all: Span[]): RichTextElement[] {
  const merged: Span[] = [];
  for (const span of all) {
    const last = merged.at(-1);
    if (span.text === '') continue;
    if (last !== undefined && sameStyle(last, span)) last.text += span.text;
    else merged.push({ ...span });
  }
  return merged.map((span) => {
    const style = {
      ...(span.bold === true ? { bold: true } : {}),
      ...(span.italic === true ? { italic: true } : {}),
      ...(span.code === true ? { code: true } : {}),
    };
    const styled = Object.keys(style).length === 0 ? {} : { style };
    if (span.url !== undefined) return { type: 'link', url: span.url, text: span.text, ...styled };
    return { type: 'text', text: span.text, ...styled };
  });
}

function sameStyle(one: Span, other: Span): boolean {
  const links = one.url !== undefined || other.url !== undefined;
  return !links && one.bold === other.bold && one.italic === other.italic && one.code === other.code;
}
