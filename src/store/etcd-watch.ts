/**
 * A watch on etcd's own stream. It remembers the last revision it has handed over and begins again right after it, whatever
 * happened to the stream; it asks the server for a sign of life every second, because a half-open connection looks like a quiet one.
 */
import type { Etcd3, IWatchRequest, IWatchResponse } from 'etcd3';
import type { Fault } from '../core/errors.ts';
import type { Watch, WatchEvent, WatchHandlers } from './driver.ts';
import { etcdFailure, unreachableFault } from './etcd-faults.ts';
import type { Members } from './etcd-members.ts';
import { silentStream } from './etcd-members.ts';

export interface WatchSettings {
  start: Buffer;
  end: Buffer;
  fromRevision: number;
  handlers: WatchHandlers;
  /** How often it asks for a sign of life, in milliseconds. */
  heartbeatMs: number;
}

/** How far a watch has come, over all its streams. */
interface Position {
  /** Revision of the last change it handed over. */
  seen: number;
  /** Nothing up to here can come any more: where the next stream may begin. */
  safe: number;
}

type Ending = { kind: 'compacted' } | { kind: 'closed' } | { kind: 'failed'; fault: Fault };
type Stream = Awaited<ReturnType<Etcd3['watchClient']['watch']>>;

/**
 * etcd sends the backlog of a late watch every 100 ms, apart from its answers to progress requests (before 3.4.25 and 3.5.8 not even
 * in order with them, etcd#15220). A watch that was behind counts as in step only after this much quiet.
 */
const settleMs = 300;
/** For the same reason a progress answer is believed for good only when no earlier change has come in this time after it. */
const believeMs = 1_000;
const firstRetryMs = 100;
const lastRetryMs = 2_000;

/** Begins to watch and goes on until it is closed or told that its revisions are gone. */
export function watchEtcd(members: Members, settings: WatchSettings): Watch {
  const { handlers } = settings;
  const ending = new AbortController();
  const state: Position = { seen: settings.fromRevision - 1, safe: settings.fromRevision - 1 };
  let session: Session | undefined;

  async function run(): Promise<void> {
    let waitMs = firstRetryMs;
    while (!ending.signal.aborted) {
      const startedAt = Date.now();
      const client = members.current();
      const ended = await openSession(client);
      if (ending.signal.aborted || ended.kind === 'closed') return;
      if (ended.kind === 'compacted') {
        handlers.compacted();
        return;
      }
      handlers.down(ended.fault);
      members.turnFrom(client);
      // A stream that held for a while ended for a new reason.
      if (Date.now() - startedAt > 10_000) waitMs = firstRetryMs;
      await pause(waitMs, ending.signal);
      waitMs = Math.min(waitMs * 2, lastRetryMs);
      await knock();
    }
  }

  /** An ordinary read first: it renews an expired token, which a stream cannot, and finds a member that answers. */
  async function knock(): Promise<void> {
    try {
      await members.call((client, attempt) => client.kv.range({ key: settings.start, keys_only: true }, attempt), {
        writes: false,
      });
    } catch (error) {
      if (!ending.signal.aborted) handlers.down(etcdFailure(error, { writes: false }).fault);
    }
  }

  async function openSession(client: Etcd3): Promise<Ending> {
    let stream: Stream;
    try {
      stream = await client.watchClient.watch();
    } catch (error) {
      return { kind: 'failed', fault: etcdFailure(error, { writes: false }).fault };
    }
    session = makeSession(stream, settings, state, members.deadlineMs);
    const close = () => session?.end({ kind: 'closed' });
    ending.signal.addEventListener('abort', close);
    if (ending.signal.aborted) close();
    const ended = await session.ended;
    ending.signal.removeEventListener('abort', close);
    session = undefined;
    return ended;
  }

  const running = run().catch((error: unknown) => {
    // Only a closed driver gets here: `current` has no member to give any more.
    if (!ending.signal.aborted) handlers.down(etcdFailure(error, { writes: false }).fault);
  });

  return {
    poke: () => session?.ask(),
    async close() {
      ending.abort();
      await running;
    },
  };
}

interface Session {
  /** Asks for a sign of life now. */
  ask(): void;
  end(how: Ending): void;
  ended: Promise<Ending>;
}

/** One stream from its opening to its end. */
function makeSession(
  stream: Stream,
  { start, end: rangeEnd, handlers, heartbeatMs }: WatchSettings,
  state: Position,
  deadlineMs: number,
): Session {
  const first = Math.max(state.seen, state.safe) + 1;
  const { promise: ended, resolve } = Promise.withResolvers<Ending>();
  let over = false;
  let created = false;
  /** When the answer we wait for was asked for; undefined when we wait for none. */
  let askedAt: number | undefined = Date.now();
  /** The revision of the first of two answers; the second one confirms it. */
  let announced: number | undefined;
  /** The last confirmed revision, until it is old enough to begin from. */
  let believed: { revision: number; at: number } | undefined;
  /** The revision at which the server took the watch: what is older is its backlog. */
  let backlogTo = Number.POSITIVE_INFINITY;
  let quietSince = Date.now();
  let fragments: WatchEvent[] = [];

  const heartbeat = setInterval(() => {
    if (askedAt !== undefined && Date.now() - askedAt > deadlineMs) end({ kind: 'failed', fault: silentStream() });
    else ask();
  }, heartbeatMs);

  function end(how: Ending): void {
    if (over) return;
    over = true;
    clearInterval(heartbeat);
    clearTimeout(settling);
    stream.cancel();
    resolve(how);
  }

  function send(request: IWatchRequest): void {
    try {
      stream.write(request);
    } catch (error) {
      end({ kind: 'failed', fault: etcdFailure(error, { writes: false }).fault });
    }
  }

  function ask(): void {
    if (over || !created || askedAt !== undefined) return;
    askedAt = Date.now();
    send({ progress_request: {} });
  }

  let settling: NodeJS.Timeout | undefined;

  function caughtUp(): boolean {
    if (first > backlogTo || state.seen >= backlogTo) return true;
    const quiet = Date.now() - quietSince;
    if (quiet >= settleMs) return true;
    clearTimeout(settling);
    settling = setTimeout(ask, settleMs - quiet + 10);
    return false;
  }

  function answered(revision: number): void {
    if (!caughtUp()) return;
    if (announced === undefined) {
      announced = revision;
      ask();
      return;
    }
    // Whatever was to come before the first answer has come before the second one.
    const confirmed = announced;
    announced = undefined;
    if (believed && Date.now() - believed.at >= believeMs) {
      state.safe = Math.max(state.safe, believed.revision);
      believed = undefined;
    }
    believed ??= { revision: confirmed, at: Date.now() };
    handlers.progress(Math.max(state.seen, confirmed));
  }

  function take(response: IWatchResponse): void {
    const revision = Number(response.header.revision);
    if (response.canceled) {
      if (Number(response.compact_revision) > 0) end({ kind: 'compacted' });
      else end({ kind: 'failed', fault: cancelFault(response.cancel_reason) });
      return;
    }
    if (response.created) {
      created = true;
      askedAt = undefined;
      quietSince = Date.now();
      backlogTo = revision;
      // A store that was put back to an older state will use these revisions for other changes.
      if (revision < first - 1) end({ kind: 'compacted' });
      else ask();
      return;
    }
    if (response.events.length === 0) {
      askedAt = undefined;
      answered(revision);
      return;
    }
    fragments.push(...response.events.map(toEvent));
    quietSince = Date.now();
    // A fragment may end in the middle of a revision.
    if (response.fragment) return;
    const events = fragments.filter((event) => event.revision > state.seen);
    fragments = [];
    const last = events.at(-1);
    if (!last) return;
    state.seen = last.revision;
    handlers.events(events);
  }

  stream.on('data', (response) => {
    if (!over) take(response);
  });
  stream.on('error', (error) => end({ kind: 'failed', fault: etcdFailure(error, { writes: false }).fault }));
  stream.on('end', () => end({ kind: 'failed', fault: unreachableFault('the watch stream ended', false) }));
  send({
    create_request: { key: start, range_end: rangeEnd, start_revision: first, progress_notify: true, fragment: true },
  });
  return { ask, end, ended };
}

function toEvent({ type, kv }: IWatchResponse['events'][number]): WatchEvent {
  return {
    key: kv.key.toString(),
    revision: Number(kv.mod_revision),
    // The wire has PUT and DELETE where the type says Put and Delete.
    ...(type.toUpperCase() === 'DELETE' ? {} : { value: kv.value.toString() }),
  };
}

function cancelFault(reason: string): Fault {
  const text = reason === '' ? 'the server cancelled the watch' : reason;
  return etcdFailure(new Error(`14 UNAVAILABLE: ${text}`), { writes: false }).fault;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
