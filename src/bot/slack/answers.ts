/** Brings answers to where they belong when they do not fit into an acknowledgement. */
import type { Card, Form } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import { type MessageRef, PlaceGone } from '../../core/ports/chat.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Place } from '../../core/records.ts';
import type { Outbound } from '../inbound.ts';
import type { SlackApi } from './api.ts';
import { limits } from './limits.ts';
import { withPictures } from './pictures.ts';
import type { SlackPort } from './port.ts';
import { renderCard, type SlackMessage } from './render.ts';

/** Where the answers to one event go. */
export interface Target {
  place: Place;
  /** Only the person reads the place. */
  private: boolean;
  user: string;
  /** Slack takes five answers there within half an hour. */
  responseUrl?: string;
  /** The message that the clicked button sits on. */
  message?: MessageRef & { ephemeral: boolean };
  /** What the person said, for a button that says it again. */
  text: string;
  /** The person's own message. */
  own?: { channel: string; ts: string };
}

export interface Answers {
  /** Delivers all of them, in order; what cannot be delivered is logged. Never throws. */
  deliver(outbounds: Outbound[], target: Target): Promise<void>;
  /** One message for the caller alone. */
  whisper(message: SlackMessage, target: Target): Promise<void>;
}

/** action_id of the button that opens a form. */
export const openAction = 'kqueen.open';

const patienceMs = 30_000;
const triesMax = 4;

export interface AnswersOptions {
  api: SlackApi;
  port: SlackPort;
  clock: Clock;
  log: Log;
}

export function createAnswers({ api, port, clock, log }: AnswersOptions): Answers {
  /** Tries again after a rate limit or when nothing was sent; an unknown outcome is not repeated. */
  async function insist<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Fault) || attempt >= triesMax || error.outcomeUnknown) throw error;
        if (error.kind !== 'rate-limited' && error.kind !== 'unreachable') throw error;
        await clock.sleep(Math.min(patienceMs, error.retryAfterMs ?? attempt * 1_000));
      }
    }
  }

  async function post(place: Place, message: SlackMessage): Promise<void> {
    const thread = place.thread === undefined ? {} : { thread_ts: place.thread };
    const quiet = { unfurl_links: false, unfurl_media: false };
    await insist(() => api.call('chat.postMessage', { channel: place.conversation, ...thread, ...message, ...quiet }));
  }

  async function respond(
    target: Target,
    url: string,
    message: SlackMessage,
    audience: 'ephemeral' | 'in_channel',
  ): Promise<void> {
    const thread = target.place.thread === undefined ? {} : { thread_ts: target.place.thread };
    await insist(() => api.respond(url, { response_type: audience, replace_original: false, ...thread, ...message }));
  }

  async function directly(target: Target, message: SlackMessage): Promise<void> {
    await post(await port.direct(`slack:${target.place.workspace}:${target.user}`), message);
  }

  async function whisper(message: SlackMessage, target: Target): Promise<void> {
    const { place, user, responseUrl } = target;
    const thread = place.thread === undefined ? {} : { thread_ts: place.thread };
    const ways: (() => Promise<unknown>)[] = [];
    if (target.private) ways.push(() => post(place, message));
    else {
      if (responseUrl !== undefined) ways.push(() => respond(target, responseUrl, message, 'ephemeral'));
      ways.push(() =>
        insist(() => api.call('chat.postEphemeral', { channel: place.conversation, user, ...thread, ...message })),
      );
    }
    await firstThatWorks([...ways, () => directly(target, message)]);
  }

  async function proclaim(message: SlackMessage, target: Target): Promise<void> {
    const { responseUrl } = target;
    const ways: (() => Promise<unknown>)[] = [() => post(target.place, message)];
    if (responseUrl !== undefined) ways.push(() => respond(target, responseUrl, message, 'in_channel'));
    await firstThatWorks([...ways, () => directly(target, message)]);
  }

  /** chat.update keeps what else belongs to a message; ephemeral ones can only be replaced through their response URL. */
  async function replace(message: SlackMessage, target: Target): Promise<void> {
    const { message: old, responseUrl } = target;
    if (old === undefined) return await whisper(message, target);
    const ways: (() => Promise<unknown>)[] = [];
    if (!old.ephemeral)
      ways.push(() => insist(() => api.call('chat.update', { channel: old.conversation, ts: old.id, ...message })));
    if (responseUrl !== undefined)
      ways.push(() => insist(() => api.respond(responseUrl, { replace_original: true, ...message })));
    await firstThatWorks([...ways, () => whisper(message, target)]);
  }

  /** The next way is tried when the place is closed to us or refuses; not when it may have worked. */
  async function firstThatWorks(ways: (() => Promise<unknown>)[]): Promise<void> {
    let last: unknown;
    for (const way of ways) {
      try {
        await way();
        return;
      } catch (error) {
        if (error instanceof Fault && error.outcomeUnknown) throw error;
        if (!(error instanceof Fault || error instanceof PlaceGone)) throw error;
        last = error;
      }
    }
    throw last;
  }

  async function sendFiles(outbound: Outbound, target: Target): Promise<void> {
    const files = outbound.files ?? [];
    if (files.length === 0) return;
    const place = target.private ? target.place : await port.direct(`slack:${target.place.workspace}:${target.user}`);
    for (const file of files) await insist(() => port.attach(place, file));
  }

  async function removeOwn(target: Target): Promise<void> {
    const { own } = target;
    if (own === undefined) return;
    try {
      await api.call('chat.delete', { channel: own.channel, ts: own.ts });
    } catch (error) {
      if (!(error instanceof Fault || error instanceof PlaceGone)) throw error;
      const text = 'Slack does not let me delete your message. Please delete it yourself, and change the secret.';
      await whisper(renderCard({ title: 'Delete your message', tone: 'warn', text, parts: [], buttons: [] }), target);
    }
  }

  async function deliverOne(outbound: Outbound, target: Target): Promise<void> {
    if (outbound.remove === true) await removeOwn(target);
    const message = messageOf(outbound);
    if (outbound.card !== undefined && showsPictures(outbound, target)) {
      const place = target.place;
      // Where it cannot be posted, it is told in letters.
      await withPictures(api, outbound.card, (drawn) => post(place, drawn)).catch((error: unknown) => {
        if (!(error instanceof Fault || error instanceof PlaceGone) || (error instanceof Fault && error.outcomeUnknown))
          throw error;
        return message === null ? undefined : whisper(message, target);
      });
    } else if (message !== null) {
      if (outbound.replaces === true) await replace(message, target);
      else if (outbound.audience === 'place') await proclaim(message, target);
      else await whisper(message, target);
    }
    if (outbound.form !== undefined) await whisper(offerForm(outbound.form, target.text), target);
    await sendFiles(outbound, target);
  }

  return {
    async deliver(outbounds, target) {
      for (const outbound of outbounds) {
        try {
          await deliverOne(outbound, target);
        } catch (error) {
          const detail =
            error instanceof Fault ? { kind: error.kind, detail: error.detail } : { detail: String(error) };
          log.error(
            { conversation: target.place.conversation, ...detail },
            'an answer could not be delivered to Slack',
          );
        }
      }
    },
    async whisper(message, target) {
      try {
        await whisper(message, target);
      } catch (error) {
        log.warn(
          { conversation: target.place.conversation, error: String(error) },
          'a line could not be delivered to Slack',
        );
      }
    },
  };
}

/**
 * Whether an answer is shown with its pictures: they are files, which only messages that stay in the conversation can show. In what one person alone
 * sees of a channel they are bars of letters.
 */
export function showsPictures({ card, audience, replaces }: Outbound, target: Target): boolean {
  const drawn = card?.parts.some(({ part }) => part === 'picture') ?? false;
  return drawn && replaces !== true && (target.private || audience === 'place');
}

/** What an answer shows as a message: its card, or else its problems as a list; null when it shows neither. */
export function messageOf(outbound: Outbound): SlackMessage | null {
  if (outbound.card !== undefined) return renderCard(outbound.card);
  if (outbound.problems === undefined || outbound.problems.length === 0) return null;
  return renderCard(problemCard(outbound.problems));
}

function problemCard(problems: { field: string; message: string }[]): Card {
  return {
    title: 'This cannot be done yet',
    tone: 'warn',
    text: problems.map(({ field, message }) => `${field}: ${message}`).join('\n'),
    parts: [{ part: 'facts', facts: problems.map(({ field, message }) => ({ label: field, value: message })) }],
    buttons: [],
  };
}

/** A button that says the person's words again, this time with a trigger at hand to open the form. */
function offerForm(form: Form, text: string): SlackMessage {
  const said = text.trim() !== '' && text.length <= limits.buttonValue ? text : form.command;
  const asked = 'Some values are missing. Fill them in here.';
  const message = renderCard({ title: form.title, tone: 'plain', text: asked, parts: [], buttons: [] });
  if (said.length > limits.buttonValue) return message;
  const label = { type: 'plain_text' as const, text: 'Open the form', emoji: true };
  const button = {
    type: 'button' as const,
    text: label,
    action_id: openAction,
    value: said,
    style: 'primary' as const,
  };
  return { ...message, blocks: [...message.blocks, { type: 'actions', elements: [button] }] };
}
