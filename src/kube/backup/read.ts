/** Reads the objects of a cluster into chunks, one bounded step after the other. */
import { asFault, Fault } from '../../core/errors.ts';
import type { Archive, Vault } from '../../core/ports/archive.ts';
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import { plain, timeoutFault } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { metadataOnly } from '../views/pages.ts';
import { baseOf, resourceName, type Served, statusOf } from './discovery.ts';
import { chunkBytes, putChunk, type Ref, sealName } from './format.ts';
import { secretsOf } from './needs.ts';
import { stripped, whyLeft } from './strip.ts';
import { addLeft, addLeftSecret, addNeed, type Progress } from './tally.ts';

/** How long a step reads before it saves what it has, in milliseconds. */
const stepMs = 4_000;
/** What must be left of a call's time to write a chunk. */
const writeMs = 2_500;
/** How often a list that ends in 410 begins anew before it goes on as the server offers. */
const mostRestarts = 3;
/** How often in a row a list may fail before it is left out, as long as the cluster answers otherwise. */
const mostTries = 3;

export interface ReadParts {
  talk: Talk;
  archive: Archive;
  vault: Vault | undefined;
  ref: Ref;
  namespaces: readonly string[];
  secrets: boolean;
  resources: readonly Served[];
}

/** Lines on their way into a chunk. */
interface Buffer {
  lines: string[];
  bytes: number;
}

/**
 * One step of reading, from where `progress` is: pages until the time or a chunk is full, then the chunk is kept. The list of a resource that has more
 * than one page has chunks of its own, so that a list which expires half-way (410) is dropped whole and begins anew.
 */
export async function readStep(parts: ReadParts, from: Progress): Promise<Progress> {
  const { talk, resources } = parts;
  const progress = structuredClone(from);
  const buffer: Buffer = { lines: [], bytes: 0 };
  const until = Math.min(Date.now() + stepMs, talk.call.deadline - writeMs);
  while (progress.at < resources.length && Date.now() < until) {
    const served = resources[progress.at];
    if (!served) break;
    let page: JsonObject;
    try {
      page = await readPage(parts, served, progress);
    } catch (thrown) {
      const goesOn = await afterFault(parts, served, progress, buffer, asFault(thrown));
      if (!goesOn) break;
      continue;
    }
    progress.tries = 0;
    const token = String(objectAt(page, 'metadata').continue ?? '');
    if (progress.token === '' && token !== '') {
      // From here on the chunks are of this list alone.
      await flush(parts, progress, buffer);
      progress.before = { chunks: progress.chunks.length, tally: structuredClone(progress.tally) };
    }
    for (const item of listAt(page, 'items')) {
      if (!isObject(item)) continue;
      const line = lineOf(parts, served, item, progress);
      if (line === null) continue;
      if (buffer.bytes + line.length > chunkBytes) await flush(parts, progress, buffer);
      buffer.lines.push(line);
      buffer.bytes += line.length + 1;
    }
    if (token === '') nextResource(progress);
    else progress.token = token;
    if (buffer.bytes > chunkBytes / 2) break;
  }
  await flush(parts, progress, buffer);
  if (progress.at >= resources.length) progress.stage = 'volumes';
  return progress;
}

function nextResource(progress: Progress): void {
  progress.at += 1;
  Object.assign(progress, { token: '', limit: 500, restarts: 0, tries: 0 });
  delete progress.before;
}

async function flush({ archive, ref, talk }: ReadParts, progress: Progress, buffer: Buffer): Promise<void> {
  if (buffer.lines.length === 0) return;
  const name = `objects-${String(progress.next).padStart(6, '0')}.ndjson.gz`;
  progress.chunks.push(await putChunk(archive, ref, name, buffer.lines, talk.call));
  progress.next += 1;
  buffer.lines = [];
  buffer.bytes = 0;
}

/** Secrets that are not wanted are counted by their names alone: their contents are not even asked for. */
async function readPage(parts: ReadParts, served: Served, { token, limit }: Progress): Promise<JsonObject> {
  const { talk, secrets } = parts;
  const path = `${baseOf(served)}/${served.plural}?limit=${limit}${token === '' ? '' : `&continue=${encodeURIComponent(token)}`}`;
  const names = resourceName(served) === 'secrets' && !secrets;
  return inTime(talk, talk.raw({ method: 'GET', path, ...(names ? { accept: metadataOnly } : {}) }));
}

/** The answer, or a Fault in time for the step to save what it has: the step of a server that hangs must not be lost with it. */
export async function inTime<T>(talk: Talk, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(timeoutFault('GET', false)),
      Math.max(0, talk.call.deadline - writeMs - Date.now()),
    );
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
    // It goes on until the call's own deadline, and nobody waits for it.
    answer.catch(() => undefined);
  }
}

/** The line of an object, or null for one that is not kept; counts either. */
function lineOf(parts: ReadParts, served: Served, item: JsonObject, progress: Progress): string | null {
  const { tally } = progress;
  const what = resourceName(served);
  const why = whyLeft(served, item, parts.namespaces);
  if (why !== null) {
    addLeft(tally, what, why);
    return null;
  }
  const metadata = objectAt(item, 'metadata');
  const name = String(metadata.name ?? '');
  const namespace = String(metadata.namespace ?? '');
  if (what === 'secrets' && !parts.secrets) {
    if (objectAt(metadata, 'annotations')['kubernetes.io/service-account.name'] === undefined)
      addLeftSecret(tally, metadata);
    return null;
  }
  const kept = stripped(served, item);
  if (!parts.secrets && served.namespaced) {
    for (const secret of secretsOf(kept)) addNeed(tally, `${namespace}/${secret}`, `${served.kind} ${name}`);
  }
  const index = String(progress.at);
  tally.kept[index] = (tally.kept[index] ?? 0) + 1;
  return JSON.stringify(what === 'secrets' ? sealed(parts, kept, namespace, name) : kept);
}

/** A Secret of which only the name can be read: labels and annotations of it often hold what is in it. */
function sealed({ vault, ref }: ReadParts, kept: JsonObject, namespace: string, name: string): JsonObject {
  if (!vault) throw noVault();
  const { apiVersion, kind } = kept;
  const text = vault.seal(sealName(ref, namespace, name), JSON.stringify(kept));
  return { apiVersion, kind, metadata: { namespace, name }, sealed: text };
}

/** The Fault for Secrets without a key to seal them with. */
export function noVault(): Fault {
  return new Fault('unsupported', 'KQueen has no key to seal Secrets with.', {
    whose: 'admin',
    next: 'Set KQUEEN_SECRET_KEYS.',
  });
}

/** Decides after a page that could not be read: true to go on at once; false to save and wait. Throws what ends the step. */
async function afterFault(
  parts: ReadParts,
  served: Served,
  progress: Progress,
  buffer: Buffer,
  fault: Fault,
): Promise<boolean> {
  const what = resourceName(served);
  const status = statusOf(fault);
  const leave = (why: string): true => {
    dropList(progress, buffer);
    progress.unread.push({ what, why: plain(why, 300) });
    nextResource(progress);
    return true;
  };
  if (status === 410) return afterExpiry(progress, buffer, what, fault);
  if (status === 403) return leave('KQueen may not read them in this cluster');
  if (status === 404 || status === 405) return leave('the cluster does not serve them any more');
  if (/sent more than/.test(fault.message)) {
    if (progress.limit === 1) return leave('one of them is larger than KQueen reads');
    progress.limit = Math.max(1, Math.floor(progress.limit / 5));
    return true;
  }
  if (status < 500 && fault.kind !== 'unreachable') throw fault;
  // What fails over and over in a cluster that answers otherwise, such as a kind whose conversion webhook is gone, must not hold up the rest.
  progress.tries += 1;
  if (progress.tries < mostTries) return false;
  await parts.talk.raw({ method: 'GET', path: '/version' });
  return leave(`they cannot be read: ${fault.message}`);
}

/** 410 Gone: the version that the list was of is forgotten. */
function afterExpiry(progress: Progress, buffer: Buffer, what: string, fault: Fault): boolean {
  progress.restarts += 1;
  if (progress.restarts > mostRestarts) {
    // The server offers to go on with what there is now (https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses).
    const offered = /"continue"\s*:\s*"([^"]+)"/.exec(fault.detail ?? '')?.[1];
    if (offered === undefined || progress.restarts > mostRestarts * 10) throw fault;
    const note = `${what} changed too fast for one look: their pages are of different moments.`;
    if (!progress.notes.includes(note)) progress.notes.push(note);
    progress.token = offered;
    return true;
  }
  dropList(progress, buffer);
  return true;
}

/** Takes back what was read of the list under way; nothing of a list of one page was. */
function dropList(progress: Progress, buffer: Buffer): void {
  if (progress.before) {
    progress.chunks = progress.chunks.slice(0, progress.before.chunks);
    progress.tally = progress.before.tally;
    buffer.lines = [];
    buffer.bytes = 0;
  }
  progress.token = '';
  delete progress.before;
}
