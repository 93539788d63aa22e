/** One look at each of many clusters: against a bare HTTP client that asks the same, with kept connections, and with some clusters that hang. */
import type { Stage } from '../../test/replicas/stage.ts';
import { type Child, startChild } from './child.ts';
import { median, type Row } from './measure.ts';
import type { Swept } from './sweep-child.ts';

/** What one cluster may take: the sweep's own limit. */
const clusterMs = 8_000;

interface Counts {
  ports: number[];
  ca: string;
  handshakes: number;
  requests: number;
}

export async function measureSweep(stage: Stage, rounds: number, clusters: number): Promise<Row[]> {
  const servers = await startChild('clusters-child.ts', { clusters, pods: 12 });
  const children: Child[] = [servers];
  try {
    const counts = (): Promise<Counts> => servers.ask({});
    const { ports, ca } = await counts();
    const store = { ...stage.settings().store, prefix: '/bench-sweep' };
    const start = async (as: 'ours' | 'floor') => {
      const child = await startChild('sweep-child.ts', { as, ports, ca, store, clusterMs });
      children.push(child);
      return child;
    };
    const [ours, floor] = [await start('ours'), await start('floor')];
    const empty = { ours: await ours.ask<number>({ idle: true }), floor: await floor.ask<number>({ idle: true }) };
    await floor.ask({ lists: false });
    const warm: { ours: Swept[]; floor: Swept[]; requests: number[]; handshakes: number } = {
      ...{ ours: [], floor: [], requests: [], handshakes: 0 },
    };
    // The first of each round warms what the hung ones and the other process have cooled.
    for (let round = 0; round <= rounds; round += 1) {
      for (const [name, child] of [
        ['ours', ours],
        ['floor', floor],
      ] as const) {
        const before = await counts();
        const swept = await child.ask<Swept>({ lists: false });
        const after = await counts();
        if (round === 0) continue;
        warm[name].push(swept);
        warm.requests.push(after.requests - before.requests);
        if (name === 'ours') warm.handshakes += after.handshakes - before.handshakes;
      }
    }
    const [fewest, most] = [Math.min(...warm.requests), Math.max(...warm.requests)];
    if (fewest !== most) throw new Error(`They did not ask the same: ${fewest} to ${most} requests.`);
    // Other clusters hang each time, so that each is one of which nobody knew.
    const quiet: Swept[] = [];
    const troubled: Swept[] = [];
    for (let round = 0; round < rounds; round += 1) {
      quiet.push(await ours.ask<Swept>({ lists: true }));
      await servers.ask({ hang: ports.filter((_, index) => index % 20 === round % 20) });
      troubled.push(await ours.ask<Swept>({ lists: true }));
      await servers.ask({ hang: [] });
      await ours.ask({ lists: false });
    }
    const of = (all: Swept[], pick: keyof Swept) => median(all.map((each) => each[pick]));
    const healthy = of(quiet, 'ms');
    const fleet = `${clusters} clusters`;
    return [
      { what: `sweep of ${fleet}, warm`, unit: 'ms', ours: of(warm.ours, 'ms'), floor: of(warm.floor, 'ms'), most: 2 },
      { what: 'CPU for each cluster of it', unit: 'ms', ours: of(warm.ours, 'cpuMs') / clusters, most: 2 },
      {
        what: 'the same next to the bare client',
        unit: 'ms',
        ours: of(warm.ours, 'cpuMs') / clusters,
        floor: of(warm.floor, 'cpuMs') / clusters,
      },
      { what: 'new TLS handshakes of all warm sweeps', unit: 'handshakes', ours: warm.handshakes, most: 0 },
      {
        what: 'memory for each cluster that is kept',
        unit: 'KB',
        ours: ((of(warm.ours, 'residentMb') - empty.ours) * 1024) / clusters,
        floor: ((of(warm.floor, 'residentMb') - empty.floor) * 1024) / clusters,
      },
      {
        what: 'sweep with 5 % that hang, beyond their time-out',
        unit: 'ms',
        ours: Math.max(0, of(troubled, 'ms') - clusterMs),
        floor: healthy,
        most: 2,
      },
      {
        what: 'list of clusters while 5 % hang, and while none does',
        unit: 'ms',
        ours: of(troubled, 'listMs'),
        floor: of(quiet, 'listMs'),
        most: 1.2,
      },
    ];
  } finally {
    for (const child of children) await child.end();
  }
}
