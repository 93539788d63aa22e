/**
 * Until when Kubernetes itself mends its releases: the first day without, as kubernetes.io/releases/patch-releases tells ("End of Life Date").
 * Providers may go on longer. Of releases that are not here nothing is said.
 */
const ends: Record<string, string> = {
  '1.28': '2024-10-22',
  '1.29': '2025-02-28',
  '1.30': '2025-06-28',
  '1.31': '2025-10-28',
  '1.32': '2026-02-28',
  '1.33': '2026-06-28',
  '1.34': '2026-10-27',
  '1.35': '2027-02-28',
  '1.36': '2027-06-28',
};

/** When these dates were last compared with their source. */
export const versionsAsOf = '2026-08-18';

/** `1.33` of `v1.33.6-gke.100`. */
export function minorOf(version: string): string | null {
  return /^v?(\d+\.\d+)(?:\.|$)/.exec(version)?.[1] ?? null;
}

/** When the release of a version gets no more fixes, epoch milliseconds; null when that is not known here. */
export function endOfVersion(version: string): number | null {
  const end = ends[minorOf(version) ?? ''];
  return end === undefined ? null : Date.parse(`${end}T00:00:00Z`);
}
