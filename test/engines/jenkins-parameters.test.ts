/** What the Jenkins engine gives to builds, and what becomes of them in the queue. */
import { describe, expect, it } from 'vitest';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import { jenkinsStage } from './jenkins-stage.ts';

const stage = jenkinsStage();
const lastBuild = () => stage.harness.stacks.jobs.provision.builds[0];

describe('parameters of the builds', () => {
  it('never leak from one cluster to the next', async () => {
    await stage.running({
      ...stage.harness.spec,
      EXTRA_VARS: 'proxy: yes\nsize: 3',
      WITH_GPU: true,
      FLAVOR: 'm1.xlarge',
    });
    const first = lastBuild()?.values;
    expect(first).toMatchObject({ EXTRA_VARS: 'proxy: yes\nsize: 3', WITH_GPU: 'true', FLAVOR: 'm1.xlarge' });
    const next = await stage.running({ nodes: 1, version: '1.33.6', OPENSTACK_REGION: 'north' });
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
    const before = await stage.harness.writes();
    for (const key of [
      'STACK_TYPE',
      'STACK_NAME',
      'KQUEEN_BUILD_ID',
      'OS_PASSWORD',
      'site.yml',
      'NODE_COUNT',
      'nope',
    ]) {
      const target = stage.aTarget();
      const fault = await faultOf(stage.client.create(target, { ...stage.harness.spec, [key]: 'x' }, callFor()));
      expect(fault).toMatchObject({ kind: 'bad-input', field: key, retryable: false });
      expect(fault.next).toContain('OPENSTACK_REGION');
    }
    expect(await stage.harness.writes()).toBe(before);
  });

  it('are refused with the field before anything is asked when they cannot be', async () => {
    const before = await stage.harness.writes();
    const bad: Record<string, unknown> = {
      nodes: 0,
      version: '9.9.9',
      WITH_GPU: 'maybe',
      FLAVOR: 'two\nlines',
      OPENSTACK_REGION: 'moon',
    };
    for (const [field, value] of Object.entries(bad)) {
      const fault = await faultOf(
        stage.client.create(stage.aTarget(), { ...stage.harness.spec, [field]: value }, callFor()),
      );
      expect(fault).toMatchObject({ kind: 'bad-input', field });
    }
    expect(await stage.harness.writes()).toBe(before);
  });

  it('are offered as the job has them, without secrets and files', async () => {
    const { parameters } = await stage.client.options({}, callFor());
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
    const { facts } = await stage.client.check(callFor());
    expect(facts.map(({ value }) => value).join()).toContain('site.yml (file)');
  });

  it('of the other jobs carry the values of the cluster, and what is not asked to change', async () => {
    const target = await stage.running();
    const upgrade = await stage.client.update(target, { version: '1.34.2' }, callFor());
    await stage.reach({ ...target, operation: upgrade?.id ?? '' }, 'running');
    // The job that upgrades also sets the number of nodes, by default 3.
    expect(stage.harness.stacks.stacks.get(target.externalName)).toMatchObject({ nodes: 2, version: '1.34.2' });
    await stage.reach(await stage.removed(target), 'absent');
    expect(stage.harness.stacks.removals.at(-1)).toMatchObject({
      STACK_NAME: target.externalName,
      OPENSTACK_REGION: 'south',
      STACK_TYPE: 'aws',
      KQUEEN_BUILD_ID: `default.${target.cluster}`,
    });
  });
});

describe('the queue', () => {
  it('gives only its number: the host that Jenkins names is never asked', async () => {
    await stage.running();
    expect(new Set(stage.harness.server.seen.map(({ host }) => host))).toEqual(
      new Set([new URL(String(stage.harness.params.url)).host]),
    );
  });

  it('shows a waiting cluster with the reason of Jenkins, and the build once it has begun', async () => {
    stage.harness.server.world.executorsBusy = true;
    const target = await stage.made();
    expect(await stage.client.observe(target, callFor())).toMatchObject({
      state: 'creating',
      percent: 0,
      step: expect.stringContaining('Waiting for next available executor'),
      outcome: 'running',
    });
    stage.harness.server.world.executorsBusy = false;
    const seen = await eventually('the build has begun', async () => {
      const now = await stage.client.observe(target, callFor());
      return now.externalId === undefined ? null : now;
    });
    expect(seen).toMatchObject({
      externalId: `kubernetes/provision#${lastBuild()?.number}`,
      operation: target.operation,
    });
  });

  it('forgets its items after five minutes, and the build is found all the same', async () => {
    await stage.harness.faults.stall();
    const target = await stage.made();
    await eventually('the build has begun', async () => (await stage.client.observe(target, callFor())).externalId);
    stage.harness.server.world.advance(6 * 60_000);
    const fresh = await stage.harness.engine.connect(stage.harness.params);
    expect(await fresh.observe(target, callFor())).toMatchObject({
      state: 'creating',
      operation: target.operation,
      percent: 99,
    });
    await fresh.close();
  });

  it('merges what was asked twice, and a create that is repeated finds what waits', async () => {
    stage.harness.server.world.executorsBusy = true;
    await stage.harness.faults.loseAnswers?.();
    const target = stage.aTarget();
    expect(await faultOf(stage.client.create(target, stage.harness.spec, callFor()))).toMatchObject({
      outcomeUnknown: true,
    });
    await stage.harness.faults.clear();
    const seen = await stage.client.observe(target, callFor());
    expect((await stage.client.create(target, stage.harness.spec, callFor())).id).toBe(seen.operation);
    expect(stage.posts().filter((line) => line.includes('buildWithParameters'))).toHaveLength(1);
  });

  it('loses a cluster whose request a person cancelled, and says so', async () => {
    stage.harness.server.world.executorsBusy = true;
    const target = await stage.made();
    const item = stage.harness.server.world.items.find(({ values }) => values.STACK_NAME === target.externalName);
    if (item) stage.harness.server.world.cancel(item);
    expect(await stage.client.observe(target, callFor())).toMatchObject({
      state: 'absent',
      message: expect.stringContaining('taken out of the queue'),
    });
  });

  it('is where a delete takes a request back that has not begun', async () => {
    stage.harness.server.world.executorsBusy = true;
    const target = await stage.made();
    expect(await stage.client.delete(target, callFor())).toBeNull();
    expect(stage.posts().at(-1)).toBe('POST /jenkins/queue/cancelItem');
    expect((await stage.client.observe(target, callFor())).state).toBe('absent');
    expect(await stage.harness.made(target.externalName)).toBe(0);
  });
});
