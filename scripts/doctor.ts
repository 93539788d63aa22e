/** Looks at everything KQueen depends on, by the same environment: `node scripts/doctor.ts`. Exits with 1 when something is broken. */
import { runDoctor } from '../src/doctor.ts';

const columns = process.stdout.columns;
process.exitCode = await runDoctor(process.env, process.argv.slice(2), (text) => process.stdout.write(text), {
  ...(columns === undefined ? {} : { columns }),
});
