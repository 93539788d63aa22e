import { z } from 'zod';
import { pathOf } from '../apply/kinds.ts';
import { called, objectAt } from '../apply/manifests.ts';
import { manager } from '../apply/server.ts';
import { meantWorkload } from '../apply/workloads.ts';
import type { WorkOperation } from '../operation.ts';

const Input = z.object({
  app: z.string().min(1),
  workload: z.string().optional(),
  namespace: z.string().optional(),
  paused: z.boolean(),
});

/** Holds the rollout of a Deployment where it is, or lets it go on. */
export const pauseApp: WorkOperation = {
  op: 'app.pause',

  async plan(talk, { input: given }) {
    const input = Input.parse(given);
    const workload = await meantWorkload(talk, input, ['Deployment']);
    const paused = objectAt(workload.live, 'spec').paused === true;
    const it = called(workload.manifest);
    return {
      steps: [input.paused ? 'Pause it' : 'Resume it'],
      facts: [{ label: 'Workload', value: it }],
      disturbs: input.paused
        ? 'Nobody: its pods go on. Changes of it wait until it is resumed.'
        : 'Nobody, as long as its other pods carry the load: changes that waited replace pods now.',
      warnings: [],
      rests: { uid: objectAt(workload.live, 'metadata').uid, paused },
      ...(paused === input.paused ? { nothing: `${it} is ${paused ? 'paused' : 'not paused'} already.` } : {}),
    };
  },

  async step(talk, { input: given }) {
    const input = Input.parse(given);
    const workload = await meantWorkload(talk, input, ['Deployment']);
    await talk.raw({
      method: 'PATCH',
      path: `${pathOf(workload.place, workload.manifest)}?fieldManager=${manager}`,
      contentType: 'application/merge-patch+json',
      body: { spec: { paused: input.paused ? true : null } },
    });
    const it = called(workload.manifest);
    const note = input.paused ? `The rollout of ${it} is paused; its pods go on.` : `The rollout of ${it} goes on.`;
    return { state: 'done', progress: {}, at: 0, percent: 100, note };
  },
};
