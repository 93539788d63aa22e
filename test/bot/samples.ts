/**
 * Sample Cards and Forms that every renderer goes through: each part, tone, button and field kind once in a plausible message, then what
 * people and providers can put into them at worst. Pure data, so that a golden file changes only when a renderer or a sample does.
 */
import type { Button, Card, Field, Form, Tone } from '../../src/core/card.ts';
import type { Picture } from '../../src/core/picture.ts';

export interface CardSample {
  /** Kebab-case; the golden file is named after it. */
  name: string;
  card: Card;
}

export interface FormSample {
  name: string;
  form: Form;
}

/** 2027-03-04 05:06:07 UTC, the moment every sample happens at. */
export const sampleTime = Date.UTC(2027, 2, 4, 5, 6, 7);

/** What may not do anything when it is shown as a value: mentions, markup, controls, reordering, look-alike links. */
export const hostileValue =
  '<@U1> <!channel> <!here> <#C1> @everyone `tick` *bold* _it_ ~no~ <https://evil.example|bank.example> & \u0000\u0007\u001b[31m\u202Eegnahc\u2066 [x](javascript:alert(1)) <at>all</at> </div><script>alert(1)</script>';

/** Right-to-left text that is meant. */
export const hebrew = 'אשכול לבדיקות';

/** 10,000 characters with a start and an end to look for. */
export const longText = `START ${'lorem ipsum dolor sit amet '.repeat(400).slice(0, 9_990)} END`.slice(0, 10_000);

const oneWord = 'x'.repeat(10_000);

function buttons(count: number): Button[] {
  return Array.from({ length: count }, (_, index) => ({
    label: `Button ${index + 1}`,
    command: `job show j${index + 1}`,
  }));
}

function toneCard(tone: Tone): CardSample {
  return {
    name: `tone-${tone}`,
    card: {
      title: `A ${tone} message`,
      tone,
      text: `This is what a ${tone} message looks like.`,
      parts: [{ part: 'text', text: `Body of the ${tone} message.` }],
      buttons: [],
    },
  };
}

const clusterRows = Array.from({ length: 200 }, (_, index) => [
  `cluster-${String(index).padStart(3, '0')}`,
  ['Ready', 'Provisioning', 'Failed', 'Unknown'][index % 4] ?? 'Ready',
  'sandbox',
  `1.3${index % 4}.${index % 7}`,
  String((index % 9) + 1),
  'ada',
]);

export const stacksPicture: Picture = {
  kind: 'stacks',
  title: 'Clusters by provisioner',
  alt: 'Bar chart of clusters by provisioner. gke-production: 12 healthy, 1 degraded, 2 busy. sandbox: 13 healthy, 2 degraded, 4 down or failed, 1 busy, 2 stopped or unknown.',
  series: [
    { name: 'Healthy', tone: 'good' },
    { name: 'Busy', tone: 'busy' },
    { name: 'Degraded', tone: 'warn' },
    { name: 'Down or failed', tone: 'bad' },
    { name: 'Stopped or unknown', tone: 'plain' },
  ],
  rows: [
    { label: 'gke-production', values: [12, 2, 1, 0, 0] },
    { label: 'sandbox', values: [13, 1, 2, 4, 2], note: '2 new' },
    { label: 'a-provisioner-with-a-name-that-does-not-fit-beside-its-number', values: [0, 0, 0, 1, 0] },
  ],
};

export const usePicture: Picture = {
  kind: 'use',
  title: 'CPU that pods ask for',
  alt: 'Bar chart of CPU that pods ask for. dev-1: 95 percent. team-data: 78 percent. demo: 12 percent.',
  series: [{ name: 'Asked for', tone: 'good' }],
  rows: [
    { label: 'dev-1', values: [95], note: '5.7 of 6 cores' },
    { label: 'team-data', values: [78], note: '12.5 of 16 cores' },
    { label: 'demo', values: [12], note: '0.7 of 6 cores' },
  ],
};

export const treePicture: Picture = {
  kind: 'tree',
  title: 'What runs where',
  alt: '17 pods of 3 workloads in 2 namespaces.',
  series: [
    { name: 'running', tone: 'good' },
    { name: 'on the way', tone: 'busy' },
    { name: 'not as it should be', tone: 'bad' },
  ],
  rows: [
    { label: 'data', values: [0, 0, 0], depth: 0 },
    {
      label: 'a-job-with-a-name-that-does-not-fit-beside-its-pods-27, Job',
      values: [13, 0, 0],
      depth: 1,
      cells: Array.from({ length: 13 }, (_, index) => ({ text: String(1 + (index % 3)), series: 0 })),
    },
    { label: 'shop', values: [0, 0, 0], depth: 0 },
    {
      ...{ label: 'web', values: [1, 1, 1], depth: 1 },
      cells: [
        { text: '2', series: 2 },
        { text: '–', series: 1 },
        { text: '112', series: 0 },
      ],
    },
    { label: 'orphan', values: [1, 0, 0], depth: 1, cells: [{ text: '3', series: 0 }] },
  ],
  note: 'Each square is a pod, with the number of its node. · 1: gke-dev-1-default-pool-1a2b-x1 · 2: n2 · 3: n3',
};

export const hostilePicture: Picture = {
  kind: 'stacks',
  title: hostileValue,
  alt: hostileValue,
  series: [
    { name: hostileValue, tone: 'good' },
    { name: hebrew, tone: 'bad' },
  ],
  rows: [
    { label: hostileValue, values: [Number.NaN, -3], note: hostileValue },
    { label: hebrew, values: [Number.POSITIVE_INFINITY, 1e21] },
    { label: '', values: [] },
    ...Array.from({ length: 9 }, (_, index) => ({ label: `row ${index}`, values: [index, 1, 5] })),
  ],
};

export const cardSamples: CardSample[] = [
  toneCard('plain'),
  toneCard('good'),
  toneCard('busy'),
  toneCard('warn'),
  toneCard('bad'),
  {
    name: 'bare',
    card: { title: 'Nothing to show', tone: 'plain', text: 'There are no clusters yet.', parts: [], buttons: [] },
  },
  {
    name: 'plan',
    card: {
      title: 'Create cluster demo?',
      tone: 'plain',
      text: 'Cluster demo: 3 × small on sandbox, 0.36 EUR an hour. An admin must approve it.',
      parts: [
        { part: 'text', text: 'KQueen will ask *sandbox* for a cluster. Nothing has been made yet.' },
        {
          part: 'facts',
          facts: [
            { label: 'Name', value: 'demo' },
            { label: 'Provisioner', value: 'sandbox (Sandbox)' },
            { label: 'Region', value: 'north-1' },
            { label: 'Kubernetes', value: '1.33.2' },
            { label: 'Nodes', value: '3 × small (2 CPU, 4 GiB)' },
            { label: 'Cost', value: '0.36 EUR an hour, 262.80 EUR a month; excludes traffic' },
          ],
        },
        { part: 'divider' },
        { part: 'note', text: 'An admin must approve it, because policy asks for one above 0.20 EUR an hour.' },
      ],
      buttons: [
        { label: 'Ask for approval', command: 'cluster create demo provisioner=sandbox plan=3f9a', style: 'primary' },
        { label: 'Change', command: 'cluster create demo provisioner=sandbox edit=true' },
        {
          label: 'Cancel',
          command: 'job cancel j7',
          style: 'danger',
          confirm: { title: 'Cancel the request?', text: 'The plan is thrown away.', yes: 'Cancel it' },
        },
      ],
      footer: 'Request k3m9 · sandbox: no real machines are made',
    },
  },
  {
    name: 'progress',
    card: {
      title: 'Creating cluster demo',
      tone: 'busy',
      text: 'Creating cluster demo: 45 %, waiting for the control plane.',
      parts: [
        { part: 'progress', percent: 45, label: 'Waiting for the control plane' },
        {
          part: 'steps',
          steps: [
            { name: 'Ask the provider', state: 'done', note: '2 s' },
            { name: 'Network', state: 'done' },
            { name: 'Control plane', state: 'doing', note: 'usually 3 min' },
            { name: 'Node pool', state: 'todo' },
            { name: 'Health', state: 'todo' },
          ],
        },
        { part: 'time', label: 'Started', at: sampleTime },
      ],
      buttons: [
        { label: 'Details', command: 'job show j7' },
        { label: 'Cancel', command: 'job cancel j7', style: 'danger' },
      ],
      footer: 'Job j7 · asked for by ada',
    },
  },
  {
    name: 'ready',
    card: {
      title: 'Cluster demo is ready',
      tone: 'good',
      text: 'Cluster demo is ready: 3 nodes, Kubernetes 1.33.2, after 3 min 12 s.',
      parts: [
        {
          part: 'facts',
          facts: [
            { label: 'Endpoint', value: 'https://127.0.0.1:8443/clusters/c1' },
            { label: 'Nodes', value: '3 of 3 Ready' },
            { label: 'CPU', value: '0.4 of 6 requested' },
            { label: 'Memory', value: '512 MiB of 12 GiB requested' },
          ],
        },
        {
          part: 'table',
          caption: 'Conditions',
          columns: ['Condition', 'Status', 'Since'],
          rows: [
            ['APIServerAvailable', 'True', '2 min ago'],
            ['EveryNodeReady', 'True', '1 min ago'],
            ['SystemComponentsHealthy', 'Unknown', '1 min ago'],
          ],
        },
        { part: 'code', text: 'kubectl get nodes\nkubectl create deployment web --image=nginx', language: 'shell' },
        { part: 'time', label: 'Ready since', at: sampleTime },
      ],
      buttons: [
        { label: 'Get access', command: 'cluster access demo', style: 'primary' },
        { label: 'Health', command: 'health demo' },
        { label: 'Documentation', url: 'https://docs.example/kqueen?a=1&b=2' },
        {
          label: 'Delete',
          command: 'cluster delete demo',
          style: 'danger',
          confirm: { title: 'Delete cluster demo?', text: 'You will be asked for its name.', yes: 'Go on' },
        },
      ],
      footer: 'Seen 40 s ago',
    },
  },
  {
    name: 'failed',
    card: {
      title: 'Cluster demo could not be made',
      tone: 'bad',
      text: 'Cluster demo could not be made: the quota of 10 machines is used up. Ask an admin to raise it.',
      parts: [
        {
          part: 'steps',
          steps: [
            { name: 'Ask the provider', state: 'failed', note: 'quota' },
            { name: 'Control plane', state: 'todo' },
          ],
        },
        { part: 'text', text: 'Your account may run `10` machines; see [the quota page](https://docs.example/quota).' },
      ],
      buttons: [{ label: 'Try again', command: 'job retry j7', style: 'primary' }],
      footer: 'Correlation 9k2x',
    },
  },
  {
    name: 'markup',
    card: {
      title: 'Markup *is not* for titles',
      tone: 'plain',
      text: 'The little markup: bold, italic, code and links.',
      parts: [
        {
          part: 'text',
          text: '*bold*, _italic_, `code with *stars* and <tags>`, [a link](https://docs.example/a?b=1&c=2), 2 * 3 * 4, snake_case_name, a & b < c > d.',
        },
        { part: 'text', text: 'Two lines\nand a third thing: `unclosed, *unclosed, [unclosed](https://' },
        { part: 'text', text: '[not a link](javascript:alert(1)) and [neither](http:evil)' },
      ],
      buttons: [],
    },
  },
  {
    name: 'table-200',
    card: {
      title: 'Clusters',
      tone: 'plain',
      text: '200 clusters; 50 are failed.',
      parts: [
        {
          part: 'table',
          caption: 'All clusters',
          columns: ['Name', 'Phase', 'Provisioner', 'Version', 'Nodes', 'Owner'],
          rows: clusterRows,
        },
      ],
      buttons: [{ label: 'Next page', command: 'clusters page=2' }],
      footer: 'Page 1 of 10 · seen 3 s ago',
    },
  },
  {
    name: 'table-wide',
    card: {
      title: 'A wide table',
      tone: 'plain',
      text: 'Twenty-five columns with long cells.',
      parts: [
        {
          part: 'table',
          columns: Array.from({ length: 25 }, (_, index) => `Column ${index + 1}`),
          rows: [
            Array.from({ length: 25 }, (_, index) => `${index} ${'cell '.repeat(30)}`),
            ['short row'],
            [],
            [hebrew, '日本語のクラスタ', '🚀🚀', 'e\u0301'],
          ],
        },
        { part: 'table', columns: ['Empty'], rows: [] },
        { part: 'table', columns: [], rows: [] },
      ],
      buttons: [],
    },
  },
  {
    name: 'hostile',
    card: {
      title: hostileValue,
      tone: 'warn',
      text: `Said by somebody: ${hostileValue}`,
      parts: [
        { part: 'text', text: hostileValue },
        { part: 'facts', facts: [{ label: hostileValue, value: hostileValue }] },
        { part: 'steps', steps: [{ name: hostileValue, state: 'doing', note: hostileValue }] },
        { part: 'progress', percent: Number.NaN, label: hostileValue },
        { part: 'table', caption: hostileValue, columns: [hostileValue, 'b'], rows: [[hostileValue, '```']] },
        { part: 'code', text: `\`\`\`\nend of fence\n${hostileValue}` },
        { part: 'time', label: hostileValue, at: Number.MAX_SAFE_INTEGER },
        { part: 'note', text: hostileValue },
      ],
      buttons: [
        {
          label: hostileValue,
          command: `cluster show "${hostileValue}"`,
          confirm: { title: hostileValue, text: hostileValue, yes: hostileValue },
        },
        { label: 'Bad link', url: 'javascript:alert(1)' },
      ],
      footer: hostileValue,
    },
  },
  {
    name: 'right-to-left',
    card: {
      title: hebrew,
      tone: 'good',
      text: `${hebrew} 1.33`,
      parts: [
        { part: 'facts', facts: [{ label: 'Purpose', value: hebrew }] },
        { part: 'table', columns: ['Name', 'Purpose'], rows: [['demo', hebrew]] },
      ],
      buttons: [{ label: hebrew, command: `cluster create demo purpose="${hebrew}"` }],
    },
  },
  {
    name: 'long',
    card: {
      title: longText,
      tone: 'bad',
      text: longText,
      parts: [
        { part: 'text', text: longText },
        {
          part: 'facts',
          facts: Array.from({ length: 60 }, (_, index) => ({ label: `Fact ${index}`, value: longText })),
        },
        { part: 'steps', steps: Array.from({ length: 80 }, (_, index) => ({ name: `Step ${index}`, state: 'todo' })) },
        { part: 'progress', percent: 1_000, label: longText },
        { part: 'code', text: longText },
        { part: 'note', text: oneWord },
        { part: 'text', text: oneWord },
      ],
      buttons: [
        {
          label: longText,
          command: `cluster create demo purpose="${longText}"`,
          confirm: { title: longText, text: longText, yes: longText },
        },
        { label: 'Link', url: `https://docs.example/${oneWord}` },
      ],
      footer: longText,
    },
  },
  {
    name: 'many-parts',
    card: {
      title: 'Eighty parts',
      tone: 'plain',
      text: 'More parts than a message holds.',
      parts: Array.from({ length: 80 }, (_, index) => ({ part: 'text' as const, text: `Part number ${index + 1}.` })),
      buttons: buttons(40),
      footer: 'The end',
    },
  },
  {
    name: 'empty-texts',
    card: {
      title: '',
      tone: 'plain',
      text: '',
      parts: [
        { part: 'text', text: '' },
        { part: 'text', text: ' \n ' },
        { part: 'facts', facts: [] },
        { part: 'facts', facts: [{ label: '', value: '' }] },
        { part: 'steps', steps: [] },
        { part: 'progress', percent: 0, label: '' },
        { part: 'code', text: '' },
        { part: 'note', text: '' },
        { part: 'time', label: '', at: 0 },
      ],
      buttons: [{ label: '', command: 'help' }],
      footer: '',
    },
  },
  {
    name: 'picture-stacks',
    card: {
      title: 'The fleet on Thursday 4 March',
      tone: 'bad',
      text: 'The fleet on Thursday 4 March: 25 of 37 clusters healthy.',
      parts: [
        { part: 'text', text: '25 of 37 clusters healthy.' },
        { part: 'picture', picture: stacksPicture },
      ],
      buttons: [{ label: 'Health now', command: 'health' }],
      footer: 'It comes every day at 09:00 (Europe/Berlin); digest off ends it.',
    },
  },
  {
    name: 'picture-use',
    card: {
      title: 'How full the nodes are',
      tone: 'warn',
      text: 'dev-1 is almost full.',
      parts: [{ part: 'picture', picture: usePicture }],
      buttons: [],
    },
  },
  {
    name: 'picture-hostile',
    card: {
      title: 'A picture',
      tone: 'plain',
      text: 'A picture of names that are none.',
      parts: [{ part: 'picture', picture: hostilePicture }],
      buttons: [],
    },
  },
  {
    name: 'two-same-buttons',
    card: {
      title: 'Twice the same',
      tone: 'plain',
      text: 'Two buttons with the same command.',
      parts: [],
      buttons: [
        { label: 'Show', command: 'cluster show demo' },
        { label: 'Show again', command: 'cluster show demo' },
      ],
    },
  },
  {
    name: 'rows',
    card: {
      title: 'Home',
      tone: 'warn',
      text: 'Two of your clusters, one request to decide on.',
      parts: [
        {
          part: 'rows',
          caption: 'Waits for your decision',
          rows: [
            {
              text: '*Create cluster dev-3*, asked for by Ada',
              note: '$0.20 an hour, about $146 a month. Expires in 50 min.',
              buttons: [
                { label: 'Look', command: 'job show k3f9x2ab' },
                {
                  label: 'Approve',
                  command: 'approve k3f9x2ab plan=ab12',
                  style: 'primary',
                  confirm: { title: 'Approve this?', text: 'It makes a cluster of 2 nodes.', yes: 'Approve' },
                },
              ],
            },
          ],
        },
        {
          part: 'rows',
          caption: 'Your clusters',
          rows: [
            {
              text: '*dev-1*: Ready, healthy',
              note: '2 × small on sandbox, 3 d old',
              buttons: [{ label: 'Get access', command: 'cluster access dev-1' }],
            },
            { text: '*snake_case_1*: Failed', note: 'The provider has *no* room in `a`.' },
            { text: 'With a [link](https://kqueen.example.com/c/dev-1)' },
          ],
        },
        { part: 'rows', rows: [] },
      ],
      buttons: [{ label: 'Refresh', command: 'home again' }],
    },
  },
  {
    name: 'rows-hostile',
    card: {
      title: 'Rows',
      tone: 'plain',
      text: 'Rows at their worst.',
      parts: [
        {
          part: 'rows',
          caption: hostileValue,
          rows: [
            {
              text: hostileValue,
              note: hostileValue,
              buttons: [
                { label: hostileValue, command: `cluster show ${hostileValue}` },
                { label: 'Too long', command: `cluster show ${'x'.repeat(1_600)}` },
                { label: 'Nowhere', url: 'javascript:alert(1)' },
                { label: 'A fourth', command: 'help' },
              ],
            },
            { text: '', note: '' },
            { text: '\n\n', buttons: [] },
          ],
        },
        {
          part: 'rows',
          caption: 'Many',
          rows: Array.from({ length: 20 }, (_, index) => ({
            text: `*c-${index}*`,
            note: 'Ready',
            buttons: [{ label: 'Show', command: `cluster show c-${index}` }],
          })),
        },
      ],
      buttons: [],
    },
  },
];

const everyKind: Field[] = [
  {
    key: 'name',
    label: 'Name',
    kind: 'text',
    required: true,
    value: 'demo',
    help: 'Lower-case letters, digits and dashes.',
    example: 'team-a-test',
    maxLength: 40,
  },
  {
    key: 'purpose',
    label: 'Purpose',
    kind: 'multiline',
    required: false,
    example: 'Load tests in March',
    maxLength: 200,
  },
  { key: 'token', label: 'API token', kind: 'secret', required: true, help: 'Made under Settings, Tokens.' },
  { key: 'key', label: 'Service account key', kind: 'secret-multiline', required: false },
  { key: 'nodes', label: 'Nodes', kind: 'number', required: true, value: '3', min: 1, max: 20 },
  {
    key: 'provisioner',
    label: 'Provisioner',
    kind: 'choice',
    required: true,
    value: 'sandbox',
    reloads: true,
    choices: [
      { value: 'sandbox', label: 'sandbox', note: 'Sandbox: no real machines' },
      { value: 'gke', label: 'gke (europe)' },
    ],
  },
  {
    key: 'public',
    label: 'Public endpoint',
    kind: 'toggle',
    required: false,
    value: 'true',
    help: 'Reachable from the internet.',
  },
  {
    key: 'labels',
    label: 'Labels',
    kind: 'labels',
    required: false,
    value: 'team=a,env=test',
    example: 'team=a,env=test',
  },
];

export const formSamples: FormSample[] = [
  {
    name: 'every-kind',
    form: {
      title: 'Create a cluster',
      command: 'cluster create',
      submit: 'Show the plan',
      intro: 'Nothing is made before you have seen the *plan*.',
      fields: everyKind,
      private: true,
    },
  },
  {
    name: 'problems',
    form: {
      title: 'Create a cluster',
      command: 'cluster create',
      submit: 'Show the plan',
      fields: everyKind.map((field) => ({ ...field, problem: `Something is wrong with ${field.label}.` })),
      private: true,
    },
  },
  {
    name: 'one-field',
    form: {
      title: 'Delete cluster demo',
      command: 'cluster delete demo',
      submit: 'Delete',
      intro: 'Its 3 nodes and everything on them will be gone.',
      fields: [{ key: 'confirm', label: 'Type its name', kind: 'text', required: true }],
      private: false,
    },
  },
  {
    name: 'no-fields',
    form: { title: 'Check', command: 'cluster check demo', submit: 'Check', fields: [], private: false },
  },
  {
    name: 'many-choices',
    form: {
      title: 'Pick a machine',
      command: 'cluster create demo',
      submit: 'Go on',
      fields: [
        {
          key: 'machine',
          label: 'Machine',
          kind: 'choice',
          required: true,
          value: 'm249',
          choices: Array.from({ length: 250 }, (_, index) => ({ value: `m${index}`, label: `Machine ${index}` })),
        },
        { key: 'zone', label: 'Zone', kind: 'choice', required: false, choices: [], help: 'None was found.' },
        {
          key: 'version',
          label: 'Version',
          kind: 'choice',
          required: true,
          value: 'not in the list',
          choices: [{ value: '1.33', label: '1.33' }],
        },
      ],
      private: false,
    },
  },
  {
    name: 'hostile',
    form: {
      title: hostileValue,
      command: 'cluster create',
      submit: hostileValue,
      intro: hostileValue,
      fields: [
        {
          key: 'text',
          label: hostileValue,
          kind: 'text',
          required: false,
          value: hostileValue,
          help: hostileValue,
          example: hostileValue,
        },
        {
          key: 'pick',
          label: hostileValue,
          kind: 'choice',
          required: false,
          choices: [{ value: 'a', label: hostileValue, note: hostileValue }],
        },
        { key: 'on', label: hostileValue, kind: 'toggle', required: false, help: hostileValue, problem: hostileValue },
      ],
      private: false,
    },
  },
  {
    name: 'long',
    form: {
      title: longText,
      command: `cluster create demo purpose="${longText}"`,
      submit: longText,
      intro: longText,
      fields: [
        {
          key: 'text',
          label: longText,
          kind: 'text',
          required: true,
          value: longText,
          help: longText,
          example: longText,
          maxLength: 20_000,
        },
        { key: 'many', label: 'Many', kind: 'multiline', required: true, value: longText, problem: longText },
        {
          key: 'pick',
          label: longText,
          kind: 'choice',
          required: true,
          value: longText,
          choices: [
            { value: longText, label: longText, note: longText },
            { value: 'b', label: 'b' },
          ],
        },
        { key: 'on', label: longText, kind: 'toggle', required: true, value: 'maybe' },
        ...Array.from({ length: 120 }, (_, index) => ({
          key: `field${index}`,
          label: `Field ${index}`,
          kind: 'text' as const,
          required: false,
        })),
      ],
      private: false,
    },
  },
];
