/** Reads manifests: every document of a YAML or JSON text, with the line in what is said about it. */
import { LineCounter, parseAllDocuments, type ScalarTag, type Tags, type YAMLParseError } from 'yaml';
import { largestManifest } from '../../core/apps.ts';
import { Fault } from '../../core/errors.ts';
import { plain } from '../faults.ts';

export type JsonObject = Record<string, unknown>;

/** One object as it is to be in a cluster. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  name: string;
  /** As written; absent for the app's own namespace and for kinds that are in none. */
  namespace?: string;
  object: JsonObject;
}

/** Most objects of one app. */
const mostObjects = 500;

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The member of a JSON object when it is an object itself, else an empty one. */
export function objectAt(value: unknown, ...path: string[]): JsonObject {
  let current = value;
  for (const part of path) current = isObject(current) ? current[part] : undefined;
  return isObject(current) ? current : {};
}

/** The member of a JSON object when it is a list, else an empty one. */
export function listAt(value: unknown, ...path: string[]): unknown[] {
  let current = value;
  for (const part of path) current = isObject(current) ? current[part] : undefined;
  return Array.isArray(current) ? current : [];
}

/** `Deployment web`, `Deployment shop/web`. */
export function called({ kind, name, namespace }: Pick<Manifest, 'kind' | 'name' | 'namespace'>): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

/** The group of an apiVersion; '' for the core one. */
export function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}

/** Two manifests of the same object have the same one, whatever version of the API they are written in. */
export function keyOf({ apiVersion, kind, name, namespace }: Omit<Manifest, 'object'>): string {
  return `${groupOf(apiVersion)}/${kind}/${namespace ?? ''}/${name}`;
}

/** `yes` and `on` are true as kubectl reads them; a bare `y` stays a text, since it is a key in many a configuration. */
const truth = (value: boolean, test: RegExp): ScalarTag => ({
  identify: (given) => given === value,
  default: true,
  tag: 'tag:yaml.org,2002:bool',
  test,
  resolve: () => value,
});
const truths = [
  truth(true, /^(?:[Tt]rue|TRUE|[Yy]es|YES|[Oo]n|ON)$/),
  truth(false, /^(?:[Ff]alse|FALSE|[Nn]o|NO|[Oo]ff|OFF)$/),
];

/** YAML 1.1 as the Go library of kubectl reads it: octal modes such as 0644, but neither dates nor numbers with colons. */
function tagsOf(tags: Tags): Tags {
  const kept = tags.filter((tag) => {
    if (typeof tag === 'string') return true;
    if (tag.tag === 'tag:yaml.org,2002:timestamp' || tag.tag === 'tag:yaml.org,2002:bool') return false;
    return (tag as { format?: string }).format !== 'TIME';
  });
  return [...truths, ...kept];
}

function broken(error: YAMLParseError): Fault {
  const [at] = error.linePos ?? [];
  const why = plain(error.message.split(/ at line \d/)[0]?.replace(/:\s*$/, '') ?? '', 160);
  const where = at ? `line ${at.line}, column ${at.col}` : 'an unknown line';
  const tab = /tab/i.test(why) ? ' YAML is indented with spaces alone.' : '';
  return bad(`The YAML is broken at ${where}: ${why}.${tab}`.replace('..', '.'));
}

function bad(message: string, next?: string): Fault {
  return new Fault('bad-input', message, { field: 'manifest', ...(next ? { next } : {}) });
}

/** Throws for a text that is longer than manifests may be. */
export function demandSize(bytes: number): void {
  if (bytes <= largestManifest) return;
  const size = `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  throw bad(`These manifests are ${size} long; ${largestManifest / 2 ** 20} MiB is the most that is taken.`);
}

/**
 * The objects of a text in their order. Empty documents are skipped, lists taken apart, fields of the server left out. Throws `bad-input` that
 * names line and column, or the object.
 */
export function readManifests(text: string): Manifest[] {
  demandSize(Buffer.byteLength(text));
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { version: '1.1', customTags: tagsOf, lineCounter: lines, merge: true });
  if (!Array.isArray(documents)) return [];
  const found: { manifest: Manifest; line: number }[] = [];
  for (const document of documents) {
    const [error] = document.errors;
    if (error) throw broken(error);
    const line = document.contents ? lines.linePos(document.contents.range?.[0] ?? 0).line : 1;
    const value: unknown = plainOf(document, line);
    if (value === null || value === undefined) continue;
    for (const object of taken(value, line)) found.push({ manifest: readObject(object, line), line });
  }
  if (found.length === 0) throw bad('There is no object in it: it is empty, or has comments alone.');
  if (found.length > mostObjects) {
    throw bad(
      `There are ${found.length} objects in it; ${mostObjects} is the most of one app.`,
      'Part it into several apps.',
    );
  }
  const seen = new Map<string, number>();
  for (const { manifest, line } of found) {
    const before = seen.get(keyOf(manifest));
    if (before !== undefined) {
      throw bad(`${called(manifest)} is there twice: at line ${before} and at line ${line}.`, 'Leave one of them out.');
    }
    seen.set(keyOf(manifest), line);
  }
  return found.map(({ manifest }) => manifest);
}

function plainOf(document: { toJS(options: { maxAliasCount: number }): unknown }, line: number): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (thrown) {
    if (!(thrown instanceof ReferenceError)) throw thrown;
    throw bad(`The document at line ${line} refers to itself too often (YAML aliases).`);
  }
}

/** A document's objects: itself, or the items of a list, and of lists in it. */
function taken(value: unknown, line: number, depth = 0): JsonObject[] {
  if (!isObject(value)) {
    throw bad(
      `The document at line ${line} is no object: it is ${Array.isArray(value) ? 'a list' : `a ${typeof value}`}.`,
    );
  }
  if (!Array.isArray(value.items) || !String(value.kind ?? '').endsWith('List')) return [value];
  if (depth > 3) throw bad(`The list at line ${line} has lists in lists.`);
  return value.items.flatMap((item: unknown) => {
    const own = String(value.kind).slice(0, -4);
    const whole = isObject(item) && own !== '' ? { apiVersion: value.apiVersion, kind: own, ...item } : item;
    return taken(whole, line, depth + 1);
  });
}

const name = /^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?$/;

function readObject(object: JsonObject, line: number): Manifest {
  const { apiVersion, kind } = object;
  if (typeof kind !== 'string' || !/^[A-Z][A-Za-z0-9]*$/.test(kind))
    throw bad(`The object at line ${line} has no kind.`);
  if (typeof apiVersion !== 'string' || !/^([a-z0-9.-]+\/)?v[a-z0-9]+$/.test(apiVersion)) {
    throw bad(`The ${kind} at line ${line} has no apiVersion, such as v1 or apps/v1.`);
  }
  const metadata = object.metadata;
  if (!isObject(metadata)) throw bad(`The ${kind} at line ${line} has no metadata.`);
  if (typeof metadata.name !== 'string') {
    const why =
      metadata.generateName === undefined
        ? `The ${kind} at line ${line} has no metadata.name.`
        : `The ${kind} at line ${line} has generateName: KQueen could not find it again.`;
    throw bad(why, 'Give it a name.');
  }
  if (!name.test(metadata.name))
    throw bad(`The ${kind} at line ${line} has a name that cannot be: ${plain(metadata.name, 60)}.`);
  if (metadata.namespace !== undefined && !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(String(metadata.namespace))) {
    throw bad(`${kind} ${metadata.name} at line ${line} has a namespace that cannot be.`);
  }
  for (const part of ['labels', 'annotations'] as const) {
    const texts = metadata[part];
    if (texts === undefined || texts === null) continue;
    const wrong = isObject(texts) ? Object.entries(texts).find(([, value]) => typeof value !== 'string') : [part];
    if (wrong)
      throw bad(
        `${kind} ${metadata.name} at line ${line}: its ${part} must be texts; put ${String(wrong[0])} into quotes.`,
      );
  }
  const {
    managedFields: _m,
    resourceVersion: _r,
    uid: _u,
    creationTimestamp: _c,
    generation: _g,
    selfLink: _s,
    ...kept
  } = metadata;
  const { status: _status, ...rest } = object;
  return {
    apiVersion,
    kind,
    name: metadata.name,
    ...(typeof metadata.namespace === 'string' ? { namespace: metadata.namespace } : {}),
    object: { ...(kind === 'Secret' || kind === 'ConfigMap' ? object : rest), metadata: kept },
  };
}
