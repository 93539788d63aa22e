/** Versions as GKE writes them: `1.34.1-gke.1829001`, or an alias that is the beginning of one (`1.34`, `1.34.1`). */

function pieces(version: string): number[] {
  return (version.match(/\d+/g) ?? []).map(Number);
}

/** Below, at or above 0 as `one` is older than, like, or newer than `other`; an alias is like every version it stands for. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [pieces(one), pieces(other)];
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function newerVersion(one: string, than: string): boolean {
  return compareVersions(one, than) > 0;
}

/** The minor number: 34 of 1.34.1-gke.1829001. */
export function minorOf(version: string): number {
  return pieces(version)[1] ?? 0;
}

/** Whether it is one version and not an alias for several. */
export function isWhole(version: string): boolean {
  return /^\d+\.\d+\.\d+-gke\.\d+$/.test(version);
}
