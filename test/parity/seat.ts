/** A person in front of one chat, as the parity run uses it: says a line, reads what comes, presses what is offered. */

/** A button as the chat shows it. */
export interface Offered {
  label: string;
  /** Presses it; undefined for a link. */
  press?: () => Promise<Seen>;
}

/** What a person has in front of them after they did something. */
export interface Seen {
  /** A message to read, or a form to fill in. */
  kind: 'card' | 'form';
  /** Of a card: what it is headed with, without the mark of its tone. */
  title: string;
  words: string;
  buttons: Offered[];
}

export interface Seat {
  say(line: string): Promise<Seen>;
  /** The newest message on the screen whose words match. */
  find(pattern: RegExp): Promise<Seen>;
  /** Resolves when nothing has come for a moment. */
  quiet(): Promise<void>;
}

/** The three chats, in the order of the table. */
export const chats = ['Slack', 'Teams', 'Terminal'] as const;
export type Chat = (typeof chats)[number];

/** Who takes part: one who may do everything, and one who has to ask. */
export type Who = 'admin' | 'developer';

/** Not an answer yet. */
export const passing = /Still working|This takes a little longer|Loading what/;

/** Heading of a live message: how far it has come is a matter of the moment, and it comes beside an answer. */
export const liveTitle =
  /^.+ ([\w-]+): (?:queued|running|waiting|succeeded|failed|approved|denied|cancelled|your decision|withdrawn)\b.*|^Cluster ([\w-]+) is ready$/;

/** How long an answer may take to be on the screen once KQueen has it, in milliseconds. */
const onItsWayMs = 700;

/**
 * Waits for what answers: what `plain` finds at once, or, when KQueen has answered by its own count and nothing of the kind has come, what `any`
 * finds. `answers` is the count before the question.
 */
export async function awaited<T>(
  { answered, answers }: { answered: () => Promise<number>; answers: number },
  plain: () => T | undefined,
  any: () => T | undefined,
): Promise<T> {
  const until = performance.now() + 20_000;
  let thought: number | undefined;
  for (;;) {
    const found = plain();
    if (found !== undefined) return found;
    const now = performance.now();
    if (thought === undefined && (await answered()) > answers) thought = now;
    const other = thought !== undefined && now - thought > onItsWayMs ? any() : undefined;
    if (other !== undefined) return other;
    if (now > until) throw new Error('there was no sign of an answer');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Resolves when `count` has stayed the same for `ms`. */
export async function settled(count: () => number, ms = 250): Promise<void> {
  let last = count();
  let since = performance.now();
  while (performance.now() - since < ms) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    if (count() === last) continue;
    last = count();
    since = performance.now();
  }
}
