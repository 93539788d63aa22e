import { createHash } from 'node:crypto';
import { ADDONS, compareVersions, minorOf, REGIONS, SIZES, VERSIONS } from './catalog.ts';
import type { JsonObject } from './json.ts';

/** A refusal of the provider API. */
export class CloudError extends Error {
  readonly status: number;
  readonly code: string;
  readonly more: JsonObject;

  constructor(status: number, code: string, message: string, more: JsonObject = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.more = more;
  }
}

/** What a new cluster is to be. */
export type ClusterWish = {
  name: string;
  region: string;
  version: string;
  size: string;
  nodes: number;
  gateways: number;
  networkPolicy: boolean;
  labels: Record<string, string>;
};

/** What the account may use. */
export type Quota = { clusters: number; nodes: number };

/** Stands for a set of labels, whatever their order: who changes labels says with it which ones they have seen. */
export function fingerprintOf(labels: Record<string, string>): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16);
}

/** A 400 that names a field. */
export function badField(field: string, message: string): CloudError {
  return new CloudError(400, 'bad_request', message, { field });
}

/** Throws a 400 that names the choices when a value is none of them. */
function checkChoice(field: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value))
    throw badField(field, `There is no ${field} ${value}; choose one of ${choices.join(', ')}.`);
}

/** Throws a 400 when a cluster cannot go from one version to another: never down, and one minor version at a time. */
function checkUpgrade(from: string, to: string): void {
  if (compareVersions(to, from) < 0)
    throw badField('version', `Version ${to} is older than ${from}; versions only go up.`);
  if (minorOf(to) > minorOf(from) + 1) {
    throw badField('version', `From ${from} the next minor version has to come before ${to}.`);
  }
}

/** Throws a 400 when a new cluster's region, version or size is not on offer. */
export function checkWish({ region, version, size }: ClusterWish): void {
  checkChoice(
    'region',
    region,
    REGIONS.map(({ name }) => name),
  );
  checkChoice(
    'version',
    version,
    VERSIONS.map((offer) => offer.version),
  );
  checkChoice(
    'size',
    size,
    SIZES.map(({ name }) => name),
  );
}

/** Throws a 400 when a cluster cannot be brought to a version. */
export function checkVersion(from: string, to: string): void {
  checkChoice(
    'version',
    to,
    VERSIONS.map((offer) => offer.version),
  );
  checkUpgrade(from, to);
}

/** Throws a 400 that names the add-ons when one is asked for that there is not. */
export function checkAddons(addons: Record<string, boolean>): void {
  for (const name of Object.keys(addons)) {
    checkChoice(
      'addons',
      name,
      ADDONS.map((addon) => addon.name),
    );
  }
}

/** Throws a 400 when the machine that is to go is not there, or when something else is asked for with it than one fewer in its pool. */
export function checkRetired(
  change: { retire?: string; nodes?: number; gateways?: number; version?: string; addons?: unknown },
  cluster: { nodes: number; gateways: number },
  machines: readonly { name: string; gateway: boolean }[],
): void {
  const { retire = '', nodes, gateways } = change;
  const machine = machines.find(({ name }) => name === retire);
  if (machine === undefined) throw badField('retire', `There is no machine ${retire}.`);
  if (change.version !== undefined || change.addons !== undefined)
    throw badField('retire', 'A machine is retired by itself, not with other changes.');
  const other = machine.gateway ? nodes : gateways;
  const left = machine.gateway ? gateways : nodes;
  const had = machine.gateway ? cluster.gateways : cluster.nodes;
  if (other !== undefined || (left !== undefined && left !== had - 1))
    throw badField('nodes', 'With a machine that goes for good, its pool is smaller by one.');
}
