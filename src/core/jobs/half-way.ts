/** How far an upgrade got that stopped half-way: which part of the cluster is at what version, and what that means. */
import { Fault } from '../errors.ts';
import type { Job } from '../records.ts';
import { count } from '../words.ts';
import { type Decision, type JobKind, type Look, logged } from './kind.ts';

/** The same kind, whose failed and cancelled ends say how far it got. */
export function withStanding(kind: JobKind): JobKind {
  return {
    ...kind,
    decide: (look) => standing(look, kind.decide(look)),
    acted: (look, act, outcome) => standing(look, kind.acted(look, act, outcome)),
  };
}

function standing(look: Look, decision: Decision): Decision {
  if (decision.do !== 'end' || look.job.intent === undefined) return decision;
  const { job, cluster } = decision;
  const where = standingText(look);
  if (where === null || cluster === null) return decision;
  if (job.state === 'Cancelled') {
    return { ...decision, job: logged({ ...job, note: `${job.note} ${where}` }, look.now, where) };
  }
  if (job.state !== 'Failed' || !job.failure) return decision;
  const next = [where, job.failure.next].filter(Boolean).join(' ');
  const told: Job = logged({ ...job, failure: { ...job.failure, next } }, look.now, where);
  return {
    ...decision,
    job: told,
    cluster: cluster.failure ? { ...cluster, failure: { ...cluster.failure, next } } : cluster,
  };
}

/** "The control plane is at 1.35.0; pool workers is at 1.34.2 (3 nodes)." Null when nothing is known of it. */
export function standingText({ seen, cluster, health, job }: Look): string | null {
  const shown = seen instanceof Fault ? cluster : seen;
  const plane = shown.version ?? cluster.version;
  if (plane === undefined) return null;
  const pools = (shown.pools ?? cluster.pools ?? []).filter(({ version }) => version !== undefined);
  const byPool = pools.map(
    ({ name, version, nodes }) => `pool ${name} is at ${plain(version ?? '')} (${count(nodes, 'node')})`,
  );
  const versions = Map.groupBy(health?.nodes ?? [], ({ version }) => plain(version));
  const byNode = [...versions].map(([version, nodes]) => `${count(nodes.length, 'node')} at ${version}`);
  const parts = byPool.length > 0 ? byPool : byNode.length > 0 ? [byNode.join(', ')] : [];
  const where = [`The control plane is at ${plain(plane)}`, ...parts].join('; ');
  const old = seen instanceof Fault ? ', when it was last seen' : '';
  const target = job.update?.version;
  const behind = target !== undefined && !plain(plane).startsWith(plain(target));
  const means = behind
    ? 'Nothing that runs in it has changed version yet.'
    : 'A newer control plane works with older nodes for a while, and does not go back.';
  return `${where}${old}. ${means}`;
}

function plain(version: string): string {
  return version.replace(/^v(?=\d)/, '');
}
