/** Kubernetes versions as numbers, `1.34` or `1.34.2`. */
function parts(version: string): number[] {
  return version.split('.').map((part) => Number.parseInt(part, 10) || 0);
}

/** Whether `version` is what was asked for: the same, or of the minor version that was asked for. */
export function satisfies(version: string, wanted: string): boolean {
  return version === wanted || version.startsWith(`${wanted}.`);
}

/** Whether `version` is newer than `than`, as far as both are given: 1.34.2 is not newer than 1.34. */
export function newer(version: string, than: string): boolean {
  const [a, b] = [parts(version), parts(than)];
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** How many minor versions lie between; of another major version, a great many. */
export function minorsBetween(from: string, to: string): number {
  const [a, b] = [parts(from), parts(to)];
  return a[0] === b[0] ? (b[1] ?? 0) - (a[1] ?? 0) : 1_000;
}

/** Newest first. */
export function byVersion(a: string, b: string): number {
  return b.localeCompare(a, 'en', { numeric: true });
}
