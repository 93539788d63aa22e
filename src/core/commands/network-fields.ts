/** What the commands about network rules share. */
import { z } from 'zod';
import type { Context } from '../command.ts';
import type { Cluster } from '../records.ts';
import { field } from '../schema.ts';
import { seenNow } from './cluster-seen.ts';

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** The namespace that rules are of. */
export const ruledNamespace = field(z.string().trim().regex(label, 'Use the name of a namespace, such as shop.'), {
  label: 'Namespace',
  example: 'shop',
  order: 2,
});

/** What is let through, several with commas. */
export function peersField(help: string, name: string, order: number) {
  return field(
    z
      .string()
      .trim()
      .refine(
        (text) => peersIn(text).every((peer) => label.test(peer)) && peersIn(text).length <= 8,
        'Write up to eight, with commas between them: same, ingress, outside, or names of namespaces.',
      )
      .optional(),
    { label: name, help, example: 'same,ingress', order },
  );
}

export function peersIn(text: string | undefined): string[] {
  return [...new Set((text ?? '').split(/[\s,]+/).filter(Boolean))];
}

/** The provider's word on whether rules have an effect, as works and views take it; empty where it gives none. */
export async function enforcedBy(context: Context, cluster: Cluster): Promise<{ enforced?: 'yes' | 'no' }> {
  if (!context.engines.get(cluster.engine)?.capabilities.networkPolicy) return {};
  const seen = (await seenNow(context, cluster))?.networkPolicy;
  return seen === undefined ? {} : { enforced: seen ? 'yes' : 'no' };
}
