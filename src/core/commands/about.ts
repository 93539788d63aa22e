import { z } from 'zod';
import type { Row } from '../card.ts';
import type { Answer, Command, Context } from '../command.ts';
import { engineAt } from '../engine-at.ts';
import { Fault } from '../errors.ts';
import { pastRunsOf } from '../eta.ts';
import { formatLine } from '../line.ts';
import type { Cluster, Job } from '../records.ts';
import { field } from '../schema.ts';
import { jobCard, jobTitle } from '../views/job.ts';
import { clusterOfThread, thisOne } from '../which.ts';
import { count, jobName, jobWords, standing } from '../words.ts';
import { clusterCard } from './cluster-show.ts';
import { toCaller } from './common.ts';

const mostShown = 10;
const mostWords = 400;

/** Finds the cluster or job that a text speaks of, or that the thread is about. It looks and never changes anything. */
export const about: Command = {
  name: 'about',
  summary: 'The cluster or job that a text or this thread is about',
  examples: ['about "dev-1 is slow again"'],
  group: 'Clusters',
  policy: 'cluster:list',
  changes: false,
  args: z.object({
    text: field(z.string().trim().max(2_500).optional(), {
      label: 'Text',
      help: 'Anything that names a cluster, its address, or a job.',
      order: 1,
    }),
  }),
  positional: ['text'],
  async run(context, values) {
    const text = (values.text ?? thisOne).toLowerCase();
    const found = text === thisOne ? null : named(context, text);
    if (found !== null && found.length > 0) return answerFor(context, found);
    const here = ofThread(context);
    if (here !== null) return answerFor(context, [here]);
    throw new Fault('not-found', 'I find no cluster and no job in this.', {
      next: 'Write clusters to see what there is.',
    });
  },
};

type Found = { cluster: Cluster } | { job: Job };

/** What a text names: by a link, an address or #job for certain; else by words that are names. */
function named({ cache, caller }: Context, text: string): Found[] {
  const { org } = caller;
  const words = new Set([...text.matchAll(/[a-z0-9][a-z0-9-]*/g)].slice(0, mostWords).map(([word]) => word));
  const linked = new Set([...text.matchAll(/\/c\/([a-z][a-z0-9-]{0,29})(?![\w-])/g)].map(([, name]) => name));
  const hosts = new Set([...text.matchAll(/https?:\/\/([^/\s<>|"']+)/g)].map(([, host]) => host));
  const certain = (cluster: Cluster) => linked.has(cluster.name) || hosts.has(hostOf(cluster.endpoint));
  const clusters = cache.query('cluster', org, {
    where: (each) => words.has(each.name) || certain(each),
    limit: mostShown * 3,
  }).items;
  const jobs = [...text.matchAll(/#([a-z0-9]{4,40})(?![\w-])/g)].flatMap(([, id = '']) => {
    const job = cache.get({ kind: 'job', org, id });
    return job ? [{ job }] : [];
  });
  const sure = clusters.filter(certain);
  if (sure.length > 0 || jobs.length > 0) return [...sure.map((cluster) => ({ cluster })), ...jobs];
  return clusters.map((cluster) => ({ cluster }));
}

function hostOf(endpoint: string | undefined): string {
  return endpoint !== undefined && URL.canParse(endpoint) ? new URL(endpoint).host : 'none';
}

/** The cluster of the thread; of one that is gone, the job that its message told of. */
function ofThread({ cache, caller, place }: Context): Found | null {
  const cluster = clusterOfThread(cache, caller.org, place);
  if (cluster) return { cluster };
  const { thread } = place;
  if (thread === undefined) return null;
  const told = cache.query('message', caller.org, {
    where: ({ ref, place: at, about: what }) =>
      (what.kind === 'job' || what.kind === 'approval') &&
      at.chat === place.chat &&
      at.workspace === place.workspace &&
      at.conversation === place.conversation &&
      (ref?.id === thread || ref?.thread === thread),
    descending: true,
    limit: 1,
  }).items[0];
  const job = told && cache.get({ kind: 'job', org: caller.org, id: told.about.id });
  return job ? { job } : null;
}

function answerFor(context: Context, all: Found[]): Answer {
  const { cache, caller, now } = context;
  const { org } = caller;
  const [only] = all;
  const healthOf = ({ id }: Cluster) => cache.get({ kind: 'health', org, id });
  if (only && all.length === 1) {
    if ('cluster' in only)
      return toCaller(clusterCard(only.cluster, healthOf(only.cluster), now, engineAt(context, only.cluster)));
    const { job } = only;
    const cluster = cache.get({ kind: 'cluster', org, id: job.cluster });
    const approval = cache.get({ kind: 'approval', org, id: job.id });
    const capabilities = engineAt(context, job)?.capabilities;
    return toCaller(
      jobCard(job, {
        approval,
        cluster,
        health: cluster && healthOf(cluster),
        capabilities,
        now,
        past: pastRunsOf(cache, job),
      }),
    );
  }
  const rows = all.slice(0, mostShown).map((each): Row => {
    if ('job' in each) {
      const { job } = each;
      const show = formatLine('job show', ['job'], { job: job.id });
      return {
        text: `*${jobTitle(job)}*: ${jobWords[job.state]}`,
        note: `Job ${jobName(job)}`,
        buttons: [{ label: 'Show job', command: show }],
      };
    }
    const { cluster } = each;
    return {
      text: `*${cluster.name}*: ${standing(cluster, healthOf(cluster))}`,
      note: cluster.summary,
      buttons: [{ label: 'Show', command: formatLine('cluster show', ['cluster'], { cluster: cluster.name }) }],
    };
  });
  const text = `${count(all.length, 'thing')} could be meant. Which one?`;
  return toCaller({
    title: 'Which one?',
    tone: 'plain',
    text,
    parts: [
      { part: 'text', text },
      { part: 'rows', rows },
    ],
    buttons: [],
  });
}
