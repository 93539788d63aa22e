import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { type Slack, startSlack } from '../counterparts/slack/index.ts';
import { eventually, findServer, lacksServer, needServer } from '../servers.ts';
import { type Compose, readCompose, root, serviceOf } from './compose-file.ts';
import {
  type Container,
  healthCheckOf,
  isHealthy,
  onLoopback,
  prepare,
  programHere,
  type Running,
  start,
} from './containers.ts';
import { type Image, imageOf, readDockerfile } from './dockerfile.ts';

const secrets = {
  KQUEEN_SECRET_KEYS: randomBytes(32).toString('base64'),
  KQUEEN_METRICS_TOKEN: randomBytes(32).toString('hex'),
  SLACK_BOT_TOKEN: `xoxb-${randomBytes(12).toString('hex')}`,
  SLACK_SIGNING_SECRET: randomBytes(16).toString('hex'),
};

/** The health check as written where its program is installed; else what that program asks, by HTTP, with the reason told. */
function healthOf(container: Container, http: string): () => Promise<boolean> {
  const [program = ''] = healthCheckOf(container).words;
  if (programHere(program) !== null) return () => isHealthy(container);
  console.warn(`not installed here: ${program}; its health check is asked over HTTP instead`);
  return async () => (await fetch(http, { signal: AbortSignal.timeout(1_000) }).catch(() => null))?.ok === true;
}

/** What the image holds under /app: what the Dockerfile copies, and of node_modules what is not for development alone. */
function layOut(image: Image, folder: string): void {
  for (const { from, to } of image.copies) {
    cpSync(join(root, from), to.endsWith('/') ? join(folder, to, from) : join(folder, to), { recursive: true });
  }
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; optional?: boolean }>;
  };
  for (const [path, entry] of Object.entries(lock.packages)) {
    const isTop = /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path);
    if (!isTop || entry.dev || entry.devOptional || entry.optional) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(join(root, path), join(folder, path));
  }
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
}

describe.skipIf(lacksServer('etcd', 'redis-server', 'redis-cli'))('what the containers run', () => {
  let folder: string;
  let app: string;
  let laidOut: string[];
  let slack: Slack;
  let compose: Compose;
  const containers = new Map<string, Container>();
  const running = new Map<string, Running>();
  const container = (name: string): Container => {
    const found = containers.get(name);
    if (!found) throw new Error(`${name} was not prepared`);
    return found;
  };
  const process = (name: string): Running => {
    const found = running.get(name);
    if (!found) throw new Error(`${name} was not started`);
    return found;
  };
  const url = (name: string, port: number) => `http://127.0.0.1:${container(name).ports[port]}`;
  /** The port within the container is always 3000; here it is a free one. Loopback needs no token for the metrics, containers do. */
  const moved = (name: string) => ({
    KQUEEN_PORT: String(container(name).ports[3000]),
    KQUEEN_PROMETHEUS_WHITELIST: '192.0.2.0/24',
  });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kqueen-deploy-'));
    app = join(folder, 'app');
    const last = readDockerfile().at(-1);
    if (!last) throw new Error('no stage');
    const image = imageOf(last);
    layOut(image, app);
    laidOut = filesUnder(app);
    slack = await startSlack({
      signingSecret: secrets.SLACK_SIGNING_SECRET,
      botToken: secrets.SLACK_BOT_TOKEN,
      team: 'T1',
      users: [{ id: 'U1', name: 'ada' }],
      channels: [{ id: 'C1', name: 'clusters' }],
    });
    compose = readCompose({ ...secrets, SLACK_API_URL: slack.apiUrl, KQUEEN_BOOTSTRAP_ADMINS: 'slack:T1:U1' });
    const inside = (name: string) => join(folder, name);
    containers.set(
      'etcd',
      await prepare(serviceOf(compose, 'etcd'), null, {
        folder: inside('etcd'),
        ports: [2379, 2380],
        neighbours: { '//etcd': '//127.0.0.1' },
      }),
    );
    containers.set(
      'redis',
      await prepare(serviceOf(compose, 'redis'), null, { folder: inside('redis'), ports: [6379] }),
    );
    const neighbours = {
      '//etcd:2379': `//127.0.0.1:${container('etcd').ports[2379]}`,
      '//redis:6379': `//127.0.0.1:${container('redis').ports[6379]}`,
    };
    for (const name of ['bot', 'worker']) {
      const given = { [image.env.KQUEEN_DATA_DIR ?? '']: inside(`${name}/none`) };
      const options = { folder: inside(name), ports: [3000], neighbours, cwd: app, given };
      containers.set(name, await prepare(serviceOf(compose, name), image, options));
    }
  });

  afterAll(async () => {
    await Promise.all([...running.values()].map((each) => each.stop(10_000)));
    await slack?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  it('etcd and Redis start by their commands, and their health checks tell', { timeout: 60_000 }, async () => {
    const etcdHealth = healthOf(container('etcd'), `${url('etcd', 2379)}/health`);
    const redisHealth = () => isHealthy(container('redis'));
    expect(await Promise.all([etcdHealth(), redisHealth()])).toEqual([false, false]);
    running.set('etcd', start(container('etcd')));
    running.set('redis', start(container('redis')));
    await Promise.all([
      eventually('etcd is healthy', etcdHealth, { timeoutMs: 30_000 }),
      eventually('Redis is healthy', redisHealth, { timeoutMs: 30_000 }),
    ]);
    // Files are where the volumes are.
    expect(filesUnder(container('etcd').paths['/var/lib/etcd'] ?? '')).toContain('member/wal');
    expect(filesUnder(container('redis').paths['/data'] ?? '').join()).toMatch(/appendonly/);
    const port = String(container('redis').ports[6379]);
    const policy = execFileSync(findServer('redis-cli') ?? '', ['-p', port, 'config', 'get', 'maxmemory-policy']);
    expect(policy.toString()).toContain('noeviction');
  });

  it('bot and worker start from what the image holds, and are healthy and ready', { timeout: 90_000 }, async () => {
    expect(await isHealthy(container('bot'), moved('bot'))).toBe(false);
    for (const name of ['bot', 'worker']) running.set(name, start(container(name), moved(name)));
    await Promise.all(
      ['bot', 'worker'].map(async (name) => {
        const alive = () => process(name).child.exitCode === null;
        await eventually(
          `${name} is healthy`,
          async () => !alive() || (await isHealthy(container(name), moved(name))),
          {
            timeoutMs: 60_000,
            everyMs: 250,
          },
        );
        expect(alive(), process(name).logs()).toBe(true);
        const ready = async () => {
          const answer = await fetch(`${url(name, 3000)}/readyz`);
          return answer.status === 200 && (await answer.text()) === 'ready\n';
        };
        await eventually(`${name} is ready`, ready, { timeoutMs: 20_000, everyMs: 100 });
      }),
    );
    slack.deliverTo(`${url('bot', 3000)}/slack/events`);
    const { status } = await slack.user('U1').command('/kqueen', 'version', { channel: 'C1' });
    expect(status).toBe(200);
    await slack.sees('C1', /KQueen/, { userId: 'U1', ms: 10_000 });
    expect((await fetch(`${url('worker', 3000)}/slack/events`, { method: 'POST', body: '{}' })).status).toBe(404);
  });

  it('Prometheus starts by its command and reads both with the token', { timeout: 60_000 }, async (ctx) => {
    const promtool = needServer(ctx, 'promtool', 'prometheus');
    const given = join(root, 'deploy', 'prometheus.yml');
    execFileSync(promtool, ['check', 'config', '--syntax-only', given]);
    for (const name of ['bot', 'worker']) {
      expect((await fetch(`${url(name, 3000)}/metrics`)).status).toBe(401);
    }

    const inside = join(folder, 'prometheus');
    const config = join(folder, 'prometheus.yml');
    const prometheus = await prepare(serviceOf(compose, 'prometheus'), null, {
      folder: inside,
      ports: [9090],
      given: { '/etc/prometheus/prometheus.yml': config, '/bin/prometheus': findServer('prometheus') ?? '' },
    });
    containers.set('prometheus', prometheus);
    writeFileSync(config, onThisMachine(readFileSync(given, 'utf8'), prometheus));
    const healthy = healthOf(prometheus, `${url('prometheus', 9090)}/-/ready`);
    expect(await healthy()).toBe(false);
    running.set('prometheus', start(prometheus));
    await eventually('Prometheus is healthy', healthy, { timeoutMs: 30_000, everyMs: 100 });
    // With the token's file in place the whole check can be made.
    execFileSync(promtool, ['check', 'config', config]);
    const token = join(prometheus.paths['/tmp'] ?? '', 'metrics-token');
    expect(readFileSync(token, 'utf8')).toBe(secrets.KQUEEN_METRICS_TOKEN);
    expect(statSync(token).mode & 0o777).toBe(0o600);

    const query = async (text: string) => {
      const answer = await fetch(`${url('prometheus', 9090)}/api/v1/query?query=${encodeURIComponent(text)}`);
      const { data } = (await answer.json()) as { data: { result: { metric: Record<string, string> }[] } };
      return data.result.map(({ metric }) => metric.job).sort();
    };
    const both = ['kqueen-bot', 'kqueen-worker'];
    const up = async () => (await query('up == 1')).join() === both.join();
    await eventually('Prometheus reads both', up, { timeoutMs: 20_000, everyMs: 100 });
    expect(await query('kqueen_approvals_pending')).toEqual(both);
  });

  /** The same jobs, asked at fixed places instead of Docker's DNS, and often, so that the test need not wait. */
  function onThisMachine(text: string, prometheus: Container): string {
    const config = parse(text) as { global: Record<string, string>; scrape_configs: Record<string, unknown>[] };
    config.global = { ...config.global, scrape_interval: '500ms', scrape_timeout: '500ms' };
    for (const job of config.scrape_configs) {
      const [{ names }] = job.dns_sd_configs as [{ names: [string]; port: number }];
      job.static_configs = [{ targets: [new URL(url(names[0], 3000)).host] }];
      delete job.dns_sd_configs;
    }
    return onLoopback(stringify(config), prometheus);
  }

  it('ends within ten seconds of SIGTERM, told no secret and wrote nowhere', { timeout: 60_000 }, async () => {
    const names = [...running.keys()].filter((name) => name === 'bot' || name === 'worker');
    expect(names).toEqual(['bot', 'worker']);
    const ends = await Promise.all(names.map((name) => process(name).stop(15_000)));
    for (const end of ends) {
      expect(end).toMatchObject({ code: 0, signal: null });
      expect(end.ms).toBeLessThan(10_000);
    }
    expect(slack.violations).toEqual([]);
    const said = [...running.values()].map((each) => each.logs()).join('\n') + slack.emitted();
    for (const [name, value] of Object.entries(secrets)) expect(said.includes(value), name).toBe(false);
    for (const name of names) {
      const lines = process(name)
        .logs()
        .split('\n')
        .filter((line) => line.startsWith('{'));
      expect(lines.join('\n')).toContain('KQueen is up');
      expect(lines.filter((line) => (JSON.parse(line) as { level: number }).level >= 40)).toEqual([]);
    }
    // A read-only container, whose only writable folder is /tmp.
    expect(filesUnder(app)).toEqual(laidOut);
    for (const name of names) expect(filesUnder(join(folder, name))).toEqual(['tmp']);
    for (const name of ['etcd', 'redis']) {
      // Each says by its own code that it was told to stop.
      const { ms, signal } = await process(name).stop(15_000);
      expect(ms).toBeLessThan(10_000);
      expect(signal).not.toBe('SIGKILL');
    }
  });
});
