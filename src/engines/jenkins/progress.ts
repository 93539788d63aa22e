import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import { type Jenkins, jobPath } from './api.ts';
import { type Build, buildPath, idOf } from './history.ts';
import { endOf, lastLine, longestLog, reasonIn, scrubLog } from './log-text.ts';
import { endWords } from './verdict.ts';
import { type BuildAnswer, readAnswer, StagesAnswer } from './wire.ts';

/** How much of a console is read for the step under way, and for the reason of a failure, in bytes. */
const stepBytes = 16 * 1024;
const reasonBytes = 128 * 1024;
/** So many builds are remembered; the oldest is forgotten first. */
const mostRemembered = 2_000;
/** A job without stages is asked for them again after this time: the plugin may have come. */
const noStagesMs = 10 * 60_000;

export interface Progress {
  percent?: number;
  step?: string;
}

export interface Failure {
  message: string;
  detail?: string;
}

/** What is told of builds: how far one is, why one failed, what one wrote. What does not change any more is asked for once. */
export interface Reports {
  progress(build: Build, answer: BuildAnswer | null, now: number, call: Call): Promise<Progress>;
  failure(build: Build, call: Call): Promise<Failure>;
  log(build: Build, call: Call): Promise<string | null>;
}

/** Opens the reports of one Jenkins; `address` is where people look at it. */
export function openReports(jenkins: Jenkins, address: string): Reports {
  const floors = new Map<number, number>();
  const consoles = new Map<string, { next: number; line: string | undefined }>();
  const failures = new Map<string, Failure>();
  const withoutStages = new Map<string, number>();

  async function stageOf(build: Build, number: number, call: Call): Promise<string | undefined> {
    const since = withoutStages.get(build.job);
    if (since !== undefined && Date.now() - since < noStagesMs) return undefined;
    const got = await jenkins.getIfThere(`${buildPath(build.job, number)}/wfapi/describe`, call);
    if (!got) {
      remember(withoutStages, build.job, Date.now());
      return undefined;
    }
    const { status, stages } = readAnswer(StagesAnswer, got);
    const paused = status === 'PAUSED_PENDING_INPUT';
    const name = (
      stages.findLast((each) => each.status === 'IN_PROGRESS' || each.status === 'PAUSED_PENDING_INPUT') ??
      stages.at(-1)
    )?.name;
    if (!paused) return name === undefined ? undefined : oneLine(name, jenkins.secrets, 80);
    const link = `${address.replace(/\/+$/, '')}${buildPath(build.job, number)}/input/`;
    return `${name ? `${oneLine(name, jenkins.secrets, 60)}: ` : ''}waits for input in Jenkins: ${link}`;
  }

  async function lineOf(build: Build, number: number, call: Call): Promise<string | undefined> {
    const key = idOf(build);
    const known = consoles.get(key);
    const got = await jenkins.tail(buildPath(build.job, number), { start: known?.next ?? 0, longest: stepBytes }, call);
    if (!got) return undefined;
    const line = lastLine(got.text, jenkins.secrets) ?? known?.line;
    remember(consoles, key, { next: got.next, line });
    return line;
  }

  function percentOf(build: Build, answer: BuildAnswer, now: number): number | undefined {
    const estimate = answer.estimatedDuration ?? -1;
    if (estimate <= 0) return undefined;
    const reckoned = Math.max(0, Math.min(99, Math.floor(((now - answer.timestamp) / estimate) * 100)));
    // The estimate changes when other builds end; nobody wants to see a bar that goes back.
    const percent = Math.max(reckoned, floors.get(build.queueId) ?? 0);
    remember(floors, build.queueId, percent);
    return percent;
  }

  return {
    async progress(build, answer, now, call) {
      if (build.number === undefined || answer === null) {
        const why = build.why ? `: ${oneLine(build.why, jenkins.secrets, 90)}` : '';
        return { percent: 0, step: `In the queue of Jenkins${why}` };
      }
      const made: Progress = {};
      const percent = percentOf(build, answer, now);
      const step = (await stageOf(build, build.number, call)) ?? (await lineOf(build, build.number, call));
      if (percent !== undefined) made.percent = percent;
      made.step = step ?? `${idOf(build)} is running`;
      return made;
    },

    async failure(build, call) {
      const key = idOf(build);
      const known = failures.get(key);
      if (known) return known;
      const words = endWords(build);
      if (build.number === undefined) return { message: `${words}.` };
      const path = buildPath(build.job, build.number);
      const got = await jenkins.tail(path, { start: 0, longest: reasonBytes }, call);
      const reason = got ? reasonIn(got.text, jenkins.secrets, build.result) : undefined;
      const failure: Failure = { message: oneLine(reason ? `${words}: ${reason}` : `${words}.`, jenkins.secrets, 400) };
      const link = `${address.replace(/\/+$/, '')}${path}/console`;
      if (got) failure.detail = `${words}: ${link}\n\n${endOf(got.text, jenkins.secrets)}`;
      remember(failures, key, failure);
      return failure;
    },

    async log(build, call) {
      if (build.number === undefined) return null;
      const got = await jenkins.tail(buildPath(build.job, build.number), { start: 0, longest: longestLog }, call);
      return got ? scrubLog(got.text, jenkins.secrets) : null;
    },
  };
}

function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= mostRemembered) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** The text of a build's artifact; `not-found` with what to do when the build has none of that name. */
export async function readArtifact(
  jenkins: Jenkins,
  build: Build,
  path: string,
  listed: readonly { relativePath: string; fileName: string }[],
  call: Call,
): Promise<string> {
  const wanted =
    listed.find((each) => each.relativePath === path) ?? only(listed.filter((each) => each.fileName === path));
  const number = build.number ?? 0;
  if (wanted) {
    const parts = wanted.relativePath.split('/').map(encodeURIComponent).join('/');
    const text = await jenkins.text(`${jobPath(build.job)}/${number}/artifact/${parts}`, call);
    if (text !== null) return text;
  }
  const names = listed.slice(0, 10).map((each) => oneLine(each.relativePath, jenkins.secrets, 60));
  const has = names.length > 0 ? `It has: ${names.join(', ')}.` : 'It has no artifacts.';
  throw new Fault('not-found', `${idOf(build)} has no artifact ${path}. ${has}`, {
    whose: 'admin',
    next: `Have the job archive its kubeconfig (archiveArtifacts '${path}'), or name another artifact in the provisioner.`,
  });
}

function only<T>(list: T[]): T | undefined {
  return list.length === 1 ? list[0] : undefined;
}
