import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Button } from '../card.ts';
import type { Answer, Command, Context } from '../command.ts';
import { clusterKubeconfig, hasKubeconfig, targetOf } from '../connect.ts';
import { asFault, Fault } from '../errors.ts';
import { formatLine } from '../line.ts';
import type { SignIn } from '../ports/engine.ts';
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

/** One name of a namespace, or several with commas; empty for none. */
const namespaceList = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\s*,\s*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*)?$/;

/** A personal, short-lived credential for a cluster, handed to its requester alone. */
export const clusterAccess: Command = {
  name: 'cluster access',
  aliases: ['access', 'cluster kubeconfig', 'cluster credentials', 'kubeconfig'],
  summary: 'A kubeconfig of your own, for an hour at most',
  examples: [
    'cluster access dev-1',
    'cluster access dev-1 as view for 30m',
    'cluster access dev-1 as edit namespaces=shop,cart',
    'cluster access dev-1 how=provider',
  ],
  group: 'Clusters',
  policy: 'cluster:access',
  changes: true,
  args: z.object({
    cluster: clusterField,
    role: field(z.enum(['view', 'edit', 'admin']).default('edit'), {
      label: 'Role',
      help: 'view reads, edit changes workloads, admin gives rights as well. Secrets only where namespaces are named.',
      order: 2,
    }),
    for: field(z.string().trim().default('1h'), { label: 'For how long', help: 'From 10m to 1h.', order: 3 }),
    how: field(z.enum(['kqueen', 'provider']).default('kqueen'), {
      label: 'How',
      help: 'kqueen: a token that KQueen has the cluster issue. provider: you sign in with your own account at the provider.',
      order: 4,
    }),
    namespaces: field(
      z
        .string()
        .trim()
        .regex(namespaceList, 'Write names of namespaces with commas between them, such as shop,cart.')
        .optional(),
      { label: 'Namespaces', help: 'Rights in these alone; without any, in the whole cluster.', order: 5 },
    ),
  }),
  positional: ['cluster'],
  words: { as: 'role', for: 'for', in: 'namespaces' },
  async run(context, values) {
    const { caller, now, publicUrl } = context;
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    demand(context, 'cluster:access', [cluster.owner]);
    if (values.how === 'provider') return throughProvider(context, cluster);
    refuseReadOnly(cluster);
    if (!hasKubeconfig(cluster, context.engines) || cluster.phase !== 'Ready' || cluster.stopped) {
      throw new Fault(
        'conflict',
        `Cluster ${cluster.name} has no credentials to give: it is ${cluster.stopped ? 'stopped' : cluster.phase}.`,
        {
          next: `See cluster show ${cluster.name}.`,
        },
      );
    }
    const asked = parseDuration(values.for ?? '1h');
    if (asked === null)
      throw new Fault('bad-input', `${values.for} is no duration.`, { field: 'for', next: 'Write 10m to 1h.' });
    const seconds = Math.min(longest, Math.max(shortest, Math.round(asked / 1_000)));
    const role = (values.role ?? 'edit') as AccessRole;
    const effect = { action: 'cluster.access', outcome: 'issued' as const, subject: cluster.name };
    const namespaces = (values.namespaces ?? '').split(',').map((each) => each.trim());
    const scope = namespaces.filter((each) => each !== '');
    const where = scope.length === 0 ? 'the whole cluster' : `only ${scope.join(', ')}`;
    const footer = `Role ${role} in ${where}, for ${formatDuration(seconds * 1_000)}. It is yours alone and is in the audit log.`;

    const ownAccount = signInButton(context, cluster);
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
        ...(scope.length > 0 ? { namespaces: scope } : {}),
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
        buttons: [
          { label: 'Get the kubeconfig', url: `${publicUrl}/d/${token}`, style: 'primary' },
          ...(await ownAccount),
        ],
        footer,
      });
    }

    const access = await issue(context, cluster, caller.person, role, seconds, scope);
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
          {
            part: 'code',
            text: `kubectl --kubeconfig ${cluster.name}.kubeconfig get ${scope.length === 0 ? 'nodes' : 'pods'}`,
          },
        ],
        buttons: await ownAccount,
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

/** Access makes an account in the cluster, and at one that is read-only KQueen makes nothing. */
function refuseReadOnly(cluster: Cluster): void {
  if (!cluster.readOnly) return;
  throw new Fault(
    'unsupported',
    `Cluster ${cluster.name} is read-only here, and access would make an account in it, so KQueen gives none.`,
    {
      next: `Ask whoever runs the cluster for a kubeconfig. Where an admin has set the provisioner ${cluster.provisionerName} to operate, its owner changes it with cluster import ${cluster.name} replace=yes.`,
    },
  );
}

/** The provider's own way for people with an account there: a kubeconfig that holds no secret, and what it needs. */
async function throughProvider(context: Context, cluster: Cluster): Promise<Answer> {
  if (cluster.phase !== 'Ready' && cluster.phase !== 'Updating') {
    throw new Fault('conflict', `Cluster ${cluster.name} cannot be signed in to: it is ${cluster.phase}.`, {
      next: `See cluster show ${cluster.name}.`,
    });
  }
  const way = await signInOf(context, cluster, 10_000);
  if (!way) {
    const engine = context.engines.get(cluster.engine);
    throw new Fault('unsupported', `${engine?.title ?? cluster.engine} has no accounts for people to sign in with.`, {
      ...(cluster.readOnly
        ? {}
        : { next: `Write cluster access ${cluster.name}: KQueen has the cluster issue a token.` }),
    });
  }
  const done = await context.effect([], {
    action: 'cluster.access',
    outcome: 'issued',
    subject: cluster.name,
    reason: 'through the provider, without a secret',
    says: `The way to sign in to ${cluster.name} was shown to you already; ask again to see it once more.`,
  });
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  const text = `This kubeconfig for ${cluster.name} holds no secret: you sign in with your own account at the provider, and it decides what you may do. ${way.needs}`;
  // It is no secret, so where a chat takes no files it is shown.
  const shown = context.place.chat === 'teams';
  const name = `${cluster.name}-own.kubeconfig`;
  return {
    ...toCaller({
      title: `Sign in to ${cluster.name}`,
      tone: 'good',
      text,
      parts: [
        { part: 'text', text },
        { part: 'code', text: shown ? way.kubeconfig : `kubectl --kubeconfig ${name} get nodes` },
      ],
      buttons: [],
      footer: 'That you asked for it is in the audit log.',
    }),
    ...(shown ? {} : { files: [{ name, content: way.kubeconfig, text }] }),
  };
}

async function signInOf(context: Context, cluster: Cluster, ms: number): Promise<SignIn | null> {
  const found = await context.store.get({ kind: 'provisioner', org: cluster.org, id: cluster.provisioner });
  if (!found) {
    throw new Fault('not-found', `Provisioner ${cluster.provisionerName} does not exist any more.`, {
      whose: 'admin',
      next: 'An admin adds it again.',
    });
  }
  const client = await context.connect(found.record);
  return client.signIn(targetOf(cluster), context.call(ms));
}

/** The button to the other way in, where there is one; a provider that does not say in time costs the button, not the answer. */
async function signInButton(context: Context, cluster: Cluster): Promise<Button[]> {
  try {
    if (!(await signInOf(context, cluster, 1_000))) return [];
  } catch (thrown) {
    context.log.debug({ cluster: cluster.id, reason: asFault(thrown).message }, 'no way to sign in at the provider');
    return [];
  }
  const command = formatLine('cluster access', ['cluster'], { cluster: cluster.name, how: 'provider' });
  return [{ label: 'Use my own account there', command }];
}

/** Issues the credential at the cluster, with rights in `namespaces` alone when there are any. Also used by the one-time link, at the moment it is taken. */
export async function issue(
  context: Pick<Context, 'store' | 'sealer' | 'engines' | 'kube' | 'call' | 'now'>,
  cluster: Cluster,
  person: string,
  role: AccessRole,
  seconds: number,
  namespaces: string[] = [],
): Promise<PersonalAccess> {
  refuseReadOnly(cluster);
  const call = context.call(10_000);
  const admin = await clusterKubeconfig(context, cluster, { now: context.now, call });
  return context.kube.issueAccess(admin, { cluster: cluster.name, person, role, seconds, namespaces }, call);
}
