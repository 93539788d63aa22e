/** One object as a backup keeps it: without what its cluster has made of it; and which objects are not kept at all. */
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import { apiVersionOf, resourceName, type Served } from './discovery.ts';

/** The namespaces of a cluster's own parts: another cluster has its own of them. */
export const ownNamespaces = ['kube-system', 'kube-public', 'kube-node-lease'];

/** Marks what a restore has made, with the name of that restore: a repeat finds its own. */
export const restoredAnnotation = 'kqueen/restored-by';

/** Why an object is not kept, in words that follow "because"; null when it is. */
export function whyLeft(served: Served, object: JsonObject, namespaces: readonly string[]): string | null {
  const what = resourceName(served);
  const metadata = objectAt(object, 'metadata');
  const name = String(metadata.name ?? '');
  const namespace = String(metadata.namespace ?? '');
  const outside = outOfScope(served, object, namespaces);
  if (outside !== null) return outside;
  if (metadata.deletionTimestamp !== undefined) return 'they were being deleted';
  if (listAt(metadata, 'ownerReferences').some((each) => isObject(each) && each.controller === true))
    return 'a controller makes them from others';
  switch (what) {
    case 'configmaps':
      return name === 'kube-root-ca.crt' || name === 'openshift-service-ca.crt' ? 'every namespace gets its own' : null;
    case 'serviceaccounts':
      return name === 'default' ? 'every namespace gets its own' : null;
    case 'secrets': {
      const { type } = object;
      if (type === 'kubernetes.io/service-account-token') return 'they are tokens of that cluster';
      return type === 'bootstrap.kubernetes.io/token' ? 'they are tokens of that cluster' : null;
    }
    case 'pods':
    case 'jobs.batch': {
      const status = objectAt(object, 'status');
      const over =
        ['Succeeded', 'Failed'].includes(String(status.phase ?? '')) ||
        listAt(status, 'conditions').some(
          (each) => isObject(each) && each.status === 'True' && (each.type === 'Complete' || each.type === 'Failed'),
        );
      return over ? 'they have run to their end, and would run again' : null;
    }
    case 'clusterroles.rbac.authorization.k8s.io':
    case 'clusterrolebindings.rbac.authorization.k8s.io':
    case 'roles.rbac.authorization.k8s.io':
    case 'rolebindings.rbac.authorization.k8s.io': {
      const label = objectAt(metadata, 'labels')['kubernetes.io/bootstrapping'];
      return name.startsWith('system:') || label !== undefined ? 'every cluster has its own' : null;
    }
    case 'priorityclasses.scheduling.k8s.io':
      return name.startsWith('system-') ? 'every cluster has its own' : null;
    case 'namespaces':
      return namespaces.length === 0 && ownNamespaces.includes(name) ? 'they are of the cluster itself' : null;
    case 'services':
      return name === 'kubernetes' && namespace === 'default' ? 'every cluster has its own' : null;
    default:
      return null;
  }
}

/**
 * Whether an object belongs to what was asked for. With namespaces: these, what is in them, the volumes that they claim, and the definitions that custom
 * objects need; nothing else that is in no namespace.
 */
export function outOfScope(served: Served, object: JsonObject, namespaces: readonly string[]): string | null {
  const metadata = objectAt(object, 'metadata');
  if (served.namespaced) {
    const namespace = String(metadata.namespace ?? '');
    if (namespaces.length > 0) return namespaces.includes(namespace) ? null : 'other namespaces were not asked for';
    return ownNamespaces.includes(namespace) ? 'they are of the cluster itself' : null;
  }
  if (namespaces.length === 0) return null;
  const what = resourceName(served);
  if (what === 'customresourcedefinitions.apiextensions.k8s.io') return null;
  if (what === 'namespaces' && namespaces.includes(String(metadata.name ?? ''))) return null;
  const claim = objectAt(object, 'spec', 'claimRef').namespace;
  if (what === 'persistentvolumes' && typeof claim === 'string' && namespaces.includes(claim)) return null;
  return 'they are in no namespace, and only some were asked for';
}

/** Written by the server. */
const ofServer = [
  ...['managedFields', 'uid', 'resourceVersion', 'creationTimestamp', 'generation', 'selfLink', 'ownerReferences'],
  ...['deletionTimestamp', 'deletionGracePeriodSeconds'],
];

/** Written by controllers about that cluster. */
const ofControllers = [
  'deployment.kubernetes.io/revision',
  'pv.kubernetes.io/bind-completed',
  'pv.kubernetes.io/bound-by-controller',
  'volume.kubernetes.io/selected-node',
  'volume.beta.kubernetes.io/storage-provisioner',
  'volume.kubernetes.io/storage-provisioner',
  'control-plane.alpha.kubernetes.io/leader',
  'endpoints.kubernetes.io/last-change-trigger-time',
  restoredAnnotation,
];

/** The object as it is kept; the given one is not changed. Items of lists have no kind of their own: it is written into them. */
export function stripped(served: Served, object: JsonObject): JsonObject {
  const { status: _status, metadata: _metadata, apiVersion: _version, kind: _kind, ...rest } = object;
  const kept: JsonObject = {
    apiVersion: apiVersionOf(served),
    kind: served.kind,
    metadata: metadataOf(object),
    ...rest,
  };
  const spec = objectAt(kept, 'spec');
  switch (resourceName(served)) {
    case 'services':
      kept.spec = serviceOf(spec);
      break;
    case 'pods':
      kept.spec = podOf(spec);
      break;
    case 'jobs.batch':
      Object.assign(kept, jobOf(kept, spec));
      break;
    case 'namespaces':
      delete kept.spec;
      break;
    case 'persistentvolumes': {
      const { claimRef, ...others } = spec;
      const { namespace, name } = objectAt(claimRef);
      kept.spec = isObject(claimRef) ? { ...others, claimRef: { namespace, name } } : others;
      break;
    }
    case 'serviceaccounts':
      if (Array.isArray(kept.secrets))
        kept.secrets = withoutTokens(kept.secrets, String(objectAt(kept, 'metadata').name));
      if (listAt(kept, 'secrets').length === 0) delete kept.secrets;
      break;
  }
  return kept;
}

function metadataOf(object: JsonObject): JsonObject {
  const kept = Object.fromEntries(
    Object.entries(objectAt(object, 'metadata')).filter(([key]) => !ofServer.includes(key)),
  );
  const annotations = Object.entries(objectAt(kept, 'annotations')).filter(([key]) => !ofControllers.includes(key));
  if (annotations.length > 0) kept.annotations = Object.fromEntries(annotations);
  else delete kept.annotations;
  // Those of the cluster's own controllers are put there anew; others would keep the object from ever going.
  const finalizers = listAt(kept, 'finalizers').filter((each) => !String(each).startsWith('kubernetes.io/'));
  if (finalizers.length > 0) kept.finalizers = finalizers;
  else delete kept.finalizers;
  return kept;
}

/** Addresses and ports that the cluster has drawn are left out; `None` is no address but the wish for none. */
function serviceOf(spec: JsonObject): JsonObject {
  const { clusterIP, clusterIPs, healthCheckNodePort: _health, ports, ...rest } = spec;
  const kept: JsonObject = { ...rest };
  if (clusterIP === 'None') Object.assign(kept, { clusterIP, ...(clusterIPs === undefined ? {} : { clusterIPs }) });
  if (Array.isArray(ports)) {
    kept.ports = ports.map((port) => {
      if (!isObject(port)) return port;
      const { nodePort: _drawn, ...wanted } = port;
      return wanted;
    });
  }
  return kept;
}

const tokenMount = '/var/run/secrets/kubernetes.io/serviceaccount';

/** A pod without its node, its token and what admission has put into it. */
function podOf(spec: JsonObject): JsonObject {
  const { nodeName: _node, priority: _priority, preemptionPolicy: _preemption, ...rest } = spec;
  const kept: JsonObject = { ...rest };
  const volumes = listAt(spec, 'volumes').filter(
    (each) => !(isObject(each) && /^kube-api-access-[a-z0-9]{5}$/.test(String(each.name ?? ''))),
  );
  if (volumes.length > 0) kept.volumes = volumes;
  else delete kept.volumes;
  for (const part of ['containers', 'initContainers', 'ephemeralContainers']) {
    if (!Array.isArray(spec[part])) continue;
    kept[part] = listAt(spec, part).map((container) => {
      if (!isObject(container)) return container;
      const mounts = listAt(container, 'volumeMounts').filter(
        (each) => !(isObject(each) && each.mountPath === tokenMount),
      );
      const { volumeMounts: _all, ...others } = container;
      return mounts.length > 0 ? { ...others, volumeMounts: mounts } : others;
    });
  }
  // They are added later, to a pod that runs.
  delete kept.ephemeralContainers;
  const tolerations = listAt(spec, 'tolerations').filter(
    (each) =>
      !(
        isObject(each) &&
        /^node\.kubernetes\.io\/(not-ready|unreachable)$/.test(String(each.key ?? '')) &&
        each.tolerationSeconds === 300
      ),
  );
  if (tolerations.length > 0) kept.tolerations = tolerations;
  else delete kept.tolerations;
  return kept;
}

const drawnLabels = [
  'controller-uid',
  'batch.kubernetes.io/controller-uid',
  'job-name',
  'batch.kubernetes.io/job-name',
];

/** A Job without the selector that its cluster has drawn for it. */
function jobOf(job: JsonObject, spec: JsonObject): JsonObject {
  if (spec.manualSelector === true) return {};
  const { selector: _drawn, template, ...rest } = spec;
  const without = (metadata: JsonObject): JsonObject => {
    const { labels: _all, ...others } = metadata;
    const labels = Object.entries(objectAt(metadata, 'labels')).filter(([key]) => !drawnLabels.includes(key));
    return labels.length > 0 ? { ...others, labels: Object.fromEntries(labels) } : others;
  };
  const pods = objectAt(template);
  return {
    metadata: without(objectAt(job, 'metadata')),
    spec: { ...rest, template: { ...pods, metadata: without(objectAt(pods, 'metadata')) } },
  };
}

function withoutTokens(secrets: unknown[], account: string): unknown[] {
  return secrets.filter((each) => {
    const name = String(objectAt(each).name ?? '');
    return !(name.startsWith(`${account}-token-`) || name.startsWith(`${account}-dockercfg-`));
  });
}
