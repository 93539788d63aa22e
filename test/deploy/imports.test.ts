import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin, stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './compose-file.ts';

/** `@scope/name/sub` → `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** What the code asks for at run time; type imports are gone, as they are when Node runs it. */
function specifiersOf(file: string): string[] {
  const code = stripTypeScriptTypes(readFileSync(file, 'utf8'), { mode: 'strip' });
  const asked = [
    /^\s*(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
    /\brequire(?:\([^()]*\))?(?:\.resolve)?\(\s*['"]([^'"]+)['"]\s*\)/g,
    /\bcreateRequire\([^()]*\)(?:\.resolve)?\(\s*['"]([^'"]+)['"]\s*\)/g,
    /\bimport\.meta\.resolve\(\s*['"]([^'"]+)['"]\s*\)/g,
  ];
  return asked.flatMap((form) => [...code.matchAll(form)].map(([, specifier = '']) => specifier));
}

it('asks at run time only for what an installation without development dependencies has', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean } | undefined>;
  };
  const src = join(root, 'src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  const found = files.flatMap((path) => specifiersOf(join(src, path)).map((specifier) => ({ path, specifier })));
  const outside = found.filter(({ specifier }) => !specifier.startsWith('.') && !isBuiltin(specifier));
  expect(new Set(outside.map(({ specifier }) => packageOf(specifier))).size).toBeGreaterThan(8);

  const missing = outside.filter(({ specifier }) => !Object.hasOwn(dependencies, packageOf(specifier)));
  // The Playground is looked for, and done without when it is not there.
  expect(missing).toEqual([{ path: 'local.ts', specifier: '@microsoft/m365agentsplayground/cli.js' }]);
  for (const name of Object.keys(dependencies)) {
    const entry = lock.packages[`node_modules/${name}`];
    expect(entry?.dev ?? entry?.devOptional ?? entry === undefined, name).toBe(false);
  }
  // Nothing outside the folder that the image has, either.
  const strays = found.filter(
    ({ path, specifier }) => specifier.startsWith('.') && !join(src, path, '..', specifier).startsWith(`${src}/`),
  );
  expect(strays).toEqual([]);
});
