/** One whole KQueen as a process of its own. Its settings come as JSON in TEST_KQUEEN; it prints its port when it is up. */
import { flushCompileCache } from 'node:module';
import { startKQueen } from '../../src/compose.ts';
import type { Log } from '../../src/core/ports/log.ts';
import type { Settings } from '../../src/settings.ts';
import { settingsFor } from '../story/kqueen.ts';

function print(level: string) {
  return (fields: Record<string, unknown>, message: string) => {
    process.stderr.write(`${level} ${message} ${JSON.stringify(fields)}\n`);
  };
}
const quiet = () => {};
const log: Log = { debug: quiet, info: print('info'), warn: print('warn'), error: print('error'), child: () => log };

const given = JSON.parse(process.env.TEST_KQUEEN ?? '{}') as Partial<Settings> & { dataDir: string };
const kqueen = await startKQueen(settingsFor(given, given.dataDir), { log });
// It may end by being killed: whoever comes after it starts faster all the same.
flushCompileCache();
process.stdout.write(`${JSON.stringify({ port: kqueen.port })}\n`);
process.once('SIGTERM', () => {
  kqueen.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
