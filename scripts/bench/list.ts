/** A page of the clusters, through the dispatch, from memory: at 100 and at 10,000, with every request to etcd counted. */
import { createDispatch } from '../../src/bot/dispatch.ts';
import { newId, systemClock } from '../../src/clock.ts';
import { registry } from '../../src/core/commands/index.ts';
import { openEngines } from '../../src/engines/index.ts';
import { createInProcessQueue } from '../../src/jobs/index.ts';
import { openKube } from '../../src/kube/index.ts';
import { openConfiguredStore } from '../../src/store/index.ts';
import { startGrpcProxy } from '../../test/proxy.ts';
import type { Stage } from '../../test/replicas/stage.ts';
import { keptLog } from '../../test/story/kqueen.ts';
import { median, type Row, timed } from './measure.ts';
import { putClusters } from './records.ts';

export const largePrefix = '/bench-10000';

export async function measureList(
  stage: Stage,
  { rounds, perRound }: { rounds: number; perRound: number },
): Promise<Row[]> {
  const log = keptLog();
  const clock = systemClock;
  const secretKeys = stage.settings().store?.secretKeys ?? '';
  const fleets: { times: number[]; page(): Promise<number>; close(): Promise<void>; requests(): number }[] = [];
  for (const [prefix, count] of [['/bench-100', 100] as const, [largePrefix, 10_000] as const]) {
    const proxy = await startGrpcProxy(stage.etcd.url);
    const settings = { prefix, etcd: { hosts: [proxy.url] }, secretKeys };
    const opened = await openConfiguredStore(settings, { clock, log, dataDir: '' });
    const { store, cache, sealer } = opened;
    await putClusters(store, count);
    const wanted = (await store.page('cluster', 'default', { limit: 1 })).revision;
    if (!(await cache.reached(wanted, 60_000))) throw new Error('The cache did not keep up.');
    if (proxy.count() === 0) throw new Error('Requests to etcd are not counted.');
    const engines = openEngines({ log, clock });
    const kube = openKube({ log, clock });
    const queue = createInProcessQueue({ clock, log });
    const handle = createDispatch({
      ...{ registry, store, cache, sealer, engines, kube, queue, clock, newId, log, org: 'default', version: '0' },
      limits: { approvalMs: 3_600_000, provisionMs: 600_000 },
      options: async () => null,
      guide: async () => null,
      tell: async () => undefined,
      handOver: async () => undefined,
    });
    let requests = 0;
    let turn = 0;
    fleets.push({
      times: [],
      requests: () => requests,
      async page() {
        turn += 1;
        const inbound = {
          ...{ source: 'command' as const, eventId: newId(16), private: false, canOpenForm: true },
          person: { id: 'slack:T1:U1', name: 'ada', external: null },
          place: { chat: 'slack' as const, workspace: 'T1', conversation: 'C1' },
          text: `clusters page=${1 + (turn % 5)}`,
        };
        const before = proxy.count();
        let title = '';
        const ms = await timed(async () => {
          title = (await handle(inbound))[0]?.card?.title ?? '';
        });
        requests += proxy.count() - before;
        if (!title.startsWith(`${count} clusters`) && !title.startsWith('10,000')) throw new Error(title);
        return ms;
      },
      async close() {
        await Promise.all([engines.close(), kube.close(), queue.close(100)]);
        await opened.close();
        await proxy.close();
      },
    });
  }
  const [small, large] = fleets;
  if (!small || !large) throw new Error('There are no fleets.');
  try {
    for (let round = 0; round <= rounds; round += 1) {
      for (const fleet of fleets) {
        const times: number[] = [];
        for (let count = 0; count < perRound; count += 1) times.push(await fleet.page());
        if (round > 0) fleet.times.push(median(times));
      }
    }
    const ours = median(large.times);
    return [
      { what: 'page of 20 of 10,000 clusters', unit: 'ms', ours, most: 20 },
      { what: 'the same at 10,000 and at 100', unit: 'ms', ours, floor: median(small.times), most: 2 },
      {
        what: 'requests to etcd for all those pages',
        unit: 'requests',
        ours: small.requests() + large.requests(),
        most: 0,
      },
    ];
  } finally {
    for (const fleet of fleets) await fleet.close();
  }
}
