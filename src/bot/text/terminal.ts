/** A chat in the terminal: any number of people of this machine, each with a conversation of their own. */
import { allButtons, type Card, type Field, type Form } from '../../core/card.ts';
import { quoteValue } from '../../core/line.ts';
import type { ChatPort, MessageRef } from '../../core/ports/chat.ts';
import type { NewId } from '../../core/ports/clock.ts';
import type { Place } from '../../core/records.ts';
import type { Handle, Inbound, Outbound } from '../inbound.ts';
import { givenUp, loadingMs, submitMs } from '../loading.ts';
import { askField } from './ask.ts';
import { clean, line, renderFormText, renderText } from './render.ts';

export interface TerminalOptions {
  /** The time zone of the people, an IANA name; this machine's when absent. */
  zone?: string;
  handle: Handle;
  newId: NewId;
  /** Writes text into a person's conversation. */
  write(name: string, text: string): void;
  /** Asks a person one question; `secret` answers are not echoed. Null: nobody is there to answer, so forms are only shown. */
  ask?: (name: string, question: string, secret: boolean) => Promise<string | null>;
  /** Reads a file for a long text (`@path`); only where the one who answers sits at this machine. Throws an Error in words for people. */
  readFile?: ((path: string, most: number) => Promise<string>) | undefined;
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
  // Whoever sits at this machine reads its clock.
  const zone = options.zone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const shown = new Map<string, string>();
  /** Commands of buttons by their numbers. Numbers go on from card to card: one that was meant for an older card never presses a newer one. */
  const pressable = new Map<string, string>();
  let numbered = 0;

  function print(name: string, card: Card): void {
    write(name, renderText(card, 100, zone));
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

  async function pass(name: string, part: Said, before: Draft | null = null): Promise<Outbound[]> {
    const answers = await sent(name, part);
    for (const answer of answers) await show(name, answer, before);
    return answers;
  }

  function sent(name: string, part: Said): Promise<Outbound[]> {
    return handle({
      ...part,
      eventId: `terminal.${newId(16)}`,
      person: { id: terminalPerson(name), name, external: null, zone },
      place: terminalPlace(name),
      private: true,
      canOpenForm: options.ask !== undefined,
    });
  }

  async function show(name: string, answer: Outbound, before: Draft | null): Promise<void> {
    const problems = answer.problems ?? [];
    if (problems.length > 0 && !answer.form) {
      for (const { field, message } of problems)
        write(name, `[!] ${field === '' ? '' : `${line(field)}: `}${line(message)}`);
      // Nothing of it is lost: only what was refused is asked for again.
      const wrong = before?.form.fields.some(({ key }) => problems.some(({ field }) => field === key));
      if (before && wrong) await fillIn(name, marked(before.form, problems), before);
      return;
    }
    if (answer.card && !answer.receipt) print(name, answer.card);
    if (answer.form) await fillIn(name, answer.form, before);
  }

  async function fillIn(name: string, asked: Form, before: Draft | null): Promise<void> {
    const form = await loaded(name, asked);
    write(name, renderFormText(form));
    if (!options.ask) {
      write(name, oneLine(form));
      return;
    }
    const draft = (before?.rounds ?? 0) < mostRounds ? await fill(name, form, before) : null;
    if (draft) await pass(name, { source: 'form', text: form.command, values: draft.values, waitMs: submitMs }, draft);
    else write(name, 'Left as it was; nothing was done.');
  }

  /** The form with the choices that were still awaited, if they come. */
  async function loaded(name: string, form: Form): Promise<Form> {
    if (form.loading === undefined) return form;
    write(name, `Loading what ${line(form.loading)} offers …`);
    return givenUp((await again(name, form, valuesOf(form))) ?? form);
  }

  /** The form once more, for what is filled in so far. */
  async function again(name: string, form: Form, values: Record<string, string>): Promise<Form | undefined> {
    const answers = await sent(name, { source: 'open-form', text: form.command, values, waitMs: loadingMs });
    return answers.find((each) => each.form !== undefined)?.form;
  }

  /** Asks field by field; of a refused form only what was wrong. Another form, for a field that others depend on, goes on with what it has more. */
  async function fill(name: string, asked: Form, before: Draft | null): Promise<Draft | null> {
    const { ask, readFile } = options;
    if (!ask) return null;
    const asking = {
      async ask(question: string, secret: boolean) {
        const typed = await ask(name, question, secret);
        return typed?.trim().toLowerCase() === 'cancel' ? null : typed;
      },
      write: (text: string) => write(name, text),
      readFile,
    };
    asking.write('  (type cancel to leave it)');
    let form = asked;
    const answered = new Map<string, string>();
    const wrong = new Set(form.fields.filter(({ problem }) => problem !== undefined).map(({ key }) => key));
    if (before && wrong.size > 0) {
      for (const { key } of form.fields) {
        const kept = before.values[key];
        if (!wrong.has(key) && kept !== undefined) answered.set(key, kept);
      }
    }
    for (let field = nextOf(form, answered); field !== undefined; field = nextOf(form, answered)) {
      const value = await askField(field, asking);
      if (value === null) return null;
      answered.set(field.key, value);
      if (field.reloads !== true || value === (field.value ?? '')) continue;
      const next = await again(name, form, { ...valuesOf(form), ...Object.fromEntries(answered) });
      if (next === undefined) continue;
      form = givenUp(next);
      write(name, renderFormText({ ...form, fields: form.fields.filter(({ key }) => !answered.has(key)) }));
    }
    const keys = new Set(form.fields.map(({ key }) => key));
    const values = Object.fromEntries([...answered].filter(([key]) => keys.has(key)));
    return { form, values, rounds: (before?.rounds ?? 0) + 1 };
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

/** What a person says, or the form they send. */
type Said = Pick<Inbound, 'source' | 'text' | 'values' | 'waitMs'>;

/** A form as it was filled in last. */
interface Draft {
  form: Form;
  values: Record<string, string>;
  rounds: number;
}

/** Nobody is asked for the same more often than this. */
const mostRounds = 8;

function nextOf(form: Form, answered: Map<string, string>): Field | undefined {
  return form.fields.find(({ key }) => !answered.has(key));
}

function valuesOf({ fields }: Form): Record<string, string> {
  return Object.fromEntries(fields.flatMap(({ key, value }) => (value === undefined ? [] : [[key, value]])));
}

function marked(form: Form, problems: { field: string; message: string }[]): Form {
  const fields = form.fields.map(({ problem: _problem, ...each }) => {
    const found = problems.find(({ field }) => field === each.key);
    return found ? { ...each, problem: found.message } : each;
  });
  return { ...form, fields };
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
