import { statfsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/**
 * Memory for the tests' folders where there is plenty: every change of theirs is written through to the disk, which is waited for a hundred
 * thousand times, and no test pulls the plug.
 */
function memory(): Record<string, string> {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize > 4 * 2 ** 30 ? { TMPDIR: '/dev/shm' } : {};
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown) return {};
    throw thrown;
  }
}

/** The tests a reviewer runs: everything but the long kill and load runs (see vitest.soak.config.ts). */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/soak/**', '**/node_modules/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    env: process.env.TMPDIR === undefined ? memory() : {},
  },
});
