/** Text from people and providers made fit for Slack: nothing in it notifies, reorders, hides or formats. */
import { seenText } from '../seen.ts';

/** The text as it may be shown; Slack's own marks are escaped where they are written. */
export function clean(text: string): string {
  return seenText(text);
}

/** The same on one line. */
export function oneLine(text: string): string {
  return clean(text).replace(/\s+/g, ' ').trim();
}

/** At most `max` UTF-16 units, ending in `…` when something was cut; no surrogate pair, joined emoji or accent is cut apart. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  if (max < 1) return '';
  let end = max - 1;
  while (end > 0 && end > max - 20 && /^[\udc00-\udfff\p{M}\u200d]/u.test(text.slice(end, end + 2))) end -= 1;
  return `${text
    .slice(0, end)
    .toWellFormed()
    .replace(/\ufffd$/, '')
    .trimEnd()}…`;
}

/**
 * The text as mrkdwn source: `&`, `<` and `>` as entities, so that `<@U1>` or `<!channel>` stay words (docs.slack.dev/messaging/formatting-message-text),
 * and a zero-width space after the `@` of `@channel`, `@here` and `@everyone`, which older ways of posting would link.
 */
function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/@(?=(?:channel|here|everyone|group)\b)/gi, '@\u200b');
}

/** `escapeText`, cut so that the result has at most `max` units. */
export function escapeWithin(text: string, max: number): string {
  let kept = cut(text, max);
  let escaped = escapeText(kept);
  while (escaped.length > max) {
    kept = cut(kept, Math.max(1, kept.length - Math.max(1, Math.ceil((escaped.length - max) / 5))));
    escaped = escapeText(kept);
  }
  return escaped;
}

/** `… and 37 more`, with the name of what is left out when there is one. */
export function andMore(count: number, what = ''): string {
  return `… and ${count} more${what === '' ? '' : ` ${what}`}`;
}

/** Columns a text takes in a monospaced font: wide and emoji characters take two, combining ones none. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const char of text) {
    if (/\p{M}|\u200d|\u200c|\ufe0f/u.test(char)) continue;
    columns += wide.test(char) ? 2 : 1;
  }
  return columns;
}

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** At most `max` columns, ending in `…` when something was cut. */
export function cutColumns(text: string, max: number): string {
  if (columnsOf(text) <= max) return text;
  let kept = '';
  let columns = 1;
  for (const char of text) {
    columns += columnsOf(char);
    if (columns > max) break;
    kept += char;
  }
  return `${kept.trimEnd()}…`;
}

/** A web address that may become a link, else null. */
export function safeUrl(url: string, max: number): string | null {
  if (url.length > max || clean(url) !== url || /[\s<>|]/.test(url) || !URL.canParse(url)) return null;
  return /^https?:$/.test(new URL(url).protocol) ? url : null;
}

/** `2027-03-04 05:06 UTC`, or null when it is no time that people use. */
export function utc(at: number): string | null {
  if (!Number.isFinite(at) || at <= 0 || at > 253_402_300_799_000) return null;
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
