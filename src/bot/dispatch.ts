/**
 * Where typed text, mentions, buttons and forms meet: one parser, one authorisation check, one audit entry. A change is acknowledged after
 * its store transaction and nothing else; an answer that takes longer than a chat platform waits is given later, in the same place.
 */
import { type Field, plainCard } from '../core/card.ts';
import type { Answer, Command, Context, Limits, Registry } from '../core/command.ts';
import { lineOf } from '../core/command.ts';
import { repeatAnswer } from '../core/commands/common.ts';
import { connectProvisioner } from '../core/connect.ts';
import { asFault, Fault } from '../core/errors.ts';
import { cleanValue } from '../core/line.ts';
import { type Caller, refusal } from '../core/policy.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Call, Engine, Engines, Options } from '../core/ports/engine.ts';
import type { Kube } from '../core/ports/kube.ts';
import type { Log } from '../core/ports/log.ts';
import type { Queue } from '../core/ports/queue.ts';
import type { Cache, Sealer, Store } from '../core/ports/store.ts';
import type { Person, Provisioner } from '../core/records.ts';
import { fieldsOf, noneWord, readValues, reloadingKeys, secretKeys } from '../core/schema.ts';
import { findSecret, scrub } from '../core/secrets.ts';
import { clusterChoices, impliedCluster, thisOne } from '../core/which.ts';
import { ago } from '../core/words.ts';
import { faultCard, lateCard, secretAnswer, unconfirmedAnswer, unknownAnswer, workingAnswer } from './answers.ts';
import { commitEffect, deliveryId, followUp, lastWrite, recordRefusal } from './effects.ts';
import { fromSlack, type Parsed, parse } from './grammar.ts';
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
  /** Live choices of a provisioner, cached; null when it does not answer in time (`waitMs`, else about a second). */
  options(provisioner: Provisioner, given: Record<string, string>, waitMs?: number): Promise<Options | null>;
  /** The text of an engine's guide; null when there is none. */
  guide(engine: Engine): Promise<string | null>;
  /** Says something later in the place of an event (or in the direct conversation, for the caller's eyes). */
  tell(inbound: Inbound, answer: Answer): Promise<void>;
  /** Hands files to the person in the direct conversation and has them removed after ten minutes. */
  handOver(inbound: Inbound, files: NonNullable<Answer['files']>): Promise<void>;
  /** Told of each command: name, outcome, milliseconds. */
  onCommand?(command: string, outcome: 'ok' | 'refused' | 'fault', ms: number): void;
  /** How long an event may wait for its answer, in milliseconds. */
  patienceMs?: number;
}

/** How long an event waits for its answer unless something else is said, in milliseconds: people are told within 2.5 s that it takes longer. */
export const usualPatienceMs = 1_800;

/** The one entrance for everything that a person does in a chat. */
export function createDispatch(parts: DispatchParts): Handle {
  const patience = parts.patienceMs ?? usualPatienceMs;
  return async (inbound) => {
    const correlation = parts.newId(8);
    const work = answerTo(parts, inbound, correlation);
    const timer = new AbortController();
    const slow = parts.clock
      .sleep(inbound.waitMs === undefined ? patience : inbound.waitMs + patience, timer.signal)
      .then(
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
  let about: string | undefined;
  const log = parts.log.child({ correlation });
  try {
    if (inbound.person.external !== null) {
      await recordRefusal(parts, inbound, 'access', inbound.person.external);
      parts.onCommand?.('access', 'refused', parts.clock.now() - began);
      return { audience: 'caller', card: plainCard('Not for guests', inbound.person.external, 'warn') };
    }
    const typed = inbound.source === 'command' || inbound.source === 'mention' || inbound.source === 'direct';
    const text = typed && inbound.place.chat === 'slack' ? fromSlack(inbound.text) : inbound.text;
    const parsed = parse(text, parts.registry);
    const secret = typedSecret(parts, text, parsed);
    if (secret) {
      // Not waited for: where the store hangs, the message with the secret must go all the same.
      void recordRefusal(parts, inbound, 'secret', `wrote ${secret}`, { line: '(withheld)' });
      return secretAnswer(secret, inbound.private && inbound.place.chat !== 'terminal');
    }
    if (parsed.is === 'empty') return await runLine(parts, inbound, parts.registry.find('help'), {}, correlation);
    if (parsed.is === 'unknown') return unknownAnswer(scrub(parsed.typed), parsed.suggestions);
    if (parsed.is === 'problem') {
      return {
        audience: 'caller',
        card: faultCard(new Fault('bad-input', parsed.message, { next: 'Nothing was done.' }), correlation),
      };
    }
    name = parsed.command.name;
    about = parsed.values[parsed.command.positional[0] ?? ''];
    const answer = await runLine(
      parts,
      inbound,
      parsed.command,
      { ...parsed.values, ...formValues(parts, inbound.values ?? {}), ...cleared(inbound, parsed) },
      correlation,
    );
    parts.onCommand?.(name, 'ok', parts.clock.now() - began);
    return answer;
  } catch (thrown) {
    const fault = asFault(thrown);
    const level = fault.kind === 'internal' ? 'error' : 'info';
    log[level]({ command: name, kind: fault.kind, detail: fault.detail }, fault.message);
    parts.onCommand?.(name, fault.kind === 'not-allowed' ? 'refused' : 'fault', parts.clock.now() - began);
    if (fault.kind === 'not-allowed')
      await recordRefusal(parts, inbound, name.replaceAll(' ', '.'), fault.message, { subject: about ?? name });
    if (fault.outcomeUnknown) {
      followUp(parts, inbound, correlation);
      return unconfirmedAnswer;
    }
    const card = faultCard(fault, correlation);
    // What is filled in stays, so that it can be sent again; only what no other value would mend closes the form.
    const mendable = fault.field !== undefined || (fault.kind !== 'not-allowed' && fault.kind !== 'internal');
    const problems =
      inbound.source === 'form' && mendable
        ? [{ field: fault.field ?? '', message: `${fault.message}${fault.next ? ` ${fault.next}` : ''}` }]
        : undefined;
    return { audience: 'caller', card, ...(problems ? { problems } : {}) };
  }
}

async function runLine(
  parts: DispatchParts,
  inbound: Inbound,
  command: Command | undefined,
  given: Record<string, string>,
  correlation: string,
): Promise<Outbound> {
  if (!command) throw new Fault('internal', 'The help is missing.');
  const delivered = () => parts.store.get({ kind: 'delivery', org: parts.org, id: deliveryId(inbound.eventId) });
  // Both at once: the person waits for the store no longer than they must.
  const [caller, before] = await Promise.all([
    callerOf(parts, inbound, command.changes),
    command.changes ? delivered() : undefined,
  ]);
  const refused = refusal(command.policy, caller, [caller.person]);
  if (refused) throw refused;
  const values = meant(parts, inbound, command, given);
  const secrets = allSecretKeys(parts);
  const spoken = Object.fromEntries(Object.entries(values).filter(([key, value]) => value !== '' && !secrets.has(key)));
  const line = lineOf(command, spoken);
  const problem = misplacedSecret(values, secrets, inbound) ?? check(parts, command, values, inbound, line);
  if (problem) return problem;
  if (before) return repeatAnswer(before.record);
  const context = contextOf(parts, inbound, caller, line, correlation);
  const inStep = command.changes || (await parts.cache.reached(lastWrite(parts.store), 500));
  const ran = await command.run(context, withoutEmpty(values)).catch(async (thrown: unknown) => {
    // The same event, handled elsewhere at the same moment, may be what stands in the way.
    const twin = command.changes && asFault(thrown).kind === 'conflict' ? await delivered() : undefined;
    if (twin) return repeatAnswer(twin.record);
    throw thrown;
  });
  const answer = command.changes ? ran : staleAnswer(ran, parts.cache.staleMs(), inStep);
  if (answer.files?.length) {
    await parts.handOver(inbound, answer.files);
    const { files: _files, ...rest } = answer;
    return guarded(inbound, rest);
  }
  return guarded(inbound, answer);
}

/** The values that were emptied on purpose, by the word for none. A form that asks for everything has empty fields that nobody has touched. */
function cleared(
  inbound: Inbound,
  { command, values }: { command: Command; values: Record<string, string> },
): Record<string, string> {
  const empty = (value: string | undefined) => value !== undefined && value.trim() === '';
  const named = inbound.source === 'form' && values[command.positional[0] ?? ''] !== undefined;
  const keys = (command.clearable ?? []).filter((key) => {
    const sent = inbound.values?.[key];
    return sent === undefined ? empty(values[key]) : named && empty(sent);
  });
  return Object.fromEntries(keys.map((key) => [key, noneWord]));
}

/** What a form brought, without the characters that could mislead; secrets stay as they are. */
function formValues(parts: DispatchParts, values: Record<string, string>): Record<string, string> {
  const secrets = allSecretKeys(parts);
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, secrets.has(key) ? value : cleanValue(value)]),
  );
}

/** A credential in a field that is none of the sealed ones is refused there: what goes on from it is kept in plain. */
function misplacedSecret(values: Record<string, string>, secrets: Set<string>, inbound: Inbound): Outbound | null {
  if (inbound.source !== 'form') return null;
  const problems = Object.entries(values).flatMap(([field, value]) => {
    const kind = secrets.has(field) ? null : findSecret(value);
    return kind
      ? [{ field, message: `This holds what looks like ${kind}. It was not kept; change it at its provider now.` }]
      : [];
  });
  if (problems.length === 0) return null;
  const text = problems.map(({ field, message }) => `${field}: ${message}`).join('\n');
  return { audience: 'caller', problems, card: plainCard('A secret was written here', text, 'bad') };
}

/** An answer from memory says so when the memory may be behind the store. */
function staleAnswer(answer: Answer, staleMs: number, inStep: boolean): Answer {
  if (!answer.card || (staleMs === 0 && inStep)) return answer;
  const said =
    staleMs > 0
      ? `KQueen has lost touch with its store: this is how it was ${ago(staleMs)}.`
      : 'KQueen is a moment behind its store: this may not show what was done last.';
  const { footer } = answer.card;
  return { ...answer, card: { ...answer.card, footer: footer ? `${said} ${footer}` : said } };
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
function check(
  parts: DispatchParts,
  command: Command,
  values: Record<string, string>,
  inbound: Inbound,
  line: string,
): Outbound | null {
  if (command.open) return null;
  const read = readValues(command.args, values);
  if (read.ok) return null;
  const missing = read.problems.every(({ field }) => !values[field]?.trim());
  const fields = fieldsOf(command.args, values)
    .filter(({ key }) => key !== 'plan')
    .map((each) => {
      const problem = read.problems.find(({ field }) => field === each.key);
      if (each.key === clusterKey) offerClusters(parts, inbound, each);
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

/** The key of commands about a cluster. */
const clusterKey = 'cluster';

/** The values with the cluster that is meant by `this`, or by the place when none is named. */
function meant(
  parts: DispatchParts,
  inbound: Inbound,
  command: Command,
  values: Record<string, string>,
): Record<string, string> {
  if (!Object.hasOwn(command.args.shape, clusterKey)) return values;
  const said = values[clusterKey]?.trim().toLowerCase() ?? '';
  if (said !== '' && said !== thisOne) return values;
  const found = impliedCluster(parts.cache, parts.org, inbound.place, !command.changes);
  if (found) return { ...values, [clusterKey]: found.name };
  if (said === '') return values;
  throw new Fault('bad-input', 'There is nothing here that "this" could mean.', {
    field: clusterKey,
    next: 'Name the cluster, or write it in the thread of a message about it.',
  });
}

/** A field that asks for a cluster offers those there are; with none, it asks for the name. */
function offerClusters(parts: DispatchParts, inbound: Inbound, asked: Field): void {
  const choices = clusterChoices(parts.cache, parts.org, inbound.person.id, parts.clock.now());
  if (choices.length === 0) return;
  asked.kind = 'choice';
  asked.choices = choices;
}

function typedSecret(parts: DispatchParts, text: string, parsed: Parsed): string | null {
  const keys = allSecretKeys(parts);
  const given = parsed.is === 'command' ? Object.keys(parsed.values) : [];
  const spelt = [...text.matchAll(/(?<=^|\s)(?:--)?([A-Za-z][\w-]*)\s*=\s*["']?\S/g)].map(([, key]) => key ?? '');
  const named = [...given, ...spelt].find((key) => keys.has(key));
  return named ? `the secret ${named}` : findSecret(text);
}

/** Secret arguments of commands by registry: forty schemas are not read anew for each line. */
const secretArgs = new WeakMap<Registry, string[]>();

function commandSecrets(registry: Registry): string[] {
  const known = secretArgs.get(registry) ?? registry.all.flatMap(({ args }) => secretKeys(args));
  secretArgs.set(registry, known);
  return known;
}

function allSecretKeys(parts: DispatchParts): Set<string> {
  const engines = parts.engines.all().flatMap((engine) => secretKeys(engine.provisioner));
  return new Set([...engines, ...commandSecrets(parts.registry)]);
}

async function callerOf(parts: DispatchParts, inbound: Inbound, changes: boolean): Promise<Caller> {
  const ref = { kind: 'person', org: parts.org, id: inbound.person.id } as const;
  // Changes are decided by the store itself, reads by what the cache last saw: a member's right to look needs no more.
  const known: Person | undefined = changes ? (await parts.store.get(ref))?.record : parts.cache.get(ref);
  return { person: inbound.person.id, name: inbound.person.name, role: known?.role ?? 'member', org: parts.org };
}

function contextOf(parts: DispatchParts, inbound: Inbound, caller: Caller, line: string, correlation: string): Context {
  const { clock, store, queue, log } = parts;
  const now = clock.now();
  return {
    caller,
    place: inbound.place,
    private: inbound.private,
    ...(inbound.person.zone ? { zone: inbound.person.zone } : {}),
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
    options: (provisioner, given = {}) =>
      parts.options(provisioner, dependingOn(parts.engines.get(provisioner.engine), given), loadingWait(inbound)),
    guide: parts.guide,
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

/** A form that is loaded waits for the provider's choices; one that is sent waits for its own answer, not for prices. */
function loadingWait({ source, waitMs }: Inbound): number | undefined {
  return source === 'open-form' ? waitMs : undefined;
}

/** Of a form's values those that choices depend on: all others would only make a provider's answer be asked for again. */
function dependingOn(engine: Engine | undefined, given: Record<string, string>): Record<string, string> {
  const keys = engine ? reloadingKeys(engine.cluster) : [];
  return Object.fromEntries(Object.entries(given).filter(([key, value]) => keys.includes(key) && value.trim() !== ''));
}
