import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../servers.ts';
import { startTestKQueen, type TestKQueen } from './kqueen.ts';
import { playOperating } from './operate.ts';
import { playStory, type StoryChat, type Who } from './story.ts';

const names: Record<Who, string> = { developer: 'ada', admin: 'grace' };

describe('the whole story in the terminal, on the embedded defaults', () => {
  let kqueen: TestKQueen;
  const printed: { name: string; text: string }[] = [];
  /** Answers for the form that comes next, by label. */
  let answers: Record<string, string> = {};
  const asked = new Set<string>();
  let pending: { who: Who; line: string } | null = null;

  beforeAll(async () => {
    kqueen = await startTestKQueen({
      bootstrapAdmins: ['terminal:grace'],
      terminal: {
        write: (name, text) => printed.push({ name, text }),
        async ask(_name, question) {
          const label = /^\s*(.*?)(?: \[.*\])?: $/.exec(question)?.[1] ?? question;
          // Asked again after a refusal, the person gives up and begins anew.
          if (asked.has(label)) return null;
          asked.add(label);
          return answers[label] ?? '';
        },
      },
    });
  });
  afterAll(() => kqueen?.end());

  /** The terminal as the story's chat. */
  function terminalChat(): StoryChat {
    const terminal = kqueen.terminal;
    if (!terminal) throw new Error('There is no terminal.');
    const find = (who: Who, pattern: RegExp) =>
      printed.findLast(({ name, text }) => name === names[who] && pattern.test(text));
    const forms = /^(cluster create|cluster delete dev-1)$/;
    return {
      async say(who, text) {
        // A form asks its questions at once, so the line waits until the answers are known.
        if (forms.test(text)) pending = { who, line: text };
        else await terminal.say(names[who], text);
      },
      async click(who, label, on) {
        const message = await eventually(`a message like ${on}`, () => find(who, on));
        const command = new RegExp(`> ${label}: type {2}(.*)$`, 'm').exec(message.text)?.[1];
        if (!command) throw new Error(`There is no button ${label}.`);
        await terminal.say(names[who], command);
      },
      async submit(who, values) {
        answers = values;
        asked.clear();
        const before = printed.length;
        if (!pending) throw new Error('There is no form.');
        await terminal.say(names[who], pending.line);
        const problems = printed
          .slice(before)
          .flatMap(({ text }) => [...text.matchAll(/^ {0,4}(?:\[!\] \w+:|!) (.*)$/gm)].map((found) => found[1] ?? ''));
        return problems.join(' ');
      },
      async sees(who, pattern, ms = 10_000) {
        return (await eventually(`${who} sees ${pattern}`, () => find(who, pattern), { timeoutMs: ms })).text;
      },
      count: (who, pattern) => printed.filter(({ name, text }) => name === names[who] && pattern.test(text)).length,
      async credential(who) {
        const { text } = await eventually('a kubeconfig', () => find(who, /^--- .*\.kubeconfig$/m));
        return (text.split(/^--- .*\n/m)[1] ?? '').replace(/^---$/m, '');
      },
      everything: () =>
        printed
          .filter(({ text }) => !/^--- .*\.kubeconfig$/m.test(text))
          .map(({ text }) => text)
          .join('\n'),
    };
  }

  it('ask, approve, provision, watch, use, delete', { timeout: 120_000 }, async () => {
    await playStory({ chat: terminalChat(), kqueen });

    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  });

  it('deploy, back up, lose, restore, scale, drain, upgrade', { timeout: 300_000 }, async () => {
    printed.length = 0;
    await playOperating({ chat: terminalChat(), kqueen });

    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
