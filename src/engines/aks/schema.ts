import { z } from 'zod';
import { field } from '../../core/schema.ts';
import { addressField, caBundleField } from '../fields.ts';
import { priceField } from '../price-list.ts';
import { clusterProblems } from './rules.ts';
import { sshKeyProblem } from './ssh-key.ts';

const uuid = z.string().trim().toLowerCase();

function uuidField(meta: { label: string; help: string; order: number }) {
  return field(
    uuid.regex(
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
      'This must be an id like 0a1b2c3d-0000-4000-8000-000000000000.',
    ),
    { ...meta, example: '0a1b2c3d-0000-4000-8000-000000000000' },
  );
}

const locationName = z
  .string()
  .regex(/^[a-z0-9]{2,40}$/, 'Write the location in one word of small letters, such as westeurope.');

/** Where the clusters are made and as whom. */
export const AksProvisioner = z.object({
  tenantId: uuidField({
    label: 'Directory (tenant) ID',
    help: 'Azure portal, Microsoft Entra ID, Overview; or `az account show --query tenantId`.',
    order: 1,
  }),
  clientId: uuidField({
    label: 'Application (client) ID',
    help: 'Of the service principal: `appId` of `az ad sp create-for-rbac`, or App registrations, Overview.',
    order: 2,
  }),
  clientSecret: field(z.string().min(1).max(500), {
    label: 'Client secret',
    help: 'Its value, not its id: `password` of `az ad sp create-for-rbac`, or App registrations, Certificates & secrets.',
    secret: true,
    order: 3,
  }),
  subscriptionId: uuidField({
    label: 'Subscription ID',
    help: 'Who pays for the clusters: `az account show --query id`.',
    order: 4,
  }),
  resourceGroup: field(
    z
      .string()
      .trim()
      .max(90)
      .regex(
        /^[\p{L}\p{N}_().-]*[\p{L}\p{N}_()-]$/u,
        'A resource group has letters, digits, dashes, dots, underscores and parentheses.',
      ),
    {
      label: 'Resource group',
      help: 'An existing one that the service principal may make clusters in. KQueen never makes or removes it.',
      example: 'kqueen',
      order: 5,
    },
  ),
  defaultLocation: field(locationName.optional(), {
    label: 'Default location',
    help: 'Offered first in the form; without it that of the resource group.',
    example: 'westeurope',
    order: 6,
  }),
  prices: priceField(7),
  resourceManagerEndpoint: addressField({
    label: 'Resource manager endpoint',
    help: 'Only for a sovereign cloud or a private front; without it the public https://management.azure.com.',
    example: 'https://management.usgovcloudapi.net',
    order: 8,
  }).optional(),
  authorityHost: field(
    z.string().trim().max(500).refine(isHttps, 'This must be an https:// address without a user in it.').optional(),
    {
      label: 'Authority host',
      help: 'Where the directory signs in; without it that of the cloud of the resource manager endpoint.',
      example: 'https://login.microsoftonline.us',
      order: 9,
    },
  ),
  caBundle: caBundleField(
    'PEM certificates to trust instead of the public authorities, for both addresses; only behind a private front.',
    10,
  ),
});
export type AksProvisioner = z.infer<typeof AksProvisioner>;

/** Of a Linux node pool (https://learn.microsoft.com/azure/aks/create-node-pools). */
const poolName = z
  .string()
  .regex(/^[a-z][a-z0-9]{0,11}$/, 'A node pool has at most 12 small letters and digits and begins with a letter.');

/** Most gateway nodes that a person may ask for. */
export const mostGateways = 30;

/** Offered before all others: what a small cluster needs, in nearly every location. */
export const defaultSize = 'Standard_D2s_v5';

const machineSize = z.string().regex(/^[A-Za-z0-9_-]{1,80}$/, 'Write a machine size such as Standard_D2s_v5.');

/** An optional whole number of a form. */
function count(min: number, max: number) {
  return z.number().int('This must be a whole number.').min(min, `At least ${min}.`).max(max, `At most ${max}.`);
}

const fields = z.object({
  location: field(locationName, {
    label: 'Location',
    help: 'The Azure region.',
    live: true,
    reloads: true,
    order: 3,
  }),
  version: field(
    z
      .string()
      .regex(/^\d{1,2}\.\d{1,3}(\.\d{1,3})?$/, 'Write a version such as 1.34 or 1.34.2.')
      .optional(),
    {
      label: 'Kubernetes version',
      help: '1.34 means the newest 1.34. Without it the default of Azure.',
      live: true,
      order: 4,
    },
  ),
  size: field(machineSize.default(defaultSize), {
    label: 'Machine size',
    help: 'Of the nodes of the system pool: two CPUs and 4 GiB at least.',
    live: true,
    order: 5,
  }),
  nodes: field(count(1, 1_000).default(2), { label: 'Nodes', help: 'Of the system pool, 1 to 1,000.', order: 6 }),
  tier: field(z.enum(['Free', 'Standard', 'Premium']).default('Free'), {
    label: 'Tier',
    help: 'Of the control plane: Free has no SLA, Standard has one and is billed, Premium adds long-term support.',
    order: 7,
  }),
  autoscaleMin: field(count(1, 1_000).optional(), {
    label: 'Autoscaler: fewest nodes',
    help: 'With the next one, Azure scales the system pool by itself between the two.',
    order: 8,
  }),
  autoscaleMax: field(count(1, 1_000).optional(), { label: 'Autoscaler: most nodes', order: 9 }),
  userNodes: field(count(0, 1_000).default(0), {
    label: 'Nodes of the user pool',
    help: 'A second pool for applications; 0 means none, unless it is autoscaled.',
    order: 10,
  }),
  userSize: field(machineSize.optional(), {
    label: 'Machine size of the user pool',
    help: 'Without it that of the system pool.',
    live: true,
    order: 11,
  }),
  userAutoscaleMin: field(count(0, 1_000).optional(), { label: 'User pool, autoscaler: fewest nodes', order: 12 }),
  userAutoscaleMax: field(count(1, 1_000).optional(), { label: 'User pool, autoscaler: most nodes', order: 13 }),
  osDiskGb: field(count(30, 2_048).optional(), {
    label: 'Disk of a node in GB',
    help: '30 to 2,048; without it what Azure has for the machine size.',
    order: 14,
  }),
  zones: field(
    z
      .string()
      .regex(/^[1-3](,[1-3]){0,2}$/, 'Write zones like 1,2,3.')
      .refine((text) => new Set(text.split(',')).size === text.split(',').length, 'Name each zone once.')
      .optional(),
    { label: 'Availability zones', help: 'Such as 1,2,3, where the location has them.', example: '1,2,3', order: 15 },
  ),
  networkPlugin: field(z.enum(['azure-overlay', 'azure', 'kubenet', 'none']).default('azure-overlay'), {
    label: 'Network plugin',
    help: 'azure-overlay suits nearly all; azure gives pods addresses of the virtual network; Azure retires kubenet in March 2028.',
    order: 16,
  }),
  networkPolicy: field(z.enum(['none', 'azure', 'calico', 'cilium']).default('none'), {
    label: 'Network policy',
    help: 'What enforces NetworkPolicy objects.',
    order: 17,
  }),
  podCidr: field(z.string().optional(), {
    label: 'Pod address range',
    help: 'Without it 10.244.0.0/16.',
    example: '10.244.0.0/16',
    order: 18,
  }),
  serviceCidr: field(z.string().optional(), {
    label: 'Service address range',
    help: 'Without it 10.0.0.0/16.',
    example: '10.0.0.0/16',
    order: 19,
  }),
  dnsServiceIp: field(z.string().optional(), {
    label: 'Address of the DNS service',
    help: 'Within the service range; without it its tenth address.',
    example: '10.0.0.10',
    order: 20,
  }),
  privateCluster: field(z.boolean().default(false), {
    label: 'Private cluster',
    help: 'Its API is reachable from its virtual network only: KQueen itself has to be there to see its health.',
    order: 21,
  }),
  sshKey: field(
    z
      .string()
      .max(8_000)
      .superRefine((text, context) => {
        const problem = sshKeyProblem(text);
        if (problem) context.addIssue({ code: 'custom', message: problem });
      })
      .optional(),
    {
      label: 'SSH public key',
      help: 'For signing in at the nodes; without it nobody can.',
      example: 'ssh-ed25519 AAAA… you@example.com',
      multiline: true,
      order: 22,
    },
  ),
  adminUsername: field(
    z
      .string()
      .regex(
        /^[a-z][a-z0-9_-]{0,31}$/,
        'A user has small letters, digits, dashes and underscores and begins with a letter.',
      )
      .refine((name) => !['root', 'admin', 'administrator', 'user'].includes(name), 'Azure does not take this name.')
      .optional(),
    { label: 'SSH user', help: 'Goes with the key; without it azureuser.', order: 23 },
  ),
  tags: field(z.record(z.string(), z.string()).superRefine(checkTags).optional(), {
    label: 'Azure tags',
    help: 'key=value pairs, separated by commas; shown on the bill.',
    example: 'cost-center=42',
    order: 24,
  }),
  systemPool: field(poolName.default('system'), { label: 'Name of the system pool', order: 25 }),
  userPool: field(poolName.default('user'), { label: 'Name of the user pool', order: 26 }),
  gateways: field(count(0, mostGateways).optional(), {
    label: 'Gateway nodes',
    help: 'A pool apart for what lets traffic in; machines like those of the system pool.',
    order: 27,
  }),
});

/** What a cluster is to be. A name and a location are enough. */
export const AksCluster = fields.superRefine((spec, context) => {
  for (const { field: key, message } of clusterProblems(spec)) {
    context.addIssue({ code: 'custom', path: [key], message });
  }
});
export type AksCluster = z.infer<typeof fields>;

/** Tags as Azure takes them (https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources); the last ones are KQueen's. */
function checkTags(tags: Record<string, string>, context: z.RefinementCtx): void {
  const refuse = (message: string) => context.addIssue({ code: 'custom', message });
  const keys = Object.keys(tags);
  if (keys.length > 15) refuse('Use at most 15 tags.');
  for (const key of keys) {
    if (!/^[^<>%&\\?/\p{Cc}]{1,512}$/u.test(key))
      refuse("A tag's key has at most 512 characters and none of <>%&\\?/.");
    if (/^(azure|microsoft|windows)/i.test(key)) refuse(`Azure keeps tags like ${key.slice(0, 40)} for itself.`);
    if (/^kqueen-/i.test(key)) refuse('Tags that begin with kqueen- are how KQueen knows its clusters.');
  }
  if (new Set(keys.map((key) => key.toLowerCase())).size < keys.length)
    refuse('Azure does not tell capital letters in keys apart.');
  if (Object.values(tags).some((value) => value.length > 256)) refuse("A tag's value has at most 256 characters.");
}

function isHttps(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return protocol === 'https:' && !username && !password;
}
