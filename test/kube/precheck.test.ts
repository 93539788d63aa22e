import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Looked } from '../../src/core/ports/work.ts';
import { openKube } from '../../src/kube/index.ts';
import { callFor, realClock } from '../engines/calls.ts';
import { until } from '../sandbox/sandbox.ts';
import { at, type BothCluster, itemsOf, podTemplate, SERVERS } from './both.ts';

let kube: Kube;
beforeAll(() => {
  kube = openKube({ log: silentLog, clock: realClock });
});
afterAll(() => kube.close());

/** The lines of what is found below a caption. */
function lines({ parts }: Looked, caption: string): string[] {
  const found = parts.find((part) => part.part === 'rows' && part.caption === caption);
  return found?.part === 'rows' ? found.rows.map(({ text }) => text) : [];
}
const inTheWay = (looked: Looked) => lines(looked, 'In the way, worst first');
const worthKnowing = (looked: Looked) => lines(looked, 'Worth knowing');

for (const server of SERVERS) {
  describe.skipIf(server.skipped !== null)(`pre-checks on ${server.name}`, () => {
    let cluster: BothCluster;
    let space: string;

    const make = async (path: string, body: object): Promise<void> => {
      const made = await cluster.call('POST', path, { body });
      if (made.status !== 201) throw new Error(`POST ${path}: ${made.text}`);
    };
    const look = (target = '1.35.0', ms?: number) =>
      kube.look(cluster.kubeconfig, 'precheck', { cluster: 'dev-1', target, server: '' }, callFor(ms));

    beforeAll(async () => {
      cluster = await server.open();
      space = await cluster.namespace();
    }, 120_000);
    afterAll(() => cluster?.close());

    test('a quiet cluster: it says what it looked at and what it cannot see, never that it is safe', async () => {
      const looked = await look();
      expect(inTheWay(looked)).toEqual([]);
      expect(looked.title).toBe('Nothing seen in the way of an upgrade to 1.35.0');
      const text = JSON.stringify(looked);
      expect(text).not.toMatch(/\bsafe\b/i);
      expect(text).toMatch(/It cannot see clients that have not called/);
      expect(text).toMatch(/Looked at\*: Deprecated APIs that are asked for, API versions of manifests/);
      expect(text).toMatch(/as of 20\d\d-\d\d-\d\d/);
      expect(text).not.toMatch(/knows nothing of/);
      expect(JSON.stringify(await look('1.99'))).toMatch(/list here knows nothing of 1\.99 yet/);
      expect(looked.summary).toMatch(/^\d looks? into the cluster: 0 in the way/);
    });

    test('seeds 41: a budget that lets no pod go, single replicas, a pod nobody would make again', async () => {
      const selector = { matchLabels: { app: 'web' } };
      await make(`/apis/apps/v1/namespaces/${space}/deployments`, {
        metadata: { name: 'web' },
        spec: { replicas: 1, selector, template: podTemplate('web', 'nginx:1.29') },
      });
      await make(`/apis/policy/v1/namespaces/${space}/poddisruptionbudgets`, {
        metadata: { name: 'web' },
        spec: { minAvailable: 1, selector },
      });
      await make(`/api/v1/namespaces/${space}/pods`, {
        metadata: { name: 'alone' },
        spec: { containers: [{ name: 'main', image: 'nginx:1.29' }] },
      });
      const looked = await until('the budget is counted', async () => {
        const seen = await look();
        return inTheWay(seen).some((line) => line.includes('PodDisruptionBudget')) ? seen : undefined;
      });
      expect(inTheWay(looked)[0]).toMatch(
        new RegExp(
          `^\\*PodDisruptionBudget ${space}/web\\*: it lets no pod go: \\d of 1 healthy, 1 have to be \\(minAvailable 1\\), so that it never will`,
        ),
      );
      expect(worthKnowing(looked).join('\n')).toMatch(new RegExp(`Pod ${space}/alone\\*: nothing would make it again`));
      expect(worthKnowing(looked).join('\n')).toMatch(new RegExp(`Deployment ${space}/web\\*: has one replica only`));
      expect(looked.warnings?.[0]).toMatch(/^PodDisruptionBudget .*\.$/);
      expect(looked.bad).toBe(true);
    }, 60_000);

    test('seeds 41: a manifest in a version that goes is named with where to go', async () => {
      await make(`/apis/policy/v1/namespaces/${space}/poddisruptionbudgets`, {
        metadata: {
          name: 'old',
          annotations: {
            'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({
              apiVersion: 'policy/v1beta1',
              kind: 'PodDisruptionBudget',
            }),
          },
        },
        spec: { minAvailable: 0, selector: { matchLabels: { app: 'none' } } },
      });
      const looked = await look();
      const [said] = worthKnowing(looked).filter((line) => line.includes('/old'));
      expect(said).toMatch(
        /its manifest was last applied as policy\/v1beta1: Kubernetes 1\.25 and later do not serve it.*use policy\/v1/,
      );
    });

    test('a webhook that fails closed with nobody behind it, and a stored version that is not served', async () => {
      const hook = {
        ...{ name: 'deaf.example.com', admissionReviewVersions: ['v1'], sideEffects: 'None', failurePolicy: 'Fail' },
        clientConfig: { service: { namespace: space, name: 'nobody', path: '/' } },
        rules: [
          { apiGroups: ['deaf.example.com'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['things'] },
        ],
      };
      const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
      await make(path, { metadata: { name: 'deaf' }, webhooks: [hook] });
      try {
        const said = inTheWay(await look()).find((line) => line.includes('deaf.example.com'));
        expect(said).toMatch(new RegExp(`nothing answers behind Service ${space}/nobody, and it fails closed`));
        const patch = [{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }];
        await cluster.call('PATCH', `${path}/deaf`, { body: patch, type: 'application/json-patch+json' });
        expect(inTheWay(await look()).find((line) => line.includes('deaf.example.com'))).toBeUndefined();
      } finally {
        await cluster.call('DELETE', `${path}/deaf`);
      }
    });

    test('kubelets that would be too old or too new for it, by the published policy', async () => {
      const nodes = itemsOf(await cluster.call('GET', '/api/v1/nodes'));
      if (nodes.length === 0) return;
      const kubelet = String(at(nodes[0], 'status.nodeInfo.kubeletVersion'));
      const own = Number(/^v1\.(\d+)/.exec(kubelet)?.[1]);
      expect(inTheWay(await look(`1.${own + 3}.0`)).join()).not.toMatch(/kubelet/);
      expect(inTheWay(await look(`1.${own + 4}.0`)).join()).toMatch(/4 minor versions older than .* 3 are the most/);
      expect(inTheWay(await look(`1.${own - 1}.0`)).join()).toMatch(/is newer than/);
    });

    test('what it may not see is said, and the rest is there', async () => {
      const looked = await kube.look(
        await asViewer(cluster, space),
        'precheck',
        { cluster: 'dev-1', target: '1.35.0', server: '' },
        callFor(),
      );
      expect(JSON.stringify(looked.parts)).toMatch(/Not seen\*: .*KQueen may not read them/);
      expect(inTheWay(looked).some((line) => line.includes(`PodDisruptionBudget ${space}/web`))).toBe(true);
      expect(looked.warnings?.at(-1)).toMatch(/^Not seen: /);
      expect(looked.summary).toMatch(/looks? could not be taken/);
    });
  });
}

/** A kubeconfig of somebody who may view alone. */
async function asViewer(cluster: BothCluster, namespace: string): Promise<string> {
  const granted = await kube.issueAccess(
    cluster.kubeconfig,
    { cluster: 'dev-1', person: `viewer-${namespace}`, role: 'view', seconds: 600 },
    callFor(),
  );
  return granted.kubeconfig;
}
