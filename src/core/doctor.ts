/** What the doctor finds, and the checks that need nothing but the ports. */
import type { Card, Part } from './card.ts';
import { connectProvisioner } from './connect.ts';
import { asFault } from './errors.ts';
import type { Archive } from './ports/archive.ts';
import type { NewId } from './ports/clock.ts';
import type { Call, Engines } from './ports/engine.ts';
import type { Queue } from './ports/queue.ts';
import type { Ref, Sealer, Store } from './ports/store.ts';
import type { Provisioner } from './records.ts';
import { findSecret, scrub } from './secrets.ts';
import { ago, count } from './words.ts';

/** `attention`: works, and is worth a look. `unknown`: could not be looked at from here. */
export type Verdict = 'fine' | 'attention' | 'broken' | 'unknown';

/** One thing that was looked at. */
export interface Finding {
  /** What it is a part of: `Store`, `Slack First`, `Provisioner lab`. */
  part: string;
  /** What was looked at, in a few words. */
  check: string;
  verdict: Verdict;
  /** What was found and what it means, in a sentence or two; never a secret. */
  means: string;
  /** What to do about it, exactly. */
  fix?: string;
}

export interface DoctorParts {
  store: Store;
  sealer: Sealer;
  engines: Engines;
  org: string;
  newId: NewId;
  /** Epoch milliseconds. */
  now: number;
  /** A bounded outside call. */
  call(ms: number): Call;
}

const canaryText = 'This text is known: a key that opens it is the right one.';
const checkMs = 10_000;
const pageMax = 500;

/** A finding that something is as it should be. */
export function fine(part: string, check: string, means: string): Finding {
  return { part, check, verdict: 'fine', means };
}

/** A finding for what a check threw. */
export function faulty(part: string, check: string, thrown: unknown, fix: string): Finding {
  const fault = asFault(thrown, 'The check itself went wrong.');
  return { part, check, verdict: 'broken', means: fault.message, fix: fault.next ?? fix };
}

/** Whether the store answers, takes a change and gives it back. */
export async function checkStore({ store, org, newId }: DoctorParts): Promise<Finding> {
  const id = `doctor.${newId(12)}`;
  const ref: Ref<'claim'> = { kind: 'claim', org, id };
  const fix =
    'Check that the store runs and can be reached from here: KQUEEN_ETCD_HOSTS, or the folder KQUEEN_DATA_DIR.';
  try {
    await store.ready();
    const lease = await store.lease(30_000);
    try {
      const record = { v: 1 as const, id, org, holder: 'doctor', fence: lease.id };
      await store.commit([{ op: 'put', ref, record, if: 0, lease: lease.id }]);
      const read = await store.get(ref);
      if (read?.record.fence !== lease.id) {
        return {
          part: 'Store',
          check: 'change',
          verdict: 'broken',
          means: 'A change was taken and is not there.',
          fix,
        };
      }
    } finally {
      await lease.revoke();
    }
    return fine('Store', 'change', 'It answers, takes a change and gives it back.');
  } catch (thrown) {
    return faulty('Store', 'change', thrown, fix);
  }
}

/** Whether the keys open what is sealed: a text that the doctor itself keeps for this, and every secret there is. */
export async function checkSecrets({ store, sealer, org }: DoctorParts): Promise<Finding> {
  const ref: Ref<'secret'> = { kind: 'secret', org, id: 'doctor.canary' };
  const fix = 'Put the key that sealed them behind the first one in KQUEEN_SECRET_KEYS, or back into the key file.';
  try {
    if (!(await store.get(ref))) {
      const sealed = sealer.seal(ref, canaryText);
      await store.commit([{ op: 'put', ref, record: { v: 1, id: ref.id, org, sealed }, if: 0 }]);
    }
    let seen = 0;
    const shut: string[] = [];
    let after: string | undefined;
    do {
      const page = await store.page('secret', org, { limit: pageMax, ...(after === undefined ? {} : { after }) });
      for (const { ref: each, record } of page.items) {
        seen += 1;
        if (!opens(sealer, each, record.sealed)) shut.push(each.id);
      }
      after = page.next;
    } while (after !== undefined);
    if (shut.length === 0) return fine('Secrets', 'keys', `The keys open all of ${count(seen, 'sealed text')}.`);
    const names = shut.slice(0, 5).join(', ');
    const means = `${shut.length} of ${count(seen, 'sealed text')} cannot be opened with the keys there are: ${names}${shut.length > 5 ? ', …' : ''}.`;
    return { part: 'Secrets', check: 'keys', verdict: 'broken', means, fix };
  } catch (thrown) {
    return faulty('Secrets', 'keys', thrown, fix);
  }
}

function opens(sealer: Sealer, ref: Ref<'secret'>, sealed: string): boolean {
  try {
    const text = sealer.open(ref, sealed);
    return ref.id !== 'doctor.canary' || text === canaryText;
  } catch {
    return false;
  }
}

/** Whether the queue answers, and how much waits in it. */
export async function checkQueue(queue: Queue, outside: boolean): Promise<Finding> {
  try {
    await queue.ready();
    const { waiting, delayed, active } = await queue.depth();
    const where = outside ? 'Redis answers' : 'It is in the process, which is right for one process';
    return fine('Queue', 'answer', `${where}: ${waiting} due, ${delayed} for later, ${active} at work.`);
  } catch (thrown) {
    return faulty(
      'Queue',
      'answer',
      thrown,
      'Check that Redis runs and that KQUEEN_REDIS_URL is its address and password.',
    );
  }
}

/** Whether backups can be kept: a small object is written, read, listed and deleted. */
export async function checkArchive(archive: Archive, call: Call): Promise<Finding> {
  try {
    await archive.check(call);
    return fine('Backups', 'place', `Backups can be written to, read from and deleted in ${archive.where}.`);
  } catch (thrown) {
    return faulty('Backups', 'place', thrown, 'Check the settings KQUEEN_BACKUP_… (docs/backup.md).');
  }
}

/** Each provisioner: what its last check said, and what it says now. */
export async function checkProvisioners(parts: DoctorParts): Promise<Finding[]> {
  try {
    const page = await parts.store.page('provisioner', parts.org, { limit: pageMax });
    if (page.items.length === 0) {
      const means = 'There is none yet, so no cluster can be made.';
      return [
        { part: 'Provisioners', check: 'any', verdict: 'attention', means, fix: 'An admin adds one: provisioner add.' },
      ];
    }
    return await Promise.all(page.items.map(({ record }) => checkProvisioner(parts, record)));
  } catch (thrown) {
    return [faulty('Provisioners', 'list', thrown, 'Mend the store first.')];
  }
}

async function checkProvisioner(parts: DoctorParts, provisioner: Provisioner): Promise<Finding> {
  const { name, state, checkedAt } = provisioner;
  const part = `Provisioner ${name}`;
  const last =
    checkedAt === undefined
      ? 'It was never checked before'
      : `Its last check, ${ago(parts.now - checkedAt)}, said ${state}`;
  const fix = `Give its parameters again: provisioner edit ${name}.`;
  try {
    const client = await connectProvisioner(parts, provisioner);
    const checked = await client.check(parts.call(checkMs));
    const means = `${sentence(checked.message)} ${last}.`;
    if (checked.state === 'OK') return fine(part, 'answer', means);
    return { part, check: 'answer', verdict: 'broken', means, fix: checked.next ?? fix };
  } catch (thrown) {
    return faulty(part, 'answer', thrown, fix);
  }
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Findings as they may be shown: whatever looks like a credential is blotted out, the worst first. */
export function sorted(findings: readonly Finding[]): Finding[] {
  const rank: Record<Verdict, number> = { broken: 0, attention: 1, unknown: 2, fine: 3 };
  const clean = (text: string) => (findSecret(text) === null ? text : scrub(text));
  return findings
    .map(({ fix, ...each }) => ({
      ...each,
      means: clean(each.means),
      ...(fix === undefined ? {} : { fix: clean(fix) }),
    }))
    .sort((a, b) => rank[a.verdict] - rank[b.verdict]);
}

/** `2 broken, 1 to look at, 9 fine`. */
export function tally(findings: readonly Finding[]): string {
  const words: [Verdict, string][] = [
    ['broken', 'broken'],
    ['attention', 'to look at'],
    ['unknown', 'not looked at'],
    ['fine', 'fine'],
  ];
  const counts = words.map(
    ([verdict, word]) => [findings.filter((each) => each.verdict === verdict).length, word] as const,
  );
  return counts
    .filter(([number]) => number > 0)
    .map(([number, word]) => `${number} ${word}`)
    .join(', ');
}

const shownMax = 12;

/** What the doctor found, as a card: what is wrong with its fix, and the rest by name. */
export function doctorCard(found: readonly Finding[]): Card {
  const findings = sorted(found);
  const wrong = findings.filter(({ verdict }) => verdict === 'broken' || verdict === 'attention');
  const isBroken = wrong.some(({ verdict }) => verdict === 'broken');
  const parts: Part[] = wrong.slice(0, shownMax).map(({ part, check, verdict, means, fix }) => ({
    part: 'text',
    text: `*${verdict === 'broken' ? 'Broken' : 'Look at'}: ${part}, ${check}.* ${means}${fix ? `\nDo this: ${fix}` : ''}`,
  }));
  const hidden = wrong.length - shownMax;
  if (hidden > 0)
    parts.push({ part: 'note', text: `And ${hidden} more: run the doctor in a terminal to see them all.` });
  const rest = findings.filter(({ verdict }) => verdict === 'fine' || verdict === 'unknown');
  if (rest.length > 0) {
    parts.push({
      part: 'table',
      caption: 'The rest',
      columns: ['Part', 'Check', 'Result', 'What it means'],
      rows: rest.map(({ part, check, verdict, means }) => [
        part,
        check,
        verdict === 'fine' ? 'fine' : 'not looked at',
        means,
      ]),
    });
  }
  return {
    title: `Doctor: ${tally(findings)}`,
    tone: isBroken ? 'bad' : wrong.length > 0 ? 'warn' : 'good',
    text:
      wrong.length === 0
        ? 'Everything that was looked at is fine.'
        : wrong.map(({ part, means }) => `${part}: ${means}`).join(' '),
    parts,
    buttons: [{ label: 'Look again', command: 'doctor' }],
  };
}

/** Whether something is broken. */
export function anyBroken(findings: readonly Finding[]): boolean {
  return findings.some(({ verdict }) => verdict === 'broken');
}
