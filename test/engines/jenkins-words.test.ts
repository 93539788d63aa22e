/** The pure parts of the Jenkins engine: keys, lines, reasons, marks, verdicts, prices. */
import { describe, expect, it } from 'vitest';
import { permissionName } from '../../src/engines/jenkins/explain.ts';
import {
  type Build,
  type History,
  inOrder,
  markOf,
  numberIn,
  readHandle,
  readMark,
} from '../../src/engines/jenkins/history.ts';
import { jenkins } from '../../src/engines/jenkins/index.ts';
import { endOf, lastLine, longestLog, reasonIn, scrubLog } from '../../src/engines/jenkins/log-text.ts';
import { keyOf, readLines } from '../../src/engines/jenkins/schema.ts';
import { judge } from '../../src/engines/jenkins/verdict.ts';

describe('keys of parameters', () => {
  it('are the names of the job where a command line can hold them and they are free', () => {
    expect(keyOf('OPENSTACK_REGION')).toBe('OPENSTACK_REGION');
    expect(keyOf('my-flavor.size')).toBe('my-flavor.size');
    // These would take the place of a field of the provisioner or of the command.
    for (const name of ['url', 'apiToken', 'prices', 'name', 'provisioner', 'nodes', 'version', 'constructor']) {
      expect(keyOf(name)).toBe(`job_${name}`);
    }
    expect(keyOf('disk size')).toBe('job_disk_x20_size');
    expect(keyOf('__proto__')).toBe('job___proto__');
  });

  it('come from lines of which each names one', () => {
    expect(readLines('A=1\n\n B = x = y \r\nC=')).toEqual({ A: '1', B: 'x = y', C: '' });
    for (const bad of ['A', '=1', 'A=1\nA=2', '__proto__=1']) expect(readLines(bad)).toBeNull();
    expect(readLines(undefined)).toEqual({});
  });
});

describe('the console of a build', () => {
  const failed = [
    'Started by user kqueen',
    '[Pipeline] Start of Pipeline',
    'TASK [network : create] fatal: [localhost]: FAILED! => Subnet 10.0.0.0/24 overlaps',
    'PLAY RECAP',
    'localhost : ok=3 failed=1',
    '[Pipeline] }',
    'ERROR: script returned exit code 2',
    'Finished: FAILURE',
  ].join('\n');

  it('tells why it failed by the line that says most', () => {
    expect(reasonIn(failed, [])).toContain('Subnet 10.0.0.0/24 overlaps');
    expect(reasonIn('a\n\u001b[31mERROR: no quota\u001b[0m\nFinished: FAILURE', [])).toBe('ERROR: no quota');
    expect(reasonIn('[2026-01-02T03:04:05.678Z] ERROR: late\nFinished: FAILURE', [])).toBe('ERROR: late');
    expect(reasonIn('java.lang.IllegalStateException: odd\n\tat a.b.C(D.java:1)\nFinished: FAILURE', [])).toContain(
      'odd',
    );
    expect(reasonIn('only this\n[Pipeline] End of Pipeline\nFinished: FAILURE\n', [])).toBe('only this');
    expect(reasonIn('Aborted by Jane\nERROR: interrupted\nFinished: ABORTED', [], 'ABORTED')).toBe('Aborted by Jane');
    expect(reasonIn('', [])).toBeUndefined();
    expect(reasonIn('ERROR: the pass-word-1 is wrong', ['pass-word-1'])).toBe('ERROR: the [secret] is wrong');
  });

  it('shows its last line as the step, and its end as a text', () => {
    expect(lastLine(`${failed.split('\n').slice(0, 3).join('\n')}\n[Pipeline] }\n`, [])).toContain('Subnet');
    expect(endOf(Array.from({ length: 5_000 }, (_, index) => `line ${index}`).join('\n'), [])).toMatch(/line 4999$/);
    expect(endOf('x'.repeat(50_000), []).length).toBeLessThan(4_000);
  });

  it('loses its secrets wherever they stand', () => {
    const key = `-----BEGIN RSA PRIVATE KEY-----\n${'A'.repeat(64)}\n`.concat(`${'B'.repeat(64)}\n`.repeat(200));
    const log = scrubLog(
      `${'y'.repeat(3_795)}\npass-word-1\n${key}-----END RSA PRIVATE KEY-----\n${'z '.repeat(3_000)}token=abcdefgh end`,
      ['pass-word-1'],
    );
    for (const gone of ['pass-word-1', 'AAAA', 'BBBB', 'abcdefgh']) expect(log).not.toContain(gone);
    expect(log.endsWith(' end')).toBe(true);
    expect(Buffer.byteLength(scrubLog('ü\n'.repeat(800_000), []))).toBeLessThanOrEqual(longestLog);
  });
});

describe('marks and handles', () => {
  it('carry organisation and cluster', () => {
    expect(readMark(markOf({ org: 'default', cluster: 'abc' }))).toEqual({ org: 'default', cluster: 'abc' });
    for (const other of ['', undefined, '2f0c4bd6-0c5f-4bd5-8f4e-1d3c1a5ad6a1', 'a b.c', '.x']) {
      expect(readMark(other)).toBeNull();
    }
    expect(readHandle('deprovision:7')).toEqual({ purpose: 'deprovision', queueId: 7 });
    for (const other of ['7', 'other:7', 'provision:#7', undefined]) expect(readHandle(other)).toBeNull();
    expect(numberIn('a/b#12', 'a/b')).toBe(12);
    expect(numberIn('a/b#12', 'a/c')).toBeNull();
  });

  it('name permissions as the pages of Jenkins do', () => {
    expect(permissionName('hudson.model.Item.Build')).toBe('Job/Build');
    expect(permissionName('hudson.model.Hudson.Read')).toBe('Overall/Read');
    expect(permissionName('com.example.Thing.Do')).toBe('com.example.Thing.Do');
  });
});

describe('what builds say of a cluster', () => {
  const target = { org: 'o', cluster: 'c', externalName: 'n' };
  let id = 0;

  function build(purpose: Build['purpose'], stage: Build['stage'], more: Partial<Build> = {}): Build {
    id += 1;
    return {
      purpose,
      job: purpose,
      queueId: id,
      number: id,
      at: id,
      stage,
      values: {},
      name: 'n',
      mark: 'o.c',
      ...more,
    };
  }

  function verdict(...builds: Build[]) {
    const history: History = { jobs: {}, builds: inOrder(builds), more: false, now: 0 };
    const { state, mine, proved, failures, nodes } = judge(history, target);
    return { state, mine, proved, failures, nodes };
  }

  it.each<[string, Build[], object]>([
    ['nothing', [], { state: 'absent', mine: true, proved: false }],
    ['asked for', [build('provision', 'queued')], { state: 'creating' }],
    ['made', [build('provision', 'done', { nodes: 3 })], { state: 'running', nodes: 3 }],
    ['failed', [build('provision', 'failed')], { state: 'error' }],
    ['odd', [build('provision', 'strange')], { state: 'unknown' }],
    [
      'scaled',
      [build('provision', 'done', { nodes: 3 }), build('scale', 'done', { nodes: 5 })],
      { state: 'running', nodes: 5 },
    ],
    [
      'not scaled',
      [build('provision', 'done', { nodes: 3 }), build('scale', 'failed', { nodes: 5 })],
      { state: 'running', nodes: 3 },
    ],
    ['scaling', [build('provision', 'done'), build('scale', 'running')], { state: 'updating' }],
    ['removing', [build('provision', 'done'), build('deprovision', 'running')], { state: 'deleting' }],
    ['removed', [build('provision', 'done'), build('deprovision', 'done')], { state: 'absent', proved: true }],
    [
      'removed by name',
      [build('provision', 'done'), build('deprovision', 'done', { mark: '' })],
      { state: 'absent', proved: true },
    ],
    [
      'not removed twice',
      [build('provision', 'done'), build('deprovision', 'failed'), build('deprovision', 'failed')],
      { state: 'error', failures: 2 },
    ],
    [
      'made anew',
      [build('provision', 'done'), build('deprovision', 'done'), build('provision', 'running')],
      { state: 'creating', proved: false },
    ],
    ["somebody else's", [build('provision', 'done', { mark: '' })], { state: 'running', mine: false }],
    ["another organisation's", [build('provision', 'done', { mark: 'p.c' })], { state: 'running', mine: false }],
    [
      "ours before somebody else's of the name",
      [build('provision', 'done'), build('provision', 'failed', { mark: '' })],
      { state: 'running', mine: true },
    ],
    ['forgotten', [build('scale', 'done')], { state: 'unknown', proved: false }],
  ])('%s', (_name, builds, wanted) => {
    expect(verdict(...builds)).toMatchObject(wanted);
  });
});

describe('a spec', () => {
  it('is described, counted and priced without Jenkins', () => {
    expect(jenkins.describe({ nodes: 1, version: '1.34.2', REGION: 'eu', NOTE: 'a\nb' })).toBe(
      '1 node, Kubernetes 1.34.2 (REGION=eu, NOTE=a b)',
    );
    expect(jenkins.describe({})).toBe('as many nodes as the job makes, counted as 1');
    expect(jenkins.nodes({ nodes: '5' })).toBe(5);
    expect(jenkins.after({ nodes: '3' }, { nodes: 5 })).toEqual({ nodes: '5' });
    const list = { currency: 'EUR', sizes: { node: 0.5, big: 2 } };
    expect(jenkins.price({ nodes: 2 }, { list, size: 'node' })).toMatchObject({ perHour: 1, currency: 'EUR' });
    expect(jenkins.price({ nodes: 2, FLAVOR: 'big' }, { list, sizeKey: 'FLAVOR' })).toMatchObject({ perHour: 4 });
    expect(jenkins.price({ nodes: 2, FLAVOR: 'other' }, { list, sizeKey: 'FLAVOR' })).toBeNull();
    expect(jenkins.price({ FLAVOR: 'big' }, { list, sizeKey: 'FLAVOR' })).toBeNull();
  });
});
