import type { SandboxClock } from './clock.ts';
import { type Failure, type OperationRecord, type Step, stepsOf } from './cloud-records.ts';

/** What an operation does to the world. */
export type CloudActions = {
  save: (operation: OperationRecord) => void;
  finishStep: (operation: OperationRecord, step: string) => void;
  /** Whether all nodes are Ready, or why they will never be. */
  nodesReady: (operation: OperationRecord) => boolean | Failure;
  done: (operation: OperationRecord) => void;
  failed: (operation: OperationRecord, error: Failure) => void;
};

/** How often, in real ms, and how many times nodes are looked at that should be Ready. */
const LOOK_EVERY = 50;
const LOOKS = 3600;

type Course = { began: number; cancel: () => void };

/** Lets operations go through their steps on the sandbox's clock; an operation that was under way goes on after a restart. */
export class OperationRunner {
  readonly #clock: SandboxClock;
  readonly #actions: CloudActions;
  readonly #courses = new Map<string, Course>();
  #stopped = false;

  constructor(clock: SandboxClock, actions: CloudActions) {
    this.#clock = clock;
    this.#actions = actions;
  }

  /** Begins, or goes on with, the step that the operation is at. */
  start(operation: OperationRecord): void {
    const steps = stepsOf(operation);
    const step = steps[operation.stepIndex];
    if (step === undefined) {
      this.#courses.delete(operation.id);
      this.#actions.done(operation);
      return;
    }
    const course: Course = { began: this.#clock.now(), cancel: () => undefined };
    this.#courses.set(operation.id, course);
    const until = faultTime(operation, steps);
    if (until !== undefined && until <= operation.elapsed + step.ms) {
      const fail = operation.fault?.fail;
      course.cancel = this.#clock.after(until - operation.elapsed, () => {
        if (fail === undefined) return;
        this.#courses.delete(operation.id);
        operation.elapsed = until;
        this.#actions.failed(operation, fail);
      });
      return;
    }
    course.cancel = this.#clock.after(step.ms, () => this.#finish(operation, step, 0));
  }

  #finish(operation: OperationRecord, step: Step, looks: number): void {
    if (this.#stopped) return;
    const ready = step.name !== 'Checking nodes' || this.#actions.nodesReady(operation);
    if (typeof ready !== 'boolean') {
      this.#courses.delete(operation.id);
      this.#actions.failed(operation, ready);
      return;
    }
    if (!ready) {
      if (looks >= LOOKS) {
        this.#courses.delete(operation.id);
        this.#actions.failed(operation, { code: 'nodes_not_ready', message: 'Not all nodes became ready in time.' });
        return;
      }
      const timer = setTimeout(() => this.#finish(operation, step, looks + 1), LOOK_EVERY);
      const course = this.#courses.get(operation.id);
      if (course !== undefined) course.cancel = () => clearTimeout(timer);
      return;
    }
    this.#actions.finishStep(operation, step.name);
    operation.stepIndex += 1;
    operation.elapsed += step.ms;
    this.#actions.save(operation);
    this.start(operation);
  }

  /** Begins the present step anew, after what held it up is gone. */
  restart(operation: OperationRecord): void {
    this.cancel(operation);
    this.#actions.save(operation);
    this.start(operation);
  }

  /** Ends an operation's course; what it did stays. */
  cancel(operation: OperationRecord): void {
    this.#courses.get(operation.id)?.cancel();
    this.#courses.delete(operation.id);
  }

  /** Ends all courses. */
  stop(): void {
    this.#stopped = true;
    for (const course of this.#courses.values()) course.cancel();
    this.#courses.clear();
  }

  /** Where an operation stands: whole percent, 100 only when it is done, and the step by name. */
  progress(operation: OperationRecord): { percent: number; step: string } {
    const steps = stepsOf(operation);
    if (operation.status === 'done') return { percent: 100, step: 'Done' };
    const step = steps[operation.stepIndex] ?? steps.at(-1);
    const course = this.#courses.get(operation.id);
    const spent = course === undefined ? 0 : Math.min(this.#clock.now() - course.began, step?.ms ?? 0);
    const limit = faultTime(operation, steps) ?? Number.POSITIVE_INFINITY;
    const total = totalOf(steps);
    const percent = Math.floor((Math.min(operation.elapsed + spent, limit) / total) * 100 + 1e-9);
    return { percent: Math.min(percent, 99), step: step?.name ?? '' };
  }
}

function totalOf(steps: readonly Step[]): number {
  return steps.reduce((sum, step) => sum + step.ms, 0);
}

/** When, in ms from the operation's start, its fault strikes. */
function faultTime(operation: OperationRecord, steps: readonly Step[]): number | undefined {
  if (operation.fault === undefined) return undefined;
  return (operation.fault.atPercent / 100) * totalOf(steps);
}
