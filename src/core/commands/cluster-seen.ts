/** What a provider shows of a cluster at this moment, for commands whose plan depends on it. */
import type { Context } from '../command.ts';
import { targetOf } from '../connect.ts';
import { asFault } from '../errors.ts';
import type { Observation } from '../ports/engine.ts';
import type { Cluster } from '../records.ts';

/** How long a command waits for the provider's answer, in milliseconds. */
const lookMs = 4_000;

/** The provider's word on a cluster; null when its provisioner is gone or nothing comes in time, and then the engine judges later. */
export async function seenNow(context: Context, cluster: Cluster): Promise<Observation | null> {
  const found = await context.store.get({ kind: 'provisioner', org: cluster.org, id: cluster.provisioner });
  if (!found) return null;
  try {
    const client = await context.connect(found.record);
    const seen = await client.observe(targetOf(cluster), context.call(lookMs));
    return seen.mine && seen.state !== 'absent' ? seen : null;
  } catch (thrown) {
    context.log.info({ cluster: cluster.id, error: asFault(thrown).message }, 'the provider does not show a cluster');
    return null;
  }
}
