/** The home in Microsoft's Agents Playground: greeted once, looked at, refreshed in place, with real clicks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Approval } from '../../src/core/records.ts';
import { clusterChanges, org, people } from '../core/stage.ts';
import { type Playground, playgroundPerson, startPlayground } from '../counterparts/teams/playground.ts';
import { sampleJob } from '../jobs/samples.ts';
import { eventually, freePort, lacksServer } from '../servers.ts';
import { sampleCluster } from '../store/parts.ts';
import { startTestKQueen, type TestKQueen } from '../story/kqueen.ts';
import { sampleHealth } from './stage.ts';

describe.skipIf(lacksServer('chromium'))("the home in Microsoft's Agents Playground", () => {
  let kqueen: TestKQueen;
  let playground: Playground;
  const person = `teams:local:${playgroundPerson.objectId}`;

  beforeAll(async () => {
    const port = await freePort();
    kqueen = await startTestKQueen({
      http: { host: '127.0.0.1', port },
      roles: { bot: true, worker: false },
      sandbox: { on: false, speed: 1, port: 0 },
      teams: { appId: '', appPassword: '', tenantId: 'local', appType: 'SingleTenant', development: true },
      bootstrapAdmins: [person],
    });
    playground = await startPlayground({ botUrl: `${kqueen.url}/api/messages` });
  });
  afterAll(async () => {
    await playground?.stop();
    await kqueen?.end();
  });

  async function seed(): Promise<void> {
    const now = Date.now();
    const { store } = kqueen;
    const owner = { owner: person, ownerName: playgroundPerson.name, createdAt: now - 3 * 86_400_000 };
    await store.commit([
      ...clusterChanges(sampleCluster('dev-1', { name: 'dev-1', ...owner })),
      ...clusterChanges(sampleCluster('dev-2', { name: 'dev-2', ...owner })),
      { op: 'put', ref: { kind: 'health', org, id: 'dev-1' }, record: sampleHealth('dev-1', 'Healthy', now) },
      { op: 'put', ref: { kind: 'health', org, id: 'dev-2' }, record: sampleHealth('dev-2', 'Degraded', now) },
    ]);
    const plan = {
      ...sampleJob().plan,
      cost: { perHour: 0.2, perMonth: 146, currency: 'USD', excludes: [] },
      title: 'Create cluster wish',
    };
    const asked = { cluster: 'wish', clusterName: 'wish', requestedBy: people.mel.id, requesterName: 'Mel' };
    const job = sampleJob({ id: 'wish1', ...asked, state: 'AwaitingApproval', plan, dueAt: now + 3_000_000 });
    const approval: Approval = {
      ...{ v: 1, id: 'wish1', org, job: 'wish1', ...asked, requestedAt: now, role: 'admin', planHash: 'abc' },
      ...{ state: 'pending', expiresAt: now + 3_000_000 },
    };
    await store.commit([
      { op: 'put', ref: { kind: 'job', org, id: 'wish1' }, record: job },
      { op: 'put', ref: { kind: 'approval', org, id: 'wish1' }, record: approval },
    ]);
    await eventually('memory has it', () => kqueen.cache.query('cluster', org).total === 2);
  }

  it('greets, shows the home, and shows it anew where it stands', { timeout: 120_000 }, async () => {
    await playground.see(/I am KQueen: I make Kubernetes clusters/, 20_000);
    expect(await playground.count('Somebody')).toBe(0);
    await playground.shot('hello');
    await playground.say('home');
    await playground.see(/You have no clusters/);
    await seed();
    await playground.click('Refresh');
    await playground.see(/You have 2 clusters/);
    expect(await playground.count(/Home of/)).toBe(1);
    await playground.see('Waits for your decision');
    await playground.shot('home');
    await playground.click('Look');
    await playground.see(/your decision is asked/);
    expect(await playground.count(/I am KQueen: I make Kubernetes clusters/)).toBe(1);
    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
