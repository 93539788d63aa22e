/**
 * Where typed text, mentions, buttons and forms meet: one parser, one authorisation check, one audit entry. A change is acknowledged after
 * its store transaction and nothing else; an answer that takes longer than a chat platform waits is given later, in the same place.
 */
import { createHash } from 'node:crypto';
import { plainCard } from '../core/card.ts';
import type { Answer, Command, Context, Effect, Effected, Limits, Registry } from '../core/command.ts';
import { lineOf } from '../core/command.ts';
import { connectProvisioner } from '../core/connect.ts';
import { asFault, Fault } from '../core/errors.ts';
import { type Caller, refusal } from '../core/policy.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Call, Engines, Options } from '../core/ports/engine.ts';
import type { Kube } from '../core/ports/kube.ts';
import type { Log } from '../core/ports/log.ts';
import type { Queue } from '../core/ports/queue.ts';
import type { Cache, Change, Sealer, Store } from '../core/ports/store.ts';
import type { Audit, Delivery, Person, Provisioner } from '../core/records.ts';
import { fieldsOf, readValues, secretKeys } from '../core/schema.ts';
import { findSecret, scrub } from '../core/secrets.ts';
import { faultCard, lateCard, secretAnswer, unconfirmedAnswer, unknownAnswer, workingAnswer } from './answers.ts';
import { parse } from './grammar.ts';
import type { Handle, Inbound, Outbound } from './inbound.ts';

export interface DispatchParts {
  registry: Registry;
  store: Store;
  cache: Cache;
  engines: Engines;
  kube: Kube;
  sealer: Sealer;
  queue: Queue;
  clock: Clock;
  newId: NewId;
  log: Log;
  limits: Limits;
  org: string;
  version: string;
  publicUrl?: string;
  /** Live choices of a provisioner, cached; null when it does not answer in time. */
  options(provisioner: Provisioner): Promise<Options | null>;
  /** Says something later in the place of an event (or in the direct conversation, for the caller's eyes). */
  tell(inbound: Inbound, answer: Answer): Promise<void>;
  /** Hands files to the person in the direct conversation and has them removed after ten minutes. */
  handOver(inbound: Inbound, files: NonNullable<Answer['files']>): Promise<void>;
  /** Told of each command: name, outcome, milliseconds. */
  onCommand?(command: string, outcome: 'ok' | 'refused' | 'fault', ms: number): void;
  /** How long an event may wait for its answer, in milliseconds. */
  patienceMs?: number;
}

/** The one entrance for everything that a person does in a chat. */
export function createDispatch(parts: DispatchParts): Handle {
  const patience = parts.patienceMs ?? 1_800;
  return async (inbound) => {
    const correlation = parts.newId(8);
    const work = answerTo(parts, inbound, correlation);
    const timer = new AbortController();
    const slow = parts.clock.sleep(patience, timer.signal).then(
      () => null,
      () => null,
    );
    const first = await Promise.race([work, slow]);
    timer.abort();
    if (first) return [first];
    work
      .then((answer) => {
        const card = lateCard(answer, inbound.text);
        if (card) return parts.tell(inbound, { ...answer, card });
      })
      .catch((thrown: unknown) =>
        parts.log.error({ correlation, error: asFault(thrown).detail }, 'a late answer was lost'),
      );
    return [workingAnswer];
  };
}

/** Never throws: what goes wrong becomes an answer. */
async function answerTo(parts: DispatchParts, inbound: Inbound, correlation: string): Promise<Outbound> {
  const began = parts.clock.now();
  let name = 'unknown';
  const log = parts.log.child({ correlation });
  try {
    if (inbound.person.external !== null) {
      await recordRefusal(parts, inbound, 'access', inbound.person.external);
      parts.onCommand?.('access', 'refused', parts.clock.now() - began);
      return { audience: 'caller', card: plainCard('Not for guests', inbound.person.external, 'warn') };
    }
    const secret = typedSecret(parts, inbound.text);
    if (secret) {
      await recordRefusal(parts, inbound, 'secret', `wrote ${secret}`);
      return secretAnswer(secret, inbound.private && inbound.place.chat !== 'terminal');
    }
    const parsed = parse(inbound.text, parts.registry);
    if (parsed.is === 'empty') return await runLine(parts, inbound, parts.registry.find('help'), {}, correlation);
    if (parsed.is === 'unknown') return unknownAnswer(scrub(parsed.typed), parsed.suggestions);
    if (parsed.is === 'problem') {
      return {
        audience: 'caller',
        card: faultCard(new Fault('bad-input', parsed.message, { next: 'Nothing was done.' }), correlation),
      };
    }
    name = parsed.command.name;
    const answer = await runLine(
      parts,
      inbound,
      parsed.command,
      { ...parsed.values, ...(inbound.values ?? {}) },
      correlation,
    );
    parts.onCommand?.(name, 'ok', parts.clock.now() - began);
    return answer;
  } catch (thrown) {
    const fault = asFault(thrown);
    const level = fault.kind === 'internal' ? 'error' : 'info';
    log[level]({ command: name, kind: fault.kind, detail: fault.detail }, fault.message);
    parts.onCommand?.(name, fault.kind === 'not-allowed' ? 'refused' : 'fault', parts.clock.now() - began);
    if (fault.kind === 'not-allowed') await recordRefusal(parts, inbound, name, fault.message);
    if (fault.outcomeUnknown) {
      followUp(parts, inbound, correlation);
      return unconfirmedAnswer;
    }
    const card = faultCard(fault, correlation);
    const problems =
      inbound.source === 'form' && fault.field
        ? [{ field: fault.field, message: `${fault.message}${fault.next ? ` ${fault.next}` : ''}` }]
        : undefined;
    return { audience: 'caller', card, ...(problems ? { problems } : {}) };
  }
}

async function runLine(
  parts: DispatchParts,
  inbound: Inbound,
  command: Command | undefined,
  values: Record<string, string>,
  correlation: string,
): Promise<Outbound> {
  if (!command) throw new Fault('internal', 'The help is missing.');
  const caller = await callerOf(parts, inbound, command.changes);
  const refused = refusal(command.policy, caller, [caller.person]);
  if (refused) throw refused;
  const secrets = allSecretKeys(parts);
  const spoken = Object.fromEntries(Object.entries(values).filter(([key, value]) => value !== '' && !secrets.has(key)));
  const line = lineOf(command, spoken);
  const problem = check(command, values, inbound, line);
  if (problem) return problem;
  const context = contextOf(parts, inbound, caller, line, correlation);
  if (!command.changes) await parts.cache.reached(lastWritten.get(parts.store) ?? 0, 500);
  const answer = await command.run(context, withoutEmpty(values));
  if (answer.files?.length) {
    await parts.handOver(inbound, answer.files);
    const { files: _files, ...rest } = answer;
    return guarded(inbound, rest);
  }
  return guarded(inbound, answer);
}

/** A form with secrets is asked only where nobody else reads: Slack's own dialogs, and direct conversations elsewhere. */
function guarded(inbound: Inbound, answer: Answer): Outbound {
  if (!answer.form?.private || inbound.private || inbound.place.chat === 'slack') return answer;
  const { form: _form, ...rest } = answer;
  return {
    ...rest,
    card: plainCard(
      'In private, please',
      `This asks for secrets. Write \`${answer.form.command}\` to me in a direct message.`,
      'warn',
    ),
  };
}

function withoutEmpty(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''));
}

/** What is wrong with the values as the command's own schema sees them; open commands check what they alone know. */
function check(command: Command, values: Record<string, string>, inbound: Inbound, line: string): Outbound | null {
  if (command.open) return null;
  const read = readValues(command.args, values);
  if (read.ok) return null;
  const missing = read.problems.every(({ field }) => !values[field]?.trim());
  const fields = fieldsOf(command.args, values)
    .filter(({ key }) => key !== 'plan')
    .map((each) => {
      const problem = read.problems.find(({ field }) => field === each.key);
      return problem && (!missing || inbound.source === 'form') ? { ...each, problem: problem.message } : each;
    });
  const form = { title: command.summary.slice(0, 60), command: command.name, submit: 'Go on', fields, private: false };
  if (inbound.source === 'form') return { audience: 'caller', form, problems: read.problems };
  if (missing) return { audience: 'caller', form };
  const text = read.problems.map(({ field, message }) => `${field}: ${message}`).join('\n');
  return {
    audience: 'caller',
    card: plainCard('That does not fit', `${text}\nFor example: \`${command.examples[0] ?? line}\``, 'warn'),
    form,
  };
}

function typedSecret(parts: DispatchParts, text: string): string | null {
  const keys = allSecretKeys(parts);
  const typed = [...text.matchAll(/(?:^|\s)(?:--)?([A-Za-z][\w-]*)[=\s]\s*["']?\S/g)].find(
    ([all, key]) => keys.has(key ?? '') && all.includes('='),
  );
  return typed ? `the secret ${typed[1]} of a provisioner` : findSecret(text);
}

function allSecretKeys(parts: DispatchParts): Set<string> {
  return new Set(parts.engines.all().flatMap((engine) => secretKeys(engine.provisioner)));
}

async function callerOf(parts: DispatchParts, inbound: Inbound, changes: boolean): Promise<Caller> {
  const ref = { kind: 'person', org: parts.org, id: inbound.person.id } as const;
  // Changes are decided by the store itself, reads by what the cache last saw: a member's right to look needs no more.
  const known: Person | undefined = changes ? (await parts.store.get(ref))?.record : parts.cache.get(ref);
  return { person: inbound.person.id, name: inbound.person.name, role: known?.role ?? 'member', org: parts.org };
}

/** Revision of this process' last write to each store, so that it reads what it wrote. */
const lastWritten = new WeakMap<Store, number>();

/** The id of the delivery record of an event. */
export function deliveryId(eventId: string): string {
  return createHash('sha256').update(eventId).digest('hex').slice(0, 40);
}

function contextOf(parts: DispatchParts, inbound: Inbound, caller: Caller, line: string, correlation: string): Context {
  const { clock, store, queue, log } = parts;
  const now = clock.now();
  return {
    caller,
    place: inbound.place,
    private: inbound.private,
    source: inbound.source,
    ...(inbound.message ? { message: inbound.message } : {}),
    canOpenForm: inbound.canOpenForm,
    line,
    now,
    correlation,
    store,
    cache: parts.cache,
    engines: parts.engines,
    kube: parts.kube,
    sealer: parts.sealer,
    newId: parts.newId,
    limits: parts.limits,
    log: log.child({ correlation }),
    ...(parts.publicUrl ? { publicUrl: parts.publicUrl } : {}),
    prefix: inbound.private
      ? ''
      : inbound.place.chat === 'slack'
        ? '/kqueen '
        : inbound.place.chat === 'teams'
          ? '@KQueen '
          : '',
    version: parts.version,
    registry: parts.registry,
    call: (ms): Call => ({ signal: AbortSignal.timeout(ms), deadline: clock.now() + ms }),
    connect: (provisioner) => connectProvisioner(parts, provisioner),
    options: (provisioner) => parts.options(provisioner),
    effect: (changes, effect) => commitEffect(parts, inbound, caller, line, changes, effect),
    tick(job) {
      if (job.dueAt === undefined) return;
      queue.add({ org: job.org, job: job.id, tick: job.tick }, job.dueAt).catch((thrown: unknown) => {
        log.warn(
          { correlation, job: job.id, error: asFault(thrown).message },
          'the queue did not take a tick; the sweep will',
        );
      });
    },
  };
}

async function commitEffect(
  parts: DispatchParts,
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
    command: line,
    effect: effect.says,
  };
  if (effect.job) delivery.job = effect.job;
  const done = await parts.store.commit([
    ...changes,
    { op: 'put', ref, record: delivery, if: 0 },
    auditPut(parts, inbound, caller.name, line, effect),
    ...personPut(parts, inbound, caller),
  ]);
  if (done.ok) {
    lastWritten.set(parts.store, Math.max(done.revision, lastWritten.get(parts.store) ?? 0));
    return done;
  }
  if (!done.conflicts.some((each) => each.kind === 'delivery')) return done;
  const before = await parts.store.get(ref);
  return before ? { ok: 'repeat', delivery: before.record } : done;
}

function auditPut(
  parts: DispatchParts,
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
    command: scrub(line),
    outcome: effect.outcome,
    subject: effect.subject,
    place: inbound.place,
  };
  if (effect.job) record.job = effect.job;
  if (effect.approval) record.approval = effect.approval;
  if (effect.reason) record.reason = scrub(effect.reason);
  return { op: 'put', ref: { kind: 'audit', org: parts.org, id }, record, if: 0 };
}

/** A person is remembered with their first change: owners are named, approvers are found. */
function personPut(parts: DispatchParts, inbound: Inbound, caller: Caller): Change[] {
  const ref = { kind: 'person', org: caller.org, id: caller.person } as const;
  const known = parts.cache.get(ref);
  if (known && known.name === caller.name && (known.direct || !inbound.private)) return [];
  const record: Person = {
    v: 1,
    id: caller.person,
    org: caller.org,
    name: caller.name,
    role: caller.role,
    seenAt: parts.clock.now(),
  };
  if (inbound.private) record.direct = inbound.place;
  else if (known?.direct) record.direct = known.direct;
  return [{ op: 'put', ref, record }];
}

/** Refusals are audited; when even that cannot be written, the log has it. */
async function recordRefusal(parts: DispatchParts, inbound: Inbound, action: string, reason: string): Promise<void> {
  try {
    const line = scrub(inbound.text).slice(0, 300);
    await parts.store.commit([
      auditPut(parts, inbound, inbound.person.name, line, { action, outcome: 'refused', subject: action, reason }),
    ]);
  } catch (thrown) {
    parts.log.warn(
      { who: inbound.person.id, action, error: asFault(thrown).message },
      'a refusal could not be audited',
    );
  }
}

/** After an unknown answer of the store: looks until it knows whether this event had its effect, and tells. */
function followUp(parts: DispatchParts, inbound: Inbound, correlation: string): void {
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
