/** What the whole sandbox is called wherever a person meets it. */
export const SANDBOX_TITLE = 'KQueen sandbox – no real machines';

/** A place where clusters can be; `priceFactor` multiplies every price there. */
export type Region = { name: string; title: string; priceFactor: number };

/** A machine size; the price is USD per node and hour before the region's factor. */
export type Size = { name: string; title: string; cpu: number; memoryGiB: number; pricePerHour: number };

/** A Kubernetes version on offer; `endOfLife` is a date, YYYY-MM-DD. */
export type Version = { version: string; status: 'supported' | 'deprecated' | 'preview'; endOfLife: string };

/** The sandbox's regions. */
export const REGIONS: readonly Region[] = [
  { name: 'sandbox-north', title: 'Sandbox North (imaginary)', priceFactor: 1 },
  { name: 'sandbox-south', title: 'Sandbox South (imaginary)', priceFactor: 1.08 },
  { name: 'sandbox-west', title: 'Sandbox West (imaginary)', priceFactor: 1.15 },
];

/** The sandbox's Kubernetes versions, newest first. */
export const VERSIONS: readonly Version[] = [
  { version: '1.35.0', status: 'preview', endOfLife: '2027-02-28' },
  { version: '1.34.2', status: 'supported', endOfLife: '2026-12-31' },
  { version: '1.33.6', status: 'supported', endOfLife: '2026-12-31' },
  { version: '1.32.10', status: 'deprecated', endOfLife: '2026-02-28' },
];

/** The sandbox's machine sizes. */
export const SIZES: readonly Size[] = [
  { name: 'small', title: 'Small: 2 CPU, 8 GiB', cpu: 2, memoryGiB: 8, pricePerHour: 0.08 },
  { name: 'medium', title: 'Medium: 4 CPU, 16 GiB', cpu: 4, memoryGiB: 16, pricePerHour: 0.16 },
  { name: 'large', title: 'Large: 8 CPU, 32 GiB', cpu: 8, memoryGiB: 32, pricePerHour: 0.32 },
  { name: 'xlarge', title: 'Extra large: 16 CPU, 64 GiB', cpu: 16, memoryGiB: 64, pricePerHour: 0.64 },
];

/** A feature that the provider brings into a cluster, or takes out of it again. */
export type Addon = { name: string; title: string; note: string };

/** The sandbox's add-ons. */
export const ADDONS: readonly Addon[] = [
  { name: 'log-collector', title: 'Log collector', note: 'An imaginary agent in kube-system that collects nothing.' },
  { name: 'cost-report', title: 'Cost report', note: 'An imaginary program in kube-system that reports no cost.' },
];

/** The price of a control plane, USD per hour before the region's factor. */
export const CONTROL_PLANE_PRICE_PER_HOUR = 0.1;

/** The minor number of a version such as 1.34.2. */
export function minorOf(version: string): number {
  return Number(version.split('.')[1] ?? 0);
}

/** Negative when `a` is older than `b`, 0 when they are the same, positive otherwise. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let i = 0; i < 3; i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
