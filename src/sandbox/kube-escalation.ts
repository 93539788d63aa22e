import { type JsonObject, listAt, objectsAt, textAt } from './json.ts';
import { allowed, roleRules, ruleAllows, rulesOf, type User, type Wish } from './kube-access.ts';
import type { Resource } from './kube-registry.ts';
import { forbidden } from './kube-status.ts';
import type { ObjectStore } from './kube-store.ts';

const RBAC = 'rbac.authorization.k8s.io';

function texts(rule: JsonObject, member: string): string[] {
  return listAt(rule, member).filter((item) => typeof item === 'string');
}

/** The single permissions that a rule is made of. */
function permissions(rule: JsonObject, namespace: string): Wish[] {
  const base = { namespace, subresource: '', name: '', group: '', resource: '' };
  const urls = texts(rule, 'nonResourceURLs');
  const verbs = texts(rule, 'verbs');
  if (urls.length > 0) return verbs.flatMap((verb) => urls.map((path) => ({ ...base, verb, path })));
  const names = texts(rule, 'resourceNames');
  return verbs.flatMap((verb) =>
    texts(rule, 'apiGroups').flatMap((group) =>
      texts(rule, 'resources').flatMap((full) => {
        const [resource = '', subresource = ''] = full.split('/');
        return (names.length > 0 ? names : ['']).map((name) => ({ ...base, verb, group, resource, subresource, name }));
      }),
    ),
  );
}

function ruleText(rule: JsonObject): string {
  const parts = [
    ['APIGroups', 'apiGroups'],
    ['Resources', 'resources'],
    ['ResourceNames', 'resourceNames'],
    ['NonResourceURLs', 'nonResourceURLs'],
    ['Verbs', 'verbs'],
  ] as const;
  const list = parts
    .filter(([, member]) => texts(rule, member).length > 0)
    .map(
      ([label, member]) =>
        `${label}:[${texts(rule, member)
          .map((text) => JSON.stringify(text))
          .join(' ')}]`,
    );
  return `{${list.join(', ')}}`;
}

/**
 * Throws a 403 when a role or binding would give away what its writer does not have: Kubernetes' guard against
 * escalation, which the verbs escalate and bind lift.
 */
export function checkEscalation(
  store: ObjectStore,
  user: User,
  resource: Resource,
  namespace: string,
  object: JsonObject,
): void {
  if (resource.group !== RBAC || user.groups.includes('system:masters')) return;
  const name = textAt(object, 'metadata', 'name') ?? '';
  const binding = resource.plural.endsWith('bindings');
  const kind = textAt(object, 'roleRef', 'kind') === 'Role' ? 'roles' : 'clusterroles';
  const roleName = textAt(object, 'roleRef', 'name') ?? '';
  const lifted: Wish = binding
    ? { verb: 'bind', group: RBAC, resource: kind, subresource: '', namespace, name: roleName }
    : { verb: 'escalate', group: RBAC, resource: resource.plural, subresource: '', namespace, name };
  if (allowed(store, user, lifted)) return;
  const role = store.get(`${kind}.${RBAC}`, kind === 'roles' ? namespace : '', roleName);
  const given = binding ? roleRules(store, role) : objectsAt(object, 'rules');
  const held = rulesOf(store, user, namespace);
  const missing = given.filter((rule) =>
    permissions(rule, namespace).some((wish) => !held.some((own) => ruleAllows(own, wish))),
  );
  if (missing.length === 0) return;
  const groups = user.groups.map((group) => JSON.stringify(group)).join(' ');
  const list = missing.map(ruleText).join('\n');
  const why = `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${list}`;
  throw forbidden(resource, name, why);
}
