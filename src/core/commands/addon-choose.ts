import { z } from 'zod';
import { providerPrefix, type SeenAddon } from '../addons.ts';
import { type Field, plainCard } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import type { Stored } from '../ports/store.ts';
import { field } from '../schema.ts';
import { neededBy, type SeenAll, seeAll, type Turn, turnAddons } from './addon-turn.ts';
import { pick, readWithin } from './app-deploy.ts';
import { workable } from './cluster-work.ts';
import { clusterField, toCaller } from './common.ts';

/** Turns several add-ons on and off at once, by boxes to tick. */
export const addonChoose: Command = {
  name: 'addon choose',
  summary: 'Tick which add-ons a cluster is to have',
  examples: ['addon choose dev-1', 'addon choose dev-1 metrics-server=yes headlamp=no'],
  group: 'Add-ons',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    within: field(z.string().trim().optional(), {
      label: 'Has to run within',
      help: 'How long each may take until it runs.',
      example: '10m',
      order: 92,
    }),
    draft: field(z.string().trim().optional(), { label: 'Draft', order: 98 }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster'],
  // Which further keys there are, add-ons say: those of the provider and of the installation's own are not known here.
  open: true,
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { cluster: _cluster, within, draft, plan, ...ticks } = values;
    const words = {
      ...{ command: addonChoose, title: 'Change {title} of', button: 'Change them', plan, draft },
      withinMs: readWithin(within),
      line: { cluster: found.record.name, ...pick(values, ['within']) },
    };
    if (draft) return turnAddons(context, found, [], words);
    if (Object.keys(ticks).length === 0) return chooseForm(context, found);
    const turns = turnsOf(await seeAll(context, found.record), ticks);
    if (turns.length === 0) return toCaller(plainCard('Nothing to change', 'The add-ons are like this already.'));
    return turnAddons(context, found, turns, words);
  },
};

/** The form with a box for each add-on. */
export async function chooseForm(context: Context, found: Stored<'cluster'>): Promise<Answer> {
  const all = await seeAll(context, found.record);
  const fields: Field[] = [
    ...choosable(all).map((addon) => ({
      ...box(addon.name, addon.title, addon.on !== undefined),
      help: `${addon.about}${addon.version ? ` (${addon.version})` : ''}`,
    })),
    ...turnable(all).map(({ name, title, on, note }) => ({
      ...box(`${providerPrefix}${name}`, `${title} (provider)`, on),
      ...(note ? { help: note } : {}),
    })),
  ];
  return {
    audience: 'caller',
    form: {
      title: `Add-ons of ${found.record.name}`.slice(0, 60),
      command: lineOf(addonChoose, { cluster: found.record.name }),
      submit: 'Show the plan',
      intro: 'What is ticked is to be on. Nothing is changed before you have seen what would change.',
      fields,
      private: false,
    },
  };
}

function box(key: string, label: string, on: boolean): Field {
  return { key, label: label.slice(0, 60), kind: 'toggle', required: false, value: on ? 'true' : 'false' };
}

function choosable({ addons }: SeenAll): SeenAddon[] {
  return addons.filter(({ by, version, on, elsewhere }) => by !== 'other' && (on || (version !== '' && !elsewhere)));
}

function turnable({ provider }: SeenAll): SeenAll['provider'] {
  return provider.filter(({ fixed }) => fixed === undefined);
}

function tickOf(key: string, text: string): boolean {
  if (/^(true|yes|on)$/i.test(text.trim())) return true;
  if (text.trim() === '' || /^(false|no|off)$/i.test(text.trim())) return false;
  throw new Fault('bad-input', `Say yes or no for ${key.slice(0, 40)}.`, { field: key });
}

/** What has to be turned so that it is as ticked; what needs others comes after them when it is turned on, before them when off. */
function turnsOf(all: SeenAll, ticks: Record<string, string>): Turn[] {
  const turns: Turn[] = [];
  const known = new Set<string>();
  const addons = choosable(all);
  const going = addons.flatMap(({ name }) =>
    ticks[name] !== undefined && !tickOf(name, ticks[name] ?? '') ? [name] : [],
  );
  for (const addon of addons) {
    known.add(addon.name);
    const tick = ticks[addon.name];
    if (tick === undefined || tickOf(addon.name, tick) === (addon.on !== undefined)) continue;
    turns.push(
      addon.on
        ? { do: 'off', name: addon.name, title: addon.title, data: false, ...neededBy(all, addon, going) }
        : { do: 'on', name: addon.name },
    );
  }
  for (const { name, title, on, note } of turnable(all)) {
    const key = `${providerPrefix}${name}`;
    known.add(key);
    const tick = ticks[key];
    if (tick === undefined || tickOf(key, tick) === on) continue;
    turns.push({ do: 'provider', name, title, on: !on, ...(note ? { note } : {}) });
  }
  const strange = Object.keys(ticks).find((key) => !known.has(key));
  if (strange !== undefined) {
    throw new Fault('bad-input', `There is no add-on ${strange.slice(0, 40)} that can be turned here.`, {
      field: strange,
      next: `There are: ${[...known].join(', ')}.`,
    });
  }
  const needs = new Map(addons.map(({ name, needs: wanted }) => [name, wanted]));
  const depth = (name: string, seen: string[] = []): number =>
    seen.includes(name) ? 0 : Math.max(0, ...(needs.get(name) ?? []).map((each) => 1 + depth(each, [...seen, name])));
  const on = turns.filter((turn) => turn.do === 'on').sort((a, b) => depth(a.name) - depth(b.name));
  const off = turns.filter((turn) => turn.do === 'off').sort((a, b) => depth(b.name) - depth(a.name));
  return [...off, ...turns.filter((turn) => turn.do === 'provider'), ...on];
}
