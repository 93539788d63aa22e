/**
 * The settings of a Keystone and a Heat that run on one machine without a message broker and without a database server. Where each
 * comes from: the configuration references of the two (https://docs.openstack.org/keystone/zed/configuration/config-options.html,
 * https://docs.openstack.org/heat/zed/configuration/config-options.html); the reasons stand beside them.
 */

/** What the two are started with. */
export interface RealSettings {
  folder: string;
  keystoneUrl: string;
  heatPort: number;
  metadataPort: number;
  /** Password of Heat's own accounts. */
  heatPassword: string;
  /** 32 characters that Heat encrypts its stored credentials with. */
  encryptionKey: string;
  /** How long a token is good, in seconds. */
  tokenSeconds: number;
}

type Sections = Record<string, Record<string, string | number | boolean>>;

function ini(sections: Sections): string {
  return Object.entries(sections)
    .map(([name, values]) =>
      [`[${name}]`, ...Object.entries(values).map(([key, value]) => `${key} = ${String(value)}`), ''].join('\n'),
    )
    .join('\n');
}

/** keystone.conf */
export function keystoneConf(settings: RealSettings): string {
  const keys = `${settings.folder}/fernet-keys`;
  return ini({
    DEFAULT: { log_file: `${settings.folder}/keystone.log`, use_stderr: false, public_endpoint: settings.keystoneUrl },
    // Without waiting for the disk, writers of SQLite do not block one another for long.
    database: { connection: `sqlite:///${settings.folder}/keystone.db`, sqlite_synchronous: false },
    token: { provider: 'fernet', expiration: settings.tokenSeconds },
    fernet_tokens: { key_repository: keys },
    fernet_receipts: { key_repository: keys },
    credential: { key_repository: `${settings.folder}/credential-keys` },
    // The cheapest that bcrypt allows.
    identity: { password_hash_rounds: 4 },
  });
}

/** heat.conf */
export function heatConf(settings: RealSettings): string {
  const { folder, keystoneUrl, heatPassword } = settings;
  const identity = `${keystoneUrl}/v3`;
  const account = {
    auth_type: 'password',
    auth_url: identity,
    username: 'heat',
    password: heatPassword,
    user_domain_name: 'Default',
  };
  const metadata = `http://127.0.0.1:${settings.metadataPort}`;
  return ini({
    DEFAULT: {
      log_file: `${folder}/heat.log`,
      use_stderr: false,
      // The in-memory driver of oslo.messaging: good as long as API and engine are one process.
      transport_url: 'fake://',
      num_engine_workers: 1,
      auth_encryption_key: settings.encryptionKey,
      environment_dir: `${folder}/environment.d`,
      template_dir: `${folder}/templates`,
      plugin_dirs: `${folder}/plugins`,
      region_name_for_services: 'RegionOne',
      stack_domain_admin: 'heat_domain_admin',
      stack_domain_admin_password: heatPassword,
      stack_user_domain_name: 'heat',
      heat_metadata_server_url: metadata,
      heat_waitcondition_server_url: `${metadata}/v1/waitcondition`,
      deferred_auth_method: 'trusts',
    },
    database: { connection: `sqlite:///${folder}/heat.db`, sqlite_synchronous: false },
    paste_deploy: { api_paste_config: `${folder}/api-paste.ini` },
    heat_all: { enabled_services: 'engine,api,api_cfn' },
    // One worker means that no child is forked, which would not see the engine's in-memory queue.
    heat_api: { bind_host: '127.0.0.1', bind_port: settings.heatPort, workers: 1 },
    heat_api_cfn: { bind_host: '127.0.0.1', bind_port: settings.metadataPort, workers: 1 },
    oslo_concurrency: { lock_path: `${folder}/locks` },
    keystone_authtoken: {
      ...account,
      www_authenticate_uri: identity,
      project_name: 'service',
      project_domain_name: 'Default',
      interface: 'public',
      service_token_roles_required: false,
      // Without its memory, Heat sees at once that a token was revoked.
      token_cache_time: -1,
    },
    trustee: account,
    clients_keystone: { auth_uri: identity },
    clients: { endpoint_type: 'publicURL' },
    ec2authtoken: { auth_uri: identity },
  });
}

/** api-paste.ini: which filters a request passes; Debian ships it with the daemons, which are not installed. */
export function heatPaste(): string {
  const filter = (factory: string, module?: string) => ({
    'paste.filter_factory': factory,
    ...(module ? { 'heat.filter_factory': module } : {}),
  });
  const app = (module: string) => ({
    'paste.app_factory': 'heat.common.wsgi:app_factory',
    'heat.app_factory': module,
  });
  return ini({
    'pipeline:heat-api': {
      pipeline: 'healthcheck request_id faultwrap versionnegotiation authurl authtoken context apiv1app',
    },
    'pipeline:heat-api-cfn': {
      pipeline: 'healthcheck request_id cfnversionnegotiation ec2authtoken authtoken context apicfnv1app',
    },
    'app:apiv1app': app('heat.api.openstack.v1:API'),
    'app:apicfnv1app': app('heat.api.cfn.v1:API'),
    'filter:versionnegotiation': filter(
      'heat.common.wsgi:filter_factory',
      'heat.api.openstack:version_negotiation_filter',
    ),
    'filter:cfnversionnegotiation': filter(
      'heat.common.wsgi:filter_factory',
      'heat.api.cfn:version_negotiation_filter',
    ),
    'filter:faultwrap': filter('heat.common.wsgi:filter_factory', 'heat.api.openstack:faultwrap_filter'),
    'filter:context': filter('heat.common.context:ContextMiddleware_filter_factory'),
    'filter:ec2authtoken': filter('heat.api.aws.ec2token:EC2Token_filter_factory'),
    'filter:authurl': filter('heat.common.auth_url:filter_factory'),
    'filter:authtoken': filter('keystonemiddleware.auth_token:filter_factory'),
    'filter:request_id': filter('oslo_middleware.request_id:RequestId.factory'),
    'filter:healthcheck': filter('oslo_middleware.healthcheck:Healthcheck.factory'),
  });
}
