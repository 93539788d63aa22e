import { type JsonObject, numberAt, objectsAt, textAt } from './json.ts';
import { badRequest } from './kube-status.ts';

type Line = { at: string; text: string };

/** Why a container has no log yet, in the API server's words. */
function notStarted(container: string, pod: string, status: JsonObject | undefined): Error {
  const reason = textAt(status, 'state', 'waiting', 'reason') ?? 'ContainerCreating';
  const why = reason.includes('ImagePull') ? 'trying and failing to pull image' : reason;
  return badRequest(`container "${container}" in pod "${pod}" is waiting to start: ${why}`);
}

function crashed(image: string, restarts: number, at: string): Line[] {
  return [
    { at, text: `starting ${image}, attempt ${restarts}` },
    { at, text: 'FATAL: the configuration names no database; set DATABASE_URL' },
    { at, text: `image ${image} crashed: exit code 1` },
  ];
}

/** The lines of a container: what it says is told by its image and its restarts alone. */
function linesOf(pod: JsonObject, status: JsonObject | undefined, previous: boolean): Line[] | undefined {
  const image = textAt(status, 'image') ?? '';
  const at = textAt(pod, 'status', 'startTime') ?? '';
  const restarts = numberAt(status, 'restartCount') ?? 0;
  const notice = {
    at,
    text: 'KQueen sandbox: no real machine runs this container, so these lines are all that it logs',
  };
  if (previous) {
    if (restarts === 0) return undefined;
    return [notice, ...crashed(image, restarts, textAt(status, 'lastState', 'terminated', 'finishedAt') ?? at)];
  }
  const ended = textAt(status, 'state', 'terminated', 'reason');
  if (ended !== undefined) {
    const code = numberAt(status, 'state', 'terminated', 'exitCode') ?? 0;
    const when = textAt(status, 'state', 'terminated', 'finishedAt') ?? at;
    return [notice, { at, text: `image ${image} is up` }, { at: when, text: `ended with exit code ${code}` }];
  }
  const running = textAt(status, 'state', 'running', 'startedAt') !== undefined && restarts === 0;
  if (running) return [notice, { at, text: `image ${image} is up` }, { at, text: 'listening on :8080' }];
  return [notice, ...crashed(image, Math.max(restarts, 1), at)];
}

/**
 * The log of a pod's container as a query asks for it (container, previous, tailLines, limitBytes, sinceSeconds,
 * sinceTime, timestamps). Throws a 400 when the container is not named, not there or has not started.
 */
export function podLog(pod: JsonObject, query: URLSearchParams): string {
  const podName = textAt(pod, 'metadata', 'name') ?? '';
  const containers = [...objectsAt(pod, 'spec', 'initContainers'), ...objectsAt(pod, 'spec', 'containers')];
  const names = containers.map((container) => textAt(container, 'name') ?? '');
  const [only = ''] = names;
  const asked = query.get('container') ?? (names.length === 1 ? only : '');
  if (asked === '') {
    throw badRequest(`a container name must be specified for pod ${podName}, choose one of: [${names.join(' ')}]`);
  }
  if (!names.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${podName}`);
  const status = [
    ...objectsAt(pod, 'status', 'initContainerStatuses'),
    ...objectsAt(pod, 'status', 'containerStatuses'),
  ].find((entry) => entry.name === asked);
  const waiting = textAt(status, 'state', 'waiting', 'reason');
  if (status === undefined || (waiting !== undefined && waiting !== 'CrashLoopBackOff')) {
    throw notStarted(asked, podName, status);
  }
  const previous = query.get('previous') === 'true' || query.get('previous') === '1';
  let lines = linesOf(pod, status, previous);
  if (lines === undefined) {
    throw badRequest(`previous terminated container "${asked}" in pod "${podName}" not found`);
  }
  const seconds = Number(query.get('sinceSeconds') ?? Number.NaN);
  const from = Number.isNaN(seconds) ? Date.parse(query.get('sinceTime') ?? '') : Date.now() - seconds * 1000;
  if (!Number.isNaN(from)) lines = lines.filter((line) => Date.parse(line.at) >= from);
  const tail = query.get('tailLines');
  if (tail !== null) lines = lines.slice(Math.max(0, lines.length - Number(tail)));
  const stamps = query.get('timestamps') === 'true';
  const stamped = (line: Line): string => `${line.at.replace('Z', '.000000000Z')} ${line.text}`;
  const text = lines.map((line) => `${stamps ? stamped(line) : `${line.at} ${line.text}`}\n`).join('');
  const limit = query.get('limitBytes');
  return limit === null ? text : text.slice(0, Number(limit));
}
