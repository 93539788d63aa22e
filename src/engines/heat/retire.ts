/** Machines of single nodes: members of a group go by its removal policies, servers of their own by what the template makes of their number. */
import { Fault } from '../../core/errors.ts';
import type { Call, ClusterUpdate, Operation } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import { type Api, notHeat } from './api.ts';
import type { Changes } from './changes.ts';
import type { Stacks } from './stacks.ts';
import { statusOf } from './states.ts';
import { stackPath, type Templates } from './template.ts';
import { countedBy, isGroupOf, record, serverType } from './template-servers.ts';
import { PreviewAnswer, type Resource, readAnswer, ServersAnswer, type Stack } from './wire.ts';

type Retirement = ClusterUpdate & { retire: NonNullable<ClusterUpdate['retire']> };

/**
 * Begins the retirement of a machine; null when it is gone and its pool has as many as wanted. Throws `not-found` rather than let another machine
 * go, and `unsupported` where the template of the stack leaves no way.
 */
export type Retire = (stack: Stack, update: Retirement, call: Call) => Promise<Operation | null>;

export function openRetire(api: Api, stacks: Stacks, templates: Templates, changes: Changes): Retire {
  /** The resource that is the server of this node, and when that was made; null when the stack has none. */
  async function machineOf(stack: Stack, node: string, call: Call): Promise<Found | null> {
    const label = node.split('.')[0] ?? node;
    // Nova reads a pattern, and makes a host name of a server's name by putting dashes where a host name has no other signs.
    const name = encodeURIComponent(`^${label.replaceAll('-', '.')}`);
    const body = await api.read('compute', `/v2.1/servers/detail?name=${name}`, call);
    if (body === null) {
      throw new Fault('unsupported', 'This cloud has no compute service that tells which server a node is.', {
        whose: 'admin',
        next: 'Ask an admin whether the catalogue of the project has Nova in it.',
      });
    }
    // One of the two may have a domain at its end.
    const servers = readAnswer(ServersAnswer, body).servers.filter((each) => {
      const host = hostOf(each.name).slice(0, 63);
      return host === hostOf(node) || host === hostOf(label) || host.split('.')[0] === hostOf(node);
    });
    const resources = await stacks.resources(stack, call);
    const found = servers.flatMap((server) => {
      const resource = resources.find((each) => each.physical_resource_id === server.id);
      return resource ? [{ resource, created: Date.parse(server.created ?? '') }] : [];
    });
    if (found.length > 1) {
      throw new Fault('conflict', oneLine(`The stack has several servers of the name ${node}.`), {
        whose: 'admin',
        retryable: false,
        next: 'Have the one that is meant removed in OpenStack; KQueen does not guess.',
      });
    }
    const [one] = found;
    if (!one) return null;
    const home = linkOf(one.resource, 'stack');
    const owner = resources.find((each) => home !== undefined && linkOf(each, 'nested') === home);
    return { ...one, ...(owner ? { owner } : {}) };
  }

  /** The template with a removal policy for one member of a group. Heat remembers those that went, so the last one is enough. */
  function without(
    template: Record<string, unknown>,
    group: Resource,
    counter: string,
    member: string,
  ): Record<string, unknown> | null {
    const resources = record(template.resources);
    const definition = record(resources[group.resource_name]);
    if (!isGroupOf(definition, counter)) return null;
    const properties: Record<string, unknown> = {
      ...record(definition.properties),
      removal_policies: [{ resource_list: [member] }],
    };
    // What was written there for every update would forget the ones from before.
    delete properties.removal_policies_mode;
    return { ...template, resources: { ...resources, [group.resource_name]: { ...definition, properties } } };
  }

  /** The name of the one server at the top that Heat says would go; undefined where it is another number of them. */
  async function goes(
    stack: Stack,
    body: { template: unknown; parameters: unknown },
    call: Call,
  ): Promise<string | undefined> {
    const path = `${stackPath(stack.stack_name, stack.id)}/preview`;
    const answer = await api.heat({ method: 'PATCH', path, body: { existing: true, ...body } }, call);
    if (answer.status === 404) return undefined;
    const { deleted, replaced } = readAnswer(PreviewAnswer, answer.body).resource_changes;
    const gone = [...deleted, ...replaced].filter((each) => each.resource_type === serverType);
    return gone.length === 1 ? gone[0]?.resource_name : undefined;
  }

  /**
   * Servers that are there under a condition each: a smaller number takes the one whose condition does not hold any more. Where that is another
   * than the one that is meant, their conditions change places, so that what belongs to each of them goes along.
   */
  async function removeAlone(stack: Stack, update: Retirement, { name }: { name: string }, call: Call) {
    const template = await templates.textOf(stack, call);
    const { parameters } = await changes.wanted(stack, update, call);
    const first = await goes(stack, { template, parameters }, call);
    if (first === undefined) throw cannotRemove(update.retire.node);
    if (first === name) return changes.put(stack, { parameters }, call);
    const turned = swapped(template, first, name);
    if (!turned || (await goes(stack, { template: turned, parameters }, call)) !== name) {
      throw cannotRemove(update.retire.node);
    }
    return changes.put(stack, { template: turned, parameters }, call);
  }

  async function replaceAlone(stack: Stack, server: Resource, counter: string, node: string, call: Call) {
    const template = await templates.textOf(stack, call);
    // A server that is there whatever the number of the pool is, such as a control plane, is none of its machines.
    const { condition } = record(record(template.resources)[server.resource_name]);
    const conditions = record(template.conditions);
    const counted = typeof condition === 'string' && countedBy(conditions[condition], counter);
    if (!counted) throw cannotRemove(node);
    const path = `${stackPath(stack.stack_name, stack.id)}/resources/${encodeURIComponent(server.resource_name)}`;
    const body = { mark_unhealthy: true, resource_status_reason: 'KQueen has this machine replaced.' };
    const answer = await api.heat({ method: 'PATCH', path, body }, call);
    if (answer.status === 404) throw notHeat(answer);
    return changes.put(stack, { parameters: {} }, call);
  }

  return async (stack, update, call) => {
    changes.refuse(stack);
    const { retire, nodes } = update;
    const { parameters, counter, fewer } = await changes.wanted(stack, update, call);
    const found = await machineOf(stack, retire.node, call);
    if (!found) {
      if (fewer) {
        throw new Fault('not-found', oneLine(`The stack at OpenStack has no server ${retire.node}.`), {
          field: 'node',
          whose: 'provider',
          retryable: false,
        });
      }
      return changes.apply(stack, update, call);
    }
    const { resource, owner, created } = found;
    // With fewer wanted it goes, whenever it was made; those that were asked for already are what is there.
    if (!fewer && nodes !== undefined && created > retire.before) return changes.apply(stack, update, call);
    if (owner) {
      const template = without(await templates.textOf(stack, call), owner, counter, resource.resource_name);
      if (!template) throw cannotRemove(retire.node);
      return changes.put(stack, { template, parameters }, call);
    }
    if (linkOf(resource, 'stack') !== stack.id) throw cannotRemove(retire.node);
    // What was begun before and failed is tried again as it was: the parameters for it are there.
    if (!fewer && statusOf(stack.stack_status).status === 'FAILED') return changes.apply(stack, update, call);
    return fewer
      ? removeAlone(stack, update, { name: resource.resource_name }, call)
      : replaceAlone(stack, resource, counter, retire.node, call);
  };
}

interface Found {
  resource: Resource;
  /** The group that it is a member of. */
  owner?: Resource;
  /** Epoch milliseconds of a whole second; NaN when Nova does not tell. */
  created: number;
}

/** The template with the conditions of two servers having changed places; null where they have none of their own. */
function swapped(template: Record<string, unknown>, one: string, other: string): Record<string, unknown> | null {
  const conditions = record(template.conditions);
  const [a, b] = [one, other].map((name) => record(record(template.resources)[name]).condition);
  if (typeof a !== 'string' || typeof b !== 'string' || a === b) return null;
  return { ...template, conditions: { ...conditions, [a]: conditions[b], [b]: conditions[a] } };
}

/** As Nova makes host names of the names of servers (nova/utils.py, sanitize_hostname). */
function hostOf(name: string): string {
  return name
    .replace(/[ _]/g, '-')
    .replace(/[^\w.-]+/g, '')
    .toLowerCase()
    .replace(/^[.-]+|[.-]+$/g, '');
}

/** The id of the stack in `…/stacks/NAME/ID`. */
function linkOf(entry: Pick<Resource, 'links'>, rel: string): string | undefined {
  const href = entry.links.find((link) => link.rel === rel)?.href;
  return /\/stacks\/[^/]+\/([^/?]+)/.exec(href ?? '')?.[1];
}

function cannotRemove(node: string): Fault {
  return new Fault('unsupported', oneLine(`The template of this cluster leaves no way to let ${node} alone go.`), {
    whose: 'admin',
    next: 'Scale the pool by hand; for new clusters an admin can make the nodes a group of servers (OS::Heat::ResourceGroup) in the template.',
  });
}
