/** A whole worker as a process of its own, for the kill matrix. Its settings come as JSON in MATRIX_WORKER. */
import { flushCompileCache } from 'node:module';
import { z } from 'zod';
import { vaultOf } from '../../src/core/backup.ts';
import type { Log } from '../../src/core/ports/log.ts';
import { openEngines } from '../../src/engines/index.ts';
import { createBullmqQueue, startWorker } from '../../src/jobs/index.ts';
import { openKube } from '../../src/kube/index.ts';
import { openArchive } from '../../src/store/archive/index.ts';
import { openEtcd } from '../../src/store/open.ts';
import { realClock } from '../store/clocks.ts';

const Settings = z.object({
  etcd: z.string(),
  prefix: z.string(),
  redis: z.string(),
  redisPrefix: z.string(),
  secretKeys: z.string(),
  /** Directory of backups. */
  archive: z.string().optional(),
});

function print(level: string) {
  return (fields: Record<string, unknown>, message: string) => {
    process.stderr.write(`${level} ${message} ${JSON.stringify(fields)}\n`);
  };
}
const quiet = () => {};
const log: Log = { debug: quiet, info: quiet, warn: print('warn'), error: print('error'), child: () => log };

const settings = Settings.parse(JSON.parse(process.env.MATRIX_WORKER ?? '{}'));
const clock = realClock;
const opened = await openEtcd({
  ...{ hosts: [settings.etcd], prefix: settings.prefix, secretKeys: settings.secretKeys, clock, log },
});
let ids = 0;
const worker = await startWorker({
  ...{ store: opened.store, cache: opened.cache, sealer: opened.sealer, clock, log },
  engines: openEngines({ log, clock }),
  kube: openKube({
    ...{ log, clock, vault: vaultOf(opened.sealer) },
    ...(settings.archive ? { archive: openArchive({ kind: 'dir', path: settings.archive }, { log, clock }) } : {}),
  }),
  queue: createBullmqQueue({ url: settings.redis, prefix: settings.redisPrefix, clock, log }),
  newId: () => {
    ids += 1;
    return `${process.pid.toString(36)}${ids}`;
  },
  retain: () => opened.retain(),
});
// It ends by being killed: whoever comes after it starts faster all the same.
flushCompileCache();
process.stdout.write('ready\n');
process.on('SIGTERM', () => {
  worker
    .close()
    .then(() => opened.close())
    .then(() => process.exit(0));
});
