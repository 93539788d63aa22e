/**
 * The configuration of one process, read from the environment. The table of variables is in config-options.ts; here are the rules
 * that span several of them. All mistakes are found in one go and told by the variable's name; no secret is ever repeated.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readBackups } from './config-backup.ts';
import { isLoopback, nothingToAdd, shown } from './config-kinds.ts';
import { type Option, type OptionName, options, type Values } from './config-options.ts';
import { distance } from './core/commands/common.ts';
import { all as engines } from './engines/index.ts';
import type { Settings } from './settings.ts';

/** A mistake, or something worth a warning, by the variable it is about. */
export interface Problem {
  name: string;
  message: string;
}

/** What one process is told to be, but for what only a running process knows: its terminal and its version. */
export type Config = Omit<Settings, 'terminal' | 'localToken' | 'version'> & {
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** KQUEEN_DEVELOPMENT is on: Teams messages are believed without authentication, on loopback only. */
  development: boolean;
  /** Nothing is configured that other people use: no chat platform, no etcd. */
  local: boolean;
  /** Worth saying at the start; nothing that stops it. */
  warnings: Problem[];
};

/** The configuration cannot be used. The message lists all problems. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const lines = problems.map(({ name, message }) => `  ${name}: ${message}`);
    super(
      `${problems.length === 1 ? 'One setting is' : `${problems.length} settings are`} wrong:\n${lines.join('\n')}`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export interface ReadOptions {
  /** Reads a PEM file as text; throws when it cannot. */
  readFile?: (path: string) => string;
}

/**
 * Reads the configuration. `roles` are the words after `node src/main.ts`: none means both roles, `bot` or `worker` means that one.
 * A variable that is set to nothing counts as not set. Throws ConfigError.
 */
export function readConfig(
  env: Record<string, string | undefined>,
  roles: readonly string[] = [],
  { readFile = (path) => readFileSync(path, 'utf8') }: ReadOptions = {},
): Config {
  const found: Findings = { problems: [], warnings: findStrangers(env), env, readFile };
  const values = readValues(env, found.problems);
  const wanted = readRoles(roles, found);
  const isSplit = wanted.bot !== wanted.worker;

  const etcd = readEtcd(values, found);
  const redisUrl = readRedis(values, { isSplit, hasEtcd: isSet(found, 'KQUEEN_ETCD_HOSTS') }, found);
  const slack = readSlack(values, wanted.bot, found);
  const teams = readTeams(values, wanted.bot, found);
  const hasChat = isSet(found, ...slackNames, 'MicrosoftAppId');
  const isShared = hasChat || isSet(found, 'KQUEEN_ETCD_HOSTS');
  if (isShared && !isSet(found, 'KQUEEN_SECRET_KEYS')) {
    const why = hasChat ? 'a chat platform is configured' : 'etcd is configured';
    wrong(found, 'KQUEEN_SECRET_KEYS', `must be set when ${why}; make a key with: openssl rand -base64 32`);
  }
  if (hasChat && wanted.bot && !isSet(found, 'KQUEEN_BOOTSTRAP_ADMINS')) {
    warn(
      found,
      'KQUEEN_BOOTSTRAP_ADMINS',
      slack?.oauth
        ? 'is not set: where there is no admin yet, who installs KQueen in its first workspace becomes the first'
        : 'is not set: until there is an admin in the store, nobody can approve anything',
    );
  }
  const sandboxOn = values.KQUEEN_SANDBOX ?? (!hasChat && !isSplit);
  if (values.KQUEEN_SANDBOX === true && isSplit) {
    wrong(
      found,
      'KQUEEN_SANDBOX',
      'can be on only where both roles run in one process: each would start a cloud of its own',
    );
  }
  checkEngines(values, found);
  if (values.KQUEEN_DEVELOPMENT && !isLoopback(values.KQUEEN_HOST)) {
    wrong(
      found,
      'KQUEEN_DEVELOPMENT',
      'can be on only while KQUEEN_HOST is a loopback address: it believes every caller',
    );
  }
  const approvals = readApprovals(values, { bot: wanted.bot, slack: slack !== undefined }, found);
  const backups = readBackups(values, {
    wrong: (name, message) => wrong(found, name, message),
    isSet: (name) => isSet(found, name),
    read: (name, path) => readText(path, name, found),
  });
  if (found.problems.length > 0) throw new ConfigError(found.problems);

  return {
    roles: wanted,
    org: values.KQUEEN_ORGANIZATION,
    logLevel: values.KQUEEN_LOG_LEVEL,
    development: values.KQUEEN_DEVELOPMENT,
    local: !isShared,
    dataDir: resolve(values.KQUEEN_DATA_DIR),
    store: {
      prefix: values.KQUEEN_ETCD_PREFIX,
      historyMs: values.KQUEEN_HISTORY,
      ...(etcd ? { etcd } : {}),
      ...given('secretKeys', values.KQUEEN_SECRET_KEYS),
    },
    ...given('redisUrl', redisUrl),
    redisPrefix: values.KQUEEN_REDIS_PREFIX,
    http: { host: values.KQUEEN_HOST, port: values.KQUEEN_PORT },
    ...given('publicUrl', values.KQUEEN_PUBLIC_URL),
    ...given('slack', slack),
    ...given('teams', teams),
    sandbox: { on: sandboxOn, speed: values.KQUEEN_SANDBOX_SPEED, port: values.KQUEEN_SANDBOX_PORT },
    ...given('engines', values.KQUEEN_ENGINE_WHITELIST),
    apps: {
      hosts: values.KQUEEN_APP_SOURCES ?? [],
      ...given('helm', values.KQUEEN_HELM),
      ...given('addonDir', values.KQUEEN_ADDON_DIR),
    },
    ...given('backups', backups),
    limits: { approvalMs: values.KQUEEN_APPROVAL_TIMEOUT, provisionMs: values.KQUEEN_PROVISIONER_TIMEOUT },
    healthIntervalMs: values.KQUEEN_HEALTH_INTERVAL,
    retention: { auditMs: values.KQUEEN_AUDIT_RETENTION, jobMs: values.KQUEEN_JOB_RETENTION },
    bootstrapAdmins: values.KQUEEN_BOOTSTRAP_ADMINS ?? [],
    approvals,
    metrics: { from: values.KQUEEN_PROMETHEUS_WHITELIST, ...given('token', values.KQUEEN_METRICS_TOKEN) },
    warnings: found.warnings,
  };
}

interface Findings {
  problems: Problem[];
  warnings: Problem[];
  env: Record<string, string | undefined>;
  readFile: (path: string) => string;
}

function wrong(found: Findings, name: OptionName | 'roles', message: string): void {
  found.problems.push({ name, message });
}

function warn(found: Findings, name: string, message: string): void {
  found.warnings.push({ name, message });
}

/** Whether one of the variables has a value, be it a good one or not: a mistake in one must not be told as the absence of it. */
function isSet({ env }: Findings, ...names: OptionName[]): boolean {
  return names.some((name) => (env[name] ?? '').trim() !== '');
}

/** `{ key: value }`, or nothing when there is no value. */
function given<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: T });
}

function readValues(env: Record<string, string | undefined>, problems: Problem[]): Values {
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries<Option>(options)) {
    const set = (env[name] ?? '').trim();
    const text = set === '' ? option.default : set;
    if (text === undefined) continue;
    const read = option.kind.schema.safeParse(text);
    if (read.success) {
      values[name] = read.data;
      continue;
    }
    const own = read.error.issues.find(({ code, message }) => code === 'custom' && message !== nothingToAdd);
    const isShown = option.kind.echo && !option.secret;
    const detail = own ? `; ${own.message}` : isShown ? `; it is ${shown(text)}` : '';
    // Backticks are for the documentation.
    problems.push({ name, message: `must be ${option.kind.words.replaceAll('`', '')}${detail}` });
    // The rules below go on with the default, so that every mistake is found in one go.
    if (option.default !== undefined) values[name] = option.kind.schema.parse(option.default);
  }
  return values as Values;
}

function readRoles(roles: readonly string[], found: Findings): { bot: boolean; worker: boolean } {
  const strange = roles.filter((role) => role !== 'bot' && role !== 'worker');
  if (strange.length > 0) {
    wrong(found, 'roles', `there is no role ${strange.map(shown).join(', ')}; write bot, worker, or nothing for both`);
  }
  const all = roles.length === 0 || strange.length > 0;
  return { bot: all || roles.includes('bot'), worker: all || roles.includes('worker') };
}

function readEtcd(values: Values, found: Findings): Config['store']['etcd'] {
  const hosts = values.KQUEEN_ETCD_HOSTS;
  const ca = readPem(values, 'KQUEEN_ETCD_CA_FILE', found);
  const cert = readPem(values, 'KQUEEN_ETCD_CERT_FILE', found);
  const key = readPem(values, 'KQUEEN_ETCD_KEY_FILE', found);
  bothOrNeither(found, 'KQUEEN_ETCD_USERNAME', 'KQUEEN_ETCD_PASSWORD');
  bothOrNeither(found, 'KQUEEN_ETCD_CERT_FILE', 'KQUEEN_ETCD_KEY_FILE');
  const dependent = [...etcdFiles, 'KQUEEN_ETCD_USERNAME', 'KQUEEN_ETCD_PASSWORD'] as const;
  if (!isSet(found, 'KQUEEN_ETCD_HOSTS')) {
    for (const name of dependent) if (isSet(found, name)) wrong(found, name, 'needs KQUEEN_ETCD_HOSTS');
    return undefined;
  }
  if (!hosts) return undefined;
  const secured = hosts.filter((host) => host.startsWith('https:'));
  if (secured.length > 0 && secured.length < hosts.length) {
    wrong(found, 'KQUEEN_ETCD_HOSTS', 'must have all hosts with https or all without');
  }
  if (secured.length === 0) {
    for (const name of etcdFiles) if (isSet(found, name)) wrong(found, name, 'needs https:// in KQUEEN_ETCD_HOSTS');
    if (isSet(found, 'KQUEEN_ETCD_PASSWORD') && !hosts.every((host) => isLoopback(new URL(host).hostname))) {
      warn(found, 'KQUEEN_ETCD_PASSWORD', 'goes over the network in plain text, since the hosts are without https');
    }
  }
  return {
    hosts,
    quotaBytes: values.KQUEEN_ETCD_QUOTA,
    ...given('username', values.KQUEEN_ETCD_USERNAME),
    ...given('password', values.KQUEEN_ETCD_PASSWORD),
    ...given('ca', ca),
    ...given('cert', cert),
    ...given('key', key),
  };
}

const etcdFiles = ['KQUEEN_ETCD_CA_FILE', 'KQUEEN_ETCD_CERT_FILE', 'KQUEEN_ETCD_KEY_FILE'] as const;

function readPem(values: Values, name: (typeof etcdFiles)[number], found: Findings): string | undefined {
  const path = values[name];
  if (path === undefined) return undefined;
  const text = readText(path, name, found);
  if (text === undefined) return undefined;
  const wanted = name === 'KQUEEN_ETCD_KEY_FILE' ? /-----BEGIN [A-Z ]*PRIVATE KEY-----/ : /-----BEGIN CERTIFICATE-----/;
  if (!wanted.test(text)) {
    wrong(found, name, `holds no ${name === 'KQUEEN_ETCD_KEY_FILE' ? 'private key' : 'certificate'} in PEM form`);
  }
  return text;
}

function readText(path: string, name: OptionName, found: Findings): string | undefined {
  try {
    return found.readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    wrong(found, name, `cannot be read${code}: ${shown(path)}`);
    return undefined;
  }
}

function bothOrNeither(found: Findings, one: OptionName, other: OptionName): void {
  for (const [has, lacks] of [
    [one, other],
    [other, one],
  ] as const) {
    if (isSet(found, has) && !isSet(found, lacks)) wrong(found, lacks, `must be set together with ${has}`);
  }
}

function readRedis(
  values: Values,
  { isSplit, hasEtcd }: { isSplit: boolean; hasEtcd: boolean },
  found: Findings,
): string | undefined {
  const hasRedis = isSet(found, 'KQUEEN_REDIS_URL');
  if (isSplit) {
    if (!hasEtcd)
      wrong(found, 'KQUEEN_ETCD_HOSTS', 'must be set when bot and worker run apart: they meet in the store');
    if (!hasRedis)
      wrong(found, 'KQUEEN_REDIS_URL', 'must be set when bot and worker run apart: they meet in the queue');
  } else if (hasRedis && !hasEtcd) {
    wrong(
      found,
      'KQUEEN_REDIS_URL',
      'needs KQUEEN_ETCD_HOSTS: the embedded store serves one process, which needs no queue outside',
    );
  } else if (hasEtcd && !hasRedis) {
    warn(found, 'KQUEEN_REDIS_URL', 'is not set: run this one process only, since its queue is its own');
  }
  return values.KQUEEN_REDIS_URL;
}

const slackNames = [
  'SLACK_BOT_TOKEN',
  'SLACK_CLIENT_ID',
  'SLACK_CLIENT_SECRET',
  'SLACK_SIGNING_SECRET',
  'SLACK_APP_TOKEN',
] as const;

function readSlack(values: Values, bot: boolean, found: Findings): Config['slack'] {
  if (!isSet(found, ...slackNames)) return undefined;
  if (!bot) {
    warn(
      found,
      slackNames.find((name) => isSet(found, name)) ?? '',
      'is not needed by a worker: take it out of its environment',
    );
    return undefined;
  }
  if (!isSet(found, 'SLACK_SIGNING_SECRET', 'SLACK_APP_TOKEN')) {
    wrong(found, 'SLACK_SIGNING_SECRET', 'must be set for HTTP, or SLACK_APP_TOKEN for Socket Mode');
  }
  const oauth = readSlackOAuth(values, found);
  if (values.SLACK_BOT_TOKEN === undefined && oauth === undefined) return undefined;
  return {
    ...given('botToken', values.SLACK_BOT_TOKEN),
    ...given('oauth', oauth),
    ...given('signingSecret', values.SLACK_SIGNING_SECRET),
    ...given('appToken', values.SLACK_APP_TOKEN),
    // The Web API's methods are named relative to it.
    ...given('apiUrl', values.SLACK_API_URL === undefined ? undefined : `${values.SLACK_API_URL}/`),
  };
}

/** One workspace by its token, or many by installing: one of the two. */
function readSlackOAuth(values: Values, found: Findings): NonNullable<Config['slack']>['oauth'] {
  const byInstalling = isSet(found, 'SLACK_CLIENT_ID', 'SLACK_CLIENT_SECRET');
  if (isSet(found, 'KQUEEN_SLACK_WORKSPACES') && !byInstalling) {
    wrong(found, 'KQUEEN_SLACK_WORKSPACES', 'needs SLACK_CLIENT_ID: with SLACK_BOT_TOKEN one workspace is served');
  }
  if (!byInstalling) {
    if (!isSet(found, 'SLACK_BOT_TOKEN')) {
      wrong(found, 'SLACK_BOT_TOKEN', 'must be set when Slack is used, or SLACK_CLIENT_ID with SLACK_CLIENT_SECRET');
    }
    return undefined;
  }
  if (isSet(found, 'SLACK_BOT_TOKEN')) {
    wrong(found, 'SLACK_BOT_TOKEN', 'must not be set with SLACK_CLIENT_ID: each workspace gets a token by installing');
  }
  bothOrNeither(found, 'SLACK_CLIENT_ID', 'SLACK_CLIENT_SECRET');
  if (!isSet(found, 'KQUEEN_PUBLIC_URL')) {
    wrong(found, 'KQUEEN_PUBLIC_URL', 'must be set with SLACK_CLIENT_ID: Slack sends the browser back there');
  }
  if (!isSet(found, 'KQUEEN_SLACK_WORKSPACES')) {
    warn(
      found,
      'KQUEEN_SLACK_WORKSPACES',
      'is not set: every workspace that Slack lets install the app shares your clusters',
    );
  }
  const { SLACK_CLIENT_ID: clientId, SLACK_CLIENT_SECRET: clientSecret } = values;
  if (clientId === undefined || clientSecret === undefined) return undefined;
  return { clientId, clientSecret, ...given('workspaces', values.KQUEEN_SLACK_WORKSPACES) };
}

const teamsAddresses = {
  openIdMetadataUrl: 'KQUEEN_TEAMS_OPENID_METADATA',
  issuer: 'KQUEEN_TEAMS_TOKEN_ISSUER',
  loginUrl: 'KQUEEN_TEAMS_LOGIN',
  scope: 'KQUEEN_TEAMS_OAUTH_SCOPE',
} as const satisfies Record<string, OptionName>;

function readTeams(values: Values, bot: boolean, found: Findings): Config['teams'] {
  const names = Object.values(teamsAddresses);
  if (isSet(found, ...names)) {
    for (const name of names) {
      if (!isSet(found, name)) wrong(found, name, 'must be set when another of the four KQUEEN_TEAMS_ addresses is');
    }
  }
  const isManaged = values.MicrosoftAppType === 'UserAssignedMSI';
  if (isSet(found, 'MicrosoftAppId')) {
    if (!bot) {
      warn(found, 'MicrosoftAppId', 'is not needed by a worker: take it and its password out of its environment');
      return undefined;
    }
    if (!isSet(found, 'MicrosoftAppTenantId')) {
      wrong(found, 'MicrosoftAppTenantId', 'must be set with MicrosoftAppId: only people of this tenant are served');
    }
    if (!isManaged && !isSet(found, 'MicrosoftAppPassword')) {
      wrong(
        found,
        'MicrosoftAppPassword',
        'must be set with MicrosoftAppId, unless MicrosoftAppType is UserAssignedMSI',
      );
    }
    if (isManaged && isSet(found, 'MicrosoftAppPassword')) {
      wrong(found, 'MicrosoftAppPassword', 'must not be set when MicrosoftAppType is UserAssignedMSI');
    }
  } else {
    const others = ['MicrosoftAppPassword', 'MicrosoftAppTenantId', 'MicrosoftAppType'] as const;
    const other = others.find((name) => isSet(found, name));
    if (other) {
      wrong(found, 'MicrosoftAppId', `must be set with ${other}: an empty one would turn authentication off`);
    }
    if (!values.KQUEEN_DEVELOPMENT || !bot) return undefined;
  }
  const endpoints = Object.entries(teamsAddresses).flatMap(([key, name]) => {
    const value = values[name];
    return value === undefined ? [] : [[key, value] as const];
  });
  return {
    appId: values.MicrosoftAppId ?? '',
    appPassword: values.MicrosoftAppPassword ?? '',
    tenantId: values.MicrosoftAppTenantId ?? '',
    appType: values.MicrosoftAppType,
    development: values.KQUEEN_DEVELOPMENT,
    ...(endpoints.length > 0 ? { endpoints: Object.fromEntries(endpoints) } : {}),
  };
}

function checkEngines(values: Values, found: Findings): void {
  const known = engines.map(({ name }) => name);
  const strange = (values.KQUEEN_ENGINE_WHITELIST ?? []).filter((name) => !known.includes(name));
  if (strange.length > 0) {
    const list = known.join(', ');
    wrong(found, 'KQUEEN_ENGINE_WHITELIST', `names no engine: ${strange.map(shown).join(', ')}; there is ${list}`);
  }
}

function readApprovals(values: Values, has: { bot: boolean; slack: boolean }, found: Findings): Config['approvals'] {
  if (!has.bot) return [];
  return (values.KQUEEN_APPROVALS ?? []).flatMap((place): Config['approvals'] => {
    if (place.chat === 'slack') {
      if (!has.slack && !isSet(found, ...slackNames))
        wrong(found, 'KQUEEN_APPROVALS', 'names a Slack channel, but Slack is not configured');
      return [place];
    }
    const workspace = values.MicrosoftAppTenantId ?? (values.KQUEEN_DEVELOPMENT ? 'local' : undefined);
    if (workspace !== undefined) return [{ ...place, workspace }];
    if (!isSet(found, 'MicrosoftAppTenantId')) {
      wrong(found, 'KQUEEN_APPROVALS', 'names a Teams conversation, but Teams is not configured');
    }
    return [];
  });
}

/** Variables of ours that do not exist, and names that are written a little differently from one that does. */
function findStrangers(env: Record<string, string | undefined>): Problem[] {
  const names = Object.keys(options);
  const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const byPlain = new Map(names.map((name) => [plain(name), name]));
  return Object.keys(env).flatMap((name) => {
    if (Object.hasOwn(options, name) || (env[name] ?? '') === '' || name === 'KQUEEN_CI') return [];
    const twin = byPlain.get(plain(name));
    const isOurs = name.toUpperCase().startsWith('KQUEEN_');
    if (!twin && !isOurs) return [];
    const [near] = names
      .map((each) => ({ each, far: distance(each, name.toUpperCase()) }))
      .filter(({ far }) => far <= 3)
      .sort((a, b) => a.far - b.far);
    const meant = twin ?? near?.each;
    return [{ name, message: `is not a setting of KQueen and does nothing${meant ? `; did you mean ${meant}?` : ''}` }];
  });
}
