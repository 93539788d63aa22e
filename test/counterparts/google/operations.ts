/** Long-running operations in time: what is asked at a moment shows how far they are at that moment. */
import { randomUUID } from 'node:crypto';

/** How an operation comes to its end. */
export interface Course {
  type: string;
  location: string;
  /** Path behind the project: `zones/z/clusters/c` or `locations/r/clusters/c/nodePools/p`. */
  target: string;
  cluster: string;
  ms: number;
  /** What its progress counts, in order: name and total. The last of several stops before its total, as Google's does. */
  stages: [string, number][];
  /** Stops half-way until `resume`. */
  stalled: boolean;
  /** Fails at four tenths with this sentence. */
  failure: string | null;
  /** Done at its end, when it did not fail; `failed` when it did. */
  done(): void;
  failed(message: string): void;
  /** What it has to wait for besides time. */
  needs?: Promise<unknown>;
}

export interface Operation extends Course {
  name: string;
  begun: number;
  ended: number | null;
  cancelled: boolean;
  ready: boolean;
  error: { code: number; message: string } | null;
}

const failAt = 0.4;

export function beginOperation(course: Course): Operation {
  const operation: Operation = {
    ...course,
    name: `operation-${Date.now()}-${randomUUID()}`,
    begun: Date.now(),
    ended: null,
    cancelled: false,
    ready: course.needs === undefined,
    error: null,
  };
  course.needs?.then(
    () => {
      operation.ready = true;
    },
    (error: unknown) => {
      operation.failure = String(error);
      operation.ready = true;
    },
  );
  return operation;
}

export function shareOf(operation: Operation, now = Date.now()): number {
  if (operation.ended !== null) return 1;
  const share = (now - operation.begun) / operation.ms;
  return Math.max(0, Math.min(operation.stalled ? 0.5 : 1, share));
}

/** Ends what is at its end. */
export function settle(operation: Operation): void {
  if (operation.ended !== null) return;
  const share = shareOf(operation);
  if (operation.cancelled) fail(operation, 1, 'Operation was aborted.');
  else if (operation.failure !== null && share >= failAt) fail(operation, 13, operation.failure);
  else if (share >= 1 && operation.ready) {
    operation.ended = Date.now();
    operation.done();
  }
}

/** With a code of google.rpc.Code. */
function fail(operation: Operation, code: number, message: string): void {
  operation.ended = Date.now();
  operation.error = { code, message };
  operation.failed(message);
}

/** Lets a stalled operation go on from where it stands. */
export function resume(operation: Operation): void {
  if (!operation.stalled) return;
  operation.begun = Math.max(operation.begun, Date.now() - operation.ms / 2);
  operation.stalled = false;
}

/**
 * As the API shows it. Recorded (k8s-config-connector, _http.log): name, operationType, selfLink and targetLink with the project's number and, for a
 * zone, under /zones/, startTime, status, zone; progress metrics with intValue as text; endTime when DONE.
 */
export function shownOperation(operation: Operation, base: string, zonal: boolean): Record<string, unknown> {
  const share = shareOf(operation);
  const done = operation.ended !== null;
  const under = zonal ? 'zones' : 'locations';
  const status = done ? 'DONE' : operation.cancelled ? 'ABORTING' : share < 0.05 ? 'PENDING' : 'RUNNING';
  const shown: Record<string, unknown> = {
    name: operation.name,
    zone: operation.location,
    ...(operation.type ? { operationType: operation.type } : {}),
    status,
    selfLink: `${base}/${under}/${operation.location}/operations/${operation.name}`,
    targetLink: `${base}/${operation.target}`,
    startTime: stamp(operation.begun),
  };
  if (operation.ended !== null) shown.endTime = stamp(operation.ended);
  if (status !== 'PENDING' && operation.stages.length > 0) shown.progress = { metrics: metricsOf(operation, share) };
  if (operation.error) {
    shown.error = operation.error;
    // Deprecated and still filled, says the reference.
    shown.statusMessage = operation.error.message;
  }
  return shown;
}

function metricsOf(operation: Operation, share: number): unknown[] {
  const all = operation.stages.reduce((sum, [, total]) => sum + total, 0);
  let left = Math.floor(all * share);
  return operation.stages.flatMap(([name, total], index) => {
    const most = index > 0 && index === operation.stages.length - 1 ? total - 1 : total;
    const counted = Math.min(most, left);
    left = Math.max(0, left - total);
    const [one, other] = name === 'NODES' ? ['NODES_DONE', 'NODES_TOTAL'] : [name, `${name}_TOTAL`];
    return [
      { name: one, intValue: String(counted) },
      { name: other, intValue: String(total) },
    ];
  });
}

/** RFC 3339 with nine digits, as Google writes it. */
function stamp(at: number): string {
  return new Date(at).toISOString().replace('Z', '000000Z');
}
