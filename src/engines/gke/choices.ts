import { Fault } from '../../core/errors.ts';
import type { Call, Choice, Options } from '../../core/ports/engine.ts';
import { readPriceList } from '../price-list.ts';
import { oneLine } from '../scrub.ts';
import type { Api } from './api.ts';
import type { Google } from './google.ts';
import { isZone, locationPattern, regionOf } from './place.ts';
import { defaultMachine } from './pure.ts';
import { minorOf, newerVersion } from './versions.ts';
import { type ClusterAnswer, MachineTypesAnswer, readAnswer, type ServerConfigAnswer, ZonesAnswer } from './wire.ts';

/** 10 pages of 500 are more zones and machine types than there are. */
const mostPages = 10;

type Machines = MachineTypesAnswer['items'];
interface Zone {
  name: string;
  region: string;
}

/**
 * The choices of the cluster form: locations, versions of a location and its channel, machine types of a location. Locations and machine types need
 * the compute API, which the account may not be allowed to read: then there are none, and they are typed.
 */
export async function readOptions(
  google: Google,
  api: Api,
  given: Record<string, string>,
  usual: { location: string | undefined; prices: string | undefined },
  call: Call,
): Promise<Options> {
  const wanted = given.location?.trim();
  const location = wanted && locationPattern.test(wanted) ? wanted : usual.location;
  const [zones, config] = await Promise.all([
    readZones(google, call),
    location ? api.serverConfig(location, call) : Promise.resolve(null),
  ]);
  const machines = location ? await readMachines(google, zoneFor(location, zones), call) : null;
  const prices = readPriceList(usual.prices);
  const choices: Record<string, Choice[]> = {};
  const add = (key: string, found: Choice[]) => {
    if (found.length > 0) choices[key] = found;
  };
  add('location', locationChoices(zones ?? [], usual.location));
  if (config) add('version', versionChoices(config, given.releaseChannel || 'REGULAR'));
  if (machines) add('machineType', machineChoices(machines, prices?.sizes ?? {}, prices?.currency));
  return { choices, prices, at: Date.now() };
}

/** A zone whose machine types stand for the location. */
function zoneFor(location: string, zones: Zone[] | null): string | null {
  if (isZone(location)) return location;
  return zones?.find((zone) => zone.region === location)?.name ?? null;
}

async function readZones(google: Google, call: Call): Promise<Zone[] | null> {
  return readPages(
    google,
    `/compute/v1/projects/${google.project}/zones`,
    'items(name,region,status)',
    call,
    (body) => {
      const { items, nextPageToken } = readAnswer(ZonesAnswer, body);
      const zones = items
        .filter((zone) => zone.status !== 'DOWN')
        .map(({ name, region }) => ({ name, region: region.split('/').at(-1) || regionOf(name) }));
      return { items: zones, nextPageToken };
    },
  );
}

async function readMachines(google: Google, zone: string | null, call: Call): Promise<Machines | null> {
  if (zone === null) return null;
  const path = `/compute/v1/projects/${google.project}/zones/${zone}/machineTypes`;
  return readPages(google, path, 'items(name,guestCpus,memoryMb,deprecated)', call, (body) =>
    readAnswer(MachineTypesAnswer, body),
  );
}

/** All pages of a list of the compute API; null when the account may not read it. */
async function readPages<T>(
  google: Google,
  path: string,
  fields: string,
  call: Call,
  read: (body: unknown) => { items: T[]; nextPageToken: string },
): Promise<T[] | null> {
  const all: T[] = [];
  let pageToken: string | undefined;
  try {
    for (let page = 0; page < mostPages; page += 1) {
      const query = { maxResults: 500, fields: `${fields},nextPageToken`, pageToken };
      const body = await google.compute(path, query, call);
      if (body === null) return null;
      const { items, nextPageToken } = read(body);
      all.push(...items);
      if (!nextPageToken) break;
      pageToken = nextPageToken;
    }
    return all;
  } catch (thrown) {
    if (thrown instanceof Fault && (thrown.kind === 'not-allowed' || thrown.kind === 'not-found')) return null;
    throw thrown;
  }
}

function locationChoices(zones: Zone[], usual: string | undefined): Choice[] {
  const regions = [...new Set(zones.map((zone) => zone.region))].sort();
  const all = regions.flatMap((region) => {
    const own = zones.filter((zone) => zone.region === region).sort((a, b) => a.name.localeCompare(b.name));
    return [
      { value: region, label: region, note: `region, ${own.length} zones` },
      ...own.map(({ name }): Choice => ({ value: name, label: name, note: 'zone' })),
    ];
  });
  // What is usual comes first, and what is near it next.
  const near = (choice: Choice) => (usual && regionOf(choice.value) === regionOf(usual) ? 1 : 0);
  return all.toSorted((a, b) => Number(b.value === usual) - Number(a.value === usual) || near(b) - near(a));
}

/** The versions of a channel, its default first; of no channel, all that the control plane can have. */
export function versionChoices(config: ServerConfigAnswer, channelName: string): Choice[] {
  const channel = config.channels.find((each) => each.channel === channelName);
  const versions = channel ? channel.validVersions : config.validMasterVersions;
  const preset = channel ? channel.defaultVersion : config.defaultClusterVersion;
  const unique = [...new Set([...(preset ? [preset] : []), ...versions])];
  return unique.map((version) => {
    const notes = [
      version === preset ? 'default' : '',
      channel && version === channel.upgradeTargetVersion ? 'Google upgrades to it' : '',
    ].filter(Boolean);
    return { value: version, label: version, ...(notes.length > 0 ? { note: notes.join(', ') } : {}) };
  });
}

/** Families that are meant for most work, before those for special work. */
const usualFamilies = ['e2', 'n4', 'n2', 'n2d', 'c4', 'c3', 't2d', 'n1'];

function machineChoices(machines: Machines, sizes: Record<string, number>, currency: string | undefined): Choice[] {
  const rank = (name: string) => {
    const at = usualFamilies.indexOf(name.split('-')[0] ?? '');
    return at < 0 ? usualFamilies.length : at;
  };
  return machines
    .filter((machine) => !machine.deprecated?.state)
    .toSorted(
      (a, b) =>
        Number(b.name === defaultMachine) - Number(a.name === defaultMachine) ||
        rank(a.name) - rank(b.name) ||
        a.name.localeCompare(b.name, 'en', { numeric: true }),
    )
    .map(({ name, guestCpus, memoryMb }) => {
      const size = guestCpus && memoryMb ? `: ${guestCpus} CPUs, ${Math.round(memoryMb / 102.4) / 10} GB` : '';
      const price = sizes[name];
      const choice: Choice = { value: name, label: oneLine(`${name}${size}`, [], 75) };
      if (price !== undefined && currency) choice.note = `${price} ${currency} per node and hour`;
      return choice;
    });
}

/** What a cluster can be upgraded to: newer versions of its channel, by one minor at most, since GKE skips none. */
export function upgradeChoices(
  cluster: ClusterAnswer,
  config: ServerConfigAnswer,
  ends: { version: string; on: string } | null,
): Choice[] {
  const current = cluster.currentMasterVersion;
  const channel = cluster.releaseChannel?.channel || 'none';
  return versionChoices(config, channel)
    .filter(({ value }) => newerVersion(value, current) && minorOf(value) <= minorOf(current) + 1)
    .map((choice) => {
      if (!ends || minorOf(choice.value) !== minorOf(ends.version)) return choice;
      const note = [choice.note, `supported until ${ends.on}`].filter(Boolean).join(', ');
      return { ...choice, note };
    });
}
