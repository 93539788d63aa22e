import { type JsonObject, listAt, numberAt, objectAt, objectsAt, textAt, textsAt } from './json.ts';
import { AGE, ageOf, type Column, column, NAME, orNone } from './kube-columns.ts';

function count(name: string, ...path: string[]): Column {
  return column(name, (object) => numberAt(object, ...path) ?? 0, 0, 'integer');
}

function text(name: string, ...path: string[]): Column {
  return column(name, (object) => textAt(object, ...path) ?? '');
}

function addresses(ingress: JsonObject): string {
  return objectsAt(ingress, 'status', 'loadBalancer', 'ingress')
    .map((entry) => textAt(entry, 'ip') ?? textAt(entry, 'hostname') ?? '')
    .join(',');
}

function jobState(job: JsonObject): string {
  const holds = (type: string): boolean =>
    objectsAt(job, 'status', 'conditions').some((entry) => entry.type === type && entry.status === 'True');
  if (holds('Complete')) return 'Complete';
  if (holds('Failed')) return 'Failed';
  return objectAt(job, 'spec').suspend === true ? 'Suspended' : 'Running';
}

function quota(object: JsonObject): string {
  const used = textsAt(object, 'status', 'used');
  return Object.entries(textsAt(object, 'status', 'hard'))
    .map(([name, hard]) => `${name}: ${used[name] ?? '0'}/${hard}`)
    .join(', ');
}

/** The columns of the kinds outside the core, as the API server prints them. */
export const GROUP_COLUMNS: Record<string, readonly Column[]> = {
  'statefulsets.apps': [
    NAME,
    column(
      'Ready',
      (object) => `${numberAt(object, 'status', 'readyReplicas') ?? 0}/${numberAt(object, 'spec', 'replicas') ?? 0}`,
    ),
    AGE,
  ],
  'daemonsets.apps': [
    NAME,
    count('Desired', 'status', 'desiredNumberScheduled'),
    count('Current', 'status', 'currentNumberScheduled'),
    count('Ready', 'status', 'numberReady'),
    count('Up-to-date', 'status', 'updatedNumberScheduled'),
    count('Available', 'status', 'numberAvailable'),
    column('Node Selector', (object) =>
      orNone(
        Object.entries(textsAt(object, 'spec', 'template', 'spec', 'nodeSelector'))
          .map(([key, value]) => `${key}=${value}`)
          .join(','),
      ),
    ),
    AGE,
  ],
  'jobs.batch': [
    NAME,
    column('Status', jobState),
    column(
      'Completions',
      (job) => `${numberAt(job, 'status', 'succeeded') ?? 0}/${numberAt(job, 'spec', 'completions') ?? 1}`,
    ),
    column('Duration', (job) => {
      const start = textAt(job, 'status', 'startTime');
      const end = textAt(job, 'status', 'completionTime');
      return start === undefined ? '' : ageOf(start, end === undefined ? Date.now() : Date.parse(end));
    }),
    AGE,
  ],
  'cronjobs.batch': [
    NAME,
    text('Schedule', 'spec', 'schedule'),
    column('Timezone', (object) => orNone(textAt(object, 'spec', 'timeZone'))),
    column('Suspend', (object) => (objectAt(object, 'spec').suspend === true ? 'True' : 'False')),
    column('Active', (object) => listAt(object, 'status', 'active').length, 0, 'integer'),
    column('Last Schedule', (object) => {
      const last = textAt(object, 'status', 'lastScheduleTime');
      return last === undefined ? '<none>' : ageOf(last);
    }),
    AGE,
  ],
  'horizontalpodautoscalers.autoscaling': [
    NAME,
    column('Reference', (object) => {
      const target = objectAt(object, 'spec', 'scaleTargetRef');
      return `${textAt(target, 'kind') ?? ''}/${textAt(target, 'name') ?? ''}`;
    }),
    column('Targets', (object) => {
      const metric = objectsAt(object, 'spec', 'metrics')[0];
      const now = objectsAt(object, 'status', 'currentMetrics')[0];
      const goal = numberAt(metric, 'resource', 'target', 'averageUtilization');
      const seen = numberAt(now, 'resource', 'current', 'averageUtilization');
      const name = textAt(metric, 'resource', 'name');
      return goal === undefined ? '<none>' : `${name}: ${seen === undefined ? '<unknown>' : `${seen}%`}/${goal}%`;
    }),
    column('MinPods', (object) => String(numberAt(object, 'spec', 'minReplicas') ?? '<unset>')),
    count('MaxPods', 'spec', 'maxReplicas'),
    count('Replicas', 'status', 'currentReplicas'),
    AGE,
  ],
  'ingresses.networking.k8s.io': [
    NAME,
    column('Class', (object) => orNone(textAt(object, 'spec', 'ingressClassName'))),
    column('Hosts', (object) => {
      const hosts = objectsAt(object, 'spec', 'rules').map((rule) => textAt(rule, 'host') ?? '*');
      return hosts.length === 0 ? '*' : hosts.join(',');
    }),
    column('Address', addresses),
    column('Ports', (object) => (objectsAt(object, 'spec', 'tls').length > 0 ? '80, 443' : '80')),
    AGE,
  ],
  'networkpolicies.networking.k8s.io': [
    NAME,
    column('Pod-Selector', (object) =>
      orNone(
        Object.entries(textsAt(object, 'spec', 'podSelector', 'matchLabels'))
          .map(([key, value]) => `${key}=${value}`)
          .join(','),
      ),
    ),
    AGE,
  ],
  'ingressclasses.networking.k8s.io': [NAME, text('Controller', 'spec', 'controller'), AGE],
  'storageclasses.storage.k8s.io': [
    column('Name', (object) => {
      const standard =
        textAt(object, 'metadata', 'annotations', 'storageclass.kubernetes.io/is-default-class') === 'true';
      return `${textAt(object, 'metadata', 'name') ?? ''}${standard ? ' (default)' : ''}`;
    }),
    text('Provisioner', 'provisioner'),
    text('ReclaimPolicy', 'reclaimPolicy'),
    text('VolumeBindingMode', 'volumeBindingMode'),
    column('AllowVolumeExpansion', (object) => String(object.allowVolumeExpansion === true)),
    AGE,
  ],
  'priorityclasses.scheduling.k8s.io': [
    NAME,
    count('Value', 'value'),
    column('Global-Default', (object) => String(object.globalDefault === true)),
    AGE,
  ],
  persistentvolumes: [
    NAME,
    text('Capacity', 'spec', 'capacity', 'storage'),
    column('Access Modes', (object) => listAt(object, 'spec', 'accessModes').join(',')),
    text('Reclaim Policy', 'spec', 'persistentVolumeReclaimPolicy'),
    text('Status', 'status', 'phase'),
    column('Claim', (object) => {
      const claim = objectAt(object, 'spec', 'claimRef');
      return claim.name === undefined ? '' : `${textAt(claim, 'namespace') ?? ''}/${textAt(claim, 'name') ?? ''}`;
    }),
    text('StorageClass', 'spec', 'storageClassName'),
    AGE,
  ],
  resourcequotas: [NAME, AGE, column('Request', quota)],
  'customresourcedefinitions.apiextensions.k8s.io': [
    NAME,
    column('Created At', (object) => textAt(object, 'metadata', 'creationTimestamp') ?? ''),
  ],
  'apiservices.apiregistration.k8s.io': [
    NAME,
    column('Service', (object) => {
      const service = objectAt(object, 'spec', 'service');
      return service.name === undefined
        ? 'Local'
        : `${textAt(service, 'namespace') ?? ''}/${textAt(service, 'name') ?? ''}`;
    }),
    column('Available', (object) =>
      objectsAt(object, 'status', 'conditions').some((entry) => entry.type === 'Available' && entry.status === 'True')
        ? 'True'
        : 'False',
    ),
    AGE,
  ],
};
