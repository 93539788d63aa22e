import { randomBytes } from 'node:crypto';
import { Agent, fetch } from 'undici';
import { heat } from '../../src/engines/heat/index.ts';
import { type Openstack, startOpenstack } from '../counterparts/openstack/index.ts';
import { startTcpProxy } from '../proxy.ts';
import type { Harness, HarnessOptions } from './harness.ts';
import { startScriptedServer } from './scripted-server.ts';

/** The harness and the cloud behind it. */
export interface HeatHarness extends Harness {
  cloud: Openstack;
}

/** A cluster of the reference template. Without gateways, so that the nodes of the first pool are all there are. */
const spec = {
  nodes: 2,
  gateways: 0,
  version: '1.33',
  size: 'm1.large',
  sshKey: 'operators',
  control_plane_flavor: 'm1.large',
  image: 'ubuntu-24.04',
  external_network: 'public',
  api_cidr: '192.0.2.0/24',
};

/** The Heat engine with a Keystone and a Heat of its own, each behind a proxy that can be cut. */
export async function openHeatHarness(options: HarnessOptions = {}): Promise<HeatHarness> {
  const cloud = await startOpenstack({
    ...(options.createMs === undefined ? {} : { createMs: options.createMs }),
    ...(options.kube ? { kube: options.kube } : {}),
  });
  const identity = await startTcpProxy({ port: cloud.keystonePort });
  const orchestration = await startTcpProxy({ port: cloud.heatPort });
  const front = await startScriptedServer();
  cloud.places.heat = `https://127.0.0.1:${orchestration.port}`;
  const params = {
    authUrl: `https://127.0.0.1:${identity.port}`,
    orchestrationUrl: cloud.places.heat,
    region: 'RegionOne',
    username: cloud.user.name,
    password: cloud.user.password,
    project: cloud.project.name,
    prices: 'currency: EUR\ncontrolPlane: 0.10\nsizes:\n  m1.large: 0.20\n',
    caBundle: cloud.ca,
  };

  return {
    cloud,
    engine: heat,
    params,
    addresses: [
      { key: 'authUrl', ca: cloud.ca },
      { key: 'orchestrationUrl', ca: cloud.ca },
    ],
    badParams: { ...params, password: `refused-${randomBytes(12).toString('hex')}` },
    nowhereParams: { ...params, project: 'nowhere' },
    spec,
    badSpec: { spec: { ...spec, size: 'm9.huge' }, field: 'size' },
    update: { nodes: 4, version: '1.34' },
    // 0.10 for the control plane and 2 × 0.20 for the nodes, by the operator's list.
    price: { perHour: 0.5, currency: 'EUR' },
    async makeForeign(name) {
      const { world, project } = cloud;
      const token = cloud.keystone.signIn({
        auth: {
          identity: { methods: ['password'], password: { user: { id: cloud.user.id, password: cloud.user.password } } },
          scope: { project: { id: project.id } },
        },
      })?.token;
      const template = [
        'heat_template_version: 2018-08-31',
        'parameters:',
        '  node_count: { type: number, default: 3 }',
        '  kubernetes_version: { type: string, default: "1.33" }',
        'resources:',
        '  machines: { type: OS::Heat::WaitCondition }',
        'outputs:',
        '  kubeconfig: { value: { get_attr: [machines, data] } }',
        '',
      ].join('\n');
      await ask('POST', `/v1/${project.id}/stacks`, token?.text ?? '', {
        stack_name: name,
        template,
        tags: 'owner=somebody-else',
      });
      if (!world.made(name)) throw new Error('the foreign stack was not made');
    },
    writes: async () => cloud.writes(),
    requests: async () => cloud.requests(),
    secrets: async () => [cloud.user.password, ...cloud.world.secrets],
    made: async (name) => cloud.world.made(name),
    async machines({ externalName }) {
      const live = [...cloud.world.stacks.values()].find((each) => each.name === externalName && !each.deletedAt);
      const workers = live ? cloud.world.servers(live).filter(({ parent }) => parent?.name === 'workers') : [];
      return workers.map(({ host: node, physicalId: id }) => ({ node, id, pool: 'workers' }));
    },
    openConnections: () => identity.open() + orchestration.open(),
    faults: {
      async loseCreateAnswer() {
        cloud.trouble.loseCreates = 1;
      },
      async failCreates(message) {
        cloud.world.mood.failCreates = message;
      },
      async stall() {
        cloud.world.mood.stall = true;
      },
      async exhaustQuota() {
        cloud.limits.stacks = 0;
      },
      async limitRate(seconds) {
        cloud.trouble.limitSeconds = seconds;
      },
      async hang() {
        cloud.trouble.hang = true;
      },
      async refuse() {
        for (const proxy of [identity, orchestration]) {
          await proxy.setMode('refuse');
          proxy.cut();
        }
      },
      async webPage() {
        cloud.trouble.webPage = true;
      },
      async serverError() {
        cloud.trouble.serverError = true;
      },
      async cutAnswer() {
        cloud.trouble.cutAnswers = true;
      },
      async forbid() {
        cloud.trouble.forbid = true;
        return 'heat_stack_owner';
      },
      async failUpdates(message) {
        cloud.world.mood.failUpdates = message;
      },
      async loseAnswers() {
        cloud.trouble.loseChanges = Number.POSITIVE_INFINITY;
      },
      async strangeState() {
        front.answer((request, response) => {
          ask(request.method, request.path, String(request.headers['x-auth-token'] ?? '')).then(
            ({ status, location, text }) => {
              response.writeHead(status, { 'content-type': 'application/json', ...(location ? { location } : {}) });
              response.end(text.replaceAll('"CREATE_COMPLETE"', '"HIBERNATE_COMPLETE"'));
            },
            (error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error))),
          );
        });
        return { ...params, orchestrationUrl: front.url, caBundle: `${cloud.ca}${front.ca}` };
      },
      async clear() {
        for (const key of Object.keys(cloud.trouble)) delete cloud.trouble[key as keyof typeof cloud.trouble];
        Object.assign(cloud.world.mood, { failCreates: null, failUpdates: null });
        cloud.world.goOn();
        cloud.limits.stacks = 10_000;
        for (const proxy of [identity, orchestration]) await proxy.setMode('pass');
      },
    },
    async close() {
      await front.close();
      for (const proxy of [identity, orchestration]) await proxy.close();
      await cloud.close();
    },
  };

  /** A request to Heat past everything that is tested. */
  async function ask(method: string, path: string, token: string, body?: unknown) {
    const agent = new Agent({ connect: { ca: cloud.ca }, allowH2: false });
    const answer = await fetch(`https://127.0.0.1:${cloud.heatPort}${path}`, {
      method,
      redirect: 'manual',
      dispatcher: agent,
      headers: { 'x-auth-token': token, 'content-type': 'application/json', accept: 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const made = { status: answer.status, location: answer.headers.get('location'), text: await answer.text() };
    await agent.close();
    return made;
  }
}
