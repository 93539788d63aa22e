/** One-time links to personal credentials: looking burns nothing, taking checks the rights again, burns, records and issues. */
import { handoutId, issue } from './commands/cluster-access.ts';
import { refusal } from './policy.ts';
import type { Clock, NewId } from './ports/clock.ts';
import type { Engines } from './ports/engine.ts';
import type { Kube } from './ports/kube.ts';
import type { Sealer, Store } from './ports/store.ts';
import type { Audit } from './records.ts';

export interface HandoutParts {
  store: Store;
  sealer: Sealer;
  engines: Engines;
  kube: Kube;
  clock: Clock;
  newId: NewId;
  org: string;
}

async function find({ store, clock, org }: HandoutParts, token: string) {
  const handout = await store.get({ kind: 'handout', org, id: handoutId(token) });
  if (!handout || handout.record.expiresAt < clock.now()) return null;
  const cluster = await store.get({ kind: 'cluster', org, id: handout.record.cluster });
  return cluster ? { handout, cluster: cluster.record } : null;
}

/** The name of the cluster a link opens, or null when it opens nothing any more. */
export async function lookAtHandout(parts: HandoutParts, token: string): Promise<string | null> {
  return (await find(parts, token))?.cluster.name ?? null;
}

/** Takes the credential, once; null when the link opens nothing any more, or its person has lost the right to it. */
export async function takeHandout(
  parts: HandoutParts,
  token: string,
): Promise<{ name: string; content: string } | null> {
  const { store, clock, org } = parts;
  const found = await find(parts, token);
  if (!found) return null;
  const { handout, cluster } = found;
  const { person, role, seconds, namespaces = [] } = handout.record;
  const scope = namespaces.length > 0 ? ` namespaces=${namespaces.join(',')}` : '';
  const known = await store.get({ kind: 'person', org, id: person });
  const caller = { person, name: known?.record.name ?? person, role: known?.record.role ?? 'member', org } as const;
  const refused = refusal('cluster:access', caller, [cluster.owner]);
  const now = clock.now();
  const id = `${String(now).padStart(13, '0')}-${parts.newId(8)}`;
  const audit: Audit = {
    v: 1,
    id,
    org,
    at: now,
    who: person,
    whoName: caller.name,
    action: 'cluster.access',
    command: `cluster access ${cluster.name} role=${role}${scope}`,
    outcome: refused ? 'refused' : 'issued',
    subject: cluster.name,
    ...(refused ? { reason: refused.message } : {}),
  };
  // Burnt first: two clicks at once hand out one credential.
  const burnt = await store.commit([
    { op: 'delete', ref: handout.ref, if: handout.revision },
    { op: 'put', ref: { kind: 'audit', org, id }, record: audit, if: 0 },
  ]);
  if (!burnt.ok || refused) return null;
  const call = (ms: number) => ({ signal: AbortSignal.timeout(ms), deadline: clock.now() + ms });
  const access = await issue({ ...parts, now: clock.now(), call }, cluster, person, role, seconds, namespaces);
  return { name: `${cluster.name}.kubeconfig`, content: access.kubeconfig };
}
