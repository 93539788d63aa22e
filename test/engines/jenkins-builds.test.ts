/** What the Jenkins engine makes of builds: parameters, the queue, results, removals, changes, histories. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EngineClient, Observation, Target } from '../../src/core/ports/engine.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import { type JenkinsHarness, openJenkinsHarness } from './jenkins-harness.ts';

let harness: JenkinsHarness;
let client: EngineClient;
let count = 0;

beforeEach(async () => {
  harness = await openJenkinsHarness({ createMs: 300 });
  client = await harness.engine.connect(harness.params);
});
afterEach(async () => {
  await client.close();
  await harness.close();
});

function aTarget(spec = harness.spec): Target {
  count += 1;
  return { org: 'default', cluster: `c${count}`, externalName: `kq-builds-${count}`, spec };
}

async function made(spec = harness.spec): Promise<Target> {
  const target = aTarget(spec);
  const operation = await client.create(target, spec, callFor());
  return { ...target, operation: operation.id };
}

function reach(target: Target, state: Observation['state']): Promise<Observation> {
  return eventually(`${target.externalName} is ${state}`, async () => {
    const seen = await client.observe(target, callFor());
    return seen.state === state ? seen : null;
  });
}

async function running(spec = harness.spec): Promise<Target> {
  const target = await made(spec);
  const seen = await reach(target, 'running');
  return { ...target, externalId: seen.externalId ?? '' };
}

/** Ends a delete at the first removal build and gives its operation. */
async function removed(target: Target): Promise<Target> {
  const operation = await client.delete(target, callFor());
  return { ...target, operation: operation?.id ?? '' };
}

const lines = () => harness.server.seen.map(({ line }) => line).filter((line) => line.startsWith('POST'));
const lastBuild = () => harness.stacks.jobs.provision.builds[0];

describe('parameters of the builds', () => {
  it('never leak from one cluster to the next', async () => {
    await running({ ...harness.spec, EXTRA_VARS: 'proxy: yes\nsize: 3', WITH_GPU: true, FLAVOR: 'm1.xlarge' });
    const first = lastBuild()?.values;
    expect(first).toMatchObject({ EXTRA_VARS: 'proxy: yes\nsize: 3', WITH_GPU: 'true', FLAVOR: 'm1.xlarge' });
    const next = await running({ nodes: 1, version: '1.33.6', OPENSTACK_REGION: 'north' });
    expect(lastBuild()?.values).toEqual({
      STACK_NAME: next.externalName,
      KQUEEN_BUILD_ID: `default.${next.cluster}`,
      NODE_COUNT: '1',
      KUBERNETES_VERSION: '1.33.6',
      OPENSTACK_REGION: 'north',
      FLAVOR: 'm1.small',
      WITH_GPU: 'false',
      EXTRA_VARS: '',
      OS_PASSWORD: first?.OS_PASSWORD,
      'site.yml': '',
      STACK_TYPE: 'aws',
    });
  });

  it('take no value for what the provisioner or KQueen fills in, and none that the job does not have', async () => {
    const before = await harness.writes();
    for (const key of [
      'STACK_TYPE',
      'STACK_NAME',
      'KQUEEN_BUILD_ID',
      'OS_PASSWORD',
      'site.yml',
      'NODE_COUNT',
      'nope',
    ]) {
      const target = aTarget();
      const fault = await faultOf(client.create(target, { ...harness.spec, [key]: 'x' }, callFor()));
      expect(fault).toMatchObject({ kind: 'bad-input', field: key, retryable: false });
      expect(fault.next).toContain('OPENSTACK_REGION');
    }
    expect(await harness.writes()).toBe(before);
  });

  it('are refused with the field before anything is asked when they cannot be', async () => {
    const before = await harness.writes();
    const bad: Record<string, unknown> = {
      nodes: 0,
      version: '9.9.9',
      WITH_GPU: 'maybe',
      FLAVOR: 'two\nlines',
      OPENSTACK_REGION: 'moon',
    };
    for (const [field, value] of Object.entries(bad)) {
      const fault = await faultOf(client.create(aTarget(), { ...harness.spec, [field]: value }, callFor()));
      expect(fault).toMatchObject({ kind: 'bad-input', field });
    }
    expect(await harness.writes()).toBe(before);
  });

  it('are offered as the job has them, without secrets and files', async () => {
    const { parameters } = await client.options({}, callFor());
    expect(parameters).toEqual([
      {
        key: 'nodes',
        label: 'Nodes',
        help: 'How many workers',
        kind: 'number',
        required: true,
        min: 1,
        max: 1000,
        default: 3,
      },
      {
        ...{
          key: 'version',
          label: 'KUBERNETES_VERSION',
          help: 'Version of Kubernetes',
          kind: 'choice',
          required: true,
        },
        ...{ choices: ['1.33.6', '1.34.2', '1.35.1'], default: '1.33.6' },
      },
      {
        ...{
          key: 'OPENSTACK_REGION',
          label: 'OPENSTACK_REGION',
          help: 'Where machines run',
          kind: 'choice',
          required: true,
        },
        ...{ choices: ['north', 'south'], default: 'north' },
      },
      {
        key: 'FLAVOR',
        label: 'FLAVOR',
        help: 'Machine type',
        kind: 'text',
        required: false,
        maxLength: 1000,
        default: 'm1.small',
      },
      { key: 'WITH_GPU', label: 'WITH_GPU', help: 'Add a GPU', kind: 'toggle', required: false, default: false },
      {
        key: 'EXTRA_VARS',
        label: 'EXTRA_VARS',
        help: 'YAML for the playbook',
        kind: 'multiline',
        required: false,
        maxLength: 20_000,
      },
    ]);
    const { facts } = await client.check(callFor());
    expect(facts.map(({ value }) => value).join()).toContain('site.yml (file)');
  });

  it('of the other jobs carry the values of the cluster, and what is not asked to change', async () => {
    const target = await running();
    const upgrade = await client.update(target, { version: '1.34.2' }, callFor());
    await reach({ ...target, operation: upgrade?.id ?? '' }, 'running');
    // The job that upgrades also sets the number of nodes, by default 3.
    expect(harness.stacks.stacks.get(target.externalName)).toMatchObject({ nodes: 2, version: '1.34.2' });
    await reach(await removed(target), 'absent');
    expect(harness.stacks.removals.at(-1)).toMatchObject({
      STACK_NAME: target.externalName,
      OPENSTACK_REGION: 'south',
      STACK_TYPE: 'aws',
      KQUEEN_BUILD_ID: `default.${target.cluster}`,
    });
  });
});

describe('the queue', () => {
  it('gives only its number: the host that Jenkins names is never asked', async () => {
    await running();
    expect(new Set(harness.server.seen.map(({ host }) => host))).toEqual(
      new Set([new URL(String(harness.params.url)).host]),
    );
  });

  it('shows a waiting cluster with the reason of Jenkins, and the build once it has begun', async () => {
    harness.server.world.executorsBusy = true;
    const target = await made();
    expect(await client.observe(target, callFor())).toMatchObject({
      state: 'creating',
      percent: 0,
      step: expect.stringContaining('Waiting for next available executor'),
      outcome: 'running',
    });
    harness.server.world.executorsBusy = false;
    const seen = await eventually('the build has begun', async () => {
      const now = await client.observe(target, callFor());
      return now.externalId === undefined ? null : now;
    });
    expect(seen).toMatchObject({
      externalId: `kubernetes/provision#${lastBuild()?.number}`,
      operation: target.operation,
    });
  });

  it('forgets its items after five minutes, and the build is found all the same', async () => {
    await harness.faults.stall();
    const target = await made();
    await eventually('the build has begun', async () => (await client.observe(target, callFor())).externalId);
    harness.server.world.advance(6 * 60_000);
    const fresh = await harness.engine.connect(harness.params);
    expect(await fresh.observe(target, callFor())).toMatchObject({
      state: 'creating',
      operation: target.operation,
      percent: 99,
    });
    await fresh.close();
  });

  it('merges what was asked twice, and a create that is repeated finds what waits', async () => {
    harness.server.world.executorsBusy = true;
    await harness.faults.loseAnswers?.();
    const target = aTarget();
    expect(await faultOf(client.create(target, harness.spec, callFor()))).toMatchObject({ outcomeUnknown: true });
    await harness.faults.clear();
    const seen = await client.observe(target, callFor());
    expect((await client.create(target, harness.spec, callFor())).id).toBe(seen.operation);
    expect(lines().filter((line) => line.includes('buildWithParameters'))).toHaveLength(1);
  });

  it('loses a cluster whose request a person cancelled, and says so', async () => {
    harness.server.world.executorsBusy = true;
    const target = await made();
    const item = harness.server.world.items.find(({ values }) => values.STACK_NAME === target.externalName);
    if (item) harness.server.world.cancel(item);
    expect(await client.observe(target, callFor())).toMatchObject({
      state: 'absent',
      message: expect.stringContaining('taken out of the queue'),
    });
  });

  it('is where a delete takes a request back that has not begun', async () => {
    harness.server.world.executorsBusy = true;
    const target = await made();
    expect(await client.delete(target, callFor())).toBeNull();
    expect(lines().at(-1)).toBe('POST /jenkins/queue/cancelItem');
    expect((await client.observe(target, callFor())).state).toBe('absent');
    expect(await harness.made(target.externalName)).toBe(0);
  });
});

describe('a build', () => {
  it.each([
    ['UNSTABLE', 'ended unstable'],
    ['NOT_BUILT', 'was not built'],
  ])('that ends as %s is no success', async (result, words) => {
    harness.stacks.provisionResult = result;
    const seen = await reach(await made(), 'error');
    expect(seen.message).toContain(words);
    expect(seen.outcome).toBe('failed');
  });

  it('that fails says why in its own words, and names what it may have left', async () => {
    await harness.faults.exhaustQuota();
    const target = await made();
    const seen = await reach(target, 'error');
    expect(seen.message).toBe(
      `kubernetes/provision#${lastBuild()?.number} failed: ERROR: Quota exceeded for instances: requested 3, but already used 10 of 10`,
    );
    expect(seen.detail).toContain('Finished: FAILURE');
    expect(seen.detail).toContain('/job/kubernetes/job/provision/');
    expect(seen.leftovers).toEqual([expect.stringContaining(target.externalName)]);
  });

  it('that somebody stopped says who', async () => {
    await harness.faults.stall();
    const target = await made();
    await eventually('the build has begun', async () => (await client.observe(target, callFor())).externalId);
    const build = lastBuild();
    if (build) harness.server.world.stop(build);
    expect((await reach(target, 'error')).message).toContain('was aborted: Aborted by kqueen');
  });

  it('shows its stage, and with a person to wait for the page where to answer', async () => {
    harness.stacks.pauseProvision = true;
    const target = await made();
    const seen = await eventually('it waits', async () => {
      const now = await client.observe(target, callFor());
      return now.step?.includes('waits for input') ? now : null;
    });
    expect(seen.step).toBe(
      `Create machines: waits for input in Jenkins: ${String(harness.params.url)}/job/kubernetes/job/provision/${lastBuild()?.number}/input/`,
    );
  });

  it('without stages shows the last line of its console, without colours', async () => {
    harness.server.trouble.withoutStages = true;
    await harness.faults.stall();
    const target = await made();
    const seen = await eventually('a line is there', async () => {
      const now = await client.observe(target, callFor());
      return now.step?.startsWith('Create') ? now : null;
    });
    expect(seen.step).toMatch(/^Create \w+: begun$/);
    const asked = harness.server.seen.filter(({ line }) => line.endsWith('/wfapi/describe')).length;
    await client.observe(target, callFor());
    expect(harness.server.seen.filter(({ line }) => line.endsWith('/wfapi/describe'))).toHaveLength(asked);
  });

  it('has no percent where Jenkins has nothing to estimate from', async () => {
    harness.stacks.jobs.provision.builds = [];
    await harness.faults.stall();
    const target = await made();
    const seen = await eventually('the build has begun', async () => {
      const now = await client.observe(target, callFor());
      return now.externalId === undefined ? null : now;
    });
    expect(seen.percent).toBeUndefined();
  });

  it('is asked for with two requests while it runs', async () => {
    await harness.faults.stall();
    const target = await made();
    await eventually('the build has begun', async () => (await client.observe(target, callFor())).externalId);
    const before = await harness.requests();
    await client.observe(target, callFor());
    expect((await harness.requests()) - before).toBe(2);
  });
});

describe('a removal', () => {
  it('stops the build that makes the cluster, and only then begins', async () => {
    await harness.faults.stall();
    const target = await made();
    await eventually('the build has begun', async () => (await client.observe(target, callFor())).externalId);
    const begun = lastBuild();
    await harness.server.world.release();
    harness.server.world.holding = false;
    if (begun) begun.held = true;
    const operation = await client.delete(target, callFor());
    expect(operation?.id).toMatch(/^deprovision:/);
    expect(begun?.result).toBe('ABORTED');
    expect(lines().slice(-2)).toEqual([
      `POST /jenkins/job/kubernetes/job/provision/${begun?.number}/stop`,
      'POST /jenkins/job/kubernetes/job/deprovision/buildWithParameters',
    ]);
    await reach({ ...target, operation: operation?.id ?? '' }, 'absent');
  });

  it('that failed leaves the cluster there, is tried three times with pauses, and then asks for a person', async () => {
    const target = await running();
    harness.stacks.failDeprovision = 'the network is still in use';
    let now = target;
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      now = await removed(now);
      const seen = await reach(now, 'error');
      expect(seen).toMatchObject({ outcome: 'failed', mine: true });
      expect(seen.message).toContain('ERROR: the network is still in use');
      const fault = await faultOf(client.delete(now, callFor()));
      expect(fault.message).toContain('the network is still in use');
      if (attempt === 3) {
        expect(fault).toMatchObject({ kind: 'internal', whose: 'provider', retryable: false });
        break;
      }
      expect(fault).toMatchObject({ kind: 'conflict', retryable: true });
      expect(fault.retryAfterMs).toBeGreaterThan(20_000);
      harness.server.world.advance((fault.retryAfterMs ?? 0) + 1_000);
    }
    // A person who tries again does not wait.
    harness.stacks.failDeprovision = null;
    const { operation: _operation, ...anew } = now;
    await reach(await removed(anew), 'absent');
    expect(harness.stacks.stacks.has(target.externalName)).toBe(false);
  });

  it('proves that a cluster is gone; builds that were thrown away do not', async () => {
    const target = await running();
    const { provision, deprovision } = harness.stacks.jobs;
    provision.builds = provision.builds.filter(({ values }) => values.STACK_NAME !== target.externalName);
    const fresh = await harness.engine.connect(harness.params);
    const seen = await fresh.observe(target, callFor());
    expect(seen).toMatchObject({ state: 'unknown', mine: true });
    expect(seen.step).toContain('thrown away');
    expect(await faultOf(fresh.kubeconfig(target, callFor()))).toMatchObject({ kind: 'conflict', retryable: false });
    await fresh.close();
    await reach(await removed(target), 'absent');
    deprovision.builds = [];
    expect((await client.observe(target, callFor())).state).toBe('unknown');
  });
});

describe('changes', () => {
  it('need their job', async () => {
    const { scaleJob: _scale, upgradeJob: _upgrade, ...params } = harness.params;
    const other = await harness.engine.connect(params);
    const target = await running();
    for (const change of [{ nodes: 5 }, { version: '1.34.2' }]) {
      const fault = await faultOf(other.update(target, change, callFor()));
      expect(fault).toMatchObject({ kind: 'unsupported', whose: 'admin', retryable: false });
      expect(fault.next).toContain('provisioner edit');
    }
    expect(await other.upgrades(target, callFor())).toEqual([]);
    await other.close();
  });

  it('of nodes and version are one build where one job does both', async () => {
    const params = { ...harness.params, scaleJob: 'kubernetes/upgrade', upgradeJob: 'kubernetes/upgrade' };
    const other = await harness.engine.connect(params);
    const target = await running();
    const operation = await other.update(target, { nodes: 5, version: '1.34.2' }, callFor());
    await eventually('it is changed', async () => {
      const seen = await other.observe({ ...target, operation: operation?.id ?? '' }, callFor());
      return seen.outcome === 'done' && seen.nodes === 5 && seen.version === '1.34.2';
    });
    expect(await other.update(target, { nodes: 5, version: '1.34.2' }, callFor())).toBeNull();
    await other.close();
  });

  it('offer the versions of the job that upgrades, by one minor', async () => {
    expect(await client.upgrades(await running(), callFor())).toEqual([{ value: '1.34.2', label: '1.34.2' }]);
  });
});

describe('a long history', () => {
  it('is read further back when a cluster is not among the last hundred builds', async () => {
    const target = await running();
    const { externalId: _id, operation: _operation, ...bare } = target;
    const { provision } = harness.stacks.jobs;
    for (let index = 0; index < 120; index += 1) {
      harness.server.world.remember(provision, { STACK_NAME: `later-${index}` }, 'somebody-else', 1_000, 10);
    }
    const seen = await client.observe(bare, callFor());
    expect(seen).toMatchObject({ state: 'running', mine: true, nodes: 2 });
    const listed = await client.list(callFor());
    expect(listed.filter(({ externalName }) => externalName.startsWith('later-'))).toHaveLength(120);
    expect(listed.find(({ externalName }) => externalName === target.externalName)).toMatchObject({
      cluster: target.cluster,
      org: 'default',
      owner: 'kqueen',
      externalId: seen.externalId,
    });
    await harness.makeForeign(aTarget().externalName);
    expect((await client.list(callFor())).at(-1)).toMatchObject({ owner: 'somebody-else' });
  });

  it('may be that of one job for all purposes, told apart by its fixed parameters', async () => {
    const { world } = harness.server;
    const { provision, deprovision } = harness.stacks.jobs;
    world.addJob({
      fullName: 'one/stack job',
      pipeline: true,
      definitions: [
        ...(provision.definitions ?? []),
        { type: 'ChoiceParameterDefinition', name: 'ACTION', choices: ['show', 'create', 'delete'] },
      ],
      course: (build) => (build.values.ACTION === 'delete' ? deprovision : provision).course(build),
    });
    const { scaleJob: _scale, upgradeJob: _upgrade, ...rest } = harness.params;
    const other = await harness.engine.connect({
      ...rest,
      provisionJob: 'one/stack job',
      deprovisionJob: 'one/stack job',
      provisionParameters: 'ACTION=create',
      deprovisionParameters: 'ACTION=delete',
    });
    const target = aTarget({ ...harness.spec, STACK_TYPE: 'aws' });
    const operation = await other.create(target, target.spec, callFor());
    const look = (wanted: string, id: string) =>
      eventually(wanted, async () => (await other.observe({ ...target, operation: id }, callFor())).state === wanted);
    await look('running', operation.id);
    const removal = await other.delete(target, callFor());
    await look('absent', removal?.id ?? '');
    expect(harness.stacks.stacks.has(target.externalName)).toBe(false);
    await other.close();
  });
});
