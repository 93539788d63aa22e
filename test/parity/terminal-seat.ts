/** The terminal for the parity run: what is printed is read, and buttons are typed as it says. */
import type { Terminal } from '../../src/bot/text/terminal.ts';
import { eventually } from '../servers.ts';
import { awaited, liveTitle, passing, type Seat, type Seen, settled } from './seat.ts';

/** What a terminal has printed and asked so far. */
export interface Paper {
  printed: { name: string; text: string }[];
  /** Names of those who were asked a question, in order. */
  asked: string[];
}

/** Opens the seat of a person, who leaves every form as it is. `answered` counts the commands that KQueen has answered so far. */
export function terminalSeat(
  terminal: () => Terminal,
  paper: Paper,
  name: string,
  answered: () => Promise<number>,
): Seat {
  const mine = () => paper.printed.filter((each) => each.name === name).map(({ text }) => text);
  const questions = () => paper.asked.filter((each) => each === name).length;
  // Beside cards there are the numbers of their buttons, and files between lines of dashes.
  const isCard = (text: string) => !/^ *\(short: |^--- \S+$/m.test(text) && text.trim() !== '';

  function seen(text: string, isForm: boolean): Seen {
    const [first = ''] = text.split('\n');
    const found = [...text.matchAll(/^ *> (.+?)(?:: type {2}(.+)|: (https?:\S+))$/gm)];
    return {
      kind: isForm ? 'form' : 'card',
      title: first.replace(/^\[(?:ok|\.\.|!|x)\] /, ''),
      words: text,
      buttons: isForm
        ? []
        : found.map(([, label = '', command]) =>
            command === undefined ? { label } : { label, press: () => say(command) },
          ),
    };
  }

  async function say(line: string): Promise<Seen> {
    const before = mine().length;
    const asked = questions();
    const answers = await answered();
    await terminal().say(name, line);
    const fresh = () =>
      mine()
        .slice(before)
        .filter((each) => isCard(each) && !passing.test(each));
    const text = await awaited(
      { answered, answers },
      () => fresh().find((each) => !liveTitle.test(seen(each, false).title)),
      () => fresh()[0],
    );
    return seen(text, questions() > asked);
  }

  return {
    say,
    async find(pattern) {
      const text = await eventually(String(pattern), () =>
        mine().findLast((each) => isCard(each) && pattern.test(each)),
      );
      return seen(text, false);
    },
    quiet: () => settled(() => mine().length),
  };
}
