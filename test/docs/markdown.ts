/** What the tests of the documentation read: every page of the repository, its links, headings and names in code. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

export interface Page {
  /** From the repository's root, with slashes. */
  file: string;
  text: string;
  /** The text without fenced blocks. */
  prose: string;
}

/** Every Markdown file that is ours. */
export function pages(): Page[] {
  const ours = ['*.md', 'docs/**/*.md', 'src/**/*.md', 'test/**/*.md', 'scripts/**/*.md', 'teams/**/*.md'];
  return globSync(ours, { cwd: root })
    .map((file) => file.replaceAll('\\', '/'))
    .sort()
    .map((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return { file, text, prose: withoutFences(text) };
    });
}

function withoutFences(text: string): string {
  return text.replace(/^ *```[\s\S]*?^ *```$/gm, '');
}

/** The texts of the fenced blocks. */
export function fences({ text }: Page): string[] {
  return text.match(/^ *```[\s\S]*?^ *```$/gm) ?? [];
}

/** Targets of links, as they are written. */
export function links({ prose }: Page): string[] {
  const withoutCode = prose.replace(/`[^`\n]*`/g, '');
  return [...withoutCode.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '');
}

/** The anchors that GitHub makes of the headings: a second equal heading gets `-1`. */
export function anchors({ prose }: Page): Set<string> {
  const found = new Map<string, number>();
  for (const [, heading = ''] of prose.matchAll(/^#{1,6} +(.+)$/gm)) {
    const plain = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-');
    const before = found.get(plain);
    found.set(plain, (before ?? -1) + 1);
    if (before !== undefined) found.set(`${plain}-${before + 1}`, 0);
  }
  return new Set(found.keys());
}

/** Everything between single backticks. */
export function codeSpans({ prose }: Page): string[] {
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? '');
}
