/** Turning add-ons on and off from a command: what is needed is read, kept for the click on the plan, and handed to the job. */

import { z } from 'zod';
import { providerPrefix, type SeenAddon } from '../addons.ts';
import { keepDraft, readDraft } from '../app-drafts.ts';
import type { Answer, Command, Context } from '../command.ts';
import { lineOf } from '../command.ts';
import { clusterKubeconfig, targetOf } from '../connect.ts';
import { asFault, Fault } from '../errors.ts';
import { hashOf } from '../plan.ts';
import type { ProviderAddon } from '../ports/engine.ts';
import type { Change, Ref, Stored } from '../ports/store.ts';
import type { AddonPin, Cluster } from '../records.ts';
import { field } from '../schema.ts';
import { work } from './cluster-work.ts';

/** Which add-on a command is about. */
export const addonField = field(
  z
    .string()
    .trim()
    .toLowerCase()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'Use the name of an add-on, such as metrics-server.'),
  { label: 'Add-on', help: 'Its name in addon list.', example: 'metrics-server', order: 2 },
);

/** What is wanted of one add-on. */
export type Turn =
  | { do: 'on'; name: string }
  | { do: 'off'; name: string; title: string; data: boolean; notes?: string[] }
  | { do: 'provider'; name: string; title: string; on: boolean; note?: string };

function pinRef(org: string, url: string): Ref<'addonPin'> {
  return { kind: 'addonPin', org, id: hashOf(url) };
}

/** Every kept hash of an organisation, by address. */
async function keptPins(context: Context): Promise<Record<string, string>> {
  const page = await context.store.page('addonPin', context.caller.org, { limit: 500 });
  return Object.fromEntries(page.items.map(({ record }) => [record.url, record.sha256]));
}

/** What was read for a plan, until the click on it. */
interface Draft {
  items: Record<string, unknown>[];
  bulk: Record<string, string>;
  /** Hashes that were seen for the first time. */
  pins: Omit<AddonPin, 'v' | 'id' | 'org' | 'at' | 'by' | 'byName'>[];
}

/** How a change of add-ons is put into words. */
export interface TurnWords {
  command: Command;
  /** The values of its line, without plan and draft. */
  line: Record<string, string>;
  /** "Turn on {title} in", before the cluster's name; `{title}` is filled in. */
  title: string;
  button: string;
  plan?: string | undefined;
  draft?: string | undefined;
  force?: boolean;
  withinMs: number;
}

/** The plan of turning add-ons, or the job when it was seen. */
export async function turnAddons(
  context: Context,
  found: Stored<'cluster'>,
  turns: readonly Turn[],
  words: TurnWords,
): Promise<Answer> {
  const { command, line, button, plan, withinMs, force = false } = words;
  let { draft } = words;
  let read: Draft;
  if (draft) read = JSON.parse(await readDraft(context, draft, command.name)) as Draft;
  else {
    read = await readTurns(context, found.record, turns);
    draft = await keepDraft(context, JSON.stringify(read));
  }
  const titles = read.items.map(({ title }) => String(title));
  const title = words.title.replace('{title}', titles.length === 1 ? (titles[0] ?? '') : `${titles.length} add-ons`);
  const packed = Object.keys(read.bulk).length > 0 ? { bulk: JSON.stringify(read.bulk) } : {};
  return work(context, found, {
    ...{ op: 'addon.change', title, button, plan, ...packed },
    input: { items: read.items, by: context.caller.name, asked: draft, force, withinMs },
    line: lineOf(command, { ...line, draft }),
    allowedMs: withinMs * turns.length + 15 * 60_000,
    also: await pinsOf(context, read),
  });
}

/** The hashes to keep with the job. What somebody else has kept since the plan was made has to be the same. */
async function pinsOf(context: Context, { pins }: Draft): Promise<Change[]> {
  const { org, person, name } = context.caller;
  const changes: Change[] = [];
  for (const pin of pins) {
    const ref = pinRef(org, pin.url);
    const kept = await context.store.get(ref);
    if (kept && kept.record.sha256 !== pin.sha256) {
      throw new Fault('conflict', `${pin.url} was another file when ${kept.record.byName} took it. Nothing was done.`, {
        whose: 'admin',
        field: 'addon',
        next: 'Somebody has changed the file, or put another one in its place. An admin looks why before it is taken.',
      });
    }
    if (kept) continue;
    const record = { v: 1 as const, id: ref.id, org, ...pin, at: context.now, by: person, byName: name };
    changes.push({ op: 'put', ref, record, if: 0 });
  }
  return changes;
}

async function readTurns(context: Context, cluster: Cluster, turns: readonly Turn[]): Promise<Draft> {
  const draft: Draft = { items: [], bulk: {}, pins: [] };
  const pins = await keptPins(context);
  const call = context.call(25_000);
  const kubeconfig = await clusterKubeconfig(context, cluster, { now: context.now, call });
  for (const turn of turns) {
    if (turn.do !== 'on') {
      draft.items.push({ ...turn });
      continue;
    }
    const { bulk, read } = await context.kube.addon(kubeconfig, { name: turn.name, pins }, call);
    draft.bulk[turn.name] = bulk;
    const fresh = read.files.filter(({ known }) => !known);
    draft.pins.push(
      ...fresh.map(({ url, sha256, bytes }) => ({ url, sha256, bytes, addon: turn.name, version: read.version })),
    );
    draft.items.push({
      ...{ do: 'on', name: turn.name, title: read.title, version: read.version, namespace: read.namespace },
      ...{ source: read.source, needs: read.needs, notes: fresh.map(firstSeen) },
      ...(read.careful ? { careful: read.careful } : {}),
    });
  }
  return draft;
}

function firstSeen({ url, sha256 }: { url: string; sha256: string }): string {
  const name = new URL(url).pathname.split('/').at(-1) ?? url;
  return `${name} is taken here for the first time, and nobody has told KQueen its hash. Its SHA-256 is ${sha256}: compare it with what its project says. Your click keeps it, and another file at this address is refused from then on.`;
}

/** What the provider of a cluster brings of itself; empty with a sentence when it does not tell. */
export async function providerAddons(
  context: Context,
  cluster: Cluster,
): Promise<{ addons: ProviderAddon[]; problem?: string }> {
  if (!context.engines.get(cluster.engine)?.capabilities.addons) return { addons: [] };
  const provisioner = await context.store.get({ kind: 'provisioner', org: cluster.org, id: cluster.provisioner });
  if (!provisioner) return { addons: [], problem: `Provisioner ${cluster.provisionerName} does not exist any more.` };
  try {
    const client = await context.connect(provisioner.record);
    const seen = await client.observe(targetOf(cluster), context.call(8_000));
    return { addons: seen.addons ?? [] };
  } catch (thrown) {
    return { addons: [], problem: `The provider's own add-ons are not known now. ${asFault(thrown).message}` };
  }
}

/** What can be had and what is there, of KQueen and of the provider. */
export interface SeenAll {
  addons: SeenAddon[];
  provider: ProviderAddon[];
  /** In sentences. */
  problems: string[];
}

/** Looks at the add-ons of a cluster. */
export async function seeAll(context: Context, cluster: Cluster): Promise<SeenAll> {
  const call = context.call(12_000);
  const kubeconfig = await clusterKubeconfig(context, cluster, { now: context.now, call });
  const [seen, provider] = await Promise.all([context.kube.addons(kubeconfig, call), providerAddons(context, cluster)]);
  return {
    addons: seen.addons,
    provider: provider.addons,
    problems: [...seen.problems, ...(provider.problem ? [provider.problem] : [])],
  };
}

/** What is worth knowing before an add-on goes: which others need it, but for those that go as well. */
export function neededBy(all: SeenAll, addon: SeenAddon, going: readonly string[] = []): { notes: string[] } {
  const others = all.addons.filter(({ name, on, needs }) => on && needs.includes(addon.name) && !going.includes(name));
  return { notes: others.map(({ title }) => `${title} is on and needs ${addon.title}.`) };
}

/** One add-on by what people call it. */
export type Meant = { by: 'kqueen'; addon: SeenAddon } | { by: 'provider'; addon: ProviderAddon };

/** The add-on of a name; the provider's are `provider-…`, or their plain name where no other has it. */
export function meantAddon(all: SeenAll, asked: string): Meant {
  const name = asked.trim().toLowerCase();
  const aliases: Record<string, string> = { dashboard: 'headlamp', ingress: 'traefik', metrics: 'metrics-server' };
  const offered = all.addons.filter(({ by }) => by !== 'other');
  const own = offered.find((each) => each.name === name);
  if (own) return { by: 'kqueen', addon: own };
  const plain = name.startsWith(providerPrefix) ? name.slice(providerPrefix.length) : name;
  const provider = all.provider.find((each) => each.name.toLowerCase() === plain);
  if (provider) return { by: 'provider', addon: provider };
  const alias = Object.hasOwn(aliases, name) ? offered.find((each) => each.name === aliases[name]) : undefined;
  if (alias) return { by: 'kqueen', addon: alias };
  const other = all.addons.find((each) => each.by === 'other' && each.name === name);
  if (other) return { by: 'kqueen', addon: other };
  const names = [...offered.map((each) => each.name), ...all.provider.map((each) => `${providerPrefix}${each.name}`)];
  throw new Fault('not-found', `There is no add-on ${asked.slice(0, 40)}.`, {
    field: 'addon',
    next: `There are: ${names.join(', ')}.`,
  });
}
