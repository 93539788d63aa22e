/** A client that is not ours, Debian's python3-jenkins, finds the counterpart to be a Jenkins. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type JenkinsServer, startJenkins } from '../counterparts/jenkins/index.ts';
import { addStackJobs } from '../counterparts/jenkins/stacks.ts';
import { serversAreRequired } from '../servers.ts';

const python = '/usr/bin/python3';
const program = fileURLToPath(new URL('../counterparts/jenkins/client-check.py', import.meta.url));
const lacking = await missing();

/** Why the client cannot be run here, or null. */
async function missing(): Promise<string | null> {
  const reason = 'not installed here: python3-jenkins';
  const there = existsSync(python) && (await run(['-c', 'import jenkins'], '')).code === 0;
  if (there) return null;
  if (serversAreRequired()) throw new Error(reason);
  console.warn(`skipped: ${reason}`);
  return reason;
}

async function run(args: string[], input: string): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: '/usr/bin:/bin', NO_PROXY: '*' } });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  child.stdin.on('error', () => child.kill());
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

async function drive(how: 'token' | 'password'): Promise<{ seen: Record<string, unknown>; server: JenkinsServer }> {
  const server = await startJenkins({ tls: false, knowsItself: true });
  try {
    const stacks = addStackJobs(server, { createMs: 400, folder: 'team a/kubernetes' });
    server.world.queueMs = 200;
    server.access.users.set('robot', { id: 'robot', password: 'p'.repeat(12), token: 't'.repeat(34) });
    const given = {
      url: server.url,
      username: 'robot',
      secret: how === 'token' ? 't'.repeat(34) : 'p'.repeat(12),
      job: stacks.jobs.provision.fullName,
      bad: 'team a/nowhere',
      values: { STACK_NAME: 'python-1', OPENSTACK_REGION: 'south', WITH_GPU: 'true', delay: '0sec' },
    };
    const { code, out, err } = await run([program], `${JSON.stringify(given)}\n`);
    if (code !== 0) throw new Error(`python-jenkins failed: ${err}`);
    return { seen: JSON.parse(out) as Record<string, unknown>, server };
  } finally {
    await server.close();
  }
}

describe.skipIf(lacking !== null)('python3-jenkins against the counterpart', () => {
  it('does with an API token all that the engine does', async () => {
    const { seen, server } = await drive('token');
    expect(seen).toMatchObject({
      whoami: 'robot',
      version: '2.541.1',
      name: 'provision',
      parameters: {
        STACK_NAME: 'StringParameterDefinition',
        OPENSTACK_REGION: 'ChoiceParameterDefinition',
        WITH_GPU: 'BooleanParameterDefinition',
        OS_PASSWORD: 'PasswordParameterDefinition',
      },
      buildable: true,
      queued: ['hudson.model.Queue$BuildableItem', 'provision', true],
      queue: true,
      running: [null, true, true],
      done: ['SUCCESS', false, ['kubeconfig', 'logs/ansible.log']],
      values: { STACK_NAME: 'python-1', OPENSTACK_REGION: 'south', WITH_GPU: true, NODE_COUNT: '3', OS_PASSWORD: null },
      artifact: expect.stringContaining('kind: Config'),
      progressive: [true, true, null],
      stages: ['Create network', 'Create machines', 'Install Kubernetes'],
      tree: ['actions', 'number'],
      all: [1],
      stopped: 'ABORTED',
      cancelled: true,
      missing: 'job[team a/nowhere] does not exist',
      refused: true,
    });
    expect(Object.keys(seen.values as object)).not.toContain('NOT_DECLARED');
    expect(seen.console).toMatch(/^Started by user robot\n[\s\S]*\nFinished: SUCCESS\n$/);
    expect(
      server.seen.some(
        ({ line }) => line === 'POST /jenkins/job/team%20a/job/kubernetes/job/provision/buildWithParameters',
      ),
    ).toBe(true);
  }, 30_000);

  it('does it with a password, a crumb and a session as well', async () => {
    const { seen, server } = await drive('password');
    expect(seen).toMatchObject({ crumb: true, done: ['SUCCESS', false, expect.anything()], stopped: 'ABORTED' });
    const posts = server.seen.filter(({ line }) => line.startsWith('POST'));
    expect(posts.every(({ crumb }) => crumb)).toBe(true);
  }, 30_000);
});
