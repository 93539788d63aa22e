import { Fault } from './errors.ts';
import type { EngineClient, Engines } from './ports/engine.ts';
import type { Sealer, Store } from './ports/store.ts';
import type { Provisioner } from './records.ts';

/** The id of the secret record that holds a provisioner's secret parameters (JSON). */
export function provisionerSecretId(provisioner: string): string {
  return `provisioner.${provisioner}`;
}

/** The id of the secret record that holds a cluster's admin kubeconfig (YAML). */
export function kubeconfigSecretId(cluster: string): string {
  return `kubeconfig.${cluster}`;
}

export interface ConnectParts {
  store: Store;
  sealer: Sealer;
  engines: Engines;
}

/** A provisioner's connection, its secret parameters unsealed for it alone. */
export async function connectProvisioner(parts: ConnectParts, provisioner: Provisioner): Promise<EngineClient> {
  const { store, sealer, engines } = parts;
  let secrets: Record<string, unknown> = {};
  if (provisioner.secretFields.length > 0) {
    const ref = { kind: 'secret', org: provisioner.org, id: provisionerSecretId(provisioner.id) } as const;
    const stored = await store.get(ref);
    if (!stored) {
      throw new Fault('internal', `The credentials of provisioner ${provisioner.name} are missing.`, {
        whose: 'admin',
        retryable: false,
        next: `Enter them again with provisioner edit ${provisioner.name}.`,
      });
    }
    secrets = JSON.parse(sealer.open(ref, stored.record.sealed)) as Record<string, unknown>;
  }
  // Secrets win over parameters of the same name; cluster fields never come near this object.
  return engines.client(provisioner.engine, provisioner.id, provisioner.paramsVersion, () => ({
    ...provisioner.params,
    ...secrets,
  }));
}

/** The admin kubeconfig KQueen keeps for a cluster. */
export async function clusterKubeconfig(
  parts: Pick<ConnectParts, 'store' | 'sealer'>,
  org: string,
  cluster: string,
): Promise<string> {
  const ref = { kind: 'secret', org, id: kubeconfigSecretId(cluster) } as const;
  const stored = await parts.store.get(ref);
  if (!stored)
    throw new Fault('not-found', 'KQueen has no credentials for this cluster yet.', {
      next: 'Wait until it is ready.',
    });
  return parts.sealer.open(ref, stored.record.sealed);
}
