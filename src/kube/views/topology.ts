import { Fault } from '../../core/errors.ts';
import { count } from '../../core/words.ts';
import { isObject, listAt, objectAt } from '../apply/manifests.ts';
import type { Talk, View } from '../operation.ts';
import { demandNamespace } from './listing.ts';
import { eachListed, listPath, metadataOnly } from './pages.ts';
import { eachPod, podState } from './pods.ts';
import { type Placed, type Placing, seriesOf, topologyPicture } from './topology-picture.ts';

/** Most characters and lines of the tree in a message; the file has it whole. */
const room = { characters: 2_600, lines: 50 };

/** Who stands behind the ReplicaSets and Jobs, by their uid: the Deployment or CronJob that people know. */
export async function controllers(talk: Talk, namespace: string): Promise<Map<string, string>> {
  const behind = new Map<string, string>();
  for (const [group, plural] of [
    ['apps/v1', 'replicasets'],
    ['batch/v1', 'jobs'],
  ] as const) {
    try {
      await eachListed(
        talk,
        listPath(group, plural, namespace),
        (object) => {
          const metadata = objectAt(object, 'metadata');
          const owner = listAt(metadata, 'ownerReferences')
            .filter(isObject)
            .find(({ controller }) => controller === true);
          if (owner) behind.set(String(metadata.uid), `${String(owner.kind)} ${String(owner.name)}`);
        },
        metadataOnly,
      );
    } catch (thrown) {
      // Without them a pod stands below its ReplicaSet, which is less, and still true.
      if (!(thrown instanceof Fault) || (thrown.kind !== 'not-found' && thrown.kind !== 'not-allowed')) throw thrown;
    }
  }
  return behind;
}

/** Namespaces, their workloads, the pods of each and the node of each pod, as a tree of text. */
export const topologyView: View = {
  name: 'topology',
  async look(talk, { namespace = '' }) {
    await demandNamespace(talk, namespace);
    const behind = await controllers(talk, namespace);
    const tree = new Map<string, Map<string, string[]>>();
    const placing: Placing = new Map();
    let pods = 0;
    await eachPod(talk, namespace, (pod) => {
      pods += 1;
      const owner =
        pod.metadata?.ownerReferences?.find(({ controller }) => controller) ?? pod.metadata?.ownerReferences?.[0];
      const workload = owner ? (behind.get(owner.uid) ?? `${owner.kind} ${owner.name}`) : 'Pods of nobody';
      const own = pod.metadata?.namespace ?? '';
      const workloads = tree.get(own) ?? new Map<string, string[]>();
      const state = podState(pod);
      const doing = state === 'Running' ? '' : `, ${state}`;
      const line = `${pod.metadata?.name ?? ''} on ${pod.spec?.nodeName ?? 'no node'}${doing}`;
      const lines = workloads.get(workload) ?? [];
      lines.push(line);
      workloads.set(workload, lines);
      tree.set(own, workloads);
      const placed = placing.get(own) ?? new Map<string, Placed[]>();
      const there = placed.get(workload) ?? [];
      there.push({ node: pod.spec?.nodeName ?? '', series: seriesOf(pod, talk.now()) });
      placing.set(own, placed.set(workload, there));
    });
    const of = namespace === '' ? '' : ` of namespace ${namespace}`;
    if (pods === 0) {
      const text = `Nothing runs${namespace === '' ? '' : ` in namespace ${namespace}`}.`;
      return { title: `Topology${of}`, text, parts: [{ part: 'text', text }] };
    }
    const lines = draw(tree);
    const shown: string[] = [];
    let size = 0;
    for (const line of lines.slice(0, room.lines)) {
      size += line.length + 1;
      if (size > room.characters) break;
      shown.push(line);
    }
    const left = lines.length - shown.length;
    const workloads = [...tree.values()].reduce((sum, each) => sum + each.size, 0);
    const text = `${count(pods, 'pod')} of ${count(workloads, 'workload')} in ${count(tree.size, 'namespace')}.`;
    return {
      title: `Topology${of}`,
      text,
      parts: [
        { part: 'text', text },
        { part: 'picture', picture: topologyPicture(placing, `What runs where${of}`, text) },
        { part: 'code', text: shown.join('\n') },
        ...(left > 0
          ? [{ part: 'note' as const, text: `And ${left} more lines, in the file. With namespace= it is shorter.` }]
          : []),
      ],
      ...(left > 0 ? { file: { name: 'topology.txt', content: `${lines.join('\n')}\n` } } : {}),
    };
  },
};

function draw(tree: Map<string, Map<string, string[]>>): string[] {
  const sorted = <T>(map: Map<string, T>): [string, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines: string[] = [];
  for (const [namespace, workloads] of sorted(tree)) {
    lines.push(namespace);
    const inner = sorted(workloads);
    for (const [at, [workload, pods]] of inner.entries()) {
      const last = at === inner.length - 1;
      lines.push(`${last ? '└─' : '├─'} ${workload}`);
      const sortedPods = pods.sort();
      for (const [index, pod] of sortedPods.entries())
        lines.push(`${last ? '  ' : '│ '} ${index === sortedPods.length - 1 ? '└─' : '├─'} ${pod}`);
    }
  }
  return lines;
}
