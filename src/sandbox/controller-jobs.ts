import { makePod, podOf } from './controller-pod-template.ts';
import {
  controllerOf,
  deleteObject,
  isActive,
  isEnding,
  isReady,
  nameOf,
  now,
  patchStatus,
  tell,
  type World,
} from './controller-world.ts';
import { type JsonObject, numberAt, objectAt, objectsAt, sameJson, textAt } from './json.ts';

function phaseOf(pod: JsonObject): string {
  return textAt(pod, 'status', 'phase') ?? '';
}

function condition(type: string, reason: string, message: string): JsonObject {
  const time = now();
  return { type, status: 'True', reason, message, lastProbeTime: time, lastTransitionTime: time };
}

/** Whether a Job has ended, and how. */
export function endOf(job: JsonObject): 'Complete' | 'Failed' | undefined {
  const found = objectsAt(job, 'status', 'conditions').find(
    (entry) => (entry.type === 'Complete' || entry.type === 'Failed') && entry.status === 'True',
  );
  return found?.type === 'Complete' ? 'Complete' : found === undefined ? undefined : 'Failed';
}

/** Runs Jobs: pods until enough of them have succeeded, or too many have failed. */
export class Jobs {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  #podsOf(uid: string): JsonObject[] {
    return [...this.#world.kinds.pods.items.values()].filter((pod) => controllerOf(pod)?.uid === uid);
  }

  /** Looks at one Job; the answer is after how many real ms it wants to be looked at again. */
  async reconcile(key: string): Promise<number | undefined> {
    const job = this.#world.kinds.jobs.items.get(key);
    if (job === undefined || isEnding(job)) return undefined;
    const spec = objectAt(job, 'spec');
    if (endOf(job) !== undefined) return await this.#afterEnd(job);
    const { uid, name } = nameOf(job);
    const started = textAt(job, 'status', 'startTime') ?? now();
    const pods = this.#podsOf(uid);
    const active = pods.filter(isActive);
    const succeeded = pods.filter((pod) => phaseOf(pod) === 'Succeeded').length;
    const failed = pods.filter((pod) => phaseOf(pod) === 'Failed').length;
    const completions = numberAt(spec, 'completions') ?? 1;
    const conditions: JsonObject[] = [];
    const deadline = numberAt(spec, 'activeDeadlineSeconds');
    const left =
      deadline === undefined ? undefined : Date.parse(started) + this.#world.real(deadline * 1000) - Date.now();
    if (succeeded >= completions) {
      conditions.push(
        condition('SuccessCriteriaMet', 'CompletionsReached', 'Reached expected number of succeeded pods'),
        condition('Complete', 'CompletionsReached', 'Reached expected number of succeeded pods'),
      );
    } else if (failed > (numberAt(spec, 'backoffLimit') ?? 6)) {
      const why = 'Job has reached the specified backoff limit';
      conditions.push(condition('FailureTarget', 'BackoffLimitExceeded', why));
      conditions.push(condition('Failed', 'BackoffLimitExceeded', why));
    } else if (left !== undefined && left <= 0) {
      const why = 'Job was active longer than specified deadline';
      conditions.push(
        condition('FailureTarget', 'DeadlineExceeded', why),
        condition('Failed', 'DeadlineExceeded', why),
      );
    } else if (spec.suspend === true) {
      conditions.push(condition('Suspended', 'JobSuspended', 'Job suspended'));
    }
    if (conditions.length > 0) {
      for (const pod of active) await deleteObject(this.#world, 'pods', pod);
    } else {
      const parallel = Math.min(numberAt(spec, 'parallelism') ?? 1, completions - succeeded);
      for (let missing = parallel - active.length; missing > 0; missing -= 1) {
        const made = await makePod(this.#world, podOf(job, `${name}-`));
        if (made === undefined) continue;
        tell(this.#world, job, 'Normal', 'SuccessfulCreate', `Created pod: ${nameOf(made).name}`, 'job-controller');
      }
    }
    const running = conditions.length > 0 ? [] : this.#podsOf(uid).filter(isActive);
    const kept = objectsAt(job, 'status', 'conditions').filter((entry) => entry.type === 'Suspended');
    const same = kept.length > 0 && conditions[0]?.type === 'Suspended' ? kept : conditions;
    const status: JsonObject = {
      startTime: started,
      active: running.length,
      ready: running.filter(isReady).length,
      terminating: 0,
      succeeded,
      failed,
      uncountedTerminatedPods: {},
      conditions: same,
      ...(conditions.some((entry) => entry.type === 'Complete') ? { completionTime: now() } : {}),
    };
    if (!sameJson(objectAt(job, 'status'), status)) await patchStatus(this.#world, 'jobs', job, status);
    if (conditions.some((entry) => entry.type === 'Complete')) {
      tell(this.#world, job, 'Normal', 'Completed', 'Job completed', 'job-controller');
    }
    return left === undefined || conditions.length > 0 ? undefined : Math.max(left, 1);
  }

  async #afterEnd(job: JsonObject): Promise<number | undefined> {
    const keep = numberAt(job, 'spec', 'ttlSecondsAfterFinished');
    if (keep === undefined) return undefined;
    const ended = objectsAt(job, 'status', 'conditions').at(-1);
    const until = Date.parse(textAt(ended, 'lastTransitionTime') ?? now()) + this.#world.real(keep * 1000);
    if (until > Date.now()) return until - Date.now();
    await deleteObject(this.#world, 'jobs', job, { propagationPolicy: 'Foreground' });
    return undefined;
  }
}
