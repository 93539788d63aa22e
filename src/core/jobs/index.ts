import type { JobKindName } from '../records.ts';
import { adoptCluster } from './adopt-cluster.ts';
import { createCluster } from './create-cluster.ts';
import { deleteCluster } from './delete-cluster.ts';
import { detachCluster } from './detach-cluster.ts';
import type { JobKind } from './kind.ts';
import {
  autoscaleCluster,
  gatewaysOfCluster,
  netpolOfCluster,
  scaleCluster,
  startCluster,
  stopCluster,
  upgradeCluster,
} from './update-cluster.ts';
import { workCluster } from './work-cluster.ts';

/** Every kind of job. Being here is what makes it run, recover after a crash, and take part in the kill matrix. */
export const jobKinds: Record<JobKindName, JobKind> = {
  'cluster.create': createCluster,
  'cluster.delete': deleteCluster,
  'cluster.scale': scaleCluster,
  'cluster.autoscale': autoscaleCluster,
  'cluster.upgrade': upgradeCluster,
  'cluster.stop': stopCluster,
  'cluster.start': startCluster,
  'cluster.netpol': netpolOfCluster,
  'cluster.gateways': gatewaysOfCluster,
  'cluster.adopt': adoptCluster,
  'cluster.detach': detachCluster,
  'cluster.work': workCluster,
};
