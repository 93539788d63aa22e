import type { FaultKind } from '../core/errors.ts';
import { Fault } from '../core/errors.ts';
import type { Archive, Vault } from '../core/ports/archive.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Call } from '../core/ports/engine.ts';
import type { ClusterHealth, Kube } from '../core/ports/kube.ts';
import type { Log } from '../core/ports/log.ts';
import { issuePersonalAccess } from './access.ts';
import { readAddon } from './addons/source.ts';
import { seeAddons } from './addons/state.ts';
import type { AppAccess } from './apply/address.ts';
import { pack } from './apply/bundle.ts';
import { bundleOf } from './apply/sources.ts';
import { scalingSight } from './autoscale/index.ts';
import { backupWorks } from './backup/index.ts';
import { asKubeFault, type Get, openClient } from './client.ts';
import { openConnections } from './connections.ts';
import { timeoutFault } from './faults.ts';
import { basicHeader, type KubeConnection, validityOf, writeKubeconfig } from './kubeconfig.ts';
import { named, type Talk } from './operation.ts';
import { probeCluster } from './probe.ts';
import { day, reviewKubeconfig } from './review.ts';
import { openAgents, type Transport } from './transport.ts';
import { viewsOfBackups } from './views/backup.ts';
import { views } from './views/index.ts';
import { works } from './works/index.ts';

export interface KubeOptions {
  log: Log;
  clock: Clock;
  /** Told of each operation: `ok` or the kind of its Fault, and how long it took in milliseconds. */
  onCall?: (operation: string, result: 'ok' | FaultKind, ms: number) => void;
  /** From where apps may come; absent: from what people paste alone. */
  apps?: AppAccess;
  /** Clusters to which connections are kept (default 2,000, of some 250 KB each). */
  connections?: number;
  /** Where backups are kept; absent: none are. */
  archive?: Archive;
  /** Seals the Secrets of backups; absent: they are kept without. */
  vault?: Vault;
}

/** Clusters to which connections are kept; of four times as many the kubeconfig is. */
const mostKept = 2_000;

/** Opens the way to the clusters' own APIs. Nothing heavy is loaded before the first call. */
export function openKube(options: KubeOptions): Kube {
  const { clock, log } = options;
  const agents = openAgents(options.connections ?? mostKept, () => clock.now());
  const known = openConnections(4 * (options.connections ?? mostKept));
  const ending = new AbortController();
  const kept = viewsOfBackups(options);
  const operations = { ...works, ...backupWorks(options) };
  const looks = { ...views, ...kept.inCluster };

  /** A cluster's transport; a user name and password go along as a header, of which the transport itself knows nothing. */
  function transportOf(connection: KubeConnection, key: string): Transport {
    const transport = agents.transport(connection, key);
    const header = basicHeader(connection);
    if (!connection.basic) return transport;
    return (request, call) => transport({ ...request, headers: { ...request.headers, ...header } }, call);
  }

  async function run<T>(
    operation: string,
    kubeconfig: string,
    call: Call,
    work: (connection: KubeConnection, transport: Transport, call: Call) => Promise<T>,
  ): Promise<T> {
    const begun = performance.now();
    let result: 'ok' | FaultKind = 'ok';
    try {
      if (ending.signal.aborted) throw new Fault('internal', 'KQueen is stopping.');
      const { connection, key } = known(kubeconfig);
      // The deadline is in the clock's time, which a test may have moved, while sockets know only the machine's.
      const real: Call = {
        signal: AbortSignal.any([call.signal, ending.signal]),
        deadline: Date.now() + Math.max(0, call.deadline - clock.now()),
      };
      return await work(connection, transportOf(connection, key), real);
    } catch (thrown) {
      const fault = asKubeFault(thrown);
      result = fault.kind;
      // A program that does not start is its owner's to mend, and no error of KQueen.
      const level = fault.kind === 'internal' && fault.whose !== 'caller' ? 'error' : 'debug';
      log[level]({ operation, kind: fault.kind, detail: fault.detail }, fault.message);
      throw fault;
    } finally {
      options.onCall?.(operation, result, performance.now() - begun);
    }
  }

  /** What needs no client-node, which takes a second and 80 MB to load. */
  function talkBare(connection: KubeConnection, transport: Transport, call: Call): Omit<Talk, 'client'> {
    return {
      call,
      now: () => clock.now(),
      async text(path) {
        return (await transport({ method: 'GET', url: `${connection.server}${path}`, answer: 'text' }, call)).text;
      },
      async raw({ method, path, body, contentType = 'application/json', accept = 'application/json' }) {
        const answer = await transport(
          {
            method,
            url: `${connection.server}${path}`,
            headers: { accept, ...(body === undefined ? {} : { 'content-type': contentType }) },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          },
          call,
        );
        return JSON.parse(answer.text) as Record<string, unknown>;
      },
    };
  }

  async function talkTo(connection: KubeConnection, transport: Transport, call: Call): Promise<Talk> {
    return { ...talkBare(connection, transport, call), client: await openClient(connection, transport, call) };
  }

  return {
    probe: (kubeconfig, call, manner) =>
      run('probe', kubeconfig, call, async (connection, transport, real) => {
        const { raw, text, now } = talkBare(connection, transport, real);
        const get: Get = (path, accept) => raw({ method: 'GET', path, ...(accept === undefined ? {} : { accept }) });
        const health = await probeCluster({ get, text, now }, manner);
        // What was seen by a look that was called off is no word about the cluster.
        if (call.signal.aborted && clock.now() < call.deadline) throw timeoutFault('GET', true);
        return whyRefused(health, connection);
      }),
    issueAccess: (kubeconfig, request, call) =>
      run('issueAccess', kubeconfig, call, async (connection, transport, real) =>
        issuePersonalAccess(await talkTo(connection, transport, real), connection, request),
      ),
    review: (kubeconfig, call) =>
      run('review', kubeconfig, call, (connection, transport, real) =>
        reviewKubeconfig(connection, transport, clock.now(), real),
      ),
    look: (kubeconfig, view, args, call) =>
      run(`look ${view}`, kubeconfig, call, async (connection, transport, real) =>
        named(looks, view).look(await talkTo(connection, transport, real), args),
      ),
    async lookKept(view, args, call) {
      if (ending.signal.aborted) throw new Fault('internal', 'KQueen is stopping.');
      return named(kept.alone, view)(args, call);
    },
    bundle: (kubeconfig, app, source, call) =>
      run(`bundle ${source.from}`, kubeconfig, call, (connection, _transport, real) =>
        bundleOf(app, source, {
          access: options.apps ?? { hosts: [] },
          // Written anew from what was read: nothing of what a person gave can make helm run or read anything.
          kubeconfig: () => writeKubeconfig('cluster', 'kqueen', connection),
          call: real,
        }),
      ),
    addons: (kubeconfig, call) =>
      run('addons', kubeconfig, call, async (connection, transport, real) =>
        seeAddons(await talkTo(connection, transport, real), options.apps ?? { hosts: [] }),
      ),
    addon: (kubeconfig, asked, call) =>
      run('addon', kubeconfig, call, async (_connection, _transport, real) => {
        const { manifests, read } = await readAddon(asked, options.apps ?? { hosts: [] }, real);
        return { bulk: pack(manifests), objects: manifests.length, read };
      }),
    plan: (kubeconfig, work, call) =>
      run(`plan ${work.op}`, kubeconfig, call, async (connection, transport, real) =>
        named(operations, work.op).plan(await talkTo(connection, transport, real), work),
      ),
    work: (kubeconfig, work, call) =>
      run(`work ${work.op}`, kubeconfig, call, async (connection, transport, real) =>
        named(operations, work.op).step(await talkTo(connection, transport, real), work),
      ),
    scaling: (kubeconfig, wish, call) =>
      run('scaling', kubeconfig, call, async (connection, transport, real) =>
        scalingSight(await talkTo(connection, transport, real), wish),
      ),
    async close() {
      ending.abort();
      await agents.close();
    },
  };
}

/** A cluster that refuses credentials does not say that they have expired; they themselves do. */
function whyRefused(health: ClusterHealth, connection: KubeConnection): ClusterHealth {
  if (!health.conditions.some(({ type, status }) => type === 'APIServerAvailable' && status === 'Unknown'))
    return health;
  const validity = validityOf(connection);
  if (!validity || validity.until > health.at) return health;
  const conditions = health.conditions.map((condition) =>
    condition.type === 'APIServerAvailable' && condition.status === 'Unknown'
      ? {
          ...condition,
          reason: 'CredentialsExpired',
          message: `The ${validity.what} that KQueen keeps for this cluster expired on ${day(validity.until)}.`,
        }
      : condition,
  );
  return { ...health, conditions };
}
