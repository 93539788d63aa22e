import type { Part, Row } from '../../core/card.ts';
import { versionsAsOf } from '../../core/digest-versions.ts';
import type { Looked } from '../../core/ports/work.ts';
import { count } from '../../core/words.ts';
import type { Finding } from '../check/findings.ts';
import type { View } from '../operation.ts';
import { apisNote } from '../precheck/apis.ts';
import { type Precheck, precheck } from '../precheck/index.ts';

/** What one message shows, and what a plan does. */
const most = { rows: 10, warnings: 6 };

/** What no look from here can see. */
const blind =
  'It cannot see clients that have not called since the API server started, other API servers of the control plane, what the workloads themselves make of another version, and what the provider does on the way.';

/** What is in the way of an upgrade. Args: `cluster` for the buttons, `target` (a version, or ''), `server` (its URL, for its certificate). */
export const precheckView: View = {
  name: 'precheck',
  async look(talk, { cluster = '', target = '', server = '' }) {
    return lookedAt(await precheck(talk, { cluster, target, server }));
  },
};

function lookedAt({ aim, found, looked, unseen }: Precheck): Looked {
  const now = found.filter(({ level }) => level === 'now');
  const soon = found.filter(({ level }) => level === 'soon');
  const rows = (all: readonly Finding[], room: number): Row[] =>
    all.slice(0, room).map(({ about, why, next }) => ({ text: `*${about}*: ${why}`, buttons: next.slice(0, 3) }));
  const room = Math.max(4, most.rows - now.length);
  const parts: Part[] = [];
  if (now.length > 0) parts.push({ part: 'rows', caption: 'In the way, worst first', rows: rows(now, most.rows) });
  if (soon.length > 0) parts.push({ part: 'rows', caption: 'Worth knowing', rows: rows(soon, room) });
  const left = Math.max(0, now.length - most.rows) + Math.max(0, soon.length - room);
  if (left > 0) parts.push({ part: 'note', text: `And ${left} more, in the file.` });
  parts.push({ part: 'text', text: `*Looked at*: ${sentence(looked.join(', '))}` });
  if (unseen.length > 0) parts.push({ part: 'text', text: `*Not seen*: ${unseen.join(' ')}` });
  parts.push({ part: 'note', text: `${blind} ${apisNote(aim)} Ends of life as of ${versionsAsOf}.` });
  const aimed = aim.minor === null ? 'an upgrade' : `an upgrade to ${aim.target || `1.${aim.minor}`}`;
  const line = ({ level, about, why }: Finding) => `${level === 'now' ? '!' : '-'} ${about}: ${why}`;
  const short = unseen.length > 0 ? `; ${count(unseen.length, 'look')} could not be taken` : '';
  return {
    title:
      now.length > 0 ? `${count(now.length, 'thing')} in the way of ${aimed}` : `Nothing seen in the way of ${aimed}`,
    text: `${said(now, soon, aimed)}${short}. It says what was looked at, not that nothing can go wrong.`,
    parts,
    warnings: warnings(now, soon, unseen),
    summary: `${count(looked.length, 'look')} into the cluster: ${now.length} in the way, ${soon.length} worth knowing${short}. ${blind}`,
    ...(left > 0 ? { file: { name: 'precheck.txt', content: `${found.map(line).join('\n')}\n` } } : {}),
    ...(now.length > 0 || unseen.length > 0 ? { bad: true } : {}),
  };
}

function said(now: readonly Finding[], soon: readonly Finding[], aimed: string): string {
  const [worst] = now;
  const also = soon.length > 0 ? `, ${count(soon.length, 'thing')} worth knowing` : '';
  if (!worst) return `Nothing of what KQueen looks at is in the way of ${aimed}${also}`;
  return `${now.length === 1 ? '1 thing is' : `${now.length} things are`} in the way of ${aimed}: ${worst.about}: ${worst.why}${also}`;
}

/** For a plan: everything that is in the way first, then what is worth knowing, as far as there is room, and what was not seen. */
function warnings(now: readonly Finding[], soon: readonly Finding[], unseen: readonly string[]): string[] {
  const all = [...now, ...soon];
  const shown = all.slice(0, most.warnings).map(({ about, why }) => sentence(`${about}: ${why}`));
  const more = all.length - shown.length;
  return [
    ...shown,
    ...(more > 0 ? [`And ${more} more; the pre-check shows them.`] : []),
    ...(unseen.length > 0 ? [`Not seen: ${unseen.join(' ')}`] : []),
  ];
}

function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
