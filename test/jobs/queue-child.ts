/** A worker that takes one tick and holds it for ever; the test kills it. Arguments: url, prefix. */

import { silentLog } from '../../src/core/ports/log.ts';
import { createBullmqQueue } from '../../src/jobs/bullmq.ts';
import { realClock } from '../store/clocks.ts';

const [url = '', prefix = ''] = process.argv.slice(2);
const queue = createBullmqQueue({ url, prefix, clock: realClock, log: silentLog });
await queue.work(async ({ job }) => {
  process.stdout.write(`took ${job}\n`);
  await new Promise(() => {});
}, 1);
