/** What differs between two states of an object, as lines people read. Secrets are never in them. */
import { createHash } from 'node:crypto';
import { findSecret, scrub } from '../../core/secrets.ts';
import { plain } from '../faults.ts';
import { isObject, type JsonObject } from './manifests.ts';

/** What differs: its lines, and a hash of it all, secrets included. */
export interface Difference {
  lines: string[];
  /** Values that were left out because they are secret. */
  secrets: number;
  hash: string;
}

/** Fields that the server keeps for itself, or that KQueen counts with. */
const ownOfServer = ['managedFields', 'resourceVersion', 'generation', 'uid', 'creationTimestamp', 'selfLink'];
const ownAnnotations = [
  'kqueen/revision',
  'kubectl.kubernetes.io/last-applied-configuration',
  'deployment.kubernetes.io/revision',
];

/** Longest value that is shown, in characters. */
const longest = 80;

/** An object without what changes by itself. */
function compared(object: JsonObject): JsonObject {
  const { status: _status, metadata, ...rest } = object;
  const kept = isObject(metadata)
    ? Object.fromEntries(Object.entries(metadata).filter(([key]) => !ownOfServer.includes(key)))
    : {};
  if (isObject(kept.annotations)) {
    const annotations = Object.entries(kept.annotations).filter(([key]) => !ownAnnotations.includes(key));
    if (annotations.length === 0) delete kept.annotations;
    else kept.annotations = Object.fromEntries(annotations);
  }
  return { ...rest, metadata: kept };
}

/** Leaves by their path; items of lists go by their name, key or port where they have one. */
function leaves(value: unknown, path: string, into: Map<string, unknown>): void {
  if (isObject(value) && Object.keys(value).length > 0) {
    for (const [key, inner] of Object.entries(value)) leaves(inner, path === '' ? key : `${path}.${key}`, into);
  } else if (Array.isArray(value) && value.some(isObject)) {
    const names = value.map((item) =>
      isObject(item) ? String(item.name ?? item.mountPath ?? item.containerPort ?? item.port ?? item.key ?? '') : '',
    );
    const unique = new Set(names).size === names.length && !names.includes('');
    for (const [at, item] of value.entries()) leaves(item, `${path}[${unique ? names[at] : at}]`, into);
  } else {
    into.set(path, value);
  }
}

const secretName = /passw|secret|token|credential|api[-_]?key|private[-_]?key|access[-_]?key|auth/i;

/** Whether what is at a path is a secret by where it is or by its name. */
function isSecretAt(kind: string, path: string): boolean {
  if (kind === 'Secret' && /^(data|stringData)\./.test(path)) return true;
  const variable = /\.env\[([^\]]*)\]\.value$/.exec(path)?.[1];
  if (variable !== undefined) return secretName.test(variable);
  // The name of a Secret is none; a value under a telling key is.
  return kind === 'ConfigMap' && /^(data|binaryData)\./.test(path) && secretName.test(path);
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (typeof value === 'string' && value.includes('\n')) {
    const rows = value.split('\n');
    return `${JSON.stringify(plain(rows[0] ?? '', longest))} and ${rows.length - 1} more lines`;
  }
  return plain(scrub(text ?? 'null'), longest) || '""';
}

/** The difference of an object: from what is there to what will be. `before` is undefined for a new one. */
export function differenceOf(kind: string, before: JsonObject | undefined, after: JsonObject): Difference {
  const old = new Map<string, unknown>();
  const next = new Map<string, unknown>();
  if (before) leaves(compared(before), '', old);
  leaves(compared(after), '', next);
  const hash = createHash('sha256');
  const lines: string[] = [];
  let secrets = 0;
  for (const path of [...new Set([...old.keys(), ...next.keys()])].sort()) {
    const [was, is] = [old.get(path), next.get(path)];
    if (JSON.stringify(was) === JSON.stringify(is)) continue;
    // Numbers and addresses that the server draws are others in each dry run.
    const drawn = was === undefined && /^spec\.(clusterIPs?|healthCheckNodePort|ports\[[^\]]*\]\.nodePort)$/.test(path);
    if (!drawn) hash.update(JSON.stringify([path, was ?? null, is ?? null]));
    const texts = [was, is].filter((value): value is string => typeof value === 'string');
    const hidden =
      isSecretAt(kind, path) ||
      texts.some((value) => findSecret(value) !== null || findSecret(`${path.split('.').at(-1)}=${value}`) !== null);
    if (hidden) secrets += 1;
    const say = (value: unknown) => (hidden ? '***' : shown(value));
    if (!old.has(path)) lines.push(`+ ${path}: ${say(is)}`);
    else if (!next.has(path)) lines.push(`- ${path}: ${say(was)}`);
    else lines.push(`~ ${path}: ${say(was)} → ${say(is)}${hidden ? ' (changed)' : ''}`);
  }
  return { lines: lines.map((line) => plain(line, 240)), secrets, hash: hash.digest('hex').slice(0, 16) };
}
