/** From Slack's events to the one `handle`, and back within the three seconds that Slack waits. */
import type { ModalView } from '@slack/types';
import type { Form } from '../../core/card.ts';
import { asFault, Fault } from '../../core/errors.ts';
import { PlaceGone } from '../../core/ports/chat.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Place } from '../../core/records.ts';
import type { Handle, Inbound, Outbound } from '../inbound.ts';
import { type Answers, messageOf, openAction, type Target } from './answers.ts';
import type { SlackApi } from './api.ts';
import { buttonPrefix } from './buttons.ts';
import { type FormMeta, fieldAction, renderForm, workingView } from './form.ts';
import { formErrors, formMeta, formValues, refilled } from './form-values.ts';
import type { ActionPayload, CommandPayload, EventPayload, View, ViewPayload } from './payloads.ts';
import { isSaidByPerson, withoutMention } from './payloads.ts';
import type { People } from './people.ts';
import type { SlackPort } from './port.ts';
import { renderCard, renderLine } from './render.ts';

/** Sends the acknowledgement; rejects when the connection it belongs to is gone. */
type Ack<Body> = (body?: Body) => Promise<void>;
export type CommandBody = Record<string, unknown>;
type ViewBody =
  | { response_action: 'clear' }
  | { response_action: 'errors'; errors: Record<string, string> }
  | { response_action: 'update'; view: ModalView };

export interface Conversation {
  command(payload: CommandPayload, ack: Ack<CommandBody>): Promise<void>;
  event(payload: EventPayload): Promise<void>;
  action(payload: ActionPayload, ack: Ack<never>): Promise<void>;
  submission(payload: ViewPayload, ack: Ack<ViewBody>): Promise<void>;
}

export interface ConversationParts {
  api: SlackApi;
  port: SlackPort;
  people: People;
  answers: Answers;
  handle: Handle;
  clock: Clock;
  log: Log;
}

/** Slack gives up on an acknowledgement after 3 s; the rest is for the way there and back. */
const ackMs = 2_200;
/** A trigger lives 3 s from the click. */
const triggerMs = 2_700;
/** A form that takes longer than this gets a view that says so, while the trigger still lives. */
const formMs = 800;
const workingText = 'Still working on it, I will answer here.';
const failedCard = {
  title: 'Something went wrong',
  tone: 'bad' as const,
  text: 'Something went wrong inside KQueen; it is in its log. Please look whether it was done before you repeat it.',
  parts: [],
  buttons: [],
};

export function createConversation(parts: ConversationParts): Conversation {
  const { api, port, people, answers, clock, log } = parts;

  async function handled(inbound: Inbound): Promise<Outbound[]> {
    try {
      const outbounds = await parts.handle(inbound);
      // The live message that says the same follows at once; only a slash command has an acknowledgement to fill.
      return outbounds.filter(
        ({ receipt, replaces }) => receipt !== true || replaces === true || inbound.source === 'command',
      );
    } catch (error) {
      log.error({ detail: asFault(error).detail, source: inbound.source }, 'an event could not be handled');
      return [{ audience: 'caller', card: failedCard }];
    }
  }

  /** The value, or null when it is not there after `ms`. */
  async function within<T>(work: Promise<T>, ms: number): Promise<T | null> {
    const timer = new AbortController();
    const late = clock.sleep(Math.max(0, ms), timer.signal).then(
      () => null,
      () => null,
    );
    const first = await Promise.race([work, late]);
    timer.abort();
    return first;
  }

  /** Slack's own refusals as false; what is ours to mend is thrown on. */
  async function succeeds(work: () => Promise<unknown>, what: string): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof Fault || error instanceof PlaceGone)) throw error;
      log.warn({ error: error.message, detail: error instanceof Fault ? error.detail : undefined }, what);
      return false;
    }
  }

  async function acked<Body>(ack: Ack<Body>, body?: Body): Promise<boolean> {
    try {
      await (body === undefined ? ack() : ack(body));
      return true;
    } catch (error) {
      log.warn({ error: String(error) }, 'an acknowledgement did not reach Slack');
      return false;
    }
  }

  /** Opens the form with the trigger; without one in time, or when Slack refuses, it stays in the answer as an offer. */
  async function opened(outbounds: Outbound[], triggerId: string, since: number, target: Target): Promise<Outbound[]> {
    const at = outbounds.findIndex(({ form }) => form !== undefined);
    const found = outbounds[at];
    if (found?.form === undefined || triggerId === '' || clock.now() - since > triggerMs) return outbounds;
    const view = renderForm(found.form, target.place, target.private);
    const args = { trigger_id: triggerId, view };
    if (!(await succeeds(() => api.call('views.open', args, true), 'a form could not be opened'))) return outbounds;
    return outbounds.map((each, index) => (index === at ? withoutForm(each) : each));
  }

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
    const first = outbounds.findIndex((each) => each.audience === 'caller' && messageOf(each) !== null);
    const chosen = outbounds[first];
    const said = chosen === undefined ? null : messageOf(chosen);
    const arrived = await acked(ack, said === null ? undefined : { response_type: 'ephemeral', ...said });
    const rest = arrived ? outbounds.map((each, index) => (index === first ? withoutMessage(each) : each)) : outbounds;
    await answers.deliver(await opened(rest, trigger, since, target), target);
  }

  async function event(payload: EventPayload): Promise<void> {
    const { event: said, team_id: team, event_id: id } = payload;
    const botUser = port.known()?.botUser;
    const { user, channel, ts, thread_ts: thread } = said;
    const isDirect = said.type === 'message' && said.channel_type === 'im';
    const isMention = said.type === 'app_mention' && said.channel_type !== 'im';
    if (!(isDirect || isMention) || !isSaidByPerson(said, botUser) || !user || !channel) return;
    const place: Place = { chat: 'slack', workspace: team, conversation: channel, ...(thread ? { thread } : {}) };
    const text = withoutMention(said.text ?? '', botUser);
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
      return await reload(payload, payload.view);
    }
    const isOpen = clicked.action_id === openAction;
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
    const loading = isOpen && quick === null ? await openLoading(payload.trigger_id) : null;
    const outbounds = quick ?? (await within(work, ackMs - (clock.now() - since)));
    await acked(ack);
    if (outbounds === null && loading === null) await answers.whisper(renderLine(workingText), target);
    const all = outbounds ?? (await work);
    const rest =
      loading === null ? await opened(all, payload.trigger_id, since, target) : await filled(loading, all, target);
    await answers.deliver(rest, target);
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

  async function openLoading(trigger: string): Promise<string | null> {
    let id: string | null = null;
    await succeeds(async () => {
      const args = { trigger_id: trigger, view: workingView('One moment', 'Loading the form …') };
      const { view } = await api.call('views.open', args, true);
      if (typeof view === 'object' && view !== null && 'id' in view) id = String(view.id);
    }, 'a loading view could not be opened');
    return id;
  }

  /** Puts the form into the view that was opened for it. */
  async function filled(viewId: string, outbounds: Outbound[], target: Target): Promise<Outbound[]> {
    const at = outbounds.findIndex(({ form }) => form !== undefined);
    const form = outbounds[at]?.form;
    const view =
      form === undefined
        ? workingView('KQueen', 'The answer is in the conversation.')
        : renderForm(form, target.place, target.private);
    const done = await succeeds(
      () => api.call('views.update', { view_id: viewId, view }),
      'a form could not be filled',
    );
    return done && form !== undefined
      ? outbounds.map((each, index) => (index === at ? withoutForm(each) : each))
      : outbounds;
  }

  /** A field that others depend on was changed: the form is asked for again with what is filled in. */
  async function reload(payload: ActionPayload, view: View): Promise<void> {
    const meta = formMeta(view);
    if (meta === null) return;
    const { user, actions } = payload;
    const person = await people.look(meta.place.workspace, user.id, user.name ?? user.username);
    const outbounds = await handled({
      source: 'open-form',
      eventId: `slack:action:${actions[0]?.action_ts}:${view.id}:${user.id}`,
      person,
      place: meta.place,
      private: meta.private,
      text: meta.command,
      values: formValues(view),
      canOpenForm: true,
    });
    const form = outbounds.find((each) => each.form !== undefined)?.form;
    if (form === undefined) return await answers.deliver(outbounds, metaTarget(meta, user.id));
    const again = renderForm(form, meta.place, meta.private, meta.load + 1);
    await succeeds(
      () => api.call('views.update', { view_id: view.id, hash: view.hash, view: again }),
      'a form could not be loaded again',
    );
  }

  async function submission(payload: ViewPayload, ack: Ack<ViewBody>): Promise<void> {
    const since = clock.now();
    const { view, user } = payload;
    const meta = formMeta(view);
    if (meta === null) return void (await acked(ack));
    const person = await people.look(meta.place.workspace, user.id, user.name ?? user.username);
    const target = metaTarget(meta, user.id);
    const work = handled({
      source: 'form',
      eventId: `slack:view:${view.id}:${view.hash}`,
      person,
      place: meta.place,
      private: meta.private,
      text: meta.command,
      values: formValues(view),
      canOpenForm: true,
    });
    const outbounds = await within(work, ackMs - (clock.now() - since));
    if (outbounds === null) {
      await acked(ack, { response_action: 'update', view: workingView(view.title?.text ?? '', workingText) });
      return await lateSubmission(view, meta, await work, target);
    }
    const problems = outbounds.flatMap((each) => each.problems ?? []);
    const errors = problems.length > 0 ? formErrors(view, problems) : null;
    if (errors !== null) return void (await acked(ack, { response_action: 'errors', errors }));
    const form = outbounds.find((each) => each.form !== undefined)?.form;
    await acked(
      ack,
      form === undefined ? { response_action: 'clear' } : { response_action: 'update', view: next(form, meta) },
    );
    await answers.deliver(outbounds.map(withoutForm), target);
  }

  /** The view shows that work goes on; it now gets the problems, the next form, or a last word. */
  async function lateSubmission(view: View, meta: FormMeta, outbounds: Outbound[], target: Target): Promise<void> {
    const problems = outbounds.flatMap((each) => each.problems ?? []);
    const form = outbounds.find((each) => each.form !== undefined)?.form;
    const shown =
      form !== undefined
        ? next(form, meta)
        : problems.length > 0
          ? refilled(view, problems)
          : workingView(view.title?.text ?? '', 'Done. The answer is in the conversation.');
    const args = { view_id: view.id, view: shown };
    const updated = await succeeds(() => api.call('views.update', args), 'a submitted form could not be updated');
    const isShown = updated && (form !== undefined || problems.length > 0);
    await answers.deliver(
      isShown ? outbounds.filter((each) => each.problems === undefined).map(withoutForm) : outbounds,
      target,
    );
  }

  return { command, event, action, submission };
}

function next(form: Form, meta: FormMeta): ModalView {
  return renderForm(form, meta.place, meta.private, meta.load + 1);
}

function metaTarget(meta: FormMeta, user: string): Target {
  return { place: meta.place, private: meta.private, user, text: meta.command };
}

function withoutForm(outbound: Outbound): Outbound {
  const { form: _form, ...rest } = outbound;
  return rest;
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
