/**
 * chat.* and reactions.*.
 *
 * Sources: docs.slack.dev/reference/methods/chat.postMessage, chat.update (text above 4,000 characters: `msg_too_long`;
 * blocks and metadata that are left out are kept, empty ones removed; archived channel: `is_inactive`), chat.postEphemeral
 * (`user_not_in_channel`), chat.delete (`cant_delete_message`; ephemeral messages cannot be deleted or updated).
 */

import { checkMessageBlocks } from './blocks.ts';
import { BOT_USER, type Core } from './core.ts';
import { flagOf, isObject, objectOf, objectsOf, parsed, textOf } from './json.ts';
import { mrkdwnTexts } from './mrkdwn.ts';
import { messageJson } from './payloads.ts';
import { unlucky, wrong } from './refusal.ts';
import type { Json, Message } from './types.ts';
import type { Content } from './world.ts';

/** Carries out one API method; throws a Refusal. */
export type Handler = (core: Core, args: Json) => Json;

export const POST_TEXT_MAX = 40_000;
export const UPDATE_TEXT_MAX = 4_000;

function structured(args: Json, name: string, refusal: string): unknown {
  const value = args[name];
  if (typeof value !== 'string') return value;
  if (value === '') return undefined;
  const read = parsed(value);
  if (read === undefined) throw wrong(refusal);
  return read;
}

function blocksOf(args: Json): Json[] | undefined {
  const blocks = structured(args, 'blocks', 'invalid_blocks_format');
  if (blocks === undefined) return undefined;
  if (!Array.isArray(blocks) || objectsOf(blocks).length !== blocks.length) throw wrong('invalid_blocks_format');
  return objectsOf(blocks);
}

/** Message metadata: `event_type` and an object `event_payload`; an empty object takes it away. */
function metadataOf(args: Json): Json | undefined {
  const metadata = structured(args, 'metadata', 'invalid_metadata_format');
  if (metadata === undefined) return undefined;
  if (!isObject(metadata)) throw wrong('invalid_metadata_format');
  if (Object.keys(metadata).length === 0) return metadata;
  if (textOf(metadata.event_type) === '' || !isObject(metadata.event_payload)) throw wrong('invalid_metadata_schema');
  return metadata;
}

/** What a message is made of, from the arguments of a call or the body of a response. */
export function contentOf(args: Json): Content {
  const metadata = metadataOf(args);
  const kept = metadata !== undefined && Object.keys(metadata).length > 0 ? metadata : undefined;
  return { text: textOf(args.text), blocks: blocksOf(args) ?? [], metadata: kept };
}

/** The thread a message goes to; answers to answers are documented as a mistake. */
export function threadOf(core: Core, channel: string, args: Json): string | undefined {
  const ts = textOf(args.thread_ts);
  if (ts === '') return undefined;
  const parent = core.world.find(channel, ts);
  if (parent === undefined || parent.deleted || parent.ephemeralTo !== undefined) throw unlucky('thread_not_found');
  if (parent.threadTs === undefined || parent.threadTs === parent.ts) return parent.ts;
  core.world.violate('reply-to-a-reply', `thread_ts ${ts} is itself a reply to ${parent.threadTs}`);
  return parent.threadTs;
}

function postMessage(core: Core, args: Json): Json {
  const channel = core.world.postable(textOf(args.channel));
  const content = contentOf(args);
  core.world.checkContent('chat.postMessage', content, POST_TEXT_MAX);
  const threadTs = threadOf(core, channel.id, args);
  const message = core.world.post(channel.id, { ...content, author: BOT_USER, byApp: true, threadTs });
  return { channel: channel.id, ts: message.ts, message: messageJson(core, message) };
}

function postEphemeral(core: Core, args: Json): Json {
  const channel = core.world.postable(textOf(args.channel));
  const userId = textOf(args.user);
  if (!core.world.users.has(userId)) throw unlucky('user_not_found');
  if (!channel.members.has(userId)) throw unlucky('user_not_in_channel');
  const content = contentOf(args);
  core.world.checkContent('chat.postEphemeral', content, POST_TEXT_MAX);
  const threadTs = threadOf(core, channel.id, args);
  const posting = { ...content, author: BOT_USER, byApp: true, threadTs, ephemeralTo: userId };
  return { message_ts: core.world.post(channel.id, posting).ts };
}

function existing(core: Core, args: Json): Message {
  const message = core.world.find(core.world.visible(textOf(args.channel)).id, textOf(args.ts ?? args.message_ts));
  if (message === undefined || message.deleted || message.ephemeralTo !== undefined) throw unlucky('message_not_found');
  return message;
}

function update(core: Core, args: Json): Json {
  const message = existing(core, args);
  if (!message.byApp) throw unlucky('cant_update_message');
  if (core.world.channels.get(message.channel)?.archived === true) throw unlucky('is_inactive');
  const blocks = blocksOf(args);
  if (args.text === undefined && blocks === undefined) throw wrong('no_text');
  const given = metadataOf(args);
  const metadata = given === undefined ? message.metadata : contentOf(args).metadata;
  const content: Content = { text: textOf(args.text), blocks: blocks ?? message.blocks, metadata };
  core.world.checkContent('chat.update', content, UPDATE_TEXT_MAX, message.files.length > 0);
  core.world.edit(message, content);
  return { channel: message.channel, ts: message.ts, text: message.text, message: messageJson(core, message) };
}

function remove(core: Core, args: Json): Json {
  const message = existing(core, args);
  if (!message.byApp) throw unlucky('cant_delete_message');
  core.world.remove(message);
  return { channel: message.channel, ts: message.ts };
}

function getPermalink(core: Core, args: Json): Json {
  const message = existing(core, args);
  const thread = message.threadTs === undefined ? '' : `?thread_ts=${message.threadTs}&cid=${message.channel}`;
  const permalink = `https://loopback.slack.com/archives/${message.channel}/p${message.ts.replace('.', '')}${thread}`;
  return { channel: message.channel, permalink };
}

function react(core: Core, args: Json): Json {
  const name = textOf(args.name);
  if (!/^[a-z0-9_+'-]+(::skin-tone-[2-6])?$/.test(name)) throw wrong('invalid_name');
  const message = existing(core, { channel: args.channel, ts: args.timestamp });
  const users = message.reactions.get(name) ?? new Set();
  if (users.has(BOT_USER)) throw unlucky('already_reacted');
  message.reactions.set(name, users.add(BOT_USER));
  return {};
}

function unreact(core: Core, args: Json): Json {
  const message = existing(core, { channel: args.channel, ts: args.timestamp });
  const users = message.reactions.get(textOf(args.name));
  if (users?.delete(BOT_USER) !== true) throw unlucky('no_reaction');
  if (users.size === 0) message.reactions.delete(textOf(args.name));
  return {};
}

/**
 * docs.slack.dev/reference/methods/chat.unfurl: `unfurl_id` with `source`, or `channel` with `ts`; a map from the links, exactly as they were told, to
 * blocks (`cannot_unfurl_url`, `cannot_find_message`).
 */
function unfurl(core: Core, args: Json): Json {
  const byId = textOf(args.unfurl_id);
  if ((byId === '') !== (textOf(args.source) === '')) throw wrong('invalid_arguments', ['unfurl_id goes with source']);
  const message = byId === '' ? core.world.find(textOf(args.channel), textOf(args.ts)) : core.unfurls.get(byId);
  if (message === undefined || message.deleted)
    throw unlucky(byId === '' ? 'cannot_find_message' : 'invalid_unfurl_id');
  const unfurls = structured(args, 'unfurls', 'invalid_unfurls_format');
  if (!isObject(unfurls) || Object.keys(unfurls).length === 0) throw wrong('missing_unfurls');
  for (const [url, shown] of Object.entries(unfurls)) {
    if (!linksIn(message.text).includes(url)) throw wrong('cannot_unfurl_url', [url]);
    const blocks = objectsOf(objectOf(shown).blocks);
    const complaints = checkMessageBlocks(blocks);
    if (complaints.length > 0) throw wrong('invalid_blocks', complaints);
    for (const each of mrkdwnTexts('', blocks)) core.world.checkText(`chat.unfurl ${url}`, each);
    message.unfurls.set(url, blocks);
  }
  return {};
}

/** The links in a message as Slack writes them. */
export function linksIn(text: string): string[] {
  return [...text.matchAll(/<(https?:\/\/[^|>]+)(?:\|[^>]*)?>/g)].map(([, url = '']) =>
    url.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
  );
}

export const CHAT_METHODS: Record<string, Handler> = {
  'chat.postMessage': postMessage,
  'chat.postEphemeral': postEphemeral,
  'chat.update': update,
  'chat.delete': remove,
  'chat.getPermalink': getPermalink,
  'chat.unfurl': unfurl,
  'reactions.add': react,
  'reactions.remove': unreact,
};

/**
 * The body posted to a response URL, or sent as the acknowledgement of a command.
 *
 * A command has no message to replace: `replace_original` then posts another one (slackapi/bolt-js#2287). In answer to an
 * interaction, a body that says neither `replace_original` nor `response_type` replaces the message that was acted on.
 */
export function respond(
  core: Core,
  via: string,
  userId: string,
  channel: string,
  source: Message | undefined,
  body: Json,
): void {
  const where = `response_url of ${userId}`;
  const replaces = body.replace_original;
  if (flagOf(body.delete_original)) {
    if (source === undefined) core.world.violate('nothing-to-delete', `${where}: delete_original without an original`);
    else core.world.remove(source);
    return;
  }
  const content = contentOf(body);
  core.world.checkContent(where, content, POST_TEXT_MAX);
  const ambiguous = source !== undefined && replaces === undefined && body.response_type === undefined;
  if (ambiguous)
    core.world.violate('ambiguous-response', `${where}: neither replace_original nor response_type is given`);
  if (source !== undefined && (flagOf(replaces) || ambiguous)) {
    if (!source.deleted) core.world.edit(source, content);
    return;
  }
  if (flagOf(replaces)) core.world.violate('nothing-to-replace', `${where}: a command has no original to replace`);
  const inChannel = body.response_type === 'in_channel';
  const threadTs = threadOf(core, channel, body);
  const ephemeralTo = inChannel ? undefined : userId;
  core.world.post(channel, { ...content, author: BOT_USER, byApp: true, threadTs, ephemeralTo, via });
}
