import type { FaultKind } from '../core/errors.ts';
import { Fault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Call } from '../core/ports/engine.ts';
import type { Kube } from '../core/ports/kube.ts';
import type { Log } from '../core/ports/log.ts';
import { issuePersonalAccess } from './access.ts';
import { asKubeFault, type Client, openClient } from './client.ts';
import { timeoutFault } from './faults.ts';
import { type KubeConnection, readKubeconfig } from './kubeconfig.ts';
import { probeCluster } from './probe.ts';
import { openAgents } from './transport.ts';

export interface KubeOptions {
  log: Log;
  clock: Clock;
  /** Told of each operation: `ok` or the kind of its Fault, and how long it took in milliseconds. */
  onCall?: (operation: string, result: 'ok' | FaultKind, ms: number) => void;
  /** Clusters to which connections are kept (default 200). */
  connections?: number;
}

/** Opens the way to the clusters' own APIs. Nothing heavy is loaded before the first call. */
export function openKube(options: KubeOptions): Kube {
  const { clock, log } = options;
  const agents = openAgents(options.connections ?? 200);
  const ending = new AbortController();

  async function run<T>(
    operation: string,
    kubeconfig: string,
    call: Call,
    work: (client: Client, connection: KubeConnection) => Promise<T>,
  ): Promise<T> {
    const begun = performance.now();
    let result: 'ok' | FaultKind = 'ok';
    try {
      if (ending.signal.aborted) throw new Fault('internal', 'KQueen is stopping.');
      const connection = readKubeconfig(kubeconfig);
      // The deadline is in the clock's time, which a test may have moved, while sockets know only the machine's.
      const real: Call = {
        signal: AbortSignal.any([call.signal, ending.signal]),
        deadline: Date.now() + Math.max(0, call.deadline - clock.now()),
      };
      const client = await openClient(connection, agents.transport(connection), real);
      return await work(client, connection);
    } catch (thrown) {
      const fault = asKubeFault(thrown);
      result = fault.kind;
      const level = fault.kind === 'internal' ? 'error' : 'debug';
      log[level]({ operation, kind: fault.kind, detail: fault.detail }, fault.message);
      throw fault;
    } finally {
      options.onCall?.(operation, result, performance.now() - begun);
    }
  }

  return {
    probe: (kubeconfig, call) =>
      run('probe', kubeconfig, call, async (client) => {
        const health = await probeCluster(client, () => clock.now());
        // What was seen by a look that was called off is no word about the cluster.
        if (call.signal.aborted && clock.now() < call.deadline) throw timeoutFault('GET', true);
        return health;
      }),
    issueAccess: (kubeconfig, request, call) =>
      run('issueAccess', kubeconfig, call, (client, connection) => issuePersonalAccess(client, connection, request)),
    async close() {
      ending.abort();
      await agents.close();
    },
  };
}
