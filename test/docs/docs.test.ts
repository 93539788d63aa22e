import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandsPage } from '../../scripts/docs/commands.ts';
import { enginesPage } from '../../scripts/docs/engines.ts';
import { options } from '../../src/config-options.ts';
import { registry } from '../../src/core/commands/index.ts';
import { cachedKinds, kinds } from '../../src/core/records.ts';
import { all as engines } from '../../src/engines/index.ts';
import { anchors, codeSpans, fences, links, type Page, pages, root } from './markdown.ts';

const all = pages();
const page = (file: string): Page => {
  const found = all.find((each) => each.file === file);
  if (!found) throw new Error(`${file} is missing.`);
  return found;
};
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

describe('the list of commands', () => {
  it('is as the registry makes it; npm run docs writes it', () => {
    expect(page(commandsPage.file).text).toBe(commandsPage.render());
  });

  it('names every command and every other phrase for it, and shows no plan as an argument', () => {
    const { text } = page(commandsPage.file);
    for (const { name, aliases = [] } of registry.all) {
      expect(text).toContain(`\n### ${name}\n`);
      for (const alias of aliases) expect(text).toContain(`\`${alias}\``);
    }
    expect(text).not.toMatch(/^\| `plan`/m);
  });
});

describe('the page of engines', () => {
  it('shows what the runs of the engines have shown; npm run docs writes it', () => {
    expect(page(enginesPage.file).text).toBe(enginesPage.render());
  });

  it('has a table of calls and faults for every engine', () => {
    for (const { name } of engines) expect(page(enginesPage.file).text).toContain(`### ${name}: calls and faults`);
  });
});

describe.each(all.map((each) => [each.file, each] as const))('%s', (file, each) => {
  it('has no link that leads nowhere', () => {
    const broken = links(each).filter((target) => {
      if (/^(?:https?|mailto):/.test(target)) return false;
      const [path = '', anchor] = target.split('#');
      const goal = path === '' ? file : posix.normalize(posix.join(posix.dirname(file), path));
      if (!existsSync(join(root, goal))) return true;
      return anchor !== undefined && !anchors(page(goal)).has(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('names no script that does not exist', () => {
    const named = [...each.text.matchAll(/npm (?:run (?:-s )?([a-z][\w:-]*)|(test|start)\b)/g)].map(
      ([, run, short]) => run ?? short ?? '',
    );
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });

  it('names no setting that does not exist', () => {
    const ofTests = ['KQUEEN_CI', 'KQUEEN_TEST_KUBECONFIG'];
    const named = codeSpans(each).flatMap(
      (code) => code.match(/\b(?:KQUEEN_[A-Z_]*[A-Z]|SLACK_[A-Z_]*[A-Z]|MicrosoftApp\w+)\b/g) ?? [],
    );
    expect(named.filter((name) => !Object.hasOwn(options, name) && !ofTests.includes(name))).toEqual([]);
  });

  it('names no file that does not exist', () => {
    const named = codeSpans(each).filter((code) =>
      /^(?:\.?\/)?(?:src|test|scripts|docs|teams|deploy|\.ci)(?:\/[\w.*-]+)*\/?$|^[\w.-]+\.(?:yml|json|md)$|^Dockerfile$/.test(
        code,
      ),
    );
    const here = (path: string) =>
      [root, join(root, dirname(file))].some((from) =>
        path.includes('*') ? globSync(path, { cwd: from }).length > 0 : existsSync(join(from, path)),
      );
    // A file that a command of the same page makes is the reader's own.
    const made = (path: string) => fences(each).some((block) => block.includes(` create ${path}`));
    expect(named.filter((path) => !here(path) && !made(path))).toEqual([]);
  });

  it('promises and praises nothing, and speaks of the product alone', () => {
    const found = unwanted.flatMap((pattern) => each.text.match(pattern) ?? []);
    expect(found).toEqual([]);
  });
});

/** Spelt so that this file does not hold them. */
const unwanted = [
  /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/g,
  /\bplace[h]older|\bfor [n]ow\b|\bnot [i]mplemented|\bcoming [s]oon|\broad[m]ap|\bwill be [a]dded|\bin the [f]uture\b/gi,
  /\b(?:blazing|seamless|effortless|powerful|robust|world-class|cutting-edge|revolutionary|enterprise-grade|delightful)\w*/gi,
  /\bsimply\b|\bjust works\b|\bbattle-tested\b|\bstate of the art\b/gi,
  /(?<![&\w/])#\d+\b|\bissue \d+\b/g,
  /(?:^|[\s`'"(])\/(?:work|home|root|Users)\/|\/tmp\/bash/g,
  /registry\.npm[\w.]*|npmmirror|\bverdaccio\b/gi,
];

describe('the README', () => {
  const { text } = page('README.md');

  it('names the test command that continuous integration runs', () => {
    expect(text).toMatch(/^npm test\b/m);
    expect(readFileSync(join(root, '.ci/run'), 'utf8')).toMatch(/^npm test$/m);
  });

  it('backs every promise by a test file', () => {
    const rows =
      text
        .split('\n## ')
        .find((each) => each.startsWith('What it holds to'))
        ?.split('\n') ?? [];
    const promises = rows.filter((row) => row.startsWith('| ')).slice(2);
    expect(promises.length).toBeGreaterThan(5);
    for (const row of promises) expect(row).toMatch(/`test\/[\w./-]+\.ts` ?[,|]/);
  });
});

describe('the architecture', () => {
  it('lists every kind of record, and says which are cached', () => {
    const { prose } = page('docs/architecture.md');
    const table = prose.split('| Kind | Id | Cached |')[1]?.split('\n\n')[0] ?? '';
    const rows = [...table.matchAll(/^\| ((?:`\w+`,? ?)+)\|.*\| (yes|no) \|$/gm)];
    const listed = rows.flatMap(([, names = '', cached]) =>
      [...names.matchAll(/`(\w+)`/g)].map(([, name]) => `${name} ${cached}`),
    );
    const wanted = kinds.map((kind) => `${kind} ${(cachedKinds as readonly string[]).includes(kind) ? 'yes' : 'no'}`);
    expect(listed.sort()).toEqual(wanted.sort());
  });

  it('links every decision, and each has its number, its standing and its reasons', () => {
    const decisions = all.filter(({ file }) => file.startsWith('docs/adr/'));
    expect(decisions.length).toBeGreaterThan(0);
    const linked = links(page('docs/architecture.md'));
    for (const [index, { file, text }] of decisions.entries()) {
      const number = index + 1;
      expect(posix.basename(file)).toMatch(new RegExp(`^${String(number).padStart(4, '0')}-[a-z0-9-]+\\.md$`));
      expect(text).toMatch(new RegExp(`^# ${number}\\. .+\n\nStatus: (?:accepted|replaced by .+)\n`));
      for (const part of ['Context', 'Decision', 'Consequences']) expect(text).toContain(`\n## ${part}\n`);
      expect(linked).toContain(posix.relative('docs', file));
    }
  });
});
