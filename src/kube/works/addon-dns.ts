import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { asTaken, pullSecret, readRegistry } from '../addons/registry.ts';
import { manifestOf } from '../apply/bundle.ts';
import type { Place } from '../apply/kinds.ts';
import { isObject, type JsonObject, listAt, type Manifest, objectAt } from '../apply/manifests.ts';
import { home } from '../apply/revisions.ts';
import { podsOf, reasonsOf } from '../apply/rollout.ts';
import { ensureNamespace, manager, readObject, removeObject } from '../apply/server.ts';
import { plain } from '../faults.ts';
import type { Talk, WorkOperation } from '../operation.ts';

/** A name as it is looked up: letters, digits, dots and dashes alone, since it goes to a shell. */
const dnsName = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/;

const Input = z.object({
  /** At most eight; the first one is a name of the cluster's own. */
  names: z.array(z.string().regex(dnsName)).min(1).max(8),
  image: z.string(),
  asked: z.string().min(1),
  mirrors: z.array(z.object({ from: z.string(), to: z.string() })).default([]),
});
type Input = z.infer<typeof Input>;
const Progress = z.object({
  since: z.number().optional(),
  /** What the pod ended with, kept before it is removed. */
  ended: z.object({ code: z.number(), said: z.string() }).optional(),
});

const jobs: Place = { base: '/apis/batch/v1', plural: 'jobs', namespaced: true, coming: false };
const steps = ['Start a pod in the cluster', 'Wait for what it finds'];
/** How long the pod may take until it has ended, in milliseconds. */
const withinMs = 300_000;

/** Ends with the sum of 1, 2, 4 … of the names that do not resolve, and says them in its last words. */
const script =
  'code=0; bit=1; for name in "$@"; do if out=$(nslookup -timeout=5 "$name" 2>&1); then echo "$name resolves"; else code=$((code+bit)); echo "$name does not resolve: $(echo "$out" | tail -n 1)"; fi; bit=$((bit*2)); done > /dev/termination-log; exit $code';

function jobName({ asked }: Input): string {
  return `kqueen-dns-${createHash('sha256').update(asked).digest('hex').slice(0, 10)}`;
}

async function jobOf(talk: Talk, input: Input): Promise<Manifest> {
  const registry = await readRegistry(talk);
  const object: JsonObject = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: jobName(input), namespace: home, labels: { 'app.kubernetes.io/managed-by': 'kqueen' } },
    spec: {
      backoffLimit: 0,
      // Only for what KQueen could not remove itself.
      activeDeadlineSeconds: 3_600,
      ttlSecondsAfterFinished: 3_600,
      template: {
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          ...(registry?.pull ? { imagePullSecrets: [{ name: pullSecret }] } : {}),
          containers: [
            {
              name: 'dns',
              image: input.image,
              command: ['sh', '-c', script, 'dns', ...input.names],
              resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
            },
          ],
        },
      },
    },
  };
  const { manifests } = await asTaken(talk, [manifestOf(object)], input.mirrors);
  return manifests[0] ?? manifestOf(object);
}

/** Looks from inside a cluster whether names resolve there: a Job of one pod, which is removed afterwards. */
export const checkDns: WorkOperation = {
  op: 'addon.dns',

  async plan(talk, work) {
    const input = Input.parse(work.input);
    const job = await jobOf(talk, input);
    const [container] = listAt(job.object, 'spec', 'template', 'spec', 'containers').filter(isObject);
    return {
      steps,
      facts: [
        { label: 'Names', value: input.names.join(', ') },
        {
          label: 'Pod',
          value: `one of ${String(container?.image)}, in the namespace ${home}; it is removed afterwards`,
        },
      ],
      disturbs: 'Nobody.',
      warnings: [],
      rests: { image: container?.image },
    };
  },

  async step(talk, work) {
    const input = Input.parse(work.input);
    const { since, ended } = Progress.parse(work.progress);
    const job = await jobOf(talk, input);
    if (since === undefined) {
      await ensureNamespace(talk, home);
      try {
        await talk.raw({
          method: 'POST',
          path: `/apis/batch/v1/namespaces/${home}/jobs?fieldManager=${manager}`,
          body: job.object,
        });
      } catch (thrown) {
        // A repeat of this step has started it already.
        if (!(thrown instanceof Fault && thrown.kind === 'conflict')) throw thrown;
      }
      return { state: 'wait', ms: 1_000, progress: { since: talk.now() }, at: 1, note: 'A pod looks the names up.' };
    }
    if (!ended) {
      const found = await endedPod(talk, job);
      if (found) {
        return { state: 'again', progress: { since, ended: found }, at: 1, note: 'The pod has looked the names up.' };
      }
      const live = await readObject(talk, jobs, job);
      if (live && talk.now() - since <= withinMs) {
        const reasons = await reasonsOf(talk, jobs, job, 1);
        return {
          state: 'wait',
          ms: 1_500,
          progress: { since },
          at: 1,
          note: reasons[0] ?? 'A pod looks the names up.',
        };
      }
      const reasons = await reasonsOf(talk, jobs, job);
      await removeObject(talk, jobs, job);
      throw new Fault('internal', `The pod that looks names up did not end. ${reasons.join('; ')}`.trim(), {
        whose: 'caller',
        retryable: false,
        next: 'See cluster check. Where its image cannot be pulled, set a mirror with cluster registry.',
      });
    }
    await removeObject(talk, jobs, job);
    const wrong = input.names.filter((_name, index) => ((ended.code >> index) & 1) === 1);
    const right = input.names.filter((name) => !wrong.includes(name));
    if (wrong.length === 0) {
      return {
        state: 'done',
        progress: { since },
        at: 1,
        percent: 100,
        note: `Names resolve inside the cluster: ${right.join(', ')}.`,
        result: right.map((name) => ({ label: name, value: 'resolves' })),
      };
    }
    const rest = right.length > 0 ? ` ${right.join(', ')} ${right.length === 1 ? 'does' : 'do'}.` : '';
    throw new Fault(
      'internal',
      `Inside the cluster ${wrong.join(', ')} ${wrong.length === 1 ? 'does' : 'do'} not resolve.${rest}`,
      {
        whose: 'caller',
        retryable: false,
        ...(ended.said ? { detail: ended.said } : {}),
        next: wrong.includes(input.names[0] ?? '')
          ? 'Look at the pods labelled k8s-app=kube-dns in kube-system, with cluster check.'
          : 'Names outside are asked of the DNS of the nodes: look at what the nodes resolve with, and whether a firewall lets it through.',
      },
    );
  },
};

/** What the pod ended with; undefined while it has not. */
async function endedPod(talk: Talk, job: Manifest): Promise<{ code: number; said: string } | undefined> {
  for (const pod of await podsOf(talk, jobs, job)) {
    const [status] = listAt(pod, 'status', 'containerStatuses').filter(isObject);
    const ended = objectAt(status, 'state', 'terminated');
    if (typeof ended.exitCode !== 'number') continue;
    return { code: ended.exitCode, said: plain(String(ended.message ?? ''), 1_000) };
  }
  return undefined;
}
