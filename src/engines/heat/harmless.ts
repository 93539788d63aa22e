import { Fault } from '../../core/errors.ts';

/**
 * What was thrown by a POST that changes nothing (a sign-in, a validation): whether it arrived is of no consequence, so its outcome is not
 * called unknown.
 */
export function harmless(thrown: unknown): unknown {
  if (!(thrown instanceof Fault) || !thrown.outcomeUnknown) return thrown;
  const { kind, message, whose, retryable, next, field, retryAfterMs, detail, cause } = thrown;
  return new Fault(kind, message, {
    whose,
    retryable,
    cause,
    ...(next === undefined ? {} : { next }),
    ...(field === undefined ? {} : { field }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(detail === undefined ? {} : { detail }),
  });
}
