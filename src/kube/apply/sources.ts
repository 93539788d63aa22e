/** The objects of an app from where they come from. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { AppBundle, AppSource } from '../../core/apps.ts';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { imageObjects } from '../catalogue/image.ts';
import { catalogueObjects } from '../catalogue/recipes.ts';
import { timeoutFault } from '../faults.ts';
import { type AppAccess, fetchText } from './address.ts';
import { pack } from './bundle.ts';
import { renderChart } from './chart.ts';
import { demandSize, type Manifest, objectAt, readManifests } from './manifests.ts';
import type { Parsed } from './parse-worker.ts';

/** Texts from this length on are read beside the event loop, in characters: a MiB takes about half a second. */
const largeText = 100_000;

/** Reads manifests without holding up others. */
export async function readText(text: string, call: Call): Promise<Manifest[]> {
  demandSize(Buffer.byteLength(text));
  if (text.length < largeText) return readManifests(text);
  const worker = new Worker(new URL('./parse-worker.ts', import.meta.url), { workerData: text });
  try {
    const signal = AbortSignal.any([call.signal, AbortSignal.timeout(Math.max(0, call.deadline - Date.now()))]);
    const [parsed] = (await once(worker, 'message', { signal })) as [Parsed];
    if ('manifests' in parsed) return parsed.manifests;
    const { message, next } = parsed.refused;
    throw new Fault('bad-input', message, { field: 'manifest', ...(next ? { next } : {}) });
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === 'AbortError') throw timeoutFault('GET', call.signal.aborted);
    throw thrown;
  } finally {
    await worker.terminate();
  }
}

/** What reading an app from where it comes from needs. */
export interface SourceParts {
  access: AppAccess;
  /** The cluster's kubeconfig, for a chart that asks what the cluster is like. */
  kubeconfig(): string;
  call: Call;
}

/** The objects of an app, packed. */
export async function bundleOf(
  app: { name: string; namespace: string },
  source: AppSource,
  parts: SourceParts,
): Promise<AppBundle> {
  const manifests = await manifestsFrom(app, source, parts);
  const suggests = suggestion(manifests);
  return { bulk: pack(manifests), objects: manifests.length, ...(suggests ? { suggests } : {}) };
}

async function manifestsFrom(
  app: { name: string; namespace: string },
  source: AppSource,
  { access, kubeconfig, call }: SourceParts,
): Promise<Manifest[]> {
  switch (source.from) {
    case 'text':
      return readText(source.text, call);
    case 'address':
      return readText(await fetchText(source.url, access, call), call);
    case 'image': {
      const { from: _from, ...image } = source;
      return imageObjects(app, image);
    }
    case 'catalogue':
      return catalogueObjects(app, source.what, source.values);
    case 'chart':
      return readText(await renderChart(kubeconfig(), app, source, access, call), call);
  }
}

/** The name that most likely is the app's: that of the first workload, else of the first object. */
function suggestion(manifests: readonly Manifest[]): string | undefined {
  const workload = manifests.find(({ kind }) => ['Deployment', 'StatefulSet', 'DaemonSet'].includes(kind));
  const first = workload ?? manifests[0];
  const given = first && objectAt(first.object, 'metadata', 'labels')['app.kubernetes.io/instance'];
  return typeof given === 'string' ? given : first?.name;
}
