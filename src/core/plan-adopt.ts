/** The plans of taking over a cluster that somebody else made, and of letting it go again. */
import { hashOf } from './plan.ts';
import { approvalFor, type Caller } from './policy.ts';
import type { Engine } from './ports/engine.ts';
import type { Cluster, Plan } from './records.ts';

/** What KQueen can do with a cluster of this engine from its adoption on. */
function powersOf({ capabilities }: Engine): string {
  const all = [
    capabilities.scale ? 'scale' : '',
    capabilities.upgrade ? 'upgrade' : '',
    capabilities.power ? 'stop' : '',
    capabilities.delete ? 'delete' : '',
  ].filter((each) => each !== '');
  const last = all.pop();
  if (last === undefined) return 'KQueen shows it and gives access to it.';
  const list = all.length > 0 ? `${all.join(', ')} and ${last}` : last;
  return `KQueen can ${list} it, on the word of its owner or an admin, and gives access to it.`;
}

/** The plan of an adoption. It is worked out from the record that is to be, so that it can be worked out again for the approver. */
export function planAdopt(cluster: Cluster, engine: Engine, caller: Caller): Plan {
  const approval = approvalFor('cluster.adopt', caller, cluster.purpose);
  const labels = Object.entries(cluster.labels).map(([key, value]) => `${key}=${value}`);
  const plan: Omit<Plan, 'hash'> = {
    title: `Adopt cluster ${cluster.name}`,
    facts: [
      { label: 'Cluster', value: `${cluster.name}, a ${cluster.purpose} cluster` },
      {
        label: 'Where',
        value: `${cluster.provisionerName} (${engine.title}), there named ${cluster.externalName}`,
      },
      { label: 'What', value: cluster.summary },
      { label: 'Owner', value: cluster.ownerName },
      ...(labels.length > 0 ? [{ label: 'Labels', value: labels.join(', ') }] : []),
      { label: 'At the provider', value: "It is marked as KQueen's; nothing else is changed." },
      { label: 'From then on', value: powersOf(engine) },
    ],
    disturbs: 'Nobody: what runs in it is not touched.',
    cost: null,
    costNote: 'It goes on costing what it costs now.',
    approval,
  };
  if (engine.notice) plan.notice = engine.notice;
  const rests = {
    action: 'cluster.adopt',
    provisioner: cluster.provisioner,
    externalName: cluster.externalName,
    externalId: cluster.externalId ?? null,
    name: cluster.name,
    purpose: cluster.purpose,
    owner: cluster.owner,
    labels: cluster.labels,
    approval: approval.needed,
  };
  return { ...plan, hash: hashOf(rests) };
}

/** The plan of letting an adopted cluster go. */
export function planDetach(cluster: Cluster, engine: Engine | undefined, caller: Caller): Plan {
  const approval = approvalFor('cluster.detach', caller, cluster.purpose);
  const plan: Omit<Plan, 'hash'> = {
    title: `Detach cluster ${cluster.name}`,
    facts: [
      { label: 'Cluster', value: `${cluster.name}, a ${cluster.purpose} cluster of ${cluster.ownerName}` },
      {
        label: 'Where',
        value: `${cluster.provisionerName} (${engine?.title ?? cluster.engine}), there named ${cluster.externalName}`,
      },
      { label: 'What', value: cluster.summary },
      {
        label: 'At the provider',
        value: "KQueen's mark is taken away. The cluster runs on and goes on costing money.",
      },
    ],
    disturbs: 'Nobody who works in it. KQueen no longer shows it, watches it or gives access to it.',
    cost: null,
    costNote: 'It goes on costing what it costs now.',
    approval,
  };
  if (engine?.notice) plan.notice = engine.notice;
  return {
    ...plan,
    hash: hashOf({
      action: 'cluster.detach',
      cluster: cluster.id,
      purpose: cluster.purpose,
      approval: approval.needed,
    }),
  };
}
