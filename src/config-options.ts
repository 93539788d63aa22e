/** Every environment variable of KQueen, once: what is read, and what the documentation says, both come from this table. */
import {
  anyText,
  approvalPlace,
  backupPlace,
  bytes,
  choice,
  cidr,
  duration,
  etcdHost,
  integer,
  type Kind,
  list,
  microsoftId,
  onOff,
  person,
  positiveNumber,
  secretKeys,
  text,
  webUrl,
} from './config-kinds.ts';

/** One environment variable. */
export interface Option<T = unknown> {
  group: Group;
  kind: Kind<T>;
  /** What it is for, in Markdown. */
  about: string;
  /** The text that counts when the variable is not set; read as any other text. */
  default?: string;
  /** What the documentation says the default is when it depends on other things. */
  defaultWords?: string;
  /** Its value appears in no message, log line or error. */
  secret?: true;
  example?: string;
}

/** Sections of the documentation, in its order. */
export const groups = {
  Process: 'The process itself and its one HTTP port.',
  State: 'Where records live. Without etcd it is the embedded store in the data folder, for one process.',
  Jobs: 'Where work is queued. Without Redis it is the process itself; the store stays the truth either way.',
  Rules: 'Who starts as an admin, who decides, and how long things may take.',
  Backups: 'Where backups of clusters are kept; docs/backup.md says more.',
  Monitoring: 'Who may read the metrics. `/healthz` and `/readyz` are open to everybody.',
  Sandbox: 'A small cloud for trying things, which ships with KQueen.',
  Slack: "Slack's own names. A worker needs none of them: workers hold no chat tokens.",
  Teams: "Microsoft's own names, and other addresses for sovereign clouds.",
} as const;
export type Group = keyof typeof groups;

/** Keeps the type of the value and whether there is a default. */
function option<T, const O extends Option<T>>(given: O & Option<T>): O {
  return given;
}

const file = anyText('a path');
const secretText = (words: string) => anyText(words);

export const options = {
  KQUEEN_HOST: option({
    group: 'Process',
    kind: text('an address or host name', /^[A-Za-z0-9._:-]+$/),
    default: '127.0.0.1',
    example: '0.0.0.0',
    about:
      'Address that is listened on. KQueen speaks plain HTTP: anything but loopback belongs behind a proxy that ends TLS.',
  }),
  KQUEEN_PORT: option({
    group: 'Process',
    kind: integer(0, 65_535),
    default: '3000',
    about: 'Port of everything: chat, one-time links, health and metrics. `0` takes a free one.',
  }),
  KQUEEN_PUBLIC_URL: option({
    group: 'Process',
    kind: webUrl,
    example: 'https://kqueen.example.com',
    about:
      'Where people reach this port. With it a personal credential is handed out by a one-time link, without it as a file in the direct message.',
  }),
  KQUEEN_LOG_LEVEL: option({
    group: 'Process',
    kind: choice('debug', 'info', 'warn', 'error'),
    default: 'info',
    about:
      'The least that is logged, to standard error: JSON, or short lines when that is a terminal. Where neither etcd nor a chat platform is configured it is `warn`.',
  }),
  KQUEEN_ORGANIZATION: option({
    group: 'Process',
    kind: text('a DNS label', /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/),
    default: 'default',
    about: 'The organisation whose records this installation keeps; every key in the store begins with it.',
  }),
  KQUEEN_DEVELOPMENT: option({
    group: 'Process',
    kind: onOff,
    default: 'off',
    about:
      "Development switch: takes Teams messages without Microsoft's authentication, as the Agents Playground sends them. Everybody who reaches the port is believed, so it needs a loopback `KQUEEN_HOST`.",
  }),
  KQUEEN_DATA_DIR: option({
    group: 'State',
    kind: file,
    default: './.kqueen',
    example: '/var/lib/kqueen',
    about: 'Folder of the embedded store, of its key file and of the sandbox. One process at a time.',
  }),
  KQUEEN_ETCD_HOSTS: option({
    group: 'State',
    kind: list(etcdHost),
    example: 'https://etcd-0.example.com:2379,https://etcd-1.example.com:2379',
    about: 'Members of the etcd cluster (3.4 or newer). All with https or all without.',
  }),
  KQUEEN_ETCD_PREFIX: option({
    group: 'State',
    kind: text('a path such as `/kqueen`', /^(?:\/[A-Za-z0-9._-]+)+$/),
    default: '/kqueen',
    about: 'Begins every key, so that several installations can share one etcd.',
  }),
  KQUEEN_ETCD_USERNAME: option({ group: 'State', kind: anyText('a user name'), about: 'User of etcd.' }),
  KQUEEN_ETCD_PASSWORD: option({
    group: 'State',
    kind: secretText('a password'),
    secret: true,
    about: 'Password of that user.',
  }),
  KQUEEN_ETCD_CA_FILE: option({
    group: 'State',
    kind: file,
    example: '/etc/kqueen/etcd-ca.pem',
    about: 'PEM file with the authority of etcd’s certificate, when it is a private one.',
  }),
  KQUEEN_ETCD_CERT_FILE: option({ group: 'State', kind: file, about: 'PEM file with our client certificate.' }),
  KQUEEN_ETCD_KEY_FILE: option({ group: 'State', kind: file, about: 'PEM file with the key of that certificate.' }),
  KQUEEN_ETCD_QUOTA: option({
    group: 'State',
    kind: bytes,
    default: '2Gi',
    about: 'What etcd’s `--quota-backend-bytes` is set to. KQueen warns long before it is used up.',
  }),
  KQUEEN_HISTORY: option({
    group: 'State',
    kind: duration('0s', '30d'),
    default: '1h',
    about: 'How much history of revisions is kept in the store. `0` leaves compaction to others.',
  }),
  KQUEEN_SECRET_KEYS: option({
    group: 'State',
    kind: secretKeys,
    secret: true,
    defaultWords: 'the embedded store’s own key file',
    about:
      'Seals credentials and kubeconfigs. Needed with etcd or a chat platform; make one with `openssl rand -base64 32`. To rotate, put a new key in front and keep the old ones until everything is sealed anew.',
  }),
  KQUEEN_JOB_RETENTION: option({
    group: 'State',
    kind: duration('1h', '3650d'),
    default: '90d',
    about: 'How long ended jobs and decided approvals are kept.',
  }),
  KQUEEN_AUDIT_RETENTION: option({
    group: 'State',
    kind: duration('1h', '3650d'),
    default: '400d',
    about: 'How long audit entries are kept.',
  }),
  KQUEEN_REDIS_URL: option({
    group: 'Jobs',
    kind: text(
      'an address such as `redis://[user:password@]host:6379[/0]` or `rediss://…`',
      /^rediss?:\/\/[^\s/]+(?:\/\d{0,3})?$/,
      {
        echo: false,
      },
    ),
    secret: true,
    example: 'rediss://redis.example.com:6379',
    about: 'Redis or Valkey (7 or newer, `maxmemory-policy noeviction`) for any number of workers. Needs etcd.',
  }),
  KQUEEN_REDIS_PREFIX: option({
    group: 'Jobs',
    kind: text('letters, digits, `-`, `_` or `.`', /^[A-Za-z0-9._-]{1,64}$/),
    default: 'kqueen',
    about: 'Begins every key in Redis, so that several installations can share one.',
  }),
  KQUEEN_HEALTH_INTERVAL: option({
    group: 'Jobs',
    kind: duration('5s', '1d'),
    default: '60s',
    about: 'How often the health of each cluster is looked at.',
  }),
  KQUEEN_PROVISIONER_TIMEOUT: option({
    group: 'Rules',
    kind: duration('1s', '30d'),
    default: '1h',
    about: 'Deadline of a provisioning job, from its start. What is not finished then has failed.',
  }),
  KQUEEN_APPROVAL_TIMEOUT: option({
    group: 'Rules',
    kind: duration('1s', '90d'),
    default: '24h',
    about: 'How long a request waits for a decision before it expires.',
  }),
  KQUEEN_ENGINE_WHITELIST: option({
    group: 'Rules',
    kind: list(text('the name of an engine', /^[a-z][a-z0-9-]{0,30}$/)),
    defaultWords: 'all engines',
    example: 'sandbox',
    about: 'Engines that may be used in this installation.',
  }),
  KQUEEN_APP_SOURCES: option({
    group: 'Rules',
    kind: list(
      text(
        'a host, `host:port` or `*.domain`, with `private:` before it inside this network',
        /^(?:private:)?(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?$/,
      ),
    ),
    defaultWords: 'none',
    example: 'raw.githubusercontent.com,charts.example.com,private:git.corp.example:8443',
    about:
      'Hosts from which manifests and Helm charts are taken by their `https://` address. Addresses inside this network are refused unless `private:` stands before the host.',
  }),
  KQUEEN_HELM: option({
    group: 'Rules',
    kind: file,
    defaultWords: '`helm` on the `PATH`',
    example: '/usr/local/bin/helm',
    about: 'The helm program (3.13 or newer) that makes manifests of charts. Without one only charts are refused.',
  }),
  KQUEEN_ADDON_DIR: option({
    group: 'Rules',
    kind: file,
    defaultWords: 'none',
    example: '/etc/kqueen/addons',
    about:
      "Folder with add-ons of the installation's own (`<name>.addon.yaml`), and with files of those that KQueen offers (`<name>-<version>.yaml`) where they cannot be fetched.",
  }),
  KQUEEN_BOOTSTRAP_ADMINS: option({
    group: 'Rules',
    kind: list(person),
    example: 'slack:T0123456789:U0123456789',
    about: 'People who are superadmins from the start.',
  }),
  KQUEEN_APPROVALS: option({
    group: 'Rules',
    kind: list(approvalPlace),
    defaultWords: 'a direct message to each approver',
    example: 'slack:T0123456789/C0123456789',
    about: 'Where requests for approval are posted.',
  }),
  KQUEEN_BACKUP_URL: option({
    group: 'Backups',
    kind: backupPlace,
    defaultWords: '`backups` in the data folder',
    example: 's3://clusters/kqueen?region=eu-central-1',
    about:
      'Where backups of clusters are kept. Behind `s3` may stand `region`, `endpoint` and `style` (`path` or `host`), behind the others `endpoint`. With several processes it has to be a place that all of them reach.',
  }),
  KQUEEN_BACKUP_S3_KEY_ID: option({
    group: 'Backups',
    kind: text('the id of an access key', /^[A-Za-z0-9._/+=-]{3,200}$/, { echo: false }),
    defaultWords: 'what Amazon’s SDK finds',
    about: 'Access key for `s3`. Without it the variables, the profile or the role that Amazon’s SDK finds are used.',
  }),
  KQUEEN_BACKUP_S3_SECRET: option({
    group: 'Backups',
    kind: secretText('a secret access key'),
    secret: true,
    about: 'The secret that belongs to that key.',
  }),
  KQUEEN_BACKUP_GCS_KEY_FILE: option({
    group: 'Backups',
    kind: file,
    defaultWords: 'application default credentials',
    example: '/etc/kqueen/backup-account.json',
    about: 'Key file of a service account, for `gs`.',
  }),
  KQUEEN_BACKUP_AZURE_KEY: option({
    group: 'Backups',
    kind: secretText('an account key or a shared access signature'),
    secret: true,
    defaultWords: 'the identity that Azure’s SDK finds',
    about: 'Key of the storage account, or a shared access signature of the container (`sv=…&sig=…`), for `azure`.',
  }),
  KQUEEN_BACKUP_CA_FILE: option({
    group: 'Backups',
    kind: file,
    example: '/etc/kqueen/backup-ca.pem',
    about: 'PEM file with the authority of that place’s certificate, when it is a private one.',
  }),
  KQUEEN_PROMETHEUS_WHITELIST: option({
    group: 'Monitoring',
    kind: list(cidr),
    default: '127.0.0.0/8,::1/128',
    about: 'Networks that may read `/metrics` without a token.',
  }),
  KQUEEN_METRICS_TOKEN: option({
    group: 'Monitoring',
    kind: text('16 characters or more, without blanks', /^\S{16,}$/, { echo: false }),
    secret: true,
    about: 'With it `/metrics` is also answered to `Authorization: Bearer <token>` from anywhere.',
  }),
  KQUEEN_SANDBOX: option({
    group: 'Sandbox',
    kind: onOff,
    defaultWords: '`on` when no chat platform is configured and both roles run in one process, else `off`',
    about: 'Starts the sandbox provider as a child and registers it as the provisioner `sandbox`.',
  }),
  KQUEEN_SANDBOX_SPEED: option({
    group: 'Sandbox',
    kind: positiveNumber(100_000),
    default: '1',
    example: '20',
    about: 'Multiplies the clock of the sandbox: 20 makes a cluster in a twentieth of the time.',
  }),
  KQUEEN_SANDBOX_PORT: option({
    group: 'Sandbox',
    kind: integer(0, 65_535),
    default: '3443',
    about: 'Loopback port of the sandbox, which its kubeconfigs name. `0` takes a free one at each start.',
  }),
  SLACK_BOT_TOKEN: option({
    group: 'Slack',
    kind: text('a bot token, `xoxb-…`', /^xoxb-\S+$/, { echo: false }),
    secret: true,
    about: 'Token of the app as it is installed in the one workspace that is served.',
  }),
  SLACK_CLIENT_ID: option({
    group: 'Slack',
    kind: text('the client id of the app', /^\d+\.\d+$/),
    example: '1234567890.1234567890123',
    about:
      'Instead of `SLACK_BOT_TOKEN`: workspaces install KQueen themselves, at `/slack/install`. Needs `SLACK_CLIENT_SECRET` and `KQUEEN_PUBLIC_URL`.',
  }),
  SLACK_CLIENT_SECRET: option({
    group: 'Slack',
    kind: text('the client secret of the app', /^\S{8,}$/, { echo: false }),
    secret: true,
    about: 'The client secret that belongs to that id.',
  }),
  KQUEEN_SLACK_WORKSPACES: option({
    group: 'Slack',
    kind: list(text('the id of a workspace', /^T[A-Z0-9]+$/)),
    defaultWords: 'every workspace that Slack lets install the app',
    example: 'T0123456789,T9876543210',
    about:
      'Workspaces that may install KQueen with `SLACK_CLIENT_ID`. All of them share the organisation and its clusters; set it before the app is distributed in Slack beyond its own workspace.',
  }),
  SLACK_SIGNING_SECRET: option({
    group: 'Slack',
    kind: text('the signing secret of the app', /^\S{8,}$/, { echo: false }),
    secret: true,
    about: 'For HTTP: Slack signs every request to `/slack/events` with it.',
  }),
  SLACK_APP_TOKEN: option({
    group: 'Slack',
    kind: text('an app-level token, `xapp-…`', /^xapp-\S+$/, { echo: false }),
    secret: true,
    about: 'For Socket Mode instead of HTTP; when it is set, no public address is needed.',
  }),
  SLACK_API_URL: option({
    group: 'Slack',
    kind: webUrl,
    defaultWords: 'Slack’s own',
    about:
      'Another place for the Web API, ending in `/api`. The page where people let the app in is taken to be beside it, at `/oauth/v2/authorize`.',
  }),
  MicrosoftAppId: option({
    group: 'Teams',
    kind: microsoftId,
    about: 'Application (client) id of the bot. An empty one would turn authentication off and is refused.',
  }),
  MicrosoftAppPassword: option({
    group: 'Teams',
    kind: secretText('a client secret'),
    secret: true,
    about: 'Client secret of the application; not for `UserAssignedMSI`.',
  }),
  MicrosoftAppTenantId: option({
    group: 'Teams',
    kind: microsoftId,
    about: 'The tenant that is served; people of others are refused.',
  }),
  MicrosoftAppType: option({
    group: 'Teams',
    kind: choice('SingleTenant', 'MultiTenant', 'UserAssignedMSI'),
    default: 'SingleTenant',
    about: 'How the application was registered.',
  }),
  KQUEEN_TEAMS_OPENID_METADATA: option({
    group: 'Teams',
    kind: webUrl,
    defaultWords: 'Microsoft’s public cloud',
    example: 'https://login.botframework.azure.us/v1/.well-known/openidconfiguration',
    about: 'OpenID metadata of those who sign requests to `/api/messages`. Set all four addresses or none.',
  }),
  KQUEEN_TEAMS_TOKEN_ISSUER: option({
    group: 'Teams',
    kind: webUrl,
    defaultWords: 'Microsoft’s public cloud',
    example: 'https://api.botframework.us',
    about: 'Issuer of the tokens in those requests.',
  }),
  KQUEEN_TEAMS_LOGIN: option({
    group: 'Teams',
    kind: webUrl,
    defaultWords: 'Microsoft’s public cloud',
    example: 'https://login.microsoftonline.us',
    about: 'Where our own tokens come from, without the tenant.',
  }),
  KQUEEN_TEAMS_OAUTH_SCOPE: option({
    group: 'Teams',
    kind: webUrl,
    defaultWords: 'Microsoft’s public cloud',
    example: 'https://api.botframework.us',
    about: 'Scope of our own tokens, without `/.default`.',
  }),
} satisfies Record<string, Option>;

export type OptionName = keyof typeof options;

type Read<O> = O extends { kind: Kind<infer T> } ? T : never;

/** What was read: options with a default always have a value. */
export type Values = {
  [N in OptionName]: Read<(typeof options)[N]> | ((typeof options)[N] extends { default: string } ? never : undefined);
};
