/** NetworkPolicy objects that KQueen makes in a namespace: one that keeps everything out, and one for each thing that is let through. Pure. */
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { JsonObject, Manifest } from '../apply/manifests.ts';
import { manager } from '../apply/server.ts';

/** What is let through: `same` is the namespace itself, `ingress` what lets traffic into the cluster, `outside` the internet, else a namespace. */
const Peer = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);

export const Rule = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('deny'), direction: z.enum(['in', 'both']) }),
  z.object({ kind: z.literal('from'), peer: Peer }),
  z.object({ kind: z.literal('to'), peer: Peer }),
]);
export type Rule = z.infer<typeof Rule>;

/** Label of everything that is made here, so that it is found and removed again. */
export const ruleLabel = 'kqueen/network';

/** Label that every namespace carries with its own name, since Kubernetes 1.21. */
const nameLabel = 'kubernetes.io/metadata.name';

/** Networks that are nobody's on the internet (RFC 1918, RFC 6598, RFC 3927). */
const inner = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16'];

/** Where names are asked for: some clusters have a cache with an address of the node, so that no pod could be named. */
const dns = { ports: [53, 53].map((port, at) => ({ port, protocol: at === 0 ? 'UDP' : 'TCP' })) };

/** The name of a rule's object: a DNS label. */
export function nameOf(rule: Rule): string {
  return rule.kind === 'deny' ? 'kqueen-deny' : `kqueen-${rule.kind}-${rule.peer}`;
}

/** A rule as its object. `ingress` are the namespaces of what lets traffic into the cluster. */
export function manifestOf(namespace: string, rule: Rule, ingress: readonly string[]): Manifest {
  const name = nameOf(rule);
  const object: JsonObject = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      ...{ name, namespace },
      labels: { 'app.kubernetes.io/managed-by': manager, [ruleLabel]: rule.kind },
    },
    spec: { podSelector: {}, ...specOf(rule, ingress) },
  };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', name, namespace, object };
}

function specOf(rule: Rule, ingress: readonly string[]): JsonObject {
  switch (rule.kind) {
    case 'deny':
      // Names are let through in the same object, so that there is no moment without them.
      return rule.direction === 'in'
        ? { policyTypes: ['Ingress'] }
        : { policyTypes: ['Ingress', 'Egress'], egress: [dns] };
    case 'from':
      return { policyTypes: ['Ingress'], ingress: [{ from: peersOf(rule.peer, ingress) }] };
    case 'to':
      return { policyTypes: ['Egress'], egress: [{ to: peersOf(rule.peer, ingress) }] };
  }
}

function peersOf(peer: string, ingress: readonly string[]): JsonObject[] {
  switch (peer) {
    case 'same':
      return [{ podSelector: {} }];
    case 'outside':
      return [{ ipBlock: { cidr: '0.0.0.0/0', except: inner } }];
    case 'ingress':
      return ingress.map((name) => ({ namespaceSelector: { matchLabels: { [nameLabel]: name } } }));
    default:
      return [{ namespaceSelector: { matchLabels: { [nameLabel]: peer } } }];
  }
}

/** Namespaces that the cluster itself lives by. */
const vital = ['kube-system', 'kube-public', 'kube-node-lease'];

/** Throws for a namespace in which nothing may be kept out. */
export function refuseVital(namespace: string, rules: readonly Rule[]): void {
  if (!vital.includes(namespace) || !rules.some(({ kind }) => kind === 'deny')) return;
  throw new Fault('bad-input', `The cluster itself lives by ${namespace}: with everything kept out it would break.`, {
    field: 'namespace',
    next: 'Choose a namespace of your apps.',
  });
}
