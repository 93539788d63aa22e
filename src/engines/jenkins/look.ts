import type { Call, Target } from '../../core/ports/engine.ts';
import type { Jenkins } from './api.ts';
import { type History, inOrder, numberIn, readBuild, readHandle, readHistory, readItem } from './history.ts';
import type { JenkinsProvisioner } from './schema.ts';
import { judge, type Verdict } from './verdict.ts';

/** What was found of one cluster. */
export interface Look {
  history: History;
  verdict: Verdict;
  /** It was there and nothing says what became of it: Jenkins has thrown its builds away. */
  lost: boolean;
  /** Why nothing was made although it was asked for. */
  cancelled?: string;
}

/**
 * Looks for a cluster among the builds and in the queue. "Absent" is only said when that is sure: the jobs could be read, nothing is remembered of
 * the cluster (`target.externalId`, `target.operation`) that should be there, and the history was read as far back as it goes.
 */
export async function look(jenkins: Jenkins, params: JenkinsProvisioner, target: Target, call: Call): Promise<Look> {
  const history = await readHistory(jenkins, params, call);
  const verdict = judge(history, target);
  if (verdict.made || verdict.proved) return { history, verdict, lost: false };

  const maker = history.jobs.provision;
  const number = maker ? numberIn(target.externalId, maker.name) : null;
  const remembered = maker && number !== null ? await readBuild(jenkins, maker, number, call) : null;
  if (remembered) {
    const whole = { ...history, builds: inOrder([...history.builds, remembered.build]) };
    const found = judge(whole, target);
    if (found.made) return { history: whole, verdict: found, lost: false };
  }
  if (history.more) {
    const deep = await readHistory(jenkins, params, call, true);
    const found = judge(deep, target);
    if (found.made || found.proved) return { history: deep, verdict: found, lost: false };
  }
  if (target.externalId !== undefined || verdict.state !== 'absent') return { history, verdict, lost: true };
  const asked = readHandle(target.operation);
  if (!asked) return { history, verdict, lost: false };
  const item = await readItem(jenkins, asked.queueId, call);
  if (item?.cancelled) {
    return { history, verdict, lost: false, cancelled: 'It was taken out of the queue of Jenkins before it began.' };
  }
  // It is leaving the queue at this very moment, and is among the builds at the next look.
  if (item && asked.purpose === 'provision') {
    return { history, verdict: { ...verdict, state: 'creating' }, lost: false };
  }
  return { history, verdict, lost: true };
}
