/** What dispatch writes and looks up again: effects with their audit entries, refusals, and changes whose confirmation was lost. */
import { createHash } from 'node:crypto';
import { plainCard } from '../core/card.ts';
import type { Answer, Effect, Effected } from '../core/command.ts';
import { asFault, Fault } from '../core/errors.ts';
import type { Caller } from '../core/policy.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Cache, Change, Store } from '../core/ports/store.ts';
import type { Audit, Delivery, Person } from '../core/records.ts';
import { scrub } from '../core/secrets.ts';
import type { Inbound } from './inbound.ts';

/** What recording needs of dispatch's parts. */
export interface RecordParts {
  store: Store;
  cache: Cache;
  clock: Clock;
  newId: NewId;
  log: Log;
  org: string;
  tell(inbound: Inbound, answer: Answer): Promise<void>;
}

/** Revision of this process' last write to each store, so that it reads what it wrote. */
const lastWritten = new WeakMap<Store, number>();

/** The revision a read has to see, so that people read what they wrote. */
export function lastWrite(store: Store): number {
  return lastWritten.get(store) ?? 0;
}

/** The id of the delivery record of an event. */
export function deliveryId(eventId: string): string {
  return createHash('sha256').update(eventId).digest('hex').slice(0, 40);
}

/** Commits changes with their audit entry, the delivery of the event and the person, all or nothing. */
export async function commitEffect(
  parts: RecordParts,
  inbound: Inbound,
  caller: Caller,
  line: string,
  changes: Change[],
  effect: Effect,
): Promise<Effected> {
  const now = parts.clock.now();
  const id = deliveryId(inbound.eventId);
  const ref = { kind: 'delivery', org: caller.org, id } as const;
  const delivery: Delivery = {
    v: 1,
    id,
    org: caller.org,
    at: now,
    who: caller.person,
    command: kept(line),
    effect: effect.says,
  };
  if (effect.job) delivery.job = effect.job;
  const all = async () =>
    parts.store.commit([
      ...changes,
      { op: 'put', ref, record: delivery, if: 0 },
      auditPut(parts, inbound, caller.name, line, effect),
      ...(await personPut(parts, inbound, caller)),
    ]);
  let done = await all();
  // The person did something else at the same moment: that stands in nobody's way.
  for (let again = 0; again < 3 && !done.ok && done.conflicts.every(({ id }) => id === caller.person); again += 1)
    done = await all();
  if (done.ok) {
    lastWritten.set(parts.store, Math.max(done.revision, lastWritten.get(parts.store) ?? 0));
    return done;
  }
  if (!done.conflicts.some((each) => each.kind === 'delivery')) return done;
  const before = await parts.store.get(ref);
  return before ? { ok: 'repeat', delivery: before.record } : done;
}

function auditPut(
  parts: RecordParts,
  inbound: Inbound,
  name: string,
  line: string,
  effect: Omit<Effect, 'says'>,
): Change {
  const now = parts.clock.now();
  const id = `${String(now).padStart(13, '0')}-${parts.newId(8)}`;
  const record: Audit = {
    v: 1,
    id,
    org: parts.org,
    at: now,
    who: inbound.person.id,
    whoName: name,
    action: effect.action,
    command: kept(line),
    outcome: effect.outcome,
    subject: effect.subject,
    place: inbound.place,
  };
  if (effect.job) record.job = effect.job;
  if (effect.approval) record.approval = effect.approval;
  if (effect.reason) record.reason = scrub(effect.reason);
  return { op: 'put', ref: { kind: 'audit', org: parts.org, id }, record, if: 0 };
}

/** A line as it is recorded: redacted, and short enough for a list. */
function kept(line: string): string {
  return scrub(line).slice(0, 1_000);
}

/**
 * A person is remembered with their first change: owners are named, approvers are found. Their role is left as it stands in the store, also when
 * it was changed while their command ran; then the command is refused, because it was allowed to somebody they no longer are.
 */
async function personPut(parts: RecordParts, inbound: Inbound, caller: Caller): Promise<Change[]> {
  const ref = { kind: 'person', org: caller.org, id: caller.person } as const;
  const fits = (known: Person | undefined) =>
    known !== undefined && known.name === caller.name && (known.direct !== undefined || !inbound.private);
  if (fits(parts.cache.get(ref))) return [];
  const before = await parts.store.get(ref);
  if ((before?.record.role ?? 'member') !== caller.role) {
    throw new Fault('not-allowed', 'Your role was changed at the same moment.', { next: 'Try it again.' });
  }
  if (fits(before?.record)) return [];
  const { person: id, org, name, role } = caller;
  const record: Person = { v: 1, id, org, role, ...before?.record, name, seenAt: parts.clock.now() };
  if (inbound.private) record.direct = inbound.place;
  return [{ op: 'put', ref, record, if: before?.revision ?? 0 }];
}

/** Refusals are audited; when even that cannot be written, the log has it. */
export async function recordRefusal(
  parts: RecordParts,
  inbound: Inbound,
  action: string,
  reason: string,
  more: { line?: string; subject?: string } = {},
): Promise<void> {
  const line = more.line ?? scrub(inbound.text).slice(0, 300);
  const subject = scrub(more.subject ?? action).slice(0, 60);
  try {
    await parts.store.commit([
      auditPut(parts, inbound, inbound.person.name, line, { action, outcome: 'refused', subject, reason }),
    ]);
  } catch (thrown) {
    parts.log.warn(
      { who: inbound.person.id, action, error: asFault(thrown).message },
      'a refusal could not be audited',
    );
  }
}

/** After an unknown answer of the store: looks until it knows whether this event had its effect, and tells. */
export function followUp(parts: RecordParts, inbound: Inbound, correlation: string): void {
  const { clock, store, log } = parts;
  const ref = { kind: 'delivery', org: parts.org, id: deliveryId(inbound.eventId) } as const;
  const look = async () => {
    let absent = 0;
    for (let attempt = 1; attempt <= 2_000; attempt += 1) {
      await clock.sleep(Math.min(30_000, 1_000 + attempt * 250));
      let found: { record: Delivery } | undefined;
      try {
        found = await store.get(ref);
      } catch {
        absent = 0;
        continue;
      }
      if (found) {
        await parts.tell(inbound, {
          audience: 'caller',
          card: plainCard(
            'It was recorded',
            found.record.effect,
            'good',
            found.record.job ? [{ label: 'Show job', command: `job show ${found.record.job}` }] : [],
          ),
        });
        return;
      }
      // A transaction that was under way when its answer was lost arrives within its deadline or never.
      absent += 1;
      if (absent >= 3) {
        const again = { label: 'Run it again', command: inbound.text };
        await parts.tell(inbound, {
          audience: 'caller',
          card: plainCard('It was not recorded', 'Nothing was done.', 'warn', inbound.source === 'form' ? [] : [again]),
        });
        return;
      }
    }
  };
  look().catch((thrown: unknown) =>
    log.error({ correlation, error: asFault(thrown).detail }, 'an unconfirmed change could not be followed up'),
  );
}
