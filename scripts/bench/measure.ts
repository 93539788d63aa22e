/** What every measurement shares: order statistics, the table, the size of a process. */
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';

/** One line of the table. Numbers in `unit`; a goal is a bound of `ratio` (ours to the floor) or of ours alone. */
export interface Row {
  what: string;
  unit: string;
  ours: number;
  floor?: number;
  /** The bound, in `unit` or, with a floor, as the greatest ratio; absent: told, not judged. */
  most?: number;
}

/** The value below which `share` (0 to 1) of the values lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Whether the row keeps its goal. */
export function passes({ ours, floor, most }: Row): boolean {
  return most === undefined || (floor === undefined ? ours : ours / floor) <= most;
}

/** The rows as a table, one line each. */
export function table(rows: readonly Row[]): string {
  const shown = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(2));
  const cells = rows.map((row) => {
    const { what, unit, ours, floor, most } = row;
    const goal = most === undefined ? '' : floor === undefined ? `<= ${most} ${unit}` : `ratio <= ${most}`;
    return [
      what,
      `${shown(ours)} ${unit}`,
      floor === undefined ? '' : `${shown(floor)} ${unit}`,
      floor === undefined ? '' : (ours / floor).toFixed(2),
      goal,
      most === undefined ? '' : passes(row) ? 'pass' : 'FAIL',
    ];
  });
  const all = [['what', 'ours', 'floor', 'ratio', 'goal', ''], ...cells];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0))) ?? [];
  const lines = all.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n\nload average ${loadavg()
    .map((each) => each.toFixed(1))
    .join(' ')}, node ${process.version}`;
}

/** Resident memory of a process, in MB (Linux). */
export function residentMb(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? Number.NaN) / 1024;
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => unknown): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** Waits until `condition` holds, looking every `everyMs`; throws after `mostMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { mostMs = 60_000, everyMs = 20 } = {},
): Promise<number> {
  const begun = performance.now();
  while (!(await condition())) {
    if (performance.now() - begun > mostMs) throw new Error(`not within ${mostMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return performance.now() - begun;
}
