/** The engines that the kill matrix is run for besides the sandbox, each with a counterpart whose clusters have real Kubernetes APIs. */
import { openKubeBackend } from '../counterparts/kube.ts';
import type { MatrixOptions } from './kill-matrix.ts';

/** By name; loaded when first used, since each brings its provider's SDK. */
export const matrixEngines: Record<string, () => Promise<MatrixOptions>> = {
  gke: async () => ({ open: (await import('../engines/gke-harness.ts')).openGkeHarness, openKube: openKubeBackend }),
  aks: async () => ({ open: (await import('../engines/aks-harness.ts')).openAksHarness, openKube: openKubeBackend }),
  heat: async () => ({ open: (await import('../engines/heat-harness.ts')).openHeatHarness, openKube: openKubeBackend }),
  jenkins: async () => ({
    open: (await import('../engines/jenkins-harness.ts')).openJenkinsHarness,
    openKube: openKubeBackend,
  }),
};
