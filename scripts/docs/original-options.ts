/**
 * Every option of the original KQueen (its API server, its container's start script and its web UI, github.com/Mirantis/kqueen
 * and github.com/Mirantis/kqueen-ui, config/base.py, dev.py, prod.py and where they are read), and what has become of it.
 */
import type { OptionName } from '../../src/config-options.ts';

export interface OriginalOption {
  /** As they were called in the original's configuration files; its environment put KQUEEN_ or KQUEENUI_ in front. */
  names: string[];
  /** What they were for. */
  was: string;
  fate: 'kept' | 'renamed' | 'dropped';
  /** The variables that do it now. */
  now?: OptionName[];
  why: string;
}

/** The options of the API server. */
export const serverOptions: OriginalOption[] = [
  {
    names: ['KQUEEN_HOST'],
    was: 'address, 127.0.0.1',
    fate: 'kept',
    now: ['KQUEEN_HOST'],
    why: 'The environment variable is now called so itself; the original put its prefix in front of it once more.',
  },
  {
    names: ['KQUEEN_PORT'],
    was: 'port, 5000',
    fate: 'kept',
    now: ['KQUEEN_PORT'],
    why: 'The default is 3000; chat, health and metrics share it.',
  },
  {
    names: ['LOG_LEVEL'],
    was: 'least level, WARNING',
    fate: 'kept',
    now: ['KQUEEN_LOG_LEVEL'],
    why: 'Levels are `debug`, `info`, `warn` and `error`.',
  },
  {
    names: ['ETCD_HOST', 'ETCD_PORT'],
    was: 'the one etcd, port 4001',
    fate: 'renamed',
    now: ['KQUEEN_ETCD_HOSTS'],
    why: 'An etcd cluster has several members, and TLS. The API is v3; the original spoke v2.',
  },
  {
    names: ['ETCD_PREFIX'],
    was: 'start of every key, /kqueen',
    fate: 'kept',
    now: ['KQUEEN_ETCD_PREFIX'],
    why: 'The records below it are of another form.',
  },
  {
    names: ['SECRET_KEY'],
    was: 'one secret for signing and for encryption, 16 characters or more, with a default in the repository',
    fate: 'renamed',
    now: ['KQUEEN_SECRET_KEYS'],
    why: 'Keys are 32 random bytes and seal only; several allow rotation; there is no default.',
  },
  {
    names: ['PROVISIONER_ENGINE_WHITELIST'],
    was: 'engines that may be used, all',
    fate: 'renamed',
    now: ['KQUEEN_ENGINE_WHITELIST'],
    why: 'A name that is no engine stops the start.',
  },
  {
    names: ['PROVISIONER_TIMEOUT'],
    was: 'seconds until a deploying cluster counts as failed, 3600',
    fate: 'kept',
    now: ['KQUEEN_PROVISIONER_TIMEOUT'],
    why: 'Seconds or a duration. From the environment the original took it as text and failed on it at the first use.',
  },
  {
    names: ['PROMETHEUS_WHITELIST'],
    was: 'network that may read the metrics, 127.0.0.0/8',
    fate: 'kept',
    now: ['KQUEEN_PROMETHEUS_WHITELIST', 'KQUEEN_METRICS_TOKEN'],
    why: 'Several networks, IPv6 too; from elsewhere with a token.',
  },
  {
    names: ['DEBUG'],
    was: 'debugging mode of the web framework',
    fate: 'dropped',
    now: ['KQUEEN_LOG_LEVEL'],
    why: 'There is no second mode: more is told at the level `debug`, and errors never show their insides to people.',
  },
  {
    names: ['LOG_CONFIG'],
    was: 'file with the loggers',
    fate: 'dropped',
    why: 'The log is JSON on one stream; where it goes is the business of what runs the process.',
  },
  {
    names: ['POOL_MAX_WORKERS'],
    was: 'threads for provisioning, 64',
    fate: 'dropped',
    why: 'No thread waits for a provisioning: a waiting job is a record. More work is done by more workers.',
  },
  {
    names: ['JWT_DEFAULT_REALM', 'JWT_AUTH_URL_RULE', 'JWT_EXPIRATION_DELTA', 'JWT_AUTH_HEADER_PREFIX'],
    was: 'logging in to the API',
    fate: 'dropped',
    why: 'There is no login: who a person is comes signed from the chat platform with each request.',
  },
  {
    names: ['BCRYPT_ROUNDS'],
    was: 'cost of hashing passwords, 12',
    fate: 'dropped',
    why: 'KQueen keeps no passwords of people.',
  },
  {
    names: ['AUTH_MODULES', 'LDAP_URI', 'LDAP_DN', 'LDAP_PASSWORD'],
    was: 'where users log in, local or LDAP',
    fate: 'dropped',
    now: ['SLACK_BOT_TOKEN', 'MicrosoftAppId'],
    why: 'The workspace or tenant says who people are; put your directory there. Guests and people of others are refused.',
  },
  {
    names: [
      'CLUSTER_OK_STATE',
      'CLUSTER_ERROR_STATE',
      'CLUSTER_PROVISIONING_STATE',
      'CLUSTER_DEPROVISIONING_STATE',
      'CLUSTER_UPDATING_STATE',
      'CLUSTER_UNKNOWN_STATE',
      'PROVISIONER_OK_STATE',
      'PROVISIONER_ERROR_STATE',
      'PROVISIONER_UNKNOWN_STATE',
    ],
    was: 'what states are called',
    fate: 'dropped',
    why: 'States are part of the stored records: renaming them would have made old records unreadable.',
  },
  {
    names: ['CLUSTER_STATE_ON_LIST', 'PROVISIONER_STATE_ON_LIST'],
    was: 'whether lists ask every provider',
    fate: 'dropped',
    now: ['KQUEEN_HEALTH_INTERVAL'],
    why: 'Lists never ask a provider. States come from sweeps, and each row says when it was seen.',
  },
  {
    names: ['DEFAULT_POLICIES'],
    was: 'who may do what, from a file',
    fate: 'dropped',
    why: 'Every command names its policy; the commands page shows who may use it.',
  },
  {
    names: [
      'JENKINS_API_URL',
      'JENKINS_USERNAME',
      'JENKINS_PASSWORD',
      'JENKINS_PROVISION_JOB_NAME',
      'JENKINS_PROVISION_JOB_CTX',
      'JENKINS_DEPROVISION_JOB_NAME',
      'JENKINS_DEPROVISION_JOB_CTX',
      'JENKINS_PARAMETER_MAP',
      'JENKINS_ANCHOR_PARAMETER',
    ],
    was: 'one Jenkins for the installation',
    fate: 'dropped',
    why: 'Addresses and credentials of an engine belong to a provisioner, of which there may be several: they are given with `provisioner add` and sealed.',
  },
  {
    names: [
      'KS_FILES_PATH',
      'KS_KUBESPRAY_PATH',
      'KS_SSH_CMD',
      'KS_SSH_KEYGEN_CMD',
      'KS_ANSIBLE_CMD',
      'KS_ANSIBLE_PLAYBOOK_CMD',
      'KS_DEFAULT_NAMESERVERS',
      'KS_NO_PROXY',
      'KS_OS_BLOCKSTORAGE_VERSION',
      'KS_DOCKER_BIP',
      '*_IMAGE_REPO',
      '*_IMAGE_TAG',
    ],
    was: 'Kubespray on the machine of the server',
    fate: 'dropped',
    why: 'No engine runs programs on the machine of the bot.',
  },
  {
    names: ['SERVER_NAME'],
    was: 'host name for links',
    fate: 'renamed',
    now: ['KQUEEN_PUBLIC_URL'],
    why: 'With scheme and port, so that a link is right behind a proxy.',
  },
  { names: ['DUMMY'], was: 'for its own tests', fate: 'dropped', why: 'It had no meaning for an installation.' },
];

/** What the original read from the environment alone. */
export const processOptions: OriginalOption[] = [
  {
    names: ['KQUEEN_CONFIG_FILE', 'KQUEEN_UI_CONFIG_FILE'],
    was: 'Python file with the settings, config/dev.py',
    fate: 'dropped',
    why: 'The environment is the one place; a file of variables is read by what starts the process (`node --env-file`, Compose, systemd).',
  },
  {
    names: ['BOOTSTRAP_ADMIN', 'BOOTSTRAP_ADMIN_USERNAME', 'BOOTSTRAP_ADMIN_PASSWORD'],
    was: 'makes the first superadmin at the start of the container, admin with the password default',
    fate: 'renamed',
    now: ['KQUEEN_BOOTSTRAP_ADMINS'],
    why: 'Names people of the chat platform; there is no password to forget to change.',
  },
  {
    names: ['BOOTSTRAP_ADMIN_ORGANIZATION', 'BOOTSTRAP_ADMIN_NAMESPACE'],
    was: 'organisation of that superadmin',
    fate: 'renamed',
    now: ['KQUEEN_ORGANIZATION'],
    why: 'One name serves as both.',
  },
  {
    names: ['prometheus_multiproc_dir'],
    was: 'folder in which several server processes meet for the metrics',
    fate: 'dropped',
    why: 'Each process answers `/metrics` for itself and Prometheus adds up.',
  },
];

/** The options of the web UI. */
export const uiOptions: OriginalOption[] = [
  {
    names: ['HOST', 'PORT', 'LOG_LEVEL', 'LOG_CONFIG', 'DEBUG'],
    was: 'the process of the web UI',
    fate: 'dropped',
    now: ['KQUEEN_HOST', 'KQUEEN_PORT', 'KQUEEN_LOG_LEVEL'],
    why: 'There is one process; chat is the user interface.',
  },
  {
    names: ['PUBLIC_ENDPOINT', 'PREFERRED_URL_SCHEME'],
    was: 'host, port and scheme for links in mails',
    fate: 'renamed',
    now: ['KQUEEN_PUBLIC_URL'],
    why: 'One address with its scheme.',
  },
  {
    names: ['KQUEEN_API_URL', 'KQUEEN_AUTH_URL', 'KQUEEN_SERVICE_USER_USERNAME', 'KQUEEN_SERVICE_USER_PASSWORD'],
    was: 'how the UI reaches the API, and as whom',
    fate: 'dropped',
    why: 'Nothing stands between chat and the commands, so no user stands for another.',
  },
  {
    names: [
      'MAIL_SERVER',
      'MAIL_PORT',
      'MAIL_CONN_TIMEOUT',
      'MAIL_USE_SSL',
      'MAIL_SSL_KEYFILE',
      'MAIL_SSL_CERTFILE',
      'MAIL_USERNAME',
      'MAIL_PASSWORD',
      'MAIL_DEFAULT_SENDER',
    ],
    was: 'mails of registration and lost passwords',
    fate: 'dropped',
    now: ['KQUEEN_APPROVALS'],
    why: 'KQueen speaks in chat; requests go to the approvers there.',
  },
  {
    names: ['ENABLE_PUBLIC_REGISTRATION', 'LOCAL_AUTH_NOTIFY', 'LDAP_AUTH_NOTIFY', 'AUTH_OPTIONS'],
    was: 'accounts of the UI',
    fate: 'dropped',
    why: 'Members of the workspace or tenant are members here.',
  },
  {
    names: ['SECRET_KEY', 'SECURITY_PASSWORD_SALT'],
    was: 'signing of sessions and of links in mails, with defaults in the repository',
    fate: 'dropped',
    why: 'There are no sessions. One-time links are random and kept as a hash.',
  },
  {
    names: ['BABEL_DEFAULT_TIMEZONE', 'BABEL_DEFAULT_LOCALE'],
    was: 'time zone and language',
    fate: 'dropped',
    why: 'The chat client shows times in the zone of its reader; KQueen speaks English.',
  },
  {
    names: ['ENABLE_ADDONS', 'CACHE', 'PRELOADER', 'STATIC_DIR'],
    was: 'parts of the web pages',
    fate: 'dropped',
    why: 'There are no pages to browse, only the one of a one-time link.',
  },
  {
    names: [
      'CLUSTER_OK_STATE',
      'CLUSTER_ERROR_STATE',
      'CLUSTER_PROVISIONING_STATE',
      'CLUSTER_DEPROVISIONING_STATE',
      'CLUSTER_UPDATING_STATE',
      'CLUSTER_UNKNOWN_STATE',
      'CLUSTER_TRANSIENT_STATES',
      'PROVISIONER_OK_STATE',
      'PROVISIONER_ERROR_STATE',
      'PROVISIONER_UNKNOWN_STATE',
    ],
    was: 'the same names of states once more',
    fate: 'dropped',
    why: 'They had to equal those of the server.',
  },
];
