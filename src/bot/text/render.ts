/** Cards as plain text: the terminal, and what everybody else reads when nothing richer is shown. */
import type { Card, Form, Part, Tone } from '../../core/card.ts';

const marks: Record<Tone, string> = { plain: '', good: '[ok] ', busy: '[..] ', warn: '[!] ', bad: '[x] ' };
const stepMarks = { todo: '[ ]', doing: '[>]', done: '[x]', failed: '[!]' } as const;

/** Control and bidirectional characters out, so that nothing shown can rewrite the screen. */
export function clean(text: string): string {
  return text
    .replace(/(?!\n)\p{Cc}/gu, ' ')
    .replace(/[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g, '');
}

/** The little markup of cards as plain text: marks go, links keep their address. */
export function unmarked(text: string): string {
  return clean(text)
    .replace(/\[([^\]]+)\]\((https?:[^)\s]+)\)/g, '$1 ($2)')
    .replace(/(^|[\s(])\*([^*\n]+)\*(?=$|[\s.,:;)!?])/g, '$1$2')
    .replace(/(^|[\s(])_([^_\n]+)_(?=$|[\s.,:;)!?])/g, '$1$2');
}

/** A card as lines of text, each at most `width` characters where words allow it. */
export function renderText(card: Card, width = 100): string {
  const lines = [`${marks[card.tone]}${unmarked(card.title)}`];
  for (const part of card.parts) lines.push(...renderPart(part, width).map((line) => (line ? `  ${line}` : '')));
  for (const button of card.buttons) {
    lines.push(
      button.url
        ? `  > ${clean(button.label)}: ${clean(button.url)}`
        : `  > ${clean(button.label)}: type  ${clean(button.command ?? '')}`,
    );
  }
  if (card.footer) lines.push(`  (${clean(card.footer)})`);
  return lines.join('\n');
}

/** A form as lines: what is asked, with what can be answered. */
export function renderFormText(form: Form, width = 100): string {
  const lines = [clean(form.title)];
  if (form.intro) lines.push(...wrap(clean(form.intro), width).map((line) => `  ${line}`));
  for (const field of form.fields) {
    const choices = field.choices?.length ? ` One of: ${field.choices.map(({ value }) => value).join(', ')}.` : '';
    const value = field.value === undefined ? '' : ` [${field.value}]`;
    lines.push(
      `  ${clean(field.key)}${field.required ? '' : ' (optional)'}: ${clean(field.label)}.${choices}${clean(value)}`,
    );
    if (field.problem) lines.push(`    ! ${clean(field.problem)}`);
  }
  return lines.join('\n');
}

function renderPart(part: Part, width: number): string[] {
  switch (part.part) {
    case 'text':
      return unmarked(part.text)
        .split('\n')
        .flatMap((line) => wrap(line, width));
    case 'note':
      return wrap(unmarked(part.text), width);
    case 'facts': {
      const label = Math.min(20, Math.max(0, ...part.facts.map((fact) => fact.label.length)));
      return part.facts.flatMap((fact) => {
        const [first = '', ...rest] = wrap(clean(fact.value), Math.max(30, width - label - 2));
        return [`${clean(fact.label).padEnd(label)}  ${first}`, ...rest.map((line) => `${' '.repeat(label)}  ${line}`)];
      });
    }
    case 'steps':
      return part.steps.map(
        (step) => `${stepMarks[step.state]} ${clean(step.name)}${step.note ? `: ${clean(step.note)}` : ''}`,
      );
    case 'progress': {
      const filled = Math.round(Math.min(100, Math.max(0, part.percent)) / 5);
      return [`[${'#'.repeat(filled)}${'-'.repeat(20 - filled)}] ${clean(part.label)}`];
    }
    case 'table':
      return table(part.columns, part.rows, part.caption);
    case 'code':
      return part.text.split('\n').map((line) => `  ${clean(line)}`);
    case 'time':
      return [`${clean(part.label)}: ${new Date(part.at).toISOString().slice(0, 16).replace('T', ' ')} UTC`];
    default:
      return [''];
  }
}

function table(columns: string[], rows: string[][], caption: string | undefined): string[] {
  const cells = [columns, ...rows].map((row) => row.map((cell) => clean(cell).slice(0, 60)));
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return caption ? [`${clean(caption)}:`, ...lines] : lines;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line];
}
