/**
 * The workspace: people, conversations, messages and files, and the list of rules the app broke. Knows no network.
 *
 * Limits held here: text beyond 40,000 characters is `msg_too_long` (docs.slack.dev/reference/methods/chat.postMessage
 * truncates there; this Slack refuses, so that nothing is cut unseen), and 4,000 for chat.update (its `msg_too_long`).
 */
import { randomBytes } from 'node:crypto';
import { BLOCK_TEXT_PROMISED, BLOCK_TEXT_REFUSED, blockTextLength, checkMessageBlocks, elementsOf } from './blocks.ts';
import { isObject, textOf } from './json.ts';
import { checkMrkdwn, mrkdwnTexts, type Names } from './mrkdwn.ts';
import { Refusal, unlucky, wrong } from './refusal.ts';
import type { Channel, ChannelSpec, Clock, Json, Message, StoredFile, UserSpec, Violation } from './types.ts';

export interface Content {
  text: string;
  blocks: Json[];
  metadata?: Json | undefined;
}

export interface Posting extends Content {
  author: string;
  byApp: boolean;
  threadTs?: string | undefined;
  ephemeralTo?: string | undefined;
  files?: string[];
  via?: string | undefined;
}

export type Change = { kind: 'posted' | 'edited' | 'deleted'; message: Message };

export class World implements Names {
  readonly clock: Clock;
  readonly team: string;
  readonly botUser: string;
  readonly users = new Map<string, UserSpec>();
  readonly channels = new Map<string, Channel>();
  readonly messages: Message[] = [];
  readonly files = new Map<string, StoredFile>();
  /** How long after its upload a file is not taken in a message yet. */
  fileSettleMs = 0;
  readonly violations: Violation[] = [];
  /** Called after each change to a message that several people can see. */
  onChange: (change: Change) => void = () => undefined;
  #lastTs = 0;

  constructor(clock: Clock, team: string, botUser: string, users: UserSpec[], channels: ChannelSpec[]) {
    this.clock = clock;
    this.team = team;
    this.botUser = botUser;
    for (const user of users) this.users.set(user.id, user);
    this.users.set(botUser, { id: botUser, name: 'kqueen', bot: true });
    const everybody = users.map((user) => user.id);
    for (const { id, name, members, archived, private: hidden, hasBot } of channels) {
      this.channels.set(id, {
        id,
        name,
        kind: 'channel',
        members: new Set(members ?? everybody),
        private: hidden ?? false,
        archived: archived ?? false,
        hasBot: hasBot ?? true,
        gone: false,
      });
    }
  }

  violate(kind: string, detail: string): void {
    this.violations.push({ kind, detail, at: this.clock.now() });
  }

  userId(name: string): string | undefined {
    for (const user of this.users.values()) if (user.name === name) return user.id;
    return undefined;
  }

  channelId(name: string): string | undefined {
    for (const channel of this.channels.values()) if (channel.name === name) return channel.id;
    return undefined;
  }

  user(id: string): UserSpec {
    const user = this.users.get(id);
    if (user === undefined) throw unlucky('user_not_found');
    return user;
  }

  /** Seconds with six unique decimals, as Slack names messages. */
  ts(): string {
    this.#lastTs = Math.max(this.clock.now() * 1000, this.#lastTs + 1);
    return `${Math.floor(this.#lastTs / 1_000_000)}.${String(this.#lastTs % 1_000_000).padStart(6, '0')}`;
  }

  /** The direct conversation between the app and these people, opened if need be. */
  direct(...userIds: string[]): Channel {
    for (const id of userIds) this.user(id);
    const kind = userIds.length === 1 ? 'im' : 'mpim';
    const id = `${kind === 'im' ? 'D' : 'G'}${[...userIds].sort().join('')}`;
    const known = this.channels.get(id);
    if (known !== undefined) return known;
    const members = new Set([...userIds, this.botUser]);
    const name = kind === 'im' ? 'directmessage' : `mpdm-${userIds.join('--')}`;
    const channel: Channel = { id, name, kind, members, private: true, archived: false, hasBot: true, gone: false };
    this.channels.set(id, channel);
    return channel;
  }

  /** A conversation the bot can see at all. */
  visible(id: string): Channel {
    const channel = this.channels.get(id);
    if (channel === undefined || channel.gone || (channel.private && !channel.hasBot)) {
      throw unlucky('channel_not_found');
    }
    return channel;
  }

  /** A conversation the bot can post to; a user id stands for the direct message with that person. */
  postable(id: string): Channel {
    const channel = this.users.has(id) && id !== this.botUser ? this.direct(id) : this.visible(id);
    if (!channel.hasBot) throw unlucky('not_in_channel');
    if (channel.archived) throw unlucky('is_archived');
    return channel;
  }

  find(channel: string, ts: string): Message | undefined {
    return this.messages.find((each) => each.channel === channel && each.ts === ts);
  }

  post(channel: string, posting: Posting): Message {
    const { text, metadata } = posting;
    const blocks = withIds(posting.blocks);
    const message: Message = {
      channel,
      ts: this.ts(),
      author: posting.author,
      byApp: posting.byApp,
      text,
      blocks,
      metadata,
      threadTs: posting.threadTs,
      ephemeralTo: posting.ephemeralTo,
      files: posting.files ?? [],
      revisions: [{ text, blocks, at: this.clock.now() }],
      deleted: false,
      via: posting.via,
      reactions: new Map(),
      unfurls: new Map(),
    };
    this.messages.push(message);
    if (message.ephemeralTo === undefined) this.onChange({ kind: 'posted', message });
    return message;
  }

  edit(message: Message, content: Content): void {
    message.text = content.text;
    message.blocks = withIds(content.blocks);
    message.metadata = content.metadata;
    message.revisions.push({ text: message.text, blocks: message.blocks, at: this.clock.now() });
    if (message.ephemeralTo === undefined) this.onChange({ kind: 'edited', message });
  }

  remove(message: Message): void {
    message.deleted = true;
    if (message.ephemeralTo === undefined) this.onChange({ kind: 'deleted', message });
  }

  /** Refuses content that Slack would refuse, and notes what it would take but documents as wrong. */
  checkContent(where: string, { text, blocks }: Content, maxText: number, hasFiles = false): void {
    if (text === '' && blocks.length === 0 && !hasFiles) throw wrong('no_text');
    if (text.length > maxText) throw wrong('msg_too_long');
    const complaints = checkMessageBlocks(blocks);
    if (complaints.length > 0) throw wrong('invalid_blocks', complaints);
    this.#checkFiles(blocks);
    const length = blockTextLength(blocks);
    if (length > BLOCK_TEXT_REFUSED) throw wrong('msg_blocks_too_long');
    if (length > BLOCK_TEXT_PROMISED)
      this.violate('block-text-over-budget', `${where}: ${length} characters in blocks`);
    if (text === '' && blocks.length > 0) this.violate('missing-fallback-text', `${where}: blocks without text`);
    for (const each of mrkdwnTexts(text, blocks)) this.checkText(where, each);
  }

  /**
   * An image block may show an uploaded PNG, JPEG or GIF (docs.slack.dev/reference/block-kit/composition-objects/slack-file-object), some time after
   * the upload has been answered (github.com/slackapi/node-slack-sdk/issues/1865).
   */
  #checkFiles(blocks: Json[]): void {
    for (const [index, block] of blocks.entries()) {
      if (block.type !== 'image' || !isObject(block.slack_file)) continue;
      const file = this.files.get(textOf(block.slack_file.id));
      const complaint = [`invalid slack file [json-pointer:/blocks/${index}/slack_file]`];
      const isImage = /^(?:\x89PNG|\xff\xd8\xff|GIF8)/.test(file?.bytes?.toString('latin1', 0, 4) ?? '');
      if (!file?.completed || file.deleted || !isImage) throw wrong('invalid_blocks', complaint);
      if (this.clock.now() < (file.completedAt ?? 0) + this.fileSettleMs)
        throw new Refusal('invalid_blocks', false, complaint);
    }
  }

  checkText(where: string, text: string): void {
    const complaint = checkMrkdwn(text, (id) => this.users.has(id));
    if (complaint !== undefined) this.violate('bad-mrkdwn', `${where}: ${complaint}`);
  }
}

/** A copy in which every block and every element has an id, as Slack fills them in. */
export function withIds(blocks: Json[]): Json[] {
  const copy = structuredClone(blocks);
  for (const block of copy) {
    block.block_id ??= randomBytes(3).toString('hex');
    for (const element of elementsOf(block)) {
      if (element.type !== 'image') element.action_id ??= randomBytes(3).toString('hex');
    }
  }
  return copy;
}
