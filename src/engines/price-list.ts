import { parse } from 'yaml';
import { z } from 'zod';
import type { Price } from '../core/ports/engine.ts';
import { field } from '../core/schema.ts';

/** What an operator says machines cost; nobody else knows their contract. Amounts are per hour. */
const PriceList = z.strictObject({
  /** ISO 4217. */
  currency: z.string().regex(/^[A-Z]{3}$/, 'Use a three-letter currency code such as USD.'),
  /** Per cluster. */
  controlPlane: z.number().min(0).optional(),
  /** By machine type. */
  sizes: z.record(z.string(), z.number().min(0)),
  /** Other prices in some regions, by region and machine type. */
  regions: z.record(z.string(), z.record(z.string(), z.number().min(0))).optional(),
});
export type PriceList = z.infer<typeof PriceList>;

/** The field of a provisioner for its operator's price list. */
export function priceField(order: number) {
  return field(z.string().max(100_000).superRefine(check).optional(), {
    label: 'Price list',
    help: 'YAML with currency, controlPlane and sizes, each per hour; regions for those that differ. Without it the cost of a plan is unknown.',
    example: 'currency: USD\ncontrolPlane: 0.10\nsizes:\n  small: 0.07',
    multiline: true,
    order,
  });
}

function check(text: string, context: z.RefinementCtx): void {
  if (text.trim() === '') return;
  const read = PriceList.safeParse(parsed(text));
  if (read.success) return;
  const issue = read.error.issues[0];
  const where = issue?.path.join('.');
  context.addIssue({
    code: 'custom',
    message: `The price list is not right${where ? ` at ${where}` : ''}: ${issue?.message ?? ''}`,
  });
}

function parsed(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0 });
  } catch {
    return undefined;
  }
}

/** The list in the text of `priceField`, or null when there is none. */
export function readPriceList(text: unknown): PriceList | null {
  const read = typeof text === 'string' ? PriceList.safeParse(parsed(text)) : PriceList.safeParse(text);
  return read.success ? read.data : null;
}

/**
 * The price of so many machines by a list (as `Options.prices` carries it), or null when one of them has none in it: a sum with a hole would be
 * taken for the whole.
 */
export function listPrice(
  prices: unknown,
  wanted: { region?: string; machines: { size: string; count: number }[]; excludes: string[] },
): Price | null {
  const list = readPriceList(prices);
  if (!list) return null;
  let perHour = list.controlPlane ?? 0;
  for (const { size, count } of wanted.machines) {
    const each = (wanted.region && list.regions?.[wanted.region]?.[size]) ?? list.sizes[size];
    if (typeof each !== 'number') return null;
    perHour += each * count;
  }
  return { perHour: Math.round(perHour * 10_000) / 10_000, currency: list.currency, excludes: wanted.excludes };
}
