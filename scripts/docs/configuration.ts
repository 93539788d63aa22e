/** `docs/configuration.md`, made from the table of options: what is documented is what is read. */
import { type Group, groups, type Option, options } from '../../src/config-options.ts';
import { type OriginalOption, processOptions, serverOptions, uiOptions } from './original-options.ts';

/** The page, for the list of generated documents: the file from the repository's root, and its whole text. */
export const configurationPage = { file: 'docs/configuration.md', render: renderConfiguration };

/** The whole page as Markdown; equal tables give equal texts. */
function renderConfiguration(): string {
  return [
    '<!-- Made by `npm run docs` from src/config-options.ts and scripts/docs/original-options.ts; edit those. -->',
    '# Configuration',
    '',
    ...introduction,
    '',
    ...Object.entries(groups).flatMap(([group, about]) => [
      `## ${group}`,
      '',
      about,
      '',
      ...optionTable(group as Group),
      '',
    ]),
    '## Rules across variables',
    '',
    ...rules.map((rule) => `- ${rule}`),
    '',
    '## Coming from the original KQueen',
    '',
    'Every option of the original KQueen and what has become of it. Its server read them from Python files, and from the',
    'environment with KQUEEN_ in front; its web UI did the same with KQUEENUI_.',
    '',
    '### Options of the server',
    '',
    ...originalTable(serverOptions),
    '',
    '### Variables of the process',
    '',
    ...originalTable(processOptions),
    '',
    '### Options of the web UI',
    '',
    ...originalTable(uiOptions),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

const introduction = [
  'KQueen is configured by environment variables alone. Without any it starts everything on this machine, to try: see',
  '[the README](../README.md#try-it).',
  '',
  '- A variable that is set to nothing counts as not set. Blanks around a value are ignored.',
  '- Values are read as what they are: no word is bent into a truth value or a number.',
  '- All mistakes are reported at once, each by its name, on standard error; then the process ends with exit code 2.',
  '- The value of a *secret* appears in no message, log line or error.',
  '- A variable that begins with `KQUEEN_` and is not in this list is named in a warning, with the one that was probably meant.',
];

const rules = [
  '`node src/main.ts bot` and `node src/main.ts worker` on their own need both `KQUEEN_ETCD_HOSTS` and `KQUEEN_REDIS_URL`.',
  '`KQUEEN_REDIS_URL` needs `KQUEEN_ETCD_HOSTS`. etcd without Redis is allowed for one process, with a warning.',
  '`KQUEEN_SECRET_KEYS` is needed as soon as etcd, Slack or Teams is configured.',
  'Slack needs `SLACK_BOT_TOKEN`, and `SLACK_SIGNING_SECRET` (HTTP) or `SLACK_APP_TOKEN` (Socket Mode).',
  'Teams needs `MicrosoftAppId`, `MicrosoftAppTenantId` and, unless `MicrosoftAppType` is `UserAssignedMSI`, `MicrosoftAppPassword`. Any of these without an id is refused.',
  'The user of etcd comes with its password, and the client certificate with its key. Certificates need https hosts.',
  '`KQUEEN_APPROVALS` may name a chat platform only when that is configured.',
  '`KQUEEN_SANDBOX=on` needs both roles in one process, `KQUEEN_DEVELOPMENT=on` a loopback `KQUEEN_HOST`.',
];

function optionTable(group: Group): string[] {
  const rows = Object.entries<Option>(options).filter(([, option]) => option.group === group);
  return table(
    ['Variable', 'What it is', 'Value', 'Default'],
    rows.map(([name, option]) => [
      `\`${name}\`${option.secret ? ' (*secret*)' : ''}`,
      option.about,
      `${option.kind.words}${option.example ? `; for example \`${option.example}\`` : ''}`,
      option.default === undefined ? (option.defaultWords ?? '') : `\`${option.default}\``,
    ]),
  );
}

function originalTable(rows: OriginalOption[]): string[] {
  return table(
    ['Option', 'Was', 'Now', 'Why'],
    // Without code marks: most of these names do not exist any more.
    rows.map(({ names, was, fate, now, why }) => [
      names.map((name) => name.replaceAll('*', '\\*')).join(', '),
      was,
      [
        fate,
        ...(now ? [`${fate === 'dropped' ? 'see ' : ''}${now.map((each) => `\`${each}\``).join(', ')}`] : []),
      ].join('; '),
      why,
    ]),
  );
}

function table(head: string[], rows: string[][]): string[] {
  const line = (cells: string[]) => `| ${cells.map((each) => each.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
