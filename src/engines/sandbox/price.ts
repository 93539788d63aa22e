import type { Price } from '../../core/ports/engine.ts';
import { SandboxCluster } from './schema.ts';
import { CatalogAnswer } from './wire.ts';

/**
 * The price of a spec by the catalogue, or null when either cannot be read or the catalogue does not have it. As the provider reckons:
 * the control plane and every node, times the factor of the region, to a hundredth of a cent.
 */
export function sandboxPrice(spec: Record<string, unknown>, prices: unknown): Price | null {
  const wanted = SandboxCluster.safeParse(spec);
  const catalog = CatalogAnswer.safeParse(prices);
  if (!wanted.success || !catalog.success) return null;
  const region = catalog.data.regions.find((each) => each.name === wanted.data.region);
  const size = catalog.data.sizes.find((each) => each.name === wanted.data.size);
  if (!region || !size) return null;
  const nodes = wanted.data.nodes + (wanted.data.gateways ?? 0);
  const perHour = (catalog.data.controlPlanePricePerHour + size.pricePerHour * nodes) * region.priceFactor;
  return { perHour: Math.round(perHour * 10_000) / 10_000, currency: catalog.data.currency, excludes: [] };
}
