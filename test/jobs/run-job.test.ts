import { describe, expect, it, vi } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import type { Kind } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { openSealer, secretKey } from '../../src/store/seal.ts';
import { mustCommit, openBench, putJob, putProvisioner } from './bench.ts';
import { kubeconfigCanary, never, paperKube, tokenCanary } from './paper.ts';
import { probed, sampleJob, start } from './samples.ts';

const org = 'default';
const cancel = { by: 'terminal:admin', byName: 'Ada', at: start };

describe('a creation', () => {
  it('goes from the request to a cluster with credentials, health and an audit entry, in one act', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    const job = await bench.toTheEnd();

    expect(job).toMatchObject({
      state: 'Succeeded',
      startedAt: start,
      deadlineAt: start + job.allowedMs,
      percent: 100,
    });
    expect(bench.paper.calls.filter((call) => call === 'create')).toHaveLength(1);
    expect(bench.paper.params).toEqual({ region: 'north', token: tokenCanary });
    const cluster = await bench.cluster();
    expect(cluster).toMatchObject({ phase: 'Ready', kubeconfig: true, version: '1.34.1', nodes: 3 });
    expect(cluster).not.toHaveProperty('openJob');

    const ref = { kind: 'secret', org, id: 'kubeconfig.c1' } as const;
    const secret = await bench.store.get(ref);
    expect(secret?.record.sealed).not.toContain(kubeconfigCanary);
    expect(bench.sealer.open(ref, secret?.record.sealed ?? '')).toBe(`${kubeconfigCanary} of dev-1-abc`);
    expect((await bench.store.get({ kind: 'health', org, id: 'c1' }))?.record.verdict).toBe('Healthy');

    const audit = await bench.store.page('audit', org);
    expect(audit.items.map(({ record }) => record)).toMatchObject([
      { action: 'cluster.create', outcome: 'done', who: 'terminal:dev', subject: 'dev-1', job: 'job1' },
    ]);
    // One tick each: ask, and see that it runs.
    expect(job.tick).toBe(3);
  });

  it('keeps secrets out of logs and of everything but the sealed record', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    await bench.toTheEnd();
    const kinds: Kind[] = ['job', 'cluster', 'provisioner', 'secret', 'health', 'audit', 'name'];
    const pages = await Promise.all(kinds.map((kind) => bench.store.page(kind, org)));
    const everything = JSON.stringify([bench.log.lines, pages]);
    expect(everything).not.toContain(kubeconfigCanary);
    expect(everything).not.toContain(tokenCanary);
  });

  it('asks the provider once when two workers hold the same tick', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    let inside = 0;
    let free = () => {};
    const both = new Promise<void>((resolve) => {
      free = resolve;
    });
    // Engines let only one look at a cluster at a time, so the second worker has its own.
    const engines = openEngines({ engines: [bench.paper.engine], log: bench.log, clock: bench.clock });
    bench.paper.before.observe = async () => {
      inside += 1;
      if (inside === 2) free();
      await both;
    };
    const tick = { org, job: 'job1', tick: 1 };
    await Promise.all([bench.runner.runTick(tick), bench.another({ engines }).runTick(tick)]);
    expect(bench.paper.calls.filter((call) => call === 'create')).toHaveLength(1);
    expect((await bench.job()).tick).toBe(2);
    await engines.close();
  });

  it('asks for nothing when it was cancelled between the look and the act', async () => {
    const bench = await openBench();
    await putJob(bench.store, { state: 'Running', startedAt: start, deadlineAt: start + 60_000 });
    bench.paper.before.observe = async () => {
      bench.paper.before = {};
      await bench.edit({ cancel, tick: 2 });
    };
    await bench.tick();
    expect(bench.paper.calls).not.toContain('create');
    const job = await bench.toTheEnd();
    expect(job.state).toBe('Cancelled');
    expect(bench.paper.calls).not.toContain('create');
    expect(await bench.cluster()).toBeUndefined();
    expect(await bench.store.get({ kind: 'name', org, id: 'cluster.dev-1' })).toBeUndefined();
    const audit = await bench.store.page('audit', org);
    expect(audit.items[0]?.record).toMatchObject({ outcome: 'cancelled', who: 'terminal:admin' });
  });

  it('removes what was made when it is cancelled half-way', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    await bench.tick();
    bench.paper.clusters.set('dev-1-abc', { state: 'creating', mine: true, percent: 50 });
    await bench.tick();
    expect(await bench.job()).toMatchObject({ state: 'Running', percent: 48 });
    await bench.edit({ cancel, tick: (await bench.job()).tick + 1, dueAt: bench.clock.now() });
    const job = await bench.toTheEnd();
    expect(job.state).toBe('Cancelled');
    expect(bench.paper.calls.filter((call) => call === 'delete')).toHaveLength(1);
    expect(bench.paper.clusters.size).toBe(0);
    expect(await bench.cluster()).toBeUndefined();
  });

  it('keeps an edit of the cluster that comes at the same moment, and still asks only once', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    const relabel = async (value: string) => {
      const record = await bench.cluster();
      if (!record) throw new Error('no cluster');
      await mustCommit(bench.store, [
        { op: 'put', ref: { kind: 'cluster', org, id: 'c1' }, record: { ...record, labels: { team: value } } },
      ]);
    };
    let looks = 0;
    bench.paper.before.observe = async () => {
      looks += 1;
      if (looks <= 2) await relabel(`look ${looks}`);
    };
    bench.paper.after.create = () => relabel('after the act');
    const job = await bench.toTheEnd();
    expect(job.state).toBe('Succeeded');
    expect(bench.paper.calls.filter((call) => call === 'create')).toHaveLength(1);
    expect(await bench.cluster()).toMatchObject({ phase: 'Ready', labels: { team: 'after the act' } });
  });

  it('finds what it asked for after an answer that never came', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    bench.paper.after.create = () => never;
    const running = bench.tick();
    await vi.waitFor(() => expect(bench.paper.clusters.size).toBe(1));
    await bench.clock.advance(12_001);
    expect(await running).toMatchObject({ state: 'Waiting', intent: { act: 'create', answered: false } });
    expect((await bench.job()).note).toMatch(/did not answer/);
    const job = await bench.toTheEnd();
    expect(job.state).toBe('Succeeded');
    expect(bench.paper.calls.filter((call) => call === 'create')).toHaveLength(1);
  });

  it('does not ask after a pause in which its intent has grown old', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    const { store } = bench;
    let pauses = 0;
    const slow = {
      ...store,
      async commit(changes: Parameters<typeof store.commit>[0]) {
        const done = await store.commit(changes);
        pauses += 1;
        if (pauses === 1) await bench.clock.advance(60_000);
        return done;
      },
    };
    await bench.another({ store: slow }).runTick({ org, job: 'job1', tick: 1 });
    expect(bench.paper.calls).not.toContain('create');
    expect((await bench.job()).note).toMatch(/not enough time left/);
    expect((await bench.toTheEnd()).state).toBe('Succeeded');
  });
});

describe('a deletion', () => {
  it('ends with nothing left: no record, no name, no health, no kubeconfig', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    await bench.toTheEnd();
    const cluster = await bench.cluster();
    if (!cluster) throw new Error('no cluster');
    await mustCommit(bench.store, [
      { op: 'put', ref: { kind: 'cluster', org, id: 'c1' }, record: { ...cluster, openJob: 'job1' } },
      {
        op: 'put',
        ref: { kind: 'job', org, id: 'job1' },
        record: sampleJob({ kind: 'cluster.delete', engine: 'paper', command: 'cluster delete dev-1', tick: 9 }),
      },
    ]);
    const job = await bench.toTheEnd();
    expect(job).toMatchObject({ state: 'Succeeded', tick: 11 });
    expect(bench.paper.clusters.size).toBe(0);
    expect(await bench.cluster()).toBeUndefined();
    for (const ref of [
      { kind: 'name', org, id: 'cluster.dev-1' },
      { kind: 'health', org, id: 'c1' },
      { kind: 'secret', org, id: 'kubeconfig.c1' },
    ] as const) {
      expect(await bench.store.get(ref)).toBeUndefined();
    }
    expect((await bench.store.page('audit', org)).items.map(({ record }) => record.action)).toContain('cluster.delete');
  });

  it('leaves a name alone that another cluster holds by now', async () => {
    const bench = await openBench();
    await putJob(bench.store, { kind: 'cluster.delete' });
    const ref = { kind: 'name', org, id: 'cluster.dev-1' } as const;
    await mustCommit(bench.store, [{ op: 'put', ref, record: { v: 1, id: ref.id, org, holder: 'c2' } }]);
    expect((await bench.toTheEnd()).state).toBe('Succeeded');
    expect((await bench.store.get(ref))?.record.holder).toBe('c2');
  });

  it('is shown as Deleting while it lasts, and retries a passing error', async () => {
    const bench = await openBench();
    await putJob(bench.store, { kind: 'cluster.delete' }, { phase: 'Ready' });
    bench.paper.clusters.set('dev-1-abc', { state: 'running', mine: true });
    bench.paper.before.delete = () => {
      bench.paper.before = {};
      throw new Fault('unreachable', 'Down for a moment.');
    };
    expect(await bench.tick()).toMatchObject({ state: 'Waiting' });
    expect(await bench.cluster()).toMatchObject({ phase: 'Deleting', openJob: 'job1' });
    expect((await bench.toTheEnd()).state).toBe('Succeeded');
  });
});

describe('a change of a running cluster', () => {
  const running = { state: 'running' as const, mine: true, version: '1.34.1', nodes: 3 };
  const ready = { phase: 'Ready' as const, spec: { nodes: 3 }, kubeconfig: true };
  const scale = { kind: 'cluster.scale' as const, update: { nodes: 5 } };
  const five = () => ({
    ...probed(),
    nodes: Array.from({ length: 5 }, (_, index) => ({
      ...{ name: `n${index}`, ready: true, version: 'v1.34.1', problems: [] },
      ...{ capacity: noResources, allocatable: noResources, requests: noResources },
    })),
  });
  const noResources = { cpu: 0, memory: 0, pods: 0 };

  it('asks for step after step until the engine has no more, then looks at the cluster', async () => {
    const bench = await openBench({ kube: paperKube(five) });
    await putJob(bench.store, scale, ready);
    bench.paper.clusters.set('dev-1-abc', running);
    const updates: unknown[] = [];
    bench.paper.update = (target, update) => {
      updates.push([target.operation, update]);
      if (updates.length === 3) return null;
      bench.paper.clusters.set('dev-1-abc', { ...running, nodes: 3 + updates.length });
      return { id: `op-${updates.length}` };
    };
    await bench.tick();
    expect(await bench.cluster()).toMatchObject({ phase: 'Updating', openJob: 'job1', spec: { nodes: 3 } });
    const job = await bench.toTheEnd();
    expect(job).toMatchObject({ state: 'Succeeded', percent: 100 });
    expect(job).not.toHaveProperty('operation');
    expect(updates).toEqual([
      [undefined, { nodes: 5 }],
      ['op-1', { nodes: 5 }],
      ['op-2', { nodes: 5 }],
    ]);
    const cluster = await bench.cluster();
    expect(cluster).toMatchObject({ phase: 'Ready', spec: { nodes: 5 }, summary: '5 on paper', nodes: 5 });
    expect(cluster).not.toHaveProperty('openJob');
    expect((await bench.store.get({ kind: 'health', org, id: 'c1' }))?.record.nodes).toBe(5);
    expect((await bench.store.page('audit', org)).items[0]?.record).toMatchObject({
      action: 'cluster.scale',
      outcome: 'done',
    });
  });

  it('that fails leaves the cluster running, with the reason', async () => {
    const bench = await openBench();
    await putJob(bench.store, scale, ready);
    bench.paper.clusters.set('dev-1-abc', running);
    bench.paper.update = () => {
      bench.paper.clusters.set('dev-1-abc', {
        ...running,
        outcome: 'failed',
        message: 'No quota.',
        detail: 'all of it',
      });
      return { id: 'op' };
    };
    const job = await bench.toTheEnd();
    expect(job).toMatchObject({ state: 'Failed', failure: { message: 'No quota.', detail: 'all of it' } });
    expect(await bench.cluster()).toMatchObject({
      phase: 'Ready',
      spec: { nodes: 3 },
      failure: { message: 'No quota.' },
    });
  });

  it('that no engine can work out is never asked for', async () => {
    const bench = await openBench();
    bench.paper.engine.after = () => {
      throw new Fault('bad-input', 'At most four.', { field: 'nodes' });
    };
    await putJob(bench.store, scale, ready);
    bench.paper.clusters.set('dev-1-abc', running);
    expect(await bench.toTheEnd()).toMatchObject({ state: 'Failed', note: 'At most four.' });
    expect(bench.paper.calls).not.toContain('update');
  });

  it('stores no kubeconfig of an engine whose kubeconfigs expire', async () => {
    const bench = await openBench({ kube: paperKube(five) });
    bench.paper.engine.kubeconfigMs = 3_600_000;
    await putJob(bench.store, scale, { ...ready, kubeconfig: false });
    bench.paper.clusters.set('dev-1-abc', running);
    expect((await bench.toTheEnd()).state).toBe('Succeeded');
    expect(await bench.store.get({ kind: 'secret', org, id: 'kubeconfig.c1' })).toBeUndefined();
    expect((await bench.cluster())?.kubeconfig).toBe(false);
  });

  it.each(['expired', 'lost'] as const)('%s: it is not scaled', async (end) => {
    const bench = await openBench();
    await putJob(
      bench.store,
      { ...scale, ...(end === 'expired' ? { state: 'AwaitingApproval' as const } : {}) },
      ready,
    );
    if (end === 'lost') bench.paper.before.observe = () => Promise.reject(new Fault('not-allowed', 'No.'));
    expect(await bench.toTheEnd()).toMatchObject({ state: end === 'expired' ? 'Expired' : 'Failed' });
    const cluster = await bench.cluster();
    expect(cluster).toMatchObject({ phase: 'Ready', spec: { nodes: 3 } });
    expect(cluster).not.toHaveProperty('openJob');
  });
});

describe('an adoption and its end', () => {
  const theirs = { state: 'running' as const, mine: false, version: '1.34.1', nodes: 3 };

  it('marks the cluster and takes it in; letting it go takes the mark and the record away', async () => {
    const bench = await openBench();
    await putJob(bench.store, { kind: 'cluster.adopt' }, { origin: 'adopted', spec: { nodes: 3 } });
    bench.paper.clusters.set('dev-1-abc', theirs);
    expect(await bench.toTheEnd()).toMatchObject({ state: 'Succeeded' });
    const cluster = await bench.cluster();
    expect(cluster).toMatchObject({ phase: 'Ready', origin: 'adopted', kubeconfig: true, nodes: 3 });
    if (!cluster) throw new Error('no cluster');
    expect(bench.paper.clusters.get('dev-1-abc')?.mine).toBe(true);
    await mustCommit(bench.store, [
      { op: 'put', ref: { kind: 'cluster', org, id: 'c1' }, record: { ...cluster, openJob: 'job1' } },
      {
        op: 'put',
        ref: { kind: 'job', org, id: 'job1' },
        record: sampleJob({ kind: 'cluster.detach', engine: 'paper', tick: 9 }),
      },
    ]);
    expect(await bench.toTheEnd()).toMatchObject({ state: 'Succeeded' });
    expect(bench.paper.clusters.get('dev-1-abc')).toMatchObject({ state: 'running', mine: false });
    expect(await bench.cluster()).toBeUndefined();
    expect(await bench.store.get({ kind: 'secret', org, id: 'kubeconfig.c1' })).toBeUndefined();
    expect(bench.paper.calls).not.toContain('delete');
  });

  it('that the provider refuses leaves neither record nor name', async () => {
    const bench = await openBench();
    await putJob(bench.store, { kind: 'cluster.adopt' }, { origin: 'adopted' });
    bench.paper.clusters.set('dev-1-abc', theirs);
    bench.paper.before.adopt = () => {
      throw new Fault('conflict', 'It carries the mark of another KQueen.');
    };
    expect(await bench.toTheEnd()).toMatchObject({ state: 'Failed', note: 'It carries the mark of another KQueen.' });
    expect(await bench.cluster()).toBeUndefined();
    expect(await bench.store.get({ kind: 'name', org, id: 'cluster.dev-1' })).toBeUndefined();
  });

  it('that nobody approves leaves neither record nor name', async () => {
    const bench = await openBench();
    await putJob(bench.store, { kind: 'cluster.adopt', state: 'AwaitingApproval' }, { origin: 'adopted' });
    expect(await bench.tick()).toMatchObject({ state: 'Expired' });
    expect(await bench.cluster()).toBeUndefined();
  });
});

describe('ticks that are dropped', () => {
  it.each([
    { name: 'an old number', job: { tick: 5 }, tick: 4 },
    { name: 'a number of the future', job: { tick: 5 }, tick: 6 },
    { name: 'an ended job', job: { state: 'Failed' as const }, tick: 1 },
    {
      name: 'a request that can still be decided',
      job: { state: 'AwaitingApproval' as const, dueAt: start + 1 },
      tick: 1,
    },
  ])('$name', async ({ job, tick }) => {
    const bench = await openBench();
    await putJob(bench.store, job);
    const before = await bench.store.get({ kind: 'job', org, id: 'job1' });
    await bench.runner.runTick({ org, job: 'job1', tick });
    expect(await bench.store.get({ kind: 'job', org, id: 'job1' })).toEqual(before);
    expect(bench.paper.calls).toEqual([]);
  });

  it('a job that does not exist', async () => {
    const bench = await openBench();
    await bench.runner.runTick({ org, job: 'nobody', tick: 1 });
    expect(bench.paper.calls).toEqual([]);
  });
});

describe('a request that nobody decides', () => {
  async function expired(job: Parameters<typeof putJob>[1], cluster: Parameters<typeof putJob>[2]) {
    const bench = await openBench();
    await putJob(
      bench.store,
      { state: 'AwaitingApproval', approval: 'job1', dueAt: start + 3_600_000, ...job },
      cluster,
    );
    await mustCommit(bench.store, [
      {
        op: 'put',
        ref: { kind: 'approval', org, id: 'job1' },
        record: {
          ...{ v: 1, id: 'job1', org, job: 'job1', cluster: 'c1', clusterName: 'dev-1', requestedBy: 'terminal:dev' },
          ...{ requesterName: 'Dev', requestedAt: start, role: 'admin', planHash: 'abc', state: 'pending' },
          expiresAt: start + 3_600_000,
        },
      },
    ]);
    const after = await bench.tick();
    expect(after).toMatchObject({ state: 'Expired', note: 'Nobody decided within 1 h.', endedAt: start + 3_600_000 });
    expect(after).not.toHaveProperty('dueAt');
    expect((await bench.store.get({ kind: 'approval', org, id: 'job1' }))?.record.state).toBe('expired');
    expect((await bench.store.page('audit', org)).items[0]?.record).toMatchObject({
      outcome: 'expired',
      who: 'kqueen',
    });
    return bench;
  }

  it('of a new cluster leaves nothing behind', async () => {
    const bench = await expired({}, {});
    expect(await bench.cluster()).toBeUndefined();
    expect(await bench.store.get({ kind: 'name', org, id: 'cluster.dev-1' })).toBeUndefined();
  });

  it('of a deletion frees the cluster', async () => {
    const bench = await expired({ kind: 'cluster.delete' }, { phase: 'Ready' });
    const cluster = await bench.cluster();
    expect(cluster?.phase).toBe('Ready');
    expect(cluster?.openJob).toBeUndefined();
  });

  it('of a retry keeps the failed cluster, of which something may be left at the provider', async () => {
    const bench = await expired({ retryOf: 'job0' }, { phase: 'Requested' });
    const cluster = await bench.cluster();
    expect(cluster?.phase).toBe('Failed');
    expect(cluster?.openJob).toBeUndefined();
  });
});

describe('what goes wrong around a job never leaves it stuck', () => {
  it('provisioner gone', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    await mustCommit(bench.store, [{ op: 'delete', ref: { kind: 'provisioner', org, id: 'p1' } }]);
    expect(await bench.toTheEnd()).toMatchObject({
      state: 'Failed',
      failure: { kind: 'not-found', next: /adds it again/ } as object,
    });
    expect(await bench.cluster()).toMatchObject({ phase: 'Failed' });
  });

  it('provisioner of another engine now', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    await putProvisioner(bench.store, bench.sealer, { engine: 'heat' });
    expect((await bench.toTheEnd()).failure?.message).toMatch(/not of the engine paper any more/);
  });

  it('engine not allowed here', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    const engines = openEngines({ engines: [bench.paper.engine], allowed: [], log: bench.log, clock: bench.clock });
    await bench.another({ engines }).runTick({ org, job: 'job1', tick: 1 });
    expect(await bench.job()).toMatchObject({ state: 'Failed', failure: { kind: 'unsupported' } });
  });

  it('credentials gone', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    await mustCommit(bench.store, [{ op: 'delete', ref: { kind: 'secret', org, id: 'provisioner.p1' } }]);
    expect((await bench.toTheEnd()).failure?.message).toMatch(/credentials of provisioner sandbox are missing/);
  });

  it('credentials sealed with a key that is not here: waits, and goes on when it is', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    const sealer = openSealer([secretKey(Buffer.alloc(32, 9))]);
    await bench.another({ sealer }).runTick({ org, job: 'job1', tick: 1 });
    expect(await bench.job()).toMatchObject({ state: 'Waiting', note: /cannot be read/ as unknown as string });
    expect((await bench.toTheEnd()).state).toBe('Succeeded');
  });

  it.each(['connect', 'observe', 'create', 'kubeconfig'] as const)('an untyped error in %s', async (call) => {
    const bench = await openBench();
    await putJob(bench.store);
    bench.paper.before[call] = () => {
      bench.paper.before = {};
      throw new TypeError('undefined is not a function');
    };
    const notes: string[] = [];
    for (let count = 0; count < 4; count += 1) notes.push((await bench.tick()).note);
    expect(notes.join('\n')).toMatch(/went wrong|in a way it should not/);
    expect(notes.join('\n')).not.toMatch(/undefined is not/);
    expect(JSON.stringify(bench.log.lines)).toMatch(/undefined is not a function/);
    if ((await bench.job()).state !== 'Succeeded') await bench.toTheEnd();
    expect((await bench.job()).state).toBe('Succeeded');
  });

  it.each(['observe', 'kubeconfig'] as const)('a %s that hangs and ignores its signal', async (call) => {
    const bench = await openBench();
    await putJob(bench.store);
    let hangs = 0;
    bench.paper.before[call] = () => {
      hangs += 1;
      return hangs === 1 ? never : undefined;
    };
    if (call === 'kubeconfig') await bench.tick();
    const running = bench.tick();
    await vi.waitFor(() => expect(hangs).toBe(1));
    await bench.clock.advance(10_001);
    expect(await running).toMatchObject({ state: 'Waiting', attempt: 1 });
    // The engine's own grace is in the machine's time.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await bench.toTheEnd()).state).toBe('Succeeded');
    expect(bench.clock.now() - start).toBeLessThan(20_000);
  });

  it('a cluster whose own API hangs', async () => {
    let probes = 0;
    const bench = await openBench({
      kube: paperKube(() => {
        probes += 1;
        return probes === 1 ? never : probed();
      }),
    });
    await putJob(bench.store);
    await bench.tick();
    const running = bench.tick();
    await vi.waitFor(() => expect(probes).toBe(1));
    await bench.clock.advance(8_001);
    expect(await running).toMatchObject({ state: 'Running', note: /Waiting for the cluster/ as unknown as string });
    expect((await bench.toTheEnd()).state).toBe('Succeeded');
  });

  it('a provider that never answers: given up at the deadline, and not much later', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    bench.paper.before.observe = () => {
      throw new Fault('unreachable', 'Nobody there.');
    };
    const job = await bench.toTheEnd();
    expect(job).toMatchObject({ state: 'Failed', failure: { message: 'It did not finish within 30 min.' } });
    expect((job.endedAt ?? 0) - (job.deadlineAt ?? 0)).toBe(1);
  });

  it('an observation that cannot be stored', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    bench.paper.clusters.set('dev-1-abc', { state: 'creating', mine: true, nodes: 2.5 });
    expect(await bench.toTheEnd()).toMatchObject({ state: 'Failed' });
    expect(await bench.cluster()).toMatchObject({ phase: 'Failed' });
  });

  it('its cluster gone, or in the hands of another job: the job ends and the cluster is not touched', async () => {
    for (const take of [true, false]) {
      const bench = await openBench();
      await putJob(bench.store, {}, { openJob: 'job2' });
      if (!take) await mustCommit(bench.store, [{ op: 'delete', ref: { kind: 'cluster', org, id: 'c1' } }]);
      const before = await bench.cluster();
      expect(await bench.toTheEnd()).toMatchObject({ state: 'Failed', failure: { kind: 'not-found' } });
      expect(await bench.cluster()).toEqual(before);
      expect(bench.paper.calls).toEqual([]);
    }
  });

  it('the queue down: the tick is saved all the same', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    await bench.queue.close(0);
    expect(await bench.toTheEnd()).toMatchObject({ state: 'Succeeded' });
    expect(bench.log.lines.filter(({ message }) => message.includes('waits for the sweep'))).toHaveLength(1);
  });

  it('the store down: the tick is lost with a Fault, and a later one finds what was asked for', async () => {
    const bench = await openBench();
    await putJob(bench.store);
    let commits = 0;
    const failing = {
      ...bench.store,
      async commit(changes: Parameters<typeof bench.store.commit>[0]) {
        commits += 1;
        if (commits === 2) throw new Fault('unreachable', 'The store does not answer.', { outcomeUnknown: true });
        return bench.store.commit(changes);
      },
    };
    const tick = bench.another({ store: failing }).runTick({ org, job: 'job1', tick: 1 });
    await expect(tick).rejects.toMatchObject({ kind: 'unreachable' });
    expect((await bench.job()).intent).toMatchObject({ answered: false });
    expect((await bench.toTheEnd()).state).toBe('Succeeded');
    expect(bench.paper.calls.filter((call) => call === 'create')).toHaveLength(1);
  });

  it('a decision that throws is no end', async () => {
    const bench = await openBench();
    // A health without conditions is what no Kube gives.
    let probes = 0;
    const kube = paperKube(() => {
      probes += 1;
      return probes === 1 ? ({ at: start } as ReturnType<typeof probed>) : probed();
    });
    await putJob(bench.store);
    await bench.tick();
    const due = await bench.job();
    await bench.another({ kube }).runTick({ org, job: 'job1', tick: due.tick });
    expect((await bench.job()).note).toMatch(/Something went wrong inside KQueen \(reference id\d+\)/);
    expect((await bench.toTheEnd()).state).toBe('Succeeded');
  });
});
