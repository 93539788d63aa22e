/** Forms in Teams to their full depth: as dialogs, with long lists, with choices that come late. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Outbound } from '../../../src/bot/inbound.ts';
import { renderForm } from '../../../src/bot/teams/form.ts';
import { bytes, mostBytes } from '../../../src/bot/teams/render.ts';
import { type Field, type Form, plainCard } from '../../../src/core/card.ts';
import { activityFrom, deliver, execute, say } from '../../counterparts/teams/person.ts';
import { eventually } from '../../servers.ts';
import type { Stage } from './stage.ts';
import { openStage } from './stage.ts';

const open: Stage[] = [];
async function stageFor(...options: Parameters<typeof openStage>): Promise<Stage> {
  const stage = await openStage(...options);
  open.push(stage);
  return stage;
}
afterEach(async () => {
  for (const stage of open.splice(0)) await stage.stop();
});

const fields: Field[] = [
  { key: 'name', label: 'Name', kind: 'text', required: true },
  {
    ...{ key: 'engine', label: 'Engine', kind: 'choice', required: true, reloads: true, value: 'gke' },
    choices: [
      { value: 'gke', label: 'Google' },
      { value: 'aks', label: 'Azure' },
    ],
  },
  { key: 'nodes', label: 'Nodes', kind: 'number', required: true, value: '3' },
  { key: 'note', label: 'Note', kind: 'multiline', required: false },
];
const form: Form = { title: 'Create a cluster', command: 'cluster create', submit: 'Go on', fields, private: false };
const asking = (each: Form = form): Outbound[] => [{ audience: 'caller', form: each }];

interface TaskBody {
  task: { type: string; value: string | { title: string; card: { contentType: string; content: unknown } } };
}

async function task(
  stage: Stage,
  name: 'task/fetch' | 'task/submit',
  data: Record<string, unknown>,
  replyToId = '17',
): Promise<TaskBody> {
  const value = { data, context: { theme: 'default' } };
  const answered = await deliver(
    stage.personal(),
    activityFrom(stage.personal(), { type: 'invoke', name, replyToId, value }),
  );
  expect(answered.status).toBe(200);
  return answered.body as TaskBody;
}

describe('a form as a dialog', () => {
  it('is offered beside the inline card where it is long, and opens with what is typed', async () => {
    const stage = await stageFor();
    stage.script = () => asking();
    await say(stage.personal(), 'cluster create');
    expect(stage.service.shown()).toContain('"msteams":{"type":"task/fetch"}');
    const body = await task(stage, 'task/fetch', { kqueen: 'dialog', command: 'cluster create', 'field.name': 'demo' });
    expect(body.task.type).toBe('continue');
    const page = JSON.stringify(body.task.value);
    expect(page).toContain('"application/vnd.microsoft.card.adaptive"');
    expect(page).toContain('"id":"field.name","label":"Name');
    expect(page).toContain('"value":"demo"');
    // Dialogs know Action.Submit alone.
    expect(page).not.toContain('Action.Execute');
    expect(stage.heard.at(-1)).toMatchObject({ source: 'open-form', text: 'cluster create', values: { name: 'demo' } });
    expect(stage.service.messages).toHaveLength(1);
  });

  it('a short form has none, and neither has the Playground', async () => {
    const stage = await stageFor();
    stage.script = () => asking({ ...form, fields: fields.slice(0, 2) });
    await say(stage.personal(), 'cluster create');
    expect(stage.service.shown()).not.toContain('task/fetch');
    expect(JSON.stringify(renderForm(form))).not.toContain('task/fetch');
  });

  it('is refused within, keeps its values, and ends in the conversation', async () => {
    const stage = await stageFor();
    stage.script = ({ values }) =>
      values?.name === 'good'
        ? [{ audience: 'caller', card: plainCard('The plan', 'This is the plan.') }]
        : [{ audience: 'caller', form, problems: [{ field: 'name', message: 'The name is taken.' }] }];
    const refused = await task(stage, 'task/submit', {
      ...{ kqueen: 'form', command: 'cluster create', 'field.name': 'taken', 'field.note': 'mine' },
    });
    const page = JSON.stringify(refused.task.value);
    expect(page).toContain('The name is taken.');
    expect(page).toContain('"value":"taken"');
    expect(page).toContain('"value":"mine"');
    expect(stage.service.messages).toEqual([]);
    const good = stage.script;
    stage.script = () => asking();
    await say(stage.personal(), 'cluster create');
    stage.script = good;
    const [inline] = stage.service.messages;
    const filled = { kqueen: 'form', command: 'cluster create', 'field.name': 'good' };
    const done = await task(stage, 'task/submit', filled, inline?.id);
    expect(done.task).toMatchObject({ type: 'message' });
    expect(stage.heard.at(-1)).toMatchObject({ source: 'form', values: { name: 'good' } });
    // The inline card is used up as well.
    await eventually('the inline card shows the answer', () => inline?.edits === 1);
    expect(stage.service.shown(inline?.id)).toContain('This is the plan.');
  });

  it('refused without a form, it gets its own again', async () => {
    const stage = await stageFor();
    stage.script = ({ source }) =>
      source === 'form'
        ? [{ audience: 'caller', card: plainCard('No', 'No.'), problems: [{ field: '', message: 'Busy just now.' }] }]
        : asking();
    const body = await task(stage, 'task/submit', { kqueen: 'form', command: 'cluster create', 'field.name': 'demo' });
    const page = JSON.stringify(body.task.value);
    expect(page).toContain('Busy just now.');
    expect(page).toContain('"value":"demo"');
  });

  it('loads again for a field that others depend on', async () => {
    const stage = await stageFor();
    stage.script = () =>
      asking({ ...form, fields: [...fields, { ...fields[0], key: 'vnet', label: 'Network' } as Field] });
    const body = await task(stage, 'task/submit', {
      ...{ kqueen: 'reload', command: 'cluster create', 'field.engine': 'aks', 'field.name': 'x' },
    });
    expect(stage.heard.at(-1)).toMatchObject({ source: 'open-form', values: { engine: 'aks', name: 'x' } });
    expect(JSON.stringify(body.task.value)).toContain('Network');
  });

  it('that is not ours is answered clearly', async () => {
    const stage = await stageFor();
    const body = await task(stage, 'task/fetch', { other: 'app' });
    expect(body.task).toMatchObject({ type: 'message', value: expect.stringContaining('not known to KQueen') });
    expect(stage.heard).toEqual([]);
  });
});

describe('long lists', () => {
  const machines = Array.from({ length: 3_000 }, (_, index) => ({ value: `m${index}`, label: `Machine ${index}` }));
  const choice: Field = {
    key: 'machine',
    label: 'Machine',
    kind: 'choice',
    required: true,
    choices: machines,
    value: 'm2999',
  };

  it('stay within the size of a card, keep what is set, and take what is typed beside them', async () => {
    const card = renderForm({ ...form, fields: [choice, ...fields] });
    expect(bytes(card)).toBeLessThan(mostBytes);
    const shown = JSON.stringify(card);
    expect(shown).toContain('"style":"filtered"');
    expect(shown).toContain('"value":"m2999"');
    expect(shown).toContain('"id":"typed.machine"');
    expect(shown).toContain('"id":"field.note"');
    const stage = await stageFor();
    await execute(stage.personal(), '1', {
      ...{ kqueen: 'form', command: 'cluster create', 'field.machine': 'm2999', 'typed.machine': ' m2500 ' },
    });
    await execute(stage.personal(), '1', { kqueen: 'form', command: 'c', 'field.machine': 'm7', 'typed.machine': '' });
    expect(stage.heard.map(({ values }) => values)).toEqual([{ machine: 'm2500' }, { machine: 'm7' }]);
  });

  it('that fit have nothing to type beside them', () => {
    expect(
      JSON.stringify(renderForm({ ...form, fields: [{ ...choice, choices: machines.slice(0, 90) }] })),
    ).not.toContain('typed.machine');
  });
});

describe('choices that come late', () => {
  it('are asked for by a button, with patience', async () => {
    const stage = await stageFor();
    stage.script = ({ source }) =>
      asking(source === 'open-form' ? form : { ...form, fields: fields.slice(0, 1), loading: 'lab' });
    await say(stage.personal(), 'cluster create');
    expect(stage.service.shown()).toContain('lab does not answer at the moment');
    expect(stage.service.shown()).toContain('Load the choices');
    const [message] = stage.service.messages;
    const answered = await execute(stage.personal(), message?.id ?? '', {
      ...{ kqueen: 'reload', command: 'cluster create', 'field.name': 'demo' },
    });
    expect(stage.heard.at(-1)).toMatchObject({ source: 'open-form', values: { name: 'demo' }, waitMs: 8_000 });
    expect(JSON.stringify(answered.body)).toContain('Engine');
    expect(JSON.stringify(answered.body)).toContain('demo');
    expect(JSON.stringify(answered.body)).not.toContain('Load the choices');
  });
});
