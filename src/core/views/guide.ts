import type { Part } from '../card.ts';

/** One section of a guide: what stands under a heading of the second level. The first one, before any, has the guide's own title. */
export interface Section {
  title: string;
  parts: Part[];
}

/**
 * A guide as KQueen's own documentation writes it, by sections: headings, paragraphs, lists, tables and code. It is no Markdown reader for what
 * others write.
 */
export function guideSections(markdown: string): Section[] {
  const sections: Section[] = [];
  let lines: string[] = [];
  let title = '';
  const close = () => {
    const parts = partsOf(lines);
    if (title !== '' && parts.length > 0) sections.push({ title, parts });
    lines = [];
  };
  let fenced = false;
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) fenced = !fenced;
    const heading = fenced ? null : /^##? (.+)$/.exec(line);
    if (heading?.[1]) {
      close();
      title = heading[1].trim();
    } else {
      lines.push(line);
    }
  }
  close();
  return sections;
}

function partsOf(lines: readonly string[]): Part[] {
  const parts: Part[] = [];
  let paragraph: string[] = [];
  const close = () => {
    const text = paragraph.join('\n').trim();
    if (text !== '') parts.push({ part: 'text', text: ours(text) });
    paragraph = [];
  };
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (line.startsWith('```')) {
      close();
      const end = lines.findIndex((each, at) => at > index && each.startsWith('```'));
      const last = end < 0 ? lines.length : end;
      parts.push({ part: 'code', text: lines.slice(index + 1, last).join('\n') });
      index = last;
    } else if (line.startsWith('|')) {
      close();
      const end = lines.findIndex((each, at) => at > index && !each.startsWith('|'));
      const rows = lines.slice(index, end < 0 ? lines.length : end).map(cells);
      const [columns = [], , ...body] = rows;
      parts.push({ part: 'table', columns, rows: body });
      index += rows.length - 1;
    } else if (line.trim() === '') {
      close();
    } else if (line.startsWith('### ')) {
      close();
      paragraph.push(`**${line.slice(4).trim()}**`);
      close();
    } else {
      // A line that goes on is joined to the one before it; a list's item begins a line of its own.
      const item = /^\s*([-*]|\d+\.) /.test(line);
      if (item || paragraph.length === 0) paragraph.push(line.trimEnd());
      else paragraph.push(`${paragraph.pop() ?? ''} ${line.trim()}`);
    }
  }
  close();
  return parts;
}

function cells(row: string): string[] {
  return row
    .replace(/^\||\|\s*$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => plain(ours(cell.trim().replaceAll('\\|', '|'))));
}

/** Markdown's bold as ours; links into the repository lead nowhere in a chat, so their words stay alone. */
function ours(text: string): string {
  return text.replace(/\*\*([^*]+)\*\*/g, '*$1*').replace(/\[([^\]]+)\]\((?!https:)[^)]*\)/g, '$1');
}

/** Tables hold plain text. */
function plain(text: string): string {
  return text.replace(/[`*]/g, '');
}
