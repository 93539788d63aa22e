/** From Slack's events to the one `handle`, and back within the three seconds that Slack waits. */
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Place } from '../../core/records.ts';
import type { Handle, Outbound } from '../inbound.ts';
import { type Answers, messageOf, openAction, showsPictures, type Target } from './answers.ts';
import type { SlackApi } from './api.ts';
import { buttonPrefix } from './buttons.ts';
import { fieldAction } from './form.ts';
import { createForms, type Forms } from './form-events.ts';
import { formMeta } from './form-values.ts';
import { createHome, type Followed, homeCallback } from './home.ts';
import type { ActionPayload, CommandPayload, EventPayload } from './payloads.ts';
import { isSaidByPerson, withoutMention } from './payloads.ts';
import type { People } from './people.ts';
import type { SlackPort } from './port.ts';
import { renderCard, renderLine } from './render.ts';
import { cardCallback, createShortcuts, type Shortcuts } from './shortcuts.ts';
import { type Ack, ackMs, createTurn } from './turn.ts';
import { createUnfurl } from './unfurl.ts';

export type CommandBody = Record<string, unknown>;

export interface Conversation {
  command(payload: CommandPayload, ack: Ack<CommandBody>): Promise<void>;
  event(payload: EventPayload): Promise<void>;
  action(payload: ActionPayload, ack: Ack<never>): Promise<void>;
  submission: Forms['submission'];
  suggestion: Forms['suggestion'];
  shortcut: Shortcuts['shortcut'];
  /** Ends what is kept up to date. */
  close(): Promise<void>;
}

export interface ConversationParts {
  api: SlackApi;
  port: SlackPort;
  people: People;
  answers: Answers;
  handle: Handle;
  clock: Clock;
  log: Log;
  /** The store's changes, for what is shown to people without being asked for again. */
  followed?: Followed;
}

/** A form that takes longer than this gets a view that says so, while the trigger still lives. */
const formMs = 800;
const workingText = 'Still working on it, I will answer here.';

export function createConversation(parts: ConversationParts): Conversation {
  const { port, people, answers, clock } = parts;
  const turn = createTurn(parts);
  const forms = createForms({ ...parts, turn });
  const { handled, within, acked } = turn;
  const home = createHome({ ...parts, forms, turn });
  const shortcuts = createShortcuts({ ...parts, forms, turn });
  const unfurl = createUnfurl({ ...parts, turn });

  async function command(payload: CommandPayload, ack: Ack<CommandBody>): Promise<void> {
    const since = clock.now();
    const { team_id: team, user_id: user, channel_id: channel, trigger_id: trigger } = payload;
    const [person, isPrivate] = await Promise.all([
      people.look(team, user, payload.user_name),
      within(port.isDirect(user, channel), 1_000),
    ]);
    const place: Place = { chat: 'slack', workspace: team, conversation: channel };
    const text = payload.text ?? '';
    const target: Target = { place, private: isPrivate === true, user, responseUrl: payload.response_url, text };
    const work = handled({
      source: 'command',
      eventId: `slack:command:${trigger}`,
      person,
      place,
      private: target.private,
      text,
      canOpenForm: true,
    });
    const outbounds = await within(work, ackMs - (clock.now() - since));
    if (outbounds === null) {
      await acked(ack, { response_type: 'ephemeral', ...renderLine(workingText) });
      return await answers.deliver(await work, target);
    }
    const first = outbounds.findIndex(
      (each) => each.audience === 'caller' && messageOf(each) !== null && !showsPictures(each, target),
    );
    const chosen = outbounds[first];
    const said = chosen === undefined ? null : messageOf(chosen);
    const arrived = await acked(ack, said === null ? undefined : { response_type: 'ephemeral', ...said });
    const rest = arrived ? outbounds.map((each, index) => (index === first ? withoutMessage(each) : each)) : outbounds;
    const { rest: left, after } = await forms.opened(rest, trigger, since, target, person);
    await answers.deliver(left, target);
    await after();
  }

  async function event(payload: EventPayload): Promise<void> {
    const { event: said, team_id: team, event_id: id } = payload;
    if (said.type === 'app_home_opened') return await home.opened(payload);
    if (said.type === 'link_shared') return await unfurl(payload);
    const botUser = port.known()?.botUser;
    const { user, channel, ts, thread_ts: thread } = said;
    const isDirect = said.type === 'message' && said.channel_type === 'im';
    const isMention = said.type === 'app_mention' && said.channel_type !== 'im';
    if (!(isDirect || isMention) || !isSaidByPerson(said, botUser) || !user || !channel) return;
    const place: Place = { chat: 'slack', workspace: team, conversation: channel, ...(thread ? { thread } : {}) };
    // Who only calls us wants to know how things are.
    const text = withoutMention(said.text ?? '', botUser) || 'home';
    const target: Target = { place, private: isDirect, user, text, ...(ts ? { own: { channel, ts } } : {}) };
    const person = await people.look(team, user, undefined);
    const outbounds = await handled({
      source: isDirect ? 'direct' : 'mention',
      eventId: `slack:event:${id}`,
      person,
      place,
      private: isDirect,
      text,
      canOpenForm: false,
    });
    await answers.deliver(outbounds, target);
  }

  async function action(payload: ActionPayload, ack: Ack<never>): Promise<void> {
    const [clicked] = payload.actions;
    if (clicked === undefined || clicked.url) return void (await acked(ack));
    if (payload.view && clicked.action_id === fieldAction) {
      await acked(ack);
      return await forms.reload(payload, payload.view);
    }
    const isOpen = clicked.action_id === openAction;
    if (clicked.value && payload.view?.callback_id === homeCallback)
      return await home.clicked(payload, clicked.value, ack);
    if (clicked.value && payload.view?.callback_id === cardCallback)
      return await shortcuts.clicked(payload, clicked.value, ack);
    if (!clicked.value || !(isOpen || clicked.action_id.startsWith(buttonPrefix))) return void (await acked(ack));
    await click(payload, clicked.value, isOpen, ack);
  }

  async function click(payload: ActionPayload, text: string, isOpen: boolean, ack: Ack<never>): Promise<void> {
    const since = clock.now();
    const target = await clickTarget(payload, text);
    if (target === null) return void (await acked(ack));
    const { user } = payload;
    const person = await people.look(target.place.workspace, user.id, user.name ?? user.username);
    const { message } = target;
    const work = handled({
      source: isOpen ? 'open-form' : 'button',
      eventId: `slack:action:${payload.actions[0]?.action_ts}:${message?.id ?? payload.view?.id}:${user.id}`,
      person,
      place: target.place,
      private: target.private,
      text,
      ...(message === undefined ? {} : { message: withoutEphemeral(message) }),
      canOpenForm: payload.trigger_id !== '',
    });
    const quick = isOpen ? await within(work, formMs) : null;
    const loading = isOpen && quick === null ? await forms.openLoading(payload.trigger_id) : null;
    const outbounds = quick ?? (await within(work, ackMs - (clock.now() - since)));
    await acked(ack);
    if (outbounds === null && loading === null) await answers.whisper(renderLine(workingText), target);
    const all = outbounds ?? (await work);
    const { rest, after } =
      loading === null
        ? await forms.opened(all, payload.trigger_id, since, target, person)
        : await forms.filled(loading, all, target, person);
    await answers.deliver(rest, target);
    await after();
  }

  /** A message with the button in a conversation, or a button within a form. */
  async function clickTarget(payload: ActionPayload, text: string): Promise<Target | null> {
    const team = payload.team?.id ?? payload.user.team_id ?? port.known()?.team ?? '';
    const { user, container, message } = payload;
    const meta = payload.view ? formMeta(payload.view) : null;
    if (meta !== null) return { place: meta.place, private: meta.private, user: user.id, text };
    const channel = payload.channel?.id ?? container?.channel_id;
    const ts = message?.ts ?? container?.message_ts;
    if (!channel || !ts || team === '') return null;
    const thread = message?.thread_ts ?? container?.thread_ts;
    const inThread = thread && thread !== ts ? { thread } : {};
    const ephemeral = container?.is_ephemeral === true;
    const isPrivate =
      channel.startsWith('D') && (!ephemeral || (await within(port.isDirect(user.id, channel), 1_000)) === true);
    return {
      place: { chat: 'slack', workspace: team, conversation: channel, ...inThread },
      private: isPrivate,
      user: user.id,
      text,
      message: { conversation: channel, id: ts, ...inThread, ephemeral },
      ...(payload.response_url === undefined ? {} : { responseUrl: payload.response_url }),
    };
  }

  const { submission, suggestion } = forms;
  return { command, event, action, submission, suggestion, shortcut: shortcuts.shortcut, close: home.close };
}

function withoutMessage(outbound: Outbound): Outbound {
  const { card: _card, problems: _problems, ...rest } = outbound;
  return rest;
}

function withoutEphemeral({ ephemeral: _ephemeral, ...message }: NonNullable<Target['message']>) {
  return message;
}

/** A card as the body of an acknowledgement. */
export function ackCard(title: string, text: string): CommandBody {
  return { response_type: 'ephemeral', ...renderCard({ title, tone: 'warn', text, parts: [], buttons: [] }) };
}
