/** What a close look at a cluster finds, and how it is told: worst first, alike ones as one, each with its next steps. */
import type { Button } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import { plain } from '../faults.ts';

/** One thing that is not as it should be, or will soon not be. */
export interface Finding {
  /** Lower is worse; see ranks. */
  rank: number;
  /** `now`: something does not work; `soon`: worth knowing before it does not. */
  level: 'now' | 'soon';
  /** "Deployment shop/web". */
  about: string;
  /** What is wrong, on one line. */
  why: string;
  next: Button[];
  /** The last lines of what crashes, cleaned. */
  log?: string;
  /** It only follows from what else is found about the same thing, when something is. */
  echo?: boolean;
  /** What it shares with others that are one finding with it. */
  alike: string;
}

/** Ranks of what is found, worst first; those of pods and workloads lie between (src/kube/workloads.ts has 0 to 7). */
export const findingRanks = { skew: 3, fullVolume: 1, claim: 5, certificate: 0, soon: 20 };

/** Worst first; of alike ones the first, with how many there are. */
export function worstFindings(all: readonly Finding[]): Finding[] {
  const folded = new Map<string, { first: Finding; count: number }>();
  for (const each of all) {
    const known = folded.get(each.alike);
    if (known) known.count += 1;
    else folded.set(each.alike, { first: each, count: 1 });
  }
  const level = ({ level }: Finding) => (level === 'now' ? 0 : 1);
  return [...folded.values()]
    .map(({ first, count }) => (count > 1 ? { ...first, why: `${first.why}, and ${count - 1} more like it` } : first))
    .sort((a, b) => level(a) - level(b) || a.rank - b.rank || (a.about < b.about ? -1 : 1));
}

/** One look of several: what it found, or why it could not be taken. */
export interface Seen {
  found: Finding[];
  /** What could not be seen and why, in a sentence. */
  unseen?: string;
}

/** Takes one look; what the cluster refuses or does not have is no failure of the others. `what` begins the sentence: "Jobs". */
export async function seen(what: string, look: () => Promise<Finding[]>): Promise<Seen> {
  try {
    return { found: await look() };
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    return { found: [], unseen: `${what}: ${whyNot(thrown)}` };
  }
}

function whyNot({ kind, message }: Fault): string {
  if (kind === 'not-allowed') return 'KQueen may not read them.';
  if (kind === 'not-found') return 'the cluster does not have them.';
  return plain(message, 160);
}
