import { type JsonObject, listAt, numberAt, objectAt, textAt } from './json.ts';
import {
  allowed,
  type BoundTo,
  ISSUER,
  issueToken,
  rulesOf,
  type User,
  userOfToken,
  type Wish,
  wishOf,
} from './kube-access.ts';
import type { Resource } from './kube-registry.ts';
import { conflict, invalid, notFound } from './kube-status.ts';
import type { ObjectStore } from './kube-store.ts';

/** The least and the most seconds that a requested token may live; the least is Kubernetes' own. */
const SHORTEST_TOKEN = 600;
const LONGEST_TOKEN = 2 ** 32;

function decide(store: ObjectStore, user: User, wish: Wish): JsonObject {
  return allowed(store, user, wish) ? { allowed: true, reason: '' } : { allowed: false, reason: '' };
}

function userObject(user: User): JsonObject {
  return {
    username: user.name,
    ...(user.uid === '' ? {} : { uid: user.uid }),
    groups: [...user.groups],
    ...(Object.keys(user.extra).length === 0 ? {} : { extra: user.extra }),
  };
}

/** Answers a review: what the asker or somebody may do, who the asker is, whose a token is. */
export function review(
  resource: Resource,
  body: JsonObject,
  user: User,
  store: ObjectStore,
  tokenKey: string,
): JsonObject {
  const spec = objectAt(body, 'spec');
  const apiVersion = `${resource.group}/${resource.version}`;
  const answer = (status: JsonObject): JsonObject => ({ kind: resource.kind, apiVersion, metadata: {}, spec, status });
  switch (resource.plural) {
    case 'selfsubjectaccessreviews':
      return answer(decide(store, user, wishOf(spec)));
    case 'localsubjectaccessreviews':
    case 'subjectaccessreviews': {
      const groups = listAt(spec, 'groups').filter((group) => typeof group === 'string');
      return answer(decide(store, { name: textAt(spec, 'user') ?? '', uid: '', groups, extra: {} }, wishOf(spec)));
    }
    case 'selfsubjectrulesreviews': {
      const master = user.groups.includes('system:masters');
      const everything = [
        { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
        { verbs: ['*'], nonResourceURLs: ['*'] },
      ];
      const rules = master ? everything : rulesOf(store, user, textAt(spec, 'namespace') ?? '');
      return answer({
        incomplete: false,
        resourceRules: rules.filter((rule) => rule.resources !== undefined),
        nonResourceRules: rules.filter((rule) => rule.nonResourceURLs !== undefined),
      });
    }
    case 'selfsubjectreviews':
      return answer({ userInfo: userObject(user) });
    default: {
      const owner = userOfToken(textAt(spec, 'token') ?? '', tokenKey, store);
      return answer(owner === undefined ? { authenticated: false } : { authenticated: true, user: userObject(owner) });
    }
  }
}

/** The object that a token is asked to be bound to; 404 when it is not there, 409 when it is another one by now. */
function boundTo(store: ObjectStore, account: JsonObject, spec: JsonObject): BoundTo | undefined {
  const wanted = objectAt(spec, 'boundObjectRef');
  const kind = textAt(wanted, 'kind');
  if (kind !== 'Pod' && kind !== 'Secret' && kind !== 'Node') return undefined;
  const name = textAt(wanted, 'name') ?? '';
  const plural = `${kind.toLowerCase()}s`;
  const resource = { group: '', plural, kind };
  const namespace = kind === 'Node' ? '' : (textAt(account, 'metadata', 'namespace') ?? '');
  const found = store.get(plural, namespace, name);
  if (found === undefined) throw notFound(resource, name);
  const uid = textAt(found, 'metadata', 'uid') ?? '';
  const asked = textAt(wanted, 'uid') ?? uid;
  if (asked !== uid) {
    const why = `the UID in the bound object reference (${asked}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw conflict(resource, name, why);
  }
  return { kind, name, uid };
}

/** Answers a TokenRequest for a service account; 422 when the lifetime is below ten minutes. */
export function requestToken(
  resource: Resource,
  account: JsonObject,
  body: JsonObject,
  tokenKey: string,
  store: ObjectStore,
): JsonObject {
  const spec = objectAt(body, 'spec');
  const seconds = numberAt(spec, 'expirationSeconds') ?? 3600;
  const name = textAt(account, 'metadata', 'name') ?? '';
  if (seconds < SHORTEST_TOKEN || seconds > LONGEST_TOKEN) {
    const limit =
      seconds < SHORTEST_TOKEN
        ? 'may not specify a duration less than 10 minutes'
        : 'may not specify a duration larger than 2^32 seconds';
    throw invalid({ group: 'authentication.k8s.io', plural: resource.plural, kind: 'TokenRequest' }, name, [
      { reason: 'FieldValueInvalid', message: `Invalid value: ${seconds}: ${limit}`, field: 'spec.expirationSeconds' },
    ]);
  }
  const wanted = listAt(spec, 'audiences').filter((audience) => typeof audience === 'string');
  const audiences = wanted.length > 0 ? wanted : [ISSUER];
  const { token, expires } = issueToken(account, tokenKey, audiences, seconds, boundTo(store, account, spec));
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: {
      name,
      namespace: textAt(account, 'metadata', 'namespace') ?? '',
      creationTimestamp: new Date().toISOString(),
    },
    spec: { ...spec, audiences, expirationSeconds: seconds },
    status: { token, expirationTimestamp: expires.toISOString() },
  };
}

/** How long the token of a Secret is good, seconds: as long as the Secret is there. */
const SECRET_TOKEN = 10 * 365 * 24 * 3600;

/** Fills a Secret that asks for a service account's token; the token ends with it. The Secret is changed in place. */
export function fillToken(store: ObjectStore, secret: JsonObject, tokenKey: string): void {
  if (textAt(secret, 'type') !== 'kubernetes.io/service-account-token') return;
  const { namespace, name, uid } = objectAt(secret, 'metadata');
  const account = textAt(secret, 'metadata', 'annotations', 'kubernetes.io/service-account.name') ?? '';
  const found = store.get('serviceaccounts', String(namespace), account);
  if (found === undefined || objectAt(secret, 'data').token !== undefined) return;
  const bound: BoundTo = { kind: 'Secret', name: String(name), uid: String(uid) };
  const { token } = issueToken(found, tokenKey, [ISSUER], SECRET_TOKEN, bound);
  const text = (value: string): string => Buffer.from(value).toString('base64');
  secret.data = { ...objectAt(secret, 'data'), token: text(token), namespace: text(String(namespace)) };
}
