/** Which Secrets an object needs, by the names that stand in it. */
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';

/** Names of the Secrets that an object refers to, each once; in its own namespace. */
export function secretsOf(object: JsonObject): string[] {
  const { kind } = object;
  const found = new Set<string>();
  const take = (name: unknown): void => {
    if (typeof name === 'string' && name !== '') found.add(name);
  };
  if (kind === 'Ingress') {
    for (const each of listAt(object, 'spec', 'tls')) take(objectAt(each).secretName);
    return [...found];
  }
  if (kind === 'ServiceAccount') {
    for (const each of listAt(object, 'imagePullSecrets')) take(objectAt(each).name);
    return [...found];
  }
  const pod =
    kind === 'Pod'
      ? objectAt(object, 'spec')
      : kind === 'CronJob'
        ? objectAt(object, 'spec', 'jobTemplate', 'spec', 'template', 'spec')
        : objectAt(object, 'spec', 'template', 'spec');
  for (const each of listAt(pod, 'imagePullSecrets')) take(objectAt(each).name);
  for (const each of listAt(pod, 'volumes')) {
    take(objectAt(each, 'secret').secretName);
    for (const source of listAt(each, 'projected', 'sources')) take(objectAt(source, 'secret').name);
  }
  for (const part of ['containers', 'initContainers']) {
    for (const container of listAt(pod, part).filter(isObject)) {
      for (const each of listAt(container, 'env')) take(objectAt(each, 'valueFrom', 'secretKeyRef').name);
      for (const each of listAt(container, 'envFrom')) take(objectAt(each, 'secretRef').name);
    }
  }
  return [...found];
}
