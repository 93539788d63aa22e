import { Fault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { EngineClient, Engines } from '../core/ports/engine.ts';
import type { Ref, Sealer, Store } from '../core/ports/store.ts';
import type { Provisioner } from '../core/records.ts';

/** What is needed to reach a provisioner's provider. */
export interface ConnectParts {
  store: Store;
  sealer: Sealer;
  engines: Engines;
}

/** The sealed parameters of a provisioner. */
function provisionerSecret(org: string, provisioner: string): Ref<'secret'> {
  return { kind: 'secret', org, id: `provisioner.${provisioner}` };
}

/** The sealed admin kubeconfig of a cluster. */
export function kubeconfigSecret(org: string, cluster: string): Ref<'secret'> {
  return { kind: 'secret', org, id: `kubeconfig.${cluster}` };
}

/** A provisioner as it is in the store, with its sealed parameters when it has any. */
export interface FoundProvisioner {
  record: Provisioner;
  sealed: string | undefined;
}

/** Reads provisioners. */
export interface Provisioners {
  /** Undefined when there is none; throws `not-found` when its credentials are missing, and what the store throws. */
  read(org: string, id: string): Promise<FoundProvisioner | undefined>;
}

/** A thousand jobs that begin together on one provisioner need not read it a thousand times; nobody notices an edit half a second later. */
const freshMs = 500;

export function openProvisioners(store: Store, clock: Clock): Provisioners {
  const known = new Map<string, { at: number; found: Promise<FoundProvisioner | undefined> }>();

  async function load(org: string, id: string): Promise<FoundProvisioner | undefined> {
    const found = await store.get({ kind: 'provisioner', org, id });
    return found && { record: found.record, sealed: await sealedParams(store, found.record) };
  }

  return {
    read(org, id) {
      const now = clock.now();
      const key = `${org}/${id}`;
      const kept = known.get(key);
      if (kept && now - kept.at < freshMs) return kept.found;
      for (const [other, { at }] of known) if (now - at >= freshMs) known.delete(other);
      const found = load(org, id);
      known.set(key, { at: now, found });
      // What failed is asked again by the next one.
      found.catch(() => known.delete(key));
      return found;
    },
  };
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
