import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { count } from '../../core/words.ts';
import { called, type JsonObject, objectAt } from '../apply/manifests.ts';
import { podsOf, reasonsOf, standingOf } from '../apply/rollout.ts';
import { inParallel } from '../apply/set.ts';
import { meantWorkload } from '../apply/workloads.ts';
import type { WorkOperation } from '../operation.ts';

const Input = z.object({ app: z.string().min(1), workload: z.string().optional(), namespace: z.string().optional() });
const Progress = z.object({ old: z.array(z.string()).optional(), since: z.number().optional() });

const kinds = ['Deployment', 'StatefulSet', 'DaemonSet'];
/** How long the new pods may take, in milliseconds. */
const withinMs = 600_000;

function uidOf(pod: JsonObject): string {
  return String(objectAt(pod, 'metadata').uid);
}

/** Deletes all pods of a workload at once; its controller makes new ones. */
export const recreateApp: WorkOperation = {
  op: 'app.recreate',

  async plan(talk, { input: given }) {
    const workload = await meantWorkload(talk, Input.parse(given), kinds);
    const pods = await podsOf(talk, workload.place, workload.manifest);
    return {
      steps: ['Delete its pods', 'Wait for new ones'],
      facts: [
        { label: 'Workload', value: called(workload.manifest) },
        { label: 'Pods', value: `${pods.length}, all at once` },
      ],
      disturbs: 'Whoever uses it, until the new pods are ready. To replace them one after the other use app restart.',
      detail: pods
        .slice(0, 30)
        .map((pod) => `- Pod ${String(objectAt(pod, 'metadata').name)}`)
        .join('\n'),
      warnings: [],
      rests: { uid: uidOf(workload.live), pods: pods.map(uidOf).sort() },
    };
  },

  async step(talk, { input: given, progress: left }) {
    const { old, since } = Progress.parse(left);
    const workload = await meantWorkload(talk, Input.parse(given), kinds);
    const pods = await podsOf(talk, workload.place, workload.manifest);
    // Which pods are the old ones is saved before one is deleted, so that a repeat deletes no new one.
    if (!old)
      return {
        state: 'again',
        progress: { old: pods.map(uidOf), since: talk.now() },
        at: 0,
        note: `${count(pods.length, 'pod')} to delete.`,
      };
    const there = pods.filter((pod) => old.includes(uidOf(pod)));
    const going = there.filter((pod) => objectAt(pod, 'metadata').deletionTimestamp === undefined);
    await inParallel(going, 4, async (pod) => {
      const { name, namespace, uid } = objectAt(pod, 'metadata');
      try {
        await talk.raw({
          method: 'DELETE',
          path: `/api/v1/namespaces/${encodeURIComponent(String(namespace))}/pods/${encodeURIComponent(String(name))}`,
          body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid } },
        });
      } catch (thrown) {
        // Gone, or a new pod has its name already.
        if (!(thrown instanceof Fault && (thrown.kind === 'not-found' || thrown.kind === 'conflict'))) throw thrown;
      }
    });
    const standing = standingOf(workload.manifest.kind, workload.live);
    const fresh = pods.length - there.length;
    const wanted = standing?.wanted ?? 0;
    if (there.length === 0 && standing?.is === 'ready' && fresh >= wanted) {
      return {
        state: 'done',
        progress: { old, since },
        at: 1,
        percent: 100,
        note: `All ${count(fresh, 'pod')} of ${called(workload.manifest)} are new.`
          .replace('All 1 pod', 'The 1 pod')
          .replace('1 pod of', '1 pod of'),
      };
    }
    if (talk.now() - (since ?? 0) > withinMs) {
      const reasons = await reasonsOf(talk, workload.place, workload.manifest);
      throw new Fault(
        'internal',
        `The new pods of ${called(workload.manifest)} do not get ready. ${reasons.join('; ')}`.trim(),
        { whose: 'caller', retryable: false },
      );
    }
    return {
      state: 'wait',
      ms: 1_000,
      progress: { old, since },
      at: 1,
      note: `${there.length} old pods are left; ${Math.min(standing?.ready ?? 0, fresh)} of ${wanted} new ones are ready.`,
    };
  },
};
