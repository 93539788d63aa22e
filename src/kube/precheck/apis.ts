/** API versions that are asked for, or that manifests are written in, and that Kubernetes takes away. */
import { Fault } from '../../core/errors.ts';
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import { inParallel } from '../apply/set.ts';
import type { Finding } from '../check/findings.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { eachListed, listPath, metadataOnly } from '../views/pages.ts';
import { type Aim, concernRanks } from './aim.ts';
import { type Removal, removals, removalsAsOf, removalsUpTo } from './removals.ts';

const applied = 'kubectl.kubernetes.io/last-applied-configuration';

/** What the API server counts of each deprecated API that was asked for since it started. */
const gauge = /^apiserver_requested_deprecated_apis\{([^}]*)\}\s+([0-9.e+]+)/gm;

/** Deprecated APIs that somebody has asked this API server for, by its own word. */
export async function requestedApis(talk: Talk, aim: Aim): Promise<Finding[]> {
  const text = await talk.text('/metrics');
  const found: Finding[] = [];
  for (const [, labels = '', value = '0'] of text.matchAll(gauge)) {
    if (!(Number(value) > 0)) continue;
    const of = (name: string): string => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
    const version = [of('group'), of('version')].filter(Boolean).join('/');
    const resource = of('resource');
    const known = removals.find((each) => each.version === version && each.resource === resource);
    const gone = minorOfRelease(of('removed_release')) ?? known?.gone;
    found.push({
      ...standing(gone, aim),
      about: `API ${plain(version, 80)} ${plain(resource, 60)}`,
      why: `somebody asks for it: ${fate(gone, aim)}${insteadOf(known)}`,
      alike: `asked/${version}/${resource}`,
      next: [],
    });
  }
  return found;
}

function minorOfRelease(release: string): number | undefined {
  const minor = /^1\.(\d+)$/.exec(release)?.[1];
  return minor === undefined ? undefined : Number(minor);
}

/** How bad it is that an API goes at that minor version; undefined: not known when. */
function standing(gone: number | undefined, { minor }: Aim): Pick<Finding, 'rank' | 'level'> {
  const before = gone !== undefined && minor !== null && gone <= minor;
  return before ? { rank: concernRanks.removed, level: 'now' } : { rank: concernRanks.deprecated, level: 'soon' };
}

function fate(gone: number | undefined, { minor }: Aim): string {
  if (gone === undefined) return 'it is deprecated, and it is not known here when it goes';
  if (minor !== null && gone <= minor) return `Kubernetes 1.${gone} and later do not serve it, and such requests fail`;
  return `Kubernetes 1.${gone} will not serve it any more`;
}

function insteadOf(removal: Removal | undefined): string {
  if (!removal) return '';
  return removal.instead ? `; use ${removal.instead}` : '; there is nothing in its place';
}

/** Most pages of 500 that are read of one kind. */
const mostPages = 6;

/**
 * Objects whose last `kubectl apply` or whose field managers wrote them in a version that goes: whoever applies the same manifest again after the
 * upgrade fails. What went before the cluster's own version counts only where a manifest of today still says so.
 */
export async function writtenApis(talk: Talk, aim: Aim): Promise<Finding[]> {
  const kinds = [...Map.groupBy(removals, ({ instead, resource }) => `${instead ?? ''} ${resource}`).values()];
  const found: Finding[] = [];
  await inParallel(kinds, 4, async (alike) => {
    const [first] = alike;
    if (!first?.instead) return;
    const byVersion = new Map(alike.map((each) => [each.version, each]));
    const path = listPath(first.instead, first.resource, '');
    let seen = 0;
    await eachListedKind(talk, path, (object) => {
      seen += 1;
      if (seen > mostPages * 500) return;
      const hit = writtenIn(object, byVersion, aim);
      if (hit) found.push(hit);
    });
  });
  return found;
}

/** A kind that this cluster does not serve has no objects. */
async function eachListedKind(talk: Talk, path: string, each: (object: JsonObject) => void): Promise<void> {
  try {
    await eachListed(talk, path, each, metadataOnly);
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.kind === 'not-found') return;
    throw thrown;
  }
}

function writtenIn(object: JsonObject, byVersion: ReadonlyMap<string, Removal>, aim: Aim): Finding | null {
  const metadata = objectAt(object, 'metadata');
  const manifest = byVersion.get(appliedVersion(metadata));
  const managed = listAt(metadata, 'managedFields')
    .filter(isObject)
    .map(({ apiVersion }) => byVersion.get(String(apiVersion)))
    // What wrote in a version that is gone already has stopped long ago.
    .find((each) => each !== undefined && (aim.now === null || each.gone > aim.now));
  const removal = manifest ?? managed;
  if (!removal) return null;
  const { name, namespace } = metadata;
  const about = `${removal.kind} ${namespace === undefined ? '' : `${String(namespace)}/`}${String(name)}`;
  const by = manifest ? 'its manifest was last applied as' : 'something writes it as';
  // A version that is gone already cannot be broken by this upgrade any more.
  const old = aim.now !== null && removal.gone <= aim.now;
  return {
    ...(old ? { rank: concernRanks.deprecated, level: 'soon' as const } : standing(removal.gone, aim)),
    about: plain(about, 160),
    why: `${by} ${removal.version}: ${fate(removal.gone, aim)}${insteadOf(removal)}`,
    alike: `written/${removal.version}/${removal.kind}/${by}`,
    next: [],
  };
}

function appliedVersion(metadata: JsonObject): string {
  const text = objectAt(metadata, 'annotations')[applied];
  if (typeof text !== 'string') return '';
  // The annotation is the whole manifest; only its version is of interest, and it may hold anything.
  return /"apiVersion"\s*:\s*"([^"]{1,120})"/.exec(text)?.[1] ?? '';
}

/** What the looks at APIs rest on, for the small print. */
export function apisNote({ minor }: Aim): string {
  const beyond =
    minor !== null && minor > removalsUpTo ? ` The guide's list here knows nothing of 1.${minor} yet.` : '';
  return `Removals of APIs by Kubernetes' deprecation guide as of ${removalsAsOf}, and by what the API server itself says.${beyond}`;
}
