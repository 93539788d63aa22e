/** One person in front of each chat, who opens forms and fills them in; what they see is read from what the chat shows. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Handle } from '../../src/bot/inbound.ts';
import { openSlack } from '../../src/bot/slack/adapter.ts';
import { bytes, mostBytes } from '../../src/bot/teams/render.ts';
import { openTerminal } from '../../src/bot/text/terminal.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { adaId, openStage as openTeamsStage } from '../bot/teams/stage.ts';
import { startSlack, words } from '../counterparts/slack/index.ts';
import { execute, say as sayInTeams } from '../counterparts/teams/person.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';

/** A form as the person sees it: its fields by key with what is in them. */
export type Shown = Record<string, string>;

/** What became of a form that was sent. */
export interface Sent {
  /** Keys of the fields at which something is said to be wrong. */
  wrong: string[];
  /** What is in the fields now, when they are still there; secrets and files count as kept where the chat keeps them by itself. */
  kept: Shown;
  /** Everything that the person can read of it. */
  said: string;
}

export interface FormChat {
  person: string;
  /** Opens the form of a line, where one is expected; null when it is answered without one. */
  open(line: string, expected: boolean): Promise<Shown | null>;
  /** Sends the open form with these values over those in it. */
  send(values: Record<string, string>): Promise<Sent>;
  /** Leaves the form. */
  leave(): Promise<void>;
  /** What the platform would have refused, so far. */
  faults(): string[];
  close(): Promise<void>;
}

type Json = Record<string, unknown>;

const keyOfBlock = (id: string) => /^[fs]\.\d+\.\d+\.(.*)$/s.exec(id)?.[1];

export async function openSlackChat(handle: Handle): Promise<FormChat> {
  const signingSecret = 'a-signing-secret';
  const slack = await startSlack({
    signingSecret,
    botToken: 'xoxb-test',
    users: [{ id: 'U1', name: 'ada' }],
    channels: [{ id: 'C1', name: 'clusters' }],
    postBurst: 1_000,
  });
  slack.rates.enabled = false;
  const adapter = await openSlack({
    ...{ botToken: 'xoxb-test', signingSecret, apiUrl: slack.apiUrl, handle, log: silentLog, clock: realClock },
  });
  await adapter.start();
  const { requestListener } = adapter;
  if (requestListener === undefined) throw new Error('no listener');
  const server = createServer(requestListener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  slack.deliverTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`);
  const ada = slack.user('U1');

  function shown(): Shown {
    const form = ada.stack[0];
    const values: Shown = {};
    for (const [id, entries] of Object.entries(form?.values ?? {})) {
      const key = keyOfBlock(id);
      const [entry] = Object.values(entries);
      if (key !== undefined) values[key] = String(entry?.value ?? (entry?.selected_option as Json)?.value ?? '');
    }
    return values;
  }

  return {
    person: 'slack:T1:U1',
    async open(line, expected) {
      await ada.command('/kqueen', line);
      // It is opened after the acknowledgement.
      if (expected) await eventually('the form opens', () => ada.view !== undefined);
      else await realClock.sleep(100);
      return ada.view === undefined ? null : shown();
    },
    async send(values) {
      const view = ada.view;
      if (view === undefined) throw new Error('no form is open');
      const before = slack.everything(ada.dm).length;
      const given: Record<string, string | null> = {};
      for (const id of Object.keys(view.values)) {
        const value = values[keyOfBlock(id) ?? ''];
        if (value !== undefined) given[id] = value === '' ? null : value;
      }
      const { errors } = await ada.submit(view, given);
      await eventually(
        'the form is answered',
        () => !JSON.stringify(ada.view?.blocks ?? '').includes('Still working'),
        {
          timeoutMs: 25_000,
        },
      );
      const marked = (ada.stack[0]?.blocks ?? []).filter(({ hint }) => JSON.stringify(hint ?? '').includes('Problem:'));
      const wrong = [...Object.keys(errors), ...marked.map(({ block_id }) => String(block_id))];
      if (ada.stack.length > 1 && ada.view) await ada.closeView(ada.view);
      // What was taken is answered after the acknowledgement, unless a live message says the same.
      if (wrong.length === 0)
        await slack.until(() => slack.everything(ada.dm).length > before, 2_000).catch(() => undefined);
      const messages = slack.everything(ada.dm).slice(before).map(words);
      const said = JSON.stringify([errors, ada.stack.map(({ blocks }) => blocks)]);
      return {
        wrong: [...new Set(wrong.map((id) => keyOfBlock(id) ?? id))],
        kept: shown(),
        said: [said, ...messages].join('\n'),
      };
    },
    async leave() {
      while (ada.view) await ada.closeView(ada.view, { all: true });
    },
    faults: () => slack.violations.map(({ kind, detail }) => `${kind}: ${detail}`),
    async close() {
      await adapter.stop(2_000);
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await slack.close();
    },
  };
}

const inputKey = (id: unknown) => (String(id).startsWith('field.') ? String(id).slice('field.'.length) : undefined);

export async function openTeamsChat(handle: Handle): Promise<FormChat> {
  // A person opens forms more slowly than this: a minute goes by before each.
  let passed = 0;
  const clock = { ...realClock, now: () => Date.now() + passed };
  const stage = await openTeamsStage({ timeoutMs: 20_000, clock }, { limits: false });
  stage.script = handle;
  const faults: string[] = [];
  let form: { id: string; card: Json } | null = null;

  function cardOf(content: unknown): Json | null {
    const card = content as Json;
    if (bytes(card) > mostBytes) faults.push(`a card of ${bytes(card)} bytes`);
    return JSON.stringify(card).includes('"kqueen":"form"') ? card : null;
  }
  const bodyOf = (card: Json | null) => (Array.isArray(card?.body) ? (card.body as Json[]) : []);

  function shown(card: Json | null): Shown {
    const values: Shown = {};
    for (const { id, value } of bodyOf(card)) {
      const key = inputKey(id);
      if (key !== undefined) values[key] = value === undefined ? '' : String(value);
    }
    return values;
  }

  function wrongIn(card: Json): string[] {
    const wrong: string[] = [];
    let last = '';
    for (const element of bodyOf(card)) {
      last = inputKey(element.id) ?? last;
      if (element.type === 'RichTextBlock' && JSON.stringify(element.inlines).includes('"text":"✗ ')) wrong.push(last);
    }
    return wrong;
  }

  return {
    person: adaId,
    async open(line) {
      passed += 60_000;
      const before = stage.service.messages.length;
      await sayInTeams(stage.personal(), line);
      for (const { id, activity } of stage.service.messages.slice(before)) {
        const [attachment] = (activity.attachments ?? []) as { content?: unknown }[];
        const card = attachment ? cardOf(attachment.content) : null;
        if (card) {
          form = { id, card };
          return shown(card);
        }
      }
      return null;
    },
    async send(values) {
      if (!form) throw new Error('no form is open');
      const before = stage.service.messages.length;
      const actions = JSON.stringify(form.card.actions);
      const command = JSON.parse(/"kqueen":"form","command":("(?:[^"\\]|\\.)*")/.exec(actions)?.[1] ?? '""') as string;
      const given = { ...shown(form.card), ...values };
      const fields = Object.fromEntries(Object.entries(given).map(([key, value]) => [`field.${key}`, value]));
      const { body } = await execute(stage.personal(), form.id, { kqueen: 'form', command, ...fields });
      const { type, value } = body as { type: string; value: unknown };
      const card = type.endsWith('card.adaptive') ? cardOf(value) : null;
      const below = stage.service.messages.slice(before).map(({ activity }) => JSON.stringify(activity.attachments));
      const said = [JSON.stringify(value), ...below].join('\n');
      if (!card) return { wrong: [], kept: given, said };
      form = { id: form.id, card };
      return { wrong: wrongIn(card), kept: shown(card), said };
    },
    async leave() {
      form = null;
    },
    faults: () => faults,
    close: () => stage.stop(),
  };
}

export async function openTerminalChat(handle: Handle): Promise<FormChat> {
  let written: string[] = [];
  let asking: { label: string; resolve: (answer: string | null) => void } | null = null;
  let running: Promise<unknown> = Promise.resolve();
  let over = true;
  let counted = 0;
  const terminal = openTerminal({
    handle,
    newId: (size = 8) => {
      counted += 1;
      return counted.toString(36).padStart(size, '0');
    },
    write: (_name, text) => void written.push(text),
    ask: (_name, question) =>
      new Promise((resolve) => {
        asking = { label: question, resolve };
      }),
  });

  /** The question in front of the person; null when all is answered. */
  async function question(): Promise<NonNullable<typeof asking> | null> {
    await eventually('a question, or the end', () => asking !== null || over, { timeoutMs: 25_000 });
    return asking;
  }
  const formText = () => written.findLast((text) => /^ {2}\w+( \(optional\))?: /m.test(text)) ?? '';

  /** The fields of the form as it was written last: key, label and value by the lines of the form. */
  function fields(): { key: string; label: string; value: string; wrong: boolean }[] {
    const unwrapped = formText().replace(/\n {6,}(?=\S)/g, ' ');
    return unwrapped.split('\n').flatMap((text, index, all) => {
      const [, key, label] = /^ {2}(\w+)(?: \(optional\))?: ([^.]*)\./.exec(text) ?? [];
      if (key === undefined || label === undefined) return [];
      const value = / \[([^[\]]*)\]$/.exec(text)?.[1] ?? '';
      return [{ key, label, value, wrong: /^ {2,}! /.test(all[index + 1] ?? '') }];
    });
  }

  return {
    person: 'terminal:ada',
    async open(line) {
      written = [];
      over = false;
      running = terminal.say('ada', line).finally(() => {
        over = true;
      });
      if ((await question()) === null) return null;
      return Object.fromEntries(fields().map(({ key, value }) => [key, value]));
    },
    async send(values) {
      const round = formText();
      const before = written.length;
      const keys = fields();
      const kept: Shown = {};
      for (;;) {
        const now = await question();
        if (
          now === null ||
          (formText() !== round && written.slice(before).some((text) => /^ {2,}! |^\[!\]/m.test(text)))
        )
          break;
        const found = [...keys, ...fields()].find(({ label }) => now.label.trimStart().startsWith(label));
        const value = found ? (values[found.key] ?? '') : '.';
        if (found) kept[found.key] = value === '' ? found.value : value;
        asking = null;
        now.resolve(value);
      }
      const said = written.slice(before).join('\n');
      const wrong = over ? [] : fields().filter((each) => each.wrong);
      return {
        wrong: wrong.map(({ key }) => key),
        kept: { ...kept, ...Object.fromEntries(wrong.map((w) => [w.key, w.value])) },
        said,
      };
    },
    async leave() {
      while (!over) {
        const now = await question();
        asking = null;
        now?.resolve(null);
      }
      await running;
    },
    faults: () => [],
    close: async () => undefined,
  };
}
