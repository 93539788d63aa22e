/** What every view and every work of src/kube is written with. */
import { Fault } from '../core/errors.ts';
import type { Call } from '../core/ports/engine.ts';
import type { Looked, Work, WorkPlan, WorkStep } from '../core/ports/work.ts';
import type { Client } from './client.ts';

/** A request in the API's own words, for what the typed APIs would change on the way (unknown fields, CRDs) or do not know. */
export interface RawRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Begins with a slash, its parts percent-encoded; may have a query. */
  path: string;
  body?: unknown;
  /** Of the body; default `application/json`. */
  contentType?: string;
  /** What the answer is to be, such as a list of metadata alone; default `application/json`. */
  accept?: string;
}

/** One cluster's API for the length of one call. */
export interface Talk {
  client: Client;
  /** The answer's JSON. Every answer that is no success is a Fault: `not-found` for 404, `conflict` for 409, and so on. */
  raw(request: RawRequest): Promise<Record<string, unknown>>;
  /** The answer as text, such as a log. */
  text(path: string): Promise<string>;
  /** Epoch milliseconds. */
  now(): number;
  call: Call;
}

/** A read-only look. One file in src/kube/views and one line in its registry. */
export interface View {
  name: string;
  look(talk: Talk, args: Record<string, string>): Promise<Looked>;
}

/** A change of what is in a cluster. One file in src/kube/works and one line in its registry. */
export interface WorkOperation {
  op: string;
  /** Changes nothing. */
  plan(talk: Talk, work: Omit<Work, 'progress'>): Promise<WorkPlan>;
  /** Does the next step, within the call's deadline (about ten seconds), and is safe to repeat. */
  step(talk: Talk, work: Work): Promise<WorkStep>;
}

/** The entry of that name, or an `unsupported` Fault. */
export function named<T>(registry: Readonly<Record<string, T>>, name: string): T {
  const found = Object.hasOwn(registry, name) ? registry[name] : undefined;
  if (found) return found;
  throw new Fault('unsupported', `KQueen does not know how to ${name} in a cluster.`, { whose: 'kqueen' });
}
