/** Slack for the parity run: signed HTTP to unmodified Bolt. */
import { elementsOf } from '../counterparts/slack/blocks.ts';
import type { Json, Message, Slack } from '../counterparts/slack/index.ts';
import { words } from '../counterparts/slack/index.ts';
import { objectOf, textOf } from '../counterparts/slack/json.ts';
import { passing, type Seat, type Seen, settled } from './seat.ts';

/** How long it is waited for something better, by rank, in milliseconds. */
const patience = [0, 7_000, 10_000, 10_000];
/** How long an answer may take to be on the screen once KQueen has it, in milliseconds. */
const onItsWayMs = 1_000;

/** Opens the seat of a person, who types in one channel. `answered` counts the commands that KQueen has answered so far. */
export function slackSeat(slack: Slack, id: string, answered: () => Promise<number>, channel = 'C1'): Seat {
  const person = slack.user(id);
  const screen = (): Message[] =>
    [...slack.everything(channel), ...slack.everything(person.dm)].filter(
      (each) => each.byApp && !each.deleted && (each.ephemeralTo === undefined || each.ephemeralTo === id),
    );
  const changes = () => screen().reduce((sum, { revisions }) => sum + revisions.length, 0);

  function seen(message: Message): Seen {
    const revision = message.revisions.length - 1;
    const header = message.blocks.find(({ type }) => type === 'header');
    return {
      kind: 'card',
      title: textOf(objectOf(header?.text).text).replace(/^(?:✅|⏳|⚠️|❌) [\w ]+ · /u, ''),
      words: words(message),
      buttons: message.blocks.flatMap((block) =>
        elementsOf(block)
          .filter(({ type }) => type === 'button')
          .map((element) => offered(message, revision, block, element)),
      ),
    };
  }

  function offered(message: Message, revision: number, block: Json, element: Json): Seen['buttons'][number] {
    const label = textOf(objectOf(element.text).text);
    if (element.url !== undefined) return { label };
    const wanted = { blockId: textOf(block.block_id), actionId: textOf(element.action_id), revision };
    return {
      label,
      press: () =>
        after(async () => {
          const { status } = await person.click(message, wanted);
          // 0: no answer within three seconds, on a machine that is busy; it still comes.
          if (status !== 200 && status !== 0) throw new Error(`${label} was answered with ${status}`);
        }),
    };
  }

  /** An answer goes through the response URL or to one person; what the notifier writes, and files, come beside it. */
  function rank({ via, ephemeralTo, blocks }: Message): number {
    const headed = blocks.some(({ type }) => type === 'header');
    return (headed ? 0 : 2) + (via !== undefined || ephemeralTo !== undefined ? 0 : 1);
  }

  async function after(act: () => Promise<void>): Promise<Seen> {
    const before = new Map(screen().map(({ ts, revisions }) => [ts, revisions.length]));
    const answers = await answered();
    await act();
    const began = performance.now();
    let thought: number | undefined;
    const fresh = () =>
      screen().filter((each) => each.revisions.length !== before.get(each.ts) && !passing.test(words(each)));
    const found = await slack.until(
      async () => {
        const view = person.view;
        if (view !== undefined) return passing.test(JSON.stringify(view.blocks)) ? undefined : { view };
        if (fresh().length === 0) return undefined;
        await settled(changes, 150);
        const message = fresh().sort((one, other) => rank(one) - rank(other) || Number(other.ts) - Number(one.ts))[0];
        if (message === undefined || person.view !== undefined) return undefined;
        // What comes beside an answer may be there before it, and an answer may say nothing of its own.
        if (thought === undefined && (await answered()) > answers) thought = performance.now();
        if (rank(message) < 2 && thought !== undefined && performance.now() - thought > onItsWayMs) return { message };
        return performance.now() - began > (patience[rank(message)] ?? 0) ? { message } : undefined;
      },
      20_000,
      'an answer',
    );
    if ('message' in found) return seen(found.message);
    const { view } = found;
    const kind = view.blocks.some(({ type }) => type === 'input') ? 'form' : 'card';
    const shown = { kind, title: view.title, words: JSON.stringify(view.blocks), buttons: [] } as const;
    await person.closeView(view, { all: true });
    return { ...shown, buttons: [] };
  }

  return {
    say: (line) =>
      after(async () => {
        const { status } = await person.command('/kqueen', line, { channel });
        if (status !== 200 && status !== 0) throw new Error(`/kqueen ${line} was answered with ${status}`);
      }),
    find: async (pattern) =>
      seen(
        await slack.until(
          () => screen().findLast((each) => rank(each) < 2 && pattern.test(words(each))),
          20_000,
          String(pattern),
        ),
      ),
    quiet: () => settled(changes),
  };
}
