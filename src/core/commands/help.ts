import { z } from 'zod';
import type { Part } from '../card.ts';
import type { Command } from '../command.ts';
import { refusal } from '../policy.ts';
import { field, fieldsOf } from '../schema.ts';
import { toCaller } from './common.ts';

const groups = ['Clusters', 'Apps', 'Jobs and approvals', 'Provisioners', 'KQueen'] as const;

/** What this person may do here, made from the registry. */
export const help: Command = {
  name: 'help',
  aliases: ['?', 'usage', 'hello', 'hi'],
  summary: 'What you can do here',
  examples: ['help', 'help cluster create'],
  group: 'KQueen',
  policy: 'kqueen:read',
  changes: false,
  args: z.object({ topic: field(z.string().trim().optional(), { label: 'Command', order: 1 }) }),
  positional: ['topic'],
  async run(context, values) {
    const { registry, prefix, caller } = context;
    const topic = values.topic?.toLowerCase();
    const one = topic ? (registry.find(topic) ?? registry.all.find(({ name }) => name.startsWith(topic))) : undefined;
    if (one) return toCaller(topicCard(one, prefix));
    const allowed = registry.all.filter(({ policy }) => refusal(policy, caller, [caller.person]) === null);
    const parts: Part[] = groups.flatMap((group) => {
      const lines = allowed.filter((each) => each.group === group).map(({ name, summary }) => `\`${name}\` ${summary}`);
      return lines.length > 0 ? [{ part: 'text' as const, text: `*${group}*\n${lines.join('\n')}` }] : [];
    });
    parts.push({
      part: 'note',
      text: `More on one: ${prefix}help cluster create. Everything that can be pressed can be typed.`,
    });
    return toCaller({
      title: 'KQueen: clusters from chat',
      tone: 'plain',
      text: `Commands: ${allowed.map(({ name }) => name).join(', ')}.`,
      parts: [{ part: 'text', text: `Try \`${prefix}cluster create\`, then follow the buttons.` }, ...parts],
      buttons: [
        { label: 'Create a cluster', command: 'cluster create', style: 'primary' },
        { label: 'My clusters', command: 'clusters mine' },
      ],
    });
  },
};

function topicCard(command: Command, prefix: string) {
  const facts = fieldsOf(command.args)
    .filter(({ key }) => key !== 'plan')
    .map((each) => ({
      label: each.required ? each.key : `${each.key} (optional)`,
      value: [
        each.help ?? each.label,
        each.choices ? `One of ${each.choices.map(({ value }) => value).join(', ')}.` : '',
        each.value ? `Default ${each.value}.` : '',
      ]
        .filter(Boolean)
        .join(' '),
    }));
  return {
    title: command.name,
    tone: 'plain' as const,
    text: `${command.name}: ${command.summary}. For example: ${prefix}${command.examples[0] ?? command.name}`,
    parts: [
      { part: 'text' as const, text: `${command.summary}.` },
      ...(facts.length > 0 ? [{ part: 'facts' as const, facts }] : []),
      { part: 'code' as const, text: command.examples.map((example) => `${prefix}${example}`).join('\n') },
      ...(command.aliases?.length
        ? [{ part: 'note' as const, text: `Also understood: ${command.aliases.join(', ')}.` }]
        : []),
    ],
    buttons: [],
  };
}

/** Who KQueen takes the caller for. */
export const whoami: Command = {
  name: 'whoami',
  aliases: ['me'],
  summary: 'Who KQueen takes you for',
  examples: ['whoami'],
  group: 'KQueen',
  policy: 'kqueen:read',
  changes: false,
  args: z.object({}),
  positional: [],
  async run({ caller }) {
    const text = `You are ${caller.name}, ${caller.role} of the organisation ${caller.org}.`;
    return toCaller({
      title: caller.name,
      tone: 'plain',
      text,
      parts: [
        { part: 'text', text },
        {
          part: 'facts',
          facts: [
            { label: 'Id', value: caller.person },
            { label: 'Role', value: caller.role },
            { label: 'Organisation', value: caller.org },
          ],
        },
      ],
      buttons: [],
    });
  },
};

/** Which KQueen this is. */
export const version: Command = {
  name: 'version',
  summary: 'Which KQueen this is',
  examples: ['version'],
  group: 'KQueen',
  policy: 'kqueen:read',
  changes: false,
  args: z.object({}),
  positional: [],
  async run(context) {
    const text = `KQueen ${context.version}, with ${context.engines
      .all()
      .map(({ title }) => title)
      .join(', ')}.`;
    return toCaller({
      title: `KQueen ${context.version}`,
      tone: 'plain',
      text,
      parts: [{ part: 'text', text }],
      buttons: [],
    });
  },
};
