/**
 * The payloads Slack sends, field by field.
 *
 * Sources: docs.slack.dev/interactivity/implementing-slash-commands (form fields), …/reference/interaction-payloads
 * (block_actions, view_submission, view_closed, block_suggestion), docs.slack.dev/apis/events-api (outer envelope).
 */
import { randomBytes } from 'node:crypto';
import { linksIn } from './chat-methods.ts';
import { APP_ID, BOT_ID, BOT_USER, type Core, VERIFICATION_TOKEN } from './core.ts';
import { startingValues } from './fields.ts';
import { textOf } from './json.ts';
import type { Channel, Json, Message, View } from './types.ts';
import { viewJson } from './views.ts';

/** `seconds.micros` of now, as `action_ts` and `event_ts`. */
export function stamp(core: Core): string {
  return (core.clock.now() / 1000).toFixed(6);
}

function fileJson(core: Core, id: string): Json {
  const file = core.world.files.get(id);
  if (file === undefined || file.deleted) return { id, mode: 'tombstone' };
  return {
    id,
    name: file.name,
    title: file.title,
    size: file.declaredLength,
    url_private: `${core.origin}/files/${id}`,
  };
}

/** A file as the input that it was chosen in carries it (docs.slack.dev/reference/objects/file-object). */
export function chosenFileJson(core: Core, id: string, hidden: boolean): Json {
  const { url_private, ...json } = fileJson(core, id);
  const file = core.world.files.get(id);
  const common = { ...json, mimetype: 'text/plain', filetype: 'text', mode: 'hosted', is_external: false };
  const owner = { user: file?.owner, user_team: core.team };
  return hidden ? { ...common, ...owner, file_access: 'check_file_info' } : { ...common, ...owner, url_private };
}

/** A message as the API shows it; metadata only where it was asked for. */
export function messageJson(core: Core, message: Message, withMetadata = false): Json {
  const json: Json = {
    type: 'message',
    user: message.author,
    ts: message.ts,
    text: message.text,
    team: core.world.users.get(message.author)?.teamId ?? core.team,
    blocks: structuredClone(message.blocks),
  };
  if (message.byApp) {
    json.bot_id = BOT_ID;
    json.app_id = APP_ID;
  }
  if (message.files.length > 0) json.files = message.files.map((id) => fileJson(core, id));
  if (message.threadTs !== undefined) json.thread_ts = message.threadTs;
  const replies = core.world.messages.filter(
    (each) => each.channel === message.channel && each.threadTs === message.ts && !each.deleted,
  );
  if (replies.length > 0) {
    json.thread_ts = message.ts;
    json.reply_count = replies.length;
    json.latest_reply = replies.at(-1)?.ts;
  }
  const edited = message.revisions.length > 1 ? message.revisions.at(-1) : undefined;
  if (edited !== undefined) json.edited = { user: message.author, ts: (edited.at / 1000).toFixed(6) };
  if (message.reactions.size > 0) {
    json.reactions = [...message.reactions].map(([name, users]) => ({ name, users: [...users], count: users.size }));
  }
  if (withMetadata && message.metadata !== undefined) json.metadata = message.metadata;
  return json;
}

/** The `user` of interaction payloads. */
function personJson(core: Core, userId: string): Json {
  const user = core.world.user(userId);
  return { id: user.id, username: user.name, name: user.name, team_id: user.teamId ?? core.team };
}

function commonJson(core: Core, userId: string): Json {
  return {
    team: { id: core.team, domain: 'loopback' },
    user: personJson(core, userId),
    api_app_id: APP_ID,
    token: VERIFICATION_TOKEN,
    enterprise: null,
    is_enterprise_install: false,
  };
}

export function commandFields(core: Core, userId: string, channel: Channel, command: string, text: string): Json {
  const user = core.world.user(userId);
  const url = core.responseUrls.mint(userId, channel.id, undefined);
  return {
    token: VERIFICATION_TOKEN,
    team_id: user.teamId ?? core.team,
    team_domain: 'loopback',
    channel_id: channel.id,
    channel_name: channel.private && channel.kind === 'channel' ? 'privategroup' : channel.name,
    user_id: userId,
    user_name: user.name,
    command,
    text,
    api_app_id: APP_ID,
    is_enterprise_install: 'false',
    response_url: `${core.origin}/response/${url.id}`,
    trigger_id: core.triggers.mint(userId),
  };
}

/** Somebody chose a shortcut that belongs to no message. */
export function globalShortcut(core: Core, userId: string, callbackId: string): Json {
  return {
    type: 'shortcut',
    ...commonJson(core, userId),
    callback_id: callbackId,
    trigger_id: core.triggers.mint(userId),
    action_ts: stamp(core),
  };
}

/** Somebody chose a shortcut of a message, be the app there or not. */
export function messageShortcut(core: Core, userId: string, callbackId: string, message: Message): Json {
  const url = core.responseUrls.mint(userId, message.channel, message);
  return {
    type: 'message_action',
    ...commonJson(core, userId),
    callback_id: callbackId,
    trigger_id: core.triggers.mint(userId),
    action_ts: stamp(core),
    message_ts: message.ts,
    channel: { id: message.channel, name: core.world.channels.get(message.channel)?.name ?? '' },
    message: messageJson(core, message),
    response_url: `${core.origin}/response/${url.id}`,
  };
}

/** Links of the app's domains in a message that was just written; undefined when there are none. */
export function linkShared(core: Core, message: Message): Json | undefined {
  const domains = core.options.unfurlDomains ?? [];
  const links = linksIn(message.text)
    .map((url) => ({ url, domain: new URL(url).hostname }))
    .filter(({ domain }) => domains.some((each) => domain === each || domain.endsWith(`.${each}`)));
  if (links.length === 0) return undefined;
  const id = `${core.team}.${randomBytes(6).toString('hex')}`;
  core.unfurls.set(id, message);
  return {
    type: 'link_shared',
    channel: message.channel,
    is_bot_user_member: core.world.channels.get(message.channel)?.hasBot === true,
    user: message.author,
    message_ts: message.ts,
    ...(message.threadTs === undefined ? {} : { thread_ts: message.threadTs }),
    unfurl_id: id,
    source: 'conversations_history',
    links,
  };
}

/** Somebody used an element of a message. */
export function messageAction(
  core: Core,
  userId: string,
  message: Message,
  action: Json,
  values: View['values'],
): Json {
  const channel = core.world.channels.get(message.channel);
  const url = core.responseUrls.mint(userId, message.channel, message);
  const ephemeral = message.ephemeralTo !== undefined;
  return {
    type: 'block_actions',
    ...commonJson(core, userId),
    container: {
      type: 'message',
      message_ts: message.ts,
      channel_id: message.channel,
      is_ephemeral: ephemeral,
      ...(message.threadTs === undefined ? {} : { thread_ts: message.threadTs }),
    },
    trigger_id: core.triggers.mint(userId),
    channel: { id: message.channel, name: channel?.name ?? '' },
    // Slack does not repeat the content of an ephemeral message.
    ...(ephemeral ? {} : { message: messageJson(core, message) }),
    state: { values: { ...startingValues(message.blocks), ...structuredClone(values) } },
    response_url: `${core.origin}/response/${url.id}`,
    actions: [{ ...action, action_ts: stamp(core) }],
  };
}

/** Somebody used an element of a modal or of the home tab; there is no response_url and no channel. */
export function viewAction(core: Core, view: View, action: Json): Json {
  return {
    type: 'block_actions',
    ...commonJson(core, view.userId),
    container: { type: 'view', view_id: view.id },
    trigger_id: core.triggers.mint(view.userId),
    view: viewJson(view, core.team, APP_ID, BOT_ID),
    actions: [{ ...action, action_ts: stamp(core) }],
  };
}

/** A view with what is in it now. */
export function viewOf(core: Core, view: View): Json {
  return viewJson(view, core.team, APP_ID, BOT_ID);
}

export function viewSubmission(core: Core, view: View): Json {
  return {
    type: 'view_submission',
    ...commonJson(core, view.userId),
    trigger_id: core.triggers.mint(view.userId),
    view: viewJson(view, core.team, APP_ID, BOT_ID),
    response_urls: [],
  };
}

export function viewClosed(core: Core, view: View, cleared: boolean): Json {
  return {
    type: 'view_closed',
    ...commonJson(core, view.userId),
    view: viewJson(view, core.team, APP_ID, BOT_ID),
    is_cleared: cleared,
  };
}

/** Asks for the options of an external select. */
export function suggestion(
  core: Core,
  userId: string,
  container: Json,
  block: Json,
  element: Json,
  value: string,
): Json {
  return {
    type: 'block_suggestion',
    ...commonJson(core, userId),
    ...container,
    action_id: element.action_id,
    block_id: block.block_id,
    value,
  };
}

/** How message events of a conversation are named: the subscription they need and their `channel_type`. */
export function audience({ kind, private: hidden }: Channel): { subscription: string; type: string } {
  if (kind !== 'channel') return { subscription: `message.${kind}`, type: kind };
  return hidden
    ? { subscription: 'message.groups', type: 'group' }
    : { subscription: 'message.channels', type: 'channel' };
}

export function eventEnvelope(core: Core, event: Json): Json {
  const members = [...(core.world.channels.get(textOf(event.channel))?.members ?? [])];
  return {
    token: VERIFICATION_TOKEN,
    team_id: core.team,
    api_app_id: APP_ID,
    event: { ...event, event_ts: event.event_ts ?? stamp(core) },
    type: 'event_callback',
    event_id: `Ev${randomBytes(5).toString('hex').toUpperCase()}`,
    event_time: Math.floor(core.clock.now() / 1000),
    authorizations: [
      { enterprise_id: null, team_id: core.team, user_id: BOT_USER, is_bot: true, is_enterprise_install: false },
    ],
    is_ext_shared_channel: members.some((id) => core.world.users.get(id)?.stranger === true),
    event_context: randomBytes(12).toString('base64url'),
  };
}
