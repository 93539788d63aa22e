/** What nodes and pods use at the moment, where the cluster measures it. */
import { Fault } from '../../core/errors.ts';
import type { Amounts } from '../../core/ports/kube.ts';
import { readAmounts } from '../amounts.ts';
import { objectAt } from '../apply/manifests.ts';
import type { Talk } from '../operation.ts';
import { eachListed } from './pages.ts';

/** Live use by node, or why it is not known. */
export interface NodeUse {
  byNode: Map<string, Pick<Amounts, 'cpu' | 'memory'>>;
  /** Where the numbers come from, or why there are none, in a sentence. */
  says: string;
}

/** Live use of the nodes by metrics.k8s.io. Never throws: a cluster without metrics-server only does not say. */
export async function nodeUse(talk: Talk): Promise<NodeUse> {
  const byNode: NodeUse['byNode'] = new Map();
  try {
    await eachListed(talk, '/apis/metrics.k8s.io/v1beta1/nodes', (item) => {
      const { cpu, memory } = readAmounts(objectAt(item, 'usage') as Record<string, string>);
      byNode.set(String(objectAt(item, 'metadata').name), { cpu, memory });
    });
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    const why =
      thrown.kind === 'not-found'
        ? 'this cluster has no metrics server (metrics.k8s.io)'
        : thrown.kind === 'not-allowed'
          ? 'KQueen may not read metrics.k8s.io'
          : 'metrics.k8s.io does not answer';
    return { byNode: new Map(), says: `Live use is not known: ${why}.` };
  }
  const says =
    byNode.size > 0 ? 'Live use by metrics.k8s.io.' : 'Live use is not known: metrics.k8s.io has no numbers yet.';
  return { byNode, says };
}
