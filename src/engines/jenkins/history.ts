import type { Call, Target } from '../../core/ports/engine.ts';
import type { HttpAnswer } from '../http.ts';
import { type Jenkins, jobPath } from './api.ts';
import { missing } from './explain.ts';
import { fixedOf, type Job, jobName, type Purpose, readJob } from './parameters.ts';
import type { JenkinsProvisioner } from './schema.ts';
import { BuildAnswer, ItemAnswer, JobAnswer, QueueAnswer, readAnswer } from './wire.ts';

/** One run of a job, from the queue to its end. */
export interface Build {
  purpose: Purpose;
  /** Full name of its job. */
  job: string;
  /** Of the queue item it was; 0 for a build that does not know it. */
  queueId: number;
  /** Absent while it is in the queue. */
  number?: number;
  /** When it was asked for or began, epoch milliseconds by the clock of Jenkins. */
  at: number;
  /** When it ended, by the same clock. */
  endedAt?: number;
  stage: 'queued' | 'running' | 'done' | 'failed' | 'strange';
  /** Jenkins' own word for its end. */
  result?: string;
  /** Why it still is in the queue, in the words of Jenkins. */
  why?: string;
  values: Record<string, string>;
  name?: string;
  mark?: string;
  nodes?: number;
  version?: string;
  /** Who started it. */
  owner?: string;
}

export const purposes: readonly Purpose[] = ['provision', 'deprovision', 'scale', 'upgrade'];

const parametersTree = 'actions[parameters[name,value],causes[userId,userName]]';
const definitionsTree = 'property[parameterDefinitions[name,type,description,choices,defaultParameterValue[value]]]';
const listedTree = `number,queueId,building,result,timestamp,duration,${parametersTree}`;
const queueTree = `items[id,why,inQueueSince,task[url],${parametersTree}]`;
const itemTree = 'id,why,cancelled,inQueueSince,executable[number],task[url]';
const buildTree = `${listedTree},estimatedDuration,artifacts[relativePath,fileName]`;

/** Jenkins lists so many builds of a job by itself (hudson.model.Job, `builds`); for more it has to read its whole history. */
const recent = 100;
/** How far back an older history is read when a cluster is not among the recent builds. */
const furthest = 2_100;
const page = 500;

/** What the jobs of a provisioner have done and are about to do. */
export interface History {
  jobs: Partial<Record<Purpose, Job>>;
  /** Oldest first. */
  builds: Build[];
  /** Whether a job may have more builds than were read. */
  more: boolean;
  /** The time at Jenkins, epoch milliseconds. */
  now: number;
}

/** KQueen's mark of a cluster, as the value of the parameter for the id. */
export function markOf(target: Pick<Target, 'org' | 'cluster'>): string {
  return `${target.org}.${target.cluster}`;
}

/** Organisation and cluster in a mark; null for a value that is none of KQueen's. */
export function readMark(mark: string | undefined): { org: string; cluster: string } | null {
  const found = /^([\w-]+(?:\.[\w-]+)*)\.([\w-]+)$/.exec(mark ?? '');
  return found?.[1] && found[2] ? { org: found[1], cluster: found[2] } : null;
}

/** The handle of a build as an operation: what it is for, and the queue item, which every build remembers. */
export function handleOf(build: Build): string {
  return build.queueId > 0 ? `${build.purpose}:${build.queueId}` : `${build.purpose}:#${build.number ?? 0}`;
}

/** Reads a handle; null for what is none. */
export function readHandle(text: string | undefined): { purpose: Purpose; queueId: number } | null {
  const found = /^([a-z]+):(\d+)$/.exec(text ?? '');
  const purpose = purposes.find((each) => each === found?.[1]);
  return purpose && found?.[2] ? { purpose, queueId: Number(found[2]) } : null;
}

/** `folder/job#12` */
export function idOf(build: Build): string {
  return `${build.job}#${build.number ?? 0}`;
}

/** The build number in an `externalId` of this job; null for another's. */
export function numberIn(externalId: string | undefined, job: string): number | null {
  const at = externalId?.lastIndexOf('#') ?? -1;
  if (externalId === undefined || at < 0 || externalId.slice(0, at) !== job) return null;
  const number = Number(externalId.slice(at + 1));
  return Number.isInteger(number) && number > 0 ? number : null;
}

/** Path of a build. */
export function buildPath(job: string, number: number): string {
  return `${jobPath(job)}/${number}`;
}

/** One job with its parameters, without its builds. Throws `not-found` when there is none or it cannot be seen. */
export async function readJobAlone(
  jenkins: Jenkins,
  params: JenkinsProvisioner,
  purpose: Purpose,
  name: string,
  call: Call,
): Promise<Job> {
  const answer = await jenkins.get(`${jobPath(name)}/api/json`, call, `buildable,${definitionsTree}`);
  if (!answer) throw noJob(name);
  return readJob(params, purpose, name, readAnswer(JobAnswer, answer.body));
}

/** Everything recent, or with `deep` everything that Jenkins still has (within bounds). */
export async function readHistory(
  jenkins: Jenkins,
  params: JenkinsProvisioner,
  call: Call,
  deep = false,
): Promise<History> {
  const named = purposes.flatMap((purpose) => {
    const name = jobName(params, purpose);
    return name ? [{ purpose, name }] : [];
  });
  // The queue first: what leaves it in between is then found among the builds.
  const queue = await jenkins.get('/queue/api/json', call, queueTree);
  if (!queue) throw missing('queue');
  const { items } = readAnswer(QueueAnswer, queue.body);
  const names = [...new Set(named.map(({ name }) => name))];
  const answers = new Map<string, JobAnswer>();
  await Promise.all(names.map(async (name) => answers.set(name, await readJobBuilds(jenkins, name, deep, call))));

  const jobs: Partial<Record<Purpose, Job>> = {};
  for (const { purpose, name } of named) jobs[purpose] = readJob(params, purpose, name, answers.get(name) ?? {});
  const all: Build[] = [];
  let more = false;
  for (const name of names) {
    const own = named.filter((each) => each.name === name).flatMap(({ purpose }) => jobs[purpose] ?? []);
    const listed = answers.get(name);
    const builds = listed?.builds ?? [];
    more ||= builds.length >= recent && !deep;
    for (const each of builds) all.push(...buildsOf(params, own, each));
    for (const item of items) {
      if (isOf(item.task?.url, name)) all.push(...queuedOf(params, own, item));
    }
  }
  return { jobs, builds: inOrder(all), more, now: timeOf(queue.headers) };
}

async function readJobBuilds(jenkins: Jenkins, name: string, deep: boolean, call: Call): Promise<JobAnswer> {
  async function ask(tree: string): Promise<JobAnswer> {
    const answer = await jenkins.get(`${jobPath(name)}/api/json`, call, tree);
    if (!answer) throw noJob(name);
    return readAnswer(JobAnswer, answer.body);
  }
  const head = await ask(`buildable,${definitionsTree},builds[${listedTree}]`);
  const builds = [...(head.builds ?? [])];
  if (!deep || builds.length < recent) return { ...head, builds };
  // A build that begins in between moves the pages on: what comes twice is taken once.
  const known = new Set(builds.map(({ number }) => number));
  for (let from = recent; from < furthest; from += page) {
    const { allBuilds } = await ask(`allBuilds[${listedTree}]{${from},${from + page}}`);
    for (const build of allBuilds ?? []) {
      if (!known.has(build.number)) builds.push(build);
      known.add(build.number);
    }
    if ((allBuilds ?? []).length < page) break;
  }
  return { ...head, builds };
}

function noJob(name: string) {
  return missing(`job ${name}`);
}

/** One build with what it takes to show its progress; null when Jenkins has it no more. */
export async function readBuild(
  jenkins: Jenkins,
  job: Job,
  number: number,
  call: Call,
): Promise<{ build: Build; answer: BuildAnswer; now: number } | null> {
  const got = await jenkins.get(`${buildPath(job.name, number)}/api/json`, call, buildTree);
  if (!got) return null;
  const answer = readAnswer(BuildAnswer, got.body);
  return { build: buildOf(job, answer), answer, now: timeOf(got.headers) };
}

/** The time at Jenkins. Its own clock comes in whole seconds and is used only where ours differs from it. */
function timeOf(headers: HttpAnswer['headers']): number {
  const date = Date.parse(String(headers.date ?? ''));
  return Number.isFinite(date) && Math.abs(date - Date.now()) > 2_000 ? date : Date.now();
}

/** A queue item, which Jenkins forgets five minutes after it has left the queue: then null. */
export async function readItem(jenkins: Jenkins, id: number, call: Call): Promise<ItemAnswer | null> {
  const got = await jenkins.get(`/queue/item/${id}/api/json`, call, itemTree);
  return got ? readAnswer(ItemAnswer, got.body) : null;
}

/** Oldest first. Queue ids only grow; a build that does not know its own is placed by time. */
export function inOrder(builds: Build[]): Build[] {
  return builds.toSorted((a, b) => {
    if (a.queueId > 0 && b.queueId > 0) return a.queueId - b.queueId;
    return a.at - b.at || (a.number ?? 0) - (b.number ?? 0);
  });
}

/** A job that serves several purposes is told apart by the fixed values of each. */
function serving(params: JenkinsProvisioner, jobs: Job[], values: Record<string, string>): Job | undefined {
  // One job that both scales and upgrades gets the same values for both.
  const distinct = jobs.filter((job) => job.purpose !== 'upgrade' || !jobs.some(({ purpose }) => purpose === 'scale'));
  if (distinct.length <= 1) return distinct[0];
  return distinct
    .filter(({ purpose }) => Object.entries(fixedOf(params, purpose)).every(([name, value]) => values[name] === value))
    .toSorted((a, b) => Object.keys(b.fixed).length - Object.keys(a.fixed).length)[0];
}

function buildsOf(params: JenkinsProvisioner, jobs: Job[], answer: BuildAnswer): Build[] {
  const job = serving(params, jobs, valuesIn(answer.actions));
  return job ? [buildOf(job, answer)] : [];
}

function buildOf(job: Job, answer: BuildAnswer): Build {
  const ended = answer.building !== true && Boolean(answer.result);
  const build: Build = {
    ...common(job, answer.actions),
    queueId: Math.max(0, answer.queueId ?? 0),
    number: answer.number,
    at: answer.timestamp,
    stage: ended ? stageOf(answer.result ?? '') : 'running',
  };
  if (ended && answer.result) {
    build.result = answer.result;
    build.endedAt = answer.timestamp + Math.max(0, answer.duration ?? 0);
  }
  return build;
}

function queuedOf(params: JenkinsProvisioner, jobs: Job[], item: ItemAnswer): Build[] {
  const job = serving(params, jobs, valuesIn(item.actions));
  if (!job || item.cancelled) return [];
  const build: Build = {
    ...common(job, item.actions),
    queueId: item.id,
    at: item.inQueueSince ?? 0,
    stage: 'queued',
  };
  if (item.why) build.why = item.why;
  return [build];
}

function common(job: Job, actions: BuildAnswer['actions']): Omit<Build, 'queueId' | 'at' | 'stage'> {
  const values = valuesIn(actions);
  const causes = (actions ?? []).flatMap((action) => action?.causes ?? []);
  const owner = causes.map((cause) => cause?.userName ?? cause?.userId).find(Boolean);
  const made: Omit<Build, 'queueId' | 'at' | 'stage'> = { purpose: job.purpose, job: job.name, values };
  const value = (parameter: string | undefined) => (parameter === undefined ? undefined : values[parameter]);
  const [name, mark, version] = [value(job.nameParameter), value(job.idParameter), value(job.versionParameter)];
  const nodes = Number(value(job.nodesParameter));
  if (name) made.name = name;
  if (mark) made.mark = mark;
  if (version) made.version = version;
  if (Number.isInteger(nodes) && nodes > 0) made.nodes = nodes;
  if (owner) made.owner = owner;
  return made;
}

function valuesIn(actions: BuildAnswer['actions']): Record<string, string> {
  const values = new Map<string, string>();
  for (const { name, value } of (actions ?? []).flatMap((action) => action?.parameters ?? [])) {
    if (value !== undefined && value !== null) values.set(name, String(value));
  }
  return Object.fromEntries(values);
}

function stageOf(result: string): Build['stage'] {
  if (result === 'SUCCESS') return 'done';
  return ['FAILURE', 'ABORTED', 'UNSTABLE', 'NOT_BUILT'].includes(result) ? 'failed' : 'strange';
}

/** Whether the address of a queued task, by whatever host and path Jenkins gives itself, is that of the job. */
function isOf(url: string | null | undefined, job: string): boolean {
  if (!url || !URL.canParse(url, 'http://jenkins')) return false;
  const { pathname } = new URL(url, 'http://jenkins');
  const own = new URL(jobPath(job), 'http://jenkins').pathname;
  const at = pathname.indexOf('/job/');
  return at >= 0 && pathname.slice(at).replace(/\/+$/, '') === own;
}
