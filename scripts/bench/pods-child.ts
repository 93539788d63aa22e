/** Who lists the pods of one cluster: `ours` is the look as `cluster get pods` takes it; `floor` reads the same pages with a bare HTTP client. */
import { readFileSync } from 'node:fs';
import { Pool } from 'undici';
import { systemClock } from '../../src/clock.ts';
import { openKube } from '../../src/kube/index.ts';
import { writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { keptLog } from '../../test/story/kqueen.ts';
import { serveChild } from './child.ts';
import { timed } from './measure.ts';

/** What one list took, and how large the process has been at most, in MB. */
export interface Listed {
  ms: number;
  mostMb: number;
  pods: number;
}

serveChild(async (asked) => {
  const { as, port, ca } = asked as { as: 'ours' | 'floor'; port: number; ca: string };
  const server = `https://127.0.0.1:${port}`;
  const list = as === 'ours' ? openOurs(server, ca) : openFloor(server, ca);
  return async (): Promise<Listed> => {
    let pods = 0;
    const ms = await timed(async () => {
      pods = await list();
    });
    return { ms, pods, mostMb: mostMemory() };
  };
});

/** The highest resident memory of this process so far (proc(5)), in MB. */
function mostMemory(): number {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
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
