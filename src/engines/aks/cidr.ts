/** A range of IPv4 addresses, both ends included. */
export interface Range {
  first: number;
  last: number;
  /** Length of the prefix, 0 to 32. */
  prefix: number;
}

/** An IPv4 address as a number, or null. */
export function readAddress(text: string): number | null {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (!parts || parts.some((part) => part > 255)) return null;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** The range of `10.0.0.0/16`, or null for what is none, or whose address has bits beyond its prefix. */
export function readCidr(text: string): Range | null {
  const [address, length, ...more] = text.split('/');
  if (more.length > 0 || !/^\d{1,2}$/.test(length ?? '')) return null;
  const first = readAddress(address ?? '');
  const prefix = Number(length);
  if (first === null || prefix > 32) return null;
  const size = 2 ** (32 - prefix);
  return first % size === 0 ? { first, last: first + size - 1, prefix } : null;
}

/** Whether two ranges share an address. */
export function overlap(a: Range, b: Range): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** `10.0.0.10` of its number. */
export function writeAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
