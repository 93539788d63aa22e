import type { ManagedCluster } from '@azure/arm-containerservice';
import { z } from 'zod';
import type { Call, Operation } from '../../core/ports/engine.ts';
import { oneLine, scrub } from '../scrub.ts';
import { type Arm, azureCode } from './arm.ts';
import { readError, reasonOf } from './meanings.ts';

/** What an operation was begun for. */
export type Act = 'create' | 'delete' | 'change' | 'upgrade' | 'scale' | 'stop' | 'start' | 'tag';

/** All that is needed to ask for an operation again: it is saved with the job. */
const Handle = z.object({
  name: z.string(),
  act: z.enum(['create', 'delete', 'change', 'upgrade', 'scale', 'stop', 'start', 'tag']),
  /**
   * Where it answers, a path and query of the resource manager with Azure's signature (t, c, s and h) in it. Absent when its answer was
   * lost: then the cluster's own state tells.
   */
  path: z.string().optional(),
  /** `operation` answers with a status in its body, `result` with 202 until it is over. */
  kind: z.enum(['operation', 'result']).optional(),
});
export type Handle = z.infer<typeof Handle>;

/** The part of a serialised poller of the SDK (core-lro) that says where the operation answers. */
const PollerState = z.object({
  state: z.object({
    config: z.object({
      operationLocation: z.string().nullish(),
      resourceLocation: z.string().nullish(),
      metadata: z.object({ mode: z.string().nullish() }).nullish(),
    }),
  }),
});

/** A poller of the SDK, as much of it as is used. */
export interface Poller {
  submitted(): Promise<void>;
  serialize(): Promise<string>;
}

/** Longest handle that is kept whole, in characters; signed addresses have some 3,000. */
const longestPath = 15_000;

/** Waits until Azure has taken the request, and makes a handle of the poller's serialised state. */
export async function handleOf(poller: Poller, name: string, act: Act): Promise<Operation> {
  await poller.submitted();
  const { config } = PollerState.parse(JSON.parse(await poller.serialize())).state;
  const address = config.operationLocation;
  const handle: Handle = { name, act };
  if (address && URL.canParse(address)) {
    const { pathname, search } = new URL(address);
    if (pathname.length + search.length <= longestPath) {
      handle.path = pathname + search;
      handle.kind = config.metadata?.mode === 'ResourceLocation' ? 'result' : 'operation';
    }
  }
  return { id: JSON.stringify(handle) };
}

/** The handle of an operation whose answer was lost, or that somebody else began: told by the cluster's state. */
export function handleFor(found: ManagedCluster, name: string): string {
  const acts: Record<string, Act> = {
    creating: 'create',
    accepted: 'create',
    deleting: 'delete',
    scaling: 'scale',
    upgrading: 'upgrade',
    stopping: 'stop',
    starting: 'start',
  };
  const state = (found.provisioningState ?? '').toLowerCase();
  const act = Object.hasOwn(acts, state) ? acts[state] : undefined;
  return JSON.stringify({ name, act: act ?? 'change' } satisfies Handle);
}

/** The handle in a saved id; null for one that is not ours, or about another cluster. */
export function readHandle(id: string | undefined, name: string): Handle | null {
  if (!id) return null;
  try {
    const read = Handle.safeParse(JSON.parse(id));
    return read.success && read.data.name === name ? read.data : null;
  } catch {
    return null;
  }
}

/** How an operation stands. `superseded`: another one took its place; `unknown`: Azure does not tell (any more). */
export interface Standing {
  status: 'running' | 'done' | 'failed' | 'superseded' | 'unknown';
  /** The provider's own first useful sentence. */
  message?: string;
  /** The whole answer, scrubbed. */
  detail?: string;
  /** Azure's code. */
  code?: string;
}

/** Of the answer of an operation's address (https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations). */
const Status = z.object({ status: z.string(), error: z.unknown().optional() });

/** Asks the operation itself, since the SDK's poller loses the code of a failure. A read. */
export async function standingOf(arm: Arm, handle: Handle, call: Call): Promise<Standing> {
  const { path } = handle;
  if (!path?.startsWith('/subscriptions/')) return { status: 'unknown' };
  let answer: { status: number; body: unknown };
  try {
    answer = await arm.read(call, () => arm.get(path));
  } catch (thrown) {
    // Azure forgets an operation some time after its end.
    if (azureCode(thrown)?.status === 404) return { status: 'unknown' };
    throw thrown;
  }
  const read = Status.safeParse(answer.body);
  if (!read.success) {
    if (handle.kind === 'result' || answer.body === undefined)
      return { status: answer.status === 202 ? 'running' : 'done' };
    return { status: 'unknown' };
  }
  const error = readError(read.data.error);
  switch (read.data.status.toLowerCase()) {
    case 'succeeded':
      return { status: error?.code === 'NotLatestOperation' ? 'superseded' : 'done' };
    case 'failed':
    case 'canceled':
    case 'cancelled': {
      const reason = error ? reasonOf(error) : '';
      const cancelled = read.data.status.toLowerCase() !== 'failed';
      const standing: Standing = {
        status: error?.code === 'OperationPreempted' || error?.code === 'NotLatestOperation' ? 'superseded' : 'failed',
        message: oneLine(reason || (cancelled ? 'It was cancelled at Azure.' : 'Azure does not say why.'), arm.secrets),
        detail: scrub(JSON.stringify(answer.body, null, 2), arm.secrets),
      };
      if (error?.code) standing.code = error.code;
      return standing;
    }
    default:
      return { status: 'running' };
  }
}
