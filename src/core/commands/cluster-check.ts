import { z } from 'zod';
import type { Button, Card, Part } from '../card.ts';
import type { Command, Context } from '../command.ts';
import { refusesCredentials, renewKubeconfig } from '../connect.ts';
import { engineAt } from '../engine-at.ts';
import { asFault } from '../errors.ts';
import { healthRecord } from '../health.ts';
import { formatLine } from '../line.ts';
import { refusal } from '../policy.ts';
import type { ClusterHealth } from '../ports/kube.ts';
import type { Looked } from '../ports/work.ts';
import type { Cluster, Health } from '../records.ts';
import { formatBytes, formatCores } from '../units.ts';
import { healthFacts } from '../views/job.ts';
import { allowedButtons, fittingButtons } from './cluster-show.ts';
import { clusterField, findCluster, toCaller } from './common.ts';
import { openToLook } from './look-into.ts';

/** Looks at a cluster now, through its own API: one verdict, what is wrong, worst first, and what to do next. */
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
    const given = await openToLook(context, record);
    const { seen, kubeconfig } = await look(context, record, given);
    const known = context.cache.get({ kind: 'health', org: record.org, id: record.id });
    const health = healthRecord(record.org, record.id, seen, known);
    const close = await closely(context, record, health, kubeconfig);
    const engine = engineAt(context, record);
    const { title, text } = verdict(record.name, health, close);
    const parts: Part[] = [{ part: 'facts', facts: healthFacts(health) }];
    // Why nobody answers stands above; that nothing else is known then goes without saying.
    const told = health.verdict === 'Unreachable' && health.nodes === 0;
    for (const condition of told ? [] : health.conditions.filter(({ status }) => status !== 'True')) {
      parts.push({ part: 'text', text: `*${condition.type}*: ${condition.message}` });
    }
    parts.push(...('looked' in close ? close.looked.parts : outline(seen, health, close.why)));
    const fine = health.verdict === 'Healthy' && !('looked' in close && close.looked.bad);
    const card: Card = {
      title,
      tone: fine ? 'good' : health.verdict === 'Unreachable' ? 'bad' : 'warn',
      text,
      parts,
      buttons: allowedButtons(
        [...nextSteps(record, health), ...fittingButtons(record, engine).filter(({ label }) => label !== 'Check')],
        record,
        context.caller,
      ).slice(0, mostButtons),
      ...(engine?.notice ? { footer: engine.notice } : {}),
    };
    const file = 'looked' in close && context.place.chat !== 'teams' ? close.looked.file : undefined;
    return { ...toCaller(card), ...(file ? { files: [{ ...file, text: 'All that was found.' }] } : {}) };
  },
};

/** The close look, or why there is none; '' when the conditions say it already. */
type Close = { looked: Looked } | { why: string };

async function closely(context: Context, cluster: Cluster, health: Health, kubeconfig: string): Promise<Close> {
  if (health.verdict === 'Unreachable') return { why: '' };
  const may = refusal('cluster:access', context.caller, [cluster.owner]) === null;
  const can = may && !cluster.readOnly ? engineAt(context, cluster)?.capabilities : undefined;
  const args = {
    cluster: cluster.name,
    server: cluster.endpoint ?? '',
    logs: may ? 'yes' : '',
    upgrade: can?.upgrade ? 'yes' : '',
    scale: can?.scale ? 'yes' : '',
  };
  try {
    return { looked: await context.kube.look(kubeconfig, 'check', args, context.call(12_000)) };
  } catch (thrown) {
    const fault = asFault(thrown);
    context.log.info({ cluster: cluster.id, detail: fault.detail }, `no closer look: ${fault.message}`);
    return { why: `A closer look was not possible: ${fault.message}` };
  }
}

function verdict(name: string, health: Health, close: Close): { title: string; text: string } {
  const { verdict: word } = health;
  const title = `Cluster ${name} is ${word.toLowerCase()}`;
  if (word === 'Unreachable') return { title, text: `${title}. ${whyUnreachable(health)}` };
  if (!('looked' in close)) return { title, text: `${title}.` };
  const { bad, text } = close.looked;
  const and = word === 'Healthy' && bad ? ', yet not all in it' : '';
  return { title: `${title}${and}`, text: `${title}${and}. ${text}` };
}

function apiCondition({ conditions }: Health): Health['conditions'][number] | undefined {
  return conditions.find(({ type }) => type === 'APIServerAvailable');
}

/** What is the matter with the API, and what to do about it. */
function whyUnreachable(health: Health): string {
  const api = apiCondition(health);
  if (!api) return '';
  const message = /[.!?]$/.test(api.message) ? api.message : `${api.message}.`;
  return `${message} ${adviceFor(api.reason, api.message)}`;
}

function adviceFor(reason: string, message: string): string {
  if (reason === 'RateLimited') return 'Nothing to do: KQueen looks again by itself.';
  if (reason === 'NotAllowed' || reason === 'CredentialsExpired' || message.includes('signed by the authority')) {
    return 'KQueen asked its provider for other credentials, and none were given that work: look at the provisioner, or import the cluster again with a fresh kubeconfig.';
  }
  if (reason === 'NotReady') return 'It is there and starts or recovers: look again in a while.';
  return 'Look at its provider whether it runs, and whether KQueen may reach its address.';
}

/** Most buttons of a card that every chat shows. */
const mostButtons = 6;

/** Where to look when the cluster does not answer. */
function nextSteps({ name }: Cluster, health: Health): Button[] {
  if (health.verdict !== 'Unreachable') return [];
  return [
    { label: 'Look again', command: formatLine('cluster check', ['cluster'], { cluster: name }), style: 'primary' },
    { label: 'Provisioners', command: 'provisioners' },
  ];
}

/** What the first look alone shows. */
function outline(seen: ClusterHealth, health: Health, why: string): Part[] {
  const parts: Part[] = [];
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
  if (why !== '') parts.push({ part: 'note', text: why });
  return parts;
}

/** Looks through the cluster's own API; where that refuses the credentials, once more with those that the provider gives now. */
async function look(
  context: Context,
  cluster: Cluster,
  kubeconfig: string,
): Promise<{ seen: ClusterHealth; kubeconfig: string }> {
  const { now } = context;
  const seen = await context.kube.probe(kubeconfig, context.call(10_000));
  if (!refusesCredentials(seen)) return { seen, kubeconfig };
  try {
    const fresh = await renewKubeconfig(context, cluster, kubeconfig, { now, call: context.call(10_000) });
    if (fresh === null) return { seen, kubeconfig };
    return { seen: await context.kube.probe(fresh, context.call(10_000)), kubeconfig: fresh };
  } catch (thrown) {
    const fault = asFault(thrown);
    context.log.info(
      { cluster: cluster.id, detail: fault.detail },
      `no other credentials were given: ${fault.message}`,
    );
    return { seen, kubeconfig };
  }
}
