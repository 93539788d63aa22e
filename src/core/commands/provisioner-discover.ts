import { z } from 'zod';
import type { Button, Part } from '../card.ts';
import { type Command, type Context, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { canAdopt, isSame, stateRefusal, type Whose, whoseIs } from '../external.ts';
import { formatLine } from '../line.ts';
import type { Engine, ExternalCluster } from '../ports/engine.ts';
import type { Cluster, Provisioner } from '../records.ts';
import { field } from '../schema.ts';
import { count } from '../words.ts';
import { findProvisioner, toCaller } from './common.ts';

const perPage = 15;

/** A message with more buttons than this is a wall; the others are typed. */
const mostButtons = 3;

/** How long the provider may take for its whole list, in milliseconds. */
const listMs = 20_000;

/** All clusters at a provider, KQueen's and others, with those that can be taken over. Nothing is kept: it is the provider's word of this moment. */
export const provisionerDiscover: Command = {
  name: 'provisioner discover',
  aliases: ['provisioner clusters', 'discover'],
  summary: 'All clusters at a provider, and whose they are',
  examples: ['provisioner discover sandbox', 'provisioner discover sandbox show=others page=2'],
  group: 'Provisioners',
  policy: 'provisioner:discover',
  changes: false,
  args: z.object({
    provisioner: field(z.string().trim().min(1), { label: 'Provisioner', example: 'sandbox', order: 1 }),
    show: field(z.enum(['all', 'others']).default('all'), {
      label: 'Which',
      help: 'others: only those that are not clusters of this KQueen.',
      order: 2,
    }),
    page: field(z.number().int().min(1).max(10_000).default(1), { label: 'Page', order: 3 }),
  }),
  positional: ['provisioner', 'show'],
  async run(context, values) {
    const { record: provisioner } = await findProvisioner(context, values.provisioner ?? '');
    const engine = listingEngine(context, provisioner);
    const { all, records } = await listExternal(context, provisioner);
    const rows = all
      .map((found) => ({ found, whose: whoseIs(found, provisioner.org, records) }))
      .filter(({ whose }) => values.show !== 'others' || whose.is !== 'ours')
      .sort((a, b) => order(a.found, b.found));
    const pages = Math.max(1, Math.ceil(rows.length / perPage));
    const page = Math.min(pages, Number(values.page ?? 1));
    const shown = rows.slice((page - 1) * perPage, page * perPage);
    const adoptable = engine.capabilities.adopt ? rows.filter(({ found, whose }) => canAdopt(found, whose)) : [];
    const missing = records.filter((each) => each.phase === 'Ready' && !all.some((found) => isSame(found, each)));
    const what = values.show === 'others' ? 'other cluster' : 'cluster';
    const title = `${count(rows.length, what)} at ${provisioner.name}${pages > 1 ? `, page ${page} of ${pages}` : ''}`;
    const parts: Part[] = [];
    if (shown.length > 0) {
      parts.push({
        part: 'table',
        columns: ['Name', 'Where', 'State', 'Kubernetes', 'Nodes', 'Whose'],
        rows: shown.map(({ found, whose }) => [
          found.externalName,
          found.where ?? '',
          found.state,
          found.version ?? '',
          found.nodes === undefined ? '' : String(found.nodes),
          whoseText(found, whose),
        ]),
      });
    } else {
      parts.push({ part: 'text', text: `The provider lists no ${what} there.` });
    }
    parts.push(...notes(engine, provisioner, adoptable.length, missing));
    const offered = shown.filter((row) => adoptable.includes(row)).slice(0, mostButtons);
    const { page: _page, ...same } = values;
    const turn = (to: number, label: string): Button => ({
      label,
      command: lineOf(provisionerDiscover, { ...same, page: String(to) }),
    });
    return toCaller({
      title,
      tone: missing.length > 0 ? 'warn' : 'plain',
      text: `${title}; ${adoptable.length} can be adopted.`,
      parts,
      buttons: [
        ...offered.map(({ found }) => ({
          label: `Adopt ${found.externalName}`,
          command: adoptLine(found, provisioner, all),
        })),
        ...(page > 1 ? [turn(page - 1, 'Previous page')] : []),
        ...(page < pages ? [turn(page + 1, 'Next page')] : []),
      ],
      ...(engine.notice ? { footer: engine.notice } : {}),
    });
  },
};

/** The engine of a provisioner, when it can list what is at its provider; else the Fault that says what to do instead. */
export function listingEngine(context: Context, provisioner: Provisioner): Engine {
  const engine = context.engines.get(provisioner.engine);
  if (!engine) throw new Fault('unsupported', `The engine ${provisioner.engine} is not allowed here.`);
  if (engine.capabilities.list) return engine;
  const { list } = engine.instead;
  throw new Fault('unsupported', `${engine.title} has no list of its clusters to show.`, list ? { next: list } : {});
}

/** What the provider lists now, and the records of the clusters there. Throws when the list is not whole: a part of it would mislead. */
export async function listExternal(
  context: Context,
  provisioner: Provisioner,
): Promise<{ all: ExternalCluster[]; records: Cluster[] }> {
  const client = await context.connect(provisioner);
  const all = await client.list(context.call(listMs));
  const records = context.cache.query('cluster', provisioner.org, {
    where: (each) => each.provisioner === provisioner.id,
  }).items;
  return { all, records };
}

function order(a: ExternalCluster, b: ExternalCluster): number {
  return a.externalName.localeCompare(b.externalName) || (a.where ?? '').localeCompare(b.where ?? '');
}

function whoseText(found: ExternalCluster, whose: Whose): string {
  const by = found.owner ? `, made by ${found.owner}` : '';
  const refusal = stateRefusal(found);
  switch (whose.is) {
    case 'ours':
      return `${whose.cluster.name} of ${whose.cluster.ownerName}`;
    case 'unmarked':
      return `${whose.cluster.name} of ${whose.cluster.ownerName}, but its mark is ${found.cluster ? 'of another' : 'gone'}`;
    case 'elsewhere':
      return `Of another organisation of KQueen (${whose.org})`;
    case 'unknown':
      return `Of another KQueen, or its record was lost (id ${whose.id})`;
    case 'free':
      return `Not KQueen's${by}${refusal ? `. ${refusal}` : ''}`;
  }
}

function notes(engine: Engine, provisioner: Provisioner, adoptable: number, missing: Cluster[]): Part[] {
  const said: string[] = [];
  if (missing.length > 0) {
    const names = missing.slice(0, 5).map(({ name, externalName }) => `${name} (there ${externalName})`);
    const more = missing.length > 5 ? ` and ${missing.length - 5} more` : '';
    said.push(
      `The list does not show ${names.join(', ')}${more}, which KQueen has records of: it may be incomplete, or they are gone.`,
    );
  }
  if (!engine.capabilities.adopt) {
    said.push(
      engine.instead.adopt ?? `${engine.title} has no way to mark a cluster as KQueen's, so none can be adopted.`,
    );
  } else if (adoptable > 0) {
    said.push(`Any of them is adopted with cluster adopt <name> on ${provisioner.name}.`);
  }
  said.push('KQueen sees what the credentials of the provisioner show; there may be more.');
  return said.map((text): Part => ({ part: 'note', text }));
}

/** The line that adopts a listed cluster; where it is belongs to it when its name is there twice. */
function adoptLine(found: ExternalCluster, provisioner: Provisioner, all: readonly ExternalCluster[]): string {
  const twice = all.filter((each) => each.externalName === found.externalName).length > 1;
  return formatLine('cluster adopt', ['external', 'provisioner'], {
    external: found.externalName,
    provisioner: provisioner.name,
    ...(twice && found.where ? { where: found.where } : {}),
  });
}
