/** `docs/commands.md`, made from the command registry and the policies: what is documented is what runs. */
import type { Field } from '../../src/core/card.ts';
import type { Command } from '../../src/core/command.ts';
import { registry } from '../../src/core/commands/index.ts';
import { approvalFor, type Policy, policies, purposes } from '../../src/core/policy.ts';
import type { Engine } from '../../src/core/ports/engine.ts';
import { roles } from '../../src/core/records.ts';
import { fieldsOf } from '../../src/core/schema.ts';
import { all as engines } from '../../src/engines/index.ts';

/** Headings by group; none of them is the name of a command, so that every link finds its own place. */
const groups: Record<Command['group'], string> = {
  Clusters: 'Commands for clusters',
  Nodes: 'Commands for nodes and their number',
  Apps: 'Commands for apps',
  'Add-ons': 'Commands for add-ons',
  Backups: 'Commands for backups',
  'Network and images': 'Commands for networks and where images come from',
  'Jobs and approvals': 'Commands for jobs and approvals',
  Provisioners: 'Commands for provisioners',
  KQueen: 'Commands about KQueen',
};

/** The page, for the list of generated documents: the file from the repository's root, and its whole text. */
export const commandsPage = { file: 'docs/commands.md', render: renderCommands };

/** The whole page as Markdown; equal registries give equal texts. */
function renderCommands(): string {
  return [
    '<!-- Made by `npm run docs` from src/core/commands; edit those. -->',
    '# Commands',
    '',
    ...introduction,
    '',
    '## All of them',
    '',
    ...table(
      ['Command', 'What it does', 'Who', 'Changes something'],
      registry.all.map((each) => [
        `[\`${each.name}\`](#${each.name.replaceAll(' ', '-')})`,
        each.summary,
        whoMay(each.policy),
        each.changes ? 'yes' : 'no',
      ]),
    ),
    '',
    '## Who has to agree',
    '',
    'By the role of the person who asks. An approval is given or refused by somebody else, who is an admin or more.',
    '',
    ...table(['Asked for', 'Purpose', ...roles], approvalRows()),
    '',
    ...Object.entries(groups).flatMap(([group, heading]) => [
      `## ${heading}`,
      '',
      ...registry.all.filter((each) => each.group === group).flatMap((each) => [...section(each), '']),
    ]),
    '## Fields of the engines',
    '',
    'What `cluster create` and `provisioner add` ask for besides their own arguments.',
    '',
    ...engines.flatMap((engine) => [
      `### ${engine.title}: a cluster`,
      '',
      ...clusterFields(engine),
      '',
      `### ${engine.title}: a provisioner`,
      '',
      ...fieldTable(fieldsOf(engine.provisioner)),
      '',
    ]),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

/** What an engine asks of a cluster; some of it, or all, only its provider knows. */
function clusterFields(engine: Engine): string[] {
  const own = fieldsOf(engine.cluster);
  const live = `${own.length > 0 ? 'Further fields' : 'Its fields'} come from the provider, and are asked for when the form is opened.`;
  return [
    ...(own.length > 0 ? fieldTable(own) : []),
    ...(engine.liveParameters ? [...(own.length > 0 ? [''] : []), live] : []),
  ];
}

const introduction = [
  'In Slack a command is written after `/kqueen`, after a mention of the bot, or bare in a direct message; in Teams after a mention or bare',
  'in the personal chat; in the terminal bare. Every button and every form sends one of these lines, too.',
  '',
  '- Values are given in the order that is shown, or as `key=value`, or as `--key value`. Quotes hold words together:',
  '  `labels="team=data,env=dev"`.',
  '- Verb and noun may change places: `create cluster dev-1` is `cluster create dev-1`.',
  '- A command with something missing opens a form that keeps what was typed. A typo is answered with a suggestion and runs nothing.',
  '- A button under a plan is bound to it: the `plan=…` in its line is the hash of that plan. When the plan has changed since,',
  '  nothing is done and the new one is shown.',
  '- Secrets are typed into private forms and nowhere else. A line that holds one is refused, and deleted where the platform allows it.',
];

const words: Record<(typeof policies)[Policy], string> = {
  member: 'everybody',
  owner: 'its owner, or an admin',
  admin: 'an admin',
  superadmin: 'a superadmin',
};

function whoMay(policy: Policy): string {
  return policy === 'job:control' ? 'who asked for it, or an admin' : words[policies[policy]];
}

function approvalRows(): string[][] {
  const asked = { 'cluster.create': 'a new cluster', 'cluster.delete': 'a deletion' } as const;
  return Object.entries(asked).flatMap(([action, words]) =>
    purposes.map((purpose) => [
      words,
      purpose,
      ...roles.map((role) => {
        const caller = { person: '', name: '', org: '', role };
        return approvalFor(action as keyof typeof asked, caller, purpose).needed ? 'approval' : 'at once';
      }),
    ]),
  );
}

function section(command: Command): string[] {
  const fields = fieldsOf(command.args).filter(({ key }) => key !== 'plan');
  return [
    `### ${command.name}`,
    '',
    `${command.summary}. Policy \`${command.policy}\`: ${whoMay(command.policy)}.`,
    '',
    '```text',
    usage(command, fields),
    '```',
    '',
    ...(fields.length > 0 ? [...fieldTable(fields), ''] : []),
    ...(command.open ? ['The [fields of the engine](#fields-of-the-engines) are arguments, too.', ''] : []),
    ...(command.words ? [smallWords(command.words), ''] : []),
    'For example:',
    '',
    '```text',
    ...command.examples,
    '```',
    ...(command.aliases?.length
      ? ['', `Also understood: ${command.aliases.map((each) => `\`${each}\``).join(', ')}.`]
      : []),
  ];
}

/** `cluster create <name> <provisioner> [purpose=…]`: needed ones in pointed brackets, the others in square ones. */
function usage(command: Command, fields: Field[]): string {
  const words = fields.map(({ key, required }) => {
    const shown = command.positional.includes(key) ? key : `${key}=…`;
    return required ? `<${shown}>` : `[${shown}]`;
  });
  return [command.name, ...words, ...(command.open ? ['[field=… of the engine]'] : [])].join(' ');
}

function smallWords(small: Record<string, string>): string {
  const said = Object.entries(small).map(([word, key]) => `\`${word}\` for \`${key}=\``);
  return `Small words: ${said.join(', ')}.`;
}

function fieldTable(fields: Field[]): string[] {
  return table(
    ['Argument', 'What it is', 'Values', 'Default'],
    fields.map((each) => [
      `\`${each.key}\`${each.required ? ', needed' : ''}`,
      about(each),
      values(each),
      each.value ?? '',
    ]),
  );
}

function about({ label, help, example }: Field): string {
  const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`);
  return [sentence(label), help ? sentence(help) : '', example ? `Example: \`${example}\`.` : '']
    .filter(Boolean)
    .join(' ');
}

function values({ kind, choices, min, max, maxLength }: Field): string {
  if (choices) return choices.map(({ value }) => `\`${value}\``).join(', ');
  if (kind === 'number')
    return [min, max].every((each) => each === undefined) ? 'a number' : `${min ?? ''} to ${max ?? ''}`;
  if (kind === 'secret' || kind === 'secret-multiline') return 'secret: in a private form only';
  if (kind === 'labels') return 'pairs';
  if (kind === 'choice') return 'what is on offer at the moment';
  return maxLength === undefined ? 'text' : `text, up to ${maxLength} characters`;
}

function table(head: string[], rows: string[][]): string[] {
  const line = (cells: string[]) => `| ${cells.map((each) => each.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
