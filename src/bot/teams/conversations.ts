/** Where Teams can be written to unasked: the references of conversations, and each person's account and personal chat. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Log } from '../../core/ports/log.ts';
import type { Place } from '../../core/records.ts';
import type { Activity } from './activity.ts';
import { isPersonalChat, joinConversation, placeOf, splitConversation } from './activity.ts';
import type { Reference } from './connector.ts';

/** What is kept of a conversation or person; `reference` is plain JSON for us alone. */
export interface StoredConversation {
  id: string;
  place: Place;
  reference: Record<string, unknown>;
}

export interface ConversationStore {
  saveConversation(stored: StoredConversation): Promise<void>;
  /** What was saved under the id; nothing when there is none. */
  loadConversation(id: string): Promise<Pick<StoredConversation, 'reference'> | null | undefined>;
}

const Stored = z.object({
  serviceUrl: z.string(),
  channelId: z.string(),
  bot: z.object({ id: z.string(), name: z.string().optional() }),
  conversation: z.object({
    id: z.string(),
    conversationType: z.string().optional(),
    tenantId: z.string().optional(),
    isGroup: z.boolean().optional(),
  }),
});
const StoredPerson = z.object({
  /** The account by which Teams mentions them. */
  account: z.string(),
  name: z.string(),
  /** Their personal chat with the bot. */
  personal: z.string().optional(),
});
type KnownPerson = z.infer<typeof StoredPerson>;

/** Keys are hashes: Teams' ids are long and have characters of their own. */
function keyOf(kind: 'conversation' | 'person', id: string): string {
  return `teams.${kind}.${createHash('sha256').update(id).digest('hex').slice(0, 32)}`;
}

const mostKept = 5_000;

export interface Conversations {
  /** Remembers where an activity came from and, when given, from whom. Never throws: a lost reference comes back with the next message. */
  remember(activity: Activity, person: string | null): Promise<void>;
  /** How to address a place, with its thread; null when nothing is known and no default address is set. */
  reference(place: Pick<Place, 'conversation' | 'thread'>): Promise<Reference | null>;
  person(person: string): Promise<KnownPerson | null>;
  /** Notes a personal chat that was opened by us. */
  opened(person: string, conversation: string, serviceUrl: string): Promise<Place>;
  /** The service address that was last seen, else the default. */
  serviceUrl(): string | null;
}

export interface ConversationsOptions extends ConversationStore {
  workspace: string;
  appId: string;
  /** Where Teams listens when no conversation is known yet; null in development. */
  defaultServiceUrl: string | null;
  log: Log;
}

export function openConversations(options: ConversationsOptions): Conversations {
  const { workspace, log } = options;
  const kept = new Map<string, string>();
  let lastServiceUrl = options.defaultServiceUrl;

  const keep = (id: string, written: string) => {
    kept.delete(id);
    kept.set(id, written);
    if (kept.size > mostKept) {
      const [oldest] = kept.keys();
      if (oldest !== undefined) kept.delete(oldest);
    }
  };

  /** Saves what has changed since it was last seen by this process. */
  async function save(id: string, place: Place, reference: Record<string, unknown>): Promise<void> {
    const written = JSON.stringify(reference);
    if (kept.get(id) === written) return;
    try {
      await options.saveConversation({ id, place, reference });
      keep(id, written);
    } catch (error) {
      log.warn({ err: error }, 'a conversation could not be remembered');
    }
  }

  async function load(id: string): Promise<unknown> {
    const known = kept.get(id);
    if (known !== undefined) return JSON.parse(known);
    const stored = await options.loadConversation(id);
    if (stored) keep(id, JSON.stringify(stored.reference));
    return stored?.reference ?? null;
  }

  async function loadPerson(person: string): Promise<KnownPerson | null> {
    return StoredPerson.safeParse(await load(keyOf('person', person))).data ?? null;
  }

  return {
    async remember(activity, person) {
      const { conversation } = splitConversation(activity.conversation.id);
      const { conversationType, tenantId, isGroup } = activity.conversation;
      const { thread: _thread, ...place } = placeOf(activity, workspace);
      const bot = activity.recipient;
      const reference: Reference = {
        serviceUrl: activity.serviceUrl,
        channelId: activity.channelId ?? 'msteams',
        bot: { id: bot?.id ?? `28:${options.appId}`, ...(bot?.name ? { name: bot.name } : {}) },
        conversation: {
          id: conversation,
          ...(conversationType ? { conversationType } : {}),
          ...(tenantId ? { tenantId } : {}),
          ...(isGroup ? { isGroup } : {}),
        },
      };
      lastServiceUrl = activity.serviceUrl;
      await save(keyOf('conversation', conversation), place, { ...reference });
      if (!person) return;
      const before = await loadPerson(person).catch((error: unknown) => {
        log.warn({ err: error }, 'a person could not be looked up');
        return null;
      });
      const personal = isPersonalChat(activity) ? conversation : before?.personal;
      await save(keyOf('person', person), place, {
        account: activity.from.id,
        name: activity.from.name ?? '',
        ...(personal ? { personal } : {}),
      });
    },
    async reference({ conversation, thread }) {
      const known = Stored.safeParse(await load(keyOf('conversation', conversation))).data;
      if (!known && !lastServiceUrl) return null;
      const reference: Reference = known
        ? (known as Reference)
        : {
            serviceUrl: lastServiceUrl ?? '',
            channelId: 'msteams',
            bot: { id: `28:${options.appId}` },
            conversation: { id: conversation, tenantId: workspace },
          };
      return { ...reference, conversation: { ...reference.conversation, id: joinConversation(conversation, thread) } };
    },
    person: loadPerson,
    async opened(person, conversation, serviceUrl) {
      const place: Place = { chat: 'teams', workspace, conversation };
      await save(keyOf('conversation', conversation), place, {
        serviceUrl,
        channelId: 'msteams',
        bot: { id: `28:${options.appId}` },
        conversation: { id: conversation, conversationType: 'personal', tenantId: workspace },
      });
      const before = await loadPerson(person);
      await save(keyOf('person', person), place, {
        account: before?.account ?? '',
        name: before?.name ?? '',
        personal: conversation,
      });
      return place;
    },
    serviceUrl: () => lastServiceUrl,
  };
}
