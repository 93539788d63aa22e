/** Who lists the pods of one cluster: `ours` is the look as `cluster get pods` takes it; `floor` reads the same pages with a bare HTTP client. */
import { readFileSync, writeFileSync } from 'node:fs';
import { Pool } from 'undici';
import { systemClock } from '../../src/clock.ts';
import { openKube } from '../../src/kube/index.ts';
import { writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { keptLog } from '../../test/story/kqueen.ts';
import { serveChild } from './child.ts';
import { timed } from './measure.ts';

/** What one list took: how long, and by how many MB the process grew at most. */
export interface Listed {
  ms: number;
  peakMb: number;
  pods: number;
}

serveChild(async (asked) => {
  const { as, port, ca } = asked as { as: 'ours' | 'floor'; port: number; ca: string };
  const server = `https://127.0.0.1:${port}`;
  const list = as === 'ours' ? openOurs(server, ca) : openFloor(server, ca);
  return async (): Promise<Listed> => {
    // From here on the kernel counts the highest anew (proc(5), clear_refs).
    writeFileSync('/proc/self/clear_refs', '5');
    const before = memory('VmRSS');
    let pods = 0;
    const ms = await timed(async () => {
      pods = await list();
    });
    return { ms, pods, peakMb: memory('VmHWM') - before };
  };
});

function memory(what: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${what}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1] ?? Number.NaN) / 1024;
}

function openOurs(server: string, ca: string): () => Promise<number> {
  const clock = systemClock;
  const kube = openKube({ log: keptLog(), clock });
  const kubeconfig = writeKubeconfig('bench', 'kqueen', { server, ca, token: 'bench-token' });
  return async () => {
    const call = { signal: new AbortController().signal, deadline: clock.now() + 60_000 };
    const { title } = await kube.look(kubeconfig, 'pods', { cluster: 'bench' }, call);
    return Number(title.replace(/\D/g, ''));
  };
}

function openFloor(server: string, ca: string): () => Promise<number> {
  const pool = new Pool(server, { connections: 1, connect: { ca } });
  return async () => {
    let pods = 0;
    let token: string | undefined = '';
    do {
      const path = `/api/v1/pods?limit=500${token === '' ? '' : `&continue=${token}`}`;
      const { body } = await pool.request({ method: 'GET', path });
      const page = JSON.parse(await body.text()) as { items: unknown[]; metadata: { continue?: string } };
      pods += page.items.length;
      token = page.metadata.continue;
    } while (token !== undefined);
    return pods;
  };
}
