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
  test('Docker image app: the form with its five fields makes a Deployment, a Service and a Secret', async () => {
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

  test('two versions of one app run side by side under two names, with selectors of their own', async () => {
    expect((await pressed('app run web-1 shop-2 nginx:1.30 ports=80')).state).toBe('Succeeded');
    const [one, two] = [await on.read(`${apps}/shop`), await on.read(`${apps}/shop-2`)];
    expect(one).toMatchObject({ status: { availableReplicas: 2 } });
    expect(two).toMatchObject({
      status: { availableReplicas: 1 },
      spec: { selector: { matchLabels: { 'app.kubernetes.io/instance': 'shop-2' } } },
    });
  });

  test('ApplicationPort scopes: inside, on nodes, by a load balancer; what cannot be is said at its field', async () => {
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

describe('catalogue', () => {
  test.each(catalogue.map(({ name }) => name))('%s deploys with its standard parameters and runs', async (name) => {
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
  });

  test('Grafana to InfluxDB: a source that is given is set up', async () => {
    const job = await pressed(
      'app install web-1 grafana name=boards storage=none source=http://influx.default:8086 kind=influxdb',
    );
    expect(job.state).toBe('Succeeded');
    expect(JSON.stringify(await on.read('/api/v1/namespaces/default/configmaps/boards-files'))).toContain(
      'http://influx.default:8086',
    );
  });

  test('a second install keeps the password that is in use', async () => {
    const path = '/api/v1/namespaces/default/secrets/c-redis-auth';
    const before = await on.read(path);
    const plan = await on.stage.say('grace', 'app install web-1 redis name=c-redis storage=none version=7.4.3');
    expect(words(plan)).toMatch(/1 generated Secret stays as it is/);
    await on.stage.press('grace', plan, 'Deploy it');
    expect((await on.ended()).state).toBe('Succeeded');
    expect((await on.read(path))?.data).toEqual(before?.data);
  });

  test('what is not in it is refused with what is', async () => {
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
