import type { JsonObject } from './json.ts';

const RBAC = 'rbac.authorization.k8s.io';
const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];

function rule(apiGroups: string[], resources: string[], verbs: string[]): JsonObject {
  return { apiGroups, resources, verbs };
}

const CORE_READ = [
  'configmaps',
  'endpoints',
  'events',
  'limitranges',
  'namespaces',
  'persistentvolumeclaims',
  'pods',
  'pods/log',
  'pods/status',
  'resourcequotas',
  'serviceaccounts',
  'services',
  'services/status',
];
const APPS = [
  'daemonsets',
  'deployments',
  'deployments/rollback',
  'deployments/scale',
  'replicasets',
  'replicasets/scale',
  'statefulsets',
  'statefulsets/scale',
];
const APPS_READ = [
  ...APPS,
  'controllerrevisions',
  'daemonsets/status',
  'deployments/status',
  'replicasets/status',
  'statefulsets/status',
];
const BATCH = ['cronjobs', 'jobs'];
const NETWORKING = ['ingresses', 'networkpolicies'];

const VIEW = [
  rule([''], CORE_READ, READ),
  rule(['apps'], APPS_READ, READ),
  rule(['policy'], ['poddisruptionbudgets', 'poddisruptionbudgets/status'], READ),
  rule(['discovery.k8s.io'], ['endpointslices'], READ),
  rule(['batch'], [...BATCH, 'jobs/status', 'cronjobs/status'], READ),
  rule(['autoscaling'], ['horizontalpodautoscalers', 'horizontalpodautoscalers/status'], READ),
  rule(['networking.k8s.io'], [...NETWORKING, 'ingresses/status'], READ),
];
const EDIT = [
  ...VIEW,
  rule([''], ['secrets'], READ),
  rule(
    [''],
    ['configmaps', 'endpoints', 'persistentvolumeclaims', 'pods', 'secrets', 'serviceaccounts', 'services'],
    WRITE,
  ),
  rule([''], ['pods/eviction', 'serviceaccounts/token'], ['create']),
  rule([''], ['serviceaccounts'], ['impersonate']),
  rule(['apps'], APPS, WRITE),
  rule(['policy'], ['poddisruptionbudgets'], WRITE),
  rule(['batch'], BATCH, WRITE),
  rule(['autoscaling'], ['horizontalpodautoscalers'], WRITE),
  rule(['networking.k8s.io'], NETWORKING, WRITE),
  rule(['coordination.k8s.io'], ['leases'], [...READ, ...WRITE]),
];
const ADMIN = [
  ...EDIT,
  rule([RBAC], ['roles', 'rolebindings'], [...READ, ...WRITE]),
  rule(['authorization.k8s.io'], ['localsubjectaccessreviews'], ['create']),
];

/** The roles that every cluster has, by name; rules as the API server's own, cut to what is served here. */
export const CLUSTER_ROLES: Record<string, JsonObject[]> = {
  'cluster-admin': [rule(['*'], ['*'], ['*']), { nonResourceURLs: ['*'], verbs: ['*'] }],
  admin: ADMIN,
  edit: EDIT,
  view: VIEW,
  'system:basic-user': [
    rule(['authorization.k8s.io'], ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
    rule(['authentication.k8s.io'], ['selfsubjectreviews'], ['create']),
  ],
  'system:discovery': [
    {
      nonResourceURLs: [
        '/api',
        '/api/*',
        '/apis',
        '/apis/*',
        '/healthz',
        '/livez',
        '/openapi',
        '/openapi/*',
        '/readyz',
        '/version',
        '/version/',
      ],
      verbs: ['get'],
    },
  ],
};

/** The bindings that every cluster has: role and group. */
export const CLUSTER_ROLE_BINDINGS: Record<string, string> = {
  'cluster-admin': 'system:masters',
  'system:basic-user': 'system:authenticated',
  'system:discovery': 'system:authenticated',
};

/** The label of roles whose rules a role of a name takes in. */
export function aggregationOf(name: string): string | undefined {
  return ['admin', 'edit', 'view'].includes(name) ? `rbac.authorization.k8s.io/aggregate-to-${name}` : undefined;
}
