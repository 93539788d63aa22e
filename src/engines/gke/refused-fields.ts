import type { GkeCluster } from './schema.ts';
import type { GoogleError } from './wire.ts';

/** What Google's messages call our fields; the first that fits is it. */
const words: [RegExp, keyof GkeCluster][] = [
  [/machine.?type/i, 'machineType'],
  [
    /node.?version|(master|cluster|kubernetes).?version|no valid versions|version .{0,60}(unsupported|not (valid|available|supported))/i,
    'version',
  ],
  [/release.?channel/i, 'releaseChannel'],
  [/services?.{0,20}(cidr|ip range|secondary range)/i, 'servicesCidr'],
  [/cidr|ip range|secondary range|pod address/i, 'clusterCidr'],
  [/subnetwork/i, 'subnetwork'],
  [/network.?policy/i, 'networkPolicy'],
  [/\bnetwork\b/i, 'network'],
  [/disk.?type/i, 'diskType'],
  [/disk.?size|disk_size_gb/i, 'diskGb'],
  [/max.?pods/i, 'maxPodsPerNode'],
  [/(max|total_max).?node.?count/i, 'autoscaleMax'],
  [/(min|total_min).?node.?count/i, 'autoscaleMin'],
  [/node.?count|number of nodes/i, 'nodes'],
  [/service.?account/i, 'nodeServiceAccount'],
  [/maintenance/i, 'maintenanceStart'],
  [/addon/i, 'addons'],
  [/node.?locations?|cluster\.locations/i, 'nodeZones'],
  [/\b(location|zone|region)\b/i, 'location'],
];

/** The field of the cluster form that a refusal is about, by the field that Google names or the words it uses. */
export function fieldOf(error: GoogleError): keyof GkeCluster | undefined {
  const named = error.details.flatMap((each) => each.fieldViolations.map(({ field }) => field));
  for (const text of [...named, error.message]) {
    const found = words.find(([pattern]) => pattern.test(text));
    if (found) return found[1];
  }
  return undefined;
}
