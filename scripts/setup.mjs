// Installs the dependencies when they are missing or older than the lock file; otherwise does nothing.
// Plain JavaScript without imports of ours: it must run on any Node >= 20 before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const installed = join(root, 'node_modules', '.package-lock.json');
const runtime = join(root, 'node_modules', '.bin', 'node');
const age = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);
const wanted = Math.max(age(join(root, 'package-lock.json')), age(join(root, 'package.json')));

if (!existsSync(runtime) || age(installed) < wanted) {
  console.error('Installing dependencies (once) …');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const done = spawnSync(npm, ['install', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (done.status !== 0) {
    console.error('npm install failed; its messages are above. Fix what they name and run the command again.');
    process.exit(done.status ?? 1);
  }
  // npm leaves the file alone when nothing changed; without this the next start would install again.
  const now = new Date();
  if (existsSync(installed)) utimesSync(installed, now, now);
}
