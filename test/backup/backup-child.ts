/** Makes one backup in a process of its own and says what memory that took. Its settings come as JSON in BACKUP_CHILD. */
import { silentLog } from '../../src/core/ports/log.ts';
import { openKube } from '../../src/kube/index.ts';
import { openArchive } from '../../src/store/archive/index.ts';
import { callFor, realClock } from '../engines/calls.ts';
import { backupInput, drive, testVault } from './drive.ts';

const { kubeconfig, dir, namespaces } = JSON.parse(process.env.BACKUP_CHILD ?? '{}') as {
  kubeconfig: string;
  dir: string;
  namespaces: string[];
};
const parts = { log: silentLog, clock: realClock };
const archive = openArchive({ kind: 'dir', path: dir }, parts);
const kube = openKube({ ...parts, archive, vault: testVault() });
// What a KQueen that looks at clusters has loaded anyway is no part of a backup.
await kube.probe(kubeconfig, callFor());
await kube.plan(
  kubeconfig,
  { op: 'backup.create', input: backupInput('warm', { namespaces: ['kube-public'] }) },
  callFor(),
);
const before = process.memoryUsage().rss;
let peak = before;
const timer = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().rss);
}, 10);
const begun = performance.now();
const { last } = await drive(kube, kubeconfig, 'backup.create', backupInput('bench', { namespaces, secrets: true }), {
  each: () => {
    peak = Math.max(peak, process.memoryUsage().rss);
  },
});
const ms = performance.now() - begun;
clearInterval(timer);
const { objects } = (last.progress as { summary: { objects: number } }).summary;
process.stdout.write(`${JSON.stringify({ objects, ms, growthMb: (peak - before) / 2 ** 20 })}\n`);
await kube.close();
await archive.close();
