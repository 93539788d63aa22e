/** The lists of the compute API that a form of clusters needs, and the machines of pools (https://cloud.google.com/compute/docs/reference/rest/v1). */
import { deprecatedMachine, machineTypes, regions } from './catalog.ts';
import type { Message } from './cluster.ts';
import { refusals } from './errors.ts';
import { type MachineOptions, machineRoutes } from './machines.ts';

/** A page has at most so many items, whatever `maxResults` says: "list calls may return fewer". */
const pageSize = 5;

export function computeRoutes(
  options: MachineOptions,
): (method: string, path: string, query: URLSearchParams, body: Message) => Message {
  const { project } = options;
  const ofMachines = machineRoutes(options);
  return (method, path, query, body) => {
    const answer = ofMachines(method, path, query, body);
    if (answer) return answer;
    const found = /^\/compute\/v1\/projects\/([^/]+)\/zones(?:\/([^/]+)\/machineTypes)?$/.exec(path);
    if (!found || method !== 'GET') throw refusals.badRequest(`This Google has no ${method} ${path}.`);
    if (found[1] !== project) {
      throw refusals.noProject(found[1] ?? '');
    }
    const zone = found[2];
    const link = `https://www.googleapis.com/compute/v1/projects/${project}`;
    if (zone === undefined) {
      const zones = Object.entries(regions).flatMap(([region, names]) =>
        names.map((name) => ({ kind: 'compute#zone', name, region: `${link}/regions/${region}`, status: 'UP' })),
      );
      return page('compute#zoneList', zones, query);
    }
    if (!Object.values(regions).some((zones) => zones.includes(zone))) {
      throw refusals.notFound(`projects/${project}/zones/${zone}`);
    }
    const machines = Object.entries(machineTypes).map(([name, [guestCpus, memoryMb]]) => ({
      kind: 'compute#machineType',
      name,
      guestCpus,
      memoryMb,
      zone,
    }));
    const old = {
      kind: 'compute#machineType',
      name: deprecatedMachine,
      guestCpus: 1,
      memoryMb: 3_840,
      zone,
      deprecated: { state: 'DEPRECATED' },
    };
    return page('compute#machineTypeList', [...machines, old], query);
  };
}

function page(kind: string, items: Message[], query: URLSearchParams): Message {
  const from = Number(query.get('pageToken') ?? 0);
  const size = Math.min(pageSize, Number(query.get('maxResults') ?? 500));
  const next = from + size < items.length ? { nextPageToken: String(from + size) } : {};
  return { kind, items: items.slice(from, from + size), ...next };
}
