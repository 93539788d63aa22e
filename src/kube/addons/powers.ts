/** What an add-on may do in the whole cluster: what an admin has to know before it is there. */
import { called, isObject, type JsonObject, listAt, type Manifest, objectAt } from '../apply/manifests.ts';
import { privilegesOf } from '../apply/privileged.ts';

/** Verbs that lead to any right (https://kubernetes.io/docs/concepts/security/rbac-good-practices/#privilege-escalation-risks). */
const leading = ['escalate', 'bind', 'impersonate'];

const has = (rule: JsonObject, list: string, ...wanted: string[]) =>
  listAt(rule, list).some((each) => each === '*' || wanted.includes(String(each)));

function ofRule(rule: JsonObject): string[] {
  const everything = listAt(rule, 'resources').includes('*') && listAt(rule, 'verbs').includes('*');
  if (everything && listAt(rule, 'apiGroups').includes('*')) return ['everything'];
  const can: string[] = [];
  const verbs = listAt(rule, 'verbs').map(String);
  const escalates = leading.filter((verb) => verbs.includes(verb));
  if (escalates.length > 0) can.push(`${escalates.join(', ')} (which leads to any right)`);
  const core = has(rule, 'apiGroups', '');
  const unnamed = listAt(rule, 'resourceNames').length === 0;
  if (core && unnamed && has(rule, 'resources', 'secrets')) {
    if (has(rule, 'verbs', 'get', 'list', 'watch')) can.push('read all Secrets');
    else if (has(rule, 'verbs', 'create', 'update', 'patch')) can.push('write all Secrets');
  }
  const rbac = has(rule, 'apiGroups', 'rbac.authorization.k8s.io');
  if (
    rbac &&
    has(rule, 'resources', 'clusterroles', 'clusterrolebindings') &&
    has(rule, 'verbs', 'create', 'update', 'patch')
  )
    can.push('change rights');
  if (core && has(rule, 'resources', 'pods/exec') && has(rule, 'verbs', 'create', 'get'))
    can.push('run programs in all pods');
  if (core && has(rule, 'resources', 'serviceaccounts/token') && has(rule, 'verbs', 'create'))
    can.push('sign in as any ServiceAccount');
  return can;
}

/** Roles of Kubernetes' own that are as good as everything. */
const mighty = ['cluster-admin', 'admin', 'edit'];

/** What reaches over the whole cluster, in sentences' parts, one an object; empty when nothing does. */
export function powersOf(manifests: readonly Manifest[]): string[] {
  const found = manifests.flatMap((manifest): string[] => {
    const { kind, object } = manifest;
    if (kind === 'ClusterRoleBinding') {
      const bound = String(objectAt(object, 'roleRef').name ?? '');
      if (!mighty.includes(bound)) return [];
      const who = listAt(object, 'subjects')
        .filter(isObject)
        .map(({ name }) => String(name));
      return [`${called(manifest)} gives ${who.join(', ') || 'somebody'} the role ${bound} in the whole cluster`];
    }
    if (kind === 'ClusterRole') {
      const can = [...new Set(listAt(object, 'rules').filter(isObject).flatMap(ofRule))];
      return can.length > 0
        ? [`${called(manifest)} may ${can.map((each) => (each === 'everything' ? 'do everything' : each)).join(', ')}`]
        : [];
    }
    if (kind === 'ValidatingWebhookConfiguration' || kind === 'MutatingWebhookConfiguration')
      return [`${called(manifest)} is asked about changes in the cluster`];
    return [];
  });
  return [...privilegesOf(manifests), ...found];
}
