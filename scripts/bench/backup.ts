/** A backup of 10,000 objects next to one of 1,000: how long, and how much memory at its peak, each in a process of its own. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startSandboxCluster } from '../../test/kube/sandbox-cluster.ts';
import { median, type Row } from './measure.ts';

const child = join(import.meta.dirname, '..', '..', 'test', 'backup', 'backup-child.ts');
const run = promisify(execFile);

interface Measured {
  objects: number;
  ms: number;
  growthMb: number;
}

export async function measureBackup(rounds: number): Promise<Row[]> {
  const { kubeconfig, api, close } = await startSandboxCluster(1);
  const spaces = Array.from({ length: 10 }, (_, at) => `space-${at}`);
  const dir = mkdtempSync(join(tmpdir(), 'kqueen-bench-backup-'));
  try {
    for (const space of spaces) await api('POST', '/api/v1/namespaces', { metadata: { name: space } });
    const fill = async (lane: number): Promise<void> => {
      for (let at = lane; at < 10_000; at += 8) {
        const body = { metadata: { name: `c-${at}` }, data: { text: randomBytes(1_000).toString('hex') } };
        await api('POST', `/api/v1/namespaces/${spaces[at % 10]}/configmaps`, body);
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, lane) => fill(lane)));
    const measure = async (namespaces: string[]): Promise<Measured> => {
      const settings = JSON.stringify({ kubeconfig, dir: join(dir, String(namespaces.length)), namespaces });
      const { stdout } = await run(process.execPath, [child], { env: { ...process.env, BACKUP_CHILD: settings } });
      return JSON.parse(stdout) as Measured;
    };
    const small: Measured[] = [];
    const large: Measured[] = [];
    for (let round = 0; round < Math.min(3, rounds); round += 1) {
      small.push(await measure(spaces.slice(0, 1)));
      large.push(await measure(spaces));
    }
    if ((large[0]?.objects ?? 0) < 10_000) throw new Error(`${large[0]?.objects} objects in the backup`);
    const of = (all: Measured[], key: 'ms' | 'growthMb') => median(all.map((each) => each[key]));
    return [
      { what: 'backup of 10,000 objects', unit: 's', ours: of(large, 'ms') / 1_000, most: 60 },
      { what: 'memory that it takes at its peak', unit: 'MB', ours: of(large, 'growthMb'), most: 100 },
      {
        what: 'the same next to 1,000 objects',
        ...{ unit: 'MB', ours: of(large, 'growthMb'), floor: of(small, 'growthMb'), most: 3 },
      },
    ];
  } finally {
    await close();
    rmSync(dir, { recursive: true, force: true });
  }
}
