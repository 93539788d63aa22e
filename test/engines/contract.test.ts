import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { all } from '../../src/engines/index.ts';
import { rules } from './rules.ts';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const docs = readFileSync(at('docs/engines.md'), 'utf8');

/** The rows of the table under a heading, cells trimmed, without its head. */
function rowsOf(heading: string): string[][] {
  const section = docs.split(/^## /m).find((each) => each.startsWith(heading)) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

describe('the engine contract', () => {
  it('has every folder of src/engines in the registry, and nothing else', () => {
    const folders = readdirSync(at('src/engines'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    expect(all.map((engine) => engine.name).sort()).toEqual(folders.sort());
  });

  it('has a conformance run and a row in the documentation for every engine', () => {
    for (const { name } of all) {
      const test = at(`test/engines/${name}.test.ts`);
      expect(existsSync(test), `test/engines/${name}.test.ts`).toBe(true);
      expect(readFileSync(test, 'utf8')).toMatch(new RegExp(`engineConformance\\(\\{\\s*name: '${name}'`));
      expect(docs).toContain(`| \`${name}\` |`);
    }
  });

  it('has one documented rule for each test, and one test for each documented rule', () => {
    const documented = rowsOf('Rules').map(([id, , title]) => [id?.replaceAll('`', ''), title]);
    expect(Object.fromEntries(documented)).toEqual(rules);
    expect(documented).toHaveLength(Object.keys(rules).length);
  });

  it('runs every rule in the suite', () => {
    const suite = readdirSync(at('test/engines'))
      .filter((file) => file.startsWith('conformance-'))
      .map((file) => readFileSync(at(`test/engines/${file}`), 'utf8'))
      .join('\n');
    const run = [...suite.matchAll(/\brule\(\s*'([a-z-]+)'/g)].map(([, id]) => id);
    expect(run.sort()).toEqual(Object.keys(rules).sort());
  });
});
