import type { JobKindName } from '../records.ts';
import { createCluster } from './create-cluster.ts';
import { deleteCluster } from './delete-cluster.ts';
import type { JobKind } from './kind.ts';

/** Every kind of job. Being here is what makes it run, recover after a crash, and take part in the kill matrix. */
export const jobKinds: Record<JobKindName, JobKind> = {
  'cluster.create': createCluster,
  'cluster.delete': deleteCluster,
};
