import { z } from 'zod';
import { field } from '../../core/schema.ts';
import { caBundleField } from '../fields.ts';

export const sandboxTitle = 'KQueen sandbox';

/** The one node pool that a sandbox cluster has. */
export const poolName = 'default';

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

/** What a cluster is to be. */
export const SandboxCluster = z.object({
  region: field(z.string().min(1).max(63), { label: 'Region', live: true, order: 1 }),
  version: field(z.string().min(1).max(63), { label: 'Kubernetes version', live: true, order: 2 }),
  size: field(z.string().min(1).max(63), { label: 'Machine size', live: true, order: 3 }),
  nodes: field(z.number().int().min(1).max(20).default(3), { label: 'Nodes', help: '1 to 20.', order: 4 }),
});
export type SandboxCluster = z.infer<typeof SandboxCluster>;
