import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { count } from '../../core/words.ts';
import { type DrainNode, readNode, readNodes, setCordon } from '../drain/index.ts';
import type { Talk, WorkOperation } from '../operation.ts';

const Input = z.object({ node: z.string().min(1), on: z.boolean() });

/** The node of that name, or a Fault that names those that are there. */
export async function theNode(talk: Talk, name: string): Promise<DrainNode> {
  const node = await readNode(talk, name);
  if (node) return node;
  const names = (await readNodes(talk)).map((each) => each.name);
  throw new Fault('not-found', `The cluster has no node ${name}.`, {
    field: 'node',
    next: names.length === 0 ? 'It has no nodes at all.' : `Its nodes: ${names.slice(0, 8).join(', ')}.`,
  });
}

/** Closes a node for new pods, or opens it again; the pods on it stay. */
export const cordonNode: WorkOperation = {
  op: 'node.cordon',

  async plan(talk, { input: given }) {
    const { node: name, on } = Input.parse(given);
    const node = await theNode(talk, name);
    const others = (await readNodes(talk)).filter(
      (each) => each.name !== name && each.ready === 'True' && !each.cordoned,
    );
    return {
      steps: [on ? 'Close the node for new pods' : 'Open the node for new pods'],
      facts: [
        { label: 'Node', value: `${name}, ${stateOf(node)}` },
        {
          label: 'Others',
          value: `${count(others.length, 'other node')} ${others.length === 1 ? 'takes' : 'take'} pods`,
        },
      ],
      disturbs: 'Nobody: the pods on it stay where they are.',
      warnings:
        on && others.length === 0 ? ['No other node takes pods: until one does, every new pod stays pending.'] : [],
      rests: { uid: node.uid, cordoned: node.cordoned },
      ...(node.cordoned === on
        ? { nothing: on ? `Node ${name} is cordoned already.` : `Node ${name} takes pods already.` }
        : {}),
    };
  },

  async step(talk, { input: given }) {
    const { node: name, on } = Input.parse(given);
    if (!(await setCordon(talk, name, on)))
      throw new Fault('not-found', `Node ${name} is gone, so there is nothing to do.`, { retryable: false });
    const note = on ? `Node ${name} takes no new pods.` : `Node ${name} takes pods again.`;
    return { state: 'done', progress: {}, at: 0, percent: 100, note };
  },
};

/** A node's state in words. */
export function stateOf({ ready, cordoned }: DrainNode): string {
  const state = ready === 'True' ? 'ready' : ready === 'False' ? 'NOT ready' : 'silent';
  return cordoned ? `${state}, cordoned` : state;
}
