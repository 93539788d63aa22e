import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Talk, WorkOperation } from '../operation.ts';

const Input = z.object({ namespace: z.string().min(1), name: z.string().min(1), at: z.string().min(1) });

/** What is read of a Deployment. */
const Deployment = z.object({
  metadata: z.object({ generation: z.number().optional(), uid: z.string().optional() }),
  spec: z.object({
    replicas: z.number().optional(),
    template: z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()).optional() }).optional() }),
  }),
  status: z
    .object({
      observedGeneration: z.number().optional(),
      replicas: z.number().optional(),
      updatedReplicas: z.number().optional(),
      availableReplicas: z.number().optional(),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().optional(),
            message: z.string().optional(),
          }),
        )
        .optional(),
    })
    .optional(),
});

/** As `kubectl rollout restart` marks it. */
const mark = 'kubectl.kubernetes.io/restartedAt';

const steps = ['Ask for new pods', 'Wait for them'];

function pathOf({ namespace, name }: z.infer<typeof Input>): string {
  return `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/deployments/${encodeURIComponent(name)}`;
}

async function read(talk: Talk, input: z.infer<typeof Input>): Promise<z.infer<typeof Deployment>> {
  return Deployment.parse(await talk.raw({ method: 'GET', path: pathOf(input) }));
}

/** Replaces the pods of a Deployment one after the other, as its own strategy says. */
export const restartApp: WorkOperation = {
  op: 'app.restart',

  async plan(talk, { input: given }) {
    const input = Input.parse(given);
    const found = await read(talk, input);
    const replicas = found.spec.replicas ?? 1;
    return {
      steps,
      facts: [
        { label: 'App', value: `${input.name} in ${input.namespace}` },
        { label: 'Pods', value: String(replicas) },
      ],
      disturbs:
        replicas > 1
          ? 'Nobody, as long as its other pods carry the load while each is replaced.'
          : 'Whoever uses it, for a moment: it has one pod only.',
      warnings: [],
      rests: { uid: found.metadata.uid, generation: found.metadata.generation },
    };
  },

  async step(talk, { input: given }) {
    const input = Input.parse(given);
    const found = await read(talk, input);
    if (found.spec.template.metadata?.annotations?.[mark] !== input.at) {
      await talk.raw({
        method: 'PATCH',
        path: `${pathOf(input)}?fieldManager=kqueen`,
        body: { spec: { template: { metadata: { annotations: { [mark]: input.at } } } } },
        contentType: 'application/merge-patch+json',
      });
      return { state: 'wait', ms: 1_000, progress: {}, at: 1, note: 'Its pods are being replaced.' };
    }
    const wanted = found.spec.replicas ?? 1;
    const { observedGeneration = 0, updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = found.status ?? {};
    const late = found.status?.conditions?.find(
      ({ type, reason }) => type === 'Progressing' && reason === 'ProgressDeadlineExceeded',
    );
    if (late) {
      throw new Fault(
        'internal',
        `The new pods of ${input.name} do not get ready: ${late.message ?? 'it takes too long'}`,
        {
          whose: 'caller',
          retryable: false,
          next: 'The old pods go on as far as they can. Look at its pods and their logs.',
        },
      );
    }
    const seen = observedGeneration >= (found.metadata.generation ?? 0);
    const there = Math.min(updatedReplicas, availableReplicas);
    if (seen && there >= wanted && replicas <= wanted) {
      return { state: 'done', progress: {}, at: 1, percent: 100, note: `All ${wanted} pods of ${input.name} are new.` };
    }
    return {
      ...{ state: 'wait', ms: 2_000, progress: {}, at: 1 },
      percent: wanted === 0 ? 100 : Math.floor((100 * there) / wanted),
      note: `${there} of ${wanted} new pods are ready.`,
    };
  },
};
