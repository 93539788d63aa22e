import { type JsonObject, parseObject, textAt } from './json.ts';
import { type Resource, resourceKey } from './kube-registry.ts';
import { fieldSelector, labelSelector, type Selector } from './kube-selectors.ts';
import { badRequest, expired } from './kube-status.ts';
import type { Change, ObjectStore } from './kube-store.ts';
import { type Form, shapeList, shapeOne } from './kube-tables.ts';

/** Where the text of a stream goes. */
export type Stream = { write(text: string): void; end(): void };

/** How often a quiet watch that allows bookmarks gets one, ms. */
const BOOKMARK_EVERY = 60_000;

/** What of a resource a reader wants. */
export type Scope = { resource: Resource; namespace: string; query: URLSearchParams; form: Form };

function selectorOf({ resource, namespace, query }: Scope): Selector {
  const labels = query.get('labelSelector') ?? '';
  const fields = query.get('fieldSelector') ?? '';
  const tests: Selector[] = [];
  if (namespace !== '') tests.push((object) => textAt(object, 'metadata', 'namespace') === namespace);
  if (labels !== '') tests.push(labelSelector(labels));
  if (fields !== '') tests.push(fieldSelector(fields, resource.plural));
  return (object) => tests.every((test) => test(object));
}

type Mark = { version: number; after: string };

function readMark(token: string): Mark {
  try {
    const mark = parseObject(Buffer.from(token, 'base64url').toString('utf8'));
    if (typeof mark.version === 'number' && typeof mark.after === 'string')
      return { version: mark.version, after: mark.after };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw badRequest('continue key is not valid');
}

function place(object: JsonObject): string {
  return `${textAt(object, 'metadata', 'namespace') ?? ''}/${textAt(object, 'metadata', 'name') ?? ''}`;
}

/** A page of a list. Throws 410 when a continue token is older than what is remembered. */
export function listObjects(store: ObjectStore, scope: Scope): JsonObject {
  const selected = store.list(resourceKey(scope.resource), scope.namespace).filter(selectorOf(scope));
  const limit = Number(scope.query.get('limit') ?? 0);
  const token = scope.query.get('continue') ?? '';
  let rest = selected;
  let version = store.version;
  if (token !== '') {
    const mark = readMark(token);
    if (mark.version < store.floor) {
      throw expired(
        'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.',
      );
    }
    version = mark.version;
    rest = selected.filter((object) => place(object) > mark.after);
  }
  const page = limit > 0 ? rest.slice(0, limit) : rest;
  const metadata: JsonObject = { resourceVersion: String(version) };
  const last = page.at(-1);
  if (page.length < rest.length && last !== undefined) {
    metadata.continue = Buffer.from(JSON.stringify({ version, after: place(last) })).toString('base64url');
    // The API server does not count what a selector would leave.
    const selective = (scope.query.get('labelSelector') ?? '') + (scope.query.get('fieldSelector') ?? '') !== '';
    if (!selective) metadata.remainingItemCount = rest.length - page.length;
  }
  return shapeList(scope.resource, page, scope.form, metadata);
}

/** Streams changes until the reader leaves, `timeoutSeconds` pass or the cluster goes. */
export function watchObjects(store: ObjectStore, scope: Scope, open: (onClose: () => void) => Stream): void {
  const { resource, query, form } = scope;
  const key = resourceKey(resource);
  const selected = selectorOf(scope);
  const asked = query.get('resourceVersion') ?? '';
  const fromStart = asked === '' || asked === '0';
  if (!/^\d*$/.test(asked)) throw badRequest(`Invalid value: "${asked}": resourceVersion`);
  let columns = true;
  let closed = false;
  const endings: (() => void)[] = [];
  const stream = open(() => {
    closed = true;
    for (const end of endings) end();
  });
  const send = (type: string, object: JsonObject): void => {
    stream.write(`${JSON.stringify({ type, object })}\n`);
  };
  const sendObject = (type: string, object: JsonObject): void => {
    // A table's columns come with its first rows only, as the API server does it.
    send(type, shapeOne(resource, object, form, columns));
    columns = false;
  };
  const pass = (change: Change): void => {
    const now = change.type !== 'DELETED' && selected(change.object);
    const was = change.before !== undefined && selected(change.before);
    if (now) sendObject(was ? 'MODIFIED' : 'ADDED', change.object);
    else if (was) {
      const metadata = change.object.metadata;
      sendObject('DELETED', change.type === 'DELETED' ? change.object : { ...change.before, metadata: metadata ?? {} });
    }
  };
  const bookmark = (annotations?: JsonObject): void => {
    const metadata = { resourceVersion: String(store.version), ...(annotations === undefined ? {} : { annotations }) };
    const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
    const mark = { kind: resource.kind, apiVersion, metadata };
    // A table's bookmark must be a table, or the reader's decoder stops.
    send('BOOKMARK', form.as === 'table' ? shapeList(resource, [], form, metadata) : mark);
  };
  if (fromStart) for (const object of store.list(key)) if (selected(object)) sendObject('ADDED', object);
  if (!fromStart) {
    const missed = store.since(key, Number(asked));
    if (missed === undefined) {
      const gone = expired(`too old resource version: ${asked} (${store.floor})`);
      send('ERROR', gone.body());
      stream.end();
      return;
    }
    for (const change of missed) pass(change);
  }
  if (query.get('sendInitialEvents') === 'true') bookmark({ 'k8s.io/initial-events-end': 'true' });
  if (closed) return;
  endings.push(store.watch(key, pass, () => stream.end()));
  const seconds = Number(query.get('timeoutSeconds') ?? 0) || 1800 + Math.floor(Math.random() * 1800);
  const timeout = setTimeout(() => stream.end(), seconds * 1000);
  endings.push(() => clearTimeout(timeout));
  if (query.get('allowWatchBookmarks') === 'true') {
    const every = setInterval(bookmark, BOOKMARK_EVERY);
    endings.push(() => clearInterval(every));
  }
}
