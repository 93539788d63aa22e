import { Fault } from '../core/errors.ts';

/** Throws the Fault of a method that an engine has no capability for; commands refuse before it comes to this. */
export function cannot(title: string, operation: string): never {
  throw new Fault('unsupported', `${title} cannot ${operation} a cluster.`, { whose: 'caller', retryable: false });
}
