import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Command, Context } from '../command.ts';
import { clusterKubeconfig } from '../connect.ts';
import { Fault } from '../errors.ts';
import type { AccessRole, PersonalAccess } from '../ports/kube.ts';
import type { Cluster, Handout } from '../records.ts';
import { field } from '../schema.ts';
import { formatDuration, parseDuration } from '../units.ts';
import { clusterField, demand, findCluster, movedFault, repeatAnswer, toCaller } from './common.ts';

/** Personal credentials live an hour at most, and ten minutes at least (Kubernetes' own minimum for TokenRequest). */
const longest = 3_600;
const shortest = 600;

/** How long a one-time link waits for its person. */
export const linkMs = 10 * 60_000;

/** The record of a link holds a hash of its token: who reads the store cannot use it. */
export function handoutId(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** A personal, short-lived credential for a cluster, handed to its requester alone. */
export const clusterAccess: Command = {
  name: 'cluster access',
  aliases: ['cluster kubeconfig', 'cluster credentials', 'kubeconfig'],
  summary: 'A kubeconfig of your own, for an hour at most',
  examples: ['cluster access dev-1', 'cluster access dev-1 as view for 30m'],
  group: 'Clusters',
  policy: 'cluster:access',
  changes: true,
  args: z.object({
    cluster: clusterField,
    role: field(z.enum(['view', 'edit', 'admin']).default('edit'), {
      label: 'Role',
      help: 'view reads, edit changes workloads, admin manages namespaces.',
      order: 2,
    }),
    for: field(z.string().trim().default('1h'), { label: 'For how long', help: 'From 10m to 1h.', order: 3 }),
  }),
  positional: ['cluster'],
  words: { as: 'role', for: 'for' },
  async run(context, values) {
    const { caller, now, publicUrl } = context;
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    demand(context, 'cluster:access', [cluster.owner]);
    if (!cluster.kubeconfig || cluster.phase !== 'Ready') {
      throw new Fault('conflict', `Cluster ${cluster.name} has no credentials to give: it is ${cluster.phase}.`, {
        next: `See cluster show ${cluster.name}.`,
      });
    }
    const asked = parseDuration(values.for ?? '1h');
    if (asked === null)
      throw new Fault('bad-input', `${values.for} is no duration.`, { field: 'for', next: 'Write 10m to 1h.' });
    const seconds = Math.min(longest, Math.max(shortest, Math.round(asked / 1_000)));
    const role = (values.role ?? 'edit') as AccessRole;
    const effect = { action: 'cluster.access', outcome: 'issued' as const, subject: cluster.name };
    const footer = `Role ${role}, for ${formatDuration(seconds * 1_000)}. It is yours alone and is in the audit log.`;

    if (!publicUrl && context.place.chat === 'teams') {
      throw new Fault(
        'unsupported',
        'Teams takes no files from KQueen, and this KQueen has no address of its own for a one-time link.',
        {
          whose: 'admin',
          next: 'An operator sets KQUEEN_PUBLIC_URL.',
        },
      );
    }
    if (publicUrl) {
      const token = context.newId(40);
      const handout: Handout = {
        v: 1,
        id: handoutId(token),
        org: caller.org,
        cluster: cluster.id,
        person: caller.person,
        role,
        seconds,
        expiresAt: now + linkMs,
      };
      const done = await context.effect(
        [{ op: 'put', ref: { kind: 'handout', org: caller.org, id: handout.id }, record: handout, if: 0 }],
        {
          ...effect,
          // Issued is what is taken: that is recorded when the link is used.
          outcome: 'requested',
          says: `A link to your credential for ${cluster.name} was given to you already; ask again for a new one.`,
        },
      );
      if (done.ok === 'repeat') return repeatAnswer(done.delivery);
      if (!done.ok) throw movedFault('The credential');
      const text = `Open this link once, within ${formatDuration(linkMs)}, to get your kubeconfig for ${cluster.name}.`;
      return toCaller({
        title: `Access to ${cluster.name}`,
        tone: 'good',
        text,
        parts: [{ part: 'text', text }],
        buttons: [{ label: 'Get the kubeconfig', url: `${publicUrl}/d/${token}`, style: 'primary' }],
        footer,
      });
    }

    const access = await issue(context, cluster, caller.person, role, seconds);
    const done = await context.effect([], {
      ...effect,
      says: `Your credential for ${cluster.name} was given to you already; ask again for a new one.`,
    });
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    const text =
      context.place.chat === 'terminal'
        ? `Your kubeconfig for ${cluster.name} is printed above; save it to a file.`
        : `Your kubeconfig for ${cluster.name} is in our direct conversation. It is removed there after ten minutes.`;
    return {
      ...toCaller({
        title: `Access to ${cluster.name}`,
        tone: 'good',
        text,
        parts: [
          { part: 'text', text },
          { part: 'code', text: `kubectl --kubeconfig ${cluster.name}.kubeconfig get nodes` },
        ],
        buttons: [],
        footer,
      }),
      files: [
        {
          name: `${cluster.name}.kubeconfig`,
          content: access.kubeconfig,
          text: `Your kubeconfig for ${cluster.name}. ${footer}`,
        },
      ],
    };
  },
};

/** Issues the credential at the cluster. Also used by the one-time link, at the moment it is taken. */
export async function issue(
  context: Pick<Context, 'store' | 'sealer' | 'kube' | 'call'>,
  cluster: Cluster,
  person: string,
  role: AccessRole,
  seconds: number,
): Promise<PersonalAccess> {
  const admin = await clusterKubeconfig(context, cluster.org, cluster.id);
  return context.kube.issueAccess(admin, { cluster: cluster.name, person, role, seconds }, context.call(10_000));
}
