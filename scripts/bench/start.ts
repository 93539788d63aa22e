/** From the start of the process to /readyz, with 10,000 clusters in etcd, against bare imports and a paged range of the same records. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Stage } from '../../test/replicas/stage.ts';
import { endProcess, freePort, spawnReaped } from '../../test/servers.ts';
import { largePrefix } from './list.ts';
import { median, type Row, until } from './measure.ts';

const program = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

/** The store must hold the 10,000 clusters of `list.ts`. */
export async function measureStart(stage: Stage, rounds: number): Promise<Row[]> {
  const { slack, store } = stage.settings();
  const dataDir = mkdtempSync(join(tmpdir(), 'kqueen-bench-start-'));
  async function ours(): Promise<number> {
    const port = await freePort();
    const begun = performance.now();
    const child = spawnReaped(process.execPath, [program, 'bot'], {
      PATH: process.env.PATH,
      KQUEEN_DATA_DIR: dataDir,
      KQUEEN_PORT: String(port),
      KQUEEN_ETCD_HOSTS: stage.etcd.hosts[0],
      KQUEEN_ETCD_PREFIX: largePrefix,
      KQUEEN_REDIS_URL: stage.redis.url,
      KQUEEN_SECRET_KEYS: store?.secretKeys,
      KQUEEN_SANDBOX: 'off',
      SLACK_BOT_TOKEN: slack?.botToken,
      SLACK_SIGNING_SECRET: slack?.signingSecret,
      SLACK_API_URL: slack?.apiUrl,
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
    }
    const ready = async () => {
      if (child.exitCode !== null) throw new Error(`KQueen ended at its start: ${said}`);
      return await fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ status }) => status === 200,
        () => false,
      );
    };
    await until('a ready KQueen', ready, { everyMs: 5 });
    const ms = performance.now() - begun;
    await endProcess(child, 'SIGKILL');
    return ms;
  }
  async function floor(): Promise<number> {
    const begun = performance.now();
    const child = spawnReaped(process.execPath, [join(import.meta.dirname, 'floor-start.ts')], {
      PATH: process.env.PATH,
      FLOOR_ETCD: stage.etcd.hosts[0],
      FLOOR_PREFIX: `${largePrefix}/`,
    });
    if (!child.stdout) throw new Error('The floor has no output.');
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const ms = performance.now() - begun;
    if (Number(line) < 10_000) throw new Error(`The floor read ${line} records.`);
    await endProcess(child, 'SIGKILL');
    return ms;
  }
  const times: { ours: number[]; floor: number[] } = { ours: [], floor: [] };
  try {
    for (let round = 0; round <= rounds; round += 1) {
      const [low, high] = [await floor(), await ours()];
      if (round === 0) continue;
      times.floor.push(low);
      times.ours.push(high);
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
  return [
    {
      what: 'start to /readyz with 10,000 clusters',
      unit: 'ms',
      ours: median(times.ours),
      floor: median(times.floor),
      most: 2,
    },
  ];
}
