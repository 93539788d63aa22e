/** The last lines of an app's containers, with everything that looks like a credential blotted out. */
import type { Part } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import type { Looked } from '../../core/ports/work.ts';
import { scrub } from '../../core/secrets.ts';
import { count } from '../../core/words.ts';
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import { readRevisions } from '../apply/revisions.ts';
import { selectorOf } from '../apply/rollout.ts';
import { appLabel } from '../apply/set.ts';
import { plain } from '../faults.ts';
import type { Talk, View } from '../operation.ts';
import { listPath } from './pages.ts';

/** Most containers whose logs one look reads, most characters of one in a message, and of one in the file. */
const most = { containers: 6, shown: 2_400, kept: 500_000 };

/** A log without credentials, terminal colours and characters that could mislead; lines stay. */
export function cleanLog(text: string): string {
  const uncoloured = text.replace(new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[ -/]*[@-~]`, 'g'), '');
  // The first lines may be the end of a key whose beginning was not asked for.
  const end = /-----END [A-Z ]*PRIVATE KEY-----/.exec(uncoloured);
  const headless = end !== null && !/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(uncoloured.slice(0, end.index));
  const whole = headless ? `•••${uncoloured.slice(end.index + end[0].length)}` : uncoloured;
  return scrub(whole)
    .replace(/\r\n?/g, '\n')
    .replace(/(?![\n\t])\p{Cc}/gu, ' ')
    .replace(/[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g, '')
    .trimEnd();
}

/** The last `lines` lines of one container, cleaned; the one before its last restart with `previous`. Faults as the API's. */
export async function readLog(
  talk: Talk,
  at: { namespace: string; pod: string; container: string; previous: boolean; lines: number },
): Promise<string> {
  const path = `${listPath('v1', 'pods', at.namespace)}/${encodeURIComponent(at.pod)}/log`;
  const query = new URLSearchParams({ container: at.container, tailLines: String(at.lines) });
  if (at.previous) query.set('previous', 'true');
  return cleanLog(await talk.text(`${path}?${query.toString()}`));
}

/** The pods of an app: of its workload, of what KQueen deployed under that name, or the pod of that name. */
async function podsOf(talk: Talk, app: string, namespace: string): Promise<JsonObject[]> {
  const list = async (selector: string): Promise<JsonObject[]> => {
    const path = `${listPath('v1', 'pods', namespace)}?labelSelector=${encodeURIComponent(selector)}&limit=200`;
    return listAt(await talk.raw({ method: 'GET', path }), 'items').filter(isObject);
  };
  const unlessMissing = async (path: string): Promise<JsonObject | null> => {
    try {
      return await talk.raw({ method: 'GET', path });
    } catch (thrown) {
      if (thrown instanceof Fault && thrown.kind === 'not-found') return null;
      throw thrown;
    }
  };
  const name = encodeURIComponent(app);
  for (const [group, plural] of [
    ['apps/v1', 'deployments'],
    ['apps/v1', 'statefulsets'],
    ['apps/v1', 'daemonsets'],
    ['batch/v1', 'jobs'],
  ] as const) {
    const workload = await unlessMissing(`${listPath(group, plural, namespace)}/${name}`);
    const selector = workload ? selectorOf(workload) : '';
    if (selector !== '') return list(selector);
  }
  const pod = await unlessMissing(`${listPath('v1', 'pods', namespace)}/${name}`);
  if (pod) return [pod];
  // Labels are no longer than 63 characters, and names may be.
  const own = app.length <= 63 ? await list(`${appLabel}=${app}`) : [];
  if (own.length > 0) return own;
  throw new Fault('not-found', `There is no app ${app} in namespace ${namespace}.`, {
    field: 'app',
    next: 'Say namespace= when it is in another one.',
  });
}

interface Wanted {
  pod: string;
  container: string;
  restarts: number;
  ready: boolean;
}

function containersOf(pods: readonly JsonObject[], only: string): Wanted[] {
  const all = pods.flatMap((pod) => {
    const statuses = [
      ...listAt(pod, 'status', 'initContainerStatuses'),
      ...listAt(pod, 'status', 'containerStatuses'),
    ].filter(isObject);
    const containers = [...listAt(pod, 'spec', 'initContainers'), ...listAt(pod, 'spec', 'containers')].filter(
      isObject,
    );
    const starting = new Set(
      listAt(pod, 'spec', 'initContainers')
        .filter(isObject)
        .map((each) => each.name),
    );
    return containers.flatMap((each): Wanted[] => {
      const status = statuses.find(({ name }) => name === each.name);
      // What has done its part before the app began is of no interest, unless it is asked for.
      const done = starting.has(each.name) && objectAt(status, 'state', 'terminated').exitCode === 0;
      if (only === '' ? done : each.name !== only) return [];
      return [
        {
          pod: String(objectAt(pod, 'metadata').name),
          container: String(each.name),
          restarts: Number(status?.restartCount ?? 0),
          ready: status?.ready === true,
        },
      ];
    });
  });
  // The ones in trouble are the ones people look for.
  return all.sort((a, b) => Number(a.ready) - Number(b.ready) || b.restarts - a.restarts || (a.pod < b.pod ? -1 : 1));
}

/** The last lines of an app's containers; args: `app`, `namespace`, `container`, `lines`, and `previous` (`true`: before the last restart). */
export const logsView: View = {
  name: 'logs',
  async look(talk, args) {
    const { app = '', container = '' } = args;
    const namespace = args.namespace || (await homeOf(talk, app));
    const lines = Math.min(500, Math.max(1, Number(args.lines) || 50));
    const previous = args.previous === 'true';
    const pods = await podsOf(talk, app, namespace);
    const wanted = containersOf(pods, container);
    if (wanted.length === 0) {
      if (pods.length > 0 && container !== '') {
        throw new Fault('not-found', `No pod of ${app} has a container ${container}.`, { field: 'container' });
      }
      const text = `${app} in namespace ${namespace} has no pods, so there is no log.`;
      return { title: `No log of ${app}`, text, parts: [{ part: 'text', text }], bad: true };
    }
    const read = await Promise.all(
      wanted.slice(0, most.containers).map(async (each) => {
        try {
          const log = await readLog(talk, { ...each, namespace, previous, lines });
          return { ...each, log: log.slice(-most.kept), why: log === '' ? 'It has written nothing.' : '' };
        } catch (thrown) {
          // One container that has not begun, or is gone meanwhile, must not hide the others.
          if (!(thrown instanceof Fault) || (thrown.kind !== 'bad-input' && thrown.kind !== 'not-found')) throw thrown;
          return {
            ...each,
            log: '',
            why: previous && each.restarts === 0 ? 'It has not restarted.' : plain(thrown.message, 240),
          };
        }
      }),
    );
    return looked(app, namespace, read, wanted.length - read.length, previous);
  },
};

/** The namespace of an app that KQueen has deployed, else `default`. */
async function homeOf(talk: Talk, app: string): Promise<string> {
  if (app.length > 63) return 'default';
  try {
    return (await readRevisions(talk, app)).at(-1)?.namespace ?? 'default';
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.kind === 'not-allowed') return 'default';
    throw thrown;
  }
}

type Read = Wanted & { log: string; why: string };

function looked(app: string, namespace: string, read: readonly Read[], left: number, previous: boolean): Looked {
  const room = Math.floor(most.shown / Math.max(1, Math.min(3, read.filter(({ log }) => log !== '').length)));
  const parts: Part[] = [];
  let cut = false;
  for (const each of read) {
    const restarts = each.restarts > 0 ? `, ${count(each.restarts, 'restart')}` : '';
    const shown = tail(each.log, room);
    if (shown.length < each.log.length) cut = true;
    parts.push({
      part: 'text',
      text: `*${each.pod}*, container ${each.container}${restarts}${each.why ? `: ${each.why}` : ''}`,
    });
    if (each.log !== '') parts.push({ part: 'code', text: shown });
  }
  if (left > 0)
    parts.push({
      part: 'note',
      text: `${count(left, 'container')} more ${left === 1 ? 'is' : 'are'} not shown; say container=, or a pod's name.`,
    });
  parts.push({
    part: 'note',
    text: `What looks like a credential is blotted out${cut ? '. What is older is in the file' : ''}.`,
  });
  const before = previous ? ' before its last restart' : '';
  const file = read.map(({ pod, container, log, why }) => `==> ${pod} ${container} <==\n${log || why}`).join('\n\n');
  const text = `The last lines of ${count(read.length, 'container')} of ${app}${before}, in namespace ${namespace}.`;
  return {
    title: `Log of ${app}${before}`,
    text,
    parts,
    ...(cut ? { file: { name: `${app}.log.txt`, content: `${file}\n` } } : {}),
  };
}

/** The end of a text, from the beginning of a line where it has several. */
export function tail(text: string, room: number): string {
  if (text.length <= room) return text;
  const end = text.slice(-room);
  const at = end.indexOf('\n');
  return at >= 0 && at < end.length - 1 ? end.slice(at + 1) : end;
}
