import { createHash } from 'node:crypto';
import { Fault } from '../core/errors.ts';
import type { AccessRole, PersonalAccess } from '../core/ports/kube.ts';
import type { Client } from './client.ts';
import { type KubeConnection, writeKubeconfig } from './kubeconfig.ts';

/** Where the accounts of people live, apart from what they work on. */
const accessNamespace = 'kqueen-access';

/** Kubernetes issues no shorter token (TokenRequest refuses less than ten minutes), and KQueen no longer one. */
const shortest = 600;
const longest = 3_600;

const managedBy = { 'app.kubernetes.io/managed-by': 'kqueen' };

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
 * Makes sure of the person's account and its binding, and asks for a token of that account. The account is kept and used again, so that
 * the cluster's own audit log shows one name for one person. Deleting the account revokes every token within seconds.
 */
export async function issuePersonalAccess(
  client: Client,
  connection: KubeConnection,
  request: { cluster: string; person: string; role: AccessRole; seconds: number },
): Promise<PersonalAccess> {
  const account = accountName(request.person);
  const labels = { ...managedBy, 'kqueen-person': fingerprint(request.person) };
  const annotations = { 'kqueen/person': request.person };
  await made(() => client.core.createNamespace({ body: { metadata: { name: accessNamespace, labels: managedBy } } }));
  await made(() =>
    client.core.createNamespacedServiceAccount({
      namespace: accessNamespace,
      body: { metadata: { name: account, labels, annotations } },
    }),
  );
  await bind(client, account, request.role, labels, annotations);
  await bindLook(client, account, labels, annotations);
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
  return { kubeconfig: writeKubeconfig(request.cluster, account, server, 'default'), expiresAt: expires.getTime() };
}

/** Binds the account to exactly the asked role: bindings to the others that an earlier call made are taken away. */
async function bind(
  client: Client,
  account: string,
  role: AccessRole,
  labels: Record<string, string>,
  annotations: Record<string, string>,
): Promise<void> {
  for (const other of (['view', 'edit', 'admin'] as const).filter((each) => each !== role)) {
    await gone(() => client.rbac.deleteClusterRoleBinding({ name: bindingName(account, other) }));
  }
  await made(() =>
    client.rbac.createClusterRoleBinding({
      body: {
        metadata: { name: bindingName(account, role), labels, annotations },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [{ kind: 'ServiceAccount', name: account, namespace: accessNamespace }],
      },
    }),
  );
}

/** Kubernetes' own view, edit and admin end at the namespaces; whoever uses a cluster also wants to see its nodes. */
const lookRole = 'kqueen-access-look';

async function bindLook(
  client: Client,
  account: string,
  labels: Record<string, string>,
  annotations: Record<string, string>,
): Promise<void> {
  await made(() =>
    client.rbac.createClusterRole({
      body: {
        metadata: { name: lookRole, labels: managedBy },
        rules: [
          { apiGroups: [''], resources: ['nodes', 'namespaces', 'persistentvolumes'], verbs: ['get', 'list', 'watch'] },
        ],
      },
    }),
  );
  await made(() =>
    client.rbac.createClusterRoleBinding({
      body: {
        metadata: { name: `${lookRole}-${account}`, labels, annotations },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: lookRole },
        subjects: [{ kind: 'ServiceAccount', name: account, namespace: accessNamespace }],
      },
    }),
  );
}

function bindingName(account: string, role: AccessRole): string {
  return `kqueen-access-${account}-${role}`;
}

/** Creates, where "it is there already" is as good. */
async function made(create: () => Promise<unknown>): Promise<void> {
  try {
    await create();
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.kind === 'conflict')) throw thrown;
  }
}

async function gone(remove: () => Promise<unknown>): Promise<void> {
  try {
    await remove();
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.kind === 'not-found')) throw thrown;
  }
}
