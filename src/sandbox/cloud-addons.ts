/** What the provider's own add-ons are made of in a cluster: one small program each. */
import { SANDBOX_TITLE } from './catalog.ts';
import type { Place, Seed } from './cloud-seed.ts';

/** The program of an add-on. */
export function addonSeed(name: string): Seed {
  const labels = { 'k8s-app': name, 'sandbox.kqueen.io/addon': name };
  return {
    resource: 'deployments.apps',
    namespace: 'kube-system',
    body: {
      metadata: { name, labels, annotations: { 'sandbox.kqueen.io/notice': SANDBOX_TITLE } },
      spec: {
        replicas: 1,
        selector: { matchLabels: { 'k8s-app': name } },
        template: {
          metadata: { labels },
          spec: {
            priorityClassName: 'system-cluster-critical',
            containers: [
              { name, image: `sandbox/${name}:1.0.0`, resources: { requests: { cpu: '10m', memory: '16Mi' } } },
            ],
          },
        },
      },
    },
  };
}

/** Where the program of an add-on is. */
export function addonPlace(name: string): Place {
  return ['deployments.apps', 'kube-system', name];
}
