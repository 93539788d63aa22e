import { SANDBOX_TITLE, type Size } from './catalog.ts';
import type { ClusterRecord } from './cloud-records.ts';
import { PROVISIONER } from './controller-volumes.ts';
import type { JsonObject } from './json.ts';
import { timestamp } from './kube-objects.ts';
import { aggregationOf, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES } from './kube-roles.ts';

const RBAC = 'rbac.authorization.k8s.io';
const SANDBOX_LABELS = { 'sandbox.kqueen.io/sandbox': 'true' };
const SANDBOX_NOTE = { 'sandbox.kqueen.io/notice': SANDBOX_TITLE };

/** An object that a cluster is given: the key of its resource, its namespace and its body. */
export type Seed = { resource: string; namespace: string; body: JsonObject };

/** Where an object is: the key of its resource, its namespace and its name. */
export type Place = [resource: string, namespace: string, name: string];

/** What an API server makes by itself at its first start: namespaces, roles, its own service, priorities. */
export function bootstrapSeeds(): Seed[] {
  const seeds: Seed[] = [];
  const ensure = (resource: string, namespace: string, body: JsonObject): void => {
    seeds.push({ resource, namespace, body });
  };
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    ensure('namespaces', '', { metadata: { name } });
    ensure('serviceaccounts', name, { metadata: { name: 'default' } });
  }
  for (const [name, rules] of Object.entries(CLUSTER_ROLES)) {
    const labels = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
    const label = aggregationOf(name);
    ensure(`clusterroles.${RBAC}`, '', {
      metadata: { name, labels },
      rules,
      ...(label === undefined
        ? {}
        : { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label]: 'true' } }] } }),
    });
  }
  for (const [name, group] of Object.entries(CLUSTER_ROLE_BINDINGS)) {
    ensure(`clusterrolebindings.${RBAC}`, '', {
      metadata: { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
      subjects: [{ kind: 'Group', name: group, apiGroup: RBAC }],
      roleRef: { kind: 'ClusterRole', name, apiGroup: RBAC },
    });
  }
  ensure('services', 'default', {
    metadata: { name: 'kubernetes', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443, targetPort: 6443 }] },
  });
  for (const [name, value] of [
    ['system-cluster-critical', 2000000000],
    ['system-node-critical', 2000001000],
  ] as const) {
    ensure('priorityclasses.scheduling.k8s.io', '', { metadata: { name }, value });
  }
  return seeds;
}

/** What the sandbox gives every cluster beside that: a note of what it is, a class of volumes, and DNS. */
export function controlPlaneSeeds(): Seed[] {
  const seeds: Seed[] = [];
  const ensure = (resource: string, namespace: string, body: JsonObject): void => {
    seeds.push({ resource, namespace, body });
  };
  ensure('configmaps', 'kube-public', {
    metadata: { name: 'cluster-info', annotations: SANDBOX_NOTE },
    data: { notice: SANDBOX_TITLE },
  });
  ensure('storageclasses.storage.k8s.io', '', {
    metadata: {
      name: 'standard',
      annotations: { ...SANDBOX_NOTE, 'storageclass.kubernetes.io/is-default-class': 'true' },
    },
    provisioner: PROVISIONER,
    allowVolumeExpansion: true,
  });
  seedDns(ensure);
  return seeds;
}

function seedDns(ensure: (resource: string, namespace: string, body: JsonObject) => void): void {
  const labels = { 'k8s-app': 'kube-dns' };
  ensure('serviceaccounts', 'kube-system', { metadata: { name: 'coredns' } });
  ensure('services', 'kube-system', {
    metadata: { name: 'kube-dns', labels: { ...labels, 'kubernetes.io/name': 'CoreDNS' } },
    spec: {
      clusterIP: '10.96.0.10',
      selector: labels,
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    },
  });
  ensure('deployments.apps', 'kube-system', {
    metadata: { name: 'coredns', labels, annotations: SANDBOX_NOTE },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: 'coredns',
          priorityClassName: 'system-cluster-critical',
          containers: [
            {
              name: 'coredns',
              image: 'sandbox/coredns:1.12.0',
              resources: { limits: { memory: '170Mi' }, requests: { cpu: '100m', memory: '70Mi' } },
              ports: [
                { name: 'dns', containerPort: 53, protocol: 'UDP' },
                { name: 'dns-tcp', containerPort: 53, protocol: 'TCP' },
              ],
            },
          ],
        },
      },
    },
  });
}

/** The name of the n-th node (from 0) of a cluster. */
export function nodeName(cluster: Pick<ClusterRecord, 'name'>, index: number, gateway = false): string {
  return `sandbox-${cluster.name}-${gateway ? 'gateway-' : ''}${index}`;
}

/** Marks the machines of the pool that lets traffic in: their label, and the taint that keeps all else off them. */
const GATEWAY = { key: 'kqueen-pool', value: 'gateways' };

/** Numbers of machines within a cluster, for addresses: those of gateways follow the most that the other pool can have. */
const GATEWAYS_FROM = 100;

/** A node as a machine that has just booted: known, but not Ready before its heartbeats come; and what runs on it. */
export function nodeSeeds(cluster: ClusterRecord, size: Size, index: number, gateway = false): Seed[] {
  const number = gateway ? GATEWAYS_FROM + index : index;
  const seeds: Seed[] = [];
  const ensure = (resource: string, namespace: string, body: JsonObject): void => {
    seeds.push({ resource, namespace, body });
  };
  const name = nodeName(cluster, index, gateway);
  const capacity = {
    cpu: String(size.cpu),
    memory: `${size.memoryGiB * 1024 * 1024}Ki`,
    pods: '110',
    'ephemeral-storage': '100Gi',
  };
  ensure('nodes', '', {
    metadata: {
      name,
      labels: {
        ...SANDBOX_LABELS,
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/os': 'linux',
        'kubernetes.io/hostname': name,
        ...(gateway
          ? { 'node-role.kubernetes.io/gateway': '', [GATEWAY.key]: GATEWAY.value }
          : { 'node-role.kubernetes.io/worker': '' }),
        'node.kubernetes.io/instance-type': size.name,
        'topology.kubernetes.io/region': cluster.region,
        'topology.kubernetes.io/zone': `${cluster.region}-${'abc'[index % 3]}`,
      },
      annotations: SANDBOX_NOTE,
    },
    spec: {
      podCIDR: `10.244.${number}.0/24`,
      podCIDRs: [`10.244.${number}.0/24`],
      providerID: `sandbox://${cluster.id}/${name}`,
      ...(gateway ? { taints: [{ ...GATEWAY, effect: 'NoSchedule' }] } : {}),
    },
    status: {
      capacity,
      allocatable: {
        ...capacity,
        cpu: `${size.cpu * 1000 - 100}m`,
        memory: `${size.memoryGiB * 1024 * 1024 - 512 * 1024}Ki`,
        'ephemeral-storage': '90Gi',
      },
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'KubeletNotReady',
          message: 'the machine is booting',
          lastHeartbeatTime: timestamp(),
          lastTransitionTime: timestamp(),
        },
      ],
      addresses: [
        { type: 'InternalIP', address: `10.0.${Math.floor(number / 200)}.${10 + (number % 200)}` },
        { type: 'Hostname', address: name },
      ],
      nodeInfo: nodeInfo(cluster.version, cluster.id, name),
    },
  });
  ensure('pods', 'kube-system', {
    metadata: {
      name: `kube-proxy-${name}`,
      labels: { 'k8s-app': 'kube-proxy', tier: 'node' },
      annotations: { ...SANDBOX_NOTE, 'kubernetes.io/config.mirror': name, 'kubernetes.io/config.source': 'file' },
    },
    spec: {
      nodeName: name,
      hostNetwork: true,
      priorityClassName: 'system-node-critical',
      tolerations: [{ operator: 'Exists' }],
      containers: [
        {
          name: 'kube-proxy',
          image: `sandbox/kube-proxy:v${cluster.version}`,
          resources: { requests: { cpu: '50m' } },
        },
      ],
    },
  });
  return seeds;
}

/** What a node says of its software. */
export function nodeInfo(version: string, cluster: string, name: string): JsonObject {
  return {
    machineID: `${cluster}-${name}`,
    systemUUID: `${cluster}-${name}`,
    bootID: `${cluster}-${name}`,
    kernelVersion: '0.0.0-sandbox',
    osImage: SANDBOX_TITLE,
    containerRuntimeVersion: 'sandbox://1.0',
    kubeletVersion: `v${version}`,
    kubeProxyVersion: `v${version}`,
    operatingSystem: 'linux',
    architecture: 'amd64',
  };
}

/** What goes with a node: key of the resource, namespace and name. */
export function nodeLeftovers(cluster: ClusterRecord, index: number, gateway = false): Place[] {
  const name = nodeName(cluster, index, gateway);
  return [
    ['nodes', '', name],
    ['pods', 'kube-system', `kube-proxy-${name}`],
    ['leases.coordination.k8s.io', 'kube-node-lease', name],
  ];
}
