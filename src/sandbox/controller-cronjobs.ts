import { ApiFailure } from './controller-client.ts';
import { endOf } from './controller-jobs.ts';
import { controlledBy } from './controller-pod-template.ts';
import { controllerOf, deleteObject, isEnding, nameOf, patchStatus, tell, type World } from './controller-world.ts';
import { type JsonObject, numberAt, objectAt, sameJson, textAt, textsAt } from './json.ts';

const MINUTE = 60_000;
const NAMED: Record<string, string> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

/** The numbers that a field of a schedule means, or undefined when it is none. */
function fieldOf(text: string, least: number, most: number): Set<number> | undefined {
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\*|\d+(?:-\d+)?)(?:\/(\d+))?$/.exec(part);
    if (match === null) return undefined;
    const [, range = '*', step] = match;
    const [from = '', to = ''] = range.split('-');
    const first = range === '*' ? least : Number(from);
    const last = range === '*' ? most : to !== '' ? Number(to) : step === undefined ? first : most;
    for (let value = first; value <= last; value += Number(step ?? 1) || 1) found.add(value);
  }
  return found;
}

/** Whether a schedule (five fields, UTC) wants a run in the minute of a time; undefined when it is no schedule. */
export function isDue(schedule: string, time: Date): boolean | undefined {
  const fields = (NAMED[schedule] ?? schedule).trim().split(/\s+/);
  if (fields.length !== 5) return undefined;
  const bounds: [number, number][] = [
    [0, 59],
    [0, 23],
    [1, 31],
    [1, 12],
    [0, 7],
  ];
  const sets = fields.map((field, index) => fieldOf(field, bounds[index]?.[0] ?? 0, bounds[index]?.[1] ?? 0));
  const [minute, hour, day, month, weekday] = sets;
  if (!minute || !hour || !day || !month || !weekday) return undefined;
  const today = time.getUTCDay();
  const onDay = day.has(time.getUTCDate());
  const onWeekday = weekday.has(today) || (today === 0 && weekday.has(7));
  const free = (field: string | undefined): boolean => field?.startsWith('*') === true;
  const dayFits = free(fields[2]) || free(fields[4]) ? onDay && onWeekday : onDay || onWeekday;
  return (
    minute.has(time.getUTCMinutes()) && hour.has(time.getUTCHours()) && month.has(time.getUTCMonth() + 1) && dayFits
  );
}

/** Runs CronJobs by the wall clock, whatever the sandbox's speed. */
export class CronJobs {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Looks at one CronJob; the answer is the real ms until the next minute. */
  async reconcile(key: string): Promise<number | undefined> {
    const cron = this.#world.kinds.cronjobs.items.get(key);
    if (cron === undefined || isEnding(cron)) return undefined;
    const { uid } = nameOf(cron);
    const jobs = [...this.#world.kinds.jobs.items.values()].filter((job) => controllerOf(job)?.uid === uid);
    let active = jobs.filter((job) => endOf(job) === undefined && !isEnding(job));
    const minute = Math.floor(Date.now() / MINUTE);
    const due = isDue(textAt(cron, 'spec', 'schedule') ?? '', new Date(minute * MINUTE)) === true;
    const last = Date.parse(textAt(cron, 'status', 'lastScheduleTime') ?? '1970-01-01T00:00:00Z');
    const made = Date.parse(textAt(cron, 'metadata', 'creationTimestamp') ?? '');
    const policy = textAt(cron, 'spec', 'concurrencyPolicy');
    const blocked = policy === 'Forbid' && active.length > 0;
    let scheduled = textAt(cron, 'status', 'lastScheduleTime');
    const fresh = minute * MINUTE > last && minute * MINUTE >= Math.floor(made / MINUTE) * MINUTE;
    if (due && fresh && !blocked && objectAt(cron, 'spec').suspend !== true) {
      if (policy === 'Replace') {
        for (const job of active) await deleteObject(this.#world, 'jobs', job, { propagationPolicy: 'Background' });
        active = [];
      }
      const job = await this.#start(cron, minute);
      if (job !== undefined) active.push(job);
      scheduled = `${new Date(minute * MINUTE).toISOString().slice(0, 19)}Z`;
    }
    await this.#forget(cron, jobs);
    const done = jobs
      .filter((job) => endOf(job) === 'Complete')
      .map((job) => textAt(job, 'status', 'completionTime') ?? '');
    const status: JsonObject = {
      ...(active.length === 0
        ? {}
        : { active: active.map((job) => ({ kind: 'Job', apiVersion: 'batch/v1', ...nameOf(job) })) }),
      ...(scheduled === undefined ? {} : { lastScheduleTime: scheduled }),
      ...(done.length === 0 ? {} : { lastSuccessfulTime: done.sort().at(-1) }),
    };
    if (!sameJson(objectAt(cron, 'status'), status)) {
      await patchStatus(this.#world, 'cronjobs', cron, { active: null, ...status });
    }
    return MINUTE - (Date.now() % MINUTE) + 50;
  }

  async #start(cron: JsonObject, minute: number): Promise<JsonObject | undefined> {
    const { namespace, name } = nameOf(cron);
    const template = objectAt(cron, 'spec', 'jobTemplate');
    const body = {
      kind: 'Job',
      apiVersion: 'batch/v1',
      metadata: {
        name: `${name}-${minute}`,
        namespace,
        labels: textsAt(template, 'metadata', 'labels'),
        annotations: textsAt(template, 'metadata', 'annotations'),
        ownerReferences: [controlledBy(cron)],
      },
      spec: objectAt(template, 'spec'),
    };
    try {
      const job = await this.#world.api.request('POST', `/apis/batch/v1/namespaces/${namespace}/jobs`, body);
      tell(this.#world, cron, 'Normal', 'SuccessfulCreate', `Created job ${name}-${minute}`, 'cronjob-controller');
      return job;
    } catch (error) {
      if (error instanceof ApiFailure && error.reason === 'AlreadyExists') return undefined;
      throw error;
    }
  }

  /** Deletes ended Jobs beyond what is to be kept. */
  async #forget(cron: JsonObject, jobs: readonly JsonObject[]): Promise<void> {
    for (const [end, limit] of [
      ['Complete', numberAt(cron, 'spec', 'successfulJobsHistoryLimit') ?? 3],
      ['Failed', numberAt(cron, 'spec', 'failedJobsHistoryLimit') ?? 1],
    ] as const) {
      const made = (job: JsonObject): string => textAt(job, 'metadata', 'creationTimestamp') ?? '';
      const ended = jobs
        .filter((job) => endOf(job) === end && !isEnding(job))
        .sort((a, b) => (made(a) < made(b) ? 1 : -1));
      for (const job of ended.slice(limit)) {
        await deleteObject(this.#world, 'jobs', job, { propagationPolicy: 'Background' });
      }
    }
  }
}
