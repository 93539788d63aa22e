/** Add-ons that the provider itself has for a cluster: what there is, and turning them on and off by a job. */
import { plainCard } from '../card.ts';
import type { Answer, Context } from '../command.ts';
import { Fault } from '../errors.ts';
import type { ProviderAddon } from '../ports/engine.ts';
import type { Cluster } from '../records.ts';
import { type ChangeWords, change, changeable } from './cluster-change.ts';
import { seenNow } from './cluster-seen.ts';
import { toCaller } from './common.ts';

const turning: ChangeWords = {
  ...{ kind: 'cluster.addons', capability: 'addons', done: 'given add-ons of the provider', going: 'changed' },
  button: 'Change them',
};

/** The add-ons of the provider for a cluster, on and off; null when its engine has none, or the provider does not answer in time. */
export async function providerAddons(context: Context, cluster: Cluster): Promise<ProviderAddon[] | null> {
  if (!context.engines.get(cluster.engine)?.capabilities.addons) return null;
  return (await seenNow(context, cluster))?.addons ?? null;
}

/**
 * Turns add-ons of the provider on and off: the plan, by policy an approval, then the job `cluster.addons`. `line` is the canonical line
 * without the plan, `plan` the hash of the plan that was seen. A name that the provider does not have is refused at the field `addon`.
 */
export async function changeAddons(
  context: Context,
  cluster: string,
  wanted: Record<string, boolean>,
  asked: { line: string; plan?: string | undefined },
): Promise<Answer> {
  const on = await changeable(context, cluster, turning);
  const known = on.cluster.openJob ? null : await providerAddons(context, on.cluster);
  const update = known ? differing(known, wanted) : wanted;
  if (Object.keys(update).length === 0) {
    const names = Object.keys(wanted).map((name) => `${name} is ${wanted[name] ? 'on' : 'off'} already`);
    return toCaller(plainCard('Nothing to change', `${names.join(', ')}.`));
  }
  const notes = (known ?? [])
    .filter(({ name, note }) => name in update && note)
    .map(({ title, note }) => `${title}: ${note}`);
  return change(context, on, turning, {
    update: { addons: update },
    line: asked.line,
    plan: asked.plan,
    ...(notes.length > 0 ? { note: notes.join(' ') } : {}),
  });
}

/** What is wanted and not so yet. Throws `bad-input` for what the provider does not have, and for what stays as it is. */
function differing(known: readonly ProviderAddon[], wanted: Record<string, boolean>): Record<string, boolean> {
  const update: Record<string, boolean> = {};
  for (const [name, on] of Object.entries(wanted)) {
    const addon = known.find((each) => each.name === name);
    if (!addon) {
      throw new Fault('bad-input', `The provider has no add-on ${name} for this cluster.`, {
        field: 'addon',
        next: `It has: ${known.map((each) => each.name).join(', ')}.`,
      });
    }
    if (addon.on === on) continue;
    if (addon.fixed) throw new Fault('bad-input', `${addon.title}: ${addon.fixed}`, { field: 'addon' });
    update[name] = on;
  }
  return update;
}
