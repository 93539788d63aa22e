import { Fault } from '../core/errors.ts';
import type { Call } from '../core/ports/engine.ts';
import type { KubeReview } from '../core/ports/kube.ts';
import { plain } from './faults.ts';
import { authorityOf, type KubeConnection, type Validity, validityOf, writeKubeconfig } from './kubeconfig.ts';
import type { Transport } from './transport.ts';

/** Reads the answer of a POST whose object the API server fills in and does not keep. */
type Ask = (path: string, object: Record<string, unknown>) => Promise<Record<string, unknown> | null>;

/**
 * Signs in with a person's kubeconfig and asks the cluster who that is and what it may do. The version decides whether there is a way in;
 * reviews that a cluster does not have, or does not allow, leave their part unknown.
 */
export async function reviewKubeconfig(
  connection: KubeConnection,
  transport: Transport,
  now: number,
  call: Call,
): Promise<KubeReview> {
  const validity = validityOf(connection);
  if (validity) refuseExpired(validity, now);
  const { server } = connection;
  await transport({ method: 'GET', url: `${server}/version` }, call).catch((thrown: unknown) => {
    throw thrown instanceof Fault ? explained(thrown, connection) : thrown;
  });
  const ask: Ask = async (path, object) => {
    try {
      const answer = await transport(
        {
          method: 'POST',
          url: `${server}${path}`,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(object),
        },
        call,
      );
      return JSON.parse(answer.text) as Record<string, unknown>;
    } catch (thrown) {
      if (thrown instanceof Fault && thrown.detail?.includes(anonymous)) throw anonymousFault(connection);
      // Who may not ask for a review, or asks a cluster that is too old for it, can still have a cluster to look at.
      if (thrown instanceof Fault && ['not-allowed', 'not-found', 'bad-input'].includes(thrown.kind)) return null;
      throw thrown;
    }
  };
  const [who, everything, nodes, pods] = await Promise.all([
    // Since 1.28: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/self-subject-review-v1/
    ask('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'SelfSubjectReview',
    }),
    may(ask, { verb: '*', group: '*', resource: '*' }),
    may(ask, { verb: 'list', resource: 'nodes' }),
    may(ask, { verb: 'list', resource: 'pods' }),
  ]);
  // The namespaced form of an empty namespace is "in all of them".
  const looks = nodes === null || pods === null ? null : nodes && pods;
  const review: KubeReview = {
    server,
    authority: authorityOf(connection),
    by: connection.cert ? 'client certificate' : connection.token ? 'token' : 'user name and password',
    kubeconfig: writeKubeconfig('cluster', 'kqueen', connection),
    everything,
    looks,
  };
  if (validity) review.expiresAt = validity.until;
  const user = userOf(who);
  if (user?.user === anonymous) throw anonymousFault(connection);
  if (user) Object.assign(review, user);
  return review;
}

/**
 * Whom an API server takes those for whose credential it does not look at, such as a user name and password. It tells them its version all
 * the same (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests).
 */
const anonymous = 'system:anonymous';

function anonymousFault(connection: KubeConnection): Fault {
  const detail = `Signed in as ${anonymous}.`;
  return explained(new Fault('not-allowed', 'The credential was not looked at.', { detail }), connection);
}

/** https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/ */
async function may(ask: Ask, resourceAttributes: Record<string, string>): Promise<boolean | null> {
  const answer = await ask('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  });
  const allowed = (answer?.status as { allowed?: unknown } | undefined)?.allowed;
  return typeof allowed === 'boolean' ? allowed : null;
}

function userOf(answer: Record<string, unknown> | null): { user: string; groups: string[] } | null {
  const info = (answer?.status as { userInfo?: { username?: unknown; groups?: unknown } } | undefined)?.userInfo;
  if (typeof info?.username !== 'string' || info.username === '') return null;
  const groups = Array.isArray(info.groups) ? info.groups.filter((each) => typeof each === 'string') : [];
  return { user: plain(info.username, 120), groups: groups.slice(0, 20).map((each) => plain(each, 80)) };
}

function refuseExpired(validity: Validity, now: number): void {
  if (validity.until <= now) throw expiredFault(validity);
  if (validity.from !== undefined && validity.from > now + 5 * 60_000) {
    throw new Fault(
      'bad-input',
      `The ${validity.what} in this kubeconfig is good only from ${day(validity.from)} on.`,
      { field: 'kubeconfig', next: 'Import it then, or look at the clock of the machine that it was made on.' },
    );
  }
}

function expiredFault({ what, until }: Validity): Fault {
  return new Fault('bad-input', `The ${what} in this kubeconfig expired on ${day(until)}.`, {
    field: 'kubeconfig',
    next: 'Get a new kubeconfig from whoever runs the cluster.',
  });
}

/** "2026-03-01 12:00 UTC". */
export function day(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** The fault of a first contact in the words of somebody who has just pasted a kubeconfig. */
function explained(fault: Fault, connection: KubeConnection): Fault {
  const { detail } = fault;
  const more = { field: 'kubeconfig', ...(detail === undefined ? {} : { detail }) };
  const { server } = connection;
  if (fault.kind === 'not-allowed') {
    if (detail?.startsWith('HTTP 403')) {
      return new Fault('not-allowed', `The cluster at ${server} knows this credential, and allows it nothing.`, {
        ...more,
        whose: 'caller',
        next: 'An admin of the cluster grants it at least to read: kubectl create clusterrolebinding … --clusterrole=view.',
      });
    }
    const next = connection.basic
      ? 'Kubernetes took user names and passwords away in 1.19: use a token or a client certificate.'
      : 'Get a new kubeconfig from whoever runs the cluster; this one may have been revoked, or be for another cluster.';
    return new Fault(
      'not-allowed',
      `The cluster at ${server} does not accept the ${nameOf(connection)} in this kubeconfig.`,
      {
        ...more,
        whose: 'caller',
        next,
      },
    );
  }
  if (fault.kind !== 'unreachable') return fault;
  const why = fault.message.replace(/^The cluster's API cannot be reached: /, '').replace(/\.$/, '');
  const certificate = /certificate/.test(why);
  return new Fault('unreachable', `The cluster at ${server} cannot be reached from KQueen: ${why}.`, {
    ...more,
    whose: 'caller',
    next: certificate
      ? 'Paste the kubeconfig whose server and certificate-authority-data belong together.'
      : 'The address has to be reachable from the machine that KQueen runs on, not only from yours.',
  });
}

function nameOf(connection: KubeConnection): string {
  return connection.cert ? 'client certificate' : connection.token ? 'token' : 'user name and password';
}
