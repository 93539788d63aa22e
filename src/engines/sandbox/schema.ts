import { z } from 'zod';
import { gatewayMark } from '../../core/ports/engine.ts';
import { field } from '../../core/schema.ts';
import { caBundleField } from '../fields.ts';

export const sandboxTitle = 'KQueen sandbox';

/** The node pool that every sandbox cluster has, and the one that lets traffic in, if it has that. */
export const poolName = 'default';
export const gatewayPool = gatewayMark.value;

/** Most gateway nodes of a sandbox cluster. */
export const mostGateways = 5;

/** Where the provider is and how to sign in there. */
export const SandboxProvisioner = z.object({
  url: field(
    z
      .string()
      .max(500)
      .refine((text) => URL.canParse(text) && new URL(text).protocol === 'https:', 'This must be an https:// address.'),
    {
      label: 'Address of the provider',
      help: 'As the sandbox provider prints it when it starts.',
      example: 'https://127.0.0.1:8443',
      order: 1,
    },
  ),
  token: field(z.string().min(1).max(500), {
    label: 'API token',
    help: "In the file `token` of the provider's data directory.",
    secret: true,
    order: 2,
  }),
  caBundle: caBundleField(
    "PEM certificates to trust instead of the public authorities: `ca.pem` of the provider's data directory.",
    3,
  ),
});

const fields = z.object({
  region: field(z.string().min(1).max(63), { label: 'Region', live: true, order: 1 }),
  version: field(z.string().min(1).max(63), { label: 'Kubernetes version', live: true, order: 2 }),
  size: field(z.string().min(1).max(63), { label: 'Machine size', live: true, order: 3 }),
  nodes: field(z.number().int().min(1).max(20).default(3), { label: 'Nodes', help: '1 to 20.', order: 4 }),
  gateways: field(z.number().int().min(0).max(mostGateways).optional(), {
    label: 'Gateway nodes',
    help: `0 to ${mostGateways} nodes apart from the others, for what lets traffic in; none when it is empty.`,
    order: 5,
  }),
  networkPolicy: field(z.boolean().optional(), {
    label: 'Network policies',
    help: 'Whether NetworkPolicy objects are enforced; imaginary traffic is then imagined to be kept out.',
    order: 6,
  }),
});

/** What a cluster is to be. */
export const SandboxCluster = fields.superRefine(({ networkPolicy, nodes }, context) => {
  if (!networkPolicy || nodes >= 2) return;
  const message = 'Network policies need at least two nodes; turn them off first, with cluster netpol.';
  context.addIssue({ code: 'custom', path: ['nodes'], message });
});
export type SandboxCluster = z.infer<typeof fields>;
