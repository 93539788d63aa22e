import { z } from 'zod';
import { providerPrefix, type SeenAddon } from '../addons.ts';
import type { Button, Fact, Part, Row } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { clusterKubeconfig } from '../connect.ts';
import { atLeast } from '../policy.ts';
import type { ProviderAddon } from '../ports/engine.ts';
import type { Cluster } from '../records.ts';
import { count } from '../words.ts';
import { addonChoose } from './addon-choose.ts';
import { addonDisable } from './addon-disable.ts';
import { addonDns } from './addon-dns.ts';
import { addonEnable, addonUpgrade } from './addon-enable.ts';
import { addonField, meantAddon, type SeenAll, seeAll } from './addon-turn.ts';
import { clusterField, findCluster, toCaller } from './common.ts';
import { openToLook } from './look-into.ts';

function mayChange({ caller }: Context, cluster: Cluster): boolean {
  return (cluster.owner === caller.person || atLeast(caller.role, 'admin')) && !cluster.readOnly;
}

/** "on, 0.8.1, 1 of 1 pods ready". */
function standing({ on, version, elsewhere }: SeenAddon): string {
  if (!on && elsewhere) return 'there already, and not by KQueen';
  if (!on) return version === '' ? 'not there' : `off; ${version} can be had`;
  const pods = on.wanted === 0 ? '' : `, ${on.ready} of ${on.wanted} ${on.wanted === 1 ? 'pod' : 'pods'} ready`;
  const newer = version !== '' && version !== on.version ? `; ${version} can be had` : '';
  const state = on.state === 'failed' ? 'failed at' : on.state === 'applying' ? 'being put there:' : 'on,';
  return `${state} ${on.version}${pods}${newer}`;
}

function rowOf(cluster: Cluster, addon: SeenAddon, may: boolean): Row {
  const { name, title, about, link, tag, namespace, on, version, by, elsewhere } = addon;
  const named = { cluster: cluster.name, addon: name };
  if (by === 'other') {
    return {
      text: `*${title}*${tag ? ` (${tag})` : ''}: announced by the Service ${namespace}/${name}`,
      ...(link ? { buttons: [{ label: 'Open', url: link }] } : {}),
    };
  }
  const buttons: Button[] = [{ label: 'Show', command: lineOf(addonShow, named) }];
  if (may && !on && !elsewhere) buttons.push({ label: 'Turn on', command: lineOf(addonEnable, named) });
  if (may && on && on.state === 'failed') buttons.push({ label: 'Try again', command: lineOf(addonUpgrade, named) });
  else if (may && on && version !== '' && on.version !== version)
    buttons.push({ label: 'Upgrade', command: lineOf(addonUpgrade, named) });
  if (may && on) buttons.push({ label: 'Turn off', command: lineOf(addonDisable, named) });
  return { text: `*${title}*: ${standing(addon)}`, note: `${name}. ${about}`, buttons };
}

function providerRow(cluster: Cluster, { name, title, on, note, fixed }: ProviderAddon, may: boolean): Row {
  const named = { cluster: cluster.name, addon: `${providerPrefix}${name}` };
  const turn: Button = on
    ? { label: 'Turn off', command: lineOf(addonDisable, named) }
    : { label: 'Turn on', command: lineOf(addonEnable, named) };
  return {
    text: `*${title}*: ${on ? 'on' : 'off'}, of the provider`,
    note: [`${providerPrefix}${name}`, ...[fixed ?? note].filter((each) => each !== undefined)].join('. '),
    ...(may && fixed === undefined ? { buttons: [turn] } : {}),
  };
}

/** The add-ons of a cluster: those of KQueen's, of the provider and of others. */
export const addonList: Command = {
  name: 'addon list',
  aliases: ['addons', 'cluster addons'],
  summary: 'Show the add-ons of a cluster',
  examples: ['addon list dev-1', 'addons dev-1'],
  group: 'Add-ons',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ cluster: clusterField }),
  positional: ['cluster'],
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    await openToLook(context, cluster);
    return listCard(context, cluster, await seeAll(context, cluster));
  },
};

function listCard(context: Context, cluster: Cluster, all: SeenAll): Answer {
  const may = mayChange(context, cluster);
  const offered = all.addons.filter(({ by }) => by !== 'other');
  const others = all.addons.filter(({ by }) => by === 'other');
  const isOn = offered.filter(({ on }) => on);
  const providerOn = all.provider.filter(({ on }) => on);
  const bad = isOn.some(({ on }) => on && (on.state === 'failed' || on.ready < on.wanted));
  const titles = [...isOn, ...providerOn, ...others].map(({ title }) => title);
  const parts: Part[] = [];
  const sorted = [...isOn, ...offered.filter(({ on }) => !on)];
  parts.push({
    part: 'rows',
    caption: 'From KQueen',
    rows: sorted.slice(0, 20).map((each) => rowOf(cluster, each, may)),
  });
  if (all.provider.length > 0) {
    const rows = all.provider.slice(0, 12).map((each) => providerRow(cluster, each, may));
    parts.push({ part: 'rows', caption: 'Of the provider', rows });
  }
  if (others.length > 0) {
    const rows = others.slice(0, 12).map((each) => rowOf(cluster, each, false));
    parts.push({ part: 'rows', caption: 'Put there by others', rows });
  }
  const left = Math.max(0, sorted.length - 20) + Math.max(0, others.length - 12);
  if (left > 0) parts.push({ part: 'note', text: `And ${left} more.` });
  for (const problem of all.problems.slice(0, 5)) parts.push({ part: 'note', text: problem });
  const text = titles.length === 0 ? 'No add-on is on.' : `On: ${titles.slice(0, 15).join(', ')}.`;
  return toCaller({
    title: `${count(titles.length, 'add-on')} in ${cluster.name}`,
    tone: bad || all.problems.length > 0 ? 'warn' : 'plain',
    text,
    parts,
    buttons: may
      ? [
          { label: 'Choose add-ons', command: lineOf(addonChoose, { cluster: cluster.name }), style: 'primary' },
          { label: 'Check names', command: lineOf(addonDns, { cluster: cluster.name }) },
        ]
      : [],
  });
}

/** One add-on: what it is, where it comes from, how it stands. */
export const addonShow: Command = {
  name: 'addon show',
  summary: 'Show one add-on and how it stands',
  examples: ['addon show dev-1 metrics-server'],
  group: 'Add-ons',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ cluster: clusterField, addon: addonField }),
  positional: ['cluster', 'addon'],
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    await openToLook(context, cluster);
    const meant = meantAddon(await seeAll(context, cluster), values.addon ?? '');
    const may = mayChange(context, cluster);
    if (meant.by === 'provider') {
      const { title, on, note, fixed } = meant.addon;
      const row = providerRow(cluster, meant.addon, may);
      return toCaller({
        title: `${title} in ${cluster.name}`,
        tone: 'plain',
        text: `${title} is ${on ? 'on' : 'off'}. The provider brings it.`,
        parts: [
          {
            part: 'text',
            text: [`It is ${on ? 'on' : 'off'}. The provider brings it.`, note, fixed].filter(Boolean).join(' '),
          },
        ],
        buttons: row.buttons ?? [],
      });
    }
    return ofKQueen(context, cluster, meant.addon, may);
  },
};

async function ofKQueen(context: Context, cluster: Cluster, addon: SeenAddon, may: boolean): Promise<Answer> {
  const row = rowOf(cluster, addon, may);
  const facts: Fact[] = [
    { label: 'State', value: addon.by === 'other' ? 'announced by a Service' : standing(addon) },
    // What is on says these itself, below.
    ...(addon.on
      ? []
      : [
          { label: 'Comes from', value: addon.source },
          { label: 'Namespace', value: addon.namespace },
        ]),
    ...(addon.needs.length > 0 ? [{ label: 'Needs', value: addon.needs.join(', ') }] : []),
    ...(addon.tag ? [{ label: 'For', value: addon.tag }] : []),
  ];
  const parts: Part[] = [];
  if (addon.about) parts.push({ part: 'text', text: `${addon.about}.` });
  parts.push({ part: 'facts', facts });
  if (addon.careful) parts.push({ part: 'text', text: `*Careful*: ${addon.careful}` });
  let bad = false;
  if (addon.on) {
    const call = context.call(10_000);
    const kubeconfig = await clusterKubeconfig(context, cluster, { now: context.now, call });
    const seen = await context.kube.look(kubeconfig, 'addon', { addon: addon.name }, call);
    parts.push(...seen.parts);
    bad = seen.bad ?? false;
  }
  const open: Button[] = addon.link ? [{ label: 'Read about it', url: addon.link }] : [];
  const text =
    addon.by === 'other' ? `${addon.title} is announced by a Service.` : `${addon.title}: ${standing(addon)}.`;
  return toCaller({
    title: `${addon.title} in ${cluster.name}`,
    tone: bad || addon.on?.state === 'failed' ? 'warn' : 'plain',
    text,
    parts,
    buttons: [...(row.buttons ?? []).filter(({ label }) => label !== 'Show' && label !== 'Open'), ...open],
  });
}
