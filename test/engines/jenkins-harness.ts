import { randomBytes } from 'node:crypto';
import { jenkins } from '../../src/engines/jenkins/index.ts';
import { type JenkinsServer, startJenkins } from '../counterparts/jenkins/index.ts';
import { addStackJobs, type Stacks } from '../counterparts/jenkins/stacks.ts';
import { startTcpProxy } from '../proxy.ts';
import type { Harness, HarnessOptions } from './harness.ts';
import { startScriptedServer } from './scripted-server.ts';

/** The harness and what is behind it. */
export interface JenkinsHarness extends Harness {
  server: JenkinsServer;
  stacks: Stacks;
}

const spec = {
  nodes: 2,
  version: '1.33.6',
  OPENSTACK_REGION: 'south',
  FLAVOR: 'm1.large',
  WITH_GPU: false,
};

/** The Jenkins engine with a Jenkins of its own: four pipelines in a folder, TLS, an API token. */
export async function openJenkinsHarness(options: HarnessOptions = {}): Promise<JenkinsHarness> {
  const createMs = options.createMs ?? 500;
  const server = await startJenkins();
  const stacks = addStackJobs(server, { createMs, ...(options.kube ? { kube: options.kube } : {}) });
  const token = `11${randomBytes(16).toString('hex')}`;
  server.access.users.set('kqueen', { id: 'kqueen', password: randomBytes(12).toString('hex'), token });
  const { provision, deprovision, scale, upgrade } = stacks.jobs;
  // Earlier builds, from which Jenkins estimates how long one takes.
  for (const job of [provision, deprovision, scale, upgrade]) {
    const ms = job === provision ? createMs : createMs / 2;
    server.world.remember(job, { STACK_NAME: 'earlier', KQUEEN_BUILD_ID: '' }, 'operator', 3_600_000, ms);
  }
  stacks.stacks.delete('earlier');
  const proxy = await startTcpProxy({ port: server.port });
  const front = await startScriptedServer();
  const osPassword = randomBytes(12).toString('hex');
  const params = {
    url: server.url.replace(String(server.port), String(proxy.port)),
    username: 'kqueen',
    apiToken: token,
    provisionJob: provision.fullName,
    deprovisionJob: deprovision.fullName,
    scaleJob: scale.fullName,
    upgradeJob: upgrade.fullName,
    provisionParameters: 'STACK_TYPE=aws',
    deprovisionParameters: 'STACK_TYPE=aws',
    secretParameters: `OS_PASSWORD=${osPassword}`,
    sizeParameter: 'FLAVOR',
    caBundle: server.ca,
    prices: 'currency: EUR\ncontrolPlane: 0.10\nsizes:\n  m1.large: 0.20\n',
  };

  async function forward(
    path: string,
    headers: Record<string, string>,
  ): Promise<{ status: number; text: string; headers: Headers }> {
    const { Agent, fetch } = await import('undici');
    const agent = new Agent({ connect: { ca: server.ca }, allowH2: false });
    const answer = await fetch(`https://127.0.0.1:${server.port}${path}`, { headers, dispatcher: agent });
    const made = { status: answer.status, text: await answer.text(), headers: new Headers([...answer.headers]) };
    await agent.close();
    return made;
  }

  return {
    server,
    stacks,
    engine: jenkins,
    params,
    addresses: [{ key: 'url', ca: server.ca }],
    badParams: { ...params, apiToken: `11${randomBytes(16).toString('hex')}` },
    nowhereParams: { ...params, provisionJob: 'kubernetes/nowhere' },
    spec,
    badSpec: { spec: { ...spec, OPENSTACK_REGION: 'moon' }, field: 'OPENSTACK_REGION' },
    update: { nodes: 4, version: '1.34.2' },
    // 0.10 for the control plane and 2 × 0.20 for the nodes, by the operator's list.
    price: { perHour: 0.5, currency: 'EUR' },
    async makeForeign(name) {
      server.world.remember(provision, { ...defaults, STACK_NAME: name }, 'somebody-else', 60_000, createMs);
    },
    writes: async () => server.writes(),
    requests: async () => server.requests(),
    // The queue and the four jobs: Jenkins has no other memory of a cluster.
    readsPerObserve: 5,
    secrets: async () => [token, osPassword, ...stacks.tokens],
    async made(name) {
      const builds = provision.builds.filter(({ values }) => values.STACK_NAME === name).length;
      const waiting = server.world.items.filter((item) => item.leftAt === undefined && item.values.STACK_NAME === name);
      return builds + waiting.filter(({ job }) => job === provision).length;
    },
    openConnections: () => proxy.open(),
    faults: {
      async loseCreateAnswer() {
        server.trouble.loseAnswers = 1;
      },
      async failCreates(message) {
        stacks.failProvision = message;
      },
      async stall() {
        server.world.holding = true;
      },
      async exhaustQuota() {
        stacks.failProvision = 'Quota exceeded for instances: requested 3, but already used 10 of 10';
      },
      async limitRate(seconds) {
        server.trouble.limitSeconds = seconds;
      },
      async hang() {
        server.trouble.hang = true;
      },
      async refuse() {
        await proxy.setMode('refuse');
        proxy.cut();
      },
      async webPage() {
        server.trouble.webPage = true;
      },
      async serverError() {
        server.trouble.serverError = true;
      },
      async cutAnswer() {
        server.trouble.cutAnswers = true;
      },
      async forbid() {
        server.trouble.forbid = 'hudson.model.Hudson.Read';
        return 'Overall/Read';
      },
      async failUpdates(message) {
        stacks.failUpdate = message;
      },
      async loseAnswers() {
        server.trouble.loseAnswers = Number.POSITIVE_INFINITY;
      },
      async strangeState() {
        front.answer((request, response) => {
          const authorization = String(request.headers.authorization ?? '');
          forward(request.path, { authorization }).then(
            (answer) => {
              response.writeHead(answer.status, { 'content-type': 'application/json', 'x-jenkins': '3.0' });
              response.end(answer.text.replaceAll('"SUCCESS"', '"HIBERNATING"'));
            },
            (error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error))),
          );
        });
        return { ...params, url: `${front.url}/jenkins`, caBundle: front.ca };
      },
      async clear() {
        await proxy.setMode('pass');
        for (const key of Object.keys(server.trouble) as (keyof typeof server.trouble)[]) delete server.trouble[key];
        Object.assign(stacks, {
          failProvision: null,
          failUpdate: null,
          failDeprovision: null,
          provisionResult: 'SUCCESS',
          pauseProvision: false,
        });
        server.world.release();
      },
    },
    async close() {
      await front.close();
      await proxy.close();
      await server.close();
    },
  };
}

/** What a person who starts the job by hand leaves as it is. */
const defaults = { NODE_COUNT: '3', KUBERNETES_VERSION: '1.33.6', OPENSTACK_REGION: 'north', KQUEEN_BUILD_ID: '' };
