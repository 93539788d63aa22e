/** What every message owes its reader: enough in plain text, no state by colour or emoji alone, help on one screen, examples that run. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from '../../src/bot/grammar.ts';
import { renderCard as renderSlack } from '../../src/bot/slack/render.ts';
import { renderCard as renderTeams } from '../../src/bot/teams/render.ts';
import { renderText } from '../../src/bot/text/render.ts';
import { registry } from '../../src/core/commands/index.ts';
import { openStage, people, provisionerRecord, type Stage, type Who } from '../core/stage.ts';
import { cardSamples } from './samples.ts';

const golden = join(import.meta.dirname, 'golden');
const emoji = /\p{Extended_Pictographic}\uFE0F?/gu;

/** Every text of a rendered message that is shown, with the words around a mark. */
function texts(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(texts);
  if (value === null || typeof value !== 'object') return [];
  const { text, ...rest } = value as Record<string, unknown>;
  return [...(typeof text === 'string' ? [text] : texts(text)), ...Object.values(rest).flatMap(texts)];
}

describe('a message of Slack', () => {
  it.each(globSync('slack/card-*.json', { cwd: golden }).sort())(
    '%s says all that matters in its text alone',
    (file) => {
      const { text } = JSON.parse(readFileSync(join(golden, file), 'utf8')) as { text: string };
      expect(text.trim()).not.toBe('');
      // Without its marks it still says how it stands.
      const [first = ''] = text.split('\n');
      if (/^[✅⏳⚠❌]/u.test(first)) expect(first).toMatch(/^\S+ (?:OK|In progress|Attention|Problem)(?: · |$)/);
      expect(text.replace(emoji, '').trim()).not.toBe('');
    },
  );

  it('names the state that a mark of the title stands for', () => {
    for (const { card } of cardSamples) {
      const [head] = texts(renderSlack(card).blocks[0]);
      if (card.tone === 'plain') expect(head).not.toMatch(/^[✅⏳⚠❌]/u);
      else expect(head).toMatch(/OK|In progress|Attention|Problem/);
    }
  });
});

describe('steps', () => {
  it('say in words how each of them stands, in every chat', () => {
    const words = { todo: 'to do', doing: 'in progress', done: 'done', failed: 'failed' };
    for (const { card } of cardSamples) {
      const steps = card.parts.flatMap((part) => (part.part === 'steps' ? part.steps.slice(0, 6) : []));
      for (const { state } of steps) {
        expect(JSON.stringify(renderSlack(card).blocks), card.title).toContain(words[state]);
        expect(JSON.stringify(renderTeams(card).body), card.title).toContain(words[state]);
      }
    }
  });
});

describe('a card of Teams', () => {
  it('says in words for clients without cards what its colour stands for', () => {
    const said = {
      good: /^Done/,
      busy: /^(?:In progress|Working)/,
      warn: /^(?:Attention|Note)/,
      bad: /^(?:Failed|Problem)/,
    };
    for (const { card } of cardSamples) {
      if (card.tone === 'plain') continue;
      const { fallbackText } = renderTeams(card) as { fallbackText?: string };
      expect(fallbackText, card.title).toMatch(said[card.tone]);
    }
  });

  it('marks a coloured title by a character as well', () => {
    for (const { card } of cardSamples) {
      if (card.tone === 'plain') continue;
      const [mark = ''] = texts(renderTeams(card).body);
      expect(mark.trim(), card.title).toMatch(/^\S$/u);
    }
  });
});

describe('a card in the terminal', () => {
  it('writes its state and those of its steps as letters', () => {
    for (const { card } of cardSamples) {
      const text = renderText(card);
      if (card.tone !== 'plain') expect(text).toMatch(/^\[(?:ok|\.\.|!|x)\] /);
      for (const part of card.parts)
        if (part.part === 'steps' && part.steps.length > 0) expect(text).toMatch(/\[[ x>!]\] /);
    }
  });
});

describe('help', () => {
  const stages: Stage[] = [];
  async function helpOf(who: Who, line = 'help'): Promise<string> {
    const stage = stages[0] ?? (await openStage());
    if (stages.length === 0) {
      stages.push(stage);
      await stage.put(...provisionerRecord('lab'));
    }
    const { card } = await stage.say(who, line);
    if (!card) throw new Error('no card');
    return renderText(card);
  }

  it.each(['dev', 'anna', 'grace'] as const)('fits one screen for %s', async (who) => {
    const lines = (await helpOf(who)).split('\n');
    expect(lines.length, people[who].role).toBeLessThanOrEqual(28);
  });

  it('of a noun lists its commands with what they do', async () => {
    const text = await helpOf('dev', 'help cluster');
    expect(text).toContain('cluster create');
    expect(text).toContain(registry.find('cluster scale')?.summary);
    expect(text).not.toContain('job show');
    expect(await helpOf('dev', 'help apps')).toContain('app restart');
  });

  it('of nothing that there is says so and shows everything', async () => {
    expect(await helpOf('dev', 'help teapot')).toMatch(/no command that begins with "teapot"/);
    await stages[0]?.close();
  });
});

describe('examples', () => {
  it('in the documentation are lines that the grammar reads', () => {
    const root = join(import.meta.dirname, '../..');
    const bad: string[] = [];
    for (const file of globSync(['README.md', 'docs/**/*.md'], { cwd: root })) {
      const text = readFileSync(join(root, file), 'utf8');
      for (const [, line = ''] of text.matchAll(/`(?:\/kqueen|@KQueen) ([^`\n]+)`/g)) {
        const parsed = parse(line.replace(/\s*…$/, ''), registry);
        if (!/[<[…]/.test(line) && parsed.is !== 'command') bad.push(`${file}: ${line}`);
      }
    }
    expect(bad).toEqual([]);
  });
});
