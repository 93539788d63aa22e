import { type JsonObject, listAt, numberAt, objectAt, objectsAt, textAt, textsAt, valueAt } from './json.ts';
import { AGE, ageOf, type Column, column, NAME, orNone } from './kube-columns.ts';
import { GROUP_COLUMNS } from './kube-columns-groups.ts';
import { isNewEvent, newEvent } from './kube-events.ts';
import { apiVersionOf, type Resource, resourceKey } from './kube-registry.ts';

function pairs(labels: Record<string, string>): string {
  return orNone(
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
  );
}

/** The images or names of a pod template's containers, or of a pod's. */
function containers(object: JsonObject, member: string): string {
  const spec = objectAt(object, 'spec', 'template', 'spec');
  const from = Object.keys(spec).length > 0 ? spec : objectAt(object, 'spec');
  return objectsAt(from, 'containers')
    .map((container) => textAt(container, member) ?? '')
    .join(',');
}

function nodeStatus(node: JsonObject): string {
  const ready = objectsAt(node, 'status', 'conditions').find((condition) => condition.type === 'Ready');
  const status = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return objectAt(node, 'spec').unschedulable === true ? `${status},SchedulingDisabled` : status;
}

function nodeRoles(node: JsonObject): string {
  const prefix = 'node-role.kubernetes.io/';
  const roles = Object.keys(textsAt(node, 'metadata', 'labels')).filter((key) => key.startsWith(prefix));
  return orNone(roles.map((role) => role.slice(prefix.length)).join(','));
}

function nodeAddress(node: JsonObject, type: string): string {
  return orNone(
    textAt(
      objectsAt(node, 'status', 'addresses').find((address) => address.type === type),
      'address',
    ),
  );
}

/** The state of a pod in one word, as `kubectl get pods` shows it. */
function podState(pod: JsonObject): string {
  let state = textAt(pod, 'status', 'reason') ?? textAt(pod, 'status', 'phase') ?? 'Unknown';
  for (const container of objectsAt(pod, 'status', 'containerStatuses')) {
    state =
      textAt(container, 'state', 'waiting', 'reason') ?? textAt(container, 'state', 'terminated', 'reason') ?? state;
  }
  return textAt(pod, 'metadata', 'deletionTimestamp') === undefined ? state : 'Terminating';
}

function servicePorts(service: JsonObject): string {
  return orNone(
    objectsAt(service, 'spec', 'ports')
      .map((port) => {
        const outside = numberAt(port, 'nodePort');
        return `${port.port}${outside === undefined ? '' : `:${outside}`}/${port.protocol}`;
      })
      .join(','),
  );
}

function externalAddress(service: JsonObject): string {
  if (textAt(service, 'spec', 'type') === 'ExternalName') return textAt(service, 'spec', 'externalName') ?? '';
  const given = objectsAt(service, 'status', 'loadBalancer', 'ingress').map((entry) => textAt(entry, 'ip') ?? '');
  if (given.length > 0) return given.join(',');
  return textAt(service, 'spec', 'type') === 'LoadBalancer' ? '<pending>' : '<none>';
}

const COLUMNS: Record<string, readonly Column[]> = {
  nodes: [
    NAME,
    column('Status', nodeStatus),
    column('Roles', nodeRoles),
    AGE,
    column('Version', (node) => textAt(node, 'status', 'nodeInfo', 'kubeletVersion') ?? ''),
    column('Internal-IP', (node) => nodeAddress(node, 'InternalIP'), 1),
    column('External-IP', (node) => nodeAddress(node, 'ExternalIP'), 1),
    column('OS-Image', (node) => textAt(node, 'status', 'nodeInfo', 'osImage') ?? '<unknown>', 1),
    column('Kernel-Version', (node) => textAt(node, 'status', 'nodeInfo', 'kernelVersion') ?? '<unknown>', 1),
    column(
      'Container-Runtime',
      (node) => textAt(node, 'status', 'nodeInfo', 'containerRuntimeVersion') ?? '<unknown>',
      1,
    ),
  ],
  namespaces: [NAME, column('Status', (object) => textAt(object, 'status', 'phase') ?? ''), AGE],
  pods: [
    NAME,
    column('Ready', (pod) => {
      const ready = objectsAt(pod, 'status', 'containerStatuses').filter((container) => container.ready === true);
      return `${ready.length}/${listAt(pod, 'spec', 'containers').length}`;
    }),
    column('Status', podState),
    column('Restarts', (pod) =>
      String(
        objectsAt(pod, 'status', 'containerStatuses').reduce(
          (sum, entry) => sum + (numberAt(entry, 'restartCount') ?? 0),
          0,
        ),
      ),
    ),
    AGE,
    column('IP', (pod) => orNone(textAt(pod, 'status', 'podIP')), 1),
    column('Node', (pod) => orNone(textAt(pod, 'spec', 'nodeName')), 1),
    column('Nominated Node', () => '<none>', 1),
    column('Readiness Gates', () => '<none>', 1),
  ],
  'deployments.apps': [
    NAME,
    column(
      'Ready',
      (object) => `${numberAt(object, 'status', 'readyReplicas') ?? 0}/${numberAt(object, 'spec', 'replicas') ?? 0}`,
    ),
    column('Up-to-date', (object) => numberAt(object, 'status', 'updatedReplicas') ?? 0, 0, 'integer'),
    column('Available', (object) => numberAt(object, 'status', 'availableReplicas') ?? 0, 0, 'integer'),
    AGE,
    column('Containers', (object) => containers(object, 'name'), 1),
    column('Images', (object) => containers(object, 'image'), 1),
    column('Selector', (object) => pairs(textsAt(object, 'spec', 'selector', 'matchLabels')), 1),
  ],
  'replicasets.apps': [
    NAME,
    column('Desired', (object) => numberAt(object, 'spec', 'replicas') ?? 0, 0, 'integer'),
    column('Current', (object) => numberAt(object, 'status', 'replicas') ?? 0, 0, 'integer'),
    column('Ready', (object) => numberAt(object, 'status', 'readyReplicas') ?? 0, 0, 'integer'),
    AGE,
    column('Containers', (object) => containers(object, 'name'), 1),
    column('Images', (object) => containers(object, 'image'), 1),
    column('Selector', (object) => pairs(textsAt(object, 'spec', 'selector', 'matchLabels')), 1),
  ],
  services: [
    NAME,
    column('Type', (object) => textAt(object, 'spec', 'type') ?? ''),
    column('Cluster-IP', (object) => orNone(textAt(object, 'spec', 'clusterIP'))),
    column('External-IP', externalAddress),
    column('Port(s)', servicePorts),
    AGE,
    column('Selector', (object) => pairs(textsAt(object, 'spec', 'selector')), 1),
  ],
  endpoints: [
    NAME,
    column('Endpoints', (object) =>
      orNone(
        objectsAt(object, 'subsets')
          .flatMap((subset) =>
            objectsAt(subset, 'addresses').flatMap((address) =>
              objectsAt(subset, 'ports').map((port) => `${address.ip}:${port.port}`),
            ),
          )
          .join(','),
      ),
    ),
    AGE,
  ],
  events: [
    column('Last Seen', (event) =>
      ageOf(textAt(event, 'lastTimestamp') ?? textAt(event, 'metadata', 'creationTimestamp')),
    ),
    column('Type', (event) => textAt(event, 'type') ?? ''),
    column('Reason', (event) => textAt(event, 'reason') ?? ''),
    column('Object', (event) => {
      const about = objectAt(event, 'involvedObject');
      return `${(textAt(about, 'kind') ?? '').toLowerCase()}/${textAt(about, 'name') ?? ''}`;
    }),
    column('Subobject', (event) => textAt(event, 'involvedObject', 'fieldPath') ?? '', 1),
    column('Source', (event) => textAt(event, 'source', 'component') ?? '', 1),
    column('Message', (event) => (textAt(event, 'message') ?? '').trim()),
    column('Count', (event) => numberAt(event, 'count') ?? 1, 1, 'integer'),
    column('Name', (event) => textAt(event, 'metadata', 'name') ?? '', 1),
  ],
  configmaps: [NAME, column('Data', (object) => Object.keys(objectAt(object, 'data')).length, 0, 'integer'), AGE],
  secrets: [
    NAME,
    column('Type', (object) => textAt(object, 'type') ?? ''),
    column('Data', (object) => Object.keys(objectAt(object, 'data')).length, 0, 'integer'),
    AGE,
  ],
  serviceaccounts: [NAME, column('Secrets', (object) => listAt(object, 'secrets').length, 0, 'integer'), AGE],
  'leases.coordination.k8s.io': [
    NAME,
    column('Holder', (object) => textAt(object, 'spec', 'holderIdentity') ?? ''),
    AGE,
  ],
  'poddisruptionbudgets.policy': [
    NAME,
    column('Min Available', (object) => String(objectAt(object, 'spec').minAvailable ?? 'N/A')),
    column('Max Unavailable', (object) => String(objectAt(object, 'spec').maxUnavailable ?? 'N/A')),
    column('Allowed Disruptions', (object) => numberAt(object, 'status', 'disruptionsAllowed') ?? 0, 0, 'integer'),
    AGE,
  ],
  'rolebindings.rbac.authorization.k8s.io': [NAME, column('Role', roleOf), AGE],
  'clusterrolebindings.rbac.authorization.k8s.io': [NAME, column('Role', roleOf), AGE],
  persistentvolumeclaims: [
    NAME,
    column('Status', (object) => textAt(object, 'status', 'phase') ?? ''),
    column('Volume', (object) => textAt(object, 'spec', 'volumeName') ?? ''),
    column('Capacity', (object) => textAt(object, 'status', 'capacity', 'storage') ?? ''),
    column('Access Modes', (object) => listAt(object, 'spec', 'accessModes').join(',')),
    column('StorageClass', (object) => textAt(object, 'spec', 'storageClassName') ?? ''),
    AGE,
  ],
};

function roleOf(binding: JsonObject): string {
  return `${textAt(binding, 'roleRef', 'kind') ?? ''}/${textAt(binding, 'roleRef', 'name') ?? ''}`;
}

/** A column that a definition asks for; its path is of the simple form `.spec.replicas`. */
function printedColumn(entry: JsonObject): Column {
  const path = (textAt(entry, 'jsonPath') ?? '').split('.').filter((part) => part !== '');
  const date = textAt(entry, 'type') === 'date';
  return column(
    textAt(entry, 'name') ?? '',
    (object) => {
      const value = valueAt(object, ...path);
      if (date) return ageOf(typeof value === 'string' ? value : undefined);
      return value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : value;
    },
    numberAt(entry, 'priority') ?? 0,
    textAt(entry, 'type') === 'integer' ? 'integer' : 'string',
  );
}

function columnsOf(resource: Resource): readonly Column[] {
  const known = COLUMNS[resourceKey(resource)] ?? GROUP_COLUMNS[resourceKey(resource)];
  if (known !== undefined) return known;
  const printed = resource.definition?.columns ?? [];
  return printed.length === 0 ? [NAME, AGE] : [NAME, ...printed.map(printedColumn)];
}

/** How a reader wants objects: whole, as metadata only, or as rows of a table. */
export type Form = { as: 'object' | 'metadata' | 'table'; apiVersion: string; include: string };

/** The form that an Accept header and the query ask for. */
export function formOf(accept: string, includeObject: string | null): Form {
  for (const offer of accept.split(',')) {
    const as = /;\s*as=(\w+)/.exec(offer)?.[1];
    const version = /;\s*v=(\w+)/.exec(offer)?.[1] ?? 'v1';
    const apiVersion = `meta.k8s.io/${version}`;
    if (!offer.trim().startsWith('application/json') && !offer.trim().startsWith('*/*')) continue;
    if (as === 'Table') return { as: 'table', apiVersion, include: includeObject ?? 'Metadata' };
    if (as?.startsWith('PartialObjectMetadata')) return { as: 'metadata', apiVersion, include: '' };
    if (as === undefined) return { as: 'object', apiVersion: '', include: '' };
  }
  return { as: 'object', apiVersion: '', include: '' };
}

function partial(object: JsonObject, apiVersion: string): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion, metadata: objectAt(object, 'metadata') };
}

/** A custom object in the version that is asked for; without conversion versions differ by their name alone. */
function inVersion(resource: Resource, object: JsonObject): JsonObject {
  if (isNewEvent(resource)) return newEvent(object);
  if (resource.schema === undefined) return object;
  const apiVersion = apiVersionOf(resource);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}

/** One object in the asked form. */
export function shapeOne(resource: Resource, object: JsonObject, form: Form, withColumns = true): JsonObject {
  if (form.as === 'object') return inVersion(resource, object);
  if (form.as === 'metadata') return partial(object, form.apiVersion);
  return table(
    resource,
    [object],
    form,
    { resourceVersion: textAt(object, 'metadata', 'resourceVersion') ?? '' },
    withColumns,
  );
}

/** A list in the asked form. */
export function shapeList(
  resource: Resource,
  objects: readonly JsonObject[],
  form: Form,
  metadata: JsonObject,
): JsonObject {
  if (form.as === 'table') return table(resource, objects, form, metadata, true);
  if (form.as === 'metadata') {
    const items = objects.map((object) => partial(object, form.apiVersion));
    return { kind: 'PartialObjectMetadataList', apiVersion: form.apiVersion, metadata, items };
  }
  const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
  return {
    kind: `${resource.kind}List`,
    apiVersion,
    metadata,
    items: objects.map((object) => inVersion(resource, object)),
  };
}

function table(
  resource: Resource,
  objects: readonly JsonObject[],
  form: Form,
  metadata: JsonObject,
  withColumns: boolean,
): JsonObject {
  const columns = columnsOf(resource);
  return {
    kind: 'Table',
    apiVersion: form.apiVersion,
    metadata,
    columnDefinitions: withColumns
      ? columns.map(({ name, type, priority }) => ({
          name,
          type,
          format: name === 'Name' ? 'name' : '',
          description: name,
          priority,
        }))
      : [],
    rows: objects.map((object) => ({
      cells: columns.map(({ cell }) => cell(object)),
      ...(form.include === 'None'
        ? {}
        : { object: form.include === 'Object' ? object : partial(object, form.apiVersion) }),
    })),
  };
}
