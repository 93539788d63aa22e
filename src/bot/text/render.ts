/** Cards as plain text: the terminal, and what everybody else reads when nothing richer is shown. */
import {
  type Button,
  type Card,
  type Field,
  type Form,
  type Part,
  type Row,
  rowButtons,
  type Tone,
} from '../../core/card.ts';
import { cleanValue } from '../../core/line.ts';
import { pictureBars } from '../../core/picture.ts';
import { stamp, zoneOf } from '../../core/words.ts';

const marks: Record<Tone, string> = { plain: '', good: '[ok] ', busy: '[..] ', warn: '[!] ', bad: '[x] ' };
const stepMarks = { todo: '[ ]', doing: '[>]', done: '[x]', failed: '[!]' } as const;

/** Control and bidirectional characters out, so that nothing shown can rewrite the screen. */
export function clean(text: string): string {
  return cleanValue(text);
}

/** The same on one line: what stands in a line of its own cannot pretend to be another. */
export function line(text: string): string {
  return clean(text).replaceAll('\n', ' ');
}

/** The little markup of cards as plain text: marks go, links keep their address. */
export function unmarked(text: string): string {
  return clean(text)
    .replace(/\[([^\]]+)\]\((https?:[^)\s]+)\)/g, '$1 ($2)')
    .replace(/(^|[\s(])\*([^*\n]+)\*(?=$|[\s.,:;)!?])/g, '$1$2')
    .replace(/(^|[\s(])_([^_\n]+)_(?=$|[\s.,:;)!?])/g, '$1$2');
}

/**
 * A card as lines of text, each at most `width` characters where words allow it. Everything but the title is indented. Times are those of `zone`, an
 * IANA name.
 */
export function renderText(card: Card, width = 100, zone?: string): string {
  const body = card.parts.flatMap((part) => renderPart(part, width - 2, zone));
  for (const button of card.buttons) body.push(...buttonLines(button, width - 2));
  if (card.footer) body.push(...wrap(`(${line(card.footer)})`, width - 2));
  return [`${marks[card.tone]}${line(unmarked(card.title))}`, ...body.map((each) => (each ? `  ${each}` : ''))].join(
    '\n',
  );
}

/** A form as lines: what is asked, with what can be answered. */
export function renderFormText(form: Form, width = 100): string {
  const body = form.intro ? paragraphs(unmarked(form.intro), width - 2) : [];
  for (const field of form.fields) {
    const all = field.choices ?? [];
    const choices = all.slice(0, mostChoices).map(({ value, label, note }) => {
      const said = [label === value ? '' : label, note ?? ''].filter(Boolean).join(', ');
      return said ? `${value} (${said})` : value;
    });
    const parts = [
      `${field.key}${field.required ? '' : ' (optional)'}: ${field.label}.`,
      field.help ?? '',
      field.example ? `Such as ${field.example}.` : '',
      choices.length > 0
        ? `One of${oneOf(all.length)}: ${choices.join(', ')}${all.length > choices.length ? ' …' : '.'}`
        : '',
      range(field),
      field.value === undefined || field.kind.startsWith('secret') ? '' : `[${field.value}]`,
    ];
    body.push(...wrap(line(parts.filter(Boolean).join(' ')), width - 2, 4));
    if (field.problem) body.push(...wrap(`  ! ${line(field.problem)}`, width - 2));
  }
  return [line(form.title), ...body.map((each) => `  ${each}`)].join('\n');
}

/** Longer lists are searched, not read. */
const mostChoices = 12;

function oneOf(count: number): string {
  return count > mostChoices ? ` ${count}, such as` : '';
}

function range({ min, max, maxLength }: Field): string {
  const bounds = [min === undefined ? '' : `from ${min}`, max === undefined ? '' : `up to ${max}`];
  if (maxLength !== undefined) bounds.push(`at most ${maxLength} characters`);
  const said = bounds.filter(Boolean).join(' ');
  return said ? `${said[0]?.toUpperCase()}${said.slice(1)}.` : '';
}

function buttonLines(button: Button, width: number): string[] {
  const does = button.url ? `: ${line(button.url)}` : `: type  ${line(button.command ?? '')}`;
  const confirm = button.confirm ? wrap(`  (${line(button.confirm.title)} ${line(button.confirm.text)})`, width) : [];
  return [`> ${line(button.label)}${does}`, ...confirm];
}

/** What it is after a dash, and what can be done below, indented. */
function rowLines({ text, note, buttons = [] }: Row, width: number): string[] {
  return [
    ...wrap(`- ${line(unmarked(text))}`, width, 2),
    ...(note ? wrap(`  ${line(unmarked(note))}`, width, 2) : []),
    ...buttons.slice(0, rowButtons).flatMap((button) => buttonLines(button, width - 2).map((each) => `  ${each}`)),
  ];
}

function renderPart(part: Part, width: number, zone: string | undefined): string[] {
  switch (part.part) {
    case 'text':
    case 'note':
      return paragraphs(unmarked(part.text), width);
    case 'facts': {
      const label = Math.min(20, Math.max(0, ...part.facts.map((fact) => line(fact.label).length)));
      return part.facts.flatMap((fact) => {
        const [first = '', ...rest] = paragraphs(clean(fact.value), Math.max(30, width - label - 2));
        return [`${line(fact.label).padEnd(label)}  ${first}`, ...rest.map((each) => `${' '.repeat(label)}  ${each}`)];
      });
    }
    case 'steps':
      return part.steps.map(
        (step) => `${stepMarks[step.state]} ${line(step.name)}${step.note ? `: ${line(step.note)}` : ''}`,
      );
    case 'progress': {
      if (!Number.isFinite(part.percent)) return [line(part.label)];
      const percent = Math.min(100, Math.max(0, Math.round(part.percent)));
      const filled = Math.round(percent / 5);
      const said = part.label.includes(`${percent} %`) ? part.label : `${percent} % ${part.label}`;
      return [`[${'#'.repeat(filled)}${'-'.repeat(20 - filled)}] ${line(said)}`.trimEnd()];
    }
    case 'table':
      return table(
        part.columns.map(line),
        part.rows.map((row) => row.map(line)),
        part.caption,
        width,
      );
    case 'code':
      return clean(part.text)
        .split('\n')
        .map((each) => `  ${each}`);
    case 'rows':
      return [
        ...(part.caption ? wrap(`${line(unmarked(part.caption))}:`, width) : []),
        ...part.rows.flatMap((row) => rowLines(row, width)),
      ];
    case 'time':
      return [`${line(part.label)}: ${moment(part.at, zone)}`];
    case 'picture':
      return [...paragraphs(line(part.picture.alt), width), ...pictureBars(part.picture, width).map(line)];
    default:
      return [''];
  }
}

/** Columns where they fit; else one block a row, so that nothing is cut off. */
function table(columns: string[], rows: string[][], caption: string | undefined, width: number): string[] {
  const cells = [columns, ...rows];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)));
  const head = caption ? [`${line(caption)}:`] : [];
  if (widths.reduce((sum, each) => sum + each + 2, -2) <= Math.max(width, 60)) {
    const lines = cells.map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    );
    return [...head, ...lines];
  }
  const blocks = rows.flatMap((row) => {
    const [first = '', ...rest] = row;
    const told = rest.map((cell, index) => `${columns[index + 1] ?? ''}: ${cell}`).filter((each) => !/: $/.test(each));
    return [
      ...wrap(`- ${columns[0] ?? ''}: ${first}`, width, 4),
      ...told.flatMap((each) => wrap(`  ${each}`, width, 4)),
    ];
  });
  return [...head, ...blocks];
}

function moment(at: number, zone: string | undefined): string {
  if (Number.isNaN(new Date(at).getTime())) return 'unknown';
  return `${stamp(at, zone).slice(0, -3)} ${zoneOf(zone)}`;
}

function paragraphs(text: string, width: number): string[] {
  return text.split('\n').flatMap((each) => wrap(each, width));
}

/** Breaks between words; what follows is indented like the first line, and `hang` more. */
function wrap(text: string, width: number, hang = 0): string[] {
  const indent = /^ */.exec(text)?.[0] ?? '';
  const later = indent + ' '.repeat(hang);
  const lines: string[] = [];
  let made = '';
  for (const word of text.slice(indent.length).split(' ')) {
    if (made && later.length + made.length + 1 + word.length > width) {
      lines.push(`${lines.length === 0 ? indent : later}${made}`.trimEnd());
      made = word;
    } else made = made ? `${made} ${word}` : word;
  }
  return [...lines, `${lines.length === 0 ? indent : later}${made}`.trimEnd()];
}
