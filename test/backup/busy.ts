/** A cluster in which much is going on: something of everything that a backup has to do with. */
import { randomBytes } from 'node:crypto';
import type { BothCluster } from '../kube/both.ts';

type Call = BothCluster['call'];

/** What is secret in it. */
export interface Secrets {
  password: string;
  token: string;
}

const labels = (app: string) => ({ app });

function pod(app: string, more: object = {}): object {
  return { metadata: { labels: labels(app) }, spec: { containers: [{ name: 'main', image: 'nginx:1.29', ...more }] } };
}

/** Makes an object where its kind is; the answer's status must be 201. */
export async function make(call: Call, path: string, body: object): Promise<Record<string, unknown>> {
  const made = await call('POST', path, { body });
  if (made.status !== 201) throw new Error(`POST ${path}: ${made.status} ${made.text}`);
  return made.body as Record<string, unknown>;
}

/** Fills a cluster. */
export async function makeBusy(call: Call): Promise<Secrets> {
  const secrets = { password: randomBytes(18).toString('base64url'), token: randomBytes(18).toString('base64url') };
  const meta = (name: string, more: object = {}) => ({ metadata: { name, ...more } });
  await make(call, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd('widgets', 'Widget', 'Namespaced'));
  await make(call, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd('plants', 'Plant', 'Cluster'));
  for (const namespace of ['shop', 'blog']) {
    await make(call, '/api/v1/namespaces', { metadata: { name: namespace, labels: { team: namespace } } });
    const core = `/api/v1/namespaces/${namespace}`;
    const apps = `/apis/apps/v1/namespaces/${namespace}`;
    await make(call, `${core}/configmaps`, { ...meta('settings'), data: { colour: 'blue', text: 'a\nb\n' } });
    await make(call, `${core}/secrets`, {
      ...meta('database', {
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ stringData: secrets }) },
      }),
      stringData: { password: secrets.password },
    });
    await make(call, `${core}/secrets`, { ...meta('unused'), stringData: { token: secrets.token } });
    await make(call, `${core}/serviceaccounts`, meta('robot'));
    await make(call, `${core}/services`, {
      ...meta('web'),
      spec: { type: 'NodePort', selector: labels('web'), ports: [{ port: 80, targetPort: 80 }] },
    });
    await make(call, `${core}/services`, {
      ...meta('db'),
      spec: { clusterIP: 'None', selector: labels('db'), ports: [{ port: 5432 }] },
    });
    await make(call, `${apps}/deployments`, {
      ...meta('web'),
      spec: {
        replicas: 2,
        selector: { matchLabels: labels('web') },
        template: pod('web', {
          env: [{ name: 'DB', valueFrom: { secretKeyRef: { name: 'database', key: 'password' } } }],
        }),
      },
    });
    await make(call, `${apps}/statefulsets`, {
      ...meta('db'),
      spec: { serviceName: 'db', replicas: 1, selector: { matchLabels: labels('db') }, template: pod('db') },
    });
    await make(call, `${apps}/daemonsets`, {
      ...meta('agent'),
      spec: { selector: { matchLabels: labels('agent') }, template: pod('agent') },
    });
    await make(call, `/apis/batch/v1/namespaces/${namespace}/cronjobs`, {
      ...meta('nightly'),
      spec: {
        schedule: '0 3 * * *',
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'run', image: 'busybox:1' }] } } },
        },
      },
    });
    await make(call, `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`, {
      ...meta('web'),
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        minReplicas: 2,
        maxReplicas: 4,
      },
    });
    await make(call, `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`, {
      ...meta('web'),
      spec: { minAvailable: 1, selector: { matchLabels: labels('web') } },
    });
    await make(call, `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`, {
      ...meta('web'),
      spec: {
        rules: [
          {
            host: `${namespace}.example.com`,
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }],
            },
          },
        ],
      },
    });
    await make(call, `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`, {
      ...meta('inner'),
      spec: { podSelector: {}, policyTypes: ['Ingress'] },
    });
    await make(call, `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles`, {
      ...meta('reader'),
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }],
    });
    await make(call, `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`, {
      ...meta('reader'),
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace }],
    });
    await make(call, `${core}/limitranges`, {
      ...meta('limits'),
      spec: { limits: [{ type: 'Container', defaultRequest: { cpu: '50m' } }] },
    });
    await make(call, `/apis/example.com/v1/namespaces/${namespace}/widgets`, {
      ...{ apiVersion: 'example.com/v1', kind: 'Widget' },
      ...meta('big'),
      spec: { size: 3, note: 'kept as it is' },
    });
    await make(call, `${core}/persistentvolumeclaims`, {
      ...meta('files'),
      spec: {
        accessModes: ['ReadWriteMany'],
        storageClassName: '',
        volumeName: `files-${namespace}`,
        resources: { requests: { storage: '1Gi' } },
      },
    });
  }
  for (const namespace of ['shop', 'blog']) {
    await make(call, '/api/v1/persistentvolumes', {
      ...meta(`files-${namespace}`),
      spec: {
        ...{ capacity: { storage: '1Gi' }, accessModes: ['ReadWriteMany'], persistentVolumeReclaimPolicy: 'Retain' },
        nfs: { server: 'nfs.example.com', path: `/exports/${namespace}` },
        claimRef: { namespace, name: 'files' },
      },
    });
  }
  await make(call, '/apis/example.com/v1/plants', {
    ...{ apiVersion: 'example.com/v1', kind: 'Plant' },
    ...meta('oak'),
    spec: { size: 9 },
  });
  await make(call, '/apis/rbac.authorization.k8s.io/v1/clusterroles', {
    ...meta('widget-reader'),
    rules: [{ apiGroups: ['example.com'], resources: ['widgets'], verbs: ['get', 'list'] }],
  });
  await make(call, '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    ...meta('widget-reader'),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'widget-reader' },
    subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: 'shop' }],
  });
  await make(call, '/apis/scheduling.k8s.io/v1/priorityclasses', { ...meta('important'), value: 1_000 });
  await make(call, '/apis/storage.k8s.io/v1/storageclasses', {
    ...meta('fast'),
    provisioner: 'csi.example.com',
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
  await make(call, '/apis/networking.k8s.io/v1/ingressclasses', {
    ...meta('front'),
    spec: { controller: 'example.com/front' },
  });
  await make(call, '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
    ...meta('checks'),
    webhooks: [
      {
        ...{
          name: 'checks.example.com',
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Ignore',
        },
        clientConfig: { service: { namespace: 'shop', name: 'web', path: '/check' } },
        rules: [{ apiGroups: ['example.com'], apiVersions: ['v1'], operations: ['DELETE'], resources: ['widgets'] }],
      },
    ],
  });
  return secrets;
}

function crd(plural: string, kind: string, scope: 'Namespaced' | 'Cluster'): object {
  return {
    metadata: { name: `${plural}.example.com` },
    spec: {
      ...{ group: 'example.com', scope, names: { plural, singular: plural.slice(0, -1), kind } },
      versions: [
        {
          ...{ name: 'v1', served: true, storage: true },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: { type: 'object', properties: { size: { type: 'integer' }, note: { type: 'string' } } },
              },
            },
          },
        },
      ],
    },
  };
}
