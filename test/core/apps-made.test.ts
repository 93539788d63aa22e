import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { catalogue } from '../../src/core/apps-catalogue.ts';
import { type AppStage, openAppStage } from './apps-stage.ts';
import { words } from './stage.ts';

let on: AppStage;
beforeAll(async () => {
  on = await openAppStage();
}, 60_000);
afterAll(() => on.close());

const apps = '/apis/apps/v1/namespaces/default/deployments';

async function pressed(line: string, values?: Record<string, string>): Promise<Awaited<ReturnType<AppStage['ended']>>> {
  const first = await on.stage.say('grace', line);
  const plan = values ? await on.stage.fill('grace', first, values, { private: true }) : first;
  if (!plan.card?.buttons.some(({ label }) => label === 'Deploy it')) throw new Error(words(plan));
  await on.stage.press('grace', plan, 'Deploy it');
  return on.ended();
}

describe('apps from an image', () => {
  test('seeds 57, murano: Docker image app: the form with its five fields makes a Deployment, a Service and a Secret', async () => {
    const form = await on.stage.say('grace', 'app run web-1');
    expect(form.form?.fields.map(({ key }) => key)).toEqual(
      expect.arrayContaining(['name', 'image', 'env', 'ports', 'publish', 'replicas']),
    );
    const secret = `s3cret-${Math.random().toString(36).slice(2)}`;
    const job = await pressed('app run web-1', {
      ...{
        name: 'shop',
        image: 'nginx:1.29',
        env: 'MODE=fast, LEVEL=2',
        ports: '80:8080',
        publish: 'nodes',
        replicas: '2',
      },
      secretEnv: `API_PASSWORD=${secret}`,
    });
    expect(job).toMatchObject({ state: 'Succeeded', work: { input: { source: 'image nginx:1.29' } } });
    expect(await on.read(`${apps}/shop`)).toMatchObject({
      spec: {
        replicas: 2,
        selector: { matchLabels: { 'app.kubernetes.io/instance': 'shop' } },
        template: {
          spec: {
            containers: [
              {
                image: 'nginx:1.29',
                env: [
                  { name: 'MODE', value: 'fast' },
                  { name: 'LEVEL', value: '2' },
                  { name: 'API_PASSWORD', valueFrom: { secretKeyRef: { name: 'shop-env', key: 'API_PASSWORD' } } },
                ],
                ports: [{ containerPort: 8080, protocol: 'TCP' }],
              },
            ],
          },
        },
      },
    });
    expect(await on.read('/api/v1/namespaces/default/services/shop')).toMatchObject({
      spec: { type: 'NodePort', ports: [{ port: 80, targetPort: 8080 }] },
    });
    // The secret is in the cluster, and nowhere else in plain.
    expect(await on.read('/api/v1/namespaces/default/secrets/shop-env')).toMatchObject({
      data: { API_PASSWORD: Buffer.from(secret).toString('base64') },
    });
    expect(on.stage.onDisk(secret)).toBe(false);
    expect(JSON.stringify(await on.stage.job(job.id))).not.toContain(secret);
    expect(JSON.stringify(on.stage.log)).not.toContain(secret);
  });

  test('seeds 65, murano: two versions of one app run side by side under two names, with selectors of their own', async () => {
    expect((await pressed('app run web-1 shop-2 nginx:1.30 ports=80')).state).toBe('Succeeded');
    const [one, two] = [await on.read(`${apps}/shop`), await on.read(`${apps}/shop-2`)];
    expect(one).toMatchObject({ status: { availableReplicas: 2 } });
    expect(two).toMatchObject({
      status: { availableReplicas: 1 },
      spec: { selector: { matchLabels: { 'app.kubernetes.io/instance': 'shop-2' } } },
    });
  });

  test('seeds 57, murano: ApplicationPort scopes: what cannot be is said at its field', async () => {
    expect(words(await on.stage.say('grace', 'app run web-1 x nginx:1.29 publish=nodes'))).toMatch(
      /which ports it listens on/,
    );
    expect(words(await on.stage.say('grace', 'app run web-1 x nginx:1.29 ports=99999'))).toMatch(/99999 is no port/);
    expect(words(await on.stage.say('grace', 'app run web-1 x "nginx 1"'))).toMatch(/Use the name of an image/);
    expect(
      words(await on.stage.say('grace', 'app run web-1 x nginx:1.29 folder=/data storage=1Gi replicas=2')),
    ).toMatch(/cannot share a volume/);
    const plan = words(await on.stage.say('grace', 'app run web-1 x nginx:1.29 ports=80 publish=loadbalancer'));
    expect(plan).toMatch(/Service default\/x: LoadBalancer/);
  });
});

describe('where an app is reached', () => {
  test('seeds 59, murano: ApplicationPort scopes: none, inside the cluster, on nodes, in the cloud, for all', async () => {
    const reached: Record<string, string> = {};
    for (const publish of ['no', 'cluster', 'nodes', 'internal', 'loadbalancer']) {
      const name = `way-${publish}`;
      expect((await pressed(`app run web-1 ${name} nginx:1.29 ports=80:8080 publish=${publish}`)).state).toBe(
        'Succeeded',
      );
      const table = (await on.stage.say('mel', `app show web-1 ${name}`)).card?.parts.find(
        (part) => part.part === 'table' && part.caption === 'Endpoints',
      );
      reached[publish] =
        table?.part === 'table' ? table.rows.map((row) => row.slice(0, 3).join(' ')).join() : 'nowhere';
    }
    expect(reached).toEqual({
      no: 'nowhere',
      cluster: 'way-cluster.default:80 TCP inside the cluster',
      nodes: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+:3\d{4} TCP on every node$/),
      internal: expect.stringMatching(/^http:\/\/\d+\.\d+\.\d+\.\d+ TCP inside the cloud$/),
      loadbalancer: expect.stringMatching(/^http:\/\/\d+\.\d+\.\d+\.\d+ TCP from outside$/),
    });
  }, 60_000);

  test('murano: createService finds an unused port: two apps on nodes get one each', async () => {
    expect((await pressed('app run web-1 way-two nginx:1.29 ports=80:8080 publish=nodes')).state).toBe('Succeeded');
    const ports = await Promise.all(
      ['way-nodes', 'way-two'].map(async (name) => {
        const spec = (await on.read(`/api/v1/namespaces/default/services/${name}`))?.spec;
        return (spec as { ports: { nodePort: number }[] }).ports[0]?.nodePort;
      }),
    );
    expect(ports.every((port) => Number(port) >= 30_000)).toBe(true);
    expect(new Set(ports).size).toBe(2);
  });

  test('murano: Volumes and privileged: a folder of its own, a volume by its size, and nothing of the node', async () => {
    const plan = words(await on.stage.say('grace', 'app run web-1 vol nginx:1.29 folder=/data storage=1Gi'));
    expect(plan).toMatch(/PersistentVolumeClaim default\/vol-data/);
    const own = `${'apiVersion: v1\nkind: Pod\nmetadata: {name: root}\nspec:\n  containers: [{name: a, image: nginx, '}`;
    for (const [more, said] of [
      ['securityContext: {privileged: true}}]', /privileged/],
      ['volumeMounts: [{name: v, mountPath: /v}]}]\n  volumes: [{name: v, hostPath: {path: /}}]', /hostPath/],
      ['ports: [{containerPort: 80, hostPort: 80}]}]', /hostPort/],
    ] as const) {
      const form = await on.stage.say('grace', 'app deploy web-1 root');
      expect(words(await on.stage.fill('grace', form, { manifest: `${own}${more}` }))).toMatch(said);
    }
    const form = await on.stage.say('grace', 'app deploy web-1 root allow=privileged');
    const manifest = `${own}ports: [{containerPort: 80, hostPort: 8088}]}]`;
    await on.stage.press('grace', await on.stage.fill('grace', form, { manifest }), 'Deploy it');
    expect((await on.ended()).state).toBe('Succeeded');
    expect(words(await on.stage.say('mel', 'app show web-1 root'))).toMatch(/port 8088 of each node.*on its own nodes/);
  });
});

describe('catalogue', () => {
  test.each(catalogue.map(({ name }) => name))(
    'seeds 58, murano: catalogue: %s deploys with its standard parameters and runs',
    async (name) => {
      const form = await on.stage.say('grace', `app install web-1 ${name}`);
      expect(form.form?.fields.find(({ key }) => key === 'version')?.value).toMatch(/^\d+\.\d+/);
      const job = await pressed(
        `app install web-1 ${name} name=c-${name} storage=none`.replace(
          / storage=none$/,
          name === 'nginx' || name === 'httpd' ? '' : ' storage=none',
        ),
      );
      expect(job).toMatchObject({ state: 'Succeeded' });
      const deployment = JSON.stringify(await on.read(`${apps}/c-${name}`));
      expect(deployment).toMatch(/"availableReplicas":/);
      const secret = (await on.read(`/api/v1/namespaces/default/secrets/c-${name}-auth`)) as
        | { data: Record<string, string> }
        | undefined;
      for (const value of Object.values(secret?.data ?? {})) {
        const password = Buffer.from(value, 'base64').toString();
        expect(password.length).toBeGreaterThanOrEqual(24);
        expect(on.stage.onDisk(password)).toBe(false);
        expect(JSON.stringify(job)).not.toContain(password);
        expect(deployment).not.toContain(password);
      }
      if (secret) expect(job.work?.result).toContainEqual(expect.objectContaining({ label: 'Passwords' }));
    },
  );

  test('murano: Grafana to InfluxDB: a source that is given is set up', async () => {
    const job = await pressed(
      'app install web-1 grafana name=boards storage=none source=http://influx.default:8086 kind=influxdb',
    );
    expect(job.state).toBe('Succeeded');
    expect(JSON.stringify(await on.read('/api/v1/namespaces/default/configmaps/boards-files'))).toContain(
      'http://influx.default:8086',
    );
  });

  test('seeds 58: a second install keeps the password that is in use', async () => {
    const path = '/api/v1/namespaces/default/secrets/c-redis-auth';
    const before = await on.read(path);
    const plan = await on.stage.say('grace', 'app install web-1 redis name=c-redis storage=none version=7.4.3');
    expect(words(plan)).toMatch(/1 generated Secret stays as it is/);
    await on.stage.press('grace', plan, 'Deploy it');
    expect((await on.ended()).state).toBe('Succeeded');
    expect((await on.read(path))?.data).toEqual(before?.data);
  });

  test('seeds 58: what is not in it is refused with what is', async () => {
    expect(words(await on.stage.say('grace', 'app install web-1 oracle'))).toMatch(
      /The catalogue has no oracle.*postgresql/,
    );
    expect(words(await on.stage.say('grace', 'app install web-1'))).toMatch(/app install web-1 redis/);
    expect(words(await on.stage.say('grace', 'app install web-1 redis name=r storage=lots'))).toMatch(
      /Write a size such as 8Gi/,
    );
    expect(words(await on.stage.say('grace', 'app install web-1 redis name=r colour=red'))).toMatch(/no field.*colour/);
  });
});
