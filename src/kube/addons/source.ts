/** The objects of an add-on: made here, from a file that an admin has put there, or fetched and held against its hash. */
import { type AddonFile, type AddonRead, bundledAddon, type OwnAddon } from '../../core/addons.ts';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { formatBytes } from '../../core/units.ts';
import type { AppAccess } from '../apply/address.ts';
import { type JsonObject, keyOf, type Manifest, objectAt } from '../apply/manifests.ts';
import { readText } from '../apply/sources.ts';
import { type Fetched, fetchFile, sha256Of } from './fetch.ts';
import { readLocal, readOwn } from './own.ts';
import { recipeOf } from './recipes.ts';

/** Which add-on, and what is known of the files it is made of: SHA-256 by address. */
export interface AddonAsked {
  name: string;
  pins: Record<string, string>;
}

/** Names the add-on that an object belongs to. */
export const addonLabel = 'kqueen/addon';

/** What add-ons are found by: on Services, those of others as well. */
export const announced = { prefixes: ['kqueen.io/', 'kqueen/'], keys: ['name', 'icon', 'link', 'tag'] } as const;

interface Described {
  name: string;
  title: string;
  version: string;
  namespace: string;
  needs: string[];
  tag: string;
  link?: string;
  icon?: string;
  service?: string;
  careful?: string;
}

/** Reads an add-on by its name; what is offered by an installation itself goes before what this release offers. */
export async function readAddon(
  { name, pins }: AddonAsked,
  access: AppAccess,
  call: Call,
): Promise<{ manifests: Manifest[]; read: AddonRead }> {
  const { own, problems } = await readOwn(access.addonDir);
  const mine = own.find((each) => each.name === name);
  const bundled = mine ? undefined : bundledAddon(name);
  const described: Described | undefined = mine
    ? describedOwn(mine)
    : bundled && { ...bundled, needs: [...(bundled.needs ?? [])] };
  if (!described) {
    throw new Fault('not-found', `There is no add-on ${name.slice(0, 40)}.`, {
      field: 'addon',
      next: problems[0] ?? 'See addon list.',
    });
  }
  const got = mine
    ? await ofOwn(mine, pins, access, call)
    : await ofBundled(described, bundled?.files, pins, access, call);
  return {
    manifests: marked(got.manifests, described),
    read: {
      ...{ title: described.title, version: described.version, namespace: described.namespace, needs: described.needs },
      ...{ source: got.source, files: got.files },
      ...(described.careful ? { careful: described.careful } : {}),
    },
  };
}

function describedOwn({ name, title, version, namespace, needs, tag, link, icon, service }: OwnAddon): Described {
  return {
    ...{ name, title, version, namespace, needs, tag },
    ...(link ? { link } : {}),
    ...(icon ? { icon } : {}),
    ...(service ? { service } : {}),
  };
}

interface Got {
  manifests: Manifest[];
  source: string;
  files: AddonRead['files'];
}

async function ofBundled(
  { name, version }: Described,
  files: readonly AddonFile[] | undefined,
  pins: Record<string, string>,
  access: AppAccess,
  call: Call,
): Promise<Got> {
  const local = access.addonDir === undefined ? undefined : `${name}-${version}.yaml`;
  const given = local === undefined ? undefined : await readLocal(access.addonDir ?? '', local);
  if (given && local !== undefined) return ofLocal(local, given, undefined, call);
  const made = recipeOf(name, version);
  if (made) return { manifests: made, source: 'KQueen itself', files: [] };
  return ofAddresses(files ?? [], pins, access, call);
}

async function ofOwn(own: OwnAddon, pins: Record<string, string>, access: AppAccess, call: Call): Promise<Got> {
  if (own.url !== undefined && own.file === undefined) {
    return ofAddresses(
      [{ url: own.url, ...(own.sha256 ? { sha256: own.sha256.toLowerCase() } : {}) }],
      pins,
      access,
      call,
    );
  }
  const name = own.file ?? `${own.name}-${own.version}.yaml`;
  const given = await readLocal(access.addonDir ?? '', name);
  if (!given) {
    throw new Fault('not-found', `The add-on ${own.name} has no file ${name} in the folder of KQUEEN_ADDON_DIR.`, {
      field: 'addon',
      whose: 'admin',
      next: 'An admin puts it there, or writes an address into the description.',
    });
  }
  return ofLocal(name, given, own.sha256?.toLowerCase(), call);
}

async function ofLocal(name: string, bytes: Buffer, expected: string | undefined, call: Call): Promise<Got> {
  const sha256 = sha256Of(bytes);
  if (expected !== undefined && expected !== sha256) throw mismatch(name, expected, sha256, 'its description');
  const manifests = await readText(bytes.toString('utf8'), call);
  const file = { url: name, sha256, bytes: bytes.length, known: true };
  return { manifests, source: `the file ${name} of this installation, ${formatBytes(bytes.length)}`, files: [file] };
}

async function ofAddresses(
  files: readonly AddonFile[],
  pins: Record<string, string>,
  access: AppAccess,
  call: Call,
): Promise<Got> {
  const all: Fetched[] = [];
  // Four at a time: the files of one add-on are small and come from one host.
  for (let at = 0; at < files.length; at += 4) {
    const some = files.slice(at, at + 4).map(({ url }) => fetchFile(url, access, call));
    const settled = await Promise.allSettled(some);
    for (const each of settled) {
      if (each.status === 'rejected') throw each.reason;
      all.push(each.value);
    }
  }
  const read: AddonRead['files'] = [];
  for (const [at, { url, sha256, bytes }] of all.entries()) {
    const stated = files[at]?.sha256;
    const kept = Object.hasOwn(pins, url) ? pins[url] : undefined;
    const expected = stated ?? kept;
    if (expected !== undefined && expected !== sha256)
      throw mismatch(
        new URL(url).pathname.split('/').at(-1) ?? url,
        expected,
        sha256,
        stated ? 'this release' : 'the first time it was taken',
      );
    read.push({ url, sha256, bytes: bytes.length, known: expected !== undefined });
  }
  const manifests: Manifest[] = [];
  for (const { bytes } of all) manifests.push(...(await readText(bytes.toString('utf8'), call)));
  const seen = new Set<string>();
  const once = manifests.filter((each) => !seen.has(keyOf(each)) && seen.add(keyOf(each)));
  return { manifests: once, source: sourceWords(read), files: read };
}

function sourceWords(files: AddonRead['files']): string {
  const hosts = [...new Set(files.map(({ url }) => new URL(url).host))].join(', ');
  const size = formatBytes(files.reduce((sum, { bytes }) => sum + bytes, 0));
  const what = files.length === 1 ? `a file of ${hosts}` : `${files.length} files of ${hosts}`;
  return `${what}, ${size}`;
}

function mismatch(name: string, expected: string, found: string, by: string): Fault {
  return new Fault(
    'bad-input',
    `${name} is not the file that it should be: its SHA-256 begins with ${found.slice(0, 16)}, expected is ${expected.slice(0, 16)}. Nothing of it was read.`,
    {
      field: 'addon',
      whose: 'admin',
      retryable: false,
      detail: `found ${found}\nexpected ${expected} (by ${by})`,
      next: 'Somebody has changed the file, or put another one in its place. An admin looks why before it is taken.',
    },
  );
}

/** The manifests with what names their add-on, its Service with what makes it appear among the add-ons. */
function marked(manifests: readonly Manifest[], addon: Described): Manifest[] {
  const service = manifests.find(({ kind, name }) => kind === 'Service' && name === addon.service);
  const about: JsonObject = {
    'kqueen/name': addon.title,
    'kqueen/tag': addon.tag,
    ...(addon.link ? { 'kqueen/link': addon.link } : {}),
    ...(addon.icon ? { 'kqueen/icon': addon.icon } : {}),
  };
  return manifests.map((manifest) => {
    const metadata = objectAt(manifest.object, 'metadata');
    const labels = { ...objectAt(metadata, 'labels'), [addonLabel]: addon.name };
    const annotations = manifest === service ? { annotations: { ...objectAt(metadata, 'annotations'), ...about } } : {};
    return { ...manifest, object: { ...manifest.object, metadata: { ...metadata, labels, ...annotations } } };
  });
}
