/** The one-time link to a cluster whose kubeconfig is asked for each time. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { takeHandout } from '../../src/core/handout.ts';
import type { Engine } from '../../src/core/ports/engine.ts';
import { openEngines } from '../../src/engines/index.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog, sampleCluster } from '../store/parts.ts';
import { clusterChanges, openStage, org, people } from './stage.ts';

let provider: SandboxProvider;
beforeAll(async () => {
  provider = await startSandboxProvider(400);
});
afterAll(() => provider.stop());

test('gives a credential although KQueen keeps no kubeconfig of the cluster', async () => {
  const labels = { 'kqueen-cluster': 'c1', 'kqueen-org': org };
  const body = { name: 'paid-1', region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 1, labels };
  await provider.ask('POST', '/v1/clusters', body);
  await eventually('it runs', async () => {
    const { status } = (await provider.ask('GET', '/v1/clusters/paid-1')) as { status: string };
    return status === 'RUNNING';
  });
  const expiring: Engine = { ...sandbox, kubeconfigMs: 600_000 };
  const engines = openEngines({ engines: [expiring], log: keepingLog(), clock: realClock });
  const stage = await openStage({ provider, parts: { engines, publicUrl: 'https://kqueen.example' } });
  const at = stage.opened.cache.query('provisioner', org).items[0];
  const own = { name: 'dev-1', externalName: 'paid-1', owner: people.dev.id, provisioner: at?.id ?? '' };
  await stage.put(...clusterChanges(sampleCluster('c1', own)));
  const answer = await stage.say('dev', 'cluster access dev-1 as view');
  const token = answer.card?.buttons[0]?.url?.split('/d/')[1] ?? '';
  const taken = await takeHandout(stage.parts, token);
  expect(taken?.content).toContain('kind: Config');
  expect(await takeHandout(stage.parts, token)).toBeNull();
  await engines.close();
  await stage.close();
}, 60_000);
