/** Add-ons whose objects KQueen makes itself, so that they need nothing from outside but their images. */
import { manifestOf } from '../apply/bundle.ts';
import type { JsonObject, Manifest } from '../apply/manifests.ts';

type Recipe = (version: string) => JsonObject[];

const rbac = 'rbac.authorization.k8s.io/v1';

function rule(apiGroups: string[], resources: string[], verbs: string[]): JsonObject {
  return { apiGroups, resources, verbs };
}

const look = ['get', 'list', 'watch'];

/** Rights of nobody but the one container, as little as the restricted Pod Security Standard asks. */
const restricted: JsonObject = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

function account(name: string, namespace: string): JsonObject {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } };
}

function role(name: string, rules: JsonObject[], labels?: JsonObject): JsonObject {
  return { apiVersion: rbac, kind: 'ClusterRole', metadata: { name, ...(labels ? { labels } : {}) }, rules };
}

function binding(name: string, roleName: string, subject: { name: string; namespace: string }): JsonObject {
  return {
    apiVersion: rbac,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: roleName },
    subjects: [{ kind: 'ServiceAccount', ...subject }],
  };
}

/** A Deployment of one container that its Service finds by the label `k8s-app`. */
function deployment(name: string, namespace: string, container: JsonObject, spec: JsonObject): JsonObject {
  const labels = { 'k8s-app': name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      strategy: { rollingUpdate: { maxUnavailable: 0 } },
      template: {
        metadata: { labels },
        spec: { ...spec, nodeSelector: { 'kubernetes.io/os': 'linux' }, containers: [{ name, ...container }] },
      },
    },
  };
}

function service(name: string, namespace: string, spec: JsonObject): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: { 'k8s-app': name } },
    spec: { selector: { 'k8s-app': name }, ...spec },
  };
}

function probe(path: string, port: string, more: JsonObject = {}): JsonObject {
  return { httpGet: { path, port, ...more }, periodSeconds: 10, failureThreshold: 3 };
}

/** Rights and arguments as in the project's own documentation (https://github.com/kubernetes-sigs/metrics-server#requirements). */
const metricsServer: Recipe = (version) => {
  const name = 'metrics-server';
  const namespace = 'kube-system';
  const subject = { name, namespace };
  return [
    account(name, namespace),
    role('system:aggregated-metrics-reader', [rule(['metrics.k8s.io'], ['pods', 'nodes'], look)], {
      'rbac.authorization.k8s.io/aggregate-to-view': 'true',
      'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
      'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
    }),
    role('system:metrics-server', [rule([''], ['nodes/metrics'], ['get']), rule([''], ['pods', 'nodes'], look)]),
    binding('system:metrics-server', 'system:metrics-server', subject),
    // It asks the API server whether a caller may see metrics, and reads by which authority it signs in.
    binding('metrics-server:system:auth-delegator', 'system:auth-delegator', subject),
    {
      apiVersion: rbac,
      kind: 'RoleBinding',
      metadata: { name: 'metrics-server-auth-reader', namespace },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'Role',
        name: 'extension-apiserver-authentication-reader',
      },
      subjects: [{ kind: 'ServiceAccount', ...subject }],
    },
    service(name, namespace, {
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 'https', appProtocol: 'https' }],
    }),
    deployment(
      name,
      namespace,
      {
        image: `registry.k8s.io/metrics-server/metrics-server:v${version}`,
        args: [
          '--cert-dir=/tmp',
          '--secure-port=10250',
          '--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname',
          '--kubelet-use-node-status-port',
          '--metric-resolution=15s',
        ],
        ports: [{ name: 'https', containerPort: 10250, protocol: 'TCP' }],
        resources: { requests: { cpu: '100m', memory: '200Mi' } },
        readinessProbe: { ...probe('/readyz', 'https', { scheme: 'HTTPS' }), initialDelaySeconds: 20 },
        livenessProbe: probe('/livez', 'https', { scheme: 'HTTPS' }),
        securityContext: { ...restricted, runAsUser: 1000 },
        volumeMounts: [{ name: 'scratch', mountPath: '/tmp' }],
      },
      {
        serviceAccountName: name,
        priorityClassName: 'system-cluster-critical',
        volumes: [{ name: 'scratch', emptyDir: {} }],
      },
    ),
    {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1beta1.metrics.k8s.io' },
      spec: {
        service: { name, namespace },
        group: 'metrics.k8s.io',
        version: 'v1beta1',
        // Its certificate is one that it makes for itself at each start.
        insecureSkipTLSVerify: true,
        groupPriorityMinimum: 100,
        versionPriority: 100,
      },
    },
  ];
};

/** Rights of the Ingress provider (https://doc.traefik.io/traefik/reference/install-configuration/providers/kubernetes/kubernetes-ingress/). */
const traefik: Recipe = (version) => {
  const name = 'traefik';
  const namespace = 'traefik';
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    account(name, namespace),
    role('kqueen-traefik', [
      rule([''], ['services', 'secrets', 'nodes', 'configmaps'], look),
      rule(['discovery.k8s.io'], ['endpointslices'], ['list', 'watch']),
      rule(['networking.k8s.io'], ['ingresses', 'ingressclasses'], look),
      rule(['networking.k8s.io'], ['ingresses/status'], ['update']),
    ]),
    binding('kqueen-traefik', 'kqueen-traefik', { name, namespace }),
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'traefik' },
      spec: { controller: 'traefik.io/ingress-controller' },
    },
    service(name, namespace, {
      type: 'LoadBalancer',
      ports: [
        { name: 'web', port: 80, protocol: 'TCP', targetPort: 'web' },
        { name: 'websecure', port: 443, protocol: 'TCP', targetPort: 'websecure' },
      ],
    }),
    deployment(
      name,
      namespace,
      {
        image: `traefik:v${version}`,
        args: [
          '--entrypoints.web.address=:8000',
          '--entrypoints.websecure.address=:8443',
          '--entrypoints.traefik.address=:8080',
          '--ping=true',
          '--providers.kubernetesingress=true',
          `--providers.kubernetesingress.ingressendpoint.publishedservice=${namespace}/${name}`,
          '--global.checknewversion=false',
          '--global.sendanonymoususage=false',
        ],
        ports: [
          { name: 'web', containerPort: 8000, protocol: 'TCP' },
          { name: 'websecure', containerPort: 8443, protocol: 'TCP' },
          { name: 'traefik', containerPort: 8080, protocol: 'TCP' },
        ],
        resources: { requests: { cpu: '50m', memory: '64Mi' } },
        readinessProbe: probe('/ping', 'traefik'),
        livenessProbe: probe('/ping', 'traefik'),
        securityContext: { ...restricted, runAsUser: 65532, runAsGroup: 65532 },
        volumeMounts: [{ name: 'scratch', mountPath: '/tmp' }],
      },
      { serviceAccountName: name, volumes: [{ name: 'scratch', emptyDir: {} }] },
    ),
  ];
};

/** Without rights of its own: whoever opens it signs in with a token (https://headlamp.dev/docs/latest/installation/in-cluster/). */
const headlamp: Recipe = (version) => {
  const name = 'headlamp';
  const namespace = 'headlamp';
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    account(name, namespace),
    service(name, namespace, { ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 'http' }] }),
    deployment(
      name,
      namespace,
      {
        image: `ghcr.io/headlamp-k8s/headlamp:v${version}`,
        args: ['-in-cluster', '-plugins-dir=/headlamp/plugins'],
        ports: [{ name: 'http', containerPort: 4466, protocol: 'TCP' }],
        resources: { requests: { cpu: '50m', memory: '128Mi' } },
        readinessProbe: probe('/', 'http'),
        livenessProbe: probe('/', 'http'),
        securityContext: {
          allowPrivilegeEscalation: false,
          runAsNonRoot: true,
          runAsUser: 100,
          runAsGroup: 101,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        },
      },
      { serviceAccountName: name },
    ),
  ];
};

const recipes: Readonly<Record<string, Recipe>> = { 'metrics-server': metricsServer, traefik, headlamp };

/** The objects of an add-on that KQueen makes itself; undefined for one that is made of files. */
export function recipeOf(name: string, version: string): Manifest[] | undefined {
  const recipe = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
  return recipe?.(version).map(manifestOf);
}
