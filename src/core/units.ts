/** Durations, money, sizes and Kubernetes quantities: read from people, written for people. */

const durationUnits: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Reads `90s`, `30m`, `1h30m`, `2d`, `1w`; a bare number counts as seconds. Milliseconds, or null when it is no duration. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim().toLowerCase();
  if (/^\d{1,12}$/.test(trimmed)) return Number(trimmed) * 1_000;
  if (!/^(\d{1,9}[smhdw])+$/.test(trimmed)) return null;
  let total = 0;
  for (const [, amount, unit] of trimmed.matchAll(/(\d+)([smhdw])/g))
    total += Number(amount) * (durationUnits[unit ?? ''] ?? 0);
  return total;
}

/** Writes a duration with its two largest units: `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ');
}

/** `$0.20`, `$146`, `$1,240`: two digits below 100, whole above. Currency is an ISO 4217 code. */
export function formatMoney(amount: number, currency = 'USD'): string {
  const digits = Math.abs(amount) < 100 ? 2 : 0;
  // A provider may count in something that is no currency of ISO 4217's form.
  if (!/^[A-Za-z]{3}$/.test(currency)) return `${amount.toFixed(digits)} ${currency}`.trim();
  return new Intl.NumberFormat('en-US', {
    style: 'currency',
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(amount);
}

/** Hours in the month that prices are quoted for (365 × 24 ÷ 12), as the large clouds do. */
export const hoursPerMonth = 730;

const quantitySuffixes: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * A Kubernetes quantity (`100m`, `1.5Gi`, `2k`, `1e3`, `128974848`) as a number in base units (cores, bytes, counts).
 * Null when it is none. Grammar: apimachinery's resource.Quantity.
 */
export function parseQuantity(text: string): number | null {
  const found = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei))?$/.exec(
    text.trim(),
  );
  if (!found) return null;
  const [, digits = '', exponent = '', suffix = ''] = found;
  return Number(`${digits}${exponent}`) * (quantitySuffixes[suffix] ?? 1);
}

/** Cores for people: `250m` below one core, `3.8` above. */
export function formatCores(cores: number): string {
  return cores > 0 && cores < 1 ? `${Math.round(cores * 1_000)}m` : String(Math.round(cores * 10) / 10);
}

/** Bytes for people, in binary units with one digit: `512 MiB`, `15.2 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  // What rounds up to the next unit is written in it: 1 MiB, not 1024 KiB.
  if (Math.round(value) >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${value >= 100 || index === 0 ? Math.round(value) : Math.round(value * 10) / 10} ${units[index]}`;
}
