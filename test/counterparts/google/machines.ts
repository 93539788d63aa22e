/** The machines of node pools: a zonal managed instance group for each zone of a pool, and the operations of the compute API on them. */
import { createHash, randomInt, randomUUID } from 'node:crypto';
import type { Cluster, Message, Pool } from './cluster.ts';
import { refusals } from './errors.ts';

export interface Machine {
  name: string;
  /** Decimal digits; a recreated machine has another one. */
  id: string;
  /** Epoch milliseconds. */
  made: number;
  action: 'NONE' | 'RECREATING' | 'DELETING';
  /** When the action is over, epoch milliseconds. */
  until: number;
}

export interface MachineGroup {
  zone: string;
  name: string;
  /** `gke-<cluster>-<pool>-<hash>`, from which the names of machines are made. */
  base: string;
  machines: Machine[];
}

interface ComputeOperation {
  name: string;
  zone: string;
  type: string;
  at: number;
  ended: boolean;
  error: string | null;
  apply(): string | null;
}

function makeMachine(base: string): Machine {
  const suffix = randomUUID().slice(0, 4);
  return { name: `${base}-${suffix}`, id: newId(), made: Date.now(), action: 'NONE', until: 0 };
}

function newId(): string {
  return `${randomInt(1, 9_000_000)}${randomInt(1_000_000_000, 9_000_000_000)}`;
}

/** Ends what is at its end. */
function settle(group: MachineGroup): void {
  const now = Date.now();
  group.machines = group.machines.filter((each) => each.action !== 'DELETING' || each.until > now);
  for (const each of group.machines) {
    if (each.action !== 'RECREATING' || each.until > now) continue;
    Object.assign(each, { id: newId(), made: each.until, action: 'NONE' });
  }
}

/** The groups of a pool, made with their machines when they are first asked for. */
export function groupsOf(cluster: Cluster, pool: Pool): MachineGroup[] {
  pool.groups ??= pool.locations.map((zone) => {
    const hash = createHash('sha256').update(`${cluster.location}/${cluster.name}/${pool.name}/${zone}`).digest('hex');
    const base = `gke-${cluster.name.slice(0, 20)}-${pool.name.slice(0, 14)}-${hash.slice(0, 8)}`;
    return { zone, name: `${base}-grp`, base, machines: Array.from({ length: pool.count }, () => makeMachine(base)) };
  });
  for (const group of pool.groups) settle(group);
  return pool.groups;
}

/** The target size; those that are being deleted do not count any more. */
function sizeOf(group: MachineGroup): number {
  return group.machines.filter(({ action }) => action !== 'DELETING').length;
}

/** Brings every group of the pool to this number. */
export function resizeGroups(cluster: Cluster, pool: Pool, count: number): void {
  for (const group of groupsOf(cluster, pool)) {
    while (sizeOf(group) < count) group.machines.push(makeMachine(group.base));
    while (sizeOf(group) > count) group.machines.pop();
  }
}

/** Answers a request of the compute API about groups, machines and operations; null for any other path. */
type MachineRoutes = (method: string, path: string, query: URLSearchParams, body: Message) => Message | null;

export interface MachineOptions {
  project: string;
  /** How long the group takes with one machine, in milliseconds. */
  machineMs: number;
  clusters(): Cluster[];
  /** Operations that begin now fail with this. */
  failure(): string | null;
}

const pageSize = 3;

export function machineRoutes({ project, machineMs, clusters, failure }: MachineOptions): MachineRoutes {
  const operations = new Map<string, ComputeOperation>();
  /** By `requestId`: "the server will know to ignore the request if it has already been completed". */
  const requests = new Map<string, ComputeOperation>();
  const root = `https://www.googleapis.com/compute/v1/projects/${project}`;

  function missing(path: string): never {
    throw refusals.computeNotFound(`projects/${project}/${path}`);
  }

  function allGroups(): MachineGroup[] {
    return clusters().flatMap((cluster) => cluster.pools.flatMap((pool) => groupsOf(cluster, pool)));
  }

  function groupOf(zone: string, name: string): MachineGroup {
    return (
      allGroups().find((each) => each.zone === zone && each.name === name) ??
      missing(`zones/${zone}/instanceGroupManagers/${name}`)
    );
  }

  function settleOperations(): void {
    for (const operation of operations.values()) {
      if (operation.ended || operation.at > Date.now()) continue;
      operation.ended = true;
      operation.error ??= operation.apply();
    }
  }

  function shown({ name, zone, type, ended, error }: ComputeOperation): Message {
    return {
      kind: 'compute#operation',
      id: '4611686018427387904',
      name,
      operationType: type,
      zone: `${root}/zones/${zone}`,
      status: ended ? 'DONE' : 'RUNNING',
      progress: ended ? 100 : 0,
      selfLink: `${root}/zones/${zone}/operations/${name}`,
      ...(ended && error !== null
        ? { error: { errors: [{ code: 'RESOURCE_ERROR', message: error }] }, httpErrorStatusCode: 400 }
        : {}),
    };
  }

  function begin(
    group: MachineGroup,
    action: 'RECREATING' | 'DELETING',
    query: URLSearchParams,
    body: Message,
  ): Message {
    const requestId = query.get('requestId') ?? '';
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
    if (requestId !== '' && !uuid.test(requestId)) throw refusals.badRequest("Invalid value for field 'requestId'.");
    const known = requests.get(requestId);
    if (known) return shown(known);
    const names = ((body.instances as string[] | undefined) ?? []).map((url) => {
      const found = new RegExp(`(?:^|/)zones/${group.zone}/instances/([^/]+)$`).exec(url);
      if (!found?.[1]) throw refusals.badRequest(`Invalid value for field 'instances': '${url}'.`);
      return found[1];
    });
    if (names.length === 0) throw refusals.badRequest("Required field 'instances' not specified");
    const operation: ComputeOperation = {
      name: `operation-${Date.now()}-${randomUUID()}`,
      zone: group.zone,
      type: `compute.instanceGroupManagers.${action === 'DELETING' ? 'deleteInstances' : 'recreateInstances'}`,
      at: Date.now() + machineMs / 5,
      ended: false,
      error: failure(),
      apply() {
        settle(group);
        const found = names.map((name) => group.machines.find((each) => each.name === name));
        // "If this field is set to false and such an instance is specified in the request, the operation fails."
        const strange = names.find((_name, index) => !found[index] || found[index]?.action === 'DELETING');
        if (strange !== undefined) return `The instance '${strange}' is not a member of the group '${group.name}'.`;
        for (const each of found) if (each) Object.assign(each, { action, until: Date.now() + machineMs });
        return null;
      },
    };
    operations.set(operation.name, operation);
    if (requestId !== '') requests.set(requestId, operation);
    return shown(operation);
  }

  function listed(group: MachineGroup, query: URLSearchParams): Message {
    const from = Number(query.get('pageToken') ?? 0);
    const size = Math.min(pageSize, Number(query.get('maxResults') ?? 500));
    const next = from + size < group.machines.length ? { nextPageToken: String(from + size) } : {};
    const managedInstances = group.machines.slice(from, from + size).map(({ name, id, action }) => ({
      name,
      id,
      instance: `${root}/zones/${group.zone}/instances/${name}`,
      instanceStatus: action === 'NONE' ? 'RUNNING' : 'STOPPING',
      currentAction: action,
    }));
    return { ...(managedInstances.length > 0 ? { managedInstances } : {}), ...next };
  }

  return (method, path, query, body) => {
    const found = /^\/compute\/v1\/projects\/([^/]+)\/zones\/([^/]+)\/(\w+)\/([^/]+)(?:\/(\w+))?$/.exec(path);
    if (!found) return null;
    const [, asked = '', zone = '', kind = '', name = '', verb = ''] = found;
    if (asked !== project) throw refusals.noProject(asked);
    settleOperations();
    switch (`${method} ${kind} ${verb}`.trim()) {
      case 'GET operations': {
        const operation = operations.get(name);
        return operation?.zone === zone ? shown(operation) : missing(`zones/${zone}/operations/${name}`);
      }
      case 'GET instances': {
        const machine = allGroups()
          .filter((each) => each.zone === zone)
          .flatMap(({ machines }) => machines)
          .find((each) => each.name === name);
        if (!machine) return missing(`zones/${zone}/instances/${name}`);
        const { id, made } = machine;
        return { kind: 'compute#instance', id, name, creationTimestamp: pacific(made), status: 'RUNNING' };
      }
      case 'GET instanceGroupManagers': {
        const group = groupOf(zone, name);
        return { kind: 'compute#instanceGroupManager', name, targetSize: sizeOf(group), baseInstanceName: group.base };
      }
      case 'POST instanceGroupManagers listManagedInstances':
        return listed(groupOf(zone, name), query);
      case 'POST instanceGroupManagers recreateInstances':
        return begin(groupOf(zone, name), 'RECREATING', query, body);
      case 'POST instanceGroupManagers deleteInstances':
        return begin(groupOf(zone, name), 'DELETING', query, body);
      default:
        return null;
    }
  };
}

/** The compute API writes times of the Pacific coast: `2025-11-21T03:40:01.123-08:00`. */
function pacific(at: number): string {
  return new Date(at - 8 * 3_600_000).toISOString().replace('Z', '-08:00');
}
