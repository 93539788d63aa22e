/**
 * KQueen's own autoscaling: clusters with a rule are looked at, and what the rule makes of it becomes a job like any other. One change of a cluster at a
 * time, by the open job that it holds; one worker at a time, by the claim on the sweeps and by compare-and-swap on the records.
 */
import { decideScaling, newAutoscale, type ScalingAct, type ScalingVerdict, scalingTimes } from '../core/autoscale.ts';
import { typedSpec } from '../core/commands/cluster-change.ts';
import { clientOf, clusterKubeconfig, hasKubeconfig } from '../core/connect.ts';
import { engineAt } from '../core/engine-at.ts';
import { asFault, Fault } from '../core/errors.ts';
import { formatLine } from '../core/line.ts';
import { ownAudit, ownCaller } from '../core/own-jobs.ts';
import { hashOf } from '../core/plan.ts';
import { baseOf, planChange, poolsOf } from '../core/plan-change.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Engine, Engines, NodePool, Options } from '../core/ports/engine.ts';
import type { Kube } from '../core/ports/kube.ts';
import type { Log } from '../core/ports/log.ts';
import type { Queue } from '../core/ports/queue.ts';
import type { ScalingSight } from '../core/ports/scaling.ts';
import type { Cache, Change, Sealer, Store, Stored } from '../core/ports/store.ts';
import type { Autoscale, Cluster, Job, Notice, Plan, ScalingRule } from '../core/records.ts';
import { count } from '../core/words.ts';
import { bounded } from './bounded.ts';
import { listAll, orgsOf } from './listing.ts';
import { inParallel } from './parallel.ts';
import { openProvisioners } from './provisioners.ts';

export interface AutoscaleParts {
  store: Store;
  cache?: Cache;
  sealer: Sealer;
  engines: Engines;
  kube: Kube;
  queue: Queue;
  clock: Clock;
  newId: NewId;
  log: Log;
  /** How long a job that adds nodes may take, in milliseconds; default an hour. */
  provisionMs?: number;
}

export interface AutoscaleSweep {
  /** Looks once at every cluster with a rule. Ends early, between clusters, when `go` says no or the signal fires. */
  sweep(signal: AbortSignal, go?: () => boolean): Promise<void>;
}

/** Clusters at once, and what one look may take, in milliseconds. */
const atOnce = 8;
const lookMs = 10_000;
const pricesMs = 2_000;
/** How long emptying a node may take, in milliseconds. */
const emptyMs = 10 * 60_000;
/** Notices are kept for a week. */
const noticesMs = 7 * 86_400_000;

export function createAutoscaleSweep(parts: AutoscaleParts): AutoscaleSweep {
  const { store, clock, log, kube, newId } = parts;
  const provisioners = openProvisioners(store, clock);

  async function sweep(signal: AbortSignal, go: () => boolean = () => true): Promise<void> {
    for (const org of orgsOf(parts.cache)) {
      const ruled = await listAll(parts, 'cluster', org, isRuled);
      await inParallel(ruled, atOnce, async (cluster) => {
        if (signal.aborted || !go()) return;
        try {
          await look(cluster);
        } catch (thrown) {
          const fault = asFault(thrown);
          log.warn({ cluster: cluster.id, detail: fault.detail }, `autoscaling could not look: ${fault.message}`);
        }
      });
      if (!signal.aborted && go()) await tidy(org);
    }
  }

  /** What was seen of clusters that have no rule any more goes, and so do notices that are old. */
  async function tidy(org: string): Promise<void> {
    const now = clock.now();
    const left = await listAll(parts, 'autoscale', org, () => true);
    for (const { id } of left) {
      const cluster = await store.get({ kind: 'cluster', org, id });
      if (cluster?.record.scaling) continue;
      const held = await store.get({ kind: 'autoscale', org, id });
      if (held) await store.commit([{ op: 'delete', ref: held.ref, if: held.revision }]);
    }
    for (const { id } of await listAll(parts, 'notice', org, ({ at }) => now - at > noticesMs)) {
      const held = await store.get({ kind: 'notice', org, id });
      if (held) await store.commit([{ op: 'delete', ref: held.ref, if: held.revision }]);
    }
  }

  async function look(listed: Cluster): Promise<void> {
    const { org, id } = listed;
    // No decision is made from memory.
    const found = await store.get({ kind: 'cluster', org, id });
    const cluster = found?.record;
    if (!found || !cluster?.scaling || !isRuled(cluster) || !hasKubeconfig(cluster, parts.engines)) return;
    const engine = parts.cache
      ? engineAt({ engines: parts.engines, cache: parts.cache }, cluster)
      : parts.engines.get(cluster.engine);
    if (!engine?.capabilities.scale) return;
    const held = await store.get({ kind: 'autoscale', org, id });
    const before = held?.record ?? newAutoscale(org, id, clock.now());
    const [upJob, downJob] = await Promise.all([lastJob(org, before.up?.job), lastJob(org, before.down?.job)]);
    const pools = poolsOf(cluster, engine);
    const seen = await sight(cluster, cluster.scaling, pools);
    const verdict = decideScaling({
      ...{ rules: cluster.scaling, pools, seen, before, now: clock.now() },
      ...{ retires: engine.capabilities.retire, upJob, downJob },
    });
    await settle({ found, engine, held, verdict });
  }

  async function lastJob(org: string, id: string | undefined): Promise<Job | undefined> {
    return id === undefined ? undefined : (await store.get({ kind: 'job', org, id }))?.record;
  }

  async function sight(
    cluster: Cluster,
    rules: Readonly<Record<string, ScalingRule>>,
    pools: readonly NodePool[],
  ): Promise<ScalingSight> {
    const asked = Object.values(rules);
    const wish = {
      pools: Object.keys(rules).sort(),
      all: pools.map(({ name }) => name),
      waitMs: Math.min(...asked.map(({ waitMs }) => waitMs)),
      use: Math.max(...asked.map(({ use }) => use)),
      most: scalingTimes.most,
    };
    return bounded(clock, { ms: lookMs, who: 'The cluster' }, async (call) => {
      const kubeconfig = await clusterKubeconfig(parts, cluster, { now: clock.now(), call });
      return kube.scaling(kubeconfig, wish, call);
    });
  }

  interface Settling {
    found: Stored<'cluster'>;
    engine: Engine;
    held: Stored<'autoscale'> | undefined;
    verdict: ScalingVerdict;
  }

  /** Writes what was seen and what follows from it in one transaction: the job is there, or nothing is. */
  async function settle({ found, engine, held, verdict }: Settling): Promise<void> {
    const cluster = found.record;
    const { org, id } = cluster;
    const { act, alert } = verdict;
    const changes: Change[] = [];
    let after = verdict.after;
    let job: Job | undefined;
    if (act) {
      job = act.node === undefined ? await growing(cluster, engine, act) : shrinking(cluster, engine, act, act.node);
      const made = { job: job.id, at: clock.now(), pool: act.pool, to: act.to };
      after = { ...after, [act.node === undefined ? 'up' : 'down']: made };
      changes.push(
        { op: 'put', ref: { kind: 'job', org, id: job.id }, record: job, if: 0 },
        { op: 'put', ref: found.ref, record: { ...cluster, openJob: job.id }, if: found.revision },
        ownAudit(newId, job, act.why, clock.now()),
      );
    }
    if (alert) changes.push(noticeOf(cluster, alert));
    if (!job && !alert && held && !differs(held.record, after)) return;
    changes.push({ op: 'put', ref: { kind: 'autoscale', org, id }, record: after, if: held?.revision ?? 0 });
    if (!job) changes.push({ op: 'check', ref: found.ref, if: found.revision });
    const saved = await store.commit(changes);
    // Somebody else has changed the cluster meanwhile: the next look sees it as it is then.
    if (!saved.ok || !job) return;
    log.info({ cluster: id, job: job.id, pool: act?.pool }, `autoscaling: ${act?.why}`);
    try {
      await parts.queue.add({ org, job: job.id, tick: job.tick }, job.dueAt ?? clock.now());
    } catch (thrown) {
      log.warn({ job: job.id }, `the job waits for the sweep: ${asFault(thrown).message}`);
    }
  }

  /** A job that adds nodes: the same as when a person scales. */
  async function growing(cluster: Cluster, engine: Engine, act: ScalingAct): Promise<Job> {
    const pools = poolsOf(cluster, engine);
    const named = pools.length > 1 ? { pool: act.pool } : {};
    const update = { ...named, nodes: act.to };
    const options = await pricesOf(cluster, engine);
    const made = planChange({ kind: 'cluster.scale', cluster, engine, update, options }, ownCaller(cluster.org));
    const command = formatLine('cluster scale', ['cluster', 'nodes'], {
      cluster: cluster.name,
      nodes: String(act.to),
      ...named,
    });
    return {
      ...base(cluster, act, ruled(made, act, cluster), command),
      ...{ kind: 'cluster.scale', nodes: act.to, update, base: baseOf(cluster) },
    };
  }

  /** A job that empties a node and has its machine removed. */
  function shrinking(cluster: Cluster, engine: Engine, act: ScalingAct, node: string): Job {
    const rule = cluster.scaling?.[act.pool];
    const all = poolsOf(cluster, engine).map(({ name }) => name);
    const plan: Plan = ruled(
      {
        title: `Remove node ${node} of ${cluster.name}`,
        facts: [
          { label: 'Cluster', value: `${cluster.name}, a ${cluster.purpose} cluster of ${cluster.ownerName}` },
          { label: 'Node', value: node },
          { label: `Nodes of ${act.pool}`, value: `${act.from} → ${act.to}` },
        ],
        disturbs:
          'Whoever uses the pods that move: each ends there and is made anew on another node, as its PodDisruptionBudgets allow.',
        cost: null,
        costNote: `Less by what ${count(act.from - act.to, 'node')} costs.`,
        approval: { needed: false, role: 'admin', why: '' },
        hash: '',
      },
      act,
      cluster,
    );
    const command = formatLine('cluster autoscale', ['cluster', 'mode'], { cluster: cluster.name, mode: 'why' });
    return {
      ...base(cluster, act, plan, command),
      ...{ kind: 'cluster.work', nodes: act.to },
      work: {
        ...{ op: 'node.scale-down', title: `Remove node ${node} of`, bulk: false, progress: {} },
        steps: ['Close the node', 'Look once more', 'Empty it', 'Retire its machine'],
        input: {
          ...{ node, pool: act.pool, all, size: act.from, withinMs: emptyMs },
          ...{ waitMs: rule?.waitMs ?? 0, use: rule?.use ?? 0 },
        },
      },
    };
  }

  function base(cluster: Cluster, act: ScalingAct, plan: Plan, command: string): Omit<Job, 'kind'> {
    const now = clock.now();
    const { person, name } = ownCaller(cluster.org);
    return {
      ...{ v: 1, id: newId(8), org: cluster.org, cluster: cluster.id, clusterName: cluster.name },
      ...{ provisioner: cluster.provisioner, engine: cluster.engine, state: 'Queued' },
      ...{ requestedBy: person, requesterName: name, requestedAt: now },
      place: cluster.scaling?.[act.pool]?.place ?? cluster.place,
      ...{ command, plan, tick: 1, dueAt: now, allowedMs: parts.provisionMs ?? 3_600_000 },
      ...{ steps: [], note: 'Waiting for a free worker.', attempt: 0 },
      log: [
        {
          at: now,
          text: `Begun by the autoscaling rule of ${cluster.scaling?.[act.pool]?.byName ?? 'a person'}: ${act.why}`,
        },
      ],
    };
  }

  /** The provider's prices, when it tells them at once: a change by a rule is not kept waiting for them. */
  async function pricesOf(cluster: Cluster, engine: Engine): Promise<Options | null> {
    try {
      const found = await provisioners.read(cluster.org, cluster.provisioner);
      if (!found) throw new Fault('not-found', `Provisioner ${cluster.provisionerName} does not exist any more.`);
      return await bounded(clock, { ms: pricesMs, who: 'The provider' }, async (call) => {
        const client = await clientOf(parts, found.record, found.sealed);
        return client.options(typedSpec(cluster.spec, engine), call);
      });
    } catch (thrown) {
      log.info({ cluster: cluster.id }, `no prices for a plan: ${asFault(thrown).message}`);
      return null;
    }
  }

  function noticeOf(cluster: Cluster, { pool, title, text }: NonNullable<ScalingVerdict['alert']>): Change {
    const id = newId(12);
    const rule = cluster.scaling?.[pool];
    const of = (mode: string) => formatLine('cluster autoscale', ['cluster', 'mode'], { cluster: cluster.name, mode });
    const record: Notice = {
      ...{ v: 1, id, org: cluster.org, cluster: cluster.id, place: rule?.place ?? cluster.place, at: clock.now() },
      ...{ tone: 'warn', title: `${cluster.name}: ${title}`, owner: cluster.owner },
      text: `${text} Raise the bound, make room, or let it wait.`,
      buttons: [
        { label: 'Change the bounds', command: of('') },
        { label: 'Why', command: of('why') },
        {
          label: 'Pods',
          command: formatLine('cluster get', ['what', 'cluster'], { what: 'pods', cluster: cluster.name }),
        },
      ],
    };
    return { op: 'put', ref: { kind: 'notice', org: cluster.org, id }, record, if: 0 };
  }

  return { sweep };
}

/** A cluster that a rule may change now: it runs, and nothing else changes it. */
function isRuled({ scaling, phase, openJob, stopped, readOnly }: Cluster): boolean {
  return scaling !== undefined && phase === 'Ready' && openJob === undefined && !stopped && !readOnly;
}

/** The plan as the rule's own approval allows it. */
function ruled(plan: Plan, act: ScalingAct, cluster: Cluster): Plan {
  const rule = cluster.scaling?.[act.pool];
  const by = rule ? `the rule that ${rule.byName} has set allows ${rule.min} to ${rule.max} nodes` : 'a rule allows it';
  const approval = { needed: false, role: 'admin' as const, why: by };
  const facts = [...plan.facts, { label: 'Why', value: act.why }];
  return { ...plan, facts, approval, hash: hashOf({ ...plan, facts, approval, hash: '' }) };
}

/** Whether a look is worth a write: anything but the time has changed, or the time has to be told anew. */
function differs(before: Autoscale, after: Autoscale): boolean {
  const plain = ({ at: _at, ...rest }: Autoscale) => JSON.stringify(rest);
  return plain(before) !== plain(after) || after.at - before.at > scalingTimes.blindMs / 3;
}
