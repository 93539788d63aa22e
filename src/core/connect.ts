/** How a provisioner's provider and a cluster's own API are reached: with credentials that are unsealed for the moment of use. */
import { asFault, Fault } from './errors.ts';
import type { Call, EngineClient, Engines, Target } from './ports/engine.ts';
import type { ClusterHealth } from './ports/kube.ts';
import type { Ref, Sealer, Store } from './ports/store.ts';
import type { Cluster, Provisioner } from './records.ts';

/** What is needed to reach a provisioner's provider. */
export interface ConnectParts {
  store: Store;
  sealer: Sealer;
  engines: Engines;
}

/** The sealed parameters of a provisioner (JSON). */
export function provisionerSecret(org: string, provisioner: string): Ref<'secret'> {
  return { kind: 'secret', org, id: `provisioner.${provisioner}` };
}

/** The sealed admin kubeconfig of a cluster (YAML). */
export function kubeconfigSecret(org: string, cluster: string): Ref<'secret'> {
  return { kind: 'secret', org, id: `kubeconfig.${cluster}` };
}

/** What is large or secret of a piece of work, sealed while its job lives. */
export function workSecret(org: string, job: string): Ref<'secret'> {
  return { kind: 'secret', org, id: `work.${job}` };
}

/** A provisioner's connection; faults as `sealedParams` and `clientOf`. */
export async function connectProvisioner(parts: ConnectParts, provisioner: Provisioner): Promise<EngineClient> {
  return clientOf(parts, provisioner, await sealedParams(parts.store, provisioner));
}

/** Whether there is a way to get a kubeconfig of this cluster: one is kept, or its engine gives one each time. */
export function hasKubeconfig(cluster: Cluster, engines: Pick<Engines, 'get'>): boolean {
  return (
    cluster.kubeconfig || (engines.get(cluster.engine)?.kubeconfigMs !== undefined && cluster.phase !== 'Requested')
  );
}

/**
 * Whether a cluster's API is there and does not take the credentials, or is checked by an authority that is no longer its own: both happen when
 * they are rotated at the provider.
 */
export function refusesCredentials({ conditions }: ClusterHealth): boolean {
  const api = conditions.find(({ type }) => type === 'APIServerAvailable');
  if (!api || api.status === 'True') return false;
  return /^(NotAllowed|CredentialsExpired)$/.test(api.reason) || /is not signed by the authority/.test(api.message);
}

/** When it is now, and for how long the provider may be asked. */
export interface Asked {
  /** Epoch milliseconds. */
  now: number;
  call: Call;
}

/**
 * The admin kubeconfig of a cluster: the sealed one, or, of an engine whose kubeconfigs expire, one from its provider that is kept in memory
 * for four fifths of its life and asked for once however many want it. Throws `not-found` when there is none yet.
 */
export async function clusterKubeconfig(parts: ConnectParts, cluster: Cluster, asked: Asked): Promise<string> {
  const lifeMs = parts.engines.get(cluster.engine)?.kubeconfigMs;
  if (lifeMs !== undefined) return shortLived(parts, cluster, lifeMs, asked);
  const ref = kubeconfigSecret(cluster.org, cluster.id);
  const stored = await parts.store.get(ref);
  if (!stored) {
    throw new Fault('not-found', 'KQueen has no credentials for this cluster yet.', {
      next: 'Wait until it is ready.',
    });
  }
  return parts.sealer.open(ref, stored.record.sealed);
}

/**
 * Another kubeconfig for a cluster that does not accept the one in `refused` any more, kept in its place; null when the provider gives none,
 * or the same again. Throws what the provider and the store throw.
 */
export async function renewKubeconfig(
  parts: ConnectParts,
  cluster: Cluster,
  refused: string,
  asked: Asked,
): Promise<string | null> {
  const engine = parts.engines.get(cluster.engine);
  // Of what was imported, the only kubeconfig is the one that a person gave.
  if (!engine || cluster.origin === 'imported') return null;
  if (engine.kubeconfigMs !== undefined) {
    const flight = flightsOf(parts.engines).get(flightKey(cluster));
    if (flight && (await flight.text.catch(() => refused)) === refused)
      flightsOf(parts.engines).delete(flightKey(cluster));
    const fresh = await shortLived(parts, cluster, engine.kubeconfigMs, asked);
    return fresh === refused ? null : fresh;
  }
  const ref = kubeconfigSecret(cluster.org, cluster.id);
  const before = await parts.store.get(ref);
  const kept = before && parts.sealer.open(ref, before.record.sealed);
  // Somebody else was faster.
  if (kept !== undefined && kept !== refused) return kept;
  const fresh = await askProvider(parts, cluster, asked.call);
  if (fresh === refused) return null;
  const held = await parts.store.get({ kind: 'cluster', org: cluster.org, id: cluster.id });
  if (!held) return null;
  const record = { v: 1 as const, id: ref.id, org: ref.org, sealed: parts.sealer.seal(ref, fresh) };
  // A cluster that is deleted meanwhile must not get a credential back.
  await parts.store.commit([
    { op: 'check', ref: held.ref, if: held.revision },
    { op: 'put', ref, record, if: before?.revision ?? 0 },
  ]);
  return fresh;
}

/** How the provider knows a cluster. */
export function targetOf(cluster: Cluster, operation?: string): Target {
  const { org, id, externalName, spec, externalId } = cluster;
  const target: Target = { org, cluster: id, externalName, spec };
  if (externalId !== undefined) target.externalId = externalId;
  if (operation !== undefined) target.operation = operation;
  return target;
}

/** A kubeconfig that is being asked for or was given, and until when it is handed out again. */
interface Flight {
  text: Promise<string>;
  until: number;
}

/** Most kubeconfigs in memory: some 5 KB each. */
const mostFlights = 2_000;

/** By engine registry, of which a process has one; in memory alone, since what expires is stored nowhere. */
const flights = new WeakMap<object, Map<string, Flight>>();

function flightsOf(engines: Engines): Map<string, Flight> {
  const known = flights.get(engines) ?? new Map<string, Flight>();
  flights.set(engines, known);
  return known;
}

function flightKey({ org, id }: Cluster): string {
  return `${org}/${id}`;
}

async function shortLived(parts: ConnectParts, cluster: Cluster, lifeMs: number, asked: Asked): Promise<string> {
  const known = flightsOf(parts.engines);
  const key = flightKey(cluster);
  const shared = known.get(key);
  if (shared && asked.now < shared.until) {
    try {
      return await patiently(shared.text, asked.call.signal);
    } catch (thrown) {
      // Whoever asked first may have given up for reasons of their own: then it is asked once more, for all who still wait.
      if (asked.call.signal.aborted) throw thrown;
    }
    const next = known.get(key);
    if (next && next !== shared) return patiently(next.text, asked.call.signal);
  }
  const flight: Flight = { text: askProvider(parts, cluster, asked.call), until: asked.now + lifeMs * 0.8 };
  known.delete(key);
  known.set(key, flight);
  for (const [oldest, { until }] of known) {
    if (until > asked.now && known.size <= mostFlights) break;
    known.delete(oldest);
  }
  // What failed is asked for again by the next one.
  flight.text.catch(() => known.get(key) === flight && known.delete(key));
  return flight.text;
}

async function askProvider(parts: ConnectParts, cluster: Cluster, call: Call): Promise<string> {
  const found = await parts.store.get({ kind: 'provisioner', org: cluster.org, id: cluster.provisioner });
  if (!found) {
    throw new Fault('not-found', `Provisioner ${cluster.provisionerName} does not exist any more.`, {
      whose: 'admin',
      next: 'An admin adds it again.',
    });
  }
  const client = await connectProvisioner(parts, found.record);
  return client.kubeconfig(targetOf(cluster), call);
}

/** Settles with the work, or with a Fault when the signal fires first. */
function patiently<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(asFault(signal.reason, 'The provider did not give credentials in time.'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** The sealed parameters of a provisioner; undefined when it has none. Throws `not-found` when they are missing. */
export async function sealedParams(store: Store, provisioner: Provisioner): Promise<string | undefined> {
  if (provisioner.secretFields.length === 0) return undefined;
  const found = await store.get(provisionerSecret(provisioner.org, provisioner.id));
  if (!found) throw noCredentials(provisioner.name);
  return found.record.sealed;
}

/**
 * The engine client of a provisioner record. Faults: `unsupported` when the engine is not allowed here, `internal` (retryable) when its
 * credentials cannot be opened.
 */
export async function clientOf(
  { sealer, engines }: Pick<ConnectParts, 'sealer' | 'engines'>,
  provisioner: Provisioner,
  sealed: string | undefined,
): Promise<EngineClient> {
  const { org, id, engine, paramsVersion } = provisioner;
  const ref = provisionerSecret(org, id);
  if (sealed !== undefined) openParams(sealer, ref, sealed);
  // Opened again whenever a connection is made, and kept by nobody.
  const params = () => ({ ...provisioner.params, ...(sealed === undefined ? {} : openParams(sealer, ref, sealed)) });
  return engines.client(engine, id, paramsVersion, params);
}

function noCredentials(name: string): Fault {
  return new Fault('not-found', `The credentials of provisioner ${name} are missing.`, {
    whose: 'admin',
    next: `Give them again with provisioner edit ${name}.`,
  });
}

function openParams(sealer: Sealer, ref: Ref<'secret'>, sealed: string): Record<string, unknown> {
  try {
    const opened: unknown = JSON.parse(sealer.open(ref, sealed));
    if (opened && typeof opened === 'object') return opened as Record<string, unknown>;
  } catch (cause) {
    // A parse error quotes what it read: neither it nor its cause may travel on.
    throw unreadable(cause instanceof Fault ? cause.message : 'not JSON');
  }
  throw unreadable('not an object');
}

function unreadable(detail: string): Fault {
  return new Fault('internal', "The provisioner's stored credentials cannot be read.", {
    whose: 'kqueen',
    next: 'KQueen needs the key they were sealed with (KQUEEN_SECRET_KEYS), or an admin gives them again with provisioner edit.',
    detail,
  });
}
