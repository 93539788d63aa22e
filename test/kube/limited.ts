/** Access with few rights, as a cluster's own admin would give it. */
import type { BothCluster } from './both.ts';

/** A kubeconfig of an account that has these rights alone, in the whole cluster. */
export async function limitedKubeconfig(cluster: BothCluster, name: string, rules: object[]): Promise<string> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const group = 'rbac.authorization.k8s.io';
  const account = `limited-${name}`;
  const made = [
    await cluster.call('POST', '/api/v1/namespaces/kube-public/serviceaccounts', {
      body: { metadata: { name: account } },
    }),
    await cluster.call('POST', `${rbac}/clusterroles`, { body: { metadata: { name: `system:${account}` }, rules } }),
    await cluster.call('POST', `${rbac}/clusterrolebindings`, {
      body: {
        metadata: { name: `system:${account}` },
        roleRef: { apiGroup: group, kind: 'ClusterRole', name: `system:${account}` },
        subjects: [{ kind: 'ServiceAccount', name: account, namespace: 'kube-public' }],
      },
    }),
  ];
  const asked = await cluster.call('POST', `/api/v1/namespaces/kube-public/serviceaccounts/${account}/token`, {
    body: { spec: { expirationSeconds: 3_600 } },
  });
  const token = (asked.body as { status?: { token?: string } }).status?.token;
  const wrong = made.find(({ status }) => status !== 201);
  if (wrong || token === undefined) throw new Error(`no limited account: ${wrong?.text ?? asked.text}`);
  const users = `users:\n  - name: limited\n    user:\n      token: ${token}\n`;
  const from = cluster.kubeconfig.indexOf('users:');
  const kept = cluster.kubeconfig.slice(0, from);
  const rest = /^(?:contexts|current-context|kind|preferences|clusters):/m.exec(cluster.kubeconfig.slice(from + 6));
  const after = rest ? cluster.kubeconfig.slice(from + 6 + rest.index) : '';
  return `${kept}${users}${after}`.replace(/^(\s+user:) \S+$/gm, '$1 limited');
}
