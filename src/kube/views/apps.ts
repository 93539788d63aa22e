/** The apps that KQueen has deployed in a cluster, and one of them in full. */
import type { Part, Row } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import { formatLine } from '../../core/line.ts';
import { formatDuration } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import { addonOf } from '../addons/state.ts';
import { endpointsOf } from '../apply/endpoints.ts';
import { openKinds } from '../apply/kinds.ts';
import { called, isObject, listAt, objectAt } from '../apply/manifests.ts';
import { type Revision, readRevisions } from '../apply/revisions.ts';
import { isWatched, reasonsOf, standingOf } from '../apply/rollout.ts';
import { readObject } from '../apply/server.ts';
import { appLabel, inParallel, inventory } from '../apply/set.ts';
import type { Talk, View } from '../operation.ts';

/** How many apps one message shows. */
const mostRows = 15;

const stateWords: Record<Revision['state'], string> = { running: '', applying: ', being applied', failed: ', failed' };

function age(talk: Talk, at: number): string {
  return `${formatDuration(Math.max(1_000, talk.now() - at))} ago`;
}

/** Ready and wanted pods by app, from the workloads that carry its label. */
async function readyByApp(talk: Talk): Promise<Map<string, { ready: number; wanted: number }>> {
  const sums = new Map<string, { ready: number; wanted: number }>();
  for (const [plural, kind] of [
    ['deployments', 'Deployment'],
    ['statefulsets', 'StatefulSet'],
    ['daemonsets', 'DaemonSet'],
  ] as const) {
    const path = `/apis/apps/v1/${plural}?labelSelector=${encodeURIComponent(appLabel)}&limit=500`;
    for (const object of listAt(await talk.raw({ method: 'GET', path }), 'items').filter(isObject)) {
      const app = String(objectAt(object, 'metadata', 'labels')[appLabel]);
      const standing = standingOf(kind, object);
      const sum = sums.get(app) ?? { ready: 0, wanted: 0 };
      sums.set(app, { ready: sum.ready + (standing?.ready ?? 0), wanted: sum.wanted + (standing?.wanted ?? 0) });
    }
  }
  return sums;
}

/** Every app that KQueen has deployed. `cluster` is the cluster's name, for the buttons. */
export const appsView: View = {
  name: 'apps',
  async look(talk, { cluster = '' }) {
    const revisions = (await readRevisions(talk)).filter(({ app }) => addonOf(app) === undefined);
    const apps = new Map(revisions.map((revision) => [revision.app, revision]));
    if (apps.size === 0) {
      const text = 'KQueen has deployed no app in this cluster yet.';
      return { title: 'No apps', text, parts: [{ part: 'text', text }] };
    }
    const ready = await readyByApp(talk);
    let bad = false;
    const lines = [...apps.values()].map((last) => {
      const { ready: there, wanted } = ready.get(last.app) ?? { ready: 0, wanted: 0 };
      if (there < wanted || last.state === 'failed') bad = true;
      return {
        last,
        text: `*${last.app}*: ${wanted === 0 ? 'no pods' : `${there} of ${wanted} pods ready`}, in ${last.namespace}, revision ${last.revision}${stateWords[last.state]}`,
      };
    });
    const rows: Row[] = lines.slice(0, mostRows).map(({ last, text }) => ({
      text,
      note: `${last.source}, by ${last.by} ${age(talk, last.at)}`,
      buttons: [{ label: 'Show', command: formatLine('app show', ['cluster', 'name'], { cluster, name: last.app }) }],
    }));
    const more =
      lines.length > rows.length
        ? [{ part: 'note' as const, text: `And ${lines.length - rows.length} more, in the file.` }]
        : [];
    return {
      title: count(apps.size, 'app'),
      text: `Apps: ${[...apps.keys()].slice(0, 30).join(', ')}.`,
      parts: [{ part: 'rows', rows }, ...more],
      ...(more.length > 0
        ? { file: { name: 'apps.txt', content: lines.map(({ text }) => text.replaceAll('*', '')).join('\n') } }
        : {}),
      ...(bad ? { bad } : {}),
    };
  },
};

/** One app: its workloads, where it is reached, what it was. */
export const appView: View = {
  name: 'app',
  async look(talk, { app = '', cluster = '' }) {
    const revisions = await readRevisions(talk, app);
    const last = revisions.at(-1);
    if (!last) {
      throw new Fault('not-found', `KQueen has deployed no app ${app} in this cluster.`, {
        field: 'name',
        next: `See app list ${cluster}.`,
      });
    }
    const kinds = openKinds(talk, []);
    const found = await inParallel(inventory(last), 4, async (listed) => {
      const place = await kinds.find(listed);
      const live = place && (await readObject(talk, place, listed));
      return { listed, place, live };
    });
    const there = found.flatMap(({ listed, place, live }) =>
      place && live ? [{ place, live, manifest: { ...listed, object: live } }] : [],
    );
    const gone = found.filter(({ live }) => !live).map(({ listed }) => called(listed));
    const rows: Row[] = [];
    let bad = gone.length > 0 || last.state === 'failed';
    for (const { place, live, manifest } of there.filter(({ manifest }) => isWatched(manifest.kind)).slice(0, 10)) {
      const standing = standingOf(manifest.kind, live);
      if (!standing) continue;
      const reasons = standing.is === 'ready' ? [] : await reasonsOf(talk, place, manifest);
      if (standing.is === 'failed' || reasons.length > 0) bad = true;
      const paused = objectAt(live, 'spec').paused === true ? ', paused' : '';
      const images = [
        ...new Set(
          listAt(live, 'spec', 'template', 'spec', 'containers')
            .filter(isObject)
            .map(({ image }) => String(image)),
        ),
      ];
      rows.push({
        text: `*${called(manifest)}*: ${standing.ready} of ${standing.wanted} ready${paused}`,
        note: [...images, ...reasons].join('; ').slice(0, 400) || 'no image',
        ...(manifest.kind === 'Deployment' || manifest.kind === 'StatefulSet'
          ? { buttons: scaleButtons(cluster, app, manifest, standing.wanted) }
          : {}),
      });
    }
    const endpoints = await endpointsOf(talk, there);
    const parts: Part[] = [
      {
        part: 'facts',
        facts: [
          { label: 'Revision', value: `${last.revision}${stateWords[last.state]}` },
          { label: 'From', value: last.source },
          { label: 'Deployed', value: `by ${last.by} ${age(talk, last.at)}` },
          { label: 'Namespace', value: last.namespace },
          { label: 'Objects', value: objectsText(last) },
        ],
      },
    ];
    if (gone.length > 0) parts.push({ part: 'text', text: `*Missing*: ${gone.slice(0, 5).join(', ')}.` });
    if (rows.length > 0) parts.push({ part: 'rows', caption: 'Workloads', rows });
    if (endpoints.length > 0) {
      const table = endpoints.slice(0, 15).map(({ address, protocol, scope, by }) => [address, protocol, scope, by]);
      parts.push({
        part: 'table',
        caption: 'Endpoints',
        columns: ['Address', 'Protocol', 'Reached', 'By'],
        rows: table,
      });
    }
    parts.push({
      part: 'table',
      caption: 'Revisions',
      columns: ['No.', 'State', 'By', 'When', 'From'],
      rows: [...revisions]
        .reverse()
        .map((each) => [String(each.revision), each.state, each.by, age(talk, each.at), each.source]),
    });
    const sum =
      rows.length === 0 ? 'nothing of it has pods' : rows.map(({ text }) => text.replaceAll('*', '')).join(', ');
    return { title: app, text: `App ${app}: ${sum}.`, parts, ...(bad ? { bad } : {}) };
  },
};

function objectsText({ objects }: Revision): string {
  const kinds = new Map<string, number>();
  for (const [, kind] of objects) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  return [...kinds].map(([kind, amount]) => (amount === 1 ? kind : `${amount} ${kind}s`)).join(', ');
}

/** One less, one more: the commands say the number itself, so that two clicks are no two steps. */
function scaleButtons(
  cluster: string,
  name: string,
  { kind, name: own }: { kind: string; name: string },
  pods: number,
): NonNullable<Row['buttons']> {
  const line = (replicas: number) =>
    formatLine('app scale', ['cluster', 'name', 'replicas'], {
      cluster,
      name,
      replicas: String(replicas),
      workload: `${kind}/${own}`,
    });
  return [...(pods > 0 ? [{ label: '−1', command: line(pods - 1) }] : []), { label: '+1', command: line(pods + 1) }];
}
