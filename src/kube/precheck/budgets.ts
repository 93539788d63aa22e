/** PodDisruptionBudgets that let no pod go, and what runs once only: what an upgrade waits for, or interrupts. */
import { formatLine } from '../../core/line.ts';
import { objectAt } from '../apply/manifests.ts';
import type { Finding } from '../check/findings.ts';
import { get } from '../check/pods.ts';
import { eachObject } from '../client.ts';
import type { Talk } from '../operation.ts';
import { eachListed, listPath } from '../views/pages.ts';
import { type Aim, concernRanks } from './aim.ts';

/** Budgets that allow no disruption now, with their numbers. */
export async function blockingBudgets(talk: Talk, { cluster }: Aim): Promise<Finding[]> {
  const found: Finding[] = [];
  await eachListed(talk, listPath('policy/v1', 'poddisruptionbudgets', ''), (object) => {
    const { name, namespace } = objectAt(object, 'metadata');
    const status = objectAt(object, 'status');
    const spec = objectAt(object, 'spec');
    const expected = Number(status.expectedPods ?? 0);
    // Without pods there is nothing to wait for.
    if (Number(status.disruptionsAllowed ?? 0) > 0 || expected === 0) return;
    const healthy = Number(status.currentHealthy ?? 0);
    const wanted = Number(status.desiredHealthy ?? 0);
    const rule =
      spec.maxUnavailable === undefined
        ? `minAvailable ${String(spec.minAvailable ?? 1)}`
        : `maxUnavailable ${String(spec.maxUnavailable)}`;
    const never = wanted >= expected;
    found.push({
      ...{ rank: concernRanks.budget, level: 'now', about: `PodDisruptionBudget ${String(namespace)}/${String(name)}` },
      why: `it lets no pod go: ${healthy} of ${expected} healthy, ${wanted} have to be (${rule})${never ? ', so that it never will' : ''}; each node with one of them waits`,
      alike: `budget/${String(namespace)}/${String(name)}`,
      next: [get('Pods', cluster, 'pods', String(namespace))],
    });
  });
  return found;
}

/** Deployments and StatefulSets of one replica: each is away while its node is replaced. Kubernetes' own are not named. */
export async function singleReplicas(talk: Talk, { cluster }: Aim): Promise<Finding[]> {
  const found: Finding[] = [];
  const add = (kind: string, namespace: string, name: string) => {
    if (namespace.startsWith('kube-')) return;
    const more = formatLine('app scale', ['cluster', 'app', 'replicas'], {
      cluster,
      app: name,
      replicas: '2',
      namespace,
    });
    found.push({
      ...{ rank: concernRanks.single, level: 'soon', about: `${kind} ${namespace}/${name}` },
      why: 'has one replica only, so it is away while its node is replaced',
      alike: 'single',
      next: kind === 'Deployment' ? [{ label: 'Scale it', command: more }] : [],
    });
  };
  await eachObject(
    (page) => talk.client.apps.listDeploymentForAllNamespaces(page),
    ({ metadata, spec }) => {
      if ((spec?.replicas ?? 1) === 1) add('Deployment', metadata?.namespace ?? '', metadata?.name ?? '');
    },
  );
  await eachObject(
    (page) => talk.client.apps.listStatefulSetForAllNamespaces(page),
    ({ metadata, spec }) => {
      if ((spec?.replicas ?? 1) === 1) add('StatefulSet', metadata?.namespace ?? '', metadata?.name ?? '');
    },
  );
  return found;
}
