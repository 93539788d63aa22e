/** The rule that replaces dead nodes by itself: what it decides, what it begins, and that it is one worker's work. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Job, RepairRule } from '../../src/core/records.ts';
import { decideRepair } from '../../src/core/repair-rule.ts';
import { createRepairSweep } from '../../src/jobs/repair-sweep.ts';
import { openStage, org, type Stage, type Who, words } from '../core/stage.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { apiOf } from '../kube/sandbox-cluster.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';

const hour = 3_600_000;
const now = 1_800_000_000_000;
const ruleOf = (change: Partial<RepairRule> = {}): RepairRule => ({
  ...{ v: 1, id: 'c1', org, limit: 2, afterMs: 600_000, by: 'slack:T1:grace', byName: 'Grace', at: now - hour },
  place: { chat: 'slack', workspace: 'T1', conversation: 'C1' },
  begun: [],
  ...change,
});

describe('what the rule decides', () => {
  it('replaces as many as the limit leaves, and says why', () => {
    const seen = decideRepair({ rule: ruleOf({ limit: 1 }), dead: ['n-1', 'n-2'], all: 9, now });
    expect(seen.replace?.most).toBe(1);
    expect(seen.replace?.why).toBe(
      '2 of 9 nodes are out of service for 10 min or longer: n-1, n-2. 1 replacement now, since the rule allows 1 an hour.',
    );
    expect(seen.alert).toBeUndefined();
  });

  it('holds the limit of an hour, tells it once, and goes on when the hour is over', () => {
    const rule = ruleOf({ begun: [{ at: now - hour + 60_000, job: 'j1', nodes: 2 }] });
    const first = decideRepair({ rule, dead: ['n-1'], all: 9, now });
    expect(first.replace).toBeUndefined();
    expect(first.alert?.title).toBe('the limit of repairs is reached');
    const second = decideRepair({ rule: first.rule, dead: ['n-1'], all: 9, now: now + 30_000 });
    expect(second.alert).toBeUndefined();
    expect(second.replace).toBeUndefined();
    expect(decideRepair({ rule: first.rule, dead: ['n-1'], all: 9, now: now + 60_000 }).replace?.most).toBe(1);
  });

  it('never replaces when more than a third of the nodes is out of service: that is told instead', () => {
    const seen = decideRepair({ rule: ruleOf({ limit: 20 }), dead: ['n-1', 'n-2'], all: 5, now });
    expect(seen.replace).toBeUndefined();
    expect(seen.alert?.text).toMatch(/2 of 5 nodes are out .* looks like an outage/);
    // One of three is a third, not more.
    expect(decideRepair({ rule: ruleOf(), dead: ['n-1'], all: 3, now }).replace?.most).toBe(1);
    expect(decideRepair({ rule: ruleOf(), dead: ['n-1'], all: 2, now }).replace).toBeUndefined();
  });

  it('waits after a repair that failed, and forgets what it told when all is well again', () => {
    const last: Pick<Job, 'id' | 'state' | 'endedAt'> = { id: 'j1', state: 'Failed', endedAt: now - 60_000 };
    const seen = decideRepair({ rule: ruleOf(), dead: ['n-1'], all: 9, last, now });
    expect(seen.alert?.text).toMatch(/The last repair by the rule failed \(job #j1\)/);
    expect(decideRepair({ rule: seen.rule, dead: [], all: 9, now }).rule.told).toBeUndefined();
    expect(decideRepair({ rule: ruleOf(), dead: ['n-1'], all: 9, last, now: now + hour }).replace?.most).toBe(1);
  });
});

describe('the rule at work', () => {
  let provider: SandboxProvider;
  let stage: Stage;
  let api: ReturnType<typeof apiOf>;
  let nodes: string[] = [];
  let external = '';
  let id = '';
  /** How far KQueen's clock is ahead of the cluster's: nodes are dead for minutes without that anybody waits for it. */
  let ahead = 0;
  const clock = { ...realClock, now: () => realClock.now() + ahead };
  beforeAll(async () => {
    provider = await startSandboxProvider(200);
  });
  afterAll(() => provider.stop());
  beforeEach(async () => {
    ahead = 0;
    stage = await openStage({ provider, worker: true, clock });
    const wish = 'cluster create self-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=4';
    await stage.press('grace', await say('grace', wish), 'Create it');
    const ready = await eventually('it is ready', async () => {
      const found = await stage.cluster('self-1');
      return found?.phase === 'Ready' ? found : null;
    });
    ({ id, externalName: external } = ready);
    api = apiOf(String(await provider.ask('GET', `/v1/clusters/${external}/kubeconfig`)));
    const { body } = await api.api('GET', '/api/v1/nodes');
    nodes = (body as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name).sort();
  });
  afterEach(async () => {
    await api.close();
    await stage.close();
    for (const { name } of ((await provider.ask('GET', '/v1/clusters')) as { clusters: { name: string }[] }).clusters)
      await provider.ask('DELETE', `/v1/clusters/${name}`);
  });

  /** The answer to a line; asked once more when a busy machine needs longer than a chat waits. */
  const say = (who: Who, line: string) =>
    eventually('an answer in time', async () => {
      const answer = await stage.say(who, line);
      return /takes a little longer/.test(answer.card?.text ?? '') ? null : answer;
    });

  const sweepOf = () => {
    const { store, cache, sealer } = stage.opened;
    const { engines, kube, queue, newId, log } = stage.parts;
    return createRepairSweep({ store, cache, sealer, engines, kube, queue, clock, newId, log });
  };
  const sweep = () => sweepOf().sweep(new AbortController().signal);
  const rule = async () => (await stage.opened.store.get({ kind: 'repairrule', org, id }))?.record;
  const notices = async () => (await stage.opened.store.page('notice', org)).items.map(({ record }) => record);
  async function kill(node: string): Promise<void> {
    await provider.ask('PUT', '/v1/admin/node', { cluster: external, node, state: 'dead' });
    await eventually(`${node} is silent`, async () => {
      const { body } = await api.api('GET', `/api/v1/nodes/${node}`);
      const { conditions } = (body as { status: { conditions: { type: string; status: string }[] } }).status;
      return conditions.some(({ type, status }) => type === 'Ready' && status === 'Unknown');
    });
    await eventually('the health sweep has seen it', async () => {
      const health = await stage.opened.store.get({ kind: 'health', org, id });
      return health !== undefined && health.record.nodesReady < health.record.nodes;
    });
  }

  it('is set, shown and taken away by who may, and refused where nothing can be replaced', {
    timeout: 60_000,
  }, async () => {
    expect(words(await say('mel', 'cluster repair self-1 auto on'))).toMatch(/Only its owner or an admin/);
    expect(words(await say('grace', 'cluster repair self-1 auto'))).toMatch(/are not replaced by themselves/);
    expect(words(await say('grace', 'cluster repair self-1 auto on limit=99'))).toMatch(/1 to 20/);
    expect(words(await say('grace', 'cluster repair self-1 limit=2'))).toMatch(/belongs to the repair rule/);
    const on = await say('grace', 'cluster repair self-1 auto on limit=2/h after=15m');
    expect(on.card?.text).toMatch(/out of service for 15 min are replaced by themselves, 2 nodes an hour at most/);
    expect(await rule()).toMatchObject({ limit: 2, afterMs: 900_000, byName: 'Grace' });
    expect(words(await say('grace', 'cluster repair self-1 auto'))).toMatch(/0 of 2/);
    await stage.press('grace', on, 'Turn it off');
    expect(await rule()).toBeUndefined();
    expect((await stage.audit()).filter(({ action }) => action === 'cluster.repair.rule')).toHaveLength(2);
  });

  it('replaces a dead node as a job of its own, asked for by KQueen, by one of two workers', {
    timeout: 60_000,
  }, async () => {
    const [victim = ''] = nodes;
    await say('grace', 'cluster repair self-1 auto on limit=1/h');
    await kill(victim);
    // Not dead for long enough yet.
    await sweep();
    expect((await rule())?.begun).toEqual([]);
    ahead = 660_000;
    await Promise.all([sweep(), sweep()]);
    expect((await rule())?.begun).toHaveLength(1);
    const job = await eventually('the repair ends', async () => {
      const last = await stage.lastJob();
      return last.work?.op === 'node.repair' && last.endedAt !== undefined ? last : null;
    });
    expect(job).toMatchObject({ requestedBy: 'kqueen', requesterName: 'KQueen', state: 'Succeeded' });
    expect(job.note).toContain(`Replaced: ${victim}.`);
    expect(job.log[0]?.text).toMatch(/Begun by the repair rule of Grace: 1 of 4 nodes is out of service/);
    const { body } = await api.api('GET', '/api/v1/nodes');
    expect((body as { items: unknown[] }).items).toHaveLength(4);
    const repairs = (await stage.audit()).filter(({ action }) => action === 'node.repair');
    expect(repairs.map(({ who, outcome }) => `${who} ${outcome}`)).toEqual(
      expect.arrayContaining(['kqueen requested', 'kqueen done']),
    );
    // Another one within the hour is told, and left to a person.
    await kill(nodes[1] ?? '');
    await sweep();
    await sweep();
    expect((await rule())?.begun).toHaveLength(1);
    expect((await notices()).map(({ title }) => title)).toEqual(['self-1: the limit of repairs is reached']);
  });

  it('tells an outage instead of replacing, and begins nothing beside an open job', { timeout: 60_000 }, async () => {
    await say('grace', 'cluster repair self-1 auto on limit=9/h');
    for (const node of nodes.slice(0, 2)) await kill(node);
    ahead = 660_000;
    await sweep();
    await sweep();
    expect((await rule())?.begun).toEqual([]);
    const [notice, ...more] = await notices();
    expect(more).toEqual([]);
    expect(notice).toMatchObject({ tone: 'bad', title: 'self-1: too many nodes are out of service to replace them' });
    expect(notice?.buttons.map(({ label }) => label)).toEqual(['Nodes', 'Check', 'Repair']);
    const held = await stage.opened.store.get({ kind: 'cluster', org, id });
    if (!held) throw new Error('no cluster');
    await stage.put({ op: 'put', ref: held.ref, record: { ...held.record, openJob: 'someone' } });
    const before = await rule();
    await sweep();
    expect(await rule()).toEqual(before);
  });
});
