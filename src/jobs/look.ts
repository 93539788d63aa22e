import {
  type ConnectParts,
  clientOf,
  clusterKubeconfig,
  kubeconfigSecret,
  targetOf,
  workSecret,
} from '../core/connect.ts';
import { asFault, Fault } from '../core/errors.ts';
import type { JobKind, Look } from '../core/jobs/kind.ts';
import { updateOf } from '../core/plan-change.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { EngineClient, Operation } from '../core/ports/engine.ts';
import type { Kube } from '../core/ports/kube.ts';
import type { Log } from '../core/ports/log.ts';
import type { WorkStep } from '../core/ports/work.ts';
import type { Act, Cluster, Job } from '../core/records.ts';
import { bounded } from './bounded.ts';
import type { Provisioners } from './provisioners.ts';

export interface LookParts extends ConnectParts {
  kube: Kube;
  clock: Clock;
  newId: NewId;
  log: Log;
  provisioners: Provisioners;
  limits: { observeMs: number; actMs: number; probeMs: number };
}

/** Everything a tick can see of its cluster, and the client that it was seen through. Writes nothing; throws only when the store does not answer. */
export async function lookAt(
  parts: LookParts,
  kind: JobKind,
  base: { job: Job; cluster: Cluster; jitter: number },
): Promise<{ look: Look; client: EngineClient | Fault }> {
  const { clock, limits } = parts;
  const target = targetOf(base.cluster, base.job.operation);
  const watch = kind.watches?.(base.job) ?? { provider: true, credentials: false };
  if (!watch.provider) return { look: await lookInside(parts, base, watch.credentials), client: inside };
  const client = await connected(parts, base.job, base.cluster);
  const seen =
    client instanceof Fault
      ? client
      : await faulty(parts, base.job, 'observe', () =>
          bounded(clock, { ms: limits.observeMs, who: 'The provider' }, (call) => client.observe(target, call)),
        );
  const look: Look = { ...base, ...engineLook(parts, base.job, base.cluster), seen, now: clock.now() };
  if (client instanceof Fault || !kind.wantsHealth(look)) return { look, client };
  look.kubeconfig = await kubeconfigAt(parts, client, base);
  if (!(look.kubeconfig instanceof Fault)) {
    const kubeconfig = look.kubeconfig;
    const health = await faulty(parts, base.job, 'probe', () =>
      bounded(clock, { ms: limits.probeMs, who: 'The cluster' }, (call) => parts.kube.probe(kubeconfig, call)),
    );
    if (!(health instanceof Fault)) look.health = health;
  }
  look.now = clock.now();
  return { look, client };
}

/** For work in the cluster the provider is not asked; a call to it would be a mistake. */
const inside = new Fault('internal', 'This job does not ask the provider now.');

/** What work in the cluster needs to know: whether there is a way in. */
async function lookInside(
  parts: LookParts,
  base: { job: Job; cluster: Cluster; jitter: number },
  credentials: boolean,
): Promise<Look> {
  const { clock, limits } = parts;
  const look: Look = { ...base, seen: inside, now: clock.now() };
  if (!credentials) return look;
  look.kubeconfig = await faulty(parts, base.job, 'kubeconfig', () =>
    bounded(clock, { ms: limits.observeMs, who: 'The provider' }, (call) =>
      clusterKubeconfig(parts, base.cluster, { now: clock.now(), call }),
    ),
  );
  look.now = clock.now();
  return look;
}

/** Does the next step of the work in the cluster. */
export async function workAt(parts: LookParts, look: Look): Promise<WorkStep | Fault> {
  const { clock, limits } = parts;
  const { job, kubeconfig } = look;
  const { work } = job;
  if (!work || typeof kubeconfig !== 'string') return new Fault('internal', 'There is no way into the cluster.');
  const ms = (job.intent?.at ?? look.now) + limits.actMs - clock.now();
  if (ms < 500) return new Fault('unreachable', 'There was not enough time left for a step.');
  const ref = workSecret(job.org, job.id);
  const sealed = work.bulk ? await parts.store.get(ref) : undefined;
  if (work.bulk && !sealed) {
    return new Fault('not-found', 'What this work was asked to apply is not kept any more.', {
      whose: 'kqueen',
      retryable: false,
      next: 'Ask for it anew.',
    });
  }
  return faulty(parts, job, `work ${work.op}`, () => {
    const { op, input, progress } = work;
    const bulk = sealed ? { bulk: parts.sealer.open(ref, sealed.record.sealed) } : {};
    return bounded(clock, { ms, who: 'The cluster', changes: true }, (call) =>
      parts.kube.work(kubeconfig, { op, input, progress, ...bulk }, call),
    );
  });
}

/** Asks the provider for the change whose intent is saved; late callers (a process that was paused meanwhile) do not ask any more. */
export async function actAt(
  parts: LookParts,
  client: EngineClient,
  look: Look,
  act: Act,
): Promise<Operation | null | Fault> {
  const { clock, limits } = parts;
  const ms = (look.job.intent?.at ?? look.now) + limits.actMs - clock.now();
  if (ms < 500) return new Fault('unreachable', 'There was not enough time left to ask the provider.');
  const target = targetOf(look.cluster, look.job.operation);
  return faulty(parts, look.job, act, () =>
    bounded<Operation | null>(clock, { ms, who: 'The provider', changes: true }, async (call) => {
      switch (act) {
        case 'create':
          return client.create(target, look.cluster.spec, call);
        case 'update':
          return client.update(target, updateOf(look.job.update ?? {}), call);
        case 'delete':
          return client.delete(target, call);
        case 'adopt':
          return client.adopt(target, call);
        case 'release':
          return client.release(target, call);
        case 'work':
          throw new Fault('internal', 'Work in a cluster is not for its provider.');
      }
    }),
  );
}

/** What an engine says without asking its provider: its rhythm, and what an update comes to. */
function engineLook({ engines }: LookParts, job: Job, cluster: Cluster): Pick<Look, 'poll' | 'shortLived' | 'wanted'> {
  const engine = engines.get(cluster.engine);
  if (!engine) return {};
  const said: Pick<Look, 'poll' | 'shortLived' | 'wanted'> = {};
  if (engine.pollMs) said.poll = engine.pollMs;
  if (engine.kubeconfigMs !== undefined) said.shortLived = true;
  if (job.update === undefined) return said;
  try {
    const spec = engine.after(cluster.spec, updateOf(job.update));
    const autoscaled = engine.pools(spec).some((pool) => pool.autoscale !== undefined);
    said.wanted = { spec, summary: engine.describe(spec), ...(autoscaled ? {} : { nodes: engine.nodes(spec) }) };
  } catch (thrown) {
    said.wanted = asFault(thrown, 'KQueen could not work out what the cluster is to be.');
  }
  return said;
}

/** The provider's kubeconfig, or the kept one while the provider gives none: a cluster in trouble there may still be looked at. */
async function kubeconfigAt(
  parts: LookParts,
  client: EngineClient,
  { job, cluster }: { job: Job; cluster: Cluster },
): Promise<string | Fault> {
  const { clock, limits } = parts;
  const target = targetOf(cluster, job.operation);
  const bounds = { ms: limits.observeMs, who: 'The provider' };
  const given = await faulty(parts, job, 'kubeconfig', () =>
    bounded(clock, bounds, (call) => client.kubeconfig(target, call)),
  );
  if (!(given instanceof Fault) || !cluster.kubeconfig) return given;
  const ref = kubeconfigSecret(cluster.org, cluster.id);
  const kept = await parts.store.get(ref);
  return kept ? faulty(parts, job, 'unseal', async () => parts.sealer.open(ref, kept.record.sealed)) : given;
}

async function connected(parts: LookParts, job: Job, cluster: Cluster): Promise<EngineClient | Fault> {
  const name = cluster.provisionerName;
  try {
    const found = await parts.provisioners.read(cluster.org, cluster.provisioner);
    if (!found) {
      return new Fault('not-found', `Provisioner ${name} does not exist any more.`, {
        whose: 'admin',
        next: 'An admin adds it again, or looks after the cluster at the provider and uses cluster forget.',
      });
    }
    const { record, sealed } = found;
    if (record.engine !== cluster.engine) {
      return new Fault('conflict', `Provisioner ${name} is not of the engine ${cluster.engine} any more.`, {
        whose: 'admin',
      });
    }
    return await faulty(parts, job, 'connect', () =>
      bounded(parts.clock, { ms: parts.limits.observeMs, who: 'The provider' }, () => clientOf(parts, record, sealed)),
    );
  } catch (thrown) {
    const fault = asFault(thrown);
    // Only the store throws here: when it does not answer, nothing can be decided and nothing saved.
    if (fault.kind === 'unreachable') throw fault;
    return fault;
  }
}

/** The call's answer or its Fault; what is not a Fault is logged with a reference that the person sees. */
async function faulty<T>(parts: LookParts, job: Job, call: string, run: () => Promise<T>): Promise<T | Fault> {
  try {
    return await run();
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
    const correlation = parts.newId();
    const fault = asFault(thrown, `Something went wrong inside KQueen (reference ${correlation}).`);
    parts.log.error({ job: job.id, correlation, call, detail: fault.detail }, 'an outside call threw an untyped error');
    return fault;
  }
}
