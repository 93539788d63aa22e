/** The list of a cluster's many pods, read in pages of 500, against a bare HTTP client that reads the same pages. */
import { startChild } from './child.ts';
import { median, type Row } from './measure.ts';
import type { Listed } from './pods-child.ts';

export async function measurePods(rounds: number, pods: number): Promise<Row[]> {
  const servers = await startChild('clusters-child.ts', { clusters: 1, pods });
  const { ports, ca } = await servers.ask<{ ports: number[]; ca: string }>({});
  const [port] = ports;
  const ours = await startChild('pods-child.ts', { as: 'ours', port, ca });
  const floor = await startChild('pods-child.ts', { as: 'floor', port, ca });
  try {
    const seen: { ours: Listed[]; floor: Listed[] } = { ours: [], floor: [] };
    for (let round = 0; round <= rounds; round += 1) {
      for (const [name, child] of [
        ['ours', ours],
        ['floor', floor],
      ] as const) {
        const listed = await child.ask<Listed>({});
        if (listed.pods !== pods) throw new Error(`${name} saw ${listed.pods} pods.`);
        if (round > 0) seen[name].push(listed);
      }
    }
    const of = (name: 'ours' | 'floor', pick: keyof Listed) => median(seen[name].map((each) => each[pick]));
    const what = `list of ${pods} pods in pages of 500`;
    return [
      { what, unit: 'ms', ours: of('ours', 'ms'), floor: of('floor', 'ms'), most: 2 },
      { what: 'memory it takes at its most', unit: 'MB', ours: of('ours', 'peakMb'), floor: of('floor', 'peakMb') },
      { what: 'the same, bounded', unit: 'MB', ours: of('ours', 'peakMb'), most: 64 },
    ];
  } finally {
    for (const child of [ours, floor, servers]) await child.end();
  }
}
