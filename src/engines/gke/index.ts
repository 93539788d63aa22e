import type { Engine } from '../../core/ports/engine.ts';
import { gkeAfter, gkeDescribe, gkeNodes, gkePools, gkePrice, kubeconfigMs } from './pure.ts';
import { GkeCluster, GkeProvisioner } from './schema.ts';

/** Clusters of Google Kubernetes Engine, by its container API v1. */
export const gke: Engine = {
  name: 'gke',
  title: 'Google Kubernetes Engine',
  docs: 'docs/providers/gke.md',
  capabilities: {
    create: true,
    delete: true,
    scale: true,
    upgrade: true,
    autoscale: true,
    power: false,
    percent: true,
    // https://cloud.google.com/sdk/gcloud/reference/container/operations/cancel: only upgrades of node pools can be cancelled.
    cancel: false,
    list: true,
    adopt: true,
    log: true,
    addons: true,
    networkPolicy: true,
    gateways: true,
    retire: true,
  },
  instead: {
    power:
      'GKE cannot stop a cluster. Scale its node pools to 0: the control plane and the disks go on costing, the machines do not.',
    cancel:
      'GKE deletes no cluster while it makes it. Delete it all the same: KQueen does it as soon as Google lets it.',
  },
  mostGateways: 30,
  kubeconfigMs,
  provisioner: GkeProvisioner,
  cluster: GkeCluster,
  price: gkePrice,
  describe: gkeDescribe,
  nodes: gkeNodes,
  pools: gkePools,
  after: gkeAfter,
  async connect(params) {
    const { openGkeClient } = await import('./client.ts');
    return openGkeClient(GkeProvisioner.parse(params));
  },
};
