/** The objects of an app as one text: what a job carries and what a revision keeps. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { Fault } from '../../core/errors.ts';
import { isObject, type JsonObject, type Manifest } from './manifests.ts';

/**
 * Longest packed text, in characters. A value of etcd is at most 1.5 MiB, and a Secret 1 MiB
 * (https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size).
 */
const longest = 900_000;

/** Packs manifests; throws `bad-input` for what does not fit even so. */
export function pack(manifests: readonly Manifest[]): string {
  const text = JSON.stringify(manifests.map(({ object }) => object));
  const packed = gzipSync(text, { level: 9 }).toString('base64');
  if (packed.length <= longest) return packed;
  throw new Fault('bad-input', 'These manifests are too large to be kept for a rollback, even packed.', {
    field: 'manifest',
    next: 'Part them into several apps, or put large files into images.',
  });
}

/** Manifests from a packed text of `pack`. */
export function unpack(packed: string): Manifest[] {
  // Bounded: what was packed here was at most a few MiB.
  const text = gunzipSync(Buffer.from(packed, 'base64'), { maxOutputLength: 64 * 2 ** 20 }).toString('utf8');
  const objects: unknown = JSON.parse(text);
  if (!Array.isArray(objects)) throw new Fault('internal', 'What was kept of the app is not readable.');
  return objects.filter(isObject).map(manifestOf);
}

/** A manifest from its object, which was checked before. */
export function manifestOf(object: JsonObject): Manifest {
  const metadata = isObject(object.metadata) ? object.metadata : {};
  return {
    apiVersion: String(object.apiVersion),
    kind: String(object.kind),
    name: String(metadata.name),
    ...(typeof metadata.namespace === 'string' ? { namespace: metadata.namespace } : {}),
    object,
  };
}
