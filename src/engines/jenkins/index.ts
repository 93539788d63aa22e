import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Engine } from '../../core/ports/engine.ts';
import { listPrice } from '../price-list.ts';
import { oneLine } from '../scrub.ts';
import {
  JenkinsCluster,
  JenkinsProvisioner,
  jobDoes,
  mostNodes,
  nodesKey,
  poolName,
  refuseOtherPool,
  versionKey,
} from './schema.ts';

/** Clusters that jobs of a Jenkins make, change and remove. */
export const jenkins: Engine = {
  name: 'jenkins',
  title: 'Jenkins',
  docs: 'docs/providers/jenkins.md',
  capabilities: {
    create: true,
    delete: true,
    // Each needs a job of the provisioner: see `lacks`.
    scale: true,
    upgrade: true,
    autoscale: false,
    power: false,
    percent: true,
    cancel: true,
    list: true,
    adopt: false,
    log: true,
    addons: false,
    networkPolicy: false,
    gateways: false,
    retire: false,
  },
  instead: {
    autoscale:
      'A job of Jenkins sets a number of nodes and then ends, so nothing scales by itself; scale the cluster instead.',
    power:
      'The jobs of Jenkins make and remove clusters and stop none; delete the cluster and make it anew, or scale it down.',
    addons: 'What a cluster comes with is up to the job that makes it; put more into it with `addon enable`.',
    networkPolicy:
      'Whether a cluster enforces network policies is up to the job that makes it; build it anew from a job that does.',
    retire:
      'A job of Jenkins knows a number of nodes and no single one; have the machine replaced where the job made it, or run the job again.',
    gateways: 'The jobs of Jenkins know one number of nodes, and no nodes apart from the others.',
    adopt: 'Builds of Jenkins cannot be marked afterwards; import the cluster with its kubeconfig instead.',
  },
  lacks: ({ scaleJob, upgradeJob }) => ({
    ...(scaleJob ? {} : { scale: withoutJob('scale') }),
    ...(upgradeJob ? {} : { upgrade: withoutJob('upgrade') }),
  }),
  liveParameters: true,
  pollMs: { first: 2_000, longest: 15_000 },
  provisioner: JenkinsProvisioner,
  cluster: JenkinsCluster,
  price(spec, prices) {
    const read = Prices.safeParse(prices);
    const count = countOf(spec);
    if (!read.success || count === null) return null;
    const size = read.data.size ?? spec[read.data.sizeKey ?? ''];
    if (typeof size !== 'string') return null;
    return listPrice(read.data.list, {
      machines: [{ size, count }],
      excludes: ['storage', 'network', 'whatever else the job makes'],
    });
  },
  describe(spec) {
    const count = countOf(spec);
    const { [nodesKey]: _nodes, [versionKey]: version, ...others } = spec;
    const size =
      count === null ? 'as many nodes as the job makes, counted as 1' : `${count} ${count === 1 ? 'node' : 'nodes'}`;
    const values = Object.entries(others)
      .filter(([, value]) => value !== undefined && value !== null && value !== '')
      .slice(0, 4)
      .map(([key, value]) => `${key}=${oneLine(String(value), [], 40)}`);
    const of = typeof version === 'string' ? `, Kubernetes ${oneLine(version, [], 40)}` : '';
    return `${size}${of}${values.length > 0 ? ` (${values.join(', ')})` : ''}`;
  },
  nodes: (spec) => countOf(spec) ?? 1,
  pools: (spec) => [{ name: poolName, nodes: countOf(spec) ?? 1, bounds: { min: 1, max: mostNodes } }],
  after(spec, update) {
    const next: Record<string, unknown> = { ...spec };
    refuseOtherPool(update.pool);
    if (update.nodes !== undefined) {
      const nodes = nodesOf(update.nodes);
      next[nodesKey] = typeof spec[nodesKey] === 'string' ? String(nodes) : nodes;
    }
    if (update.version !== undefined) next[versionKey] = versionOf(update.version);
    return next;
  },
  async connect(params) {
    const { openJenkinsClient } = await import('./client.ts');
    return openJenkinsClient(JenkinsProvisioner.parse(params));
  },
};

function withoutJob(purpose: keyof typeof jobDoes): string {
  return `This provisioner has no job that ${jobDoes[purpose]}; ask an admin to enter one with \`provisioner edit\` (${purpose}Job).`;
}

/** What `options` gives for `price`: the operator's list, and where the machine type is. */
const Prices = z.object({ list: z.unknown(), size: z.string().optional(), sizeKey: z.string().optional() });

/** A job may offer its numbers of nodes as choices, which are text. */
function countOf(spec: Record<string, unknown>): number | null {
  const count = Number(spec[nodesKey]);
  return Number.isInteger(count) && count > 0 ? count : null;
}

function nodesOf(nodes: number): number {
  if (Number.isInteger(nodes) && nodes >= 1 && nodes <= mostNodes) return nodes;
  throw new Fault('bad-input', `The number of nodes is a whole number from 1 to ${mostNodes}.`, { field: nodesKey });
}

function versionOf(version: string): string {
  if (/^[\w.+-]{1,63}$/.test(version)) return version;
  throw new Fault('bad-input', 'This is not a Kubernetes version.', {
    field: versionKey,
    next: 'Write it like 1.34.2.',
  });
}
