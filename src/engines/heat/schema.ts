import { parse } from 'yaml';
import { z } from 'zod';
import { field } from '../../core/schema.ts';
import { addressField, caBundleField } from '../fields.ts';
import { priceField } from '../price-list.ts';

/** Heat itself reads no larger template (its option `max_template_size`), in bytes. */
export const longestTemplate = 524_288;

/** The region, which a catalogue that has only one need not be told. */
const optionalText = (max = 255) => z.string().trim().max(max).optional();

/** A parameter or output of a template by its name. */
const nameInTemplate = (meta: { label: string; help: string; order: number }) => field(optionalText(), meta);

/** Where the cloud is, how to sign in there, and which template makes a cluster. */
export const HeatProvisioner = z
  .object({
    authUrl: addressField({
      label: 'Keystone address',
      help: 'OS_AUTH_URL in the file that Horizon gives under API Access (openrc). With or without /v3 at its end.',
      example: 'https://cloud.example.com:5000/v3',
      order: 1,
    }),
    region: field(optionalText(), {
      label: 'Region',
      help: 'OS_REGION_NAME in the openrc file. May stay empty when the cloud has one region.',
      example: 'RegionOne',
      order: 2,
    }),
    interface: field(z.enum(['public', 'internal', 'admin']).default('public'), {
      label: 'Interface',
      help: 'Which of the endpoints in the catalogue of the cloud is used.',
      order: 3,
    }),
    project: field(optionalText(), {
      label: 'Project',
      help: 'Name or id: OS_PROJECT_NAME or OS_PROJECT_ID in the openrc file. Stays empty with an application credential.',
      order: 4,
    }),
    projectDomain: field(z.string().trim().min(1).max(255).default('Default'), {
      label: 'Domain of the project',
      help: 'Name or id. Not needed when the project is given by its id.',
      order: 5,
    }),
    username: field(optionalText(), {
      label: 'User',
      help: 'Name or id of an account of its own for KQueen. Stays empty with an application credential.',
      order: 6,
    }),
    userDomain: field(z.string().trim().min(1).max(255).default('Default'), {
      label: 'Domain of the user',
      help: 'Name or id. Not needed when the user is given by its id.',
      order: 7,
    }),
    password: field(z.string().max(1_000).optional(), {
      label: 'Password',
      help: 'Of the user above.',
      secret: true,
      order: 8,
    }),
    applicationCredentialId: field(optionalText(), {
      label: 'Application credential id',
      help: 'Instead of user and password. Many clouds do not let application credentials create stacks; see the guide.',
      order: 9,
    }),
    applicationCredentialSecret: field(z.string().max(1_000).optional(), {
      label: 'Application credential secret',
      help: 'It is shown once, when the application credential is made.',
      secret: true,
      order: 10,
    }),
    template: field(z.string().max(longestTemplate).superRefine(checkTemplate).optional(), {
      label: 'Heat template',
      help: 'The template (HOT, YAML) that makes a cluster. Empty: the reference template of KQueen, kubeadm on Ubuntu.',
      multiline: true,
      order: 11,
    }),
    templateUrl: field(
      z.string().trim().max(2_000).refine(isHttps, 'This must be an https:// address without a user in it.').optional(),
      {
        label: 'Address of the Heat template',
        help: 'Instead of the template itself. It is read again now and then, so that the form follows it.',
        example: 'https://git.example.com/platform/raw/kubernetes.yaml',
        order: 12,
      },
    ),
    nodeParameter: nameInTemplate({
      label: 'Parameter for worker nodes',
      help: 'The parameter of the template that is their number. Empty: node_count, worker_count or the like.',
      order: 13,
    }),
    gatewayParameter: nameInTemplate({
      label: 'Parameter for gateways',
      help: 'The parameter that is the number of gateway (ingress) nodes. Empty: gateway_count or ingress_count, if there.',
      order: 14,
    }),
    versionParameter: nameInTemplate({
      label: 'Parameter for the version',
      help: 'The parameter that is the version of Kubernetes. Empty: kubernetes_version, k8s_version or version, if there.',
      order: 15,
    }),
    sizeParameter: nameInTemplate({
      label: 'Parameter for the flavor',
      help: 'The parameter that is the flavor of the nodes, for the price. Empty: flavor, node_flavor or the like, if there.',
      order: 16,
    }),
    keyParameter: nameInTemplate({
      label: 'Parameter for the key pair',
      help: 'The parameter that names the SSH key pair. Empty: key_name or ssh_key, if there.',
      order: 17,
    }),
    kubeconfigOutput: field(z.string().trim().min(1).max(255).default('kubeconfig'), {
      label: 'Output with the kubeconfig',
      help: 'Its value is YAML, the same in base64, or the data of a wait condition that holds one of the two.',
      order: 18,
    }),
    endpointOutput: nameInTemplate({
      label: 'Output with the address of the API',
      help: 'Empty: api_endpoint or the like, else what the kubeconfig says.',
      order: 19,
    }),
    hiddenParameters: field(z.string().max(20_000).refine(isPairs, 'Write a name=value on every line.').optional(), {
      label: 'Fixed template parameters',
      help: 'A name=value on every line: the same for all clusters and never asked for. The place for hidden parameters.',
      example: 'registry_password=…',
      secret: true,
      multiline: true,
      order: 20,
    }),
    timeoutMinutes: field(z.number().int().min(1).max(1_440).default(60), {
      label: 'Time-out in minutes',
      help: 'After this Heat gives up a create or an update.',
      order: 21,
    }),
    rollback: field(z.boolean().default(false), {
      label: 'Roll back what fails',
      help: 'Heat then removes a failed create and takes a failed update back. Off: what is there stays to be looked at.',
      order: 22,
    }),
    orchestrationUrl: field(
      addressField({
        label: 'Heat address',
        help: 'Only when the address in the catalogue cannot be reached from here. The project is put in for %(project_id)s.',
        example: 'https://heat.example.com:8004/v1/%(project_id)s',
        order: 23,
      }).optional(),
      {
        label: 'Heat address',
        help: 'Only when the address in the catalogue cannot be reached from here. The project is put in for %(project_id)s.',
        example: 'https://heat.example.com:8004/v1/%(project_id)s',
        order: 23,
      },
    ),
    caBundle: caBundleField('PEM certificates to trust instead of the public authorities: OS_CACERT.', 24),
    prices: priceField(25),
  })
  .superRefine(checkAccount);
export type HeatProvisioner = z.infer<typeof HeatProvisioner>;

/**
 * A cluster: nothing that every template has. The parameters of the template come with the options, flat, under the keys of
 * `parameters.ts`; they are kept as they are.
 */
export const HeatCluster = z.looseObject({});

function checkAccount(
  params: {
    username?: string | undefined;
    password?: string | undefined;
    project?: string | undefined;
    applicationCredentialId?: string | undefined;
    applicationCredentialSecret?: string | undefined;
    template?: string | undefined;
    templateUrl?: string | undefined;
  },
  context: z.RefinementCtx,
): void {
  const problem = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
  const credential = params.applicationCredentialId || params.applicationCredentialSecret;
  if (credential) {
    if (!params.applicationCredentialId) problem('applicationCredentialId', 'The secret belongs to an id.');
    if (!params.applicationCredentialSecret) problem('applicationCredentialSecret', 'The id needs its secret.');
    for (const key of ['username', 'password', 'project'] as const) {
      if (params[key]) problem(key, 'An application credential stands for user and project; leave this empty.');
    }
  } else {
    if (!params.username) problem('username', 'Fill in a user, or an application credential.');
    if (!params.password) problem('password', 'Fill in the password of the user.');
    if (!params.project) problem('project', 'Fill in the project in which the clusters are made.');
  }
  if (params.template?.trim() && params.templateUrl) problem('templateUrl', 'Give the template or its address.');
}

/** Only what makes it a template at all; whether it is a good one says Heat. */
function checkTemplate(text: string, context: z.RefinementCtx): void {
  if (text.trim() === '') return;
  const wrong = templateProblem(text);
  if (wrong) context.addIssue({ code: 'custom', message: wrong });
}

/** Why a text cannot be a Heat template, or null. */
export function templateProblem(text: string): string | null {
  if (Buffer.byteLength(text) > longestTemplate) return 'A Heat template has at most 512 KiB.';
  const read = readTemplate(text);
  if (typeof read === 'string') return read;
  const versions = ['heat_template_version', 'HeatTemplateFormatVersion', 'AWSTemplateFormatVersion'];
  if (!versions.some((key) => key in read)) return 'A Heat template begins with heat_template_version.';
  return null;
}

/** The template as an object, or what is wrong with it as YAML. */
export function readTemplate(text: string): Record<string, unknown> | string {
  let read: unknown;
  try {
    // The words yes, no, on and off are booleans to Heat, which reads YAML 1.1.
    read = parse(text, { maxAliasCount: 1_000, version: '1.1', schema: 'yaml-1.1' });
  } catch (thrown) {
    const why = thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : '';
    return `This is not YAML: ${why}`;
  }
  if (read === null || typeof read !== 'object' || Array.isArray(read)) return 'This is not a Heat template.';
  return read as Record<string, unknown>;
}

function isHttps(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return protocol === 'https:' && !username && !password;
}

function isPairs(text: string): boolean {
  return readFixed(text) !== null;
}

/** Reads `name=value` lines; null when a line is none or a name comes twice. Blank lines and those that begin with # are left out. */
export function readFixed(text: string): Map<string, string> | null {
  const pairs = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const at = line.indexOf('=');
    const name = line.slice(0, at).trim();
    if (at < 1 || name === '' || pairs.has(name)) return null;
    pairs.set(name, line.slice(at + 1).trim());
  }
  return pairs;
}
