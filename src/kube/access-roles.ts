/** The rights that personal access gives, as ClusterRoles of KQueen's own, and how a cluster comes to have them. */
import { isDeepStrictEqual } from 'node:util';
import { Fault } from '../core/errors.ts';
import type { AccessRole } from '../core/ports/kube.ts';
import type { Talk } from './operation.ts';

/** A rule as the API has it. */
interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

/** Goes up with every change of a rule below, so that clusters which have an older version get the new one. */
const version = 1;

/** Label of everything that KQueen makes in a cluster for access. */
export const managedBy = { 'app.kubernetes.io/managed-by': 'kqueen' };

const versionMark = 'kqueen/rules';
const rbac = 'rbac.authorization.k8s.io';
const read = ['get', 'list', 'watch'];
const write = ['create', 'update', 'patch', 'delete', 'deletecollection'];

/** What changes at workloads. */
const apps = ['daemonsets', 'deployments', 'deployments/scale', 'replicasets', 'replicasets/scale', 'statefulsets'];
const scales = ['statefulsets/scale'];
const batch = ['cronjobs', 'jobs'];
const networking = ['ingresses', 'networkpolicies'];

/**
 * Kubernetes' own `edit` is not given, because through it a person becomes others: it may ask for tokens of every service account
 * (`serviceaccounts/token`), impersonate them, and read and write all Secrets, among them those that hold or make tokens. So here
 * there is none of that, and no `*`, which would take it in again. Also left out: writing Endpoints and EndpointSlices (Kubernetes took
 * that out of its own for CVE-2021-25740), and `proxy`, which sends requests with the API server's own reach.
 */
const edit: Rule[] = [
  // What `view` reads, and it is read without Secrets.
  {
    apiGroups: [''],
    resources: [
      ...['configmaps', 'endpoints', 'events', 'limitranges', 'namespaces', 'namespaces/status'],
      ...['persistentvolumeclaims', 'persistentvolumeclaims/status', 'pods', 'pods/log', 'pods/status'],
      ...['replicationcontrollers', 'replicationcontrollers/scale', 'replicationcontrollers/status'],
      ...['resourcequotas', 'resourcequotas/status', 'serviceaccounts', 'services', 'services/status'],
    ],
    verbs: read,
  },
  {
    apiGroups: ['apps'],
    resources: [
      ...[...apps, ...scales, 'controllerrevisions', 'daemonsets/status', 'deployments/status'],
      ...['replicasets/status', 'statefulsets/status'],
    ],
    verbs: read,
  },
  { apiGroups: ['batch'], resources: [...batch, 'cronjobs/status', 'jobs/status'], verbs: read },
  {
    apiGroups: ['autoscaling'],
    resources: ['horizontalpodautoscalers', 'horizontalpodautoscalers/status'],
    verbs: read,
  },
  { apiGroups: ['policy'], resources: ['poddisruptionbudgets', 'poddisruptionbudgets/status'], verbs: read },
  { apiGroups: ['networking.k8s.io'], resources: [...networking, 'ingresses/status'], verbs: read },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: read },
  { apiGroups: ['metrics.k8s.io'], resources: ['pods'], verbs: ['get', 'list'] },
  // Changing workloads, and what they are made of.
  {
    apiGroups: [''],
    resources: ['configmaps', 'persistentvolumeclaims', 'pods', 'replicationcontrollers', 'services'],
    verbs: write,
  },
  { apiGroups: ['apps'], resources: [...apps, ...scales], verbs: write },
  { apiGroups: ['batch'], resources: batch, verbs: write },
  { apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers'], verbs: write },
  { apiGroups: ['policy'], resources: ['poddisruptionbudgets'], verbs: write },
  { apiGroups: ['networking.k8s.io'], resources: networking, verbs: write },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: [...read, ...write] },
  // kubectl exec, attach, port-forward and drain. Websockets ask for `get`, older clients for `create`.
  { apiGroups: [''], resources: ['pods/exec', 'pods/attach', 'pods/portforward'], verbs: ['get', 'create'] },
  { apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] },
];

/**
 * Giving rights away is what makes an admin. Without `escalate` and `bind` the API server lets nobody give what they do not have, so no role
 * that may mint tokens can be made or bound with this.
 */
const admin: Rule[] = [
  ...edit,
  { apiGroups: [rbac], resources: ['roles', 'rolebindings'], verbs: [...read, ...write] },
  { apiGroups: ['authorization.k8s.io'], resources: ['localsubjectaccessreviews'], verbs: ['create'] },
];

/**
 * Secrets and service accounts, for whom the namespaces were named. Across a cluster they would be those of its own system and of other
 * people's access: a Secret of the type service-account-token is a token of any account beside it.
 */
const secrets: Rule[] = [
  { apiGroups: [''], resources: ['secrets'], verbs: [...read, ...write] },
  { apiGroups: [''], resources: ['serviceaccounts'], verbs: write },
];

/** Kubernetes' own view ends at the namespaces; whoever uses a whole cluster also wants to see its nodes. */
const look: Rule[] = [
  { apiGroups: [''], resources: ['nodes', 'namespaces', 'persistentvolumes'], verbs: read },
  { apiGroups: ['metrics.k8s.io'], resources: ['nodes'], verbs: ['get', 'list'] },
];

const own: Readonly<Record<string, Rule[]>> = {
  'kqueen-edit': edit,
  'kqueen-admin': admin,
  'kqueen-namespace-secrets': secrets,
  'kqueen-access-look': look,
};

/** The ClusterRoles of an access: in the namespaces when there are any, else everywhere. */
export function rolesFor(role: AccessRole, namespaces: readonly string[]): string[] {
  const main = role === 'view' ? 'view' : `kqueen-${role}`;
  if (namespaces.length === 0) return [main, 'kqueen-access-look'];
  return role === 'view' ? [main] : [main, 'kqueen-namespace-secrets'];
}

interface Found {
  metadata?: { resourceVersion?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  rules?: Rule[];
}

/**
 * Makes sure that the cluster has a role of KQueen's as it is here. One of a newer KQueen is left alone; one that was changed by hand is put right;
 * one that somebody else made under the name is a `conflict`. Roles that are not KQueen's own are Kubernetes' and are there.
 */
export async function ensureRole(talk: Talk, name: string): Promise<void> {
  const rules = own[name];
  if (!rules) return;
  const path = `/apis/${rbac}/v1/clusterroles`;
  const body = { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', rules };
  const metadata = { name, labels: managedBy, annotations: { [versionMark]: String(version) } };
  // Two that find it missing or old at once: the second reads what the first has written.
  for (let attempt = 0; ; attempt += 1) {
    try {
      const found = await readRole(talk, `${path}/${name}`);
      if (!found) {
        await talk.raw({ method: 'POST', path, body: { ...body, metadata } });
        return;
      }
      if (found.metadata?.labels?.['app.kubernetes.io/managed-by'] !== 'kqueen') break;
      const has = Number(found.metadata.annotations?.[versionMark] ?? 0);
      if (has > version || (has === version && isDeepStrictEqual(found.rules, rules))) return;
      const resourceVersion = found.metadata.resourceVersion;
      await talk.raw({
        method: 'PUT',
        path: `${path}/${name}`,
        body: { ...body, metadata: { ...metadata, resourceVersion } },
      });
      return;
    } catch (thrown) {
      if (!(thrown instanceof Fault && thrown.kind === 'conflict' && attempt < 3)) throw thrown;
    }
  }
  throw new Fault(
    'conflict',
    `The cluster has a ClusterRole ${name} that KQueen did not make, so access is not given by it.`,
    {
      next: `An admin of the cluster renames or removes the ClusterRole ${name}.`,
    },
  );
}

async function readRole(talk: Talk, path: string): Promise<Found | undefined> {
  try {
    return (await talk.raw({ method: 'GET', path })) as Found;
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.kind === 'not-found') return undefined;
    throw thrown;
  }
}
