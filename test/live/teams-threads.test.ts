import { afterEach, describe, expect, test } from 'vitest';
import { plainCard } from '../../src/core/card.ts';
import type { Place } from '../../src/core/records.ts';
import { channel, openStage, personalChat, type Stage, tenantId } from '../bot/teams/stage.ts';
import { say } from '../counterparts/teams/person.ts';

let stage: Stage;
afterEach(() => stage.stop());

const inChannel: Place = { chat: 'teams', workspace: tenantId, conversation: channel };
const personal: Place = { chat: 'teams', workspace: tenantId, conversation: personalChat };

describe('replies below a live message in Teams', () => {
  test('go into the thread of a channel, without a mention, and what they quote is shown as it is', async () => {
    stage = await openStage();
    await say(stage.inChannel(), 'help');
    const { port } = stage.teams;
    const message = await port.post(inChannel, plainCard('Creating', 'Creating demo.', 'busy'), 'k');
    const made = await port.reply(inChannel, message, 'Done: *Provision* <at>all</at>.', 'k1');
    expect(made).toMatchObject({ conversation: channel, thread: message.id });
    const { activity, thread } = stage.service.messages.at(-1) ?? {};
    expect(thread).toBe(message.id);
    expect(activity?.text).toBe('Done: \\*Provision\\* &lt;at&gt;all&lt;/at&gt;.');
    expect(activity?.entities ?? []).toEqual([]);
    await port.reply(inChannel, message, plainCard('The end of the log', 'It is full.'), 'k2');
    expect(stage.service.messages.at(-1)?.thread).toBe(message.id);
    expect(stage.service.shown(stage.service.messages.at(-1)?.id ?? '')).toContain('It is full.');
  });

  test('are not said where there are no threads: each would be a message that calls the person', async () => {
    stage = await openStage();
    await say(stage.personal(), 'help');
    const { port } = stage.teams;
    const message = await port.post(personal, plainCard('Creating', 'Creating demo.', 'busy'), 'k');
    const before = stage.service.messages.length;
    expect(await port.reply(personal, message, 'Done: Provision.', 'k1')).toBeNull();
    expect(stage.service.messages).toHaveLength(before);
  });
});
