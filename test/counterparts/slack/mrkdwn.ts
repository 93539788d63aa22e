/**
 * What Slack asks of mrkdwn text, and what it makes of text that a person types.
 *
 * Source: docs.slack.dev/messaging/formatting-message-text, "Escaping text": `&`, `<` and `>` are written as entities; angle
 * brackets are for `<@U…>`, `<#C…>`, `<!here>`, `<!subteam^…>`, `<!date^…>` and links. A `>` that opens a line is a quote.
 */
import { objectsOf, within } from './json.ts';
import type { Json } from './types.ts';

const ENTITY =
  /<(?:@[UW]\w+(?:\|[^<>\n]*)?|#C\w+(?:\|[^<>\n]*)?|!(?:here|channel|everyone)(?:\|[^<>\n]*)?|!subteam\^\w+(?:\|[^<>\n]*)?|!date\^\d+\^[^<>\n|]*(?:\|[^<>\n]*)?|(?:https?|mailto|tel|slack):[^<>\n|\s]+(?:\|[^<>\n]*)?)>/g;

/** What is wrong with a mrkdwn text, if anything. */
export function checkMrkdwn(text: string, knowsUser: (id: string) => boolean): string | undefined {
  for (const [, id] of text.matchAll(/<@([UW]\w+)(?:\|[^<>\n]*)?>/g)) {
    if (id !== undefined && !knowsUser(id)) return `mentions somebody who does not exist: <@${id}>`;
  }
  const bare = text.replace(ENTITY, '').replace(/^>+/gm, '');
  const stray = /[<>]|&(?!amp;|lt;|gt;)/.exec(bare);
  if (stray === null) return undefined;
  const around = bare.slice(Math.max(0, stray.index - 15), stray.index + 15);
  return `unescaped ${stray[0]} near ${JSON.stringify(around)}`;
}

/** The mrkdwn texts of a message: its fallback text and every mrkdwn object in its blocks. */
export function mrkdwnTexts(text: string, blocks: Json[]): string[] {
  const found = [text];
  for (const object of within(objectsOf(blocks))) {
    if (object.type === 'mrkdwn' && typeof object.text === 'string') found.push(object.text);
  }
  return found;
}

/** Names that a typed `@name` or `#channel` can stand for. */
export interface Names {
  userId(name: string): string | undefined;
  channelId(name: string): string | undefined;
}

const TYPED =
  /(?<mail>[\w.+-]+@[\w-]+\.[\w.-]*\w)|(?<url>https?:\/\/[^\s<>]+)|(?<host>\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|dev)\b(?:\/\S*)?)|@(?<user>[\w.-]*\w)|#(?<channel>[\w-]+)/gi;

/**
 * A message as Slack's client sends it: mentions, channels, links, host names and addresses become entities and the three
 * special characters are escaped. With `labels`, mentions carry names, as in slash commands of an app with `should_escape`.
 */
export function typed(text: string, names: Names, labels = false): string {
  let out = '';
  let last = 0;
  for (const match of text.matchAll(TYPED)) {
    const entity = entityFor(match.groups ?? {}, names, labels);
    if (entity === undefined) continue;
    out += escaped(text.slice(last, match.index)) + entity;
    last = match.index + match[0].length;
  }
  return out + escaped(text.slice(last));
}

function entityFor(
  { mail, url, host, user, channel }: Record<string, string | undefined>,
  names: Names,
  labels: boolean,
): string | undefined {
  if (mail !== undefined) return `<mailto:${mail}|${mail}>`;
  if (url !== undefined) return `<${escaped(url)}>`;
  if (host !== undefined) return `<http://${escaped(host)}|${escaped(host)}>`;
  if (user === 'here' || user === 'channel' || user === 'everyone') return `<!${user}>`;
  const userId = user === undefined ? undefined : names.userId(user);
  if (userId !== undefined) return labels ? `<@${userId}|${user}>` : `<@${userId}>`;
  const channelId = channel === undefined ? undefined : names.channelId(channel);
  if (channelId !== undefined) return `<#${channelId}|${channel}>`;
  return undefined;
}

/** `&`, `<` and `>` as Slack writes them. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
