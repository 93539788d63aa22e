/** Teams as the story's chat: signed activities over HTTP, cards clicked and forms filled in as a client does. */
import { execute, type Seat, say } from '../counterparts/teams/person.ts';
import type { TeamsService } from '../counterparts/teams/service.ts';
import { eventually } from '../servers.ts';
import type { StoryChat, Who } from './story.ts';

type Node = Record<string, unknown>;

/** Everything in a card, in order. */
function nodes(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(nodes);
  if (!value || typeof value !== 'object') return [];
  return [value as Node, ...Object.values(value).flatMap(nodes)];
}

/** The words of a card as a person reads them. */
function wordsOf(card: unknown): string {
  return nodes(card)
    .flatMap(({ type, text, title, value, label }) =>
      type === 'Input.Text' ? [label] : [text, title, typeof value === 'string' && title ? value : undefined, label],
    )
    .filter((each): each is string => typeof each === 'string')
    .join('\n');
}

interface Shown {
  id: string;
  card: unknown;
}

/** Plays in the personal chats of two people. `seats` say where each sits. */
export function teamsChat(service: TeamsService, seats: Record<Who, Seat>): StoryChat {
  /** Cards that an answer to a click has put in a message's place, until the bot edits it. */
  const replaced = new Map<string, { card: unknown; edits: number }>();
  const screen = (who: Who): Shown[] =>
    service.messages
      .filter((message) => message.conversation === seats[who].conversation.id && !message.removed)
      .map((message) => {
        const instead = replaced.get(message.id);
        const attachments = message.activity.attachments as { content?: unknown }[] | undefined;
        const own = attachments?.map(({ content }) => content) ?? [{ text: message.activity.text }];
        return { id: message.id, card: instead && instead.edits === message.edits ? instead.card : own };
      })
      .reverse();
  const find = (who: Who, pattern: RegExp) => screen(who).find(({ card }) => pattern.test(wordsOf(card)));
  const send = async (who: Who, shown: Shown, data: unknown): Promise<unknown> => {
    const edits = service.messages.find(({ id }) => id === shown.id)?.edits ?? 0;
    const { status, body } = await execute(seats[who], shown.id, data);
    if (status !== 200) throw new Error(`A click was answered with ${status}.`);
    const answer = body as { type?: string; value?: unknown } | undefined;
    if (answer?.type === 'application/vnd.microsoft.card.adaptive')
      replaced.set(shown.id, { card: answer.value, edits });
    return answer?.value;
  };

  return {
    async say(who, text) {
      const { status } = await say(seats[who], text);
      if (status >= 300) throw new Error(`${text}: ${status}`);
    },
    async click(who, label, on) {
      const shown = await eventually(`a message like ${on}`, () => find(who, on));
      const action = nodes(shown.card).find(({ type, title }) => type === 'Action.Execute' && title === label);
      if (!action) throw new Error(`There is no button ${label}.`);
      await send(who, shown, action.data);
    },
    async submit(who, values) {
      const isForm = ({ card }: Shown) => nodes(card).some(({ type }) => String(type).startsWith('Input.'));
      const shown = await eventually('a form', () => screen(who).find(isForm));
      const inputs = nodes(shown.card).filter(({ type }) => String(type).startsWith('Input.'));
      const filled = Object.fromEntries(inputs.map(({ id, value }) => [String(id), value ?? '']));
      for (const [label, value] of Object.entries(values)) {
        const input = inputs.find((each) => String(each.label).startsWith(label));
        if (!input) throw new Error(`There is no field ${label}.`);
        filled[String(input.id)] = value;
      }
      const action = nodes(shown.card).find(
        ({ type, data }) => type === 'Action.Execute' && (data as Node | undefined)?.kqueen === 'form',
      );
      const answer = await send(who, shown, { ...(action?.data as Node), ...filled });
      const words = wordsOf(answer);
      return /needs? your attention/.test(words) ? words : '';
    },
    async sees(who, pattern, ms = 10_000) {
      const shown = await eventually(`${who} sees ${pattern}`, () => find(who, pattern), { timeoutMs: ms });
      return wordsOf(shown.card);
    },
    count: (who, pattern) => screen(who).filter(({ card }) => pattern.test(wordsOf(card))).length,
    async credential(who) {
      const link = await eventually('a link', () =>
        screen(who)
          .flatMap(({ card }) => nodes(card))
          .find(({ type, url }) => type === 'Action.OpenUrl' && String(url).includes('/d/')),
      );
      return takeCredential(String(link.url));
    },
    everything: () => JSON.stringify([service.messages, [...replaced.values()]]),
  };
}

/** Opens a one-time link as a link preview and a person would: looking burns nothing, taking works once. */
async function takeCredential(url: string): Promise<string> {
  await fetch(url);
  const page = await fetch(url);
  if (page.status !== 200) throw new Error(`The link answers ${page.status}.`);
  const taken = await fetch(url, { method: 'POST' });
  const again = await fetch(url, { method: 'POST' });
  if (again.status !== 410) throw new Error(`The link works twice: ${again.status}.`);
  return taken.text();
}
