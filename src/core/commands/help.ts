import { z } from 'zod';
import type { Card } from '../card.ts';
import type { Command } from '../command.ts';
import { refusal } from '../policy.ts';
import { field, fieldsOf } from '../schema.ts';
import { toCaller } from './common.ts';

const groups = [
  'Clusters',
  'Nodes',
  'Apps',
  'Add-ons',
  'Backups',
  'Network and images',
  'Jobs and approvals',
  'Provisioners',
  'KQueen',
] as const;

/** What most people do most often, in the order of a cluster's life. */
const first = ['cluster create', 'home', 'clusters', 'cluster access', 'cluster check', 'approvals'];

/** What this person may do here, made from the registry: one screen of names; more on a noun or a command when asked. */
export const help: Command = {
  name: 'help',
  aliases: ['?', 'usage', 'hello', 'hi'],
  summary: 'What you can do here',
  examples: ['help', 'help cluster', 'help cluster create'],
  group: 'KQueen',
  policy: 'kqueen:read',
  changes: false,
  args: z.object({
    topic: field(z.string().trim().optional(), { label: 'Command', help: 'A command, or its first word.', order: 1 }),
  }),
  positional: ['topic'],
  async run(context, values) {
    const { registry, prefix, caller } = context;
    const allowed = registry.all.filter(({ policy }) => refusal(policy, caller, [caller.person]) === null);
    const topic = values.topic?.toLowerCase();
    const exact = topic === undefined ? undefined : registry.find(topic);
    if (exact) return toCaller(topicCard(exact, prefix, ofNoun(allowed, nounOf(exact))));
    const noun = topic === undefined ? [] : ofNoun(allowed, topic);
    if (topic !== undefined && noun.length > 0) return toCaller(nounCard(topic, noun, prefix));
    const near = topic === undefined ? undefined : registry.all.find(({ name }) => name.startsWith(topic));
    if (near) return toCaller(topicCard(near, prefix, ofNoun(allowed, nounOf(near))));
    return toCaller(overview(allowed, prefix, topic));
  },
};

/** The first word of a command of several words. */
function nounOf({ name }: Command): string {
  return name.split(' ')[0] ?? name;
}

/** The commands that begin with a noun, or with its singular. */
function ofNoun(commands: readonly Command[], noun: string): Command[] {
  const singular = noun.replace(/s$/, '');
  return commands.filter(({ name }) => [noun, singular].includes(name.split(' ')[0] ?? ''));
}

/** One screen: what to begin with, then everything by name. */
function overview(allowed: readonly Command[], prefix: string, topic: string | undefined): Card {
  const begin = first.flatMap((name) => allowed.filter((each) => each.name === name));
  const said = groups.flatMap((group) => {
    const some = allowed.filter((each) => each.group === group);
    return some.length > 0 ? [`*${group}*: ${byNoun(some)}`] : [];
  });
  const unknown = topic === undefined ? '' : `There is no command that begins with "${topic}". `;
  return {
    title: 'KQueen: clusters from chat',
    tone: 'plain',
    text: `${unknown}Try ${prefix}cluster create, or one of: ${allowed.map(({ name }) => name).join(', ')}. More on one: ${prefix}help cluster.`,
    parts: [
      {
        part: 'text',
        text: [
          `${unknown}Begin with one of these:`,
          ...begin.map(({ name, summary }) => `\`${prefix}${name}\` ${summary}`),
        ].join('\n'),
      },
      { part: 'text', text: said.join('\n') },
      {
        part: 'note',
        text: `More on some, or on one: ${prefix}help cluster, ${prefix}help cluster create. Everything that can be pressed can be typed.`,
      },
    ],
    buttons: [
      { label: 'Create a cluster', command: 'cluster create', style: 'primary' },
      { label: 'My clusters', command: 'clusters mine' },
    ],
  };
}

/** Names of commands with each noun once: "`cluster` show, check; `health`". */
function byNoun(commands: readonly Command[]): string {
  const verbs = new Map<string, string[]>();
  for (const { name } of commands) {
    const [noun = '', ...verb] = name.split(' ');
    verbs.set(noun, [...(verbs.get(noun) ?? []), ...(verb.length > 0 ? [verb.join(' ')] : [])]);
  }
  return [...verbs].map(([noun, all]) => [`\`${noun}\``, all.join(', ')].filter(Boolean).join(' ')).join('; ');
}

/** The commands of one noun with what they do. */
function nounCard(noun: string, commands: readonly Command[], prefix: string): Card {
  const lines = commands.map(({ name, summary }) => `\`${name}\` ${summary}`);
  return {
    title: `Help: ${noun}`,
    tone: 'plain',
    text: `${commands.map(({ name, summary }) => `${name}: ${summary}`).join('. ')}. More on one: ${prefix}help ${commands[0]?.name ?? ''}`,
    parts: [
      { part: 'text', text: lines.join('\n') },
      { part: 'note', text: `More on one, with examples: ${prefix}help ${commands[0]?.name ?? ''}.` },
    ],
    buttons: [],
  };
}

function topicCard(command: Command, prefix: string, noun: readonly Command[]): Card {
  const others = noun.filter(({ name }) => name !== command.name).map(({ name }) => name);
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
      ...(others.length > 0 ? [{ part: 'note' as const, text: `See also: ${others.join(', ')}.` }] : []),
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
