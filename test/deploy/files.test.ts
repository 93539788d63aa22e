import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../../src/config.ts';
import { type Option, options } from '../../src/config-options.ts';
import { composeText, fillIn, readCompose, root, serviceOf, variablesOf } from './compose-file.ts';
import { imageOf, readDockerfile } from './dockerfile.ts';

const needed = {
  KQUEEN_SECRET_KEYS: randomBytes(32).toString('base64'),
  KQUEEN_METRICS_TOKEN: randomBytes(32).toString('hex'),
};
const compose = readCompose(needed);
const services = Object.entries(compose.services);
const bot = serviceOf(compose, 'bot');
const worker = serviceOf(compose, 'worker');
const table: [string, Option][] = Object.entries(options);
const inChatGroup = ({ group }: Option) => group === 'Slack' || group === 'Teams';
const ours = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  scripts: { start: string };
  devDependencies: Record<string, string>;
};

describe('docker-compose.yml', () => {
  it('has the five services, and KQueen in both roles from one image', () => {
    expect(services.map(([name]) => name).sort()).toEqual(['bot', 'etcd', 'prometheus', 'redis', 'worker']);
    expect(bot.command).toEqual(['node', 'src/main.ts', 'bot']);
    expect(worker.command).toEqual(['node', 'src/main.ts', 'worker']);
    expect([bot.image, worker.image]).toEqual([`kqueen:${ours.version}`, `kqueen:${ours.version}`]);
  });

  it.each(services)('%s is bounded, restarted, pinned and watched', (name, service) => {
    expect(service).toMatchObject({ restart: 'unless-stopped', read_only: true, cap_drop: ['ALL'] });
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    expect(service.image).toMatch(/^[a-z./]+:v?\d+\.\d+\.\d+(-[a-z]+)?$/);
    expect(service.logging.options['max-size']).toMatch(/^\d+m$/);
    expect(
      service.build === '.' || service.healthcheck !== undefined,
      'a health check of its own or of our image',
    ).toBe(true);
    // Every role may take its ten seconds.
    if (service.build) expect(service.stop_grace_period).toBeGreaterThan(10);
    // Our image has a user of its own; etcd's has none but root, left without capabilities.
    const users: Record<string, string> = { redis: '999:999', prometheus: '65534:65534' };
    expect(service.user).toBe(users[name]);
  });

  it('publishes the bot and Prometheus on loopback, and nothing else', () => {
    const published = services.flatMap(([name, { ports }]) => ports.map((port) => `${name} ${port}`));
    expect(published).toEqual(['bot 127.0.0.1:3000:3000', 'prometheus 127.0.0.1:9090:9090']);
    const moved = readCompose({ ...needed, KQUEEN_PORT: '8080', PROMETHEUS_PORT: '8081' });
    expect(serviceOf(moved, 'bot').ports).toEqual(['127.0.0.1:8080:3000']);
    expect(serviceOf(moved, 'prometheus').ports).toEqual(['127.0.0.1:8081:9090']);
  });

  it('keeps etcd and Redis on a network that only the roles share', () => {
    expect(compose.networks.records).toEqual({ internal: true });
    expect(services.filter(([, { networks }]) => networks.includes('records')).map(([name]) => name)).toEqual([
      'bot',
      'worker',
      'etcd',
      'redis',
    ]);
    for (const name of ['etcd', 'redis']) expect(serviceOf(compose, name).networks).toEqual(['records']);
    for (const [, { networks }] of services) for (const each of networks) expect(compose.networks).toHaveProperty(each);
  });

  it('keeps what must outlive a container in named volumes, and mounts the rest for reading', () => {
    const mounts = services.flatMap(([name, { volumes }]) => volumes.map((volume) => [name, ...volume.split(':')]));
    for (const [, from = '', , mode] of mounts) {
      if (from.startsWith('.')) {
        expect(mode).toBe('ro');
        expect(existsSync(join(root, from))).toBe(true);
      } else expect(compose.volumes).toHaveProperty(from);
    }
    expect(mounts.filter(([, from]) => !from?.startsWith('.')).map(([name]) => name)).toEqual([
      'bot',
      'worker',
      'etcd',
      'redis',
      'prometheus',
    ]);
  });

  it('waits for what it needs to be healthy', () => {
    for (const service of [bot, worker]) {
      expect(service.depends_on).toEqual({
        etcd: { condition: 'service_healthy' },
        redis: { condition: 'service_healthy' },
      });
    }
    expect(Object.keys(serviceOf(compose, 'prometheus').depends_on)).toEqual(['bot', 'worker']);
  });

  it('has no default secret, and does not start without the two that are needed', () => {
    for (const name of ['KQUEEN_SECRET_KEYS', 'KQUEEN_METRICS_TOKEN'] as const) {
      expect(() => readCompose({ ...needed, [name]: '' })).toThrow(`required variable ${name} is missing`);
    }
    const secrets = new Set(table.filter(([, { secret }]) => secret).map(([name]) => name));
    for (const { name, rest } of variablesOf(composeText)) {
      if (secrets.has(name)) expect(rest, name).toMatch(/^(:-|:\?.+)$/);
    }
    for (const [, { environment }] of services) {
      for (const [name, value] of Object.entries(environment)) {
        if (!secrets.has(name) || Object.hasOwn(needed, name)) continue;
        // The one literal: an address without a password.
        expect(value, name).toBe(name === 'KQUEEN_REDIS_URL' ? 'redis://redis:6379' : '');
      }
    }
  });

  it('gives chat tokens to the bot alone', () => {
    const chat = table.filter(([, option]) => inChatGroup(option)).map(([name]) => name);
    expect(chat.length).toBeGreaterThan(8);
    for (const name of chat) expect(bot.environment).toHaveProperty(name);
    for (const [name, { environment }] of services) {
      if (name !== 'bot') expect(Object.keys(environment).filter((each) => chat.includes(each))).toEqual([]);
    }
    const shared = Object.fromEntries(Object.entries(bot.environment).filter(([name]) => name in worker.environment));
    expect(worker.environment).toEqual(shared);
  });

  it('passes on every option there is, but those that make no sense here', () => {
    const given = new Set(Object.keys(bot.environment));
    const without = {
      KQUEEN_PORT: 'published under that number instead',
      KQUEEN_DEVELOPMENT: 'for loopback only',
      KQUEEN_DATA_DIR: 'etcd keeps the records',
      KQUEEN_ETCD_PREFIX: 'an etcd of its own',
      KQUEEN_ETCD_USERNAME: 'a network of its own',
      KQUEEN_ETCD_PASSWORD: 'a network of its own',
      KQUEEN_ETCD_CA_FILE: 'a network of its own',
      KQUEEN_ETCD_CERT_FILE: 'a network of its own',
      KQUEEN_ETCD_KEY_FILE: 'a network of its own',
      KQUEEN_REDIS_PREFIX: 'a Redis of its own',
      KQUEEN_HELM: 'the image has no helm',
      KQUEEN_ADDON_DIR: 'a folder: mount it and name it',
      KQUEEN_BACKUP_GCS_KEY_FILE: 'a file: mount it and name it',
      KQUEEN_BACKUP_CA_FILE: 'a file: mount it and name it',
      KQUEEN_PROMETHEUS_WHITELIST: 'Prometheus has the token',
      KQUEEN_SANDBOX_SPEED: 'no sandbox in split roles',
      KQUEEN_SANDBOX_PORT: 'no sandbox in split roles',
    };
    expect(table.map(([name]) => name).filter((name) => !given.has(name))).toEqual(Object.keys(without));
    expect([...given].filter((name) => !Object.hasOwn(options, name))).toEqual([]);
  });

  it('knows every variable it fills in, as an option or from its own first lines', () => {
    const head = composeText.slice(0, composeText.indexOf('\nname:'));
    const names = new Set(variablesOf(composeText).map(({ name }) => name));
    expect([...names].filter((name) => !Object.hasOwn(options, name))).toEqual(['PROMETHEUS_PORT']);
    expect(head).toMatch(/^#\s+PROMETHEUS_PORT\s/m);
    expect(head).toContain('KQUEEN_PORT');
    for (const { name, rest } of variablesOf(composeText)) {
      // A default of the file would hide the one in the documentation.
      if (name in bot.environment && !rest.startsWith(':?')) expect(rest, name).toBe(':-');
    }
  });

  it('is taken by the configuration in both roles, without a warning that is not meant', () => {
    const chat = { SLACK_BOT_TOKEN: 'xoxb-1', SLACK_SIGNING_SECRET: 'signing-secret' };
    const full = readCompose({ ...needed, ...chat, KQUEEN_BOOTSTRAP_ADMINS: 'slack:T1:U1', KQUEEN_LOG_LEVEL: 'warn' });
    const asBot = readConfig(serviceOf(full, 'bot').environment, ['bot']);
    expect(asBot).toMatchObject({ roles: { bot: true, worker: false }, warnings: [], sandbox: { on: false } });
    expect(asBot).toMatchObject({ local: false, development: false, http: { host: '0.0.0.0', port: 3000 } });
    expect(asBot).toMatchObject({ slack: { botToken: 'xoxb-1' }, logLevel: 'warn', bootstrapAdmins: ['slack:T1:U1'] });
    const asWorker = readConfig(serviceOf(full, 'worker').environment, ['worker']);
    expect(asWorker).toMatchObject({ roles: { bot: false, worker: true }, warnings: [], sandbox: { on: false } });
    expect(asWorker.slack).toBeUndefined();
    const quota = serviceOf(compose, 'etcd').command.find((each) => each.startsWith('--quota-backend-bytes='));
    expect(quota).toBe(`--quota-backend-bytes=${asBot.store.etcd?.quotaBytes}`);
  });

  it('reads variables as Compose does', () => {
    expect(fillIn(`a $$\{B} \${C:-d} \${E:-} \${F}`, { F: 'f' })).toBe(`a $\{B} d  f`);
    expect(() => fillIn(`\${G:?say it}`, { G: '' })).toThrow('required variable G is missing a value: say it');
    expect(() => fillIn('$HOME', {})).toThrow('instead of $HOME');
  });
});

describe('Dockerfile', () => {
  const stages = readDockerfile();
  const [packages] = stages;
  const last = stages.at(-1);
  if (!packages || !last) throw new Error('no stages');
  const image = imageOf(last);

  it('installs in a first stage, from the lock file, without what only development needs', () => {
    expect(stages).toHaveLength(2);
    const runs = packages.instructions.filter(({ name }) => name === 'RUN').map(({ text }) => text);
    expect(runs).toHaveLength(1);
    expect(runs[0]).toMatch(/^npm install --omit=dev( |$)/);
    const copied = packages.instructions.filter(({ name }) => name === 'COPY').flatMap(({ text }) => text.split(/\s+/));
    expect(copied).toEqual(expect.arrayContaining(['package.json', 'package-lock.json', '.npmrc']));
  });

  it('builds on the Node that the tests run under', () => {
    expect(stages.map(({ base }) => base)).toEqual(Array(2).fill(`node:${ours.devDependencies.node}-slim`));
  });

  it('holds the source, what is shown of the documentation, package.json and node_modules, and nothing else', () => {
    expect(image.copies).toEqual([
      { from: 'package.json', to: './' },
      { from: 'manifest.yml', to: './' },
      { from: 'docs', to: './docs' },
      { from: 'src', to: './src' },
    ]);
    const fromStages = last.instructions.filter(({ name, flags }) => name === 'COPY' && flags.from !== undefined);
    expect(fromStages).toEqual([
      { name: 'COPY', flags: { from: 'packages' }, text: '/app/node_modules ./node_modules' },
    ]);
    const names = new Set(last.instructions.map(({ name }) => name));
    expect([...names].filter((name) => ['ADD', 'ARG', 'VOLUME', 'ENTRYPOINT'].includes(name))).toEqual([]);
  });

  it('runs as nobody in particular, stops by SIGTERM and says how it is', () => {
    expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(image.env.NODE_ENV).toBe('production');
    // The heap's bounds are those that npm start has, and the bench measures with.
    expect(ours.scripts.start).toContain(String(image.env.NODE_OPTIONS));
    expect(image.stopSignal).toBe('SIGTERM');
    expect(image.command).toEqual(['node', 'src/main.ts']);
    expect(image.exposed).toEqual([3000]);
    expect(image.health.slice(0, 2)).toEqual(['node', '-e']);
    expect(image.health[2]).toContain('/healthz');
    expect(Object.keys(image.healthTimes).sort()).toEqual(['interval', 'retries', 'start-period', 'timeout']);
    // In the order of the file, the user comes after everything that needs root.
    const order = last.instructions.map(({ name }) => name);
    expect(order.indexOf('USER')).toBeGreaterThan(Math.max(order.lastIndexOf('RUN'), order.lastIndexOf('COPY')));
    expect(
      Object.keys(image.env).filter((name) => name.startsWith('KQUEEN_') && !Object.hasOwn(options, name)),
    ).toEqual([]);
  });

  it('lets nothing into the build but what is copied', () => {
    const lines = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
    const [first, ...rest] = lines.filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    const letIn = rest.map((line) => line.replace(/^!/, '')).sort();
    expect(rest.every((line) => line.startsWith('!'))).toBe(true);
    const copied = packages.instructions
      .filter(({ name }) => name === 'COPY')
      .flatMap(({ text }) => text.split(/\s+/).slice(0, -1));
    expect(letIn).toEqual([...new Set([...copied, ...image.copies.map(({ from }) => from)])].sort());
    for (const path of letIn) expect(statSync(join(root, path)).size, path).toBeGreaterThan(0);
  });
});

describe('deploy/prometheus.yml', () => {
  it('scrapes every replica of both roles on the port of the image, with the token', () => {
    const { scrape_configs: jobs } = parse(readFileSync(join(root, 'deploy', 'prometheus.yml'), 'utf8')) as {
      scrape_configs: Record<string, unknown>[];
    };
    expect(jobs).toEqual(
      ['bot', 'worker'].map((name) => ({
        job_name: `kqueen-${name}`,
        metrics_path: '/metrics',
        authorization: { type: 'Bearer', credentials_file: '/tmp/metrics-token' },
        dns_sd_configs: [{ names: [name], type: 'A', port: 3000, refresh_interval: '15s' }],
      })),
    );
    const prometheus = serviceOf(compose, 'prometheus');
    expect(prometheus.entrypoint?.join(' ')).toContain('>/tmp/metrics-token');
    expect(prometheus.tmpfs.some((each) => each.startsWith('/tmp:'))).toBe(true);
    for (const service of [bot, worker]) {
      expect(service.networks.some((each) => prometheus.networks.includes(each))).toBe(true);
    }
  });
});
