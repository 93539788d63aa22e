/** Teams as the notifier writes to it: proactive messages through stored references, under Microsoft's limits. */
import type { Card } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import type { ChatPort, MessageRef } from '../../core/ports/chat.ts';
import { PlaceGone } from '../../core/ports/chat.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Place } from '../../core/records.ts';
import type { Connector, Draft, Reference } from './connector.ts';
import type { Conversations } from './conversations.ts';
import { type Publish, renderWithPictures } from './pictures.ts';
import { liveAllowances, type Rates } from './rates.ts';
import type { AdaptiveCard } from './render.ts';
import { plainText, renderCard } from './render.ts';
import { clean, clip, oneLine } from './text.ts';

/** Told of every call to Teams: its name, how it ended (`ok`, `gone` or a Fault's kind) and how long it took. */
export type OnCall = (call: string, outcome: string, ms: number) => void;

export interface PosterOptions {
  workspace: string;
  connector: Connector;
  conversations: Conversations;
  rates: Rates;
  clock: Clock;
  onCall: OnCall;
}

/** Longest wait for a slot under the limits: what is posted for a waiting person, and what the notifier will try again. */
export const patienceMs = { answer: 8_000, notifier: 2_000 } as const;

/** The calls that answers and notifications share. Throws Faults and PlaceGone. */
export interface Poster {
  post(place: Place, draft: Draft, patience: number): Promise<MessageRef>;
  edit(message: MessageRef, draft: Draft, patience: number): Promise<void>;
  remove(message: MessageRef): Promise<void>;
  /** The personal chat with a person, opened when there is none yet. */
  direct(person: string): Promise<Place>;
}

/** An Adaptive Card as a message; `summary` is what notifications show. */
export function cardDraft(card: AdaptiveCard, summary: string): Draft {
  return {
    type: 'message',
    summary,
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content: card }],
  };
}

export function openPoster(options: PosterOptions): Poster {
  const { connector, conversations, rates, clock, onCall, workspace } = options;

  async function called<T>(call: string, conversation: string, run: () => Promise<T>): Promise<T> {
    const started = clock.now();
    try {
      const value = await run();
      onCall(call, 'ok', clock.now() - started);
      return value;
    } catch (error) {
      const outcome = error instanceof PlaceGone ? 'gone' : error instanceof Fault ? error.kind : 'internal';
      onCall(call, outcome, clock.now() - started);
      if (error instanceof Fault && error.kind === 'rate-limited')
        rates.close(conversation, error.retryAfterMs ?? 5_000);
      throw error;
    }
  }

  async function referenceOf(place: Pick<Place, 'conversation' | 'thread'>): Promise<Reference> {
    const reference = await conversations.reference(place);
    if (!reference)
      throw new PlaceGone('KQueen has not been spoken to in this conversation and does not know its address.');
    return reference;
  }

  return {
    async post(place, draft, patience) {
      const { conversation, thread } = place;
      const reference = await referenceOf(place);
      await rates.enter(conversation, patience);
      const id = await called('post', conversation, () => connector.send(reference, draft));
      return { conversation, id, ...(thread ? { thread } : {}) };
    },
    async edit(message, draft, patience) {
      const reference = await referenceOf(message);
      await rates.enter(message.conversation, patience);
      await called('edit', message.conversation, () => connector.update(reference, message.id, draft));
    },
    async remove(message) {
      const reference = await referenceOf(message);
      await rates.enter(message.conversation, patienceMs.notifier);
      await called('remove', message.conversation, () => connector.remove(reference, message.id));
    },
    async direct(person) {
      const [chat, tenant, objectId] = person.split(':');
      if (chat !== 'teams' || tenant !== workspace || !objectId) {
        throw new Fault('not-found', `${person} is nobody in this Microsoft tenant.`);
      }
      const known = await conversations.person(person);
      if (known?.personal) return { chat: 'teams', workspace, conversation: known.personal };
      const serviceUrl = conversations.serviceUrl();
      if (!serviceUrl) throw new PlaceGone('No conversation with Teams is known yet.');
      await rates.enter(`new ${workspace}`, patienceMs.notifier);
      const conversation = await called('open', `new ${workspace}`, () =>
        connector.createPersonal(serviceUrl, known?.account || objectId, tenant),
      );
      if (!conversation) throw new PlaceGone('Teams opened no conversation with this person.');
      return conversations.opened(person, conversation, serviceUrl);
    },
  };
}

/** Markdown, HTML and mentions in a line of text are shown as they were written. */
function escaped(text: string): string {
  return clean(text)
    .replace(/[&<>]/g, (found) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[found] ?? found)
    .replace(/([\\`*_[\]#~|])/g, '\\$1');
}

export interface PortOptions {
  workspace: string;
  poster: Poster;
  conversations: Conversations;
  connector: Connector;
  publish?: Publish;
}

export function openPort({ workspace, poster, conversations, connector, publish }: PortOptions): ChatPort {
  const draftOf = (card: Card) => cardDraft(renderCard(card), plainText(card));

  /** Only channels have threads: in a personal or a group chat whatever is written is a message of its own. */
  async function threadOf(place: Place, message: MessageRef | null): Promise<string | undefined> {
    const known = message?.thread ?? place.thread;
    if (known !== undefined || message === null) return known;
    const isChannel = (await conversations.reference(place))?.conversation.conversationType === 'channel';
    return isChannel ? message.id : undefined;
  }

  return {
    platform: 'teams',
    workspace,
    // 50 a second for an app in a tenant, of which we take two fifths.
    limits: {
      editEveryMs: 2_000,
      editsPerMinute: 600,
      postsPerMinute: 600,
      conversation: { allowances: liveAllowances, editsCount: true },
    },
    async post(place, card) {
      const draft = cardDraft(await renderWithPictures(card, publish), plainText(card));
      return await poster.post(place, draft, patienceMs.notifier);
    },
    async edit(place, message, card) {
      requireOwn(place, workspace);
      await poster.edit(message, draftOf(card), patienceMs.notifier);
    },
    async reply(place, message, said) {
      requireOwn(place, workspace);
      const thread = await threadOf(place, message);
      if (thread === undefined) return null;
      const draft =
        typeof said === 'string'
          ? { type: 'message' as const, text: escaped(said), summary: clip(said, 200) }
          : draftOf(said);
      return await poster.post({ ...place, thread }, draft, patienceMs.notifier);
    },
    // Teams keeps nothing of ours with a message that could be searched for.
    find: async () => null,
    direct: (person) => poster.direct(person),
    async ping(place, message, person, text) {
      requireOwn(place, workspace);
      const known = await conversations.person(person);
      const inPersonal = known?.personal === place.conversation;
      const thread = await threadOf(place, message);
      const target: Place = { ...place, ...(thread ? { thread } : {}) };
      const line = clip(oneLine(text), 1_000);
      if (inPersonal || !known?.account) {
        const named = inPersonal || !known?.name ? '' : `${escaped(known.name)}: `;
        await poster.post(
          target,
          { type: 'message', text: `${named}${escaped(line)}`, summary: line },
          patienceMs.notifier,
        );
        return;
      }
      const mention = `<at>${escaped(oneLine(known.name) || 'you')}</at>`;
      await poster.post(
        target,
        {
          type: 'message',
          text: `${mention} ${escaped(line)}`,
          summary: line,
          entities: [{ type: 'mention', text: mention, mentioned: { id: known.account, name: known.name } }],
        },
        patienceMs.notifier,
      );
    },
    async attach() {
      throw new Fault(
        'unsupported',
        'Teams takes no files from a bot without asking the person for a place to put them.',
        {
          next: 'Set KQUEEN_PUBLIC_URL, so that KQueen can hand out one-time links.',
          whose: 'kqueen',
        },
      );
    },
    async remove(place, message) {
      requireOwn(place, workspace);
      await poster.remove(message);
    },
    ready: () => connector.ready(),
  };
}

function requireOwn(place: Place, workspace: string): void {
  if (place.chat === 'teams' && place.workspace === workspace) return;
  throw new Fault('internal', 'This message is not in the Teams tenant that is served here.');
}
