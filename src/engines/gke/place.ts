/** Names of places: `europe-west3` is a region, `europe-west3-a` one of its zones. */

/** How zones and regions are written (https://cloud.google.com/compute/docs/regions-zones). */
export const locationPattern = /^[a-z]+(-[a-z]+)+\d+(-[a-z][a-z0-9]{0,5})?$/;

/** How many zones Google spreads the nodes of a regional cluster over, unless told which. */
const zonesOfRegion = 3;

export function isZone(location: string): boolean {
  return /\d-[a-z][a-z0-9]*$/.test(location);
}

/** The region of a zone, or the region itself. */
export function regionOf(location: string): string {
  return isZone(location) ? location.slice(0, location.lastIndexOf('-')) : location;
}

/** The pieces of a list of zones as a person writes it. */
export function zonesOf(text: string | undefined): string[] {
  return (text ?? '').split(/[\s,]+/).filter(Boolean);
}

/** In how many zones the nodes of a pool are, by what was asked for. */
export function zoneCount(location: string, nodeZones: string | undefined): number {
  return zonesOf(nodeZones).length || (isZone(location) ? 1 : zonesOfRegion);
}
