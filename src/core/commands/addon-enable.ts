import { z } from 'zod';
import type { Answer, Command, Context } from '../command.ts';
import { Fault } from '../errors.ts';
import type { Stored } from '../ports/store.ts';
import { field } from '../schema.ts';
import { chooseForm } from './addon-choose.ts';
import { addonField, meantAddon, seeAll, type Turn, turnAddons } from './addon-turn.ts';
import { pick, readWithin } from './app-deploy.ts';
import { workable } from './cluster-work.ts';
import { clusterField } from './common.ts';

/** What turning an add-on on is told beside which. */
export const turnFields = {
  force: field(z.boolean().optional(), {
    label: 'Take over',
    help: 'Takes over what others have put there. The plan names it.',
    order: 90,
  }),
  within: field(z.string().trim().optional(), {
    label: 'Has to run within',
    help: 'How long each may take until it runs.',
    example: '10m',
    order: 92,
  }),
  draft: field(z.string().trim().optional(), { label: 'Draft', order: 98 }),
  plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
};

/** Turns an add-on on: of KQueen's, or of the provider. */
export const addonEnable: Command = {
  name: 'addon enable',
  aliases: ['addon on', 'addon add', 'addon install'],
  summary: 'Turn an add-on on, such as metrics-server or traefik',
  examples: ['addon enable dev-1', 'addon enable dev-1 metrics-server', 'addon enable dev-1 traefik within=15m'],
  group: 'Add-ons',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    addon: field(addonField.optional(), {
      label: 'Add-on',
      help: 'Its name in addon list; without one they are shown to choose from.',
      example: 'metrics-server',
      order: 2,
    }),
    ...turnFields,
  }),
  positional: ['cluster', 'addon'],
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { addon } = values;
    if (!addon) return chooseForm(context, found);
    return turnOne(context, found, addonEnable, addon, values);
  },
};

/** Brings an add-on to the version that is offered now. */
export const addonUpgrade: Command = {
  name: 'addon upgrade',
  aliases: ['addon update'],
  summary: 'Bring an add-on to the version that is offered now',
  examples: ['addon upgrade dev-1 metrics-server'],
  group: 'Add-ons',
  policy: 'cluster:update',
  changes: true,
  args: z.object({ cluster: clusterField, addon: addonField, ...turnFields }),
  positional: ['cluster', 'addon'],
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    return turnOne(context, found, addonUpgrade, values.addon ?? '', values);
  },
};

async function turnOne(
  context: Context,
  found: Stored<'cluster'>,
  command: Command,
  asked: string,
  values: Record<string, string>,
): Promise<Answer> {
  const { draft, plan } = values;
  const upgrade = command === addonUpgrade;
  const words = {
    ...{
      command,
      title: upgrade ? 'Upgrade {title} in' : 'Turn on {title} in',
      button: upgrade ? 'Upgrade it' : 'Turn it on',
    },
    ...{ plan, draft, force: /^(yes|true|on)$/i.test(values.force ?? ''), withinMs: readWithin(values.within) },
  };
  const line = (addon: string) => ({ cluster: found.record.name, addon, ...pick(values, ['force', 'within']) });
  // What was read for the plan that was seen is kept; the cluster is asked again when the job begins.
  if (draft) return turnAddons(context, found, [], { ...words, line: line(asked) });
  const meant = meantAddon(await seeAll(context, found.record), asked);
  if (meant.by === 'provider') {
    const { name, title, on, note, fixed } = meant.addon;
    if (upgrade)
      throw new Fault('unsupported', `${title} is the provider's: it brings it to new versions itself.`, {
        field: 'addon',
      });
    if (fixed) throw new Fault('unsupported', `${title} stays as it is. ${fixed}`, { field: 'addon' });
    if (on) throw new Fault('conflict', `${title} is on already, at the provider.`, { field: 'addon' });
    const turn: Turn = { do: 'provider', name, title, on: true, ...(note ? { note } : {}) };
    return turnAddons(context, found, [turn], { ...words, line: line(asked) });
  }
  const { addon } = meant;
  if (addon.by === 'other')
    throw new Fault('unsupported', `${addon.title} was put there by others; KQueen only shows it.`, { field: 'addon' });
  if (addon.version === '')
    throw new Fault('not-found', `${addon.title} is not offered any more, so there is nothing to turn on.`, {
      field: 'addon',
      next: `It can be turned off with addon disable ${found.record.name} ${addon.name}.`,
    });
  if (upgrade && !addon.on)
    throw new Fault('conflict', `${addon.title} is not on, so there is nothing to upgrade.`, {
      field: 'addon',
      next: `Turn it on with addon enable ${found.record.name} ${addon.name}.`,
    });
  return turnAddons(context, found, [{ do: 'on', name: addon.name }], { ...words, line: line(addon.name) });
}
