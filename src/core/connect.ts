/** How a provisioner's provider and a cluster's own API are reached: with credentials that are unsealed for the moment of use. */
import { Fault } from './errors.ts';
import type { EngineClient, Engines } from './ports/engine.ts';
import type { Ref, Sealer, Store } from './ports/store.ts';
import type { Provisioner } from './records.ts';

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

/** A provisioner's connection; faults as `sealedParams` and `clientOf`. */
export async function connectProvisioner(parts: ConnectParts, provisioner: Provisioner): Promise<EngineClient> {
  return clientOf(parts, provisioner, await sealedParams(parts.store, provisioner));
}

/** The admin kubeconfig KQueen keeps for a cluster. */
export async function clusterKubeconfig(
  parts: Pick<ConnectParts, 'store' | 'sealer'>,
  org: string,
  cluster: string,
): Promise<string> {
  const ref = kubeconfigSecret(org, cluster);
  const stored = await parts.store.get(ref);
  if (!stored) {
    throw new Fault('not-found', 'KQueen has no credentials for this cluster yet.', {
      next: 'Wait until it is ready.',
    });
  }
  return parts.sealer.open(ref, stored.record.sealed);
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
