/** kill -9 while add-ons are turned and registries are set: each goes on from its last step and ends right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerConfig } from '../../src/core/addons-registry.ts';
import { callFor } from '../engines/calls.ts';
import { must } from '../jobs/matrix-scenarios.ts';
import {
  openWorkMatrix,
  type WorkGround,
  type WorkKill,
  type WorkMatrix,
  type WorkScenario,
} from '../jobs/work-matrix.ts';
import { lacksServer } from '../servers.ts';

interface Seen {
  metadata: { name: string; labels?: Record<string, string>; generation?: number };
  status?: { readyReplicas?: number };
  imagePullSecrets?: { name: string }[];
  items?: Seen[];
}

const read = async (on: WorkGround, path: string) => {
  const { status, body } = await on.api('GET', path);
  return status === 200 ? (body as Seen) : undefined;
};
const revisions = '/api/v1/namespaces/kqueen/secrets?labelSelector=kqueen%2Frevision-of';
const metrics = '/apis/apps/v1/namespaces/kube-system/deployments/metrics-server';

async function itemOf(on: WorkGround, name: string) {
  const { bulk, read: seen } = await on.kube.addon(on.kubeconfig, { name, pins: {} }, callFor());
  const { title, version, namespace, source } = seen;
  return { bulk, item: { do: 'on', name, title, version, namespace, source } };
}

const scenarios: Record<string, WorkScenario> = {
  // The provider's, one of KQueen's, and another: with the provider in the middle of the work.
  'addon.change': {
    async prepare(on) {
      const [first, second] = [await itemOf(on, 'metrics-server'), await itemOf(on, 'headlamp')];
      const seen = (await on.ask('GET', `/v1/clusters/${on.name}`)) as { addons: { name: string; on: boolean }[] };
      const provider = seen.addons.find((addon) => !addon.on);
      must(provider, 'the provider has no add-on to turn on');
      const turned = { do: 'provider', name: provider?.name ?? '', title: 'of the provider', on: true };
      return {
        bulk: JSON.stringify({ 'metrics-server': first.bulk, headlamp: second.bulk }),
        input: { items: [first.item, turned, second.item], by: 'Grace', asked: 'once', withinMs: 60_000 },
      };
    },
    async verify(on, job) {
      for (const path of [metrics, '/apis/apps/v1/namespaces/headlamp/deployments/headlamp']) {
        const live = await read(on, path);
        must(live?.status?.readyReplicas === 1, `${path} is not ready`);
        must(live?.metadata.generation === 1, `${path} was changed after it was made`);
      }
      const kept = (await read(on, revisions))?.items ?? [];
      must(kept.length === 2, `${kept.length} revisions of two add-ons`);
      must(
        kept.every(({ metadata }) => metadata.labels?.['kqueen/state'] === 'running'),
        'a revision does not run',
      );
      const name = ((job.work?.input.items ?? []) as { name: string }[])[1]?.name;
      const seen = (await on.ask('GET', `/v1/clusters/${on.name}`)) as { addons: { name: string; on: boolean }[] };
      must(seen.addons.find((addon) => addon.name === name)?.on, 'the add-on of the provider is off');
    },
  },
  'registry.set': {
    async prepare(on) {
      for (const name of ['one', 'two', 'three']) await on.api('POST', '/api/v1/namespaces', { metadata: { name } });
      const docker = dockerConfig({ host: 'mirror.example', user: 'puller', password: `made-up-${process.pid}` });
      const mirrors = [{ from: 'docker.io', to: 'mirror.example/hub' }];
      return {
        input: { mirrors, pull: 'set', namespaces: ['one', 'two', 'three'], by: 'Grace', at: 1_800_000_000_000 },
        ...(docker === undefined ? {} : { bulk: docker }),
      };
    },
    async verify(on) {
      for (const name of ['one', 'two', 'three']) {
        const account = await read(on, `/api/v1/namespaces/${name}/serviceaccounts/default`);
        must(
          account?.imagePullSecrets?.length === 1,
          `${name} pulls with ${account?.imagePullSecrets?.length ?? 0} Secrets`,
        );
        must(await read(on, `/api/v1/namespaces/${name}/secrets/kqueen-registry`), `${name} has no Secret`);
      }
    },
  },
};

describe.skipIf(lacksServer('etcd', 'redis-server'))('resume: add-ons and registries survive kill -9', () => {
  let matrix: WorkMatrix;
  beforeAll(async () => {
    matrix = await openWorkMatrix();
  }, 60_000);
  afterAll(() => matrix.close());

  it.for(Object.entries(scenarios))('%s', { timeout: 240_000 }, async ([op, scenario]) => {
    const unharmed = await matrix.run(op, scenario);
    const { changes, store } = unharmed.requests;
    expect(changes.length).toBeGreaterThan(2);
    const kills: WorkKill[] = [
      { at: 'outside', side: 'before', n: Math.ceil(changes.length / 3) },
      { at: 'outside', side: 'after', n: Math.ceil((2 * changes.length) / 3) },
      { at: 'store', side: 'after', n: Math.ceil(store.length / 2) },
    ];
    const runs = await Promise.all(kills.map((kill) => matrix.run(op, scenario, kill)));
    for (const run of runs) console.info(`${op}: ${run.killed ? `killed at ${run.request}` : 'not reached'}`);
    expect(runs.filter(({ killed }) => killed).length).toBeGreaterThanOrEqual(kills.length - 1);
  });
});
