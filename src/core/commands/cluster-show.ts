import { z } from 'zod';
import type { Card, Part } from '../card.ts';
import type { Command } from '../command.ts';
import { clusterKubeconfig } from '../connect.ts';
import { Fault } from '../errors.ts';
import { healthRecord } from '../health.ts';
import type { Cluster, Health } from '../records.ts';
import { formatBytes, formatCores } from '../units.ts';
import { clusterButtons, clusterFacts, healthFacts } from '../views/job.ts';
import { ago, phaseTone, standing } from '../words.ts';
import { clusterField, findCluster, seeCluster, toCaller } from './common.ts';

/** One cluster as KQueen knows it; nothing outside is asked. */
export const clusterShow: Command = {
  name: 'cluster show',
  aliases: ['cluster status', 'cluster describe', 'cluster get'],
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
    return toCaller(clusterCard(record, health, context.now, context.engines.get(record.engine)?.notice));
  },
};

/** A cluster with its health as last seen. */
export function clusterCard(
  cluster: Cluster,
  health: Health | undefined,
  now: number,
  notice: string | undefined,
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
  for (const note of cluster.notes ?? []) parts.push({ part: 'note', text: note });
  parts.push({
    part: 'note',
    text: health ? `Health seen ${ago(now - health.at)}.` : 'Its health has not been looked at yet.',
  });
  const card: Card = {
    title: `Cluster ${cluster.name}: ${state}`,
    tone: health && health.verdict !== 'Healthy' && cluster.phase === 'Ready' ? 'warn' : phaseTone[cluster.phase],
    text: `Cluster ${cluster.name} is ${state}: ${cluster.summary}, owned by ${cluster.ownerName}.`,
    parts,
    buttons: clusterButtons(cluster),
  };
  if (notice) card.footer = notice;
  return card;
}

/** Looks at a cluster now, through its own API. */
export const clusterCheck: Command = {
  name: 'cluster check',
  aliases: ['cluster health'],
  summary: 'Look at a cluster now, through its own API',
  examples: ['cluster check dev-1'],
  group: 'Clusters',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ cluster: clusterField }),
  positional: ['cluster'],
  async run(context, values) {
    const { record } = await findCluster(context, values.cluster ?? '');
    if (!record.kubeconfig) {
      throw new Fault('conflict', `Cluster ${record.name} cannot be looked at yet: it is ${record.phase}.`, {
        next: `See cluster show ${record.name}.`,
      });
    }
    const kubeconfig = await clusterKubeconfig(context, record.org, record.id);
    const seen = await context.kube.probe(kubeconfig, context.call(10_000));
    const health = healthRecord(
      record.org,
      record.id,
      seen,
      context.cache.get({ kind: 'health', org: record.org, id: record.id }),
    );
    const verdict =
      health.verdict === 'Healthy'
        ? 'healthy: everything KQueen looks at is as it should be'
        : health.verdict.toLowerCase();
    const parts: Part[] = [{ part: 'facts', facts: healthFacts(health) }];
    for (const condition of health.conditions.filter(({ status }) => status !== 'True')) {
      parts.push({ part: 'text', text: `*${condition.type}*: ${condition.message}` });
    }
    if (seen.nodes.length > 0) {
      parts.push({
        part: 'table',
        caption: 'Nodes: requests of what can be used',
        columns: ['Node', 'Ready', 'CPU', 'Memory', 'Pods'],
        rows: seen.nodes
          .slice(0, 30)
          .map((node) => [
            node.name,
            node.ready ? 'yes' : `NO${node.problems.length > 0 ? `: ${node.problems.join(', ')}` : ''}`,
            `${formatCores(node.requests.cpu)} of ${formatCores(node.allocatable.cpu)}`,
            `${formatBytes(node.requests.memory)} of ${formatBytes(node.allocatable.memory)}`,
            `${node.requests.pods} of ${node.allocatable.pods}`,
          ]),
      });
    }
    if (health.problems.length > 0) {
      parts.push({
        part: 'table',
        caption: 'Not as it should be, worst first',
        columns: ['What', 'Where', 'Why'],
        rows: health.problems.map(({ kind, namespace, name, reason }) => [`${kind} ${name}`, namespace, reason]),
      });
    }
    const notice = context.engines.get(record.engine)?.notice;
    return toCaller({
      title: `Cluster ${record.name} is ${health.verdict.toLowerCase()}`,
      tone: health.verdict === 'Healthy' ? 'good' : health.verdict === 'Degraded' ? 'warn' : 'bad',
      text: `Cluster ${record.name} is ${verdict}.`,
      parts,
      buttons: clusterButtons(record).filter(({ label }) => label !== 'Check'),
      ...(notice ? { footer: notice } : {}),
    });
  },
};
