/**
 * Replaces dead nodes of clusters that have a rule for it. What it begins is a job like any other: one at a time for a cluster, by the open job that
 * it holds; one worker at a time, by the claim on the sweeps and by compare-and-swap on the records.
 */
import { z } from 'zod';
import { clusterKubeconfig, hasKubeconfig } from '../core/connect.ts';
import { engineAt } from '../core/engine-at.ts';
import { asFault } from '../core/errors.ts';
import { formatLine } from '../core/line.ts';
import { ownAudit, ownCaller } from '../core/own-jobs.ts';
import { hashOf } from '../core/plan.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Engines } from '../core/ports/engine.ts';
import type { Kube } from '../core/ports/kube.ts';
import type { Log } from '../core/ports/log.ts';
import type { Queue } from '../core/ports/queue.ts';
import type { Cache, Change, Sealer, Store, Stored } from '../core/ports/store.ts';
import type { WorkPlan } from '../core/ports/work.ts';
import type { Cluster, Job, Notice, Plan, RepairRule } from '../core/records.ts';
import { decideRepair, type RepairVerdict } from '../core/repair-rule.ts';
import { bounded } from './bounded.ts';
import { listAll, orgsOf } from './listing.ts';
import { inParallel } from './parallel.ts';

export interface RepairParts {
  store: Store;
  cache?: Cache;
  sealer: Sealer;
  engines: Engines;
  kube: Kube;
  queue: Queue;
  clock: Clock;
  newId: NewId;
  log: Log;
}

export interface RepairSweep {
  /** Looks once at every cluster with a rule. Ends early, between clusters, when `go` says no or the signal fires. */
  sweep(signal: AbortSignal, go?: () => boolean): Promise<void>;
}

/** Clusters at once, and what one look may take, in milliseconds. */
const atOnce = 8;
const lookMs = 12_000;
/** How long the drain of one node may take, and the job beyond its drains, in milliseconds. */
const withinMs = 600_000;
const slackMs = 3_600_000;

/** What the plan of a repair rests on. */
const Rests = z.object({ dead: z.array(z.string()), all: z.number() });

export function createRepairSweep(parts: RepairParts): RepairSweep {
  const { store, clock, log, kube, newId } = parts;

  async function sweep(signal: AbortSignal, go: () => boolean = () => true): Promise<void> {
    for (const org of orgsOf(parts.cache)) {
      const rules = await listAll(parts, 'repairrule', org, () => true);
      await inParallel(rules, atOnce, async ({ id }) => {
        if (signal.aborted || !go()) return;
        try {
          await look(org, id);
        } catch (thrown) {
          const fault = asFault(thrown);
          log.warn({ cluster: id, detail: fault.detail }, `a repair rule could not look: ${fault.message}`);
        }
      });
    }
  }

  async function look(org: string, id: string): Promise<void> {
    // No decision is made from memory.
    const [held, found] = await Promise.all([
      store.get({ kind: 'repairrule', org, id }),
      store.get({ kind: 'cluster', org, id }),
    ]);
    if (!held) return;
    if (!found) {
      await store.commit([{ op: 'delete', ref: held.ref, if: held.revision }]);
      return;
    }
    const cluster = found.record;
    if (!isSteady(cluster) || !hasKubeconfig(cluster, parts.engines)) return;
    const engine = parts.cache
      ? engineAt({ engines: parts.engines, cache: parts.cache }, cluster)
      : parts.engines.get(cluster.engine);
    if (!engine?.capabilities.retire) return;
    const health = (await store.get({ kind: 'health', org, id }))?.record;
    // The health sweep has looked already: where every node is ready there is nothing to decide.
    if (health && health.nodes > 0 && health.nodesReady === health.nodes && !held.record.told) return;
    const rule = held.record;
    const plan = await planned(cluster, inputOf(rule));
    const rests = Rests.safeParse(plan.rests);
    if (!rests.success) return;
    const before = rule.begun.at(-1);
    const last = before && (await store.get({ kind: 'job', org, id: before.job }))?.record;
    const verdict = decideRepair({ rule, ...rests.data, last, now: clock.now() });
    await settle(found, held, verdict, plan);
  }

  async function planned(cluster: Cluster, input: Record<string, unknown>): Promise<WorkPlan> {
    return bounded(clock, { ms: lookMs, who: 'The cluster' }, async (call) => {
      const kubeconfig = await clusterKubeconfig(parts, cluster, { now: clock.now(), call });
      return kube.plan(kubeconfig, { op: 'node.repair', input }, call);
    });
  }

  /** Writes what follows in one transaction: the job is there, or nothing is. */
  async function settle(
    found: Stored<'cluster'>,
    held: Stored<'repairrule'>,
    verdict: RepairVerdict,
    plan: WorkPlan,
  ): Promise<void> {
    const cluster = found.record;
    const { org, id } = cluster;
    const changes: Change[] = [];
    let { rule } = verdict;
    let job: Job | undefined;
    if (verdict.replace) {
      const { most, why } = verdict.replace;
      job = jobOf(cluster, rule, plan, most, why);
      rule = { ...rule, begun: [...rule.begun, { at: clock.now(), job: job.id, nodes: most }].slice(-50) };
      changes.push(
        { op: 'put', ref: { kind: 'job', org, id: job.id }, record: job, if: 0 },
        { op: 'put', ref: found.ref, record: { ...cluster, openJob: job.id }, if: found.revision },
        ownAudit(newId, job, why, clock.now()),
      );
    }
    if (verdict.alert) changes.push(noticeOf(cluster, rule, verdict.alert));
    if (changes.length === 0 && rule === held.record) return;
    changes.push({ op: 'put', ref: held.ref, record: rule, if: held.revision });
    if (!job) changes.push({ op: 'check', ref: found.ref, if: found.revision });
    const saved = await store.commit(changes);
    // Somebody else has changed the cluster or the rule meanwhile: the next look sees it as it is then.
    if (!saved.ok) return;
    if (verdict.alert) log.warn({ cluster: id }, `not repaired by itself: ${verdict.alert.text}`);
    if (!job) return;
    log.info({ cluster: id, job: job.id }, `a repair by a rule: ${verdict.replace?.why}`);
    try {
      await parts.queue.add({ org, job: job.id, tick: job.tick }, job.dueAt ?? clock.now());
    } catch (thrown) {
      log.warn({ job: job.id }, `the job waits for the sweep: ${asFault(thrown).message}`);
    }
  }

  function jobOf(cluster: Cluster, rule: RepairRule, seen: WorkPlan, most: number, why: string): Job {
    const now = clock.now();
    const { person, name } = ownCaller(cluster.org);
    const plan: Omit<Plan, 'hash'> = {
      title: `Repair ${cluster.name}`,
      facts: [
        { label: 'Cluster', value: `${cluster.name}, a ${cluster.purpose} cluster of ${cluster.ownerName}` },
        ...seen.facts,
        { label: 'Why', value: why },
      ],
      disturbs: seen.disturbs,
      cost: null,
      costNote: 'None of its own: as many machines as before.',
      approval: {
        needed: false,
        role: 'admin',
        why: `the rule that ${rule.byName} has set allows ${rule.limit} an hour`,
      },
      ...(seen.warnings.length > 0 ? { warnings: seen.warnings } : {}),
    };
    return {
      ...{ v: 1, id: newId(8), org: cluster.org, kind: 'cluster.work', cluster: cluster.id, clusterName: cluster.name },
      ...{ provisioner: cluster.provisioner, engine: cluster.engine, state: 'Queued', nodes: cluster.nodes },
      ...{ requestedBy: person, requesterName: name, requestedAt: now, place: rule.place },
      ...{ command: formatLine('cluster repair', ['cluster'], { cluster: cluster.name }) },
      plan: { ...plan, hash: hashOf(plan) },
      ...{ tick: 1, dueAt: now, allowedMs: slackMs + 2 * withinMs * most, steps: [], attempt: 0 },
      note: 'Waiting for a free worker.',
      log: [{ at: now, text: `Begun by the repair rule of ${rule.byName}: ${why}` }],
      work: {
        ...{ op: 'node.repair', title: 'Repair', steps: seen.steps, bulk: false, progress: {} },
        input: { ...inputOf(rule), most },
      },
    };
  }

  function noticeOf(cluster: Cluster, rule: RepairRule, { title, text }: { title: string; text: string }): Change {
    const id = newId(12);
    const { name, org } = cluster;
    const record: Notice = {
      ...{ v: 1, id, org, cluster: cluster.id, place: rule.place, at: clock.now(), tone: 'bad', owner: cluster.owner },
      ...{ title: `${name}: ${title}`, text },
      buttons: [
        { label: 'Nodes', command: formatLine('node list', ['cluster'], { cluster: name }) },
        { label: 'Check', command: formatLine('cluster check', ['cluster'], { cluster: name }) },
        { label: 'Repair', command: formatLine('cluster repair', ['cluster'], { cluster: name }) },
      ],
    };
    return { op: 'put', ref: { kind: 'notice', org, id }, record, if: 0 };
  }

  return { sweep };
}

function inputOf({ afterMs }: RepairRule): Record<string, unknown> {
  return { afterMs, withinMs, by: 'replace', retires: true, instead: '', force: false };
}

/** A cluster that a rule may change now: it runs, and nothing else changes it. */
function isSteady({ phase, openJob, stopped, readOnly }: Cluster): boolean {
  return phase === 'Ready' && openJob === undefined && !stopped && !readOnly;
}
