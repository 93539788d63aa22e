import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endProcess, eventually, freePort, serversAreRequired, spawnReaped } from '../../servers.ts';
import { heatConf, heatPaste, keystoneConf, type RealSettings } from './real-config.ts';

/** Debian's own interpreter: another one on the PATH does not see Debian's packages. */
const python = '/usr/bin/python3';
const packages = '/usr/lib/python3/dist-packages';
const wsgi = fileURLToPath(new URL('./serve-wsgi.py', import.meta.url));

/** True when python3-keystone or python3-heat is not installed: prints the reason; throws with KQUEEN_CI=1. */
export function lacksOpenstack(): boolean {
  const wanted = { 'python3-keystone': 'keystone/server/wsgi.py', 'python3-heat': 'heat/cmd/all.py' };
  const missing = Object.entries(wanted).filter(([, file]) => !existsSync(join(packages, file)));
  if (missing.length === 0) return false;
  const reason = `not installed here: ${missing.map(([name]) => name).join(', ')}`;
  if (serversAreRequired()) throw new Error(reason);
  console.warn(`skipped: ${reason}`);
  return true;
}

/** A Keystone and a Heat of this test, with one project and its users. */
export interface RealOpenstack {
  /** `http://127.0.0.1:port`, without `/v3`. */
  keystoneUrl: string;
  heatUrl: string;
  region: string;
  project: string;
  projectId: string;
  /** May create stacks in the project. */
  user: { name: string; id: string; password: string };
  /** A request to Keystone below `/v3` as its admin; throws unless 2xx. */
  keystone(method: string, path: string, body?: unknown): Promise<{ headers: Headers; body: unknown }>;
  /** The ends of the two logs. */
  logs(): string;
  stop(): Promise<void>;
}

/**
 * Starts Debian's Keystone and Heat on loopback with SQLite and without a message broker, in a folder of their own, and makes the domain,
 * roles and users that a cloud has (https://docs.openstack.org/heat/zed/install/install-debian.html). Takes half a minute to two.
 */
export async function startRealOpenstack(options: { tokenSeconds?: number } = {}): Promise<RealOpenstack> {
  const folder = mkdtempSync(join(tmpdir(), 'kqueen-test-openstack-'));
  for (const each of ['environment.d', 'templates', 'plugins', 'locks', 'fernet-keys', 'credential-keys']) {
    mkdirSync(join(folder, each), { mode: 0o700 });
  }
  const running: ChildProcess[] = [];
  const keystonePort = await freePort();
  const settings: RealSettings = {
    folder,
    keystoneUrl: `http://127.0.0.1:${keystonePort}`,
    heatPort: await freePort(),
    metadataPort: await freePort(),
    heatPassword: randomBytes(12).toString('hex'),
    encryptionKey: randomBytes(16).toString('hex'),
    tokenSeconds: options.tokenSeconds ?? 3_600,
  };
  const heatUrl = `http://127.0.0.1:${settings.heatPort}`;
  const adminPassword = randomBytes(12).toString('hex');
  const env = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: folder, LANG: 'C.UTF-8' };

  async function run(program: string, args: string[]): Promise<void> {
    const child = spawnReaped(program, args, env, folder);
    running.push(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-4_000);
      });
    }
    const [code] = (await once(child, 'exit')) as [number | null];
    running.splice(running.indexOf(child), 1);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${said}`);
  }

  async function serve(name: string, args: string[], readyUrl: string): Promise<void> {
    const child = spawnReaped(python, args, env, folder);
    running.push(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-4_000);
      });
    }
    await eventually(
      `${name} answers`,
      async () => {
        if (child.exitCode !== null) return 'ended';
        const answer = await fetch(readyUrl, { signal: AbortSignal.timeout(2_000) });
        await answer.arrayBuffer();
        return answer.ok && 'ready';
      },
      { timeoutMs: 120_000, everyMs: 100 },
    ).then((state) => {
      if (state === 'ended') throw new Error(`${name} ended at its start:\n${said}\n${logs()}`);
    });
  }

  function logs(): string {
    return ['keystone.log', 'heat.log']
      .map((name) => join(folder, name))
      .filter((path) => existsSync(path))
      .map((path) => `${path}:\n${readFileSync(path, 'utf8').slice(-6_000)}`)
      .join('\n');
  }

  async function stop(): Promise<void> {
    await Promise.all(running.map((child) => endProcess(child, 'SIGTERM', 3_000)));
    rmSync(folder, { recursive: true, force: true });
  }

  try {
    writeFileSync(join(folder, 'keystone.conf'), keystoneConf(settings), { mode: 0o600 });
    writeFileSync(join(folder, 'heat.conf'), heatConf(settings), { mode: 0o600 });
    writeFileSync(join(folder, 'api-paste.ini'), heatPaste());
    await Promise.all([migrateKeystone(), migrateHeat()]);
    await serve(
      'Keystone',
      [
        wsgi,
        String(keystonePort),
        'keystone.server.wsgi',
        'initialize_public_application',
        ...['--config-file', join(folder, 'keystone.conf')],
      ],
      `${settings.keystoneUrl}/v3`,
    );
    const keystone = await signIn(settings.keystoneUrl, adminPassword);
    const seeded = await seed(keystone, settings, heatUrl);
    const heatAll = "import sys; from heat.cmd.all import main; sys.argv[0] = 'heat-all'; main()";
    await serve('Heat', ['-c', heatAll, '--config-file', join(folder, 'heat.conf')], `${heatUrl}/healthcheck`);
    return { keystoneUrl: settings.keystoneUrl, heatUrl, region: 'RegionOne', ...seeded, keystone, logs, stop };
  } catch (error) {
    const said = logs();
    await stop();
    throw new Error(`OpenStack did not start: ${error instanceof Error ? error.message : String(error)}\n${said}`);
  }

  /** Write-ahead logging lets readers go on while somebody writes; without it Keystone fails with "database is locked". */
  async function prepareDatabase(name: string): Promise<void> {
    const wal = 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("pragma journal_mode=wal")';
    await run(python, ['-c', wal, join(folder, name)]);
  }

  async function migrateKeystone(): Promise<void> {
    const config = ['--config-file', join(folder, 'keystone.conf')];
    const { username } = userInfo();
    const owner = ['--keystone-user', username, '--keystone-group', String(process.getgid?.() ?? 0)];
    const manage = (...args: string[]) => run('/usr/bin/keystone-manage', [...config, ...args]);
    await prepareDatabase('keystone.db');
    await manage('fernet_setup', ...owner);
    await manage('credential_setup', ...owner);
    await manage('db_sync');
    await manage(
      'bootstrap',
      ...['--bootstrap-password', adminPassword, '--bootstrap-username', 'admin', '--bootstrap-project-name', 'admin'],
      ...['--bootstrap-role-name', 'admin', '--bootstrap-service-name', 'keystone'],
      ...['--bootstrap-region-id', 'RegionOne', '--bootstrap-public-url', `${settings.keystoneUrl}/v3`],
    );
  }

  async function migrateHeat(): Promise<void> {
    await prepareDatabase('heat.db');
    const manage = "import sys; from heat.cmd.manage import main; sys.argv[0] = 'heat-manage'; main()";
    await run(python, ['-c', manage, '--config-file', join(folder, 'heat.conf'), 'db_sync']);
  }
}

type Keystone = RealOpenstack['keystone'];

/** Requests to Keystone as its admin, each with a token of its own lifetime: tests may run with tokens that end soon. */
async function signIn(keystoneUrl: string, password: string): Promise<Keystone> {
  const domain = { id: 'default' };
  const auth = {
    identity: { methods: ['password'], password: { user: { name: 'admin', domain, password } } },
    scope: { project: { name: 'admin', domain } },
  };
  async function ask(method: string, path: string, body: unknown, token?: string) {
    const answer = await fetch(`${keystoneUrl}/v3${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...(token ? { 'x-auth-token': token } : {}) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`Keystone: ${method} ${path}: ${answer.status} ${text}`);
    return { headers: answer.headers, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
  }
  return async (method, path, body) => {
    const { headers } = await ask('POST', '/auth/tokens?nocatalog', { auth });
    return ask(method, path, body, headers.get('x-subject-token') ?? '');
  };
}

/** What an operator of a cloud sets up: Heat's account, its domain for the users of stacks, roles, services, one project and its user. */
async function seed(keystone: Keystone, settings: RealSettings, heatUrl: string) {
  async function make(kind: string, values: Record<string, unknown>): Promise<string> {
    const { body } = await keystone('POST', `/${kind}s`, { [kind]: values });
    return (body as Record<string, { id: string }>)[kind]?.id ?? '';
  }
  const { body } = await keystone('GET', '/roles');
  const roles = new Map((body as { roles: { name: string; id: string }[] }).roles.map(({ name, id }) => [name, id]));
  for (const name of ['service', 'heat_stack_owner', 'heat_stack_user']) {
    if (!roles.has(name)) roles.set(name, await make('role', { name }));
  }
  const grant = async (where: string, user: string, ...names: string[]) => {
    for (const name of names) await keystone('PUT', `${where}/users/${user}/roles/${roles.get(name) ?? ''}`);
  };
  const password = randomBytes(12).toString('hex');
  const project = 'clusters';
  const projectId = await make('project', { name: project, domain_id: 'default' });
  const service = await make('project', { name: 'service', domain_id: 'default' });
  const heat = await make('user', { name: 'heat', password: settings.heatPassword, domain_id: 'default' });
  await grant(`/projects/${service}`, heat, 'admin', 'service');
  const id = await make('user', { name: 'kqueen', password, domain_id: 'default' });
  await grant(`/projects/${projectId}`, id, 'member', 'heat_stack_owner');
  const domain = await make('domain', { name: 'heat' });
  const keeper = { name: 'heat_domain_admin', password: settings.heatPassword, domain_id: domain };
  await grant(`/domains/${domain}`, await make('user', keeper), 'admin');
  const endpoints = {
    orchestration: `${heatUrl}/v1/$(project_id)s`,
    cloudformation: `http://127.0.0.1:${settings.metadataPort}/v1`,
  };
  for (const [type, url] of Object.entries(endpoints)) {
    const serviceId = await make('service', { type, name: type === 'orchestration' ? 'heat' : 'heat-cfn' });
    await make('endpoint', { service_id: serviceId, interface: 'public', url, region_id: 'RegionOne' });
  }
  return { project, projectId, user: { name: 'kqueen', id, password } };
}
