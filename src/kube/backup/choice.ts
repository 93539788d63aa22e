/** Which resources a backup takes, in the order in which a restore makes them, and why it leaves the others. */
import { resourceName, type Served } from './discovery.ts';

/** What is left out, and why, in words that follow its name. */
export interface Left {
  what: string;
  why: string;
}

export interface Choice {
  /** In the order of a restore. */
  taken: Served[];
  left: Left[];
}

/** Kinds of Kubernetes itself that are written by the cluster, again and again, from others. */
const made: Record<string, string> = {
  endpoints: 'made from Services',
  'endpointslices.discovery.k8s.io': 'made from Services',
  events: 'they tell what happened there',
  'events.events.k8s.io': 'they tell what happened there',
  'leases.coordination.k8s.io': 'held by what runs there',
  'leasecandidates.coordination.k8s.io': 'held by what runs there',
  'controllerrevisions.apps': 'made by StatefulSets and DaemonSets',
  'csistoragecapacities.storage.k8s.io': 'told by the drivers of volumes',
  nodes: 'they are the cluster itself',
  'csinodes.storage.k8s.io': 'they are the cluster itself',
  componentstatuses: 'told by the cluster itself',
  'certificatesigningrequests.certificates.k8s.io': 'they are good for a moment only',
  'clustertrustbundles.certificates.k8s.io': 'they are the trust of that cluster alone',
  'podcertificaterequests.certificates.k8s.io': 'they are good for a moment only',
  'apiservices.apiregistration.k8s.io': 'made from the kinds that are served',
  'flowschemas.flowcontrol.apiserver.k8s.io': 'they are set by whoever runs the API server',
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': 'they are set by whoever runs the API server',
  'volumeattachments.storage.k8s.io': 'they tie volumes to nodes of that cluster',
  'csidrivers.storage.k8s.io': 'they come with the drivers of volumes',
  'ipaddresses.networking.k8s.io': 'made from Services',
  'servicecidrs.networking.k8s.io': 'they are the network of that cluster',
  'resourceslices.resource.k8s.io': 'told by the drivers of devices',
  'storageversions.internal.apiserver.k8s.io': 'told by the API server',
  'storageversionmigrations.storagemigration.k8s.io': 'they are orders to that API server',
  'volumesnapshots.snapshot.storage.k8s.io':
    'they are of the volumes of that cluster; those of this backup are listed in it',
  'volumesnapshotcontents.snapshot.storage.k8s.io': 'they are of the volumes of that cluster',
};

/** Cluster-scoped kinds of Kubernetes itself that are taken; all others of its own are left. */
const clusterWide = [
  'namespaces',
  'customresourcedefinitions.apiextensions.k8s.io',
  'priorityclasses.scheduling.k8s.io',
  'runtimeclasses.node.k8s.io',
  'storageclasses.storage.k8s.io',
  'volumeattributesclasses.storage.k8s.io',
  'ingressclasses.networking.k8s.io',
  'deviceclasses.resource.k8s.io',
  'clusterroles.rbac.authorization.k8s.io',
  'clusterrolebindings.rbac.authorization.k8s.io',
  'persistentvolumes',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingadmissionpolicies.admissionregistration.k8s.io',
  'validatingadmissionpolicybindings.admissionregistration.k8s.io',
  'mutatingadmissionpolicies.admissionregistration.k8s.io',
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io',
];

/** Groups of Kubernetes' own API server; other groups are of definitions, or of API servers of their own. */
const ownGroups = [
  ...['', 'apps', 'batch', 'autoscaling', 'policy', 'extensions', 'rbac.authorization.k8s.io', 'networking.k8s.io'],
  ...['storage.k8s.io', 'scheduling.k8s.io', 'node.k8s.io', 'admissionregistration.k8s.io', 'apiextensions.k8s.io'],
  ...['apiregistration.k8s.io', 'authentication.k8s.io', 'authorization.k8s.io', 'certificates.k8s.io'],
  ...['coordination.k8s.io', 'discovery.k8s.io', 'events.k8s.io', 'flowcontrol.apiserver.k8s.io', 'resource.k8s.io'],
  ...['internal.apiserver.k8s.io', 'storagemigration.k8s.io'],
];

/** What others need comes first; webhooks come last, since from then on they are asked about everything. */
const first = [
  ...['customresourcedefinitions.apiextensions.k8s.io', 'namespaces', 'priorityclasses.scheduling.k8s.io'],
  ...['runtimeclasses.node.k8s.io', 'storageclasses.storage.k8s.io', 'volumeattributesclasses.storage.k8s.io'],
  ...['volumesnapshotclasses.snapshot.storage.k8s.io', 'ingressclasses.networking.k8s.io'],
  ...['clusterroles.rbac.authorization.k8s.io', 'clusterrolebindings.rbac.authorization.k8s.io', 'serviceaccounts'],
  ...['roles.rbac.authorization.k8s.io', 'rolebindings.rbac.authorization.k8s.io'],
  ...['limitranges', 'secrets', 'configmaps', 'networkpolicies.networking.k8s.io'],
  ...['persistentvolumes', 'persistentvolumeclaims', 'podtemplates', 'pods', 'replicasets.apps', 'deployments.apps'],
  ...['statefulsets.apps', 'daemonsets.apps', 'replicationcontrollers', 'jobs.batch', 'cronjobs.batch'],
  ...['horizontalpodautoscalers.autoscaling', 'poddisruptionbudgets.policy', 'services'],
  ...['ingresses.networking.k8s.io', 'resourcequotas'],
];

const last = 'admissionregistration.k8s.io';

function rank(served: Served): number {
  const at = first.indexOf(resourceName(served));
  if (at >= 0) return at;
  if (served.group === last) return served.plural.endsWith('bindings') ? 2_001 : 2_000;
  // Custom ones after what runs their controllers.
  return ownGroups.includes(served.group) ? 500 : served.namespaced ? 1_001 : 1_000;
}

/** Chooses among what a cluster serves. `defined` are the names of its definitions; undefined when they cannot be read. */
export function choose(resources: readonly Served[], defined: ReadonlySet<string> | undefined): Choice {
  const taken: Served[] = [];
  const left: Left[] = [];
  for (const served of resources) {
    const what = resourceName(served);
    const own = ownGroups.includes(served.group);
    const why = Object.hasOwn(made, what) ? made[what] : undefined;
    if (why !== undefined) left.push({ what, why });
    else if (own && !served.namespaced && !clusterWide.includes(what))
      left.push({ what, why: 'they belong to that cluster alone' });
    else if (!own && (defined ? !defined.has(what) : /(^|\.)metrics\.k8s\.io$/.test(served.group)))
      left.push({ what, why: 'served by an API server of its own, which keeps them' });
    else taken.push(served);
  }
  const order = (a: Served, b: Served) => rank(a) - rank(b) || (resourceName(a) < resourceName(b) ? -1 : 1);
  return { taken: taken.sort(order), left };
}
