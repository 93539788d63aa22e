/** Below, at or above 0 as one version of GKE is older than, like, or newer than another. */
export function compareVersions(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}
