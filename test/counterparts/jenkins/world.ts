/** Jobs, queue and builds of a Jenkins, on a clock that a test may move. Time passes when somebody looks (`settle`). */

/** hudson.model.ParameterDefinition by the simple name of its class. */
export interface ParameterDefinition {
  type: string;
  name: string;
  description?: string;
  choices?: string[];
  default?: string | boolean;
}

/** What a build will do, decided when it begins. */
export interface Course {
  ms: number;
  result: string;
  lines: { at: number; text: string }[];
  stages?: string[];
  artifacts?: Record<string, string>;
  /** It does not end before this. */
  ready?: Promise<unknown>;
  /** It waits for a person at this share of its time. */
  pausesAt?: number;
  ended?(result: string): void;
}

export interface Build {
  number: number;
  queueId: number;
  job: Job;
  values: Record<string, string>;
  by: string;
  startedAt: number;
  course: Course;
  ready: boolean;
  held: boolean;
  stopAt?: number;
  result?: string;
  endedAt?: number;
}

export interface Item {
  id: number;
  job: Job;
  values: Record<string, string>;
  by: string;
  since: number;
  due: number;
  /** When it left the queue, as a build or cancelled. */
  leftAt?: number;
  build?: Build;
  cancelled?: true;
}

export interface Job {
  fullName: string;
  pipeline: boolean;
  disabled: boolean;
  definitions: ParameterDefinition[] | null;
  builds: Build[];
  next: number;
  course(build: { values: Record<string, string>; number: number }): Course;
}

export interface World {
  now(): number;
  advance(ms: number): void;
  jobs: Map<string, Job>;
  items: Item[];
  /** How long an item waits for an executor, in milliseconds. */
  queueMs: number;
  /** No item leaves the queue while this holds. */
  executorsBusy: boolean;
  /** Builds that begin now stop before their end until `release`. */
  holding: boolean;
  release(): void;
  settle(): void;
  addJob(job: Pick<Job, 'fullName' | 'course'> & Partial<Job>): Job;
  /** Puts a build into the queue, or finds the identical item that waits there already. */
  schedule(job: Job, values: Record<string, string>, by: string, delayMs: number): { item: Item; created: boolean };
  cancel(item: Item): boolean;
  stop(build: Build): void;
  /** A build that has ended already. */
  remember(job: Job, values: Record<string, string>, by: string, agoMs: number, ms: number, result?: string): Build;
  /** The queue item of this number, until five minutes after it has left the queue (hudson.model.Queue, leftItems). */
  item(id: number): Item | undefined;
  console(build: Build): string;
}

const leftItemMs = 5 * 60_000;
/** How long a build takes to end after it was stopped, in milliseconds. */
const stopMs = 40;

export function makeWorld(): World {
  let offset = 0;
  let nextItem = 1;

  function begin(item: Item, at: number): Build {
    const { job, values } = item;
    const number = job.next;
    job.next += 1;
    const build: Build = {
      number,
      queueId: item.id,
      job,
      values,
      by: item.by,
      startedAt: at,
      course: job.course({ values, number }),
      ready: false,
      held: world.holding,
    };
    if (build.course.ready) {
      build.course.ready.then(
        () => {
          build.ready = true;
        },
        (error: unknown) => {
          build.course = { ...build.course, result: 'FAILURE', lines: [{ at: 0, text: `ERROR: ${String(error)}` }] };
          build.ready = true;
        },
      );
    } else build.ready = true;
    job.builds.unshift(build);
    Object.assign(item, { leftAt: at, build });
    return build;
  }

  function end(build: Build, result: string, at: number): void {
    build.result = result;
    build.endedAt = at;
    build.course.ended?.(result);
  }

  function settleBuild(build: Build, now: number): void {
    if (build.result !== undefined) return;
    if (build.stopAt !== undefined) {
      if (now >= build.stopAt + stopMs) end(build, 'ABORTED', build.stopAt + stopMs);
      return;
    }
    const due = build.startedAt + build.course.ms;
    if (now >= due && build.ready && !build.held && build.course.pausesAt === undefined) {
      end(build, build.course.result, build.course.ready ? now : due);
    }
  }

  const world: World = {
    jobs: new Map(),
    items: [],
    queueMs: 100,
    executorsBusy: false,
    holding: false,
    now: () => Date.now() + offset,
    advance(ms) {
      world.settle();
      offset += ms;
      world.settle();
    },
    release() {
      world.holding = false;
      for (const job of world.jobs.values()) for (const build of job.builds) build.held = false;
    },
    settle() {
      const now = world.now();
      for (const item of world.items) {
        if (item.leftAt !== undefined || world.executorsBusy || item.job.disabled) continue;
        if (now >= item.due + world.queueMs) begin(item, item.due + world.queueMs);
      }
      world.items = world.items.filter(({ leftAt }) => leftAt === undefined || now - leftAt < leftItemMs);
      for (const job of world.jobs.values()) for (const build of job.builds) settleBuild(build, now);
    },
    addJob(given) {
      const job: Job = { pipeline: false, disabled: false, definitions: null, builds: [], next: 1, ...given };
      world.jobs.set(job.fullName, job);
      return job;
    },
    schedule(job, values, by, delayMs) {
      world.settle();
      const same = world.items.find(
        (item) =>
          item.leftAt === undefined && item.job === job && JSON.stringify(item.values) === JSON.stringify(values),
      );
      if (same) return { item: same, created: false };
      const now = world.now();
      const item: Item = { id: nextItem, job, values, by, since: now, due: now + delayMs };
      nextItem += 1;
      world.items.push(item);
      return { item, created: true };
    },
    cancel(item) {
      world.settle();
      if (item.leftAt !== undefined) return false;
      item.leftAt = world.now();
      item.cancelled = true;
      return true;
    },
    stop(build) {
      world.settle();
      if (build.result === undefined) build.stopAt ??= world.now();
    },
    remember(job, values, by, agoMs, ms, result = 'SUCCESS') {
      const item: Item = { id: nextItem, job, values, by, since: world.now() - agoMs, due: world.now() - agoMs };
      nextItem += 1;
      const holding = world.holding;
      world.holding = false;
      const build = begin(item, world.now() - agoMs);
      world.holding = holding;
      build.course = { ...build.course, ms, result };
      end(build, result, build.startedAt + ms);
      return build;
    },
    item(id) {
      world.settle();
      return world.items.find((item) => item.id === id);
    },
    console(build) {
      const { course, by, result } = build;
      const share = result === undefined ? (world.now() - build.startedAt) / course.ms : 1;
      const until = build.held || course.pausesAt !== undefined ? Math.min(share, 0.5) : share;
      const lines = [`Started by user ${by}`, ...course.lines.filter(({ at }) => at <= until).map(({ text }) => text)];
      if (build.stopAt !== undefined) lines.push(`Aborted by ${by}`);
      if (result !== undefined) lines.push(`Finished: ${result}`);
      return `${lines.join('\n')}\n`;
    },
  };
  return world;
}
