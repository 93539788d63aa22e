/** What this Google has on offer. */

/** Zones by region, as the compute API lists them. */
export const regions: Record<string, string[]> = {
  'europe-west3': ['europe-west3-a', 'europe-west3-b', 'europe-west3-c'],
  'europe-west4': ['europe-west4-a', 'europe-west4-b', 'europe-west4-c'],
  'us-central1': ['us-central1-a', 'us-central1-b', 'us-central1-c', 'us-central1-f'],
};

/** Machine types by name: CPUs and memory in MiB (https://cloud.google.com/compute/docs/general-purpose-machines). */
export const machineTypes: Record<string, [number, number]> = {
  'c3-standard-4': [4, 16_384],
  'e2-medium': [2, 4_096],
  'e2-standard-16': [16, 65_536],
  'e2-standard-2': [2, 8_192],
  'e2-standard-4': [4, 16_384],
  'm1-ultramem-40': [40, 984_064],
  'n2-standard-2': [2, 8_192],
  'n2-standard-4': [4, 16_384],
};

/** Still listed, and refused for new machines. */
export const deprecatedMachine = 'n1-standard-1-d';

/** Newest first, as getServerConfig gives them. */
export const versions = [
  '1.35.1-gke.1005000',
  '1.34.3-gke.1051003',
  '1.34.2-gke.1042000',
  '1.33.6-gke.1130000',
  '1.33.5-gke.1201000',
  '1.32.9-gke.1207000',
] as const;

interface Channel {
  channel: string;
  defaultVersion: string;
  validVersions: string[];
  upgradeTargetVersion: string;
}

/** ReleaseChannelConfig of getServerConfig. */
export const channels: Channel[] = [
  {
    channel: 'RAPID',
    defaultVersion: '1.34.3-gke.1051003',
    validVersions: ['1.35.1-gke.1005000', '1.34.3-gke.1051003'],
    upgradeTargetVersion: '1.35.1-gke.1005000',
  },
  {
    channel: 'REGULAR',
    defaultVersion: '1.33.6-gke.1130000',
    validVersions: ['1.34.2-gke.1042000', '1.33.6-gke.1130000', '1.33.5-gke.1201000'],
    upgradeTargetVersion: '1.34.2-gke.1042000',
  },
  {
    channel: 'STABLE',
    defaultVersion: '1.32.9-gke.1207000',
    validVersions: ['1.33.5-gke.1201000', '1.32.9-gke.1207000'],
    upgradeTargetVersion: '1.33.5-gke.1201000',
  },
  {
    channel: 'EXTENDED',
    defaultVersion: '1.32.9-gke.1207000',
    validVersions: ['1.33.6-gke.1130000', '1.32.9-gke.1207000'],
    upgradeTargetVersion: '1.33.6-gke.1130000',
  },
];

/** The version that an explicit one or an alias ("1.34", "latest") means among those that may be had; null for none. */
export function resolveVersion(wanted: string, offered: readonly string[]): string | null {
  if (wanted === 'latest') return offered[0] ?? null;
  return (
    offered.find((each) => each === wanted || each.startsWith(`${wanted}.`) || each.startsWith(`${wanted}-`)) ?? null
  );
}

export function offeredIn(channel: string | undefined): readonly string[] {
  return channels.find((each) => each.channel === channel)?.validVersions ?? versions;
}

/** The zones of a region or a zone; undefined where there is no such place. */
export function zonesOf(location: string): string[] | undefined {
  const zones = regions[location];
  if (zones) return zones;
  return Object.values(regions).some((all) => all.includes(location)) ? [location] : undefined;
}

export function isZonal(location: string): boolean {
  return regions[location] === undefined;
}
