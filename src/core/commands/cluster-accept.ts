import { z } from 'zod';
import { plainCard } from '../card.ts';
import { type Command, type Context, lineOf } from '../command.ts';
import { targetOf } from '../connect.ts';
import { driftOf } from '../drift.ts';
import { asFault, Fault } from '../errors.ts';
import { hashOf } from '../plan.ts';
import type { ClusterUpdate, Engine, NodePool, Observation } from '../ports/engine.ts';
import type { Cluster } from '../records.ts';
import { field } from '../schema.ts';
import { busyFault, clusterField, demand, findCluster, movedFault, repeatAnswer, toCaller, toPlace } from './common.ts';

/** Takes over into KQueen's record what was changed at the provider by hand. At the provider nothing is changed. */
export const clusterAccept: Command = {
  name: 'cluster accept',
  summary: 'Take over what was changed at the provider',
  examples: ['cluster accept dev-1'],
  group: 'Clusters',
  policy: 'cluster:update',
  changes: true,
  args: z.object({ cluster: clusterField, plan: field(z.string().optional(), { label: 'Plan', order: 99 }) }),
  positional: ['cluster'],
  async run(context, values) {
    const found = await findCluster(context, values.cluster ?? '');
    const before = found.record;
    demand(context, 'cluster:update', [before.owner]);
    if (before.openJob) throw await busyFault(context, before);
    const engine = context.engines.get(before.engine);
    if (!engine || before.origin === 'imported') {
      throw new Fault(
        'unsupported',
        `Nobody tells KQueen how ${before.name} is meant to be, so there is nothing to accept.`,
      );
    }
    // The provider's word of this moment: what was seen minutes ago may have changed again.
    const seen = await look(context, before);
    if (seen.state === 'absent' || !seen.mine) {
      throw new Fault('conflict', `Cluster ${before.name} does not carry KQueen's mark at its provider any more.`, {
        next: `Put the mark back there, or have KQueen forget it with cluster forget ${before.name}.`,
      });
    }
    const changes = driftOf(before, { ...seen, mark: 'ours' });
    if (changes === null) {
      throw new Fault('conflict', `Cluster ${before.name} is being changed at its provider (${seen.state}).`, {
        next: 'Try again when that is over.',
      });
    }
    if (seen.state === 'deleting' || seen.state === 'error') {
      throw new Fault('conflict', `${changes.at(-1)}. There is nothing in that to take over.`, {
        next: `Look at the provider, then at cluster show ${before.name}.`,
      });
    }
    const after = accepted(before, seen, engine);
    if (changes.length === 0) {
      const text = 'It is at the provider as KQueen has it, so there is nothing to accept.';
      return toCaller(plainCard(`Cluster ${before.name}`, text, 'good'));
    }
    const hash = hashOf({ action: 'cluster.accept', cluster: before.id, changes });
    if (values.plan !== hash) {
      const moved = values.plan !== undefined;
      const text = moved
        ? 'It has changed again since you looked; nothing was done. This is how it differs now.'
        : 'Nothing happens until you press Accept it. At the provider nothing is changed either way.';
      return toCaller({
        title: `Accept what was changed on ${before.name}?`,
        tone: 'warn',
        text,
        parts: [
          { part: 'text', text },
          { part: 'text', text: changes.join('\n') },
        ],
        buttons: [
          {
            label: 'Accept it',
            command: lineOf(clusterAccept, { cluster: before.name, plan: hash }),
            style: 'primary',
          },
        ],
      });
    }
    const says = `Cluster ${before.name} is now in KQueen as it is at the provider: ${changes.join('; ')}.`;
    const done = await context.effect([{ op: 'put', ref: found.ref, record: after, if: found.revision }], {
      action: 'cluster.accept',
      outcome: 'done',
      subject: before.name,
      says,
    });
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (!done.ok) throw movedFault(`Cluster ${before.name}`);
    return toPlace(plainCard(`Accepted on ${before.name}`, says, 'good'));
  },
};

async function look(context: Context, cluster: Cluster): Promise<Observation> {
  const found = await context.store.get({ kind: 'provisioner', org: cluster.org, id: cluster.provisioner });
  if (!found) {
    throw new Fault('not-found', `Provisioner ${cluster.provisionerName} does not exist any more.`, { whose: 'admin' });
  }
  const client = await context.connect(found.record);
  return client.observe(targetOf(cluster), context.call(10_000));
}

/** The record with what the provider shows; its parameters as they would be, had KQueen made the changes. */
function accepted(before: Cluster, seen: Observation, engine: Engine): Cluster {
  const { drift: _drift, stopped: _stopped, ...rest } = before;
  const next: Cluster = { ...rest };
  if (seen.state === 'stopped') next.stopped = true;
  if (seen.version) next.version = seen.version;
  if (seen.nodes !== undefined && seen.state === 'running') next.nodes = seen.nodes;
  if (seen.pools && seen.state === 'running') next.pools = seen.pools.map(stored);
  const spec = updates(before, seen).reduce((each, update) => tried(engine, each, update), before.spec);
  return { ...next, spec, summary: spec === before.spec ? before.summary : engine.describe(spec) };
}

function updates(before: Cluster, seen: Observation): ClusterUpdate[] {
  const all: ClusterUpdate[] = [];
  if (seen.version && seen.version !== before.version) all.push({ version: seen.version });
  if (seen.state !== 'running') return all;
  if (!seen.pools?.length) return seen.nodes === undefined ? all : [...all, { nodes: seen.nodes }];
  for (const pool of seen.pools) {
    const was = before.pools?.find(({ name }) => name === pool.name);
    if (JSON.stringify(was?.autoscale) !== JSON.stringify(pool.autoscale)) {
      all.push({ pool: pool.name, autoscale: pool.autoscale ?? null });
    }
    if (!pool.autoscale && was?.nodes !== pool.nodes) all.push({ pool: pool.name, nodes: pool.nodes });
  }
  return all;
}

/** The parameters after the update, or as they were: of a pool that somebody added by hand an engine's parameters may know nothing. */
function tried(engine: Engine, spec: Record<string, unknown>, update: ClusterUpdate): Record<string, unknown> {
  try {
    return engine.after(spec, update);
  } catch (thrown) {
    if (asFault(thrown).kind === 'internal') throw thrown;
    return spec;
  }
}

function stored({ name, nodes, size, version, bounds, autoscale }: NodePool): NonNullable<Cluster['pools']>[number] {
  return {
    name,
    nodes,
    ...(size === undefined ? {} : { size }),
    ...(version === undefined ? {} : { version }),
    ...(bounds === undefined ? {} : { bounds }),
    ...(autoscale === undefined ? {} : { autoscale }),
  };
}
