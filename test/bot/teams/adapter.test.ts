import { afterEach, describe, expect, it } from 'vitest';
import type { Inbound, Outbound } from '../../../src/bot/inbound.ts';
import type { Card, Form } from '../../../src/core/card.ts';
import { plainCard } from '../../../src/core/card.ts';
import { activityFrom, deliver, execute, say, submit } from '../../counterparts/teams/person.ts';
import { eventually } from '../../servers.ts';
import type { Stage } from './stage.ts';
import { ada, adaId, channel, extern, guest, openStage, personalChat, tenantId } from './stage.ts';

const open: Stage[] = [];
async function stageFor(...options: Parameters<typeof openStage>): Promise<Stage> {
  const stage = await openStage(...options);
  open.push(stage);
  return stage;
}
afterEach(async () => {
  for (const stage of open.splice(0)) await stage.stop();
});

function card(title: string): Card {
  return { ...plainCard(title, `${title} in full.`), buttons: [{ label: 'Show', command: 'cluster show demo' }] };
}
function toCaller(title: string): Outbound[] {
  return [{ audience: 'caller', card: card(title) }];
}
const createForm: Form = {
  title: 'Create a cluster',
  command: 'cluster create',
  submit: 'Go on',
  private: false,
  fields: [
    { key: 'name', label: 'Name', kind: 'text', required: true },
    { key: 'nodes', label: 'Nodes', kind: 'number', required: true, value: '3' },
  ],
};

describe('a message', () => {
  it('in the personal chat reaches dispatch and is answered there', async () => {
    const stage = await stageFor();
    stage.script = () => toCaller('Clusters');
    expect(await say(stage.personal(), ' clusters ')).toEqual({ status: 200, body: undefined });
    expect(stage.heard).toEqual([
      {
        source: 'direct',
        eventId: expect.stringMatching(/^teams:a:personal-29:ada:\d+$/),
        person: { id: adaId, name: 'Ada Lovelace', external: null },
        place: { chat: 'teams', workspace: tenantId, conversation: personalChat },
        private: true,
        text: 'clusters',
        canOpenForm: true,
      },
    ]);
    expect(stage.service.messages).toMatchObject([
      { conversation: personalChat, activity: { summary: 'Clusters in full.' } },
    ]);
    expect(stage.service.shown()).toContain('application/vnd.microsoft.card.adaptive');
    expect(stage.service.shown()).toContain('"command":"cluster show demo"');
  });

  it('in a channel is heard without the mention and answered in its thread', async () => {
    const stage = await stageFor();
    stage.script = () => toCaller('Clusters');
    await say(stage.inChannel(), 'clusters owner=&lt;me&gt; &amp; more');
    expect(stage.heard[0]).toMatchObject({
      source: 'mention',
      text: 'clusters owner=<me> & more',
      private: false,
      place: { conversation: channel, thread: '1699999999999' },
    });
    expect(stage.service.messages).toMatchObject([{ conversation: channel, thread: '1699999999999' }]);
  });

  it('delivered twice, by two replicas, has one identity', async () => {
    const stage = await stageFor();
    const activity = activityFrom(stage.personal(), { text: 'clusters' });
    await deliver(stage.personal(), activity);
    await deliver(stage.personal(), activity);
    await stage.serve(await stage.another(), (seat) => deliver(seat, activity));
    await say(stage.personal(), 'clusters');
    const ids = stage.heard.map(({ eventId }) => eventId);
    expect(ids).toHaveLength(4);
    expect(new Set(ids.slice(0, 3)).size).toBe(1);
    expect(ids[3]).not.toBe(ids[0]);
  });

  it('names the mentioned and strips only the bot', async () => {
    const stage = await stageFor();
    const seat = stage.inChannel();
    await deliver(
      seat,
      activityFrom(seat, {
        text: '<at>KQueen</at> cluster edit demo owner=<at>Grace Hopper</at> <at>KQueen</at>',
        entities: [
          { type: 'mention', text: '<at>KQueen</at>', mentioned: seat.bot },
          { type: 'mention', text: '<at>Grace Hopper</at>', mentioned: { id: '29:grace', name: 'Grace Hopper' } },
          { type: 'clientInfo', locale: 'en' },
        ],
      }),
    );
    expect(stage.heard[0]?.text).toBe('cluster edit demo owner=Grace Hopper');
  });

  it('is answered by nothing but the live message when there is one', async () => {
    const stage = await stageFor();
    stage.script = () => [{ ...(toCaller('Asked') as [Outbound])[0], receipt: true }];
    expect((await say(stage.personal(), 'cluster create demo')).status).toBe(200);
    expect(stage.service.messages).toEqual([]);
  });

  it('with a secret in it cannot be deleted by us, and the person is told', async () => {
    const stage = await stageFor();
    stage.script = () => [
      { audience: 'caller', card: plainCard('A secret was written here', 'Change it.', 'bad'), remove: true },
    ];
    await say(stage.inChannel(), 'provisioner add token=x');
    expect(stage.service.shown()).toContain('Change it.');
    expect(stage.service.shown()).toContain('please delete it yourself');
  });
});

describe('a person', () => {
  const why = async (stage: Stage, more: Record<string, unknown>, person = ada) => {
    stage.heard.length = 0;
    await say(stage.inChannel(person), 'clusters', more);
    return stage.heard[0]?.person.external;
  };

  it('who is a member is looked up once', async () => {
    const stage = await stageFor();
    expect(await why(stage, {})).toBeNull();
    expect(await why(stage, {})).toBeNull();
    expect(stage.service.calls.filter((call) => call.includes('/members/'))).toHaveLength(1);
  });

  it('who is a guest, from elsewhere or nobody is named as such', async () => {
    const stage = await stageFor();
    expect(await why(stage, {}, guest)).toBe('you are a guest of this organisation');
    expect(await why(stage, {}, extern)).toBe('you are a guest of this organisation');
    expect(await why(stage, { channelData: { tenant: { id: 'other' } } })).toBe(
      'you belong to another Microsoft tenant',
    );
    expect(await why(stage, { from: { id: '29:ada', name: 'Ada' } })).toBe('Teams did not say who you are');
    expect(stage.heard[0]?.person.id).toBe(`teams:${tenantId}:unknown-29:ada`);
  });

  it('who cannot be looked up is refused and asked to try again', async () => {
    const stage = await stageFor();
    stage.service.trouble({ match: /members/, status: 503 });
    expect(await why(stage, {})).toContain('try again in a moment');
    expect(await why(stage, {})).toBeNull();
    const stranger = { ...ada, id: '29:stranger', aadObjectId: 'aaaaaaaa-0000-0000-0000-000000000009' };
    expect(await why(stage, {}, stranger)).toContain('could not ask Teams');
  });

  it('of another tenant leaves no trace in the store', async () => {
    const stage = await stageFor();
    await say(stage.inChannel(), 'clusters', { channelData: { tenant: { id: 'other' } } });
    expect(stage.stored.size).toBe(0);
  });
});

describe('a click', () => {
  const posted = async (stage: Stage, seat = stage.personal()) => {
    stage.script = () => toCaller('Before');
    await say(seat, 'show');
    stage.heard.length = 0;
    return stage.service.messages.at(-1)?.id ?? '';
  };
  const button = { kqueen: 'button', command: 'approve j7' };

  it('on Action.Execute runs its command, replaces the card and serves the other viewers', async () => {
    const stage = await stageFor();
    const id = await posted(stage, stage.inChannel());
    stage.script = () => [{ audience: 'place', card: card('Approved'), replaces: true }];
    const answered = await execute(stage.inChannel(), id, button);
    expect(stage.heard[0]).toMatchObject({
      source: 'button',
      text: 'approve j7',
      message: { conversation: channel, id, thread: '1699999999999' },
      place: { conversation: channel, thread: '1699999999999' },
    });
    expect(answered).toMatchObject({
      status: 200,
      body: {
        statusCode: 200,
        type: 'application/vnd.microsoft.card.adaptive',
        value: { type: 'AdaptiveCard', version: '1.5' },
      },
    });
    expect(JSON.stringify(answered.body)).toContain('Approved in full.');
    await eventually('the edit for the others', () => stage.service.messages[0]?.edits === 1);
    expect(stage.service.shown(id)).toContain('Approved in full.');
    expect(stage.service.messages).toHaveLength(1);
  });

  it('that answers with something new leaves the card and answers below', async () => {
    const stage = await stageFor();
    const id = await posted(stage);
    stage.script = () => toCaller('Health of demo');
    expect((await execute(stage.personal(), id, button)).body).toEqual({
      statusCode: 200,
      type: 'application/vnd.microsoft.activity.message',
      value: 'Answered below: Health of demo',
    });
    await eventually('the answer', () => stage.service.messages.length === 2);
    expect(stage.service.messages[0]).toMatchObject({ edits: 0 });
  });

  it('with a receipt is told in a line', async () => {
    const stage = await stageFor();
    const id = await posted(stage);
    stage.script = () => [{ audience: 'caller', card: plainCard('Asked', 'Asked for *demo*.'), receipt: true }];
    expect((await execute(stage.personal(), id, button)).body).toMatchObject({ value: 'Asked for demo.' });
    expect(stage.service.messages).toHaveLength(1);
  });

  it('on Action.Submit does the same by an edit', async () => {
    const stage = await stageFor();
    const id = await posted(stage);
    stage.script = () => [{ audience: 'place', card: card('Approved'), replaces: true }];
    expect(await submit(stage.personal(), id, button)).toEqual({ status: 200, body: undefined });
    expect(stage.heard[0]).toMatchObject({ source: 'button', text: 'approve j7', message: { id } });
    expect(stage.service.messages).toMatchObject([{ id, edits: 1 }]);
    expect(stage.service.shown(id)).toContain('Approved in full.');
  });

  it('delivered twice has one identity, on another card another', async () => {
    const stage = await stageFor();
    const id = await posted(stage);
    await execute(stage.personal(), id, button, { id: 'f:1' });
    await execute(stage.personal(), id, button, { id: 'f:1' });
    await execute(stage.personal(), 'other', button, { id: 'f:1' });
    const [first, second, third] = stage.heard.map(({ eventId }) => eventId);
    expect(first).toBe(second);
    expect(third).not.toBe(first);
  });

  it('that is not ours is answered clearly', async () => {
    const stage = await stageFor();
    for (const data of [
      {},
      null,
      'x',
      { kqueen: 'bomb', command: 'x' },
      { kqueen: 'button' },
      { kqueen: 'button', command: 7 },
    ]) {
      const answered = await execute(stage.personal(), '1', data);
      expect(answered.body).toMatchObject({
        value: 'This button is not known to KQueen any more; type the command instead.',
      });
    }
    await submit(stage.personal(), '1', { other: 'bot' });
    expect(stage.service.shown()).toContain('not known to KQueen any more');
    const other = activityFrom(stage.personal(), { type: 'invoke', name: 'signin/verifyState', value: {} });
    expect(await deliver(stage.personal(), other)).toEqual({ status: 501, body: {} });
    expect(stage.heard).toEqual([]);
  });

  it('survives a message that is gone', async () => {
    const stage = await stageFor();
    stage.script = () => [{ audience: 'place', card: card('Approved'), replaces: true }];
    expect((await execute(stage.personal(), 'three weeks old', button)).status).toBe(200);
    await eventually('the log line', () => stage.logged.some((line) => line.includes('could not be sent')));
  });
});

describe('a form', () => {
  it('is an inline card; its values come back as text', async () => {
    const stage = await stageFor();
    stage.script = () => [{ audience: 'caller', form: createForm }];
    await say(stage.personal(), 'cluster create');
    const id = stage.service.messages[0]?.id ?? '';
    expect(stage.service.shown(id)).toContain('"id":"field.name"');
    stage.script = () => toCaller('The plan');
    const data = {
      kqueen: 'form',
      command: 'cluster create',
      'field.name': 'demo',
      'field.nodes': 3,
      'field.public': true,
      other: 'x',
      'field.bad': {},
    };
    const answered = await execute(stage.personal(), id, data);
    expect(stage.heard[1]).toMatchObject({
      source: 'form',
      text: 'cluster create',
      values: { name: 'demo', nodes: '3', public: 'true' },
      message: { id },
    });
    expect(Object.keys(stage.heard[1]?.values ?? {})).toEqual(['name', 'nodes', 'public']);
    // The form is used up: its card becomes the answer, as a dialog that closes.
    expect(JSON.stringify(answered.body)).toContain('The plan in full.');
    await eventually('the edit', () => stage.service.shown(id).includes('The plan in full.'));
  });

  it('that is refused comes back with the problems at their fields and what was typed', async () => {
    const stage = await stageFor();
    stage.script = () => [
      { audience: 'caller', form: createForm, problems: [{ field: 'name', message: 'Demo! is no DNS label.' }] },
    ];
    const answered = await execute(stage.personal(), '1', {
      kqueen: 'form',
      command: 'cluster create',
      'field.name': 'Demo!',
      'field.nodes': 5,
    });
    const text = JSON.stringify(answered.body);
    expect(text).toContain('Demo! is no DNS label.');
    expect(text).toContain('"value":"Demo!"');
    expect(text).toContain('"value":5');
  });

  it('that is refused without a new form stays as it is, and the reason stands below', async () => {
    const stage = await stageFor();
    stage.script = () => [
      {
        audience: 'caller',
        card: plainCard('That does not go together', 'The name is taken.', 'warn'),
        problems: [{ field: 'name', message: 'taken' }],
      },
    ];
    const answered = await execute(stage.personal(), '1', {
      kqueen: 'form',
      command: 'cluster create',
      'field.name': 'demo',
    });
    expect(answered.body).toMatchObject({ type: 'application/vnd.microsoft.activity.message' });
    await eventually('the reason', () => stage.service.shown().includes('The name is taken.'));
    expect(stage.service.calls.some((call) => call.startsWith('PUT'))).toBe(false);
  });

  it('is loaded again with its values', async () => {
    const stage = await stageFor();
    stage.script = () => [{ audience: 'caller', form: createForm }];
    await execute(stage.personal(), '1', { kqueen: 'reload', command: 'cluster create', 'field.provisioner': 'gke' });
    expect(stage.heard[0]).toMatchObject({
      source: 'open-form',
      text: 'cluster create',
      values: { provisioner: 'gke' },
    });
  });

  it('for secrets goes to the personal chat, and the channel is told', async () => {
    const stage = await stageFor();
    stage.script = () => [{ audience: 'caller', form: { ...createForm, title: 'Add a provisioner', private: true } }];
    await say(stage.inChannel(), 'provisioner add gke');
    const [form, note] = stage.service.messages;
    expect(form).toMatchObject({ conversation: personalChat });
    expect(note).toMatchObject({ conversation: channel, thread: '1699999999999' });
    expect(JSON.stringify(note)).toContain('sent it to you in our direct chat');
    expect(JSON.stringify(note)).not.toContain('field.name');
  });
});

describe('a one-time link', () => {
  const link: Outbound = {
    audience: 'caller',
    card: {
      ...plainCard('Access to demo', 'Open it once.'),
      buttons: [{ label: 'Get it', url: 'https://kqueen.example/d/canary-token' }],
    },
  };

  it('asked for in a channel is sent to the person alone', async () => {
    const stage = await stageFor();
    stage.script = () => [link];
    await say(stage.inChannel(), 'cluster access demo');
    expect(stage.service.messages.filter((each) => JSON.stringify(each).includes('canary-token'))).toMatchObject([
      { conversation: personalChat },
    ]);
    expect(stage.service.shown()).toContain('Access to demo');
  });

  it('goes nowhere when the person cannot be reached', async () => {
    const stage = await stageFor();
    stage.script = () => [link];
    stage.service.trouble({ match: /^POST \/v3\/conversations$/, status: 403, code: 'BotNotInConversationRoster' });
    await say(stage.inChannel(), 'cluster access demo');
    expect(JSON.stringify(stage.service.messages)).not.toContain('canary-token');
    expect(stage.service.shown()).toContain('I cannot reach you directly');
  });

  it('clicked for in a channel answers the click with where it went', async () => {
    const stage = await stageFor();
    stage.script = () => [link];
    const answered = await execute(stage.inChannel(), '1', { kqueen: 'button', command: 'cluster access demo' });
    expect(answered.body).toMatchObject({ value: 'Answered in our direct chat.' });
    await eventually('the link', () => stage.service.messages.length === 1);
    expect(stage.service.messages[0]).toMatchObject({ conversation: personalChat });
  });

  it('is not replaced by a file: Teams takes none', async () => {
    const stage = await stageFor();
    const files = [{ name: 'demo.kubeconfig', content: 'canary-token', text: 'Yours.' }];
    stage.script = () => [{ ...link, files }];
    await say(stage.personal(), 'cluster access demo');
    expect(stage.service.shown()).toContain('KQUEEN_PUBLIC_URL');
    expect(stage.service.shown()).not.toContain('canary-token');
    await expect(
      stage.teams.port.attach(
        { chat: 'teams', workspace: tenantId, conversation: personalChat },
        { name: 'a', content: 'b', text: 'c' },
      ),
    ).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

describe('answers under trouble', () => {
  it('wait for the limits of a conversation instead of losing any', async () => {
    const stage = await stageFor();
    stage.script = ({ text }: Inbound) => toCaller(text);
    const all = Array.from({ length: 12 }, (_, index) => say(stage.personal(), `m${index}`));
    await Promise.all(all);
    expect(stage.service.messages).toHaveLength(12);
    expect(stage.outcomes.filter((outcome) => outcome === 'post rate-limited')).toEqual([]);
  });

  it('are sent again when Teams asks for a little patience', async () => {
    const stage = await stageFor();
    stage.service.trouble({ match: /^POST .*activities$/, status: 429, headers: { 'retry-after': '1' } });
    stage.script = () => toCaller('Again');
    await say(stage.personal(), 'again');
    expect(stage.outcomes).toEqual(['post rate-limited', 'post ok']);
    expect(stage.service.messages).toHaveLength(1);
  });

  it('are not repeated by anybody below us', async () => {
    const stage = await stageFor();
    stage.service.trouble({ match: /^POST .*activities$/, status: 503, after: true });
    stage.script = () => toCaller('Once');
    await say(stage.personal(), 'once');
    expect(stage.service.calls.filter((call) => /^POST .*activities$/.test(call))).toHaveLength(1);
    expect(stage.outcomes).toContain('post unreachable');
    expect(stage.logged.join()).toContain('could not be sent');
  });

  it('are finished before the bot stops, and nothing new is taken', async () => {
    const stage = await stageFor();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    stage.script = async () => {
      await held;
      return toCaller('At last');
    };
    const pending = say(stage.personal(), 'slow');
    await eventually('the command to arrive', () => stage.heard.length === 1);
    const stopped = stage.teams.stop(5_000);
    expect(await say(stage.personal(), 'late')).toEqual({ status: 503, body: { error: 'KQueen is stopping.' } });
    release();
    await stopped;
    expect((await pending).status).toBe(200);
    expect(stage.service.shown()).toContain('At last in full.');
  });
});
