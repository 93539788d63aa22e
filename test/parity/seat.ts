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
