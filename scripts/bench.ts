/**
 * `npm run bench`: what KQueen takes for its main acts, next to the rawest client doing the same work in the same run, on real etcd (with
 * fsync) and Redis. Prints a table; exits with 1 when a goal is missed. `--quick` for a fast look, `--only=ack,list` for some of it,
 * `--engines=gke,aks` for some of the engines.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStage } from '../test/replicas/stage.ts';
import { findServer } from '../test/servers.ts';
import { measureAck } from './bench/ack.ts';
import { measureBackup } from './bench/backup.ts';
import { measureEngines } from './bench/engines.ts';
import { measureDeath, measureMany } from './bench/jobs.ts';
import { measureList } from './bench/list.ts';
import { passes, type Row, table } from './bench/measure.ts';
import { measurePods } from './bench/pods.ts';
import { measureStart } from './bench/start.ts';
import { measureSweep } from './bench/sweep.ts';

// Processes run with the heap that `npm start` and the image give them.
const { scripts } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as {
  scripts: { start: string };
};
process.env.NODE_OPTIONS ??= scripts.start
  .split(' ')
  .filter((word) => word.startsWith('--max-'))
  .join(' ');

const quick = process.argv.includes('--quick');
const named = (option: string) =>
  process.argv
    .find((each) => each.startsWith(option))
    ?.slice(option.length)
    .split(',');
const only = named('--only=');
const missing = (['etcd', 'redis-server'] as const).filter((name) => findServer(name) === null);
if (missing.length > 0) {
  console.log(`The bench needs ${missing.join(' and ')}, which this machine does not have; nothing was measured.`);
  process.exit(1);
}

const rounds = quick ? 2 : 5;
const parts: [string, (stage: Awaited<ReturnType<typeof openStage>>) => Promise<Row[]>][] = [
  ['ack', (stage) => measureAck(stage, { rounds, perRound: quick ? 20 : 30 })],
  ['list', (stage) => measureList(stage, { rounds, perRound: 100 })],
  ['start', (stage) => measureStart(stage, rounds)],
  ['death', (stage) => measureDeath(stage, rounds)],
  ['many', (stage) => measureMany(stage, quick ? 200 : 1_000)],
  ['sweep', (stage) => measureSweep(stage, rounds, quick ? 200 : 1_000)],
  ['pods', () => measurePods(rounds, quick ? 1_000 : 5_000)],
  ['backup', () => measureBackup(rounds)],
  ['engines', (stage) => measureEngines(stage, 200, quick ? 15_000 : 60_000, named('--engines='))],
];
const rows: Row[] = [];
const stage = await openStage({ fsync: true, speed: 1 });
try {
  await stage.provider.ask('PUT', '/v1/admin/quota', { clusters: 10_000, nodes: 10_000 });
  for (const [name, measure] of parts) {
    // The start is measured on the records that the list leaves.
    if (only && !only.includes(name) && !(name === 'list' && only.includes('start'))) continue;
    console.error(`measuring: ${name} …`);
    rows.push(...(await measure(stage)));
  }
} finally {
  await stage.close();
}
console.log(table(rows));
process.exit(rows.every(passes) ? 0 : 1);
