import { z } from 'zod';
import type { Button, Card, Part } from '../card.ts';
import type { Answer, Command, Context } from '../command.ts';
import { formatLine } from '../line.ts';
import type { Looked } from '../ports/work.ts';
import type { Backup } from '../records.ts';
import { ago } from '../words.ts';
import { backupField, findBackup, sizeOf, stateOf, stateWords } from './backup-fields.ts';
import { toCaller } from './common.ts';

/** What is in a backup, and whether all of it is there. */
export const backupShow: Command = {
  name: 'backup show',
  summary: 'What is in a backup, read back to see it is whole',
  examples: ['backup show k3f9x2'],
  group: 'Backups',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ backup: backupField }),
  positional: ['backup'],
  async run(context, values) {
    const { record } = await findBackup(context, values.backup ?? '');
    const state = await stateOf(context, record);
    const readable = state === 'kept' || state === 'partial';
    if (!readable || record.by === 'velero') return toCaller(plainly(context, record, state));
    const { org, cluster, id } = record;
    const seen = await context.kube.lookKept('backup.show', { org, cluster, id }, context.call(12_000));
    return backupCard(context, record, seen, buttonsOf(record));
  },
};

function buttonsOf({ id, clusterName }: Backup): Button[] {
  const line = (name: string) => formatLine(name, ['backup'], { backup: id });
  return [
    { label: 'Restore', command: line('backup restore') },
    { label: 'What differs now', command: line('backup diff') },
    { label: 'Delete', command: line('backup delete') },
    { label: 'All backups', command: formatLine('backup list', ['cluster'], { cluster: clusterName }) },
  ];
}

/** What is known of one without reading it. */
function plainly(context: Context, record: Backup, state: Awaited<ReturnType<typeof stateOf>>): Card {
  const { id, clusterName, failure, requesterName, createdAt, job, notes = [], by } = record;
  const parts: Part[] = [
    {
      part: 'facts',
      facts: [
        { label: 'Cluster', value: clusterName },
        { label: 'Asked for by', value: `${requesterName}, ${ago(context.now - createdAt)}` },
        ...(by === 'velero' ? [{ label: 'Kept by', value: `Velero, as kqueen-${id}` }] : []),
        ...(sizeOf(record) && by === 'kqueen' ? [{ label: 'Holds', value: sizeOf(record) }] : []),
      ],
    },
    ...notes.map((text): Part => ({ part: 'text', text })),
    ...(failure ? [{ part: 'text' as const, text: `${failure.message} ${failure.next ?? ''}`.trim() }] : []),
  ];
  const kept = state === 'kept' || state === 'partial';
  return {
    title: `Backup ${id} of ${clusterName} ${stateWords[state]}`,
    tone: state === 'failed' ? 'bad' : state === 'partial' ? 'warn' : kept ? 'good' : 'busy',
    text: `Backup ${id} of ${clusterName} ${stateWords[state]}. ${failure?.message ?? ''}`.trim(),
    parts,
    buttons: [
      { label: 'Show job', command: formatLine('job show', ['job'], { job }) },
      ...(kept ? buttonsOf(record).filter(({ label }) => label === 'Restore') : []),
      { label: 'Back up again', command: formatLine('backup create', ['cluster'], { cluster: clusterName }) },
    ],
  };
}

/** A look into a backup as a card; its file goes along where the chat takes files beside a card. */
export function backupCard(context: Context, record: Backup, seen: Looked, buttons: Button[]): Answer {
  const card: Card = {
    title: seen.title,
    tone: seen.bad ? 'warn' : 'plain',
    text: seen.text,
    parts: seen.parts,
    buttons,
    footer: `Made ${ago(context.now - record.createdAt)} for ${record.requesterName}`,
  };
  const file = context.place.chat === 'teams' ? undefined : seen.file;
  return { ...toCaller(card), ...(file ? { files: [{ ...file, text: 'All of it.' }] } : {}) };
}
