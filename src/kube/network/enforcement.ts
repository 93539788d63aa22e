/** Whether a cluster enforces network policies, by what runs in it, and where traffic comes into it. */
import { isObject, listAt, objectAt } from '../apply/manifests.ts';
import type { Talk } from '../operation.ts';
import { eachListed, listPath, metadataOnly } from '../views/pages.ts';

/** Whether rules have an effect. */
export type Enforced = 'yes' | 'no' | 'unknown';

/** Agents on every node that enforce NetworkPolicy objects, by the names of their DaemonSets. */
const agents = [
  ...['calico-node', 'canal', 'cilium', 'anetd', 'antrea-agent', 'azure-npm', 'azure-cns-npm', 'kube-router'],
  ...['weave-net', 'ovnkube-node', 'kube-ovn-cni', 'romana-agent', 'kube-network-policies'],
];

/** Networks of pods that enforce nothing by themselves. */
const blind = ['kube-flannel-ds', 'kube-flannel', 'kubenet'];

/** What the agents on the nodes tell: `no` only where the network is one that surely enforces nothing. */
export async function enforcement(talk: Talk): Promise<Enforced> {
  const names: string[] = [];
  const path = listPath('apps/v1', 'daemonsets', '');
  await eachListed(talk, path, (each) => names.push(String(objectAt(each, 'metadata').name)), metadataOnly);
  if (names.some((name) => agents.includes(name))) return 'yes';
  return names.some((name) => blind.includes(name)) ? 'no' : 'unknown';
}

/** Names that ingress controllers give their own objects (`app.kubernetes.io/name`, `app`). */
const controllers =
  /^(ingress-nginx|nginx-ingress|nginx|traefik|haproxy-ingress|kubernetes-ingress|contour|envoy|envoy-gateway|kong|ambassador|emissary-ingress|istio-ingressgateway)$/;

/** The namespaces of what lets traffic into the cluster: Services with a way in from outside that belong to an ingress controller. */
export async function ingressNamespaces(talk: Talk): Promise<string[]> {
  const found = new Set<string>();
  await eachListed(talk, listPath('v1', 'services', ''), (service) => {
    const spec = objectAt(service, 'spec');
    if (spec.type !== 'LoadBalancer' && spec.type !== 'NodePort') return;
    const ports = listAt(spec, 'ports').filter(isObject);
    if (!ports.some(({ port }) => port === 80 || port === 443)) return;
    const { namespace, labels } = objectAt(service, 'metadata');
    const marks = { ...objectAt(spec, 'selector'), ...(isObject(labels) ? labels : {}) };
    const names = [marks['app.kubernetes.io/name'], marks.app, marks['app.kubernetes.io/component']].map(String);
    if (names.some((name) => controllers.test(name))) found.add(String(namespace));
  });
  return [...found].sort();
}
