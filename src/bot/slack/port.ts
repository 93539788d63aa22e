/** The Slack workspace as the notifier uses it. */
import type { Card } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import { type Attachment, type ChatLimits, type ChatPort, type MessageRef, PlaceGone } from '../../core/ports/chat.ts';
import type { Place } from '../../core/records.ts';
import type { Answer, SlackApi } from './api.ts';
import { withPictures } from './pictures.ts';
import { renderCard, renderLine } from './render.ts';
import { escapeWithin, oneLine } from './text.ts';

/** What auth.test says of our token. */
export interface Identity {
  team: string;
  botUser: string;
}

export interface SlackPort extends ChatPort {
  /** Who we are; asks Slack until it has answered once. */
  identity(): Promise<Identity>;
  /** The same if it is known already. */
  known(): Identity | null;
  /** Whether a conversation is our direct one with this person; false when Slack does not say. */
  isDirect(user: string, conversation: string): Promise<boolean>;
}

/** A message that carries a file is remembered by the file: deleting that takes the content away. */
const filePrefix = 'file:';
const metadataType = 'kqueen_message';
const historyDepth = 50;
const replyPages = 5;

/** `slack:T1:U1` → `U1`. */
function userOf(person: string): string {
  return person.split(':')[2] ?? person;
}

/**
 * docs.slack.dev/apis/web-api/rate-limits: chat.update is Tier 3 (50 a minute and workspace), of which some is left for answers to clicks;
 * one post a second in a channel, and "several hundred" a minute in a workspace.
 */
const limits: ChatLimits = {
  editEveryMs: 3_000,
  editsPerMinute: 40,
  postsPerMinute: 200,
  conversation: { allowances: [{ most: 1, ms: 1_000 }], editsCount: false },
};

/** The port; `linked` tells whether Slack can reach us, where that takes a connection of ours; `known` is who we are, where that is known. */
export function createPort(
  api: SlackApi,
  linked: () => boolean = () => true,
  known: Identity | null = null,
): SlackPort {
  let identity = known;
  const directs = new Map<string, string>();

  async function who(): Promise<Identity> {
    identity ??= await introduced();
    return identity;
  }

  async function introduced(): Promise<Identity> {
    const answer = await asOperator(api.call('auth.test', {}));
    return { team: String(answer.team_id), botUser: String(answer.user_id) };
  }

  async function openDirect(user: string, quick = false): Promise<string> {
    const cached = directs.get(user);
    if (cached !== undefined) return cached;
    const { channel } = await api.call('conversations.open', { users: user }, quick);
    const id = typeof channel === 'object' && channel !== null && 'id' in channel ? String(channel.id) : '';
    if (id === '') throw new PlaceGone('Slack opened no direct conversation.');
    if (directs.size >= 10_000) directs.clear();
    directs.set(user, id);
    return id;
  }

  return {
    platform: 'slack',
    get workspace() {
      return identity?.team ?? '';
    },
    limits,
    identity: who,
    known: () => identity,

    async post(place, card, key) {
      const metadata = { event_type: metadataType, event_payload: { key } };
      const answer = await withPictures(api, card, (message) =>
        api.call('chat.postMessage', {
          channel: place.conversation,
          ...inThread(place),
          ...message,
          metadata,
          unfurl_links: false,
          unfurl_media: false,
        }),
      );
      return reference(place, answer);
    },

    async edit(_place: Place, message: MessageRef, card: Card) {
      await api.call('chat.update', { channel: message.conversation, ts: message.id, ...renderCard(card) });
    },

    async reply(place, message, said, key) {
      const answer = await api.call('chat.postMessage', {
        channel: message.conversation,
        thread_ts: message.thread ?? message.id,
        ...(typeof said === 'string' ? renderLine(said) : renderCard(said)),
        metadata: { event_type: metadataType, event_payload: { key } },
        unfurl_links: false,
        unfurl_media: false,
      });
      return { ...reference(place, answer), thread: message.thread ?? message.id };
    },

    async find(place, key) {
      try {
        const ts =
          place.thread === undefined
            ? await inHistory(api, place, key)
            : await inReplies(api, place, place.thread, key);
        return ts === null
          ? null
          : {
              conversation: place.conversation,
              id: ts,
              ...(place.thread === undefined ? {} : { thread: place.thread }),
            };
      } catch (error) {
        if (error instanceof Fault && error.kind === 'not-allowed') return null;
        throw error;
      }
    },

    async direct(person) {
      const { team } = await who();
      return { chat: 'slack', workspace: team, conversation: await openDirect(userOf(person)) };
    },

    async isDirect(user, conversation) {
      if (!conversation.startsWith('D')) return false;
      try {
        return (await openDirect(user, true)) === conversation;
      } catch (error) {
        if (error instanceof Fault || error instanceof PlaceGone) return false;
        throw error;
      }
    },

    async ping(place, message, person, text) {
      const thread = message === null ? place.thread : (message.thread ?? message.id);
      await api.call('chat.postMessage', {
        channel: message?.conversation ?? place.conversation,
        ...(thread === undefined ? {} : { thread_ts: thread }),
        text: `<@${userOf(person).replace(/\W/g, '')}> ${escapeWithin(oneLine(text), 2_000)}`,
        unfurl_links: false,
        unfurl_media: false,
      });
    },

    async attach(place: Place, file: Attachment) {
      const id = await api.upload(place.conversation, place.thread, {
        ...file,
        text: escapeWithin(oneLine(file.text), 2_000),
      });
      return {
        conversation: place.conversation,
        id: `${filePrefix}${id}`,
        ...(place.thread === undefined ? {} : { thread: place.thread }),
      };
    },

    async remove(_place, message) {
      if (message.id.startsWith(filePrefix))
        await api.call('files.delete', { file: message.id.slice(filePrefix.length) });
      else await api.call('chat.delete', { channel: message.conversation, ts: message.id });
    },

    async ready() {
      identity = await introduced();

      if (!linked()) throw new Fault('unreachable', 'There is no Socket Mode connection to Slack.');
    },
  };
}

/** For auth.test, `account_inactive` speaks of our own token, not of a place. */
async function asOperator(call: Promise<Answer>): Promise<Answer> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof PlaceGone)) throw error;
    throw new Fault('not-allowed', 'Slack does not accept our credentials.', {
      detail: error.message,
      whose: 'kqueen',
    });
  }
}

function inThread(place: Place): { thread_ts?: string } {
  return place.thread === undefined ? {} : { thread_ts: place.thread };
}

function reference(place: Place, answer: Answer): MessageRef {
  const conversation = typeof answer.channel === 'string' ? answer.channel : place.conversation;
  return { conversation, id: String(answer.ts), ...(place.thread === undefined ? {} : { thread: place.thread }) };
}

interface Listed {
  ts?: string;
  metadata?: { event_type?: string; event_payload?: { key?: unknown } };
}

function withKey(messages: unknown, key: string): string | null {
  const list: Listed[] = Array.isArray(messages) ? messages : [];
  const found = list.find(
    ({ metadata }) => metadata?.event_type === metadataType && metadata.event_payload?.key === key,
  );
  return found?.ts ?? null;
}

async function inHistory(api: SlackApi, place: Place, key: string): Promise<string | null> {
  const args = { channel: place.conversation, limit: historyDepth, include_all_metadata: true };
  const { messages } = await api.call('conversations.history', args);
  return withKey(messages, key);
}

/** conversations.replies lists the oldest first, so the end of a long thread is some pages away. */
async function inReplies(api: SlackApi, place: Place, thread: string, key: string): Promise<string | null> {
  let cursor: string | undefined;
  for (let page = 0; page < replyPages; page += 1) {
    const args = { channel: place.conversation, ts: thread, limit: 200, include_all_metadata: true };
    const answer = await api.call('conversations.replies', cursor === undefined ? args : { ...args, cursor });
    const found = withKey(answer.messages, key);
    if (found !== null) return found;
    const next = answer.response_metadata;
    cursor = typeof next === 'object' && next !== null && 'next_cursor' in next ? String(next.next_cursor) : '';
    if (cursor === '') return null;
  }
  return null;
}
