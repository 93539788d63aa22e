import { z } from 'zod';
import type { Button, Card, Part } from '../card.ts';
import type { Command } from '../command.ts';
import { engineAt } from '../engine-at.ts';
import { formatLine } from '../line.ts';
import { type Caller, refusal } from '../policy.ts';
import type { Engine } from '../ports/engine.ts';
import type { Cluster, Health } from '../records.ts';
import { clusterButtons, clusterFacts, healthFacts } from '../views/job.ts';
import { ago, phaseTone, standing } from '../words.ts';
import { clusterField, seeCluster, toCaller } from './common.ts';

/** One cluster as KQueen knows it; nothing outside is asked. */
export const clusterShow: Command = {
  name: 'cluster show',
  aliases: ['cluster status', 'cluster describe'],
  summary: 'One cluster: state, health, owner, next steps',
  examples: ['cluster show dev-1'],
  group: 'Clusters',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ cluster: clusterField }),
  positional: ['cluster'],
  async run(context, values) {
    const record = await seeCluster(context, values.cluster ?? '');
    const health = context.cache.get({ kind: 'health', org: record.org, id: record.id });
    const card = clusterCard(record, health, context.now, engineAt(context, record));
    const buttons = allowedButtons(card.buttons, record, context.caller);
    return toCaller(withLink({ ...card, buttons }, record, context.publicUrl));
  },
};

/** The same card with the cluster's own address, which the chats show as this card wherever somebody writes it. */
export function withLink(card: Card, { name }: Cluster, publicUrl: string | undefined): Card {
  if (publicUrl === undefined) return card;
  const link = `${publicUrl.replace(/\/+$/, '')}/c/${encodeURIComponent(name)}`;
  return { ...card, parts: [...card.parts, { part: 'facts', facts: [{ label: 'Link', value: link }] }] };
}

/** A cluster with its health as last seen. */
export function clusterCard(
  cluster: Cluster,
  health: Health | undefined,
  now: number,
  engine: Pick<Engine, 'notice' | 'capabilities'> | undefined,
): Card {
  const state = standing(cluster, health);
  const labels = Object.entries(cluster.labels).map(([key, value]) => `${key}=${value}`);
  const parts: Part[] = [
    {
      part: 'facts',
      facts: [
        { label: 'State', value: state },
        { label: 'Purpose', value: cluster.purpose },
        { label: 'Owner', value: cluster.ownerName },
        ...originFacts(cluster),
        ...clusterFacts(cluster),
        ...(labels.length > 0 ? [{ label: 'Labels', value: labels.join(', ') }] : []),
        ...(health ? healthFacts(health) : []),
      ],
    },
    { part: 'time', label: 'Created', at: cluster.createdAt },
  ];
  if (cluster.failure) {
    parts.unshift({
      part: 'text',
      text: `${cluster.failure.message}${cluster.failure.next ? ` ${cluster.failure.next}` : ''}`,
    });
  }
  if (cluster.drift) {
    const changes = cluster.drift.changes.map((each) => `• ${each}`).join('\n');
    parts.unshift({
      part: 'text',
      text: `*It differs from what KQueen knows*, since ${ago(now - cluster.drift.at)}:\n${changes}`,
    });
  }
  for (const note of cluster.notes ?? []) parts.push({ part: 'note', text: note });
  parts.push({
    part: 'note',
    text: health ? `Health seen ${ago(now - health.at)}.` : 'Its health has not been looked at yet.',
  });
  const worse = (health && health.verdict !== 'Healthy') || cluster.drift !== undefined;
  const card: Card = {
    title: `Cluster ${cluster.name}: ${state}`,
    tone: worse && cluster.phase === 'Ready' ? 'warn' : phaseTone[cluster.phase],
    text: `Cluster ${cluster.name} is ${state}: ${cluster.summary}, owned by ${cluster.ownerName}.${cluster.drift ? ` ${cluster.drift.changes.join('. ')}.` : ''}`,
    parts,
    buttons: fittingButtons(cluster, engine),
  };
  if (engine?.notice) card.footer = engine.notice;
  return card;
}

/** How it came here, when KQueen did not make it. */
function originFacts({ origin, readOnly }: Cluster): { label: string; value: string }[] {
  if (origin === undefined || origin === 'created') return [];
  const came = origin === 'adopted' ? 'Adopted: somebody else made it' : 'Imported by its kubeconfig';
  return [{ label: 'Came here', value: readOnly ? `${came}; KQueen only looks at it` : came }];
}

/** Those of a cluster's buttons that the caller may press: to who is neither its owner nor an admin, looking is left. */
export function allowedButtons(buttons: readonly Button[], { owner }: Cluster, caller: Caller): Button[] {
  if (refusal('cluster:update', caller, [owner]) === null) return [...buttons];
  return buttons.filter(({ command = '' }) => /^(cluster (show|check|get)|job show|provisioners)\b/.test(command));
}

/** The next steps, without access where KQueen only looks, and with accepting what was changed by hand. */
export function fittingButtons(cluster: Cluster, engine: Pick<Engine, 'capabilities'> | undefined): Button[] {
  const all = clusterButtons(cluster, engine?.capabilities).filter(
    ({ command }) => !(cluster.readOnly && command?.startsWith('cluster access')),
  );
  if (!cluster.drift || cluster.openJob !== undefined) return all;
  const accept = formatLine('cluster accept', ['cluster'], { cluster: cluster.name });
  return [{ label: 'Accept', command: accept }, ...all.filter(({ command }) => !command?.startsWith('cluster show'))];
}
