/** A process that the kill tests start: writes pairs of keys to the embedded store and prints each key that was confirmed. */
import { writeSync } from 'node:fs';
import { Fault } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { openEmbeddedDriver } from '../../src/store/embedded.ts';
import { realClock } from './clocks.ts';

const [dir = '', name = ''] = process.argv.slice(2);

async function write(lane: number): Promise<void> {
  for (let index = 0; ; index += 1) {
    const key = `/w/${name}.${lane}.${index}`;
    const result = await driver.txn(
      [{ key: `${key}.a`, revision: 0 }],
      [
        { op: 'put', key: `${key}.a`, value: 'x'.repeat(500) },
        { op: 'put', key: `${key}.b`, value: 'y'.repeat(500) },
      ],
    );
    if (result.ok) writeSync(1, `${key}.a\n${key}.b\n`);
  }
}

function open() {
  try {
    return openEmbeddedDriver({ dir, clock: realClock, log: silentLog });
  } catch (error) {
    console.error(error instanceof Fault ? error.message : error);
    process.exit(3);
  }
}

const driver = open();
await Promise.all([0, 1, 2, 3].map(write));
