/** Watches of the embedded store: the old changes from the file, then the new ones as they are committed. */
import { asFault } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Watch, WatchEvent, WatchHandlers } from './driver.ts';

/** Revisions read from the file at once; between two readings other work gets its turn. */
const revisionsAtOnce = 500;

interface Watcher {
  prefix: string;
  /** The first revision it has not been handed yet. */
  next: number;
  live: boolean;
  closed: boolean;
  handlers: WatchHandlers;
}

/** What the watches need of the store. */
export interface WatchSource {
  revision(): number;
  compacted(): number;
  /** Changes of the prefix in [first, last]. */
  history(prefix: string, first: number, last: number): WatchEvent[];
}

export interface Watches {
  open(prefix: string, fromRevision: number, handlers: WatchHandlers): Watch;
  /** Hands the changes of committed transactions to every live watch; `revision` is the store's after them. */
  publish(events: WatchEvent[], revision: number): void;
  close(): void;
}

/** Keeps the watches of one store. A handler that throws is logged and disturbs nobody else. */
export function openWatches(source: WatchSource, log: Log): Watches {
  const watchers = new Set<Watcher>();
  const waiting: { events: WatchEvent[]; revision: number }[] = [];
  let publishing = false;

  function tell(act: () => void): void {
    try {
      act();
    } catch (error) {
      log.error({ detail: asFault(error).detail }, 'a watch handler failed');
    }
  }

  function hand(watcher: Watcher, events: WatchEvent[], revision: number): void {
    const due = events.filter((event) => event.revision >= watcher.next && event.key.startsWith(watcher.prefix));
    watcher.next = Math.max(watcher.next, revision + 1);
    if (due.length > 0) tell(() => watcher.handlers.events(due));
    if (!watcher.closed) tell(() => watcher.handlers.progress(revision));
  }

  function catchUp(watcher: Watcher): void {
    if (watcher.closed) return;
    const revision = source.revision();
    if (watcher.next < source.compacted() || watcher.next > revision + 1) {
      watcher.closed = true;
      watchers.delete(watcher);
      tell(() => watcher.handlers.compacted());
      return;
    }
    const last = Math.min(revision, watcher.next + revisionsAtOnce - 1);
    if (last >= watcher.next) {
      const events = source.history(watcher.prefix, watcher.next, last);
      watcher.next = last + 1;
      if (events.length > 0) tell(() => watcher.handlers.events(events));
    }
    if (watcher.next <= source.revision()) {
      setImmediate(catchUp, watcher);
      return;
    }
    watcher.live = true;
    if (!watcher.closed) tell(() => watcher.handlers.progress(watcher.next - 1));
  }

  return {
    open(prefix, fromRevision, handlers) {
      const watcher: Watcher = { prefix, next: fromRevision, live: false, closed: false, handlers };
      watchers.add(watcher);
      setImmediate(catchUp, watcher);
      return {
        poke() {
          if (watcher.live && !watcher.closed) tell(() => handlers.progress(watcher.next - 1));
        },
        async close() {
          watcher.closed = true;
          watchers.delete(watcher);
        },
      };
    },
    publish(events, revision) {
      waiting.push({ events, revision });
      // A handler that commits is published after the change it was told of, never in the middle of it.
      if (publishing) return;
      publishing = true;
      for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
        for (const watcher of watchers) if (watcher.live) hand(watcher, batch.events, batch.revision);
      }
      publishing = false;
    },
    close() {
      for (const watcher of watchers) watcher.closed = true;
      watchers.clear();
    },
  };
}
