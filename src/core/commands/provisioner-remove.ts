import { z } from 'zod';
import { plainCard } from '../card.ts';
import type { Command, Context } from '../command.ts';
import { provisionerSecret } from '../connect.ts';
import { Fault } from '../errors.ts';
import type { Stored } from '../ports/store.ts';
import type { Provisioner } from '../records.ts';
import { field } from '../schema.ts';
import { confirmByName, findProvisioner, movedFault, repeatAnswer, toPlace } from './common.ts';

/** Removes a provisioner that no cluster uses. */
export const provisionerRemove: Command = {
  name: 'provisioner remove',
  aliases: ['provisioner delete', 'provisioner rm'],
  summary: 'Remove a provisioner that no cluster uses',
  examples: ['provisioner remove lab'],
  group: 'Provisioners',
  policy: 'provisioner:delete',
  changes: true,
  args: z.object({
    provisioner: field(z.string().trim().min(1), { label: 'Provisioner', example: 'sandbox', order: 1 }),
    confirm: field(z.string().trim().optional(), { label: 'Type its name', order: 2 }),
  }),
  positional: ['provisioner'],
  async run(context, values) {
    const wanted = values.provisioner ?? '';
    const found = (await nameless(context, wanted)) ?? (await findProvisioner(context, wanted));
    const { record } = found;
    await refuseInUse(context, record);
    if (values.confirm !== record.name) {
      const intro = `KQueen forgets ${record.name} and its credentials. Nothing is changed at the provider.`;
      const asked = {
        title: `Remove provisioner ${record.name}?`,
        command: `provisioner remove ${record.name}`,
        submit: 'Remove it',
        intro,
        name: record.name,
        to: 'remove',
        nothing: 'Nothing was removed.',
      };
      return confirmByName(context, asked, values.confirm);
    }
    const says = `Provisioner ${record.name} is removed, and its credentials with it.`;
    const done = await withoutName(context, found, async () => {
      await refuseInUse(context, record);
      const removed = await context.effect(
        [
          { op: 'delete', ref: found.ref, if: found.revision },
          { op: 'delete', ref: provisionerSecret(record.org, record.id) },
        ],
        { action: 'provisioner.remove', outcome: 'done', subject: record.name, says },
      );
      if (!removed.ok) throw movedFault(`Provisioner ${record.name}`);
      return removed;
    });
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    return toPlace(plainCard(`Provisioner ${record.name} is removed`, says, 'good'));
  },
};

/**
 * Takes the provisioner's name away, then does the rest. A creation checks the name in its own transaction, so that from here on nothing new
 * comes to rest on the provisioner. When the rest fails, it gets its name back; when this process dies in between, removing it again goes on.
 */
async function withoutName<T>(context: Context, found: Stored<'provisioner'>, rest: () => Promise<T>): Promise<T> {
  const { org, id, name } = found.record;
  const ref = { kind: 'name', org, id: `provisioner.${name}` } as const;
  await context.store.commit([{ op: 'delete', ref }]);
  try {
    return await rest();
  } catch (thrown) {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const now = await context.store.get(found.ref);
      if (!now) break;
      const again = await context.store.commit([
        { op: 'put', ref, record: { v: 1, id: ref.id, org, holder: id }, if: 0 },
        { op: 'check', ref: found.ref, if: now.revision },
      ]);
      // Whoever holds the name by now has it; a provisioner that was looked at in between is tried again.
      if (again.ok || again.conflicts.some((each) => each.id === ref.id)) break;
    }
    throw thrown;
  }
}

/** A provisioner whose removal was interrupted: it has lost its name already. */
async function nameless(context: Context, name: string): Promise<Stored<'provisioner'> | undefined> {
  const org = context.caller.org;
  const wanted = name.trim().toLowerCase();
  if (await context.store.get({ kind: 'name', org, id: `provisioner.${wanted}` })) return undefined;
  const page = await context.store.page('provisioner', org, { limit: 500 });
  return page.items.find(({ record }) => record.name === wanted);
}

async function refuseInUse(context: Context, record: Provisioner): Promise<void> {
  const users = await clustersOf(context, record.id);
  if (users.length === 0) return;
  const more = users.length > 10 ? ` and ${users.length - 10} more` : '';
  throw new Fault('conflict', `Provisioner ${record.name} is in use by ${users.slice(0, 10).join(', ')}${more}.`, {
    next: 'Delete those clusters first.',
  });
}

/** From the store itself, not from the cache: a decision rests on it. */
async function clustersOf(context: Context, provisioner: string): Promise<string[]> {
  const names: string[] = [];
  let after: string | undefined;
  do {
    const page = await context.store.page('cluster', context.caller.org, {
      limit: 500,
      ...(after === undefined ? {} : { after }),
    });
    names.push(
      ...page.items.filter(({ record }) => record.provisioner === provisioner).map(({ record }) => record.name),
    );
    after = page.next;
  } while (after !== undefined);
  return names;
}
