/** Writes and deletes objects in a directory until it is killed: `node archive-writer-child.ts <folder>`. */
import { silentLog } from '../../src/core/ports/log.ts';
import { openArchive } from '../../src/store/archive/index.ts';
import { realClock } from './clocks.ts';

const archive = openArchive({ kind: 'dir', path: process.argv[2] ?? '' }, { log: silentLog, clock: realClock });
const call = { signal: new AbortController().signal, deadline: Date.now() + 60_000 };
for (let round = 0; ; round += 1) {
  // Every byte is the same, and the first says which length it has: half a file shows.
  const size = 200_000 + (round % 50) * 4_001;
  await archive.put(`org/c${round % 3}/b${round % 5}/chunk`, Buffer.alloc(size, round % 50), call);
  if (round % 4 === 3) await archive.delete(`org/c${(round + 1) % 3}/b${round % 5}/chunk`, call);
  if (round === 3) process.stdout.write('writing\n');
}
