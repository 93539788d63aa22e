import type { Cluster } from '../records.ts';
import { count } from '../words.ts';
import { ended, type JobKind, type Look, released } from './kind.ts';

/** The same kind, which also sets a rule of KQueen's own: that is done with the job's first tick, and asks nobody. */
export function withOwnRule(kind: JobKind): JobKind {
  return {
    ...kind,
    watches: (job) => ({ provider: job.scaling === undefined, credentials: false }),
    decide: (look) => (look.job.scaling ? settle(look, look.job.scaling) : kind.decide(look)),
  };
}

function settle(look: Look, { pool, rule }: NonNullable<Look['job']['scaling']>): ReturnType<JobKind['decide']> {
  const { job, cluster, now } = look;
  if (job.cancel) {
    const note = `Cancelled by ${job.cancel.byName} before anything was changed.`;
    return { do: 'end', job: ended(job, 'Cancelled', now, note), cluster: released(cluster) };
  }
  const { [pool]: _before, ...others } = cluster.scaling ?? {};
  const scaling = rule ? { ...others, [pool]: { ...rule, at: now } } : others;
  const { scaling: _all, ...plain } = released(cluster);
  const after: Cluster = Object.keys(scaling).length > 0 ? { ...plain, scaling } : plain;
  const note = rule
    ? `KQueen keeps ${pool} between ${rule.min} and ${count(rule.max, 'node')} from now on.`
    : `KQueen does not scale ${pool} any more.`;
  return { do: 'end', job: ended(job, 'Succeeded', now, note), cluster: after };
}
