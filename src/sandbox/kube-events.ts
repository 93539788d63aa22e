import { type JsonObject, objectAt, textAt } from './json.ts';
import type { Resource } from './kube-registry.ts';

/** The members of core events and what events.k8s.io calls them. */
const NAMES: readonly [string, string][] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
];

function renamed(object: JsonObject, names: readonly [string, string][], apiVersion: string): JsonObject {
  const result: JsonObject = { ...object, apiVersion };
  for (const [from, to] of names) {
    if (object[from] === undefined) continue;
    result[to] = object[from];
    delete result[from];
  }
  return result;
}

/** Whether a resource is the events of events.k8s.io, which are the core's events under other names. */
export function isNewEvent(resource: Pick<Resource, 'group' | 'plural'>): boolean {
  return resource.group === 'events.k8s.io' && resource.plural === 'events';
}

/** A kept event as events.k8s.io shows it. */
export function newEvent(event: JsonObject): JsonObject {
  if (textAt(event, 'apiVersion') !== 'v1') return event;
  return renamed(event, NAMES, 'events.k8s.io/v1');
}

/** An event of events.k8s.io as it is kept. */
export function coreEvent(event: JsonObject): JsonObject {
  const back = NAMES.map(([core, other]): [string, string] => [other, core]);
  const kept = renamed(event, back, 'v1');
  kept.involvedObject ??= objectAt(event, 'regarding');
  return kept;
}
