import { ADDONS, CONTROL_PLANE_PRICE_PER_HOUR, REGIONS, SANDBOX_TITLE, SIZES, VERSIONS } from './catalog.ts';
import type { Cloud } from './cloud.ts';
import type { ClusterRecord, OperationRecord } from './cloud-records.ts';
import { fingerprintOf } from './cloud-rules.ts';
import { machinesIn } from './cloud-steps.ts';
import type { JsonObject } from './json.ts';

/** What the provider API shows of a cluster. */
export function clusterView(cluster: ClusterRecord, url: string): JsonObject {
  const { id, name, region, version, size, nodes, labels, status, statusMessage, createdAt, operation, apiUp } =
    cluster;
  return {
    id,
    name,
    title: `${name} (${SANDBOX_TITLE})`,
    region,
    version,
    size,
    nodes,
    gateways: cluster.gateways,
    networkPolicy: cluster.networkPolicy,
    addons: ADDONS.map((addon) => ({ ...addon, on: cluster.addons.includes(addon.name) })),
    labels,
    labelFingerprint: fingerprintOf(labels),
    status,
    statusMessage,
    createdAt,
    operation,
    machines: machinesIn(cluster).map((machine) => ({ name: machine.name, createdAt: machine.createdAt })),
    endpoint: apiUp ? endpointOf(cluster, url) : null,
    pricePerHour: pricePerHour(cluster),
    currency: 'USD',
  };
}

/** The address of a cluster's Kubernetes API. */
function endpointOf(cluster: ClusterRecord, url: string): string {
  return cluster.endpoint ?? `${url}/clusters/${cluster.id}`;
}

function pricePerHour(cluster: ClusterRecord): number {
  const factor = REGIONS.find((region) => region.name === cluster.region)?.priceFactor ?? 1;
  const node = SIZES.find((size) => size.name === cluster.size)?.pricePerHour ?? 0;
  return round((CONTROL_PLANE_PRICE_PER_HOUR + node * (cluster.nodes + cluster.gateways)) * factor);
}

/** A price to a hundredth of a cent. */
function round(price: number): number {
  return Math.round(price * 10_000) / 10_000;
}

/** What the provider API shows of an operation. */
export function operationView(operation: OperationRecord, cloud: Cloud): JsonObject {
  const { id, type, cluster, clusterId, status, error, startedAt, finishedAt } = operation;
  return {
    id,
    type,
    cluster,
    clusterId,
    status,
    ...cloud.progress(operation),
    ...(error === undefined ? {} : { error }),
    startedAt,
    finishedAt: finishedAt ?? null,
  };
}

/** What can be had and what it costs. */
export function catalogView(): JsonObject {
  return {
    title: SANDBOX_TITLE,
    currency: 'USD',
    controlPlanePricePerHour: CONTROL_PLANE_PRICE_PER_HOUR,
    regions: REGIONS.map((region) => ({
      ...region,
      controlPlanePricePerHour: round(CONTROL_PLANE_PRICE_PER_HOUR * region.priceFactor),
      sizes: SIZES.map((size) => ({ name: size.name, pricePerHour: round(size.pricePerHour * region.priceFactor) })),
    })),
    versions: VERSIONS.map((version) => ({ ...version })),
    sizes: SIZES.map((size) => ({ ...size })),
  };
}

/** The administrator's kubeconfig, YAML. */
export function kubeconfigOf(cluster: ClusterRecord, url: string, ca: string): string {
  const name = `sandbox-${cluster.name}`;
  return [
    `# ${SANDBOX_TITLE}`,
    'apiVersion: v1',
    'kind: Config',
    'clusters:',
    `- name: ${name}`,
    '  cluster:',
    `    server: ${endpointOf(cluster, url)}`,
    `    certificate-authority-data: ${Buffer.from(ca).toString('base64')}`,
    'users:',
    `- name: ${name}-admin`,
    '  user:',
    `    token: ${cluster.adminToken}`,
    'contexts:',
    `- name: ${name}`,
    '  context:',
    `    cluster: ${name}`,
    `    user: ${name}-admin`,
    '    namespace: default',
    `current-context: ${name}`,
    '',
  ].join('\n');
}
