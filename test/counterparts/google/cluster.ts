/** A cluster at this Google, made from what a create asks for, and shown as the container API shows it. */
import { randomBytes } from 'node:crypto';
import { isZonal, machineTypes, offeredIn, resolveVersion, zonesOf } from './catalog.ts';
import { refusals } from './errors.ts';
import { groupsOf, type MachineGroup } from './machines.ts';

/** A message of the API: fields are read as they are needed. */
export type Message = Record<string, unknown>;

export interface Pool {
  name: string;
  status: string;
  /** Per zone. */
  count: number;
  version: string;
  locations: string[];
  config: Message;
  autoscaling: Message | null;
  management: Message;
  /** Made when they are first asked for. */
  groups?: MachineGroup[];
}

export interface Cluster {
  name: string;
  location: string;
  status: string;
  statusMessage: string;
  conditions: Message[];
  version: string;
  labels: Record<string, string>;
  fingerprint: string;
  locations: string[];
  pools: Pool[];
  autopilot: boolean;
  channel: string | undefined;
  /** The cluster as it was asked for; shown where nothing here has changed it. */
  asked: Message;
  endpoint: string;
  /** Base64 of PEM. */
  ca: string;
  made: number;
}

export function object(value: unknown): Message {
  return value !== null && typeof value === 'object' ? (value as Message) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function makeFingerprint(): string {
  return randomBytes(4).toString('hex');
}

/** Reads and checks what a create asks for. Every refusal has the words of the real one where they are known (README). */
export function makeCluster(location: string, asked: Message): Cluster {
  const zones = zonesOf(location);
  if (!zones) throw refusals.badRequest(`Location "${location}" does not exist.`);
  const name = text(asked.name) ?? '';
  if (!/^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/.test(name)) {
    throw refusals.badRequest(
      `Invalid value for field "cluster.name": "${name}". Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?)'.`,
    );
  }
  const autopilot = object(asked.autopilot).enabled === true;
  if (autopilot && isZonal(location)) throw refusals.badRequest('Autopilot clusters must be regional clusters.');
  const channel = text(object(asked.releaseChannel).channel);
  if (autopilot && channel === 'UNSPECIFIED')
    throw refusals.badRequest('Autopilot clusters must be in a release channel.');
  const version = versionFor(text(asked.initialClusterVersion), channel);
  const locations = (asked.locations as string[] | undefined) ?? zones.slice(0, 3);
  for (const zone of locations) {
    if (!zonesOf(zone))
      throw refusals.badRequest(`Invalid value for field "cluster.locations": zone "${zone}" does not exist.`);
  }
  for (const [key, value] of Object.entries(object(asked.resourceLabels))) {
    if (!/^[a-z][a-z0-9_-]{0,62}$/.test(key) || !/^[a-z0-9_-]{0,63}$/.test(String(value))) {
      throw refusals.badRequest(`Invalid value for field "cluster.resource_labels": "${key}=${String(value)}".`);
    }
  }
  if (asked.nodePools && (asked.initialNodeCount || asked.nodeConfig)) {
    throw refusals.badRequest(
      'cluster.node_pools and cluster.initial_node_count or cluster.node_config cannot be specified at the same time.',
    );
  }
  const pools = autopilot
    ? []
    : ((asked.nodePools as Message[] | undefined) ?? [
        { name: 'default-pool', initialNodeCount: asked.initialNodeCount, config: asked.nodeConfig },
      ]);
  return {
    name,
    location,
    status: 'PROVISIONING',
    statusMessage: '',
    conditions: [],
    version,
    labels: { ...(object(asked.resourceLabels) as Record<string, string>) },
    fingerprint: makeFingerprint(),
    locations,
    pools: pools.map((pool) => makePool(pool, version, locations, channel)),
    autopilot,
    channel: channel === 'UNSPECIFIED' ? undefined : (channel ?? 'REGULAR'),
    asked,
    endpoint: '',
    ca: '',
    made: Date.now(),
  };
}

function versionFor(wanted: string | undefined, channel: string | undefined): string {
  const offered = offeredIn(channel ?? 'REGULAR');
  if (wanted === undefined) {
    const first = offered[1] ?? offered[0];
    return resolveVersion('1.33', offered) ?? first ?? '';
  }
  const version = resolveVersion(wanted, offered);
  if (version) return version;
  throw refusals.badRequest(
    wanted.includes('-gke.')
      ? `Master version "${wanted}" is unsupported.`
      : `No valid versions with the prefix "${wanted}" found.`,
  );
}

export function makePool(asked: Message, version: string, locations: string[], channel: string | undefined): Pool {
  const config = object(asked.config);
  const machine = text(config.machineType) ?? 'e2-medium';
  if (!machineTypes[machine]) {
    throw refusals.badRequest(`Machine type with name "${machine}" does not exist in zone "${locations[0]}".`);
  }
  const count = Number(asked.initialNodeCount ?? 0);
  if (!Number.isInteger(count) || count < 1) {
    throw refusals.badRequest(
      'Node pool "default-pool" has an invalid node count: cluster.initial_node_count must be greater than zero.',
    );
  }
  checkAutoscaling(object(asked.autoscaling));
  // As quoted in bitpoke/stack#86.
  for (const label of Object.keys(object(config.labels))) {
    if (/(^|[./])(kubernetes|k8s)\.io\//.test(label))
      throw refusals.badRequest(`Applying kubernetes label is not allowed: ${label}.`);
  }
  const management = object(asked.management);
  if (channel !== undefined && channel !== 'UNSPECIFIED' && management.autoUpgrade === false) {
    throw refusals.badRequest('Auto_upgrade must be true when release_channel is set.');
  }
  return {
    name: text(asked.name) ?? 'default-pool',
    status: 'PROVISIONING',
    count,
    version,
    locations: (asked.locations as string[] | undefined) ?? locations,
    config: {
      diskSizeGb: 100,
      diskType: 'pd-balanced',
      imageType: 'COS_CONTAINERD',
      serviceAccount: 'default',
      ...config,
      machineType: machine,
    },
    autoscaling: asked.autoscaling ? object(asked.autoscaling) : null,
    management,
  };
}

/** "The total_*_node_count fields are mutually exclusive with the *_node_count fields" (v1.d.ts, NodePoolAutoscaling). */
export function checkAutoscaling(autoscaling: Message): void {
  if (autoscaling.enabled !== true) return;
  const per = autoscaling.minNodeCount !== undefined || autoscaling.maxNodeCount !== undefined;
  const total = autoscaling.totalMinNodeCount !== undefined || autoscaling.totalMaxNodeCount !== undefined;
  if (per && total)
    throw refusals.badRequest(
      'min_node_count and max_node_count are mutually exclusive with total_min_node_count and total_max_node_count.',
    );
  const [min, max] = total
    ? [autoscaling.totalMinNodeCount, autoscaling.totalMaxNodeCount]
    : [autoscaling.minNodeCount, autoscaling.maxNodeCount];
  if (Number(max ?? 0) < 1 || Number(min ?? 0) > Number(max ?? 0)) {
    throw refusals.badRequest(
      'Invalid value for field "autoscaling.max_node_count": must be at least 1 and at least min_node_count.',
    );
  }
}

/** As GET shows it: the fields of recorded answers (k8s-config-connector, containercluster-minimal/_http.log) that say something about a cluster. */
export function shownCluster(cluster: Cluster, base: string, project: string): Message {
  const zonal = isZonal(cluster.location);
  const { asked } = cluster;
  const shown: Message = {
    name: cluster.name,
    status: cluster.status,
    location: cluster.location,
    zone: cluster.location,
    locations: cluster.locations,
    selfLink: `${base}/${zonal ? 'zones' : 'locations'}/${cluster.location}/clusters/${cluster.name}`,
    id: 'a8d1e6c0f3b94d7c8e21',
    etag: 'b6a5c4d3',
    createTime: new Date(cluster.made).toISOString(),
    initialClusterVersion: cluster.version,
    labelFingerprint: cluster.fingerprint,
    network: String(asked.network ?? 'default')
      .split('/')
      .at(-1),
    subnetwork: String(asked.subnetwork ?? 'default')
      .split('/')
      .at(-1),
    networkConfig: {
      ...object(asked.networkConfig),
      network: `projects/${project}/global/networks/default`,
    },
    loggingService: 'logging.googleapis.com/kubernetes',
    monitoringService: 'monitoring.googleapis.com/kubernetes',
    // JSON of Google leaves out what is empty or false: an add-on that is on and told by `disabled` is {}.
    addonsConfig: {
      ...{ httpLoadBalancing: {}, horizontalPodAutoscaling: {}, networkPolicyConfig: { disabled: true } },
      ...withoutFalse(object(asked.addonsConfig)),
    },
    autopilot: cluster.autopilot ? { enabled: true } : {},
    nodePools: cluster.pools.map((pool) => shownPool(cluster, pool, project)),
    ipAllocationPolicy: { useIpAliases: true, ...object(asked.ipAllocationPolicy) },
    masterAuth: { clientCertificateConfig: {}, ...(cluster.ca ? { clusterCaCertificate: cluster.ca } : {}) },
  };
  if (cluster.channel) shown.releaseChannel = { channel: cluster.channel };
  if (Object.keys(cluster.labels).length > 0) shown.resourceLabels = cluster.labels;
  if (asked.maintenancePolicy)
    shown.maintenancePolicy = { ...object(asked.maintenancePolicy), resourceVersion: 'e3b0c442' };
  if (asked.networkPolicy) shown.networkPolicy = asked.networkPolicy;
  if (asked.description) shown.description = asked.description;
  if (cluster.statusMessage) shown.statusMessage = cluster.statusMessage;
  if (cluster.conditions.length > 0) shown.conditions = cluster.conditions;
  // A cluster that is being made has neither an address nor nodes.
  if (cluster.endpoint && cluster.status !== 'PROVISIONING') addAddress(shown, cluster);
  return shown;
}

function withoutFalse(config: Message): Message {
  const shown = Object.entries(config).map(([key, told]) => {
    const said = Object.entries(object(told)).filter(([, value]) => value !== false);
    return [key, Object.fromEntries(said)] as const;
  });
  return Object.fromEntries(shown);
}

function addAddress(shown: Message, cluster: Cluster): void {
  shown.endpoint = cluster.endpoint;
  shown.currentMasterVersion = cluster.version;
  shown.currentNodeVersion = cluster.pools[0]?.version ?? cluster.version;
  shown.currentNodeCount = nodesOf(cluster);
  shown.controlPlaneEndpointsConfig = {
    dnsEndpointConfig: { endpoint: `gke-${cluster.fingerprint}-764460891170.${cluster.location}.gke.goog` },
    ipEndpointsConfig: { enabled: true, enablePublicEndpoint: true, publicEndpoint: cluster.endpoint },
  };
  shown.privateClusterConfig = { publicEndpoint: cluster.endpoint };
}

export function nodesOf(cluster: Cluster): number {
  if (cluster.autopilot) return 2;
  return cluster.pools.reduce((sum, pool) => sum + pool.count * pool.locations.length, 0);
}

function shownPool(cluster: Cluster, pool: Pool, project: string): Message {
  return {
    name: pool.name,
    status: pool.status,
    version: pool.version,
    locations: pool.locations,
    config: pool.config,
    management: pool.management,
    maxPodsConstraint: { maxPodsPerNode: '110' },
    instanceGroupUrls: groupsOf(cluster, pool).map(
      ({ zone, name }) =>
        `https://www.googleapis.com/compute/v1/projects/${project}/zones/${zone}/instanceGroupManagers/${name}`,
    ),
    // Zero is left out like everything that is empty.
    ...(pool.count > 0 ? { initialNodeCount: pool.count } : {}),
    ...(pool.autoscaling ? { autoscaling: pool.autoscaling } : {}),
  };
}
