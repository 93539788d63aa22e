/** The list of a cluster's many pods, read in pages of 500, against a bare HTTP client that reads the same pages. */
import { type Child, startChild } from './child.ts';
import { median, type Row } from './measure.ts';
import type { Listed } from './pods-child.ts';

/** Pods in one page. */
const page = 500;

export async function measurePods(rounds: number, pods: number): Promise<Row[]> {
  const children: Child[] = [];
  const start = async (program: string, given: Record<string, unknown>) => {
    const child = await startChild(program, given);
    children.push(child);
    return child;
  };
  /** The API of a cluster with so many pods, and who lists them. */
  const cluster = async (count: number) => {
    const servers = await start('clusters-child.ts', { clusters: 1, pods: count });
    const { ports, ca } = await servers.ask<{ ports: number[]; ca: string }>({});
    return (as: 'ours' | 'floor') => start('pods-child.ts', { as, port: ports[0], ca });
  };
  try {
    const [many, few] = [await cluster(pods), await cluster(page)];
    const lists = { ours: await many('ours'), floor: await many('floor'), few: await few('ours') };
    const seen: Record<keyof typeof lists, Listed[]> = { ours: [], floor: [], few: [] };
    for (let round = 0; round <= rounds; round += 1) {
      for (const name of ['ours', 'floor', 'few'] as const) {
        const listed = await lists[name].ask<Listed>({});
        if (listed.pods !== (name === 'few' ? page : pods)) throw new Error(`${name} saw ${listed.pods} pods.`);
        if (round > 0) seen[name].push(listed);
      }
    }
    const of = (name: keyof typeof lists, pick: keyof Listed) => median(seen[name].map((each) => each[pick]));
    const what = `list of ${pods} pods in pages of ${page}`;
    return [
      { what, unit: 'ms', ours: of('ours', 'ms'), floor: of('floor', 'ms'), most: 2 },
      {
        what: `memory at its most, at ${pods} pods and at ${page}`,
        unit: 'MB',
        ours: of('ours', 'mostMb'),
        floor: of('few', 'mostMb'),
        most: 1.5,
      },
    ];
  } finally {
    for (const child of children) await child.end();
  }
}
