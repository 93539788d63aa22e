/** Where a cluster takes its images from: mirrors and a pull Secret, kept in the cluster itself and put into every namespace that KQueen deploys to. */
import { z } from 'zod';
import type { Mirror } from '../../core/addons-images.ts';
import type { Fact } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import type { Place } from '../apply/kinds.ts';
import { isObject, type JsonObject, listAt, type Manifest, objectAt } from '../apply/manifests.ts';
import { home } from '../apply/revisions.ts';
import { ensureNamespace, manager, readObject, removeObject } from '../apply/server.ts';
import type { Talk } from '../operation.ts';
import { pullsWith, throughMirrors } from './images.ts';

/** Name of the pull Secret in every namespace, and of what KQueen keeps of it in its own. */
export const pullSecret = 'kqueen-registry';
/** On every copy of it. */
const pullLabel = 'kqueen/registry';

const place = (plural: string, namespaced = true): Place => ({ base: '/api/v1', plural, namespaced, coming: false });
const secrets = place('secrets');
const accounts = place('serviceaccounts');
const maps = place('configmaps');

const Kept = z.object({
  mirrors: z.array(z.object({ from: z.string(), to: z.string() })),
  pull: z.object({ host: z.string(), user: z.string(), at: z.number(), by: z.string(), hash: z.string() }).optional(),
});
/** What a cluster is set to. */
export type RegistryKept = z.infer<typeof Kept>;

/** What a cluster is set to; null when it was never set. */
export async function readRegistry(talk: Talk): Promise<RegistryKept | null> {
  const map = await readObject(talk, maps, { name: pullSecret, namespace: home });
  const text = objectAt(map, 'data').registry;
  if (typeof text !== 'string') return null;
  try {
    const read = Kept.safeParse(JSON.parse(text));
    return read.success ? read.data : null;
  } catch (thrown) {
    // Somebody else has written into it: then it counts for nothing.
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}

/** Keeps what a cluster is set to, with the pull Secret's content when it is given; safe to repeat. */
export async function keepRegistry(talk: Talk, kept: RegistryKept, docker: string | undefined): Promise<void> {
  await ensureNamespace(talk, home);
  if (docker !== undefined) await putSecret(talk, home, Buffer.from(docker).toString('base64'));
  if (!kept.pull) await removeObject(talk, secrets, { name: pullSecret, namespace: home });
  await talk.raw({
    method: 'PATCH',
    path: `/api/v1/namespaces/${home}/configmaps/${pullSecret}?fieldManager=${manager}&force=true`,
    contentType: 'application/apply-patch+yaml',
    body: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: pullSecret, namespace: home, labels: { 'app.kubernetes.io/managed-by': 'kqueen' } },
      data: { registry: JSON.stringify(kept) },
    },
  });
}

async function putSecret(talk: Talk, namespace: string, packed: string): Promise<void> {
  await talk.raw({
    method: 'PATCH',
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${pullSecret}?fieldManager=${manager}&force=true`,
    contentType: 'application/apply-patch+yaml',
    body: {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/dockerconfigjson',
      metadata: {
        name: pullSecret,
        namespace,
        labels: { [pullLabel]: 'pull', 'app.kubernetes.io/managed-by': 'kqueen' },
      },
      data: { '.dockerconfigjson': packed },
    },
  });
}

/** Namespaces that have a copy of the pull Secret, KQueen's own left out. */
export async function pullNamespaces(talk: Talk): Promise<string[]> {
  const path = `/api/v1/secrets?labelSelector=${encodeURIComponent(`${pullLabel}=pull`)}&limit=500`;
  const accept = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json';
  const items = listAt(await talk.raw({ method: 'GET', path, accept }), 'items').filter(isObject);
  const names = items.map((item) => String(objectAt(item, 'metadata').namespace ?? ''));
  return [...new Set(names)].filter((name) => name !== '' && name !== home).sort();
}

/** The packed content of the kept pull Secret; undefined when there is none. */
async function keptPull(talk: Talk): Promise<string | undefined> {
  const secret = await readObject(talk, secrets, { name: pullSecret, namespace: home });
  const packed = objectAt(secret, 'data')['.dockerconfigjson'];
  return typeof packed === 'string' ? packed : undefined;
}

/** Whether a namespace pulls with the kept Secret as it is now. */
export async function isAttached(talk: Talk, namespace: string): Promise<boolean> {
  const [packed, secret, account] = await Promise.all([
    keptPull(talk),
    readObject(talk, secrets, { name: pullSecret, namespace }),
    readObject(talk, accounts, { name: 'default', namespace }),
  ]);
  return objectAt(secret, 'data')['.dockerconfigjson'] === packed && pullsWith(account, pullSecret);
}

/** Puts the kept pull Secret into namespaces and lets their default ServiceAccounts pull with it; nothing where none is kept. */
export async function attachPull(talk: Talk, namespaces: Iterable<string>): Promise<void> {
  const names = [...namespaces];
  if (names.length === 0) return;
  const packed = await keptPull(talk);
  if (packed === undefined) return;
  for (const namespace of names) {
    await ensureNamespace(talk, namespace);
    await putSecret(talk, namespace, packed);
    await setPull(talk, namespace, true);
  }
}

/** Takes the pull Secret out of a namespace again. */
export async function detachPull(talk: Talk, namespace: string): Promise<void> {
  await setPull(talk, namespace, false);
  await removeObject(talk, secrets, { name: pullSecret, namespace });
}

/** The list belongs to whoever wrote it last, so it is read, changed and written only if nobody else has changed it meanwhile. */
async function setPull(talk: Talk, namespace: string, wanted: boolean): Promise<void> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts`;
  for (let tries = 0; ; tries += 1) {
    const account = await readObject(talk, accounts, { name: 'default', namespace });
    if (pullsWith(account, pullSecret) === wanted || (!account && !wanted)) return;
    const others = listAt(account, 'imagePullSecrets').filter((each) => objectAt(each).name !== pullSecret);
    const imagePullSecrets = wanted ? [...others, { name: pullSecret }] : others;
    const { resourceVersion } = objectAt(account, 'metadata');
    try {
      await (account
        ? talk.raw({
            method: 'PATCH',
            path: `${path}/default?fieldManager=${manager}-pull`,
            contentType: 'application/merge-patch+json',
            body: { metadata: { resourceVersion }, imagePullSecrets },
          })
        : talk.raw({
            method: 'POST',
            path: `${path}?fieldManager=${manager}-pull`,
            body: {
              apiVersion: 'v1',
              kind: 'ServiceAccount',
              metadata: { name: 'default', namespace },
              imagePullSecrets,
            },
          }));
      return;
    } catch (thrown) {
      // Its controller was faster, or somebody else: then it is read anew.
      if (!(thrown instanceof Fault && thrown.kind === 'conflict') || tries >= 5) throw thrown;
    }
  }
}

/** The rules that count in a cluster: its own, or where it has none those of the organisation. */
export function rulesOf(kept: RegistryKept | null, general: readonly Mirror[]): readonly Mirror[] {
  return kept && kept.mirrors.length > 0 ? kept.mirrors : general;
}

/** What is to be deployed as this cluster takes it, with what the plan says of it. */
export async function asTaken(
  talk: Talk,
  manifests: readonly Manifest[],
  general: readonly Mirror[],
): Promise<{ manifests: Manifest[]; facts: Fact[] }> {
  const kept = await readRegistry(talk);
  const done = throughMirrors(manifests, rulesOf(kept, general), kept?.pull ? pullSecret : undefined);
  const shown = done.images.slice(0, 5).map(({ from, to }) => `${from} from ${to}`);
  const more = done.images.length > shown.length ? `, and ${done.images.length - shown.length} more` : '';
  const facts: Fact[] = [];
  if (shown.length > 0) facts.push({ label: 'Images', value: `${shown.join(', ')}${more}` });
  if (kept?.pull) facts.push({ label: 'Pulled as', value: `${kept.pull.user} at ${kept.pull.host}` });
  return { manifests: done.manifests, facts };
}

/** The registries and users of a `.dockerconfigjson`, for people; never a password. */
export function namesIn(docker: string): { host: string; user: string } {
  const auths = Object.entries(objectAt(JSON.parse(docker) as JsonObject, 'auths'));
  const users = auths.map(([, each]) => String(objectAt(each).username ?? 'a token'));
  return { host: auths.map(([host]) => host).join(', '), user: [...new Set(users)].join(', ') };
}
