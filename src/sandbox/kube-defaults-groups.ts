import { isObject, type JsonObject, listAt, numberAt, objectAt, objectsAt, textAt, textsAt } from './json.ts';
import { defaultBySchema, defaultDefinition, definitionCauses, schemaCauses } from './kube-custom.ts';
import { type Resource, resourceKey } from './kube-registry.ts';
import { matchesLabels } from './kube-selectors.ts';
import type { Cause } from './kube-status.ts';

/** Members that are filled in when they are absent. */
function fill(target: JsonObject, defaults: JsonObject): void {
  for (const [key, value] of Object.entries(defaults)) {
    if (target[key] === undefined || target[key] === null) target[key] = value;
  }
}

function child(target: JsonObject, name: string): JsonObject {
  const found = target[name];
  if (isObject(found)) return found;
  const made: JsonObject = {};
  target[name] = made;
  return made;
}

function defaultWebhooks(object: JsonObject, mutating: boolean): void {
  for (const webhook of objectsAt(object, 'webhooks')) {
    fill(webhook, {
      failurePolicy: 'Fail',
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: {},
      timeoutSeconds: 10,
      ...(mutating ? { reinvocationPolicy: 'Never' } : {}),
    });
    for (const rule of objectsAt(webhook, 'rules')) fill(rule, { scope: '*' });
  }
}

function defaultJob(spec: JsonObject): void {
  if (spec.completions === undefined && spec.parallelism === undefined) fill(spec, { completions: 1, parallelism: 1 });
  fill(spec, { parallelism: 1, backoffLimit: 6, completionMode: 'NonIndexed', suspend: false });
}

/**
 * Fills what the API server fills for the kinds outside the core on every write; `template` fills a pod template. The
 * object is changed in place.
 */
export function setGroupDefaults(resource: Resource, object: JsonObject, template: (spec: JsonObject) => void): void {
  switch (resourceKey(resource)) {
    case 'statefulsets.apps': {
      const spec = child(object, 'spec');
      fill(spec, { replicas: 1, revisionHistoryLimit: 10, podManagementPolicy: 'OrderedReady' });
      const strategy = child(spec, 'updateStrategy');
      fill(strategy, { type: 'RollingUpdate' });
      if (strategy.type === 'RollingUpdate') fill(child(strategy, 'rollingUpdate'), { partition: 0 });
      fill(child(spec, 'persistentVolumeClaimRetentionPolicy'), { whenDeleted: 'Retain', whenScaled: 'Retain' });
      for (const claim of objectsAt(spec, 'volumeClaimTemplates')) {
        fill(claim, { kind: 'PersistentVolumeClaim', apiVersion: 'v1' });
        fill(child(claim, 'spec'), { volumeMode: 'Filesystem' });
      }
      template(spec);
      return;
    }
    case 'daemonsets.apps': {
      const spec = child(object, 'spec');
      fill(spec, { revisionHistoryLimit: 10 });
      const strategy = child(spec, 'updateStrategy');
      fill(strategy, { type: 'RollingUpdate' });
      if (strategy.type === 'RollingUpdate') {
        fill(child(strategy, 'rollingUpdate'), { maxUnavailable: 1, maxSurge: 0 });
      }
      template(spec);
      return;
    }
    case 'jobs.batch': {
      const spec = child(object, 'spec');
      defaultJob(spec);
      template(spec);
      return;
    }
    case 'cronjobs.batch': {
      const spec = child(object, 'spec');
      fill(spec, {
        concurrencyPolicy: 'Allow',
        suspend: false,
        successfulJobsHistoryLimit: 3,
        failedJobsHistoryLimit: 1,
      });
      template(child(child(spec, 'jobTemplate'), 'spec'));
      return;
    }
    case 'horizontalpodautoscalers.autoscaling': {
      const spec = child(object, 'spec');
      fill(spec, { minReplicas: 1 });
      if (objectsAt(spec, 'metrics').length === 0) {
        const target = { type: 'Utilization', averageUtilization: 80 };
        spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
      }
      return;
    }
    case 'networkpolicies.networking.k8s.io': {
      const spec = child(object, 'spec');
      const types = objectsAt(spec, 'egress').length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
      fill(spec, { podSelector: {}, policyTypes: types });
      for (const rule of [...objectsAt(spec, 'ingress'), ...objectsAt(spec, 'egress')]) {
        for (const port of objectsAt(rule, 'ports')) fill(port, { protocol: 'TCP' });
      }
      return;
    }
    case 'storageclasses.storage.k8s.io':
      fill(object, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' });
      return;
    case 'priorityclasses.scheduling.k8s.io':
      fill(object, { preemptionPolicy: 'PreemptLowerPriority' });
      return;
    case 'persistentvolumes':
      fill(child(object, 'spec'), { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' });
      return;
    case 'validatingwebhookconfigurations.admissionregistration.k8s.io':
      defaultWebhooks(object, false);
      return;
    case 'mutatingwebhookconfigurations.admissionregistration.k8s.io':
      defaultWebhooks(object, true);
      return;
    case 'customresourcedefinitions.apiextensions.k8s.io':
      defaultDefinition(object);
      return;
    default:
      if (resource.schema !== undefined) defaultBySchema(resource.schema, object);
  }
}

/** Fills what is set once, when an object of a kind outside the core is made. The object is changed in place. */
export function setGroupInitial(resource: Resource, object: JsonObject): void {
  switch (resourceKey(resource)) {
    case 'jobs.batch': {
      const spec = child(object, 'spec');
      if (spec.manualSelector === true || isObject(spec.selector)) return;
      const { uid, name } = objectAt(object, 'metadata');
      spec.selector = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
      const labels = child(child(child(spec, 'template'), 'metadata'), 'labels');
      Object.assign(labels, {
        'batch.kubernetes.io/controller-uid': uid,
        'batch.kubernetes.io/job-name': name,
        'controller-uid': uid,
        'job-name': name,
      });
      object.status = {};
      return;
    }
    case 'statefulsets.apps':
    case 'daemonsets.apps':
    case 'cronjobs.batch':
    case 'horizontalpodautoscalers.autoscaling':
    case 'ingresses.networking.k8s.io':
      object.status = {};
      return;
    default:
      if (resource.schema !== undefined && resource.status) delete object.status;
  }
}

function required(field: string): Cause {
  return { reason: 'FieldValueRequired', message: 'Required value', field };
}

function wrong(field: string, value: unknown, why: string): Cause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field };
}

/** Says that members that may not change did. */
function fixed(object: JsonObject, old: JsonObject | undefined, names: readonly string[], why: string): Cause[] {
  if (old === undefined) return [];
  const before = objectAt(old, 'spec');
  const after = objectAt(object, 'spec');
  return names
    .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
    .map((name) => wrong(`spec.${name}`, after[name] ?? null, why));
}

/** The fields of a StatefulSet's spec that may change. */
const MUTABLE_SET = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

/** What is wrong with an object of a kind outside the core; `pods` judges the spec of a pod at a path. */
export function groupCauses(
  resource: Resource,
  object: JsonObject,
  old: JsonObject | undefined,
  pods: (spec: JsonObject, path: string) => Cause[],
): Cause[] {
  const spec = objectAt(object, 'spec');
  const ofTemplate = (): Cause[] => {
    const selector = objectAt(spec, 'selector');
    const labels = textsAt(spec, 'template', 'metadata', 'labels');
    const causes = pods(objectAt(spec, 'template', 'spec'), 'spec.template.spec');
    if (Object.keys(selector).length === 0) causes.push(required('spec.selector'));
    else if (!matchesLabels(selector, labels)) {
      causes.push(wrong('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
    }
    return causes;
  };
  switch (resourceKey(resource)) {
    case 'statefulsets.apps': {
      const causes = ofTemplate();
      const before = objectAt(old, 'spec');
      const moved = Object.keys({ ...before, ...spec }).filter(
        (name) => !MUTABLE_SET.includes(name) && JSON.stringify(before[name]) !== JSON.stringify(spec[name]),
      );
      if (old !== undefined && moved.length > 0) {
        const list = MUTABLE_SET.map((name) => `'${name}'`);
        const text = `${list.slice(0, -1).join(', ')} and ${list.at(-1)}`;
        const message = `Forbidden: updates to statefulset spec for fields other than ${text} are forbidden`;
        causes.push({ reason: 'FieldValueForbidden', message, field: 'spec' });
      }
      return causes;
    }
    case 'daemonsets.apps':
      return [...ofTemplate(), ...fixed(object, old, ['selector'], 'field is immutable')];
    case 'jobs.batch': {
      const causes = pods(objectAt(spec, 'template', 'spec'), 'spec.template.spec');
      const policy = textAt(spec, 'template', 'spec', 'restartPolicy');
      if (policy !== 'Never' && policy !== 'OnFailure') {
        const message = `Unsupported value: ${JSON.stringify(policy)}: supported values: "OnFailure", "Never"`;
        causes.push({ reason: 'FieldValueNotSupported', message, field: 'spec.template.spec.restartPolicy' });
      }
      return [...causes, ...fixed(object, old, ['completions', 'selector', 'template'], 'field is immutable')];
    }
    case 'cronjobs.batch':
      return textAt(spec, 'schedule') === undefined ? [required('spec.schedule')] : [];
    case 'horizontalpodautoscalers.autoscaling': {
      const most = numberAt(spec, 'maxReplicas') ?? 0;
      if (most < (numberAt(spec, 'minReplicas') ?? 1)) {
        return [wrong('spec.maxReplicas', most, 'must be greater than or equal to `minReplicas`')];
      }
      return textAt(spec, 'scaleTargetRef', 'name') === undefined ? [required('spec.scaleTargetRef.name')] : [];
    }
    case 'poddisruptionbudgets.policy':
      if (spec.minAvailable === undefined || spec.maxUnavailable === undefined) return [];
      return [wrong('spec', spec, 'minAvailable and maxUnavailable cannot be both set')];
    case 'ingresses.networking.k8s.io':
      if (objectsAt(spec, 'rules').length === 0 && !isObject(spec.defaultBackend)) {
        return [wrong('spec', spec, 'either `defaultBackend` or `rules` must be specified')];
      }
      return objectsAt(spec, 'rules').flatMap((rule, index) =>
        objectsAt(rule, 'http', 'paths').flatMap((path, at) =>
          path.pathType === undefined ? [required(`spec.rules[${index}].http.paths[${at}].pathType`)] : [],
        ),
      );
    case 'storageclasses.storage.k8s.io':
      return (textAt(object, 'provisioner') ?? '') === '' ? [required('provisioner')] : [];
    case 'persistentvolumeclaims': {
      // A claim without a class may still get one: that of the default class.
      const set = ['accessModes', 'storageClassName', 'volumeMode'].filter(
        (name) => objectAt(old, 'spec')[name] !== undefined,
      );
      const causes = fixed(object, old, set, 'field is immutable');
      if (listAt(spec, 'accessModes').length === 0) causes.push(required('spec.accessModes'));
      if (objectAt(spec, 'resources', 'requests').storage === undefined) {
        causes.push(required('spec.resources[storage]'));
      }
      return causes;
    }
    case 'configmaps':
    case 'secrets': {
      if (old === undefined) return [];
      const causes: Cause[] = [];
      const frozen = old.immutable === true;
      for (const member of ['data', 'binaryData']) {
        if (frozen && JSON.stringify(old[member]) !== JSON.stringify(object[member])) {
          const message = 'Forbidden: field is immutable when `immutable` is set';
          causes.push({ reason: 'FieldValueForbidden', message, field: member });
        }
      }
      if (resource.plural === 'secrets' && old.type !== object.type) {
        causes.push(wrong('type', object.type, 'field is immutable'));
      }
      return causes;
    }
    case 'customresourcedefinitions.apiextensions.k8s.io':
      return definitionCauses(object);
    default:
      return resource.schema === undefined ? [] : schemaCauses(resource.schema, object, '');
  }
}
