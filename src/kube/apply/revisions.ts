/** What was applied under a name, kept in the cluster itself: one Secret a revision in KQueen's namespace, as Helm keeps its releases. */
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Talk } from '../operation.ts';
import { unpack } from './bundle.ts';
import { type JsonObject, listAt, type Manifest, objectAt } from './manifests.ts';
import { ensureNamespace, manager } from './server.ts';

/** KQueen's own namespace in a cluster. */
export const home = 'kqueen';
/** How many revisions of an app are kept. */
const keptRevisions = 5;

const Meta = z.object({
  app: z.string(),
  revision: z.number().int().positive(),
  /** Where objects without a namespace of their own went. */
  namespace: z.string(),
  /** When it was asked for, epoch milliseconds. */
  at: z.number(),
  by: z.string(),
  /** Where it came from, in words. */
  source: z.string(),
  /** Names the asking, so that a repeat finds its own. */
  asked: z.string(),
  /** An admin has allowed privileged workloads. */
  privileged: z.boolean(),
  /** apiVersion, kind, namespace ('' for none) and name of each object. */
  objects: z.array(z.tuple([z.string(), z.string(), z.string(), z.string()])),
});

export const states = ['applying', 'running', 'failed'] as const;

/** One revision without its manifests. */
export type Revision = z.infer<typeof Meta> & { state: (typeof states)[number] };

const path = `/api/v1/namespaces/${home}/secrets`;
const label = { app: 'kqueen/revision-of', state: 'kqueen/state' };
const annotation = 'kqueen/app-revision';

/** The app whose revision a Secret is, by its metadata; undefined for any other. */
export function appKept(metadata: JsonObject): string | undefined {
  const app = objectAt(metadata, 'labels')[label.app];
  return metadata.namespace === home && typeof app === 'string' ? app : undefined;
}

function nameOf(app: string, revision: number): string {
  return `kqueen-app-${app}-${revision}`;
}

/** Revisions of one app, or of all, oldest first; their manifests are not read. */
export async function readRevisions(talk: Talk, app?: string): Promise<Revision[]> {
  const selector = encodeURIComponent(app === undefined ? label.app : `${label.app}=${app}`);
  const found: Revision[] = [];
  let token = '';
  for (let page = 0; page < 100; page += 1) {
    const answer = await talk.raw({
      method: 'GET',
      path: `${path}?labelSelector=${selector}&limit=250${token === '' ? '' : `&continue=${encodeURIComponent(token)}`}`,
      accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json',
    });
    for (const item of listAt(answer, 'items')) {
      const revision = revisionOf(objectAt(item, 'metadata'));
      if (revision) found.push(revision);
    }
    token = String(objectAt(answer, 'metadata').continue ?? '');
    if (token === '') break;
  }
  return found.sort((a, b) => a.app.localeCompare(b.app) || a.revision - b.revision);
}

/** Null for a Secret that somebody else has labelled so. */
function revisionOf(metadata: Record<string, unknown>): Revision | null {
  const written = objectAt(metadata, 'annotations')[annotation];
  if (typeof written !== 'string') return null;
  try {
    const meta = Meta.safeParse(JSON.parse(written));
    if (!meta.success || metadata.name !== nameOf(meta.data.app, meta.data.revision)) return null;
    const state = objectAt(metadata, 'labels')[label.state];
    return { ...meta.data, state: states.find((each) => each === state) ?? 'applying' };
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}

/** The manifests of a revision. */
export async function manifestsOf(talk: Talk, app: string, revision: number): Promise<Manifest[]> {
  const secret = await talk.raw({ method: 'GET', path: `${path}/${nameOf(app, revision)}` });
  const packed = objectAt(secret, 'data').bundle;
  if (typeof packed !== 'string') throw new Fault('not-found', `Revision ${revision} of ${app} holds nothing.`);
  return unpack(packed);
}

/** Keeps a revision, before anything of it is applied. A repeat by the same asking has kept it already. */
export async function keepRevision(talk: Talk, revision: Revision, packed: string): Promise<void> {
  const { state, ...meta } = revision;
  await ensureNamespace(talk, home);
  await talk.raw({
    method: 'POST',
    path: `${path}?fieldManager=${manager}`,
    body: {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kqueen.io/app.v1',
      metadata: {
        name: nameOf(meta.app, meta.revision),
        labels: { [label.app]: meta.app, [label.state]: state, 'app.kubernetes.io/managed-by': 'kqueen' },
        annotations: { [annotation]: JSON.stringify(meta) },
      },
      // The packed text is base64 already, and stays so.
      data: { bundle: packed },
    },
  });
}

/** Says how a revision has come out. */
export async function markRevision(talk: Talk, app: string, revision: number, state: Revision['state']): Promise<void> {
  await talk.raw({
    method: 'PATCH',
    path: `${path}/${nameOf(app, revision)}?fieldManager=${manager}`,
    contentType: 'application/merge-patch+json',
    body: { metadata: { labels: { [label.state]: state } } },
  });
}

/** Removes those that are too many: the last five stay, and the last one that ran. */
export async function forgetOld(talk: Talk, app: string): Promise<void> {
  const all = await readRevisions(talk, app);
  const ran = all.filter(({ state }) => state === 'running').at(-1)?.revision;
  for (const { revision } of all.slice(0, -keptRevisions)) if (revision !== ran) await forget(talk, app, revision);
}

/** Removes one revision; fine when it is gone. */
export async function forget(talk: Talk, app: string, revision: number): Promise<void> {
  try {
    await talk.raw({ method: 'DELETE', path: `${path}/${nameOf(app, revision)}` });
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.kind === 'not-found')) throw thrown;
  }
}
