import { BodyTooLarge, type Exchange } from './exchange.ts';
import { isObject, type Json, type JsonObject, listAt, numberAt, objectAt, textAt } from './json.ts';
import type { FieldValidation } from './kube-fields.ts';
import type { DeleteOptions, WriteOptions } from './kube-objects.ts';
import { jsonPatch, mergePatch, strategicPatch } from './kube-patch.ts';
import type { Resource } from './kube-registry.ts';
import { badRequest, StatusError } from './kube-status.ts';
import type { Shape } from './kube-types.ts';

/** The function that a patch of a content type is; 415 for a type that is no patch. */
export function patchOf(type: string, patch: Json, shape: Shape): (old: JsonObject) => JsonObject {
  if (type === 'application/json-patch+json') {
    if (!Array.isArray(patch)) throw badRequest('a JSON patch is a list of operations');
    return (old) => jsonPatch(old, patch);
  }
  if (!isObject(patch)) throw badRequest('a merge patch is an object');
  if (type === 'application/strategic-merge-patch+json') return (old) => strategicPatch(old, patch, shape);
  if (type === 'application/merge-patch+json') {
    return (old) => {
      const merged = mergePatch(old, patch);
      return isObject(merged) ? merged : old;
    };
  }
  throw new StatusError(
    415,
    'UnsupportedMediaType',
    'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml',
  );
}

/** The members that a path such as `.spec.replicas` goes through. */
function stepsOf(resource: Resource, name: string, otherwise: string): string[] {
  return (textAt(resource.definition?.scale, name) ?? otherwise).split('.').filter((step) => step !== '');
}

/** The Scale of a workload, or of a custom object by the paths of its definition. */
export function scaleOf(resource: Resource, object: JsonObject): JsonObject {
  const metadata = objectAt(object, 'metadata');
  const labels = Object.entries(objectAt(object, 'spec', 'selector', 'matchLabels'));
  const selectorAt = stepsOf(resource, 'labelSelectorPath', '');
  const selector = selectorAt.length > 0 ? textAt(object, ...selectorAt) : undefined;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name: metadata.name,
      namespace: metadata.namespace,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
      creationTimestamp: metadata.creationTimestamp,
    },
    spec: { replicas: numberAt(object, ...stepsOf(resource, 'specReplicasPath', '.spec.replicas')) ?? 0 },
    status: {
      replicas: numberAt(object, ...stepsOf(resource, 'statusReplicasPath', '.status.replicas')) ?? 0,
      selector: selector ?? labels.map(([key, value]) => `${key}=${value}`).join(','),
    },
  };
}

/** An object with the replicas of a Scale, and only if it still has the version that the Scale says. */
export function scaled(resource: Resource, object: JsonObject, scale: JsonObject): JsonObject {
  const replicas = numberAt(scale, 'spec', 'replicas') ?? 0;
  const version = textAt(scale, 'metadata', 'resourceVersion');
  const metadata = { ...objectAt(object, 'metadata'), ...(version === undefined ? {} : { resourceVersion: version }) };
  const next: JsonObject = { ...object, metadata };
  const steps = stepsOf(resource, 'specReplicasPath', '.spec.replicas');
  const last = steps.pop() ?? 'replicas';
  let place = next;
  for (const step of steps) {
    const below = { ...objectAt(place, step) };
    place[step] = below;
    place = below;
  }
  place[last] = replicas;
  return next;
}

/** The Status of a change that has no other answer. */
export function success(): JsonObject {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
}

/** The Status of a deletion. */
export function deleted(resource: Resource, object: JsonObject): JsonObject {
  const { name, uid } = objectAt(object, 'metadata');
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, group: resource.group, kind: resource.plural, uid },
  };
}

/** How a write is to be made, from the query and the client's name; the controller's own writes are not recorded. */
export function writeOptions(exchange: Exchange, own: boolean): WriteOptions {
  const agent = exchange.headers['user-agent'] ?? 'unknown';
  const validation = exchange.query.get('fieldValidation') ?? '';
  if (!['', 'Strict', 'Warn', 'Ignore'].includes(validation)) {
    const list = 'supported values: "Ignore", "Strict", "Warn"';
    throw badRequest(`fieldValidation: Unsupported value: "${validation}": ${list}`);
  }
  return {
    dryRun: isDryRun(exchange.query.getAll('dryRun')),
    manager: exchange.query.get('fieldManager') ?? agent.split('/')[0] ?? 'unknown',
    track: !own,
    validation: validation === '' ? 'Warn' : (validation as FieldValidation),
    warn: (warning) => exchange.warn(warning),
  };
}

function isDryRun(values: readonly unknown[]): boolean {
  if (values.some((value) => value !== 'All')) throw badRequest('Invalid value: dryRun: only "All" is supported');
  return values.length > 0;
}

/** How a deletion is to be made, from the body and the query. */
export async function deleteOptions(exchange: Exchange): Promise<DeleteOptions> {
  const body = await readBody(exchange);
  return deleteOptionsOf(exchange, isObject(body) ? body : {});
}

/** How a deletion is to be made, from options that were read already and the query. */
export function deleteOptionsOf(exchange: Exchange, body: JsonObject): DeleteOptions {
  const asked = exchange.query.get('gracePeriodSeconds');
  const orphan = body.orphanDependents === true ? 'Orphan' : undefined;
  return {
    dryRun: isDryRun([...exchange.query.getAll('dryRun'), ...listAt(body, 'dryRun')]),
    grace: asked === null ? numberAt(body, 'gracePeriodSeconds') : Number(asked),
    propagation: textAt(body, 'propagationPolicy') ?? exchange.query.get('propagationPolicy') ?? orphan ?? 'Background',
    uid: textAt(body, 'preconditions', 'uid'),
    version: textAt(body, 'preconditions', 'resourceVersion'),
  };
}

/** The body: JSON, YAML or Kubernetes' protobuf; an empty one is null. */
export async function readBody(exchange: Exchange): Promise<Json> {
  const type = exchange.headers['content-type'] ?? '';
  if (type.includes('protobuf')) {
    const { readProtobuf } = await import('./kube-protobuf.ts');
    return readProtobuf(await exchange.bytes());
  }
  const text = await exchange.body();
  if (text.trim() === '') return null;
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    if (!(exchange.headers['content-type'] ?? '').includes('yaml'))
      throw badRequest(`the body is no JSON: ${error.message}`);
  }
  const yaml = await import('yaml');
  try {
    return yaml.parse(text) as Json;
  } catch (error) {
    throw badRequest(`the body is no YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The body, which must be an object. */
export async function readObject(exchange: Exchange): Promise<JsonObject> {
  const body = await readBody(exchange);
  if (!isObject(body)) throw badRequest('the body is no object');
  return body;
}

/** Answers any error as a Status; what is no StatusError is a mistake of this program and says so with a 500. */
export function answerError(exchange: Exchange, error: unknown): void {
  if (exchange.answered) return;
  if (error instanceof StatusError) {
    const seconds = error.details.retryAfterSeconds;
    exchange.json(error.code, error.body(), seconds === undefined ? {} : { 'retry-after': String(seconds) });
    return;
  }
  if (error instanceof BodyTooLarge) {
    exchange.json(413, new StatusError(413, 'RequestEntityTooLarge', error.message).body());
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  exchange.json(500, new StatusError(500, 'InternalError', `Internal error occurred: ${message}`).body());
}
