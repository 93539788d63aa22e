import { Fault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Engine, EngineClient, Engines } from '../core/ports/engine.ts';
import type { Log } from '../core/ports/log.ts';
import { aks } from './aks/index.ts';
import { type CallHook, type Connection, openConnection } from './connection.ts';
import { gke } from './gke/index.ts';
import { heat } from './heat/index.ts';
import { jenkins } from './jenkins/index.ts';
import { manual } from './manual/index.ts';
import { sandbox } from './sandbox/index.ts';

/** Every engine there is; adding one is a folder and a line here. */
export const all: readonly Engine[] = [sandbox, gke, manual, aks, jenkins, heat];

export interface EnginesOptions {
  /** Names of the engines that may be used here; absent means all. */
  allowed?: readonly string[];
  log: Log;
  clock: Clock;
  /** Told of every call to a provider. */
  onCall?: CallHook;
  /** Calls to one provisioner at once (default 8). */
  concurrency?: number;
  /** How long an unused connection stays open, in milliseconds (default ten minutes). */
  idleMs?: number;
  /** The engines to choose from; a test hands in its own. */
  engines?: readonly Engine[];
}

/** The registry with its open connections. */
export interface OpenEngines extends Engines {
  /** Closes every connection; calls under way end with a Fault. */
  close(): Promise<void>;
}

/**
 * Opens the registry. Connections are made at the first call, kept by provisioner, replaced when the provisioner's parameters change
 * and closed when idle; a client that outlives its connection connects again by itself. Throws `bad-input` when `allowed` names an
 * engine that does not exist.
 */
export function openEngines(options: EnginesOptions): OpenEngines {
  const engines = options.engines ?? all;
  const unknown = (options.allowed ?? []).filter((name) => !engines.some((engine) => engine.name === name));
  if (unknown.length > 0) {
    throw new Fault('bad-input', `There is no engine ${unknown.map((name) => `"${name}"`).join(', ')}.`, {
      next: `Engines: ${engines.map((engine) => engine.name).join(', ')}.`,
    });
  }
  const usable = engines.filter((engine) => options.allowed?.includes(engine.name) ?? true);
  const idleMs = options.idleMs ?? 600_000;
  const connections = new Map<string, { engine: string; version: string; connection: Connection }>();
  const ending = new AbortController();
  let sweeping: Promise<void> | null = null;

  function retire(connection: Connection): void {
    connection.retire().catch((error: unknown) => {
      options.log.warn({ error: error instanceof Error ? error.message : String(error) }, 'closing an engine failed');
    });
  }

  async function sweep(): Promise<void> {
    while (connections.size > 0 && !ending.signal.aborted) {
      await options.clock.sleep(idleMs / 2, ending.signal);
      for (const [provisioner, { connection }] of connections) {
        if (options.clock.now() - connection.usedAt() < idleMs || connection.busy()) continue;
        connections.delete(provisioner);
        retire(connection);
      }
    }
  }

  function startSweep(): void {
    if (sweeping) return;
    sweeping = sweep()
      .catch((error: unknown) => {
        if (!ending.signal.aborted) options.log.error({ error: String(error) }, 'closing idle engines stopped');
      })
      .finally(() => {
        sweeping = null;
      });
  }

  return {
    all: () => [...usable],
    get: (name) => usable.find((engine) => engine.name === name),
    async client(name, provisioner, version, params): Promise<EngineClient> {
      const engine = usable.find((each) => each.name === name);
      if (!engine) throw notHere(name, usable);
      if (ending.signal.aborted) throw new Fault('internal', 'KQueen is stopping.');
      const known = connections.get(provisioner);
      if (known && known.version === version && known.engine === name) return known.connection.client;
      if (known) retire(known.connection);
      const connection = openConnection({
        engine,
        params,
        log: options.log.child({ engine: name, provisioner }),
        clock: options.clock,
        concurrency: options.concurrency ?? 8,
        ...(options.onCall ? { onCall: options.onCall } : {}),
      });
      connections.set(provisioner, { engine: name, version, connection });
      startSweep();
      return connection.client;
    },
    async close() {
      ending.abort();
      const open = [...connections.values()];
      connections.clear();
      await Promise.allSettled([sweeping, ...open.map(({ connection }) => connection.close())]);
    },
  };
}

function notHere(name: string, usable: Engine[]): Fault {
  const exists = all.some((engine) => engine.name === name);
  return new Fault(
    'unsupported',
    exists ? `The engine "${name}" is not allowed in this installation.` : `There is no engine "${name}".`,
    {
      whose: exists ? 'admin' : 'caller',
      next: `Engines here: ${usable.map((engine) => engine.name).join(', ') || 'none'}.`,
    },
  );
}
