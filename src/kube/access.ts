import { createHash } from 'node:crypto';
import { Fault } from '../core/errors.ts';
import type { AccessRole, PersonalAccess } from '../core/ports/kube.ts';
import { ensureRole, managedBy, rolesFor } from './access-roles.ts';
import { eachObject } from './client.ts';
import { type KubeConnection, writeKubeconfig } from './kubeconfig.ts';
import type { Talk } from './operation.ts';

/** Where the accounts of people live, apart from what they work on. */
export const accessNamespace = 'kqueen-access';

/** What an account says of itself. */
export const marks = {
  person: 'kqueen/person',
  role: 'kqueen/role',
  namespaces: 'kqueen/namespaces',
  issued: 'kqueen/last-issued',
} as const;

/** Kubernetes issues no shorter token (TokenRequest refuses less than ten minutes), and KQueen no longer one. */
const shortest = 600;
const longest = 3_600;

/**
 * An account name for a person: readable, a DNS label, and different for different people. Chat ids differ in letters that a name
 * cannot hold, so the end of their hash is part of it.
 */
export function accountName(person: string): string {
  const readable = person
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return `${readable || 'person'}-${fingerprint(person)}`;
}

function fingerprint(person: string): string {
  return createHash('sha256').update(person).digest('hex').slice(0, 10);
}

/**
 * Makes sure of the person's account and its bindings, and asks for a token of that account. The account is kept and used again, so that
 * the cluster's own audit log shows one name for one person, and what it was given last is what all its tokens may. Deleting the account
 * revokes every token within seconds. With `namespaces` (at most 20 that exist, else `bad-input`) it has rights in these alone.
 */
export async function issuePersonalAccess(
  talk: Talk,
  connection: KubeConnection,
  request: { cluster: string; person: string; role: AccessRole; seconds: number; namespaces?: string[] },
): Promise<PersonalAccess> {
  const { client } = talk;
  const account = accountName(request.person);
  const namespaces = [...new Set(request.namespaces ?? [])].sort();
  await checkNamespaces(talk, namespaces);
  await made(() => client.core.createNamespace({ body: { metadata: { name: accessNamespace, labels: managedBy } } }));
  await close(talk);
  await describeAccount(talk, account, request.person, request.role, namespaces);
  await bind(talk, request.person, rolesFor(request.role, namespaces), namespaces);
  const seconds = Math.min(longest, Math.max(shortest, Math.floor(request.seconds)));
  const answer = await client.core.createNamespacedServiceAccountToken({
    name: account,
    namespace: accessNamespace,
    body: { spec: { audiences: [], expirationSeconds: seconds } },
  });
  const token = answer.status?.token;
  const expires = answer.status?.expirationTimestamp;
  if (!token || !(expires instanceof Date) || Number.isNaN(expires.getTime())) {
    throw new Fault('internal', "The cluster's API gave no token for the account.", { whose: 'provider' });
  }
  const server: KubeConnection = { server: connection.server, token };
  if (connection.ca !== undefined) server.ca = connection.ca;
  const first = namespaces[0] ?? 'default';
  return { kubeconfig: writeKubeconfig(request.cluster, account, server, first), expiresAt: expires.getTime() };
}

/** A namespace that is not there, or that access is about, is refused before anything is changed. */
async function checkNamespaces(talk: Talk, namespaces: readonly string[]): Promise<void> {
  if (namespaces.length > 20) {
    throw new Fault('bad-input', 'Access is for at most 20 namespaces at once.', { field: 'namespaces' });
  }
  for (const name of namespaces) {
    if (name === accessNamespace) {
      throw new Fault(
        'bad-input',
        `${accessNamespace} holds the accounts of people, and nobody is given rights in it.`,
        {
          field: 'namespaces',
        },
      );
    }
    if (await there(() => talk.client.core.readNamespace({ name }))) continue;
    throw new Fault('bad-input', `The cluster has no namespace ${name}.`, {
      field: 'namespaces',
      next: 'Name namespaces that are there.',
    });
  }
}

/** No pod and no Secret in the namespace of the accounts: either could be made to hold the token of somebody else. */
async function close(talk: Talk): Promise<void> {
  const name = 'accounts-only';
  const hard = { pods: '0', secrets: '0' };
  const body = { metadata: { name, labels: managedBy }, spec: { hard } };
  await made(() => talk.client.core.createNamespacedResourceQuota({ namespace: accessNamespace, body }));
  // Admission goes by the status, which a controller fills in some time later: until then the quota would hold nobody.
  await talk.raw({
    method: 'PATCH',
    path: `/api/v1/namespaces/${accessNamespace}/resourcequotas/${name}/status`,
    body: { status: { hard, used: hard } },
    contentType: 'application/merge-patch+json',
  });
}

/** Makes the account, or writes on it what it is given now. */
async function describeAccount(
  talk: Talk,
  account: string,
  person: string,
  role: AccessRole,
  namespaces: readonly string[],
): Promise<void> {
  const metadata = {
    labels: labelsOf(person),
    annotations: {
      [marks.person]: person,
      [marks.role]: role,
      [marks.namespaces]: namespaces.join(','),
      [marks.issued]: new Date(talk.now()).toISOString(),
    },
  };
  await made(() =>
    talk.client.core.createNamespacedServiceAccount({
      namespace: accessNamespace,
      body: { metadata: { name: account, ...metadata } },
    }),
  );
  await talk.raw({
    method: 'PATCH',
    path: `/api/v1/namespaces/${accessNamespace}/serviceaccounts/${account}`,
    body: { metadata },
    contentType: 'application/merge-patch+json',
  });
}

function labelsOf(person: string): Record<string, string> {
  return { ...managedBy, 'kqueen-person': fingerprint(person) };
}

/** A binding of an account; the namespace is '' for one of the whole cluster. */
export interface Binding {
  name: string;
  namespace: string;
  role: string;
}

/** Every binding that KQueen made for a person. */
export async function bindingsOf(talk: Talk, person: string): Promise<Binding[]> {
  const found: Binding[] = [];
  const labelSelector = Object.entries(labelsOf(person))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const { rbac } = talk.client;
  const note = (each: { metadata?: { name?: string; namespace?: string }; roleRef: { name: string } }) => {
    const { name = '', namespace = '' } = each.metadata ?? {};
    found.push({ name, namespace, role: each.roleRef.name });
  };
  await eachObject((page) => rbac.listClusterRoleBinding({ ...page, labelSelector }), note);
  await eachObject((page) => rbac.listRoleBindingForAllNamespaces({ ...page, labelSelector }), note);
  return found;
}

/** Takes a binding away; one that is gone is as good. */
export async function unbind(talk: Talk, { name, namespace }: Binding): Promise<void> {
  const { rbac } = talk.client;
  await there(() =>
    namespace === '' ? rbac.deleteClusterRoleBinding({ name }) : rbac.deleteNamespacedRoleBinding({ name, namespace }),
  );
}

/** Binds the account to exactly the asked roles where they were asked for: what an earlier call gave beyond that is taken away first. */
async function bind(
  talk: Talk,
  person: string,
  roles: readonly string[],
  namespaces: readonly string[],
): Promise<void> {
  const account = accountName(person);
  const where = namespaces.length === 0 ? [''] : namespaces;
  const wanted = where.flatMap((namespace) =>
    roles.map((role) => ({ name: `kqueen-access-${account}-${role}`, namespace, role })),
  );
  const key = (each: Binding) => [each.namespace, each.name, each.role].join('/');
  const wants = new Set(wanted.map(key));
  const has = await bindingsOf(talk, person);
  for (const extra of has.filter((each) => !wants.has(key(each)))) await unbind(talk, extra);
  for (const role of roles) await ensureRole(talk, role);
  const kept = new Set(has.map(key));
  for (const each of wanted.filter((binding) => !kept.has(key(binding)))) await make(talk, person, each);
}

async function make(talk: Talk, person: string, { name, namespace, role }: Binding): Promise<void> {
  const { rbac } = talk.client;
  const body = {
    metadata: { name, labels: labelsOf(person), annotations: { [marks.person]: person } },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ kind: 'ServiceAccount', name: accountName(person), namespace: accessNamespace }],
  };
  await made(() =>
    namespace === '' ? rbac.createClusterRoleBinding({ body }) : rbac.createNamespacedRoleBinding({ namespace, body }),
  );
}

/** Creates, where "it is there already" is as good. */
async function made(create: () => Promise<unknown>): Promise<void> {
  try {
    await create();
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.kind === 'conflict')) throw thrown;
  }
}

/** Whether what is asked for is there. */
export async function there(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.kind === 'not-found') return false;
    throw thrown;
  }
}
