/** How the Jenkins engine signs in, what it may do, and where its requests go. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EngineClient, Target } from '../../src/core/ports/engine.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import { type JenkinsHarness, openJenkinsHarness } from './jenkins-harness.ts';
import { startScriptedServer } from './scripted-server.ts';

let harness: JenkinsHarness;
const open: EngineClient[] = [];
let count = 0;

beforeEach(async () => {
  harness = await openJenkinsHarness({ createMs: 60 });
  harness.server.world.queueMs = 10;
});
afterEach(async () => {
  for (const client of open.splice(0)) await client.close();
  await harness.close();
});

async function connect(params: Record<string, unknown> = harness.params): Promise<EngineClient> {
  const client = await harness.engine.connect(params);
  open.push(client);
  return client;
}

function aTarget(): Target {
  count += 1;
  return { org: 'default', cluster: `a${count}`, externalName: `kq-access-${count}`, spec: harness.spec };
}

async function running(client: EngineClient): Promise<Target> {
  const target = aTarget();
  const { id } = await client.create(target, harness.spec, callFor());
  const seen = await eventually('it runs', async () => {
    const now = await client.observe({ ...target, operation: id }, callFor());
    return now.state === 'running' ? now : null;
  });
  return { ...target, operation: id, externalId: seen.externalId ?? '' };
}

function user() {
  const found = harness.server.access.users.get('kqueen');
  if (!found) throw new Error('there is no user kqueen');
  return found;
}

function withPassword(): Record<string, unknown> {
  const { apiToken: _token, ...rest } = harness.params;
  return { ...rest, password: user().password };
}

describe('an API token', () => {
  it('is sent with every request, and needs no crumb', async () => {
    await running(await connect());
    expect(harness.server.seen.every(({ authorization, crumb }) => authorization && !crumb)).toBe(true);
    expect(harness.server.seen.some(({ line }) => line.includes('crumbIssuer'))).toBe(false);
  });
});

describe('a password', () => {
  it('brings a crumb and its session with every change', async () => {
    await running(await connect(withPassword()));
    const posts = harness.server.seen.filter(({ line }) => line.startsWith('POST'));
    expect(posts.length).toBeGreaterThan(0);
    expect(posts.every(({ crumb }) => crumb)).toBe(true);
    expect(harness.server.seen.filter(({ line }) => line.includes('crumbIssuer'))).toHaveLength(1);
  });

  it('gets a new crumb once when the session has ended', async () => {
    const client = await connect(withPassword());
    await running(client);
    harness.server.access.expireSessions();
    await running(client);
    expect(harness.server.seen.filter(({ line }) => line.includes('crumbIssuer'))).toHaveLength(2);
    expect(await harness.made(`kq-access-${count}`)).toBe(1);
  });

  it('is enough where the protection is off', async () => {
    harness.server.access.crumbs = false;
    await running(await connect(withPassword()));
  });

  it('says what to do when no crumb is ever good enough', async () => {
    const { hasCrumb } = harness.server.access;
    harness.server.access.hasCrumb = (caller, headers) => caller.byToken && hasCrumb(caller, headers);
    const fault = await faultOf((await connect(withPassword())).create(aTarget(), harness.spec, callFor()));
    expect(fault).toMatchObject({ kind: 'not-allowed', retryable: false, outcomeUnknown: false });
    expect(fault.next).toContain('API token');
  });

  it('or a token has to be there', () => {
    const { apiToken: _token, ...rest } = harness.params;
    const read = harness.engine.provisioner.safeParse(rest);
    expect(read.error?.issues[0]).toMatchObject({ path: ['apiToken'] });
  });
});

describe('permissions', () => {
  it('that are missing are named as Jenkins names them', async () => {
    const client = await connect();
    user().permissions = new Set(['hudson.model.Hudson.Read', 'hudson.model.Item.Read']);
    const fault = await faultOf(client.create(aTarget(), harness.spec, callFor()));
    expect(fault).toMatchObject({ kind: 'not-allowed', whose: 'admin', retryable: false, outcomeUnknown: false });
    expect(fault.message).toContain('the user kqueen lacks the permission Job/Build');
    expect(fault.next).toContain('Job/Build');
  });

  it('to stop a build are named as well, and nothing is removed', async () => {
    const client = await connect();
    await harness.faults.stall();
    const target = aTarget();
    await client.create(target, harness.spec, callFor());
    await eventually('it has begun', async () => (await client.observe(target, callFor())).externalId);
    user().permissions = new Set(['Hudson.Read', 'Item.Read', 'Item.Build'].map((each) => `hudson.model.${each}`));
    expect((await faultOf(client.delete(target, callFor()))).message).toContain('Job/Cancel');
    expect(harness.stacks.removals.filter(({ STACK_NAME }) => STACK_NAME === target.externalName)).toEqual([]);
  });

  it('to see a job are like the job not being there: both are said, and it is never read as gone', async () => {
    const client = await connect();
    const target = await running(client);
    user().hidden = new Set(['kubernetes/deprovision']);
    for (const work of [() => client.observe(target, callFor()), () => client.delete(target, callFor())]) {
      const fault = await faultOf(work());
      expect(fault).toMatchObject({ kind: 'not-found', whose: 'admin' });
      expect(fault.message).toBe('Jenkins has no job kubernetes/deprovision, or its user may not see it.');
    }
    expect(await client.check(callFor())).toMatchObject({ state: 'Error', field: 'deprovisionJob' });
  });
});

describe('a check', () => {
  it.each([
    ['disabled', 'provisionJob', (h: JenkinsHarness) => Object.assign(h.stacks.jobs.provision, { disabled: true })],
    [
      'parameter',
      'nameParameter',
      (h: JenkinsHarness) => Object.assign(h.stacks.jobs.provision, { definitions: null }),
    ],
    ['KQUEEN_BUILD_ID', 'idParameter', (h: JenkinsHarness) => without(h, 'KQUEEN_BUILD_ID')],
    ['STACK_TYPE', 'provisionParameters', (h: JenkinsHarness) => without(h, 'STACK_TYPE')],
    ['OS_PASSWORD', 'secretParameters', (h: JenkinsHarness) => without(h, 'OS_PASSWORD')],
  ])('says what is wrong with a job: %s', async (word, field, spoil) => {
    const client = await connect();
    spoil(harness);
    const result = await client.check(callFor());
    expect(result).toMatchObject({ state: 'Error', field });
    expect(result.message).toContain(word);
    expect(result.next).toBeTruthy();
  });

  it('shows the version, the user and the jobs', async () => {
    const { facts } = await (await connect()).check(callFor());
    expect(facts).toEqual(
      expect.arrayContaining([
        { label: 'Jenkins', value: '2.541.1' },
        { label: 'User', value: 'kqueen' },
        { label: 'Makes clusters', value: 'kubernetes/provision (11 parameters)' },
      ]),
    );
  });

  it('takes a Jenkins that is starting for one that will answer', async () => {
    harness.server.trouble.loading = true;
    const result = await (await connect()).check(callFor());
    expect(result).toMatchObject({ state: 'Unreachable', message: expect.stringContaining('starting') });
  });

  it('does not take a wrong path for a Jenkins without the job', async () => {
    const client = await connect({ ...harness.params, url: String(harness.params.url).replace('/jenkins', '/other') });
    expect(await client.check(callFor())).toMatchObject({
      state: 'Unreachable',
      message: 'The address of the provisioner is not that of a Jenkins.',
    });
    expect((await faultOf(client.observe(aTarget(), callFor()))).kind).toBe('unreachable');
  });

  it('finds out that a proxy swallows the credentials', async () => {
    const front = await startScriptedServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'x-jenkins': '2.541.1' });
      response.end(JSON.stringify({ _class: 'x', anonymous: true, name: 'anonymous' }));
    });
    const client = await connect({ ...harness.params, url: front.url, caBundle: front.ca });
    const result = await client.check(callFor());
    expect(result).toMatchObject({ state: 'Error', message: expect.stringContaining('as if nobody had signed in') });
    await client.close();
    await front.close();
  });
});

describe('a redirect', () => {
  it('to a sign-in page is no build', async () => {
    const client = await connect();
    const front = await startScriptedServer();
    front.answer((request, response) => {
      if (request.method === 'POST') {
        response.writeHead(302, {
          location: 'https://sso.example.com/securityRealm/commenceLogin',
          'x-jenkins': '2.541.1',
        });
        response.end();
        return;
      }
      const body = request.path.includes('/queue/')
        ? { items: [] }
        : {
            buildable: true,
            builds: [],
            property: [{ parameterDefinitions: harness.stacks.jobs.provision.definitions }],
          };
      response.writeHead(200, { 'content-type': 'application/json', 'x-jenkins': '2.541.1' });
      response.end(JSON.stringify(body));
    });
    const led = await connect({ ...harness.params, url: front.url, caBundle: front.ca });
    expect((await faultOf(led.create(aTarget(), harness.spec, callFor()))).kind).toBe('not-allowed');
    await led.close();
    await front.close();
    await client.check(callFor());
  });

  it('of an artifact to the domain for untrusted content is followed without the credentials', async () => {
    // That domain serves plain HTTP here, so Jenkins does as well: nothing leads from TLS to an open line.
    const { startJenkins } = await import('../counterparts/jenkins/index.ts');
    const { addStackJobs } = await import('../counterparts/jenkins/stacks.ts');
    const server = await startJenkins({ tls: false });
    addStackJobs(server, { createMs: 40 });
    server.access.users.set('kqueen', user());
    server.trouble.resourceDomain = true;
    const { caBundle: _ca, ...rest } = harness.params;
    const client = await connect({ ...rest, url: server.url });
    const target = await running(client);
    expect(await client.kubeconfig(target, callFor())).toContain(`${target.externalName}.stacks.invalid`);
    const there = server.seen.filter(({ line }) => line.startsWith('GET resource'));
    expect(there.length).toBeGreaterThan(0);
    expect(there.every(({ authorization }) => !authorization)).toBe(true);
    await server.close();
  });

  it('from TLS to an open line is not followed', async () => {
    const client = await connect();
    const target = await running(client);
    harness.server.trouble.resourceDomain = true;
    expect(await faultOf(client.kubeconfig(target, callFor()))).toMatchObject({ kind: 'unreachable', whose: 'admin' });
    expect(harness.server.seen.filter(({ line }) => line.startsWith('GET resource'))).toEqual([]);
  });
});

describe('artifacts and consoles', () => {
  it('says which artifacts there are when the kubeconfig is not among them', async () => {
    const client = await connect({ ...harness.params, kubeconfigArtifact: 'out/admin.conf' });
    const target = await running(client);
    const fault = await faultOf(client.kubeconfig(target, callFor()));
    expect(fault).toMatchObject({ kind: 'not-found', whose: 'admin' });
    expect(fault.message).toContain('It has: kubeconfig, logs/ansible.log.');
  });

  it('says that an artifact is no kubeconfig', async () => {
    const client = await connect({ ...harness.params, kubeconfigArtifact: 'logs/ansible.log' });
    const target = await running(client);
    expect((await faultOf(client.kubeconfig(target, callFor()))).message).toContain('is not a kubeconfig');
  });

  it('reads the end of a log of any length, and takes the secrets out', async () => {
    const client = await connect();
    const target = await running(client);
    const build = harness.stacks.jobs.provision.builds[0];
    const secret = build?.values.OS_PASSWORD ?? '';
    const line = `${'x'.repeat(990)} end`;
    const text = `${Array.from({ length: 12_000 }, () => line).join('\n')}\nlogin with ${secret}\ntoken: abcdefgh\nlast line`;
    if (build) build.course = { ...build.course, lines: [{ at: 0, text }] };
    const log = (await client.log(target, callFor())) ?? '';
    expect(Buffer.byteLength(log)).toBeLessThanOrEqual(1024 * 1024);
    expect(Buffer.byteLength(log)).toBeGreaterThan(900 * 1024);
    expect(log.startsWith('x'.repeat(990))).toBe(true);
    expect(log).toContain('login with [secret]\ntoken: [secret]\nlast line\nFinished: SUCCESS');
    expect(log).not.toContain(secret);
  });

  it('reads the end of the log of a running build, which comes in pieces', async () => {
    const client = await connect();
    await harness.faults.stall();
    const target = aTarget();
    const { id } = await client.create(target, harness.spec, callFor());
    await eventually('it has begun', async () => (await client.observe(target, callFor())).externalId);
    const build = harness.stacks.jobs.provision.builds[0];
    const lines = Array.from({ length: 25_000 }, (_, index) => `line ${index}`).join('\n');
    if (build) build.course = { ...build.course, lines: [{ at: 0, text: lines }] };
    expect(await client.log({ ...target, operation: id }, callFor())).toMatch(/line 24998\nline 24999$/);
  });
});

function without(h: JenkinsHarness, name: string): void {
  const { provision } = h.stacks.jobs;
  provision.definitions = (provision.definitions ?? []).filter((each) => each.name !== name);
}
