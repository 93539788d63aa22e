/** The objects of an app that is one image: a Deployment, and what it needs beside it. */
import type { AppImage } from '../../core/apps.ts';
import { Fault } from '../../core/errors.ts';
import { manifestOf } from '../apply/bundle.ts';
import type { JsonObject, Manifest } from '../apply/manifests.ts';
import { publishObjects, readPort } from '../apply/publish.ts';

/** More than the form asks: what recipes of the catalogue add. */
export interface ImageParts extends AppImage {
  args?: string[];
  /** Variables whose values are in a Secret made elsewhere: its name and key. */
  from?: Record<string, { secret: string; key: string }>;
  /** Files from ConfigMaps, by path: the ConfigMap and its key. */
  files?: Record<string, { map: string; key: string }>;
  /** The group that its volume belongs to. */
  group?: number;
}

const variable = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;

function demandVariables(names: readonly string[], key: string): void {
  const wrong = names.find((name) => !variable.test(name));
  if (wrong !== undefined)
    throw new Fault('bad-input', `${wrong.slice(0, 60)} cannot be the name of a variable.`, {
      field: key,
      next: 'Use letters, digits and underscores.',
    });
}

/** The objects of one image. Each app chooses its pods by its own name, so that two of one image do not meet. */
export function imageObjects(app: { name: string; namespace: string }, parts: ImageParts): Manifest[] {
  const { image, replicas, env, secretEnv, publish, host, folder } = parts;
  demandVariables(Object.keys(env), 'env');
  demandVariables(Object.keys(secretEnv), 'secretEnv');
  const { name, namespace } = app;
  const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/instance': name };
  const metadata = (own: string) => ({ name: own, namespace, labels });
  const ports = parts.ports.map(readPort);
  const secretName = `${name}-env`;
  const made: Manifest[] = [];
  if (Object.keys(secretEnv).length > 0) {
    const data = Object.fromEntries(
      Object.entries(secretEnv).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    );
    made.push(manifestOf({ apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: metadata(secretName), data }));
  }
  if (folder?.size !== undefined) {
    if (replicas > 1) {
      throw new Fault('bad-input', 'Pods of one image cannot share a volume that one node alone can use.', {
        field: 'replicas',
        next: 'Use one pod, or leave the size of the folder out.',
      });
    }
    made.push(
      manifestOf({
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: metadata(`${name}-data`),
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: folder.size } } },
      }),
    );
  }
  const refer = (secret: string, key: string) => ({ valueFrom: { secretKeyRef: { name: secret, key } } });
  const variables: JsonObject[] = [
    ...Object.entries(parts.from ?? {}).map(([key, from]) => ({ name: key, ...refer(from.secret, from.key) })),
    ...Object.entries(env).map(([key, value]) => ({ name: key, value })),
    ...Object.keys(secretEnv).map((key) => ({ name: key, ...refer(secretName, key) })),
  ];
  const files = Object.entries(parts.files ?? {});
  const volumes = [
    ...(folder
      ? [
          {
            name: 'data',
            ...(folder.size === undefined
              ? { emptyDir: {} }
              : { persistentVolumeClaim: { claimName: `${name}-data` } }),
          },
        ]
      : []),
    ...[...new Set(files.map(([, { map }]) => map))].map((map) => ({ name: map, configMap: { name: map } })),
  ];
  const mounts = [
    ...(folder ? [{ name: 'data', mountPath: folder.path }] : []),
    ...files.map(([path, { map, key }]) => ({ name: map, mountPath: path, subPath: key })),
  ];
  const container: JsonObject = {
    name: 'main',
    image,
    ...(parts.args ? { args: parts.args } : {}),
    ...(ports.length > 0 ? { ports: ports.map(({ target, protocol }) => ({ containerPort: target, protocol })) } : {}),
    ...(variables.length > 0 ? { env: variables } : {}),
    ...(mounts.length > 0 ? { volumeMounts: mounts } : {}),
  };
  made.push(
    manifestOf({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadata(name),
      spec: {
        replicas,
        selector: { matchLabels: labels },
        // Two pods never write to one volume.
        ...(folder?.size === undefined ? {} : { strategy: { type: 'Recreate' } }),
        template: {
          metadata: { labels },
          spec: {
            ...(parts.group === undefined ? {} : { securityContext: { fsGroup: parts.group } }),
            containers: [container],
            ...(volumes.length > 0 ? { volumes } : {}),
          },
        },
      },
    }),
  );
  if (publish !== 'no' && ports.length > 0) {
    made.push(
      ...publishObjects({
        name,
        namespace,
        labels,
        ports: parts.ports,
        publish,
        ...(host === undefined ? {} : { host }),
      }),
    );
  } else if (host !== undefined || (publish !== 'no' && publish !== 'cluster')) {
    throw new Fault('bad-input', 'To reach it, say which ports it listens on.', {
      field: 'ports',
      next: 'For example ports=80:8080.',
    });
  }
  return made;
}
