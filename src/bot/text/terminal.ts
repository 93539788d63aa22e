/** A chat in the terminal: any number of people of this machine, each with a conversation of their own. */
import { allButtons, type Card, type Field, type Form } from '../../core/card.ts';
import { quoteValue } from '../../core/line.ts';
import type { ChatPort, MessageRef } from '../../core/ports/chat.ts';
import type { NewId } from '../../core/ports/clock.ts';
import type { Place } from '../../core/records.ts';
import type { Handle, Inbound, Outbound } from '../inbound.ts';
import { clean, line, renderFormText, renderText } from './render.ts';

export interface TerminalOptions {
  handle: Handle;
  newId: NewId;
  /** Writes text into a person's conversation. */
  write(name: string, text: string): void;
  /** Asks a person one question; `secret` answers are not echoed. Null: nobody is there to answer, so forms are only shown. */
  ask?: (name: string, question: string, secret: boolean) => Promise<string | null>;
}

export interface Terminal {
  port: ChatPort;
  /** What a person typed; resolves when it is answered. */
  say(name: string, line: string): Promise<Outbound[]>;
}

/** The place of a person's conversation. */
export function terminalPlace(name: string): Place {
  return { chat: 'terminal', workspace: 'local', conversation: name };
}

/** The id of a person of the terminal. */
export function terminalPerson(name: string): string {
  return `terminal:${name}`;
}

/** Opens the terminal chat. */
export function openTerminal(options: TerminalOptions): Terminal {
  const { handle, newId, write } = options;
  const shown = new Map<string, string>();
  /** Commands of buttons by their numbers. Numbers go on from card to card: one that was meant for an older card never presses a newer one. */
  const pressable = new Map<string, string>();
  let numbered = 0;

  function print(name: string, card: Card): void {
    write(name, renderText(card));
    const labels = allButtons(card).flatMap(({ label, command }) => {
      if (command === undefined) return [];
      numbered += 1;
      pressable.set(`${name}.${numbered}`, command);
      const [oldest] = pressable.keys();
      if (pressable.size > 200 && oldest !== undefined) pressable.delete(oldest);
      return [`${numbered} ${clean(label)}`];
    });
    if (labels.length > 0) write(name, `  (short: ${labels.join(', ')})`);
  }

  const port: ChatPort = {
    platform: 'terminal',
    workspace: 'local',
    limits: {
      editEveryMs: 1_000,
      editsPerMinute: 600,
      postsPerMinute: 600,
      conversation: { allowances: [], editsCount: false },
    },
    async post(place, card) {
      const id = newId(8);
      shown.set(id, card.text);
      print(place.conversation, card);
      return { conversation: place.conversation, id };
    },
    async edit(place, message, card) {
      // A terminal cannot change what it has printed: it says in one line what is new, and the whole when it ends.
      const busy = card.tone === 'busy';
      if (shown.get(message.id) === card.text) return;
      shown.set(message.id, card.text);
      const bar = card.parts.find((part) => part.part === 'progress');
      if (!busy) return print(place.conversation, card);
      const percent = bar ? ` (${bar.percent} %)` : '';
      const said = card.text.startsWith(`${card.title}. `) ? card.text.slice(card.title.length + 2) : card.text;
      write(place.conversation, line(`[..] ${card.title}${percent}. ${said}`));
    },
    async reply() {
      // No threads: what changes is printed by `edit` already.
      return null;
    },
    async find() {
      return null;
    },
    async direct(person) {
      return terminalPlace(person.replace(/^terminal:/, ''));
    },
    async ping() {
      // What was written last is at the bottom of the screen already.
    },
    async attach(place, file): Promise<MessageRef> {
      write(place.conversation, `${clean(file.text)}\n--- ${clean(file.name)}\n${file.content.trimEnd()}\n---`);
      return { conversation: place.conversation, id: newId(8) };
    },
    async remove() {
      // What a terminal has printed stays in its own scroll-back.
    },
    async ready() {},
  };

  async function pass(
    name: string,
    part: Pick<Inbound, 'source' | 'text'> & { values?: Record<string, string> },
  ): Promise<Outbound[]> {
    const inbound: Inbound = {
      ...part,
      eventId: `terminal.${newId(16)}`,
      person: { id: terminalPerson(name), name, external: null },
      place: terminalPlace(name),
      private: true,
      canOpenForm: options.ask !== undefined,
    };
    const answers = await handle(inbound);
    for (const answer of answers) await show(name, answer);
    return answers;
  }

  async function show(name: string, answer: Outbound): Promise<void> {
    if (answer.problems?.length && !answer.form) {
      for (const { field, message } of answer.problems) write(name, `[!] ${line(field)}: ${line(message)}`);
      return;
    }
    if (answer.card && !answer.receipt) print(name, answer.card);
    if (!answer.form) return;
    write(name, renderFormText(answer.form));
    if (!options.ask) {
      write(name, oneLine(answer.form));
      return;
    }
    const values = await fill(name, answer.form, options.ask);
    if (values) await pass(name, { source: 'form', text: answer.form.command, values });
    else write(name, 'Left as it was; nothing was done.');
  }

  async function fill(
    name: string,
    form: Form,
    ask: NonNullable<TerminalOptions['ask']>,
  ): Promise<Record<string, string> | null> {
    const values: Record<string, string> = {};
    for (const field of form.fields) {
      const answer = await ask(name, question(field), field.kind.startsWith('secret'));
      if (answer === null) return null;
      values[field.key] = answer.trim() === '' ? (field.value ?? '') : answer;
    }
    return values;
  }

  return {
    port,
    say(name, typed) {
      const pressed = pressable.get(`${name}.${typed.trim()}`);
      return pass(
        name,
        pressed === undefined ? { source: 'direct', text: typed } : { source: 'button', text: pressed },
      );
    },
  };
}

/** How a form is answered where nobody can be asked. */
function oneLine(form: Form): string {
  if (form.private)
    return 'This asks for secrets, and they are never typed into a line: start KQueen in a terminal to be asked for them.';
  const given = form.fields.map(
    ({ key, value }) => `${key}=${value === undefined || value === '' ? '…' : quoteValue(value)}`,
  );
  return `Type it in one line, such as: ${line(form.command)} ${line(given.join(' '))}`;
}

function question(field: Field): string {
  return `  ${line(field.label)}${field.value === undefined ? '' : ` [${line(field.value)}]`}: `;
}
