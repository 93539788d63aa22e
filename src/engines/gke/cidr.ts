/** A range of IPv4 addresses; `base` is null where only its size is given, as in `/20`. */
export interface Range {
  base: number | null;
  bits: number;
}

/** Reads `10.8.0.0/14` or `/14`; null when it is neither, or has bits behind its prefix. */
export function readCidr(text: string): Range | null {
  const found = /^(?:(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3}))?\/(\d{1,2})$/.exec(text);
  if (!found) return null;
  const bits = Number(found[5]);
  if (bits > 32) return null;
  if (found[1] === undefined) return { base: null, bits };
  const octets = found.slice(1, 5).map(Number);
  if (octets.some((octet) => octet > 255)) return null;
  const base = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  return base % sizeOf(bits) === 0 ? { base, bits } : null;
}

/** Whether two ranges share an address; ranges without a base are placed by Google and never do. */
export function overlap(one: Range, other: Range): boolean {
  if (one.base === null || other.base === null) return false;
  return one.base < other.base + sizeOf(other.bits) && other.base < one.base + sizeOf(one.bits);
}

function sizeOf(bits: number): number {
  return 2 ** (32 - bits);
}
