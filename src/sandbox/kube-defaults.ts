import { isIP } from 'node:net';
import {
  copyOf,
  isObject,
  type Json,
  type JsonObject,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  sameJson,
  textAt,
  textsAt,
} from './json.ts';
import { groupCauses, setGroupDefaults, setGroupInitial } from './kube-defaults-groups.ts';
import { isQuantity } from './kube-quantities.ts';
import { type Resource, resourceKey } from './kube-registry.ts';
import { matchesLabels } from './kube-selectors.ts';
import type { Cause } from './kube-status.ts';

/** A DNS label (RFC 1123), as names of namespaces and services are. */
export const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Sets members that are absent. */
function fill(target: JsonObject, defaults: JsonObject): JsonObject {
  for (const [key, value] of Object.entries(defaults)) {
    if (target[key] === undefined || target[key] === null) target[key] = value;
  }
  return target;
}

function child(target: JsonObject, name: string): JsonObject {
  const found = target[name];
  if (isObject(found)) return found;
  const made: JsonObject = {};
  target[name] = made;
  return made;
}

function defaultPodSpec(spec: JsonObject): void {
  fill(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
  });
  const { serviceAccountName, serviceAccount } = spec;
  if (serviceAccountName !== undefined) spec.serviceAccount = serviceAccountName;
  else if (serviceAccount !== undefined) spec.serviceAccountName = serviceAccount;
  for (const list of ['containers', 'initContainers']) {
    for (const container of objectsAt(spec, list)) {
      const image = textAt(container, 'image') ?? '';
      const tag = /:([^/:]+)$/.exec(image)?.[1];
      const pinned = image.includes('@') || (tag !== undefined && tag !== 'latest');
      fill(container, {
        imagePullPolicy: pinned ? 'IfNotPresent' : 'Always',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        resources: {},
      });
      const resources = child(container, 'resources');
      if (isObject(resources.limits)) fill(child(resources, 'requests'), copyOf(resources.limits));
      for (const port of objectsAt(container, 'ports')) fill(port, { protocol: 'TCP' });
    }
  }
}

/** Fills what the API server fills on every write. The object is changed in place. */
export function setDefaults(resource: Resource, object: JsonObject): void {
  switch (resourceKey(resource)) {
    case 'pods': {
      const own = child(object, 'spec');
      fill(own, {
        serviceAccountName: 'default',
        enableServiceLinks: true,
        preemptionPolicy: 'PreemptLowerPriority',
        priority: 0,
      });
      defaultPodSpec(own);
      return;
    }
    case 'deployments.apps': {
      const own = child(object, 'spec');
      fill(own, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
      const strategy = child(own, 'strategy');
      fill(strategy, { type: 'RollingUpdate' });
      if (strategy.type === 'RollingUpdate')
        fill(child(strategy, 'rollingUpdate'), { maxUnavailable: '25%', maxSurge: '25%' });
      else delete strategy.rollingUpdate;
      defaultTemplate(own);
      return;
    }
    case 'replicasets.apps': {
      const own = child(object, 'spec');
      fill(own, { replicas: 1 });
      defaultTemplate(own);
      return;
    }
    case 'services': {
      const own = child(object, 'spec');
      fill(own, { type: 'ClusterIP', sessionAffinity: 'None', internalTrafficPolicy: 'Cluster' });
      if (own.type !== 'ExternalName') fill(own, { ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' });
      for (const port of objectsAt(own, 'ports')) fill(port, { protocol: 'TCP', targetPort: port.port });
      return;
    }
    case 'secrets': {
      fill(object, { type: 'Opaque' });
      const plain = textsAt(object, 'stringData');
      const data = Object.entries(plain).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
      if (data.length > 0) object.data = { ...objectAt(object, 'data'), ...Object.fromEntries(data) };
      delete object.stringData;
      return;
    }
    case 'namespaces': {
      const metadata = child(object, 'metadata');
      child(metadata, 'labels')['kubernetes.io/metadata.name'] = metadata.name;
      return;
    }
    case 'endpointslices.discovery.k8s.io':
      // Clients follow these without looking whether they are there.
      for (const port of objectsAt(object, 'ports')) fill(port, { name: '', protocol: 'TCP' });
      return;
    case 'persistentvolumeclaims':
      fill(child(object, 'spec'), { volumeMode: 'Filesystem' });
      return;
    default:
      setGroupDefaults(resource, object, defaultTemplate);
  }
}

function defaultTemplate(spec: JsonObject): void {
  const template = spec.template;
  if (!isObject(template)) return;
  child(template, 'metadata');
  defaultPodSpec(child(template, 'spec'));
}

/** Fills what is set once, when an object is made. The object is changed in place. */
export function setInitial(
  resource: Resource,
  object: JsonObject,
  allocate: (kind: 'clusterIP' | 'nodePort') => Json,
): void {
  switch (resourceKey(resource)) {
    case 'namespaces':
      object.spec = { finalizers: ['kubernetes'] };
      object.status = { phase: 'Active' };
      return;
    case 'pods':
      object.status = { phase: 'Pending', qosClass: qualityOf(object) };
      return;
    case 'services': {
      const spec = child(object, 'spec');
      if (spec.type === 'ExternalName') return;
      if (spec.clusterIP === undefined) spec.clusterIP = allocate('clusterIP');
      spec.clusterIPs = [spec.clusterIP ?? ''];
      if (spec.type !== 'ClusterIP') {
        for (const port of objectsAt(spec, 'ports')) port.nodePort ??= allocate('nodePort');
      }
      object.status = { loadBalancer: {} };
      return;
    }
    case 'deployments.apps':
      object.status = {};
      return;
    case 'replicasets.apps':
      object.status = { replicas: 0 };
      return;
    case 'persistentvolumeclaims':
    case 'persistentvolumes':
      object.status = { phase: 'Pending' };
      return;
    default:
      setGroupInitial(resource, object);
  }
}

function qualityOf(pod: JsonObject): string {
  const resources = objectsAt(pod, 'spec', 'containers').map((container) => objectAt(container, 'resources'));
  const counts = resources.map((entry) => ({
    requests: objectAt(entry, 'requests'),
    limits: objectAt(entry, 'limits'),
  }));
  if (counts.every(({ requests, limits }) => Object.keys(requests).length + Object.keys(limits).length === 0))
    return 'BestEffort';
  const guaranteed = counts.every(({ requests, limits }) =>
    ['cpu', 'memory'].every((name) => limits[name] !== undefined && limits[name] === requests[name]),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function required(field: string): Cause {
  return { reason: 'FieldValueRequired', message: 'Required value', field };
}

function wrong(field: string, value: Json | undefined, why: string): Cause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field };
}

function podSpecCauses(spec: JsonObject, path: string): Cause[] {
  const containers = objectsAt(spec, 'containers');
  if (containers.length === 0) return [required(`${path}.containers`)];
  const causes: Cause[] = [];
  const seen = new Set<string>();
  for (const [index, container] of containers.entries()) {
    const at = `${path}.containers[${index}]`;
    const name = textAt(container, 'name') ?? '';
    if (name === '') causes.push(required(`${at}.name`));
    else if (!DNS_LABEL.test(name)) causes.push(wrong(`${at}.name`, name, 'a lowercase RFC 1123 label is wanted'));
    if (seen.has(name))
      causes.push({ reason: 'FieldValueDuplicate', message: `Duplicate value: "${name}"`, field: `${at}.name` });
    seen.add(name);
    if ((textAt(container, 'image') ?? '') === '') causes.push(required(`${at}.image`));
    for (const kind of ['requests', 'limits']) {
      for (const [resource, amount] of Object.entries(objectAt(container, 'resources', kind))) {
        if (!isQuantity(String(amount))) {
          causes.push(
            wrong(
              `${at}.resources.${kind}.${resource}`,
              amount,
              'quantities must match the regular expression of quantities',
            ),
          );
        }
      }
    }
  }
  return causes;
}

/** What is wrong with an object; empty when it may be stored. `old` is undefined for a new one. */
export function validate(resource: Resource, object: JsonObject, old: JsonObject | undefined): Cause[] {
  const causes: Cause[] = [];
  const name = textAt(object, 'metadata', 'name') ?? '';
  const plain = resource.group === 'rbac.authorization.k8s.io';
  const label = resource.plural === 'namespaces' || resource.plural === 'services';
  if (
    plain
      ? /[/%]/.test(name) || name === '.' || name === '..'
      : !(label ? DNS_LABEL : DNS_SUBDOMAIN).test(name) || name.length > 253
  ) {
    causes.push(
      wrong(
        'metadata.name',
        name,
        `a lowercase RFC 1123 ${label ? 'label' : 'subdomain'} must consist of lower case alphanumeric characters, '-'${label ? '' : " or '.'"}, and must start and end with an alphanumeric character`,
      ),
    );
  }
  for (const [key, value] of Object.entries(objectAt(object, 'metadata', 'labels'))) {
    if (typeof value !== 'string' || !/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/.test(value)) {
      causes.push(
        wrong('metadata.labels', value, `a valid label must be an alphanumeric text of at most 63 characters (${key})`),
      );
    }
  }
  const spec = objectAt(object, 'spec');
  switch (resourceKey(resource)) {
    case 'pods':
      causes.push(...podSpecCauses(spec, 'spec'), ...fixedPod(spec, old));
      break;
    case 'deployments.apps':
    case 'replicasets.apps':
      causes.push(...workloadCauses(spec, old));
      break;
    case 'services':
      causes.push(...serviceCauses(spec, old));
      break;
    case 'rolebindings.rbac.authorization.k8s.io':
    case 'clusterrolebindings.rbac.authorization.k8s.io':
      if (textAt(object, 'roleRef', 'name') === undefined) causes.push(required('roleRef.name'));
      else if (
        old !== undefined &&
        JSON.stringify(objectAt(old, 'roleRef').name) !== JSON.stringify(objectAt(object, 'roleRef').name)
      ) {
        causes.push(wrong('roleRef', object.roleRef, 'cannot change roleRef'));
      }
      break;
    default:
      causes.push(...groupCauses(resource, object, old, podSpecCauses));
  }
  return causes;
}

/** What of a pod's spec may change: images, and tolerations that are added. */
function fixedPod(spec: JsonObject, old: JsonObject | undefined): Cause[] {
  if (old === undefined) return [];
  const rest = (from: JsonObject): JsonObject => {
    const { tolerations: _, activeDeadlineSeconds: __, terminationGracePeriodSeconds: ___, ...other } = from;
    const plain = (list: string): JsonObject[] =>
      objectsAt(other, list).map((container) => ({ ...container, image: '', imagePullPolicy: '' }));
    return { ...other, containers: plain('containers'), initContainers: plain('initContainers') };
  };
  if (sameJson(rest(spec), rest(objectAt(old, 'spec')))) return [];
  const message =
    'Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';
  return [{ reason: 'FieldValueForbidden', message, field: 'spec' }];
}

function workloadCauses(spec: JsonObject, old: JsonObject | undefined): Cause[] {
  const causes: Cause[] = [];
  const selector = objectAt(spec, 'selector');
  const labels = textsAt(spec, 'template', 'metadata', 'labels');
  const replicas = numberAt(spec, 'replicas');
  if (replicas === undefined || !Number.isInteger(replicas) || replicas < 0) {
    causes.push(wrong('spec.replicas', spec.replicas, 'must be greater than or equal to 0'));
  }
  if (Object.keys(selector).length === 0) causes.push(required('spec.selector'));
  else if (!matchesLabels(selector, labels)) {
    causes.push(wrong('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
  if (old !== undefined && JSON.stringify(objectAt(old, 'spec', 'selector')) !== JSON.stringify(selector)) {
    causes.push(wrong('spec.selector', selector, 'field is immutable'));
  }
  return [...causes, ...podSpecCauses(objectAt(spec, 'template', 'spec'), 'spec.template.spec')];
}

function serviceCauses(spec: JsonObject, old: JsonObject | undefined): Cause[] {
  const causes: Cause[] = [];
  if (!['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'].includes(textAt(spec, 'type') ?? '')) {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(spec.type)}`,
      field: 'spec.type',
    });
  }
  const address = textAt(spec, 'clusterIP') ?? '';
  if (address !== '' && address !== 'None' && isIP(address) === 0) {
    causes.push(wrong('spec.clusterIP', address, 'must be empty, "None" or a valid IP address'));
  }
  const before = textAt(old, 'spec', 'clusterIP');
  if (before !== undefined && before !== address) causes.push(wrong('spec.clusterIP', address, 'field is immutable'));
  if (listAt(spec, 'ports').length === 0 && address !== 'None' && spec.type !== 'ExternalName')
    causes.push(required('spec.ports'));
  for (const [index, port] of objectsAt(spec, 'ports').entries()) {
    const number = numberAt(port, 'port');
    if (number === undefined || number < 1 || number > 65535) {
      causes.push(wrong(`spec.ports[${index}].port`, port.port, 'must be between 1 and 65535, inclusive'));
    }
  }
  return causes;
}
