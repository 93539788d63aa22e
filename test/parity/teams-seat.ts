/** Teams for the parity run: signed activities over Bot Framework's HTTP, cards pressed as a client does. */
import { execute, type Seat as Place, say } from '../counterparts/teams/person.ts';
import type { TeamsService } from '../counterparts/teams/service.ts';
import { eventually } from '../servers.ts';
import { awaited, liveTitle, type Offered, passing, type Seat, type Seen, settled } from './seat.ts';

type Node = Record<string, unknown>;

function nodes(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(nodes);
  if (!value || typeof value !== 'object') return [];
  return [value as Node, ...Object.entries(value).flatMap(([key, each]) => (key === 'fallback' ? [] : nodes(each)))];
}

function wordsOf(card: unknown): string {
  return nodes(card)
    .flatMap(({ text, title, label }) => [text, title, label])
    .filter((each): each is string => typeof each === 'string')
    .join('\n');
}

/** Opens the seat of a person in their personal chat. `answered` counts the commands that KQueen has answered so far. */
export function teamsSeat(place: Place, answered: () => Promise<number>): Seat {
  const service: TeamsService = place.service;
  const screen = () =>
    service.messages.filter(({ conversation, removed }) => conversation === place.conversation.id && !removed);
  const cardOf = (message: ReturnType<typeof screen>[number]) =>
    (message.activity.attachments as { content?: unknown }[] | undefined)?.[0]?.content ?? message.activity;
  const changes = () => screen().reduce((sum, { edits }) => sum + 1 + edits, 0);

  function seen(id: string, card: unknown): Seen {
    const all = nodes(card);
    const isForm = all.some(({ data }) => (data as Node | undefined)?.kqueen === 'form');
    const texts = all.flatMap(({ text }) => (typeof text === 'string' ? [text] : []));
    return {
      kind: isForm ? 'form' : 'card',
      title: (texts.find((text) => /[\p{L}\d]/u.test(text)) ?? '').trim(),
      words: wordsOf(card),
      buttons: isForm ? [] : offered(id, (card as Node).body, (card as Node).actions),
    };
  }

  function offered(id: string, ...places: unknown[]): Offered[] {
    return places
      .flatMap((each) => nodesOnTop(each))
      .flatMap((action) => {
        const { type, title, data, card } = action;
        const label = String(title);
        // A link inside a text is no button.
        if (type === 'Action.OpenUrl') return title === undefined ? [] : [{ label }];
        if (type === 'Action.Execute') return [{ label, press: () => press(id, data) }];
        if (type !== 'Action.ShowCard') return [];
        const inner = nodes(card).find((node) => node.type === 'Action.Execute');
        return [{ label, press: () => press(id, inner?.data) }];
      });
  }

  /** Actions, without those inside a card that another action opens. */
  function nodesOnTop(value: unknown): Node[] {
    if (Array.isArray(value)) return value.flatMap(nodesOnTop);
    if (!value || typeof value !== 'object') return [];
    const node = value as Node;
    if (String(node.type).startsWith('Action.')) return [node];
    return Object.values(node).flatMap(nodesOnTop);
  }

  async function press(id: string, data: unknown): Promise<Seen> {
    return after(async () => {
      const { status, body } = await execute(place, id, data);
      if (status !== 200) throw new Error(`a click was answered with ${status}`);
      const answer = body as { type?: string; value?: unknown } | undefined;
      return answer?.type === 'application/vnd.microsoft.card.adaptive' ? answer.value : undefined;
    }, id);
  }

  async function after(act: () => Promise<unknown>, on?: string): Promise<Seen> {
    const before = new Map(screen().map(({ id, edits }) => [id, edits]));
    const answers = await answered();
    const instead = await act();
    if (on !== undefined && instead !== undefined && !passing.test(wordsOf(instead))) return seen(on, instead);
    const fresh = () =>
      screen().filter((each) => before.get(each.id) !== each.edits && !passing.test(wordsOf(cardOf(each))));
    // What was there before and was edited is the notifier's, and so is what tells how a job goes.
    const isNew = ({ id }: { id: string }) => !before.has(id);
    const isLive = (each: ReturnType<typeof screen>[number]) => liveTitle.test(seen(each.id, cardOf(each)).title);
    await awaited(
      { answered, answers },
      () => fresh().find((each) => isNew(each) && !isLive(each)),
      () => fresh()[0],
    );
    await settled(changes, 150);
    const message = fresh().find((each) => isNew(each) && !isLive(each)) ?? fresh().find(isNew) ?? fresh()[0];
    if (!message) throw new Error('an answer that went away');
    return seen(message.id, cardOf(message));
  }

  return {
    say: (line) =>
      after(async () => {
        const { status } = await say(place, line);
        if (status >= 300) throw new Error(`${line} was answered with ${status}`);
      }),
    async find(pattern) {
      const message = await eventually(String(pattern), () =>
        screen().findLast((each) => each.activity.attachments !== undefined && pattern.test(wordsOf(cardOf(each)))),
      );
      return seen(message.id, cardOf(message));
    },
    quiet: () => settled(changes),
  };
}
