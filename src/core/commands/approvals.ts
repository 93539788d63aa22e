import { z } from 'zod';
import { plainCard } from '../card.ts';
import type { Command } from '../command.ts';
import { formatLine } from '../line.ts';
import { costText } from '../plan.ts';
import { atLeast } from '../policy.ts';
import { formatDuration } from '../units.ts';
import { count, jobName } from '../words.ts';
import { toCaller } from './common.ts';

/** What waits for a decision: for admins all of it, for members what they asked for. */
export const approvals: Command = {
  name: 'approvals',
  aliases: ['approval list', 'pending'],
  summary: 'Requests that wait for a decision',
  examples: ['approvals'],
  group: 'Jobs and approvals',
  policy: 'approval:list',
  changes: false,
  args: z.object({}),
  positional: [],
  async run(context) {
    const { cache, caller, now } = context;
    const admin = atLeast(caller.role, 'admin');
    const rows = cache.query('approval', caller.org, {
      where: (each) =>
        each.state === 'pending' && each.expiresAt > now && (admin || each.requestedBy === caller.person),
      limit: 20,
    });
    if (rows.total === 0)
      return toCaller(
        plainCard('Approvals', admin ? 'Nothing waits for a decision.' : 'Nothing of yours waits for a decision.'),
      );
    const jobs = rows.items.map((each) => ({
      approval: each,
      job: cache.get({ kind: 'job', org: caller.org, id: each.job }),
    }));
    const first = rows.items[0];
    return toCaller({
      title: `${count(rows.total, 'request')} to decide`,
      tone: 'busy',
      text: `${count(rows.total, 'request')} waiting for a decision.`,
      parts: [
        {
          part: 'table',
          columns: ['Job', 'Asks for', 'Who', 'Cost', 'Expires in'],
          rows: jobs.map(({ approval, job }) => [
            jobName({ id: approval.job }),
            job?.plan.title ?? approval.clusterName,
            approval.requesterName,
            job ? costText(job.plan) : 'Unknown',
            formatDuration(approval.expiresAt - now),
          ]),
        },
      ],
      buttons:
        admin && first && first.requestedBy !== caller.person
          ? [
              {
                label: `Look at ${jobName({ id: first.job })}`,
                command: formatLine('job show', ['job'], { job: first.job }),
                style: 'primary',
              },
            ]
          : [],
    });
  },
};
