/**
 * conversations.*, users.*, views.*, files.* and the few others.
 *
 * Sources: the method pages under docs.slack.dev/reference/methods (arguments, answers and errors); history shows no replies,
 * no deleted and no ephemeral messages, newest first; replies are oldest first with the parent; metadata appears only with
 * `include_all_metadata`; uploads are getUploadURLExternal → POST of the bytes → completeUploadExternal.
 */
import { randomBytes } from 'node:crypto';
import { CHAT_METHODS, contentOf, type Handler, POST_TEXT_MAX, threadOf } from './chat-methods.ts';
import { APP_ID, BOT_ID, BOT_USER, type Core } from './core.ts';
import { flagOf, isObject, numberOf, objectsOf, parsed, textOf } from './json.ts';
import { messageJson } from './payloads.ts';
import { unlucky, wrong } from './refusal.ts';
import type { Registration } from './registration.ts';
import type { Channel, Json, Message, StoredFile, UserSpec } from './types.ts';
import { viewJson } from './views.ts';

function channelJson(core: Core, channel: Channel): Json {
  const { id, name, kind, archived, hasBot, members } = channel;
  const shared = [...members].some((member) => core.world.users.get(member)?.stranger === true);
  const common = {
    id,
    is_archived: archived,
    is_member: hasBot,
    is_private: channel.private,
    context_team_id: core.team,
  };
  if (kind === 'im') {
    return { ...common, is_im: true, user: [...members].find((member) => member !== BOT_USER), is_open: true };
  }
  return {
    ...common,
    name,
    name_normalized: name,
    is_channel: kind === 'channel' && !channel.private,
    is_group: kind === 'channel' && channel.private,
    is_im: false,
    is_mpim: kind === 'mpim',
    is_general: false,
    is_ext_shared: shared,
    is_shared: shared,
    num_members: members.size + (hasBot && kind === 'channel' ? 1 : 0),
  };
}

function userJson(core: Core, user: UserSpec): Json {
  const guest = user.restricted === true || user.ultraRestricted === true;
  return {
    id: user.id,
    team_id: user.teamId ?? core.team,
    name: user.name,
    real_name: user.realName ?? user.name,
    deleted: user.deleted ?? false,
    tz: user.tz ?? 'Etc/UTC',
    tz_offset: user.tzOffset ?? 0,
    is_admin: user.admin ?? false,
    is_owner: false,
    is_bot: user.bot ?? false,
    is_app_user: false,
    is_restricted: guest,
    is_ultra_restricted: user.ultraRestricted ?? false,
    ...(user.stranger === true ? { is_stranger: true } : {}),
    profile: {
      real_name: user.realName ?? user.name,
      display_name: user.name,
      ...(user.email === undefined ? {} : { email: user.email }),
    },
  };
}

/** One page of a list, and the cursor of the next. */
function page<T>(items: T[], args: Json, otherwise: number): { items: T[]; next: Json } {
  const start = numberOf(
    args.cursor === undefined ? undefined : Buffer.from(textOf(args.cursor), 'base64').toString(),
    0,
  );
  const limit = Math.max(1, Math.min(999, numberOf(args.limit, otherwise)));
  const more = start + limit < items.length;
  const cursor = more ? Buffer.from(String(start + limit)).toString('base64') : '';
  return {
    items: items.slice(start, start + limit),
    next: { has_more: more, response_metadata: { next_cursor: cursor } },
  };
}

function readable(core: Core, args: Json): Channel {
  const channel = core.world.visible(textOf(args.channel));
  if (!channel.hasBot) throw unlucky('not_in_channel');
  return channel;
}

function between(args: Json): (message: Message) => boolean {
  const oldest = numberOf(args.oldest, 0);
  const latest = numberOf(args.latest, Number.POSITIVE_INFINITY);
  const inclusive = flagOf(args.inclusive);
  return ({ ts }) => {
    const at = Number(ts);
    return (at > oldest && at < latest) || (inclusive && (at === oldest || at === latest));
  };
}

function history(core: Core, args: Json): Json {
  const channel = readable(core, args);
  const shown = core.world.messages
    .filter((each) => each.channel === channel.id && !each.deleted && each.ephemeralTo === undefined)
    .filter((each) => each.threadTs === undefined && between(args)(each))
    .reverse();
  const { items, next } = page(shown, args, 100);
  return { messages: items.map((each) => messageJson(core, each, flagOf(args.include_all_metadata))), ...next };
}

function replies(core: Core, args: Json): Json {
  const channel = readable(core, args);
  const ts = textOf(args.ts);
  const parent = core.world.find(channel.id, ts);
  if (parent === undefined || parent.deleted) throw unlucky('thread_not_found');
  const thread = core.world.messages.filter(
    (each) => each.channel === channel.id && (each.ts === ts || each.threadTs === ts) && !each.deleted,
  );
  const shown = thread.filter((each) => each.ephemeralTo === undefined && (each.ts === ts || between(args)(each)));
  const { items, next } = page(shown, args, 1000);
  return { messages: items.map((each) => messageJson(core, each, flagOf(args.include_all_metadata))), ...next };
}

function openConversation(core: Core, args: Json): Json {
  const known = textOf(args.channel);
  const users = textOf(args.users)
    .split(',')
    .filter((each) => each !== '');
  if (known === '' && users.length === 0) throw wrong('users_list_not_supplied');
  const channel = known === '' ? core.world.direct(...users) : core.world.visible(known);
  return { channel: flagOf(args.return_im) ? channelJson(core, channel) : { id: channel.id } };
}

function listConversations(core: Core, args: Json): Json {
  const types = (textOf(args.types) || 'public_channel').split(',');
  const kindOf = ({ kind, private: hidden }: Channel) =>
    kind === 'channel' ? (hidden ? 'private_channel' : 'public_channel') : kind;
  const shown = [...core.world.channels.values()].filter(
    (each) =>
      !each.gone &&
      types.includes(kindOf(each)) &&
      (!each.private || each.hasBot) &&
      !(each.archived && flagOf(args.exclude_archived)),
  );
  const { items, next } = page(shown, args, 100);
  return { channels: items.map((each) => channelJson(core, each)), response_metadata: next.response_metadata };
}

function members(core: Core, args: Json): Json {
  const channel = core.world.visible(textOf(args.channel));
  const { items, next } = page(
    [...channel.members, ...(channel.kind === 'channel' && channel.hasBot ? [BOT_USER] : [])],
    args,
    100,
  );
  return { members: items, response_metadata: next.response_metadata };
}

function join(core: Core, args: Json): Json {
  const channel = core.world.visible(textOf(args.channel));
  if (channel.archived) throw unlucky('is_archived');
  if (channel.kind !== 'channel') throw unlucky('method_not_supported_for_channel_type');
  channel.hasBot = true;
  return { channel: channelJson(core, channel) };
}

function viewArgument(args: Json): Json {
  const view = typeof args.view === 'string' ? parsed(args.view) : args.view;
  if (!isObject(view)) throw wrong('invalid_arguments', ['must provide an object [json-pointer:/view]']);
  return view;
}

function hashOf(args: Json): string | undefined {
  return textOf(args.hash) === '' ? undefined : textOf(args.hash);
}

function shown(core: Core, view: ReturnType<Core['views']['open']>): Json {
  return { view: viewJson(view, core.team, APP_ID, BOT_ID) };
}

function uploadTarget(core: Core, args: Json): Json {
  const name = textOf(args.filename);
  const length = numberOf(args.length, 0);
  if (name === '' || length <= 0) throw wrong('invalid_arguments', ['filename and length are required']);
  const id = `F${randomBytes(5).toString('hex').toUpperCase()}`;
  const file: StoredFile = {
    id,
    name,
    title: name,
    declaredLength: length,
    bytes: undefined,
    shares: [],
    completed: false,
    deleted: false,
  };
  core.world.files.set(id, file);
  return { upload_url: `${core.origin}/upload/${id}`, file_id: id };
}

function completeUpload(core: Core, args: Json): Json {
  const asked = typeof args.files === 'string' ? parsed(args.files) : args.files;
  const files = objectsOf(asked).map(({ id, title }) => {
    const file = core.world.files.get(textOf(id));
    if (file?.bytes === undefined || file.completed || file.deleted) throw wrong('file_not_found');
    if (textOf(title) !== '') file.title = textOf(title);
    return file;
  });
  if (files.length === 0) throw wrong('invalid_arguments', ['no less than 1 items required [json-pointer:/files]']);
  const target = textOf(args.channel_id);
  if (target !== '') {
    // A user id is no channel here: unlike chat.postMessage, this method takes conversations only.
    const channel = core.world.postable(core.world.users.has(target) ? '' : target);
    const content = contentOf({ text: args.initial_comment, blocks: args.blocks });
    core.world.checkContent('files.completeUploadExternal', content, POST_TEXT_MAX, true);
    const threadTs = threadOf(core, channel.id, args);
    const ids = files.map(({ id }) => id);
    const message = core.world.post(channel.id, { ...content, author: BOT_USER, byApp: true, threadTs, files: ids });
    for (const file of files) file.shares.push({ channel: channel.id, ts: message.ts });
  }
  for (const file of files) Object.assign(file, { completed: true, completedAt: core.clock.now() });
  return { files: files.map(({ id, title, name }) => ({ id, title, name })) };
}

function existingFile(core: Core, args: Json): StoredFile {
  const file = core.world.files.get(textOf(args.file));
  if (file === undefined || !file.completed) throw unlucky('file_not_found');
  if (file.deleted) throw unlucky('file_deleted');
  return file;
}

function fileInfo(core: Core, args: Json): Json {
  const file = existingFile(core, args);
  const shares: Record<string, Record<string, Json[]>> = {};
  for (const { channel, ts } of file.shares) {
    const side = core.world.channels.get(channel)?.private === true ? 'private' : 'public';
    shares[side] = { ...shares[side], [channel]: [...(shares[side]?.[channel] ?? []), { ts }] };
  }
  const { id, name, title, declaredLength: size } = file;
  return {
    file: { id, name, title, size, user: file.owner ?? BOT_USER, url_private: `${core.origin}/files/${id}`, shares },
  };
}

function deleteFile(core: Core, args: Json): Json {
  const file = existingFile(core, args);
  if (file.owner !== undefined && file.owner !== BOT_USER) throw unlucky('cant_delete_file');
  file.deleted = true;
  file.bytes = undefined;
  for (const message of core.world.messages.filter((each) => each.files.includes(file.id))) {
    const left = message.files.some((id) => core.world.files.get(id)?.deleted === false);
    if (!left && message.text === '' && message.blocks.length === 0) core.world.remove(message);
  }
  return {};
}

function registered(core: Core): Registration {
  if (core.registration === undefined) throw wrong('unknown_method');
  return core.registration;
}

/** Every method this Slack answers, except those of Socket Mode. */
export const HANDLERS: Record<string, Handler> = {
  ...CHAT_METHODS,
  'auth.test': (core) => ({
    url: `${core.origin}/`,
    team: core.options.name ?? 'Loopback',
    user: core.world.user(BOT_USER).name,
    team_id: core.team,
    user_id: BOT_USER,
    bot_id: BOT_ID,
    is_enterprise_install: false,
  }),
  'api.test': () => ({}),
  'oauth.v2.access': (core, args) => registered(core).access(args),
  'apps.uninstall': (core, args) => {
    registered(core).uninstall(core, args);
    return {};
  },
  'team.info': (core) => ({ team: { id: core.team, name: 'Loopback', domain: 'loopback' } }),
  'apps.connections.open': (core) => {
    const ticket = randomBytes(16).toString('hex');
    core.tickets.add(ticket);
    return { url: `${core.origin.replace('http', 'ws')}/link/?ticket=${ticket}&app_id=${APP_ID}` };
  },
  'conversations.open': openConversation,
  'conversations.info': (core, args) => ({ channel: channelJson(core, core.world.visible(textOf(args.channel))) }),
  'conversations.list': listConversations,
  'conversations.members': members,
  'conversations.history': history,
  'conversations.replies': replies,
  'conversations.join': join,
  'users.info': (core, args) => ({ user: userJson(core, core.world.user(textOf(args.user))) }),
  'users.list': (core, args) => {
    const { items, next } = page([...core.world.users.values()], args, 200);
    return { members: items.map((each) => userJson(core, each)), response_metadata: next.response_metadata };
  },
  'views.open': (core, args) => {
    const view = viewArgument(args);
    return shown(core, core.views.open(core.triggers.exchange(textOf(args.trigger_id)), view));
  },
  'views.push': (core, args) => {
    const view = viewArgument(args);
    return shown(core, core.views.push(core.triggers.exchange(textOf(args.trigger_id)), view));
  },
  'views.update': (core, args) => {
    const known = core.views.find(textOf(args.view_id), textOf(args.external_id));
    return shown(core, core.views.update(known, viewArgument(args), hashOf(args)));
  },
  'views.publish': (core, args) => {
    const user = core.world.user(textOf(args.user_id));
    return shown(core, core.views.publish(user.id, viewArgument(args), hashOf(args)));
  },
  'files.getUploadURLExternal': uploadTarget,
  'files.completeUploadExternal': completeUpload,
  'files.info': fileInfo,
  'files.delete': deleteFile,
};
