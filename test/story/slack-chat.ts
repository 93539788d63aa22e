/** Slack as the story's chat: unmodified Bolt over signed HTTP, against the loopback Slack. */
import type { Slack } from '../counterparts/slack/index.ts';
import { type Message, words } from '../counterparts/slack/index.ts';
import type { StoryChat, Who } from './story.ts';

const ids: Record<Who, string> = { developer: 'U1', admin: 'U2' };

/** Plays in one channel, with what only the person sees and their direct messages. */
export function slackChat(slack: Slack, channel = 'C1'): StoryChat {
  const screen = (who: Who): Message[] => {
    const id = ids[who];
    const dm = slack.user(id).dm;
    return [...slack.messages(channel), ...slack.ephemeral(channel, id), ...slack.messages(dm)].sort(
      (a, b) => Number(b.ts) - Number(a.ts),
    );
  };
  const find = (who: Who, pattern: RegExp) => screen(who).find((message) => pattern.test(words(message)));

  return {
    async say(who, text) {
      const outcome = await slack.user(ids[who]).command('/kqueen', text, { channel });
      if (outcome.status !== 200) throw new Error(`/kqueen ${text}: ${outcome.status}`);
    },
    async click(who, label, on) {
      const message = await slack.until(() => find(who, on), 10_000, `a message like ${on}`);
      await slack.user(ids[who]).click(message, { text: label });
    },
    async submit(who, values) {
      const person = slack.user(ids[who]);
      const view = await slack.until(() => person.view, 5_000, 'a modal');
      const outcome = await person.submit(view, values);
      return Object.values(outcome.errors).join(' ');
    },
    async sees(who, pattern, ms = 10_000) {
      const message = await slack.until(() => find(who, pattern), ms, `${who} sees ${pattern}`);
      return words(message);
    },
    count: (who, pattern) => screen(who).filter((message) => pattern.test(words(message))).length,
    async credential(who) {
      const file = await slack.until(() => slack.files().at(-1), 10_000, 'a file');
      if (!screen(who).some((message) => JSON.stringify(message).includes(file.id)))
        throw new Error('The file is not in the direct conversation.');
      return file.bytes?.toString('utf8') ?? '';
    },
    everything: () => JSON.stringify(slack.calls.filter(({ method }) => !/upload/i.test(method))),
  };
}
