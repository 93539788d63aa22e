/** Where the volumes of pods let them run. */
import type { V1NodeSelectorTerm } from '@kubernetes/client-node';
import { Fault } from '../../core/errors.ts';
import { isObject, listAt, objectAt } from '../apply/manifests.ts';
import type { Talk } from '../operation.ts';
import type { PodShape } from './shapes.ts';

/** Most pods whose claims are read in one look, and at most so many claims of each. */
const most = { pods: 60, claims: 10 };

/** What a pod's volumes ask of its node; a sentence part instead when no node would help. */
export type VolumeNeeds = { terms: V1NodeSelectorTerm[][] } | { never: string };

/** Reads the claims of pods, each claim, volume and class once. Pods past the bound are not judged: they count as helped by no node. */
export function openVolumes(talk: Talk): (pod: PodShape) => Promise<VolumeNeeds> {
  const known = new Map<string, Promise<Record<string, unknown> | null>>();
  const asked = new Set<string>();

  function read(path: string): Promise<Record<string, unknown> | null> {
    const before = known.get(path);
    if (before) return before;
    const reading = talk.raw({ method: 'GET', path }).catch((thrown: unknown) => {
      if (thrown instanceof Fault && thrown.kind === 'not-found') return null;
      throw thrown;
    });
    known.set(path, reading);
    return reading;
  }

  async function ofClaim(namespace: string, claim: string): Promise<VolumeNeeds> {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/persistentvolumeclaims/${encodeURIComponent(claim)}`;
    const found = await read(path);
    if (!found) return { never: `its volume claim ${claim} is not there` };
    const { volumeName, storageClassName } = objectAt(found, 'spec');
    if (typeof volumeName === 'string' && volumeName !== '') {
      const volume = await read(`/api/v1/persistentvolumes/${encodeURIComponent(volumeName)}`);
      if (!volume) return { never: `its volume ${volumeName} is not there` };
      const terms = listAt(volume, 'spec', 'nodeAffinity', 'required', 'nodeSelectorTerms').filter(isObject);
      return { terms: terms.length === 0 ? [] : [terms as unknown as V1NodeSelectorTerm[]] };
    }
    if (typeof storageClassName !== 'string' || storageClassName === '')
      return { never: `its volume claim ${claim} is not bound` };
    const kind = await read(`/apis/storage.k8s.io/v1/storageclasses/${encodeURIComponent(storageClassName)}`);
    // Such a class makes the volume where the pod goes; any other would have made it by now.
    if (kind?.volumeBindingMode === 'WaitForFirstConsumer') return { terms: [] };
    return { never: `its volume claim ${claim} is not bound` };
  }

  return async (pod) => {
    if (pod.claims.length === 0) return { terms: [] };
    asked.add(`${pod.namespace}/${pod.name}`);
    if (asked.size > most.pods || pod.claims.length > most.claims) return { never: 'its volumes were not looked at' };
    const terms: V1NodeSelectorTerm[][] = [];
    for (const claim of pod.claims) {
      const needs = await ofClaim(pod.namespace, claim);
      if ('never' in needs) return needs;
      terms.push(...needs.terms);
    }
    return { terms };
  };
}
