import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { count } from '../../core/words.ts';
import { called, isObject, listAt, objectAt } from '../apply/manifests.ts';
import { reasonsOf, scalePath, standingOf } from '../apply/rollout.ts';
import { manager } from '../apply/server.ts';
import { meantWorkload, type Workload } from '../apply/workloads.ts';
import type { Talk, WorkOperation } from '../operation.ts';

const Input = z.object({
  app: z.string().min(1),
  workload: z.string().optional(),
  namespace: z.string().optional(),
  replicas: z.number().int().min(0),
});
const Progress = z.object({ since: z.number().optional() });

/** How long new pods may take to get ready, in milliseconds. */
const withinMs = 600_000;

/** Scalers that set the number of its pods themselves. */
async function scalersOf(talk: Talk, { manifest }: Workload): Promise<string[]> {
  const path = `/apis/autoscaling/v2/namespaces/${encodeURIComponent(manifest.namespace ?? 'default')}/horizontalpodautoscalers?limit=500`;
  try {
    const all = listAt(await talk.raw({ method: 'GET', path }), 'items').filter(isObject);
    const its = all.filter((each) => {
      const target = objectAt(each, 'spec', 'scaleTargetRef');
      return target.kind === manifest.kind && target.name === manifest.name;
    });
    return its.map((each) => String(objectAt(each, 'metadata').name));
  } catch (thrown) {
    // A cluster without that API has no such scalers.
    if (thrown instanceof Fault && (thrown.kind === 'not-found' || thrown.kind === 'not-allowed')) return [];
    throw thrown;
  }
}

/** Sets how many pods a workload has, by its scale. */
export const scaleApp: WorkOperation = {
  op: 'app.scale',

  async plan(talk, { input: given }) {
    const input = Input.parse(given);
    const workload = await meantWorkload(talk, input);
    const before = Number(objectAt(workload.live, 'spec').replicas ?? 1);
    const scalers = await scalersOf(talk, workload);
    const it = called(workload.manifest);
    const fewer = input.replicas < before;
    return {
      steps: ['Set the number', 'Wait for the pods'],
      facts: [
        { label: 'Workload', value: it },
        { label: 'Pods', value: `${before} → ${input.replicas}` },
      ],
      disturbs:
        input.replicas === 0
          ? 'Whoever uses it: no pod is left.'
          : fewer
            ? 'Nobody, as long as the pods that are left carry the load.'
            : 'Nobody.',
      warnings: scalers.map(
        (name) => `The HorizontalPodAutoscaler ${name} sets the number of its pods itself, and will again.`,
      ),
      rests: { uid: objectAt(workload.live, 'metadata').uid, before },
      ...(before === input.replicas ? { nothing: `${it} has ${count(before, 'pod')} already.` } : {}),
    };
  },

  async step(talk, { input: given, progress: left }) {
    const input = Input.parse(given);
    const { since } = Progress.parse(left);
    const workload = await meantWorkload(talk, input);
    const it = called(workload.manifest);
    if (Number(objectAt(workload.live, 'spec').replicas ?? 1) !== input.replicas && since === undefined) {
      await talk.raw({
        method: 'PATCH',
        path: `${scalePath(workload.place, workload.manifest)}?fieldManager=${manager}`,
        contentType: 'application/merge-patch+json',
        body: { spec: { replicas: input.replicas } },
      });
      return {
        state: 'wait',
        ms: 500,
        progress: { since: talk.now() },
        at: 1,
        note: `${it} is to have ${count(input.replicas, 'pod')}.`,
      };
    }
    const begun = since ?? talk.now();
    const standing = standingOf(workload.manifest.kind, workload.live);
    const pods = Number(objectAt(workload.live, 'status').replicas ?? 0);
    if (standing?.is === 'ready' && pods === input.replicas) {
      return {
        state: 'done',
        progress: { since: begun },
        at: 1,
        percent: 100,
        note: `${it} has ${count(input.replicas, 'pod')}.`,
      };
    }
    if (talk.now() - begun > withinMs || standing?.is === 'failed') {
      const reasons = await reasonsOf(talk, workload.place, workload.manifest);
      throw new Fault(
        'internal',
        `${it} does not get all its pods: ${standing?.ready ?? 0} of ${input.replicas} are ready. ${reasons.join('; ')}`.trim(),
        {
          whose: 'caller',
          retryable: false,
          next: 'The number stays set. Add nodes, or scale it back.',
        },
      );
    }
    const ready = Math.min(standing?.ready ?? 0, input.replicas);
    return {
      ...{
        state: 'wait',
        ms: 1_000,
        progress: { since: begun },
        at: 1,
        note: `${ready} of ${input.replicas} pods are ready.`,
      },
      percent: input.replicas === 0 ? 50 : Math.floor((100 * ready) / input.replicas),
    };
  },
};
