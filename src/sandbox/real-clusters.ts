import { join } from 'node:path';
import type { SandboxClock } from './clock.ts';
import type { ClusterBackend } from './cloud-backend.ts';
import type { ClusterRecord } from './cloud-records.ts';
import { type ApiClient, type ApiLink, connectApi } from './controller-client.ts';
import { Controller } from './controller-cluster.ts';
import { realBackend } from './real-backend.ts';
import { controlPlane } from './real-processes.ts';

/** What all real control planes of a sandbox share. */
export type RealParts = {
  assets: string;
  dataDir: string;
  host: string;
  tls: { cert: string; key: string; ca: string };
  /** The host that kubeconfigs name. */
  advertised: () => string;
  clock: SandboxClock;
};

/** Real nodes are called unknown by others when they are silent for 40 s; here it is what the kubelet does. */
const HEARTBEAT = 10_000;

/** Gives clusters a real etcd and kube-apiserver, driven by the sandbox's controller. */
export function realControlPlanes(
  parts: RealParts,
): (cluster: ClusterRecord, note: (message: string) => void) => ClusterBackend {
  return (cluster, note) => {
    const plane = controlPlane({
      assets: parts.assets,
      directory: join(parts.dataDir, 'kube', cluster.id),
      host: parts.host,
      tls: parts.tls,
      tokens: { 'sandbox-admin': cluster.adminToken },
    });
    let link: ApiLink | undefined;
    let controller: Controller | undefined;
    // Its ports are chosen while it starts, so the connection is made when it is first used.
    const api = (): ApiClient => {
      link ??= connectApi({ url: plane.url(), ca: parts.tls.ca });
      return link.api('', cluster.adminToken);
    };
    const client: ApiClient = {
      request: (...given) => api().request(...given),
      stream: (...given) => api().stream(...given),
    };
    const backend = realBackend(
      plane,
      client,
      () => {
        controller = new Controller(client, {
          speed: () => parts.clock.speed,
          kubeletOnly: false,
          heartbeat: HEARTBEAT,
        });
        controller.start();
      },
      note,
      (port) => {
        const host = parts.advertised();
        cluster.endpoint = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
      },
    );
    return {
      ...backend,
      close: async () => {
        controller?.stop();
        await backend.close();
        link?.close();
      },
    };
  };
}
