import { join } from 'node:path';
import { z } from 'zod';
import { startSandbox } from './server.ts';

const FLAG = z.stringbool().default(false);

const ENVIRONMENT = z.object({
  SANDBOX_PORT: z.coerce.number().int().min(0).max(65535).default(0),
  SANDBOX_HOST: z.string().min(1).default('127.0.0.1'),
  SANDBOX_ADVERTISE: z.string().min(1).optional(),
  SANDBOX_DATA_DIR: z.string().min(1).default(join(process.cwd(), 'sandbox-data')),
  SANDBOX_TOKEN: z.string().min(16).optional(),
  SANDBOX_SPEED: z.coerce.number().positive().max(100_000).default(1),
  SANDBOX_ADMIN: FLAG,
  SANDBOX_EXIT_WITH_STDIN: FLAG,
  KUBEBUILDER_ASSETS: z.string().min(1).optional(),
});

/** How long a stop may take before the process ends anyway, ms; real API servers take longer to end. */
const STOP_WITHIN = 900;
const STOP_REAL_WITHIN = 12_000;

async function main(): Promise<void> {
  const given = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''));
  const parsed = ENVIRONMENT.safeParse(given);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) console.error(`${issue.path.join('.')}: ${issue.message}`);
    process.exitCode = 2;
    return;
  }
  const env = parsed.data;
  const sandbox = await startSandbox({
    dataDir: env.SANDBOX_DATA_DIR,
    port: env.SANDBOX_PORT,
    host: env.SANDBOX_HOST,
    speed: env.SANDBOX_SPEED,
    admin: env.SANDBOX_ADMIN,
    ...(env.SANDBOX_ADVERTISE === undefined ? {} : { advertise: env.SANDBOX_ADVERTISE }),
    ...(env.KUBEBUILDER_ASSETS === undefined ? {} : { assets: env.KUBEBUILDER_ASSETS }),
    ...(env.SANDBOX_TOKEN === undefined ? {} : { token: env.SANDBOX_TOKEN }),
  });

  let stopping = false;
  async function stop(): Promise<void> {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(0), env.KUBEBUILDER_ASSETS === undefined ? STOP_WITHIN : STOP_REAL_WITHIN).unref();
    await sandbox.close();
    process.exit(0);
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop());
  // A parent that started this with an IPC channel, or holds its stdin, takes it along when it dies.
  if (process.channel !== undefined) process.on('disconnect', () => void stop());
  if (env.SANDBOX_EXIT_WITH_STDIN) {
    process.stdin.on('close', () => void stop());
    process.stdin.on('end', () => void stop());
    process.stdin.resume();
  }
  const { url, caFile, tokenFile } = sandbox;
  process.stdout.write(`${JSON.stringify({ url, caFile, tokenFile, pid: process.pid })}\n`);
}

try {
  await main();
} catch (error) {
  console.error(`The sandbox did not start: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
