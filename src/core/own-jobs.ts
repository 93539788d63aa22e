/** What KQueen asks of itself, by a rule that a person has set. */
import type { Caller } from './policy.ts';
import type { NewId } from './ports/clock.ts';
import type { Change } from './ports/store.ts';
import type { Audit, Job } from './records.ts';

/** Who asks for a job that a rule begins. Nobody signs in as this, since every person's id begins with their chat. */
export const ownPerson = 'kqueen';

/** KQueen as a caller: it may what the rule's own approval has allowed. */
export function ownCaller(org: string): Caller {
  return { person: ownPerson, name: 'KQueen', role: 'admin', org };
}

/** The audit entry of a job that a rule begins. */
export function ownAudit(newId: NewId, job: Job, reason: string, now: number): Change {
  const id = `${String(now).padStart(13, '0')}-${newId()}`;
  const record: Audit = {
    ...{ v: 1, id, org: job.org, at: now, who: ownPerson, whoName: 'KQueen', action: job.work?.op ?? job.kind },
    ...{ command: job.command, outcome: 'requested', subject: job.clusterName, job: job.id, reason, place: job.place },
  };
  return { op: 'put', ref: { kind: 'audit', org: job.org, id }, record, if: 0 };
}
