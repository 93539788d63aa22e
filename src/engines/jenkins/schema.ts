import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { field } from '../../core/schema.ts';
import { addressField, caBundleField } from '../fields.ts';
import { priceField } from '../price-list.ts';
import { oneLine } from '../scrub.ts';

const jobPath = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .regex(/^[^/]+(\/[^/]+)*$/, 'Write the full name of the job, its folders before it: folder/job.');
const parameterName = z.string().trim().min(1).max(200);
const pairs = z
  .string()
  .max(20_000)
  .refine((text) => readLines(text) !== null, 'Write one NAME=value on each line, each name once.');

const fixedHelp = 'Values that are always given to the job, one NAME=value on each line. A cluster cannot change them.';

/** What the jobs do that a provisioner can be without, after "a job that". */
export const jobDoes = { scale: 'changes the number of nodes', upgrade: 'upgrades Kubernetes' };

/** Where Jenkins is, how to sign in there, and which of its jobs make, remove and change clusters. */
export const JenkinsProvisioner = z
  .object({
    url: addressField({
      label: 'Address of Jenkins',
      help: 'As in the browser, with the path if it has one.',
      example: 'https://ci.example.com/jenkins',
      order: 1,
    }),
    username: field(z.string().trim().min(1).max(200), {
      label: 'User',
      help: 'The id of an account that is for KQueen alone.',
      order: 2,
    }),
    apiToken: field(z.string().trim().min(1).max(500).optional(), {
      label: 'API token',
      help: 'Signed in as this user: Security, API Token, Add new token.',
      secret: true,
      order: 3,
    }),
    password: field(z.string().min(1).max(500).optional(), {
      label: 'Password',
      help: 'Only where there are no API tokens.',
      secret: true,
      order: 4,
    }),
    provisionJob: field(jobPath, {
      label: 'Job that makes a cluster',
      help: 'Its full name with its folders. It needs a parameter for the name and one for the id of the cluster.',
      example: 'kubernetes/provision',
      order: 5,
    }),
    deprovisionJob: field(jobPath, {
      label: 'Job that removes a cluster',
      help: 'It needs a parameter for the name of the cluster.',
      example: 'kubernetes/deprovision',
      order: 6,
    }),
    scaleJob: field(jobPath.optional(), {
      label: 'Job that changes the number of nodes',
      help: 'Without it clusters cannot be scaled.',
      example: 'kubernetes/scale',
      order: 7,
    }),
    upgradeJob: field(jobPath.optional(), {
      label: 'Job that upgrades Kubernetes',
      help: 'Without it clusters cannot be upgraded. May be the job that scales, if it does both.',
      example: 'kubernetes/upgrade',
      order: 8,
    }),
    provisionParameters: field(pairs.optional(), {
      label: 'Fixed parameters of the job that makes clusters',
      help: fixedHelp,
      example: 'STACK_TYPE=aws',
      multiline: true,
      order: 9,
    }),
    deprovisionParameters: field(pairs.optional(), {
      label: 'Fixed parameters of the job that removes clusters',
      help: fixedHelp,
      multiline: true,
      order: 10,
    }),
    updateParameters: field(pairs.optional(), {
      label: 'Fixed parameters of the jobs that scale and upgrade',
      help: fixedHelp,
      multiline: true,
      order: 11,
    }),
    secretParameters: field(pairs.optional(), {
      label: 'Secret parameters',
      help: 'Values for password parameters, one NAME=value on each line; given to each of the jobs that has the parameter.',
      secret: true,
      multiline: true,
      order: 12,
    }),
    nameParameter: field(parameterName.optional(), {
      label: 'Parameter for the name',
      help: 'Empty: STACK_NAME, or CLUSTER_NAME where the job has that.',
      order: 13,
    }),
    idParameter: field(parameterName.default('KQUEEN_BUILD_ID'), {
      label: 'Parameter for the id',
      help: 'KQueen recognises its clusters by it: a string parameter of the job that makes them, best of all four jobs.',
      order: 14,
    }),
    nodesParameter: field(parameterName.optional(), {
      label: 'Parameter for the number of nodes',
      help: 'Empty: NODE_COUNT, NODES or WORKER_COUNT, where the job has one of these.',
      order: 15,
    }),
    versionParameter: field(parameterName.optional(), {
      label: 'Parameter for the Kubernetes version',
      help: 'Empty: KUBERNETES_VERSION or K8S_VERSION, where the job has one of these.',
      order: 16,
    }),
    sizeParameter: field(parameterName.optional(), {
      label: 'Parameter for the machine type',
      help: 'For the price: its value is looked up among the sizes of the price list.',
      order: 17,
    }),
    kubeconfigArtifact: field(
      z
        .string()
        .trim()
        .min(1)
        .max(500)
        .refine((path) => path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'), {
          message: 'Write the path of the artifact as the job archives it.',
        })
        .default('kubeconfig'),
      {
        label: 'Artifact with the kubeconfig',
        help: 'What the job that makes clusters archives, as a path.',
        example: 'out/kubeconfig',
        order: 18,
      },
    ),
    caBundle: caBundleField('PEM certificates to trust instead of the public authorities.', 19),
    prices: priceField(20),
  })
  .refine((given) => Boolean(given.apiToken || given.password), {
    path: ['apiToken'],
    message: 'Give an API token, or the password where there are no API tokens.',
  });
export type JenkinsProvisioner = z.infer<typeof JenkinsProvisioner>;

/** All parameters of a cluster are those of the job that makes it, read live. */
export const JenkinsCluster = z.looseObject({});

/** Keys of a cluster's parameters that stand for the parameters which the provisioner names. */
export const nodesKey = 'nodes';
export const versionKey = 'version';

/** The most nodes that can be asked for where the job's own choices do not bound it. */
export const mostNodes = 1_000;

/** A cluster's only node pool: the jobs know one number of nodes. */
export const poolName = 'default';

/** Throws `bad-input` for another pool than the one there is. */
export function refuseOtherPool(pool: string | undefined): void {
  if (pool === undefined || pool === poolName) return;
  throw new Fault('bad-input', `There is no node pool ${oneLine(pool, [], 60)}.`, {
    field: 'pool',
    next: `A cluster of Jenkins has one pool: ${poolName}.`,
  });
}

/** Keys that a job's parameter may not take: those of the provisioner, ours, and those of the commands that make and change clusters. */
const reserved: ReadonlySet<string> = new Set([
  ...Object.keys(JenkinsProvisioner.shape),
  ...[nodesKey, versionKey, 'name', 'provisioner', 'cluster', 'purpose', 'labels', 'plan', 'engine', 'owner', 'pool'],
  ...['__proto__', 'constructor', 'prototype'],
]);

/** The key of a job's parameter among a cluster's parameters: its own name where a command line can hold that and it is free. */
export function keyOf(parameter: string): string {
  if (/^[A-Za-z_][\w.-]*$/.test(parameter) && !reserved.has(parameter)) return parameter;
  return `job_${parameter.replace(/[^\w.-]/g, (char) => `_x${char.codePointAt(0)?.toString(16) ?? ''}_`)}`;
}

/** Reads `NAME=value` lines (empty lines are left out); null when a line has no `=` or a name comes twice. */
export function readLines(text: string | undefined): Record<string, string> | null {
  const found = new Map<string, string>();
  for (const line of (text ?? '').split(/\r?\n/)) {
    if (line.trim() === '') continue;
    const at = line.indexOf('=');
    const name = line.slice(0, at).trim();
    if (at < 1 || name === '' || name === '__proto__' || found.has(name)) return null;
    found.set(name, line.slice(at + 1).trim());
  }
  return Object.fromEntries(found);
}
