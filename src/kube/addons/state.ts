/** Which add-ons a cluster has: those of KQueen's by what was applied, those of others by what their Services announce. */
import { addons as bundled, type SeenAddon } from '../../core/addons.ts';
import type { AppAccess } from '../apply/address.ts';
import type { Place } from '../apply/kinds.ts';
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import { type Revision, readRevisions } from '../apply/revisions.ts';
import { standingOf } from '../apply/rollout.ts';
import { readObject } from '../apply/server.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { readOwn } from './own.ts';
import { addonLabel, announced } from './source.ts';

const definitions: Place = {
  base: '/apis/apiextensions.k8s.io/v1',
  plural: 'customresourcedefinitions',
  namespaced: false,
  coming: false,
};

/** Its revisions are kept under this; no app can be called so. */
const revisionPrefix = 'addon.';

/** The name under which the revisions of an add-on are kept. */
export function appOf(addon: string): string {
  return `${revisionPrefix}${addon}`;
}

/** The add-on whose revisions are kept under a name; undefined for an app. */
export function addonOf(app: string): string | undefined {
  return app.startsWith(revisionPrefix) ? app.slice(revisionPrefix.length) : undefined;
}

/** The version that a revision of an add-on is of. */
export function versionOf(revision: Pick<Revision, 'source'>): string {
  return /^(\S+) from /.exec(revision.source)?.[1] ?? '?';
}

async function readiness(talk: Talk): Promise<Map<string, { ready: number; wanted: number }>> {
  const sums = new Map<string, { ready: number; wanted: number }>();
  for (const [plural, kind] of [
    ['deployments', 'Deployment'],
    ['statefulsets', 'StatefulSet'],
    ['daemonsets', 'DaemonSet'],
  ] as const) {
    const path = `/apis/apps/v1/${plural}?labelSelector=${encodeURIComponent(addonLabel)}&limit=500`;
    for (const object of listAt(await talk.raw({ method: 'GET', path }), 'items').filter(isObject)) {
      const name = String(objectAt(object, 'metadata', 'labels')[addonLabel]);
      const standing = standingOf(kind, object);
      const sum = sums.get(name) ?? { ready: 0, wanted: 0 };
      sums.set(name, { ready: sum.ready + (standing?.ready ?? 0), wanted: sum.wanted + (standing?.wanted ?? 0) });
    }
  }
  return sums;
}

/** Every add-on that can be had or is there, and what is wrong with descriptions of the installation's own. */
export async function seeAddons(talk: Talk, access: AppAccess): Promise<{ addons: SeenAddon[]; problems: string[] }> {
  const [{ own, problems }, revisions, ready, services, kinds] = await Promise.all([
    readOwn(access.addonDir),
    readRevisions(talk),
    readiness(talk),
    servicesOfOthers(talk),
    kindsOfOthers(talk),
  ]);
  const others = announcedBy(services);
  const strange = new Set([...services.map((service) => whereIs(service)), ...kinds]);
  const last = new Map(
    revisions.flatMap((revision) => {
      const name = addonOf(revision.app);
      return name === undefined ? [] : [[name, revision] as const];
    }),
  );
  const on = (name: string): Pick<SeenAddon, 'on'> => {
    const revision = last.get(name);
    if (!revision) return {};
    const { ready: there, wanted } = ready.get(name) ?? { ready: 0, wanted: 0 };
    const { state, revision: number } = revision;
    return { on: { version: versionOf(revision), state, ready: there, wanted, revision: number } };
  };
  const offered: SeenAddon[] = [
    ...own.map(({ name, title, about, version, namespace, needs, tag, url, link, icon }) => ({
      ...{ name, title, about, version, namespace, needs, tag },
      ...(link === undefined ? {} : { link }),
      ...(icon === undefined ? {} : { icon }),
      by: 'own' as const,
      source: url === undefined ? 'this installation' : new URL(url).host,
      ...on(name),
    })),
    ...bundled
      .filter(({ name }) => !own.some((each) => each.name === name))
      .map(({ files, service, needs = [], ...rest }) => ({
        ...rest,
        ...(strange.has(`${rest.namespace}/${service}`) || strange.has(rest.name) ? { elsewhere: true as const } : {}),
        by: 'kqueen' as const,
        needs: [...needs],
        source: files ? [...new Set(files.map(({ url }) => new URL(url).host))].join(', ') : 'KQueen itself',
        ...on(rest.name),
      })),
  ];
  // What was put there by another release, or by a description that is gone, can still be taken away.
  const known = new Set(offered.map(({ name }) => name));
  const orphans: SeenAddon[] = [...last]
    .filter(([name]) => !known.has(name))
    .map(([name, revision]) => ({
      ...{ name, title: name, about: 'Not offered any more', by: 'own' as const, version: '', needs: [] },
      ...{ namespace: revision.namespace, source: 'an earlier time', ...on(name) },
    }));
  return { addons: [...offered, ...orphans, ...others], problems };
}

/** A kind by which it is seen that an add-on without a Service is there. */
const tellingKinds: Readonly<Record<string, string>> = {
  'gateway-api': 'gatewayclasses.gateway.networking.k8s.io',
  'volume-snapshots': 'volumesnapshotclasses.snapshot.storage.k8s.io',
};

/** Names of add-ons whose kinds somebody else has brought. */
async function kindsOfOthers(talk: Talk): Promise<string[]> {
  const found = await Promise.all(
    Object.entries(tellingKinds).map(async ([addon, name]) => {
      const live = await readObject(talk, definitions, { name });
      return live && objectAt(live, 'metadata', 'labels')[addonLabel] === undefined ? [addon] : [];
    }),
  );
  return found.flat();
}

/** Services that are of no add-on of KQueen's. */
async function servicesOfOthers(talk: Talk): Promise<JsonObject[]> {
  const found: JsonObject[] = [];
  let token = '';
  for (let page = 0; page < 20; page += 1) {
    const path = `/api/v1/services?limit=500${token === '' ? '' : `&continue=${encodeURIComponent(token)}`}`;
    const answer = await talk.raw({ method: 'GET', path });
    for (const service of listAt(answer, 'items').filter(isObject)) {
      const metadata = objectAt(service, 'metadata');
      if (objectAt(metadata, 'labels')[addonLabel] === undefined) found.push(metadata);
    }
    token = String(objectAt(answer, 'metadata').continue ?? '');
    if (token === '') break;
  }
  return found;
}

function whereIs({ namespace, name }: JsonObject): string {
  return `${String(namespace)}/${String(name)}`;
}

/** Add-ons that Services of others announce by annotations. */
function announcedBy(services: readonly JsonObject[]): SeenAddon[] {
  const found = services.flatMap((metadata): SeenAddon[] => {
    const said = saidBy(objectAt(metadata, 'annotations'));
    if (said.name === undefined) return [];
    return [
      {
        ...{ name: plain(String(metadata.name), 63), title: said.name, about: '', by: 'other', version: '', needs: [] },
        ...{ namespace: String(metadata.namespace), source: `Service ${whereIs(metadata)}` },
        ...(said.link ? { link: said.link } : {}),
        ...(said.icon ? { icon: said.icon } : {}),
        ...(said.tag ? { tag: said.tag } : {}),
      },
    ];
  });
  return found.sort((a, b) => a.title.localeCompare(b.title)).slice(0, 100);
}

function saidBy(annotations: Record<string, unknown>): Partial<Record<(typeof announced.keys)[number], string>> {
  const said: Partial<Record<(typeof announced.keys)[number], string>> = {};
  for (const key of announced.keys) {
    const value = announced.prefixes
      .map((prefix) => annotations[`${prefix}${key}`])
      .find((each) => typeof each === 'string');
    const text = typeof value === 'string' ? plain(value, key === 'name' || key === 'tag' ? 60 : 500) : '';
    // A link is one that a person presses.
    if (text !== '' && (key === 'name' || key === 'tag' || isWebAddress(text))) said[key] = text;
  }
  return said;
}

function isWebAddress(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol);
}
