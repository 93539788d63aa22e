/**
 * The APIs of many clusters on loopback: each has an address of its own and speaks TLS; what they answer is what a small cluster answers to a look, with
 * the fields that real ones carry along. Counts handshakes and requests, and hangs where it is told to.
 */
import { once } from 'node:events';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { makeTestCertificate } from '../../test/certificate.ts';
import { serveChild } from './child.ts';

/** What the program is given. */
interface Given {
  clusters: number;
  pods: number;
}

const at = '2025-03-01T08:00:00Z';

serveChild(async (asked) => {
  const { clusters, pods } = asked as unknown as Given;
  const certificate = makeTestCertificate();
  const answers = answersOf(pods);
  const hung = new Set<number>();
  let handshakes = 0;
  let requests = 0;
  const api = createHttps({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    requests += 1;
    if (hung.has(request.socket.localPort ?? 0)) return;
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const wanted = new URLSearchParams(query);
    const page = answers.get(path);
    const body = page?.(Number(wanted.get('limit') ?? 0), Number(wanted.get('continue') ?? 0));
    response.writeHead(body ? 200 : 404, { 'content-type': path === '/readyz' ? 'text/plain' : 'application/json' });
    response.end(body ?? '{"kind":"Status","apiVersion":"v1","status":"Failure","code":404}');
  });
  // As long as an API server keeps connections that nobody uses (IdleTimeout in k8s.io/apiserver).
  api.keepAliveTimeout = 90_000;
  api.on('secureConnection', () => {
    handshakes += 1;
  });
  const ports = await Promise.all(
    Array.from({ length: clusters }, async () => {
      const listener = createServer((socket: Socket) => api.emit('connection', socket));
      listener.listen(0, '127.0.0.1');
      await once(listener, 'listening');
      return (listener.address() as AddressInfo).port;
    }),
  );
  return (question) => {
    if (question.hang) {
      hung.clear();
      for (const port of question.hang as number[]) hung.add(port);
    }
    return { ports, ca: certificate.ca, handshakes, requests };
  };
});

type Pages = (limit: number, from: number) => Buffer;

function answersOf(pods: number): Map<string, Pages> {
  const nodes = Array.from({ length: 3 }, (_, index) => someNode(index));
  const names = ['default', 'kube-node-lease', 'kube-public', 'kube-system', 'shop'];
  return new Map<string, Pages>([
    ['/readyz', () => Buffer.from('ok')],
    ['/version', () => Buffer.from(JSON.stringify({ major: '1', minor: '34', gitVersion: 'v1.34.2' }))],
    ['/api/v1/nodes', paged('NodeList', nodes)],
    [
      '/api/v1/pods',
      paged(
        'PodList',
        Array.from({ length: pods }, (_, index) => somePod(index)),
      ),
    ],
    [
      '/apis/apps/v1/deployments',
      paged(
        'DeploymentList',
        Array.from({ length: 4 }, (_, index) => someDeployment(index)),
      ),
    ],
    [
      '/api/v1/namespaces',
      paged(
        'NamespaceList',
        names.map((name) => ({ metadata: metadata(name, '') })),
      ),
    ],
    [
      '/api/v1/services',
      paged(
        'ServiceList',
        names.map((name) => ({ metadata: metadata(name, 'shop') })),
      ),
    ],
    ['/apis/metrics.k8s.io/v1beta1/nodes', paged('NodeMetricsList', [])],
  ]);
}

/** Pages that are written once: the measurement is not of this program. */
function paged(kind: string, items: unknown[]): Pages {
  const written = new Map<string, Buffer>();
  return (limit, from) => {
    const to = limit > 0 ? Math.min(items.length, from + limit) : items.length;
    const key = `${from}-${to}`;
    const left = items.length - to;
    const more = left > 0 ? { continue: String(to), remainingItemCount: left } : {};
    const known =
      written.get(key) ??
      Buffer.from(
        JSON.stringify({
          kind,
          apiVersion: 'v1',
          metadata: { resourceVersion: '90210', ...more },
          items: items.slice(from, to),
        }),
      );
    written.set(key, known);
    return known;
  };
}

function metadata(name: string, namespace: string) {
  return {
    name,
    ...(namespace === '' ? {} : { namespace }),
    uid: `0b6c7f3e-5d1a-4a39-9a0e-${name.padEnd(12, '0').slice(0, 12)}`,
    resourceVersion: '90210',
    creationTimestamp: at,
    labels: { app: name, 'app.kubernetes.io/managed-by': 'Helm', 'pod-template-hash': '6c4f8b7d9' },
    managedFields: ['kube-controller-manager', 'kubelet'].map((manager) => ({
      ...{ manager, operation: 'Update', apiVersion: 'v1', time: at, fieldsType: 'FieldsV1' },
      fieldsV1: {
        'f:metadata': {
          'f:labels': { '.': {}, 'f:app': {}, 'f:pod-template-hash': {} },
          'f:ownerReferences': { '.': {} },
        },
        'f:spec': { 'f:containers': { 'k:{"name":"app"}': { '.': {}, 'f:image': {}, 'f:resources': { '.': {} } } } },
        'f:status': { 'f:conditions': { 'k:{"type":"Ready"}': { '.': {}, 'f:status': {} } }, 'f:hostIP': {} },
      },
    })),
  };
}

const types = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'];

function someNode(index: number) {
  return {
    metadata: metadata(`node-${index}`, ''),
    spec: { podCIDR: `10.42.${index}.0/24`, providerID: `bench:///node-${index}` },
    status: {
      capacity: { cpu: '4', memory: '16393244Ki', pods: '110', 'ephemeral-storage': '101430960Ki' },
      allocatable: { cpu: '3920m', memory: '13484060Ki', pods: '110', 'ephemeral-storage': '47093746742' },
      conditions: types.map((type) => ({
        ...{ type, status: type === 'Ready' ? 'True' : 'False', lastHeartbeatTime: at, lastTransitionTime: at },
        ...{ reason: `Kubelet${type}`, message: `kubelet reports ${type}` },
      })),
      nodeInfo: { kubeletVersion: 'v1.34.2', osImage: 'Linux', containerRuntimeVersion: 'containerd://2.1.4' },
      images: Array.from({ length: 20 }, (_, image) => ({
        ...{ names: [`registry.example/app-${image}@sha256:${'ab'.repeat(32)}`, `registry.example/app-${image}:1`] },
        sizeBytes: 41_000_000 + image,
      })),
    },
  };
}

function somePod(index: number) {
  const system = index % 3 === 0;
  const name = `${system ? 'dns' : 'web'}-6c4f8b7d9-${String(index).padStart(5, '0')}`;
  return {
    metadata: {
      ...metadata(name, system ? 'kube-system' : 'shop'),
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-6c4f8b7d9', uid: `rs-${index % 4}`, controller: true },
      ],
    },
    spec: {
      nodeName: `node-${index % 3}`,
      containers: [
        {
          ...{ name: 'app', image: 'registry.example/app:1.2.3', imagePullPolicy: 'IfNotPresent' },
          env: Array.from({ length: 8 }, (_, each) => ({ name: `SETTING_${each}`, value: `value-${each}` })),
          resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '500m', memory: '256Mi' } },
          livenessProbe: { httpGet: { path: '/healthz', port: 8080, scheme: 'HTTP' }, periodSeconds: 10 },
          volumeMounts: [{ name: 'token', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true }],
        },
      ],
      tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }],
      volumes: [{ name: 'token', projected: { sources: [{ serviceAccountToken: { expirationSeconds: 3607 } }] } }],
    },
    status: {
      ...{ phase: 'Running', hostIP: '10.0.0.4', podIP: '10.42.0.17', startTime: at, qosClass: 'Burstable' },
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
        ...{ type, status: 'True', lastTransitionTime: at },
      })),
      containerStatuses: [
        {
          ...{ name: 'app', ready: true, started: true, restartCount: 0, image: 'registry.example/app:1.2.3' },
          imageID: `registry.example/app@sha256:${'cd'.repeat(32)}`,
          state: { running: { startedAt: at } },
        },
      ],
    },
  };
}

function someDeployment(index: number) {
  const name = ['web', 'api', 'coredns', 'metrics'][index] ?? 'web';
  return {
    metadata: { ...metadata(name, index > 1 ? 'kube-system' : 'shop'), generation: 2 },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: name } },
      template: { spec: { containers: [{ name: 'app' }] } },
    },
    status: {
      ...{ observedGeneration: 2, replicas: 3, readyReplicas: 3, availableReplicas: 3, updatedReplicas: 3 },
      conditions: [{ type: 'Available', status: 'True', lastTransitionTime: at }],
    },
  };
}
