import { Fault } from '../../core/errors.ts';
import type { Call, Target } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import { type Api, notHeat } from './api.ts';
import { statusOf } from './states.ts';
import { stackPath } from './template.ts';
import { OutputAnswer, type Resource, ResourcesAnswer, readAnswer, type Stack, StackAnswer } from './wire.ts';

/** Tags on every stack of KQueen. Heat's tags are words without commas, at most 80 characters long. */
export const clusterTag = 'kqueen-cluster=';
export const orgTag = 'kqueen-org=';

/** The tags of a target. */
export function tagsOf(target: Target): string[] {
  return [`${clusterTag}${target.cluster}`, `${orgTag}${target.org}`];
}

/** Whether the stack is this very cluster. */
export function isMine(stack: Pick<Stack, 'tags'>, target: Target): boolean {
  const tags = stack.tags ?? [];
  return tagsOf(target).every((tag) => tags.includes(tag));
}

/** KQueen's marks among the tags, whosever they are. */
export function marksOf(stack: Pick<Stack, 'tags'>): { cluster?: string; org?: string; owner?: string } {
  const value = (prefix: string) => (stack.tags ?? []).find((tag) => tag.startsWith(prefix))?.slice(prefix.length);
  const marks: { cluster?: string; org?: string; owner?: string } = {};
  const cluster = value(clusterTag);
  const org = value(orgTag);
  const owner = value('owner=');
  if (cluster) marks.cluster = cluster;
  if (org) marks.org = org;
  if (owner) marks.owner = owner;
  return marks;
}

/** Reads stacks by what is known of them. */
export interface Stacks {
  /** The stack of the target's name or id, whoever made it; null when there surely is none. */
  find(target: Target, call: Call): Promise<Stack | null>;
  /** The same, but a `conflict` when it is somebody else's. */
  findOwn(target: Target, call: Call): Promise<Stack | null>;
  /** As it is now, without the outputs; null when it is gone. */
  look(stack: Pick<Stack, 'id' | 'stack_name'>, call: Call): Promise<Stack | null>;
  /** With the outputs; null when it is gone. */
  whole(stack: Pick<Stack, 'id' | 'stack_name'>, call: Call): Promise<Stack | null>;
  /** The value of one output; undefined when the stack has no such output. */
  output(stack: Stack, name: string, call: Call): Promise<unknown>;
  resources(stack: Stack, call: Call): Promise<Resource[]>;
}

export function openStacks(api: Api): Stacks {
  async function byId(name: string, id: string, call: Call, outputs = false): Promise<Stack | null> {
    // Resolving outputs makes Heat look into every resource; a look does not need them.
    const query = outputs ? {} : { resolve_outputs: 'False' };
    const answer = await api.heat({ path: stackPath(name, id), query }, call);
    if (answer.status === 404) {
      api.isGone(answer);
      return null;
    }
    const { stack } = readAnswer(StackAnswer, answer.body);
    // Heat shows a deleted stack for ever.
    return stack.stack_status === 'DELETE_COMPLETE' ? null : stack;
  }

  async function byName(name: string, call: Call): Promise<Stack | null> {
    const answer = await api.heat({ path: `/stacks/${encodeURIComponent(name)}`, redirect: 'answer' }, call);
    if (answer.status === 404) {
      api.isGone(answer);
      return null;
    }
    // Heat answers with where it is. Only the id is read: the host in it may be one that only the cloud itself knows.
    const location = String(answer.headers.location ?? '').split('?')[0] ?? '';
    const id = /\/stacks\/[^/]+\/([^/]+)\/?$/.exec(location)?.[1];
    if (!id) {
      // Something before Heat has followed the redirect by itself.
      const read = StackAnswer.safeParse(answer.body);
      if (!read.success) throw notHeat(answer);
      return read.data.stack.stack_status === 'DELETE_COMPLETE' ? null : read.data.stack;
    }
    return byId(name, decodeURIComponent(id), call);
  }

  async function find(target: Target, call: Call): Promise<Stack | null> {
    const id = target.externalId;
    if (!id) return byName(target.externalName, call);
    return (await byId(target.externalName, id, call)) ?? (await byName(target.externalName, call));
  }

  return {
    find,
    async findOwn(target, call) {
      const found = await find(target, call);
      if (found && !isMine(found, target)) throw foreign(target);
      return found;
    },
    look: (stack, call) => byId(stack.stack_name, stack.id, call),
    whole: (stack, call) => byId(stack.stack_name, stack.id, call, true),
    async output(stack, name, call) {
      const path = `${stackPath(stack.stack_name, stack.id)}/outputs/${encodeURIComponent(name)}`;
      const answer = await api.heat({ path }, call);
      if (answer.status === 404) return undefined;
      return readAnswer(OutputAnswer, answer.body).output.output_value ?? null;
    },
    async resources(stack, call) {
      const path = `${stackPath(stack.stack_name, stack.id)}/resources`;
      const answer = await api.heat({ path, query: { nested_depth: 2 } }, call);
      return answer.status === 404 ? [] : readAnswer(ResourcesAnswer, answer.body).resources;
    },
  };
}

/** Whether something runs at the stack; a status that is not known counts as that. */
export function isBusy(stack: Stack): boolean {
  const { status } = statusOf(stack.stack_status);
  return status === 'IN_PROGRESS' || status === '';
}

export function busy(stack: Stack): Fault {
  return new Fault('conflict', oneLine(`Heat is still at work on ${stack.stack_name} (${stack.stack_status}).`), {
    retryable: true,
    next: 'KQueen tries again by itself.',
  });
}

export function foreign(target: Target): Fault {
  return new Fault('conflict', `OpenStack has a stack ${target.externalName} already, and it is not this cluster.`, {
    whose: 'admin',
    retryable: false,
    next: 'Choose another name, or have that stack removed or renamed in OpenStack.',
  });
}

export function gone(target: Target): Fault {
  return new Fault('not-found', `OpenStack has no stack ${target.externalName}.`, {
    whose: 'provider',
    next: 'Look at it with `cluster check`.',
  });
}
