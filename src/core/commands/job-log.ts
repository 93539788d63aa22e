import { z } from 'zod';
import type { Part } from '../card.ts';
import type { Command, Context } from '../command.ts';
import { targetOf } from '../connect.ts';
import { asFault } from '../errors.ts';
import type { Job } from '../records.ts';
import { scrub } from '../secrets.ts';
import { jobTitle } from '../views/job.ts';
import { jobName, jobTone, jobWords, stamp, zoneOf } from '../words.ts';
import { demand, jobField, seeJob, toCaller } from './common.ts';

/** Lines of the log that the card shows; the file has all of them. */
const shownLines = 20;
/** Longest line of the card, in characters. */
const longestLine = 160;

/** All that is known of what happened in a job: KQueen's own log and the provider's, as a file. */
export const jobLog: Command = {
  name: 'job log',
  aliases: ['job logs', 'log'],
  summary: "A job's log and its provider's, as a file",
  examples: ['job log k3f9x2ab'],
  group: 'Jobs and approvals',
  policy: 'job:log',
  changes: false,
  args: z.object({ job: jobField }),
  positional: ['job'],
  async run(context, values) {
    const job = await seeJob(context, values.job ?? '');
    const cluster = await context.store.get({ kind: 'cluster', org: job.org, id: job.cluster });
    demand(context, 'job:log', [job.requestedBy, ...(cluster ? [cluster.record.owner] : [])]);
    const own = job.log.map(({ at, text }) => `${stamp(at, context.zone)} ${text}`);
    const provider = await providerLog(context, job);
    const sections = [
      `${jobTitle(job)}: ${jobWords[job.state]}`,
      `Asked for by ${job.requesterName} with: ${job.command}`,
      `\nKQueen's log (times of ${zoneOf(context.zone)})\n${own.join('\n')}`,
      ...(job.failure?.detail ? [`\nWhat the provider said when it failed\n${job.failure.detail}`] : []),
      `\nThe provider's log\n${'text' in provider ? provider.text : provider.why}`,
    ];
    const tail = ('text' in provider ? provider.text : (job.failure?.detail ?? own.join('\n'))).trimEnd().split('\n');
    const shown = tail.slice(-shownLines).map((line) => line.slice(0, longestLine));
    const parts: Part[] = [{ part: 'code', text: shown.join('\n') }];
    if ('why' in provider) parts.push({ part: 'note', text: provider.why });
    // Teams takes no files from bots in channels: there the end of the log is all there is.
    const file = context.place.chat !== 'teams';
    const text = file
      ? `The end of the log of ${jobTitle(job)}; all of it is in the file.`
      : `The end of the log of ${jobTitle(job)}.`;
    return {
      ...toCaller({
        title: `Log of ${jobTitle(job)}`,
        tone: jobTone[job.state],
        text,
        parts: [{ part: 'text', text }, ...parts],
        buttons: [],
        footer: `Job ${jobName(job)}`,
      }),
      ...(file ? { files: [{ name: `job-${job.id}.log`, content: `${scrub(sections.join('\n'))}\n`, text }] } : {}),
    };
  },
};

/** The provider's text on the job's operation, or why there is none. */
async function providerLog(context: Context, job: Job): Promise<{ text: string } | { why: string }> {
  const { store, engines } = context;
  const { org } = job;
  const [cluster, provisioner] = await Promise.all([
    store.get({ kind: 'cluster', org, id: job.cluster }),
    store.get({ kind: 'provisioner', org, id: job.provisioner }),
  ]);
  if (!engines.get(job.engine)?.capabilities.log) return { why: 'This kind of provider keeps no log.' };
  if (!cluster || !provisioner) return { why: 'The cluster is gone, and its log at the provider with it.' };
  try {
    const client = await context.connect(provisioner.record);
    const text = await client.log(targetOf(cluster.record, job.operation), context.call(10_000));
    return text ? { text: scrub(text) } : { why: 'The provider has no log of it.' };
  } catch (thrown) {
    const fault = asFault(thrown);
    context.log.info({ job: job.id, detail: fault.detail }, `a provider's log could not be read: ${fault.message}`);
    return { why: `The provider's log could not be read: ${fault.message}` };
  }
}
