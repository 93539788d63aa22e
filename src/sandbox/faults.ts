import { z } from 'zod';
import type { Failure, OperationType } from './cloud-records.ts';
import type { Exchange } from './exchange.ts';
import { isObject } from './json.ts';

const TIMES = z.number().int().min(1).nullable().default(null);

const REQUEST_FAULT = z.strictObject({
  match: z
    .strictObject({ method: z.string().toUpperCase().optional(), pathPrefix: z.string().default('/') })
    .prefault({}),
  times: TIMES,
  effect: z.union([
    z.strictObject({
      status: z.number().int().min(400).max(599),
      code: z.string().default('injected'),
      message: z.string().default('This call failed.'),
      retryAfterSeconds: z.number().min(0).optional(),
    }),
    z.strictObject({ delayMs: z.number().min(0) }),
    z.strictObject({ hang: z.literal(true) }),
    z.strictObject({ loseAnswer: z.literal(true) }),
    z.strictObject({ dropBefore: z.literal(true) }),
    z.strictObject({ truncate: z.literal(true) }),
    z.strictObject({ html: z.literal(true) }),
  ]),
});

const OPERATION_FAULT = z.strictObject({
  operation: z.enum(['create', 'update', 'delete']),
  /** Only for clusters whose name begins so. */
  clusterPrefix: z.string().default(''),
  times: TIMES,
  effect: z.union([
    z.strictObject({
      fail: z.strictObject({
        code: z.string().default('internal'),
        message: z.string(),
        atPercent: z.number().min(0).max(100).default(60),
      }),
    }),
    z.strictObject({ stuckAtPercent: z.number().min(0).max(99) }),
  ]),
});

/** `then` is accepted for `effect`: it reads better in JSON, and linters refuse objects with a member of that name. */
function withEffect(value: unknown): unknown {
  if (!isObject(value) || !('then' in value)) return value;
  const { then: effect, ...rest } = value;
  return { ...rest, effect };
}

/** The body of `PUT /v1/admin/faults`. */
export const FAULTS = z.array(z.preprocess(withEffect, z.union([REQUEST_FAULT, OPERATION_FAULT])));

/** One fault on demand; `times` counts down, null is for ever. */
export type Fault = z.infer<typeof FAULTS>[number];

/** The faults that are asked for at the moment. */
export class Faults {
  #faults: Fault[] = [];

  /** All faults that still wait for a match. */
  list(): Fault[] {
    return this.#faults;
  }

  /** Replaces the list. */
  set(faults: Fault[]): void {
    this.#faults = faults;
  }

  #use(fault: Fault): void {
    if (fault.times === null) return;
    fault.times -= 1;
    if (fault.times === 0) this.#faults = this.#faults.filter((other) => other !== fault);
  }

  /**
   * Does to a request what the first matching fault wants; the answer is whether the request may go on to be worked on.
   * `refuse` writes an error in the wording of the API that was asked.
   */
  async apply(
    exchange: Exchange,
    refuse: (status: number, code: string, message: string, retryAfter?: number) => void,
  ): Promise<boolean> {
    const { method, path } = exchange;
    for (const fault of this.#faults) {
      if (!('match' in fault)) continue;
      if (fault.match.method !== undefined && fault.match.method !== method) continue;
      if (!path.startsWith(fault.match.pathPrefix)) continue;
      this.#use(fault);
      const { effect } = fault;
      if ('status' in effect) {
        refuse(effect.status, effect.code, effect.message, effect.retryAfterSeconds);
        return false;
      }
      if ('delayMs' in effect) {
        await new Promise((resolve) => setTimeout(resolve, effect.delayMs));
        return true;
      }
      if ('hang' in effect) return false;
      if ('dropBefore' in effect) {
        exchange.cut();
        return false;
      }
      if ('loseAnswer' in effect) exchange.fate = 'lose';
      if ('truncate' in effect) exchange.fate = 'truncate';
      if ('html' in effect) exchange.fate = 'html';
      return true;
    }
    return true;
  }

  /** Takes the fault, if any, that an operation which begins now will meet. */
  take(operation: OperationType, cluster: string): { fail?: Failure; atPercent: number } | undefined {
    for (const fault of this.#faults) {
      if (!('operation' in fault) || fault.operation !== operation || !cluster.startsWith(fault.clusterPrefix))
        continue;
      this.#use(fault);
      if ('stuckAtPercent' in fault.effect) return { atPercent: fault.effect.stuckAtPercent };
      const { code, message, atPercent } = fault.effect.fail;
      return { fail: { code, message }, atPercent };
    }
    return undefined;
  }
}
