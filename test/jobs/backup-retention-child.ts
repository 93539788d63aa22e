/**
 * Removes the backups that go by retention, over the store and the archive of a folder, and dies by SIGKILL at its n-th deletion of an object:
 * `node backup-retention-child.ts <folder> <before|after> <n>`; with n = 0 it lives, and ends.
 */
import { join } from 'node:path';
import { silentLog } from '../../src/core/ports/log.ts';
import { openEngines } from '../../src/engines/index.ts';
import { createBackupSweep } from '../../src/jobs/backup-sweep.ts';
import { createInProcessQueue } from '../../src/jobs/in-process.ts';
import { openArchive } from '../../src/store/archive/index.ts';
import { openEmbeddedDriver } from '../../src/store/embedded.ts';
import { openStore } from '../../src/store/store.ts';
import { realClock } from '../store/clocks.ts';

const [, , dir = '', side = 'before', nth = '0'] = process.argv;
const log = silentLog;
const driver = openEmbeddedDriver({ dir: join(dir, 'store'), clock: realClock, log });
const store = openStore(driver, { prefix: '/test', log });
const archive = openArchive({ kind: 'dir', path: join(dir, 'archive') }, { log, clock: realClock });
let made = 0;
const mortal = {
  ...archive,
  async delete(...given: Parameters<typeof archive.delete>) {
    made += 1;
    if (made === Number(nth) && side === 'before') process.kill(process.pid, 'SIGKILL');
    await archive.delete(...given);
    if (made === Number(nth) && side === 'after') process.kill(process.pid, 'SIGKILL');
  },
};
let ids = Date.now();
const newId = () => {
  ids += 1;
  return ids.toString(36);
};
const sweeps = createBackupSweep({
  ...{ store, archive: mortal, clock: realClock, newId, log, engines: openEngines({ log, clock: realClock }) },
  queue: createInProcessQueue({ clock: realClock, log }),
});
await sweeps.retain(new AbortController().signal);
await store.close();
process.stdout.write(`deleted ${made}\n`);
process.exit(0);
