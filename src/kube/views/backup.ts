/** Looks into backups: what is in one, whether it is whole, and how it differs from a cluster or from another. */
import type { Part } from '../../core/card.ts';
import { asFault, Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import type { Looked } from '../../core/ports/work.ts';
import { formatBytes } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import { type Comparison, compare, objectsNow, objectsOf } from '../backup/compare.ts';
import { isDamage, type Manifest, type Ref, readChunk, readManifest } from '../backup/format.ts';
import { archiveOf, type BackupPlace } from '../backup/place.ts';
import type { View } from '../operation.ts';

/** Looks that ask no cluster, by their names. */
export type KeptView = (args: Record<string, string>, call: Call) => Promise<Looked>;

function refOf({ org = '', cluster = '', id = '' }: Record<string, string>): Ref {
  return { org, cluster, id };
}

/** The looks into backups, of clusters and on their own. */
export function viewsOfBackups(place: BackupPlace): {
  inCluster: Record<string, View>;
  alone: Record<string, KeptView>;
} {
  return {
    inCluster: {
      'backup.diff': {
        name: 'backup.diff',
        async look(talk, args) {
          const ref = refOf(args);
          const parts = { archive: archiveOf(place), vault: place.vault, call: talk.call };
          const manifest = await readManifest(parts.archive, ref, talk.call);
          const hidden: string[] = [];
          const found = await compare(parts, ref, manifest, objectsNow(talk, manifest, hidden));
          return comparison(found, `Backup ${ref.id} against ${args.name ?? 'the cluster'} now`, hidden);
        },
      },
    },
    alone: {
      'backup.show': async (args, call) => show(place, refOf(args), call),
      'backup.diff': async (args, call) => {
        const ref = refOf(args);
        const other = { ...ref, cluster: args.otherCluster ?? '', id: args.otherId ?? '' };
        const parts = { archive: archiveOf(place), vault: place.vault, call };
        const [manifest, against] = await Promise.all([
          readManifest(parts.archive, ref, call),
          readManifest(parts.archive, other, call),
        ]);
        const found = await compare(parts, ref, manifest, objectsOf(parts, other, against));
        return comparison(found, `Backup ${ref.id} against backup ${other.id}`, []);
      },
    },
  };
}

async function show(place: BackupPlace, ref: Ref, call: Call): Promise<Looked> {
  const archive = archiveOf(place);
  const manifest = await readManifest(archive, ref, call);
  const { whole, checked, damage } = await verified(place, ref, manifest, call);
  const { objects, chunks, kinds, left, unread, volumes, snapshots } = manifest;
  const bytes = chunks.reduce((sum, mark) => sum + mark[2], 0);
  const state =
    damage.length > 0
      ? `Damaged: ${damage.join(' ')}`
      : whole
        ? `All ${count(chunks.length, 'part')} are there and as they were written.`
            .replace('All 1 part are', 'Its one part is')
            .replace('they were', chunks.length === 1 ? 'it was' : 'they were')
        : `${checked} of ${count(chunks.length, 'part')} were read and are as they were written; there was not the time for all.`;
  const leftObjects = left.filter((each) => each.objects !== undefined);
  const parts: Part[] = [
    { part: 'text', text: state },
    {
      part: 'facts',
      facts: [
        { label: 'Cluster', value: `${manifest.clusterName}, Kubernetes ${manifest.version}` },
        { label: 'Namespaces', value: manifest.namespaces.join(', ') || "all but the cluster's own" },
        { label: 'Objects', value: `${objects} of ${count(kinds.length, 'kind')}, ${formatBytes(bytes)}` },
        {
          label: 'Secrets',
          value: manifest.secrets
            ? `${kinds.find(({ group, plural }) => group === '' && plural === 'secrets')?.objects ?? 0}, sealed`
            : `not in it; the cluster had ${manifest.secretsLeft}`,
        },
        ...(snapshots.length > 0
          ? [
              {
                label: 'Snapshots',
                value: `${snapshots.filter(({ ready }) => ready).length} of ${snapshots.length} ready`,
              },
            ]
          : []),
      ],
    },
    {
      part: 'table',
      caption: 'What is in it',
      columns: ['Kind', 'Objects'],
      rows: [...kinds]
        .sort((a, b) => b.objects - a.objects)
        .slice(0, 15)
        .map(({ kind, group, objects: amount }) => [group === '' ? kind : `${kind} (${group})`, String(amount)]),
    },
    ...unread.map(({ what, why }): Part => ({ part: 'text', text: `*Not in it*: ${what}, because ${why}.` })),
    ...volumes.map((each): Part => ({ part: 'text', text: `*${count(each.volumes, 'volume')}*. ${each.guidance}` })),
    ...manifest.notes.map((text): Part => ({ part: 'note', text })),
  ];
  return {
    title: `Backup ${ref.id} of ${manifest.clusterName}`,
    text: `Backup ${ref.id} of ${manifest.clusterName}: ${count(objects, 'object')}. ${state}`,
    parts,
    ...(damage.length > 0 || unread.length > 0 ? { bad: true } : {}),
    file: {
      name: `backup-${ref.id}.txt`,
      content: fileOf(manifest, leftObjects),
    },
  };
}

function fileOf(manifest: Manifest, leftObjects: Manifest['left']): string {
  const { kinds, left, unread, secretsNeeded, volumes, snapshots } = manifest;
  const lines = [
    `Backup ${manifest.id} of ${manifest.clusterName}, ${new Date(manifest.at).toISOString()}`,
    '',
    'In it:',
    ...kinds.map(
      (each) => `  ${each.objects}\t${each.kind}\t${each.group === '' ? '' : `${each.group}/`}${each.version}`,
    ),
    '',
    'Left out on purpose:',
    ...leftObjects.map(({ what, why, objects = 0 }) => `  ${objects}\t${what}\t${why}`),
    ...left.filter((each) => each.objects === undefined).map(({ what, why }) => `  \t${what}\t${why}`),
  ];
  if (unread.length > 0) lines.push('', 'Could not be read:', ...unread.map(({ what, why }) => `  ${what}\t${why}`));
  if (secretsNeeded.length > 0)
    lines.push(
      '',
      'Secrets that workloads need and that are not in it:',
      ...secretsNeeded.map(({ secret, by }) => `  ${secret}\t${by.join(', ')}`),
    );
  for (const each of volumes)
    lines.push('', `${each.volumes} x ${each.driver}: ${each.guidance}`, ...each.claims.map((claim) => `  ${claim}`));
  if (snapshots.length > 0)
    lines.push(
      '',
      'Snapshots:',
      ...snapshots.map(
        (each) =>
          `  ${each.namespace}/${each.claim}\t${each.name}\t${each.ready ? 'ready' : (each.problem ?? 'not ready')}`,
      ),
    );
  return `${lines.join('\n')}\n`;
}

/** Reads every part back, as far as the time goes. */
async function verified(
  place: BackupPlace,
  ref: Ref,
  { chunks }: Manifest,
  call: Call,
): Promise<{ whole: boolean; checked: number; damage: string[] }> {
  const damage: string[] = [];
  let checked = 0;
  const until = call.deadline - 2_500;
  for (const mark of chunks) {
    if (Date.now() > until) break;
    try {
      await readChunk(archiveOf(place), ref, mark, call);
      checked += 1;
    } catch (thrown) {
      const fault = asFault(thrown);
      if (!(fault instanceof Fault) || !isDamage(fault)) throw fault;
      damage.push(fault.message);
      if (damage.length === 5) break;
    }
  }
  return { whole: checked === chunks.length, checked, damage };
}

function comparison(found: Comparison, title: string, hidden: string[]): Looked {
  const { added, gone, changed, same, more } = found;
  const nothing = added.length + gone.length + changed.length + more === 0;
  const sum = `${added.length} added, ${gone.length} gone, ${changed.length + more} changed, ${same} the same.`;
  const lines = [
    ...gone.map((what) => `- ${what}`),
    ...added.map((what) => `+ ${what}`),
    ...changed.flatMap(({ what, lines: fields }) => [`~ ${what}`, ...fields.map((line) => `    ${line}`)]),
    ...(more > 0 ? [`~ and ${more} more`] : []),
  ];
  const text = nothing ? `Nothing differs: ${count(same, 'object')} are the same.` : sum;
  const shown = lines.join('\n');
  const most = 2_600;
  const short = shown.length <= most ? shown : `${shown.slice(0, shown.lastIndexOf('\n', most))}\n…`;
  return {
    title,
    text: `${title}: ${text}`,
    parts: [
      { part: 'text', text },
      ...(nothing ? [] : [{ part: 'code' as const, text: short }]),
      ...(hidden.length > 0 ? [{ part: 'note' as const, text: `Could not be read now: ${hidden.join(', ')}.` }] : []),
    ],
    ...(shown.length > most ? { file: { name: 'backup-diff.txt', content: `${title}\n${sum}\n\n${shown}\n` } } : {}),
  };
}
