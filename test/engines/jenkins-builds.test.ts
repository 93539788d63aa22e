/** What the Jenkins engine makes of builds: results, removals, changes, histories. */
import { describe, expect, it } from 'vitest';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import { jenkinsStage } from './jenkins-stage.ts';

const stage = jenkinsStage();
const lastBuild = () => stage.harness.stacks.jobs.provision.builds[0];

describe('a build', () => {
  it.each([
    ['UNSTABLE', 'ended unstable'],
    ['NOT_BUILT', 'was not built'],
  ])('that ends as %s is no success', async (result, words) => {
    stage.harness.stacks.provisionResult = result;
    const seen = await stage.reach(await stage.made(), 'error');
    expect(seen.message).toContain(words);
    expect(seen.outcome).toBe('failed');
  });

  it('that fails says why in its own words, and names what it may have left', async () => {
    await stage.harness.faults.exhaustQuota();
    const target = await stage.made();
    const seen = await stage.reach(target, 'error');
    expect(seen.message).toBe(
      `kubernetes/provision#${lastBuild()?.number} failed: ERROR: Quota exceeded for instances: requested 3, but already used 10 of 10`,
    );
    expect(seen.detail).toContain('Finished: FAILURE');
    expect(seen.detail).toContain('/job/kubernetes/job/provision/');
    expect(seen.leftovers).toEqual([expect.stringContaining(target.externalName)]);
  });

  it('that somebody stopped says who', async () => {
    await stage.harness.faults.stall();
    const target = await stage.made();
    await eventually('the build has begun', async () => (await stage.client.observe(target, callFor())).externalId);
    const build = lastBuild();
    if (build) stage.harness.server.world.stop(build);
    expect((await stage.reach(target, 'error')).message).toContain('was aborted: Aborted by kqueen');
  });

  it('that leaves the queue just as it is cancelled there is stopped where it runs', async () => {
    const { world } = stage.harness.server;
    world.queueMs = 60_000;
    const target = await stage.made();
    const cancel = world.cancel;
    world.cancel = () => {
      world.queueMs = 0;
      world.cancel = cancel;
      return false;
    };
    const removed = await stage.removed(target);
    await stage.reach(removed, 'absent');
    expect(stage.posts().some((line) => line.includes('/queue/cancelItem'))).toBe(true);
    expect(lastBuild()?.result).toBe('ABORTED');
  });

  it('shows its stage, and with a person to wait for the page where to answer', async () => {
    stage.harness.stacks.pauseProvision = true;
    const target = await stage.made();
    const seen = await eventually('it waits', async () => {
      const now = await stage.client.observe(target, callFor());
      return now.step?.includes('waits for input') ? now : null;
    });
    expect(seen.step).toBe(
      `Create machines: waits for input in Jenkins: ${String(stage.harness.params.url)}/job/kubernetes/job/provision/${lastBuild()?.number}/input/`,
    );
  });

  it('without stages shows the last line of its console, without colours', async () => {
    stage.harness.server.trouble.withoutStages = true;
    await stage.harness.faults.stall();
    const target = await stage.made();
    const seen = await eventually('a line is there', async () => {
      const now = await stage.client.observe(target, callFor());
      return now.step?.startsWith('Create') ? now : null;
    });
    expect(seen.step).toMatch(/^Create \w+: begun$/);
    const asked = stage.harness.server.seen.filter(({ line }) => line.endsWith('/wfapi/describe')).length;
    await stage.client.observe(target, callFor());
    expect(stage.harness.server.seen.filter(({ line }) => line.endsWith('/wfapi/describe'))).toHaveLength(asked);
  });

  it('has no percent where Jenkins has nothing to estimate from', async () => {
    stage.harness.stacks.jobs.provision.builds = [];
    await stage.harness.faults.stall();
    const target = await stage.made();
    const seen = await eventually('the build has begun', async () => {
      const now = await stage.client.observe(target, callFor());
      return now.externalId === undefined ? null : now;
    });
    expect(seen.percent).toBeUndefined();
  });

  it('is asked for with two requests while it runs', async () => {
    await stage.harness.faults.stall();
    const target = await stage.made();
    await eventually('the build has begun', async () => (await stage.client.observe(target, callFor())).externalId);
    const before = await stage.harness.requests();
    await stage.client.observe(target, callFor());
    expect((await stage.harness.requests()) - before).toBe(2);
  });
});

describe('a removal', () => {
  it('stops the build that makes the cluster, and only then begins', async () => {
    await stage.harness.faults.stall();
    const target = await stage.made();
    await eventually('the build has begun', async () => (await stage.client.observe(target, callFor())).externalId);
    const begun = lastBuild();
    await stage.harness.server.world.release();
    stage.harness.server.world.holding = false;
    if (begun) begun.held = true;
    const operation = await stage.client.delete(target, callFor());
    expect(operation?.id).toMatch(/^deprovision:/);
    expect(begun?.result).toBe('ABORTED');
    expect(stage.posts().slice(-2)).toEqual([
      `POST /jenkins/job/kubernetes/job/provision/${begun?.number}/stop`,
      'POST /jenkins/job/kubernetes/job/deprovision/buildWithParameters',
    ]);
    await stage.reach({ ...target, operation: operation?.id ?? '' }, 'absent');
  });

  it('that failed leaves the cluster there, is tried three times with pauses, and then asks for a person', async () => {
    const target = await stage.running();
    stage.harness.stacks.failDeprovision = 'the network is still in use';
    let now = target;
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      now = await stage.removed(now);
      const seen = await stage.reach(now, 'error');
      expect(seen).toMatchObject({ outcome: 'failed', mine: true });
      expect(seen.message).toContain('ERROR: the network is still in use');
      const fault = await faultOf(stage.client.delete(now, callFor()));
      expect(fault.message).toContain('the network is still in use');
      if (attempt === 3) {
        expect(fault).toMatchObject({ kind: 'internal', whose: 'provider', retryable: false });
        break;
      }
      expect(fault).toMatchObject({ kind: 'conflict', retryable: true });
      expect(fault.retryAfterMs).toBeGreaterThan(20_000);
      stage.harness.server.world.advance((fault.retryAfterMs ?? 0) + 1_000);
    }
    // A person who tries again does not wait.
    stage.harness.stacks.failDeprovision = null;
    const { operation: _operation, ...anew } = now;
    await stage.reach(await stage.removed(anew), 'absent');
    expect(stage.harness.stacks.stacks.has(target.externalName)).toBe(false);
  });

  it('proves that a cluster is gone; builds that were thrown away do not', async () => {
    const target = await stage.running();
    const { provision, deprovision } = stage.harness.stacks.jobs;
    provision.builds = provision.builds.filter(({ values }) => values.STACK_NAME !== target.externalName);
    const fresh = await stage.harness.engine.connect(stage.harness.params);
    const seen = await fresh.observe(target, callFor());
    expect(seen).toMatchObject({ state: 'unknown', mine: true });
    expect(seen.step).toContain('thrown away');
    expect(await faultOf(fresh.kubeconfig(target, callFor()))).toMatchObject({ kind: 'conflict', retryable: false });
    await fresh.close();
    await stage.reach(await stage.removed(target), 'absent');
    deprovision.builds = [];
    expect((await stage.client.observe(target, callFor())).state).toBe('unknown');
  });
});

describe('changes', () => {
  it('need their job', async () => {
    const { scaleJob: _scale, upgradeJob: _upgrade, ...params } = stage.harness.params;
    const other = await stage.harness.engine.connect(params);
    const target = await stage.running();
    for (const change of [{ nodes: 5 }, { version: '1.34.2' }]) {
      const fault = await faultOf(other.update(target, change, callFor()));
      expect(fault).toMatchObject({ kind: 'unsupported', whose: 'admin', retryable: false });
      expect(fault.next).toContain('provisioner edit');
    }
    expect(await other.upgrades(target, callFor())).toEqual([]);
    await other.close();
  });

  it('of nodes and version are one build where one job does both', async () => {
    const params = { ...stage.harness.params, scaleJob: 'kubernetes/upgrade', upgradeJob: 'kubernetes/upgrade' };
    const other = await stage.harness.engine.connect(params);
    const target = await stage.running();
    const operation = await other.update(target, { nodes: 5, version: '1.34.2' }, callFor());
    await eventually('it is changed', async () => {
      const seen = await other.observe({ ...target, operation: operation?.id ?? '' }, callFor());
      return seen.outcome === 'done' && seen.nodes === 5 && seen.version === '1.34.2';
    });
    expect(await other.update(target, { nodes: 5, version: '1.34.2' }, callFor())).toBeNull();
    await other.close();
  });

  it('offer the versions of the job that upgrades, by one minor', async () => {
    expect(await stage.client.upgrades(await stage.running(), callFor())).toEqual([
      { value: '1.34.2', label: '1.34.2' },
    ]);
  });
});

describe('a long history', () => {
  it('is read further back when a cluster is not among the last hundred builds', async () => {
    const target = await stage.running();
    const { externalId: _id, operation: _operation, ...bare } = target;
    const { provision } = stage.harness.stacks.jobs;
    for (let index = 0; index < 700; index += 1) {
      stage.harness.server.world.remember(provision, { STACK_NAME: `later-${index}` }, 'somebody-else', 1_000, 10);
    }
    const seen = await stage.client.observe(bare, callFor());
    expect(seen).toMatchObject({ state: 'running', mine: true, nodes: 2 });
    const listed = await stage.client.list(callFor());
    expect(listed.filter(({ externalName }) => externalName.startsWith('later-'))).toHaveLength(700);
    expect(listed.find(({ externalName }) => externalName === target.externalName)).toMatchObject({
      cluster: target.cluster,
      org: 'default',
      owner: 'kqueen',
      externalId: seen.externalId,
    });
    await stage.harness.makeForeign(stage.aTarget().externalName);
    expect((await stage.client.list(callFor())).at(-1)).toMatchObject({ owner: 'somebody-else' });
  });

  it('may be that of one job for all purposes, told apart by its fixed parameters', async () => {
    const { world } = stage.harness.server;
    const { provision, deprovision } = stage.harness.stacks.jobs;
    world.addJob({
      fullName: 'one/stack job',
      pipeline: true,
      definitions: [
        ...(provision.definitions ?? []),
        { type: 'ChoiceParameterDefinition', name: 'ACTION', choices: ['show', 'create', 'delete'] },
      ],
      course: (build) => (build.values.ACTION === 'delete' ? deprovision : provision).course(build),
    });
    const { scaleJob: _scale, upgradeJob: _upgrade, ...rest } = stage.harness.params;
    const other = await stage.harness.engine.connect({
      ...rest,
      provisionJob: 'one/stack job',
      deprovisionJob: 'one/stack job',
      provisionParameters: 'ACTION=create',
      deprovisionParameters: 'ACTION=delete',
    });
    const target = stage.aTarget({ ...stage.harness.spec, STACK_TYPE: 'aws' });
    const operation = await other.create(target, target.spec, callFor());
    const look = (wanted: string, id: string) =>
      eventually(wanted, async () => (await other.observe({ ...target, operation: id }, callFor())).state === wanted);
    await look('running', operation.id);
    const removal = await other.delete(target, callFor());
    await look('absent', removal?.id ?? '');
    expect(stage.harness.stacks.stacks.has(target.externalName)).toBe(false);
    await other.close();
  });
});
