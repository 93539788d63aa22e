/** What in a manifest reaches past its own pods to the nodes under them. */
import { called, isObject, type JsonObject, listAt, type Manifest, objectAt } from './manifests.ts';

/** The pod specification in an object of a kind that makes pods; undefined for others. */
export function podSpecOf({ kind, object }: Pick<Manifest, 'kind' | 'object'>): JsonObject | undefined {
  const at =
    kind === 'Pod'
      ? ['spec']
      : kind === 'CronJob'
        ? ['spec', 'jobTemplate', 'spec', 'template', 'spec']
        : ['spec', 'template', 'spec'];
  const spec = objectAt(object, ...at);
  return listAt(spec, 'containers').length > 0 ? spec : undefined;
}

/** All containers of a pod specification, those of its start included. */
export function containersOf(spec: JsonObject): JsonObject[] {
  return ['initContainers', 'containers', 'ephemeralContainers'].flatMap((list) => listAt(spec, list).filter(isObject));
}

/**
 * What the baseline of the Pod Security Standards forbids
 * (https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline), in words, one line an object.
 */
export function privilegesOf(manifests: readonly Manifest[]): string[] {
  return manifests.flatMap((manifest) => {
    const spec = podSpecOf(manifest);
    const wants = spec ? [...new Set(ofPod(spec))] : [];
    return wants.length > 0 ? [`${called(manifest)} wants ${wants.join(', ')}`] : [];
  });
}

const host: Record<string, string> = {
  hostNetwork: "the node's network (hostNetwork)",
  hostPID: "the node's processes (hostPID)",
  hostIPC: "the node's memory of processes (hostIPC)",
};

/** Capabilities that any container may ask for by that baseline. */
const usual = new Set([
  ...['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE'],
  ...['SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'],
]);

function ofPod(spec: JsonObject): string[] {
  const wants = Object.entries(host).flatMap(([key, words]) => (spec[key] === true ? [words] : []));
  for (const volume of listAt(spec, 'volumes')) {
    const path = objectAt(volume, 'hostPath').path;
    if (path !== undefined) wants.push(`the folder ${String(path)} of the node (hostPath)`);
  }
  for (const container of containersOf(spec)) {
    const security = objectAt(container, 'securityContext');
    if (security.privileged === true) wants.push('all rights on the node (privileged)');
    const added = listAt(security, 'capabilities', 'add')
      .map(String)
      .filter((each) => !usual.has(each.replace(/^CAP_/, '')));
    if (added.length > 0) wants.push(`added capabilities (${added.join(', ')})`);
    if (listAt(container, 'ports').some((port) => Number(objectAt(port).hostPort ?? 0) > 0))
      wants.push('a port of the node (hostPort)');
    if (objectAt(security).procMount !== undefined && security.procMount !== 'Default') wants.push('an unmasked /proc');
  }
  return wants;
}
