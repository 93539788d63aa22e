import { z } from 'zod';
import type { Command } from '../command.ts';
import { Fault } from '../errors.ts';
import { field } from '../schema.ts';
import { addonField, meantAddon, neededBy, seeAll, type Turn, turnAddons } from './addon-turn.ts';
import { pick } from './app-deploy.ts';
import { workable } from './cluster-work.ts';
import { clusterField } from './common.ts';

/** Takes an add-on away: what KQueen has put there, and nothing else. */
export const addonDisable: Command = {
  name: 'addon disable',
  aliases: ['addon off', 'addon remove'],
  summary: 'Turn an add-on off, with a list of what goes and what stays',
  examples: ['addon disable dev-1 metrics-server', 'addon disable dev-1 cert-manager data=yes'],
  group: 'Add-ons',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    addon: addonField,
    data: field(z.boolean().optional(), {
      label: 'Its data too',
      help: 'Namespaces, volumes, and kinds with all objects of them are removed as well.',
      order: 3,
    }),
    draft: field(z.string().trim().optional(), { label: 'Draft', order: 98 }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'addon'],
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { plan, draft, addon: asked = '' } = values;
    const words = {
      ...{ command: addonDisable, title: 'Turn off {title} in', button: 'Turn it off', plan, draft, withinMs: 600_000 },
      line: { cluster: found.record.name, addon: asked, ...pick(values, ['data']) },
    };
    if (draft) return turnAddons(context, found, [], words);
    const all = await seeAll(context, found.record);
    const meant = meantAddon(all, asked);
    if (meant.by === 'kqueen' && meant.addon.by === 'other') {
      throw new Fault('unsupported', `${meant.addon.title} was put there by others; KQueen only shows it.`, {
        field: 'addon',
      });
    }
    if (meant.by === 'provider') {
      const { title, fixed, on } = meant.addon;
      if (fixed) throw new Fault('unsupported', `${title} stays as it is. ${fixed}`, { field: 'addon' });
      if (!on) throw new Fault('conflict', `${title} is off already, at the provider.`, { field: 'addon' });
    }
    const { name, title } = meant.addon;
    const data = /^(yes|true|on)$/i.test(values.data ?? '');
    const turn: Turn =
      meant.by === 'provider'
        ? { do: 'provider', name, title, on: false, ...(meant.addon.note ? { note: meant.addon.note } : {}) }
        : { do: 'off', name, title, data, ...neededBy(all, meant.addon) };
    return turnAddons(context, found, [turn], words);
  },
};
