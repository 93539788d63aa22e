/** Writes the generated pages: `npm run docs`. With `--check` it writes nothing and fails when a page is not as it would be written. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandsPage } from './docs/commands.ts';
import { configurationPage } from './docs/configuration.ts';
import { enginesPage } from './docs/engines.ts';
import { parityPage } from './docs/parity.ts';

const pages = [commandsPage, configurationPage, enginesPage, parityPage];
const root = join(import.meta.dirname, '..');
const isCheck = process.argv.includes('--check');

for (const { file, render } of pages) {
  const path = join(root, file);
  const wanted = render();
  if (wanted === currentText(path)) continue;
  if (isCheck) {
    console.error(`${file} is not as npm run docs writes it.`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, wanted);
    console.log(`wrote ${file}`);
  }
}

/** The text of a file; nothing when there is no such file yet. */
function currentText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
