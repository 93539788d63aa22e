import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { isObject, type JsonObject, listAt, objectAt, objectsAt, parseObject, textAt, textsAt } from './json.ts';
import { matchesLabels } from './kube-selectors.ts';
import type { ObjectStore } from './kube-store.ts';

/** Who sends a request. */
export type User = { name: string; uid: string; groups: readonly string[]; extra: Record<string, string[]> };

/** What a request wants to do; `path` is set instead of a resource for paths that are no resource. */
export type Wish = {
  verb: string;
  group: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  path?: string;
};

/** Who issues the tokens of service accounts, and the audience that the API itself is. */
export const ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** The user of the administrator's kubeconfig. */
export const ADMIN: User = {
  name: 'sandbox-admin',
  uid: '',
  groups: ['system:masters', 'system:authenticated'],
  extra: {},
};

/** The user that the sandbox's own controller is. */
export const CONTROLLER: User = {
  name: 'system:kube-controller-manager',
  uid: '',
  groups: ['system:masters', 'system:authenticated'],
  extra: {},
};

/** Compares secrets without telling by the time it takes how much was right. */
export function sameSecret(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

function base64url(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function sign(content: string, key: string): string {
  return createHmac('sha256', key).update(content).digest('base64url');
}

/** The object that a token is good with, and only as long as it is there. */
export type BoundTo = { kind: 'Pod' | 'Secret' | 'Node'; name: string; uid: string };

const BOUND = { pod: 'pods', secret: 'secrets', node: 'nodes' } as const;

/** A token for a service account, a JWT with the claims that Kubernetes uses; `seconds` is how long it is good. */
export function issueToken(
  account: JsonObject,
  key: string,
  audiences: readonly string[],
  seconds: number,
  bound?: BoundTo,
): {
  token: string;
  expires: Date;
} {
  const now = Math.floor(Date.now() / 1000);
  const namespace = textAt(account, 'metadata', 'namespace') ?? '';
  const name = textAt(account, 'metadata', 'name') ?? '';
  const uid = textAt(account, 'metadata', 'uid') ?? '';
  const claims = {
    aud: [...audiences],
    exp: now + seconds,
    iat: now,
    nbf: now,
    iss: ISSUER,
    jti: randomUUID(),
    sub: `system:serviceaccount:${namespace}:${name}`,
    'kubernetes.io': {
      namespace,
      serviceaccount: { name, uid },
      ...(bound === undefined ? {} : { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } }),
    },
  };
  const content = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url(claims)}`;
  return { token: `${content}.${sign(content, key)}`, expires: new Date((now + seconds) * 1000) };
}

/** The user of a service account's token; undefined when it is forged, expired or its account is gone. */
export function userOfToken(token: string, key: string, store: ObjectStore): User | undefined {
  const [header, payload, signature] = token.split('.');
  if (header === undefined || payload === undefined || signature === undefined) return undefined;
  if (!sameSecret(signature, sign(`${header}.${payload}`, key))) return undefined;
  const claims = parseObject(Buffer.from(payload, 'base64url').toString('utf8'));
  if (typeof claims.exp !== 'number' || claims.exp * 1000 <= Date.now()) return undefined;
  if (!listAt(claims, 'aud').includes(ISSUER)) return undefined;
  const owner = objectAt(claims, 'kubernetes.io');
  const namespace = textAt(owner, 'namespace') ?? '';
  const name = textAt(owner, 'serviceaccount', 'name') ?? '';
  const uid = textAt(owner, 'serviceaccount', 'uid') ?? '';
  const account = store.get('serviceaccounts', namespace, name);
  if (account === undefined || textAt(account, 'metadata', 'uid') !== uid) return undefined;
  for (const [member, plural] of Object.entries(BOUND)) {
    if (!isObject(owner[member])) continue;
    const found = store.get(plural, member === 'node' ? '' : namespace, textAt(owner, member, 'name') ?? '');
    if (textAt(found, 'metadata', 'uid') !== textAt(owner, member, 'uid')) return undefined;
  }
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${textAt(claims, 'jti') ?? ''}`] },
  };
}

function isSubject(subject: JsonObject, user: User, bindingNamespace: string): boolean {
  const name = textAt(subject, 'name') ?? '';
  switch (textAt(subject, 'kind')) {
    case 'User':
      return name === user.name;
    case 'Group':
      return user.groups.includes(name);
    case 'ServiceAccount':
      return user.name === `system:serviceaccount:${textAt(subject, 'namespace') ?? bindingNamespace}:${name}`;
    default:
      return false;
  }
}

function includes(list: readonly unknown[], value: string): boolean {
  return list.includes('*') || list.includes(value);
}

/** Whether a rule of a role allows what is wished. */
export function ruleAllows(rule: JsonObject, wish: Wish): boolean {
  if (!includes(listAt(rule, 'verbs'), wish.verb)) return false;
  if (wish.path !== undefined) {
    const path = wish.path;
    return listAt(rule, 'nonResourceURLs').some(
      (url) => typeof url === 'string' && (url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1)))),
    );
  }
  if (!includes(listAt(rule, 'apiGroups'), wish.group)) return false;
  const resources = listAt(rule, 'resources');
  const full = wish.subresource === '' ? wish.resource : `${wish.resource}/${wish.subresource}`;
  const covered = includes(resources, full) || (wish.subresource !== '' && resources.includes(`*/${wish.subresource}`));
  if (!covered) return false;
  const names = listAt(rule, 'resourceNames');
  return names.length === 0 || names.includes(wish.name);
}

/** The rules of a role, with those of the roles that it aggregates. */
export function roleRules(store: ObjectStore, role: JsonObject | undefined): JsonObject[] {
  const selectors = objectsAt(role, 'aggregationRule', 'clusterRoleSelectors');
  const more = store
    .list('clusterroles.rbac.authorization.k8s.io')
    .filter((other) => other !== role)
    .filter((other) => selectors.some((selector) => matchesLabels(selector, textsAt(other, 'metadata', 'labels'))));
  return selectors.length === 0 ? objectsAt(role, 'rules') : [role, ...more].flatMap((one) => objectsAt(one, 'rules'));
}

/** The rules that a user has: everywhere, or in a namespace when one is given. */
export function rulesOf(store: ObjectStore, user: User, namespace: string): JsonObject[] {
  const group = 'rbac.authorization.k8s.io';
  const rules: JsonObject[] = [];
  const take = (binding: JsonObject, bindingNamespace: string): void => {
    if (!objectsAt(binding, 'subjects').some((subject) => isSubject(subject, user, bindingNamespace))) return;
    const name = textAt(binding, 'roleRef', 'name') ?? '';
    const role =
      textAt(binding, 'roleRef', 'kind') === 'Role'
        ? store.get(`roles.${group}`, bindingNamespace, name)
        : store.get(`clusterroles.${group}`, '', name);
    rules.push(...roleRules(store, role));
  };
  for (const binding of store.list(`clusterrolebindings.${group}`)) take(binding, '');
  if (namespace !== '') for (const binding of store.list(`rolebindings.${group}`, namespace)) take(binding, namespace);
  return rules;
}

/** Whether a user may do something. */
export function allowed(store: ObjectStore, user: User, wish: Wish): boolean {
  if (user.groups.includes('system:masters')) return true;
  return rulesOf(store, user, wish.namespace).some((rule) => ruleAllows(rule, wish));
}

/** The sentence after "is forbidden:" or at the start of a refusal. */
export function refusal(user: User, wish: Wish): string {
  if (wish.path !== undefined) return `User "${user.name}" cannot ${wish.verb} path "${wish.path}"`;
  const resource = wish.subresource === '' ? wish.resource : `${wish.resource}/${wish.subresource}`;
  const scope = wish.namespace === '' ? 'at the cluster scope' : `in the namespace "${wish.namespace}"`;
  return `User "${user.name}" cannot ${wish.verb} resource "${resource}" in API group "${wish.group}" ${scope}`;
}

/** The wish that the spec of an access review describes. */
export function wishOf(spec: JsonObject): Wish {
  const path = textAt(spec, 'nonResourceAttributes', 'path');
  const attributes = objectAt(spec, 'resourceAttributes');
  return {
    verb: textAt(attributes, 'verb') ?? textAt(spec, 'nonResourceAttributes', 'verb') ?? '',
    group: textAt(attributes, 'group') ?? '',
    resource: textAt(attributes, 'resource') ?? '',
    subresource: textAt(attributes, 'subresource') ?? '',
    namespace: textAt(attributes, 'namespace') ?? '',
    name: textAt(attributes, 'name') ?? '',
    ...(path === undefined || isObject(spec.resourceAttributes) ? {} : { path }),
  };
}
