/**
 * Shortcuts, global and on messages (docs.slack.dev/interactivity/implementing-shortcuts). What they find is shown in a modal, where only the person
 * sees it, and whose buttons answer in it.
 */
import type { ModalView } from '@slack/types';
import { z } from 'zod';
import { type Card, plainCard } from '../../core/card.ts';
import { formatLine } from '../../core/line.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Place } from '../../core/records.ts';
import { namesIn } from '../cluster-links.ts';
import type { Outbound, PersonIn } from '../inbound.ts';
import type { Answers, Target } from './answers.ts';
import { messageOf } from './answers.ts';
import type { SlackApi } from './api.ts';
import { workingView } from './form.ts';
import type { Forms } from './form-events.ts';
import { limits } from './limits.ts';
import { shortcuts as known } from './needs.ts';
import type { ActionPayload } from './payloads.ts';
import type { People } from './people.ts';
import type { SlackPort } from './port.ts';
import { renderCard } from './render.ts';
import { cut, oneLine } from './text.ts';
import { type Ack, ackMs, type Turn } from './turn.ts';

/** `shortcut` and `message_action` payloads, as far as they are read (docs.slack.dev/reference/interaction-payloads/shortcuts-interaction-payload). */
export const ShortcutPayload = z.object({
  type: z.enum(['shortcut', 'message_action']),
  callback_id: z.string(),
  trigger_id: z.string().default(''),
  action_ts: z.string().default(''),
  team: z.looseObject({ id: z.string() }).nullish(),
  user: z.looseObject({
    id: z.string(),
    name: z.string().optional(),
    username: z.string().optional(),
    team_id: z.string().nullish(),
  }),
  channel: z.looseObject({ id: z.string() }).nullish(),
  message: z
    .looseObject({
      ts: z.string(),
      thread_ts: z.string().nullish(),
      text: z.string().nullish(),
      attachments: z.array(z.looseObject({ text: z.string().nullish(), fallback: z.string().nullish() })).nullish(),
    })
    .nullish(),
});
export type ShortcutPayload = z.infer<typeof ShortcutPayload>;

export interface ShortcutParts {
  api: SlackApi;
  port: SlackPort;
  people: People;
  answers: Answers;
  forms: Forms;
  turn: Turn;
  clock: Clock;
}

export interface Shortcuts {
  shortcut(payload: ShortcutPayload, ack: Ack<never>): Promise<void>;
  /** A button of a card that stands in a modal. */
  clicked(payload: ActionPayload, text: string, ack: Ack<never>): Promise<void>;
}

/** callback_id of a modal that shows a card. */
export const cardCallback = 'kqueen.card';

/** What is not there after this long is announced, while the trigger still lives. */
const quickMs = 800;

/** What a shortcut stands for, as somebody could have typed it; null for one that is not ours. */
function commandOf({ callback_id: id, message }: ShortcutPayload): string | null {
  if (!Object.hasOwn(known, id)) return null;
  const command = known[id as keyof typeof known].command;
  if (command !== 'about') return command;
  const attached = (message?.attachments ?? []).flatMap(({ text, fallback }) => [text ?? '', fallback ?? '']);
  const names = namesIn([message?.text ?? '', ...attached].join(' '));
  return formatLine('about', ['text'], { text: names === '' ? 'this' : names });
}

export function createShortcuts(parts: ShortcutParts): Shortcuts {
  const { api, port, people, answers, forms, turn, clock } = parts;

  async function direct(person: PersonIn, team: string, user: string): Promise<Place> {
    const found = await turn.within(
      port.direct(person.id).catch(() => null),
      1_000,
    );
    return found ?? { chat: 'slack', workspace: team, conversation: user };
  }

  async function shortcut(payload: ShortcutPayload, ack: Ack<never>): Promise<void> {
    await turn.acked(ack);
    const text = commandOf(payload);
    if (text === null) return;
    const { user, message, trigger_id: trigger } = payload;
    const team = payload.team?.id ?? user.team_id ?? port.known()?.team ?? '';
    const person = await people.look(team, user.id, user.name ?? user.username);
    const place: Place =
      message && payload.channel
        ? {
            ...{ chat: 'slack', workspace: team, conversation: payload.channel.id },
            thread: message.thread_ts ?? message.ts,
          }
        : await direct(person, team, user.id);
    const isPrivate = message == null;
    const eventId = `slack:shortcut:${trigger}:${payload.action_ts}`;
    const work = turn.handled({
      ...{ source: 'button' as const, eventId, person, place, private: isPrivate, text },
      canOpenForm: true,
    });
    const quick = await turn.within(work, quickMs);
    const first = viewFor(quick);
    let viewId: string | null = null;
    // A form is opened by those who know what goes with it.
    if (quick?.some(({ form }) => form !== undefined)) {
      const target: Target = { place, private: isPrivate, user: user.id, text };
      const { rest, after } = await forms.opened(quick, trigger, clock.now(), target, person);
      await answers.deliver(rest, target);
      return await after();
    }
    await turn.succeeds(async () => {
      const { view } = await api.call('views.open', { trigger_id: trigger, view: first }, true);
      if (typeof view === 'object' && view !== null && 'id' in view) viewId = String(view.id);
    }, 'a shortcut could not be answered');
    if (quick === null) await later(await work, viewId, { place, private: isPrivate, user: user.id, text }, person);
  }

  async function clicked(payload: ActionPayload, text: string, ack: Ack<never>): Promise<void> {
    const since = clock.now();
    const { user, view } = payload;
    const team = payload.team?.id ?? user.team_id ?? port.known()?.team ?? '';
    const person = await people.look(team, user.id, user.name ?? user.username);
    const place = await direct(person, team, user.id);
    const work = turn.handled({
      source: 'button',
      eventId: `slack:action:${payload.actions[0]?.action_ts}:${view?.id}:${user.id}`,
      ...{ person, place, private: true, text },
      canOpenForm: true,
    });
    await turn.within(work, ackMs - (clock.now() - since));
    await turn.acked(ack);
    await later(await work, view?.id ?? null, { place, private: true, user: user.id, text }, person);
  }

  /** Puts the first thing that can be shown into the open modal; what else there is goes to the conversation. */
  async function later(outbounds: Outbound[], viewId: string | null, target: Target, person: PersonIn): Promise<void> {
    if (viewId === null) return await answers.deliver(outbounds, target);
    if (outbounds.some(({ form }) => form !== undefined)) {
      const { rest, after } = await forms.filled(viewId, outbounds, target, person);
      await answers.deliver(rest, target);
      return await after();
    }
    const args = { view_id: viewId, view: viewFor(outbounds) };
    const shown = await turn.succeeds(() => api.call('views.update', args), 'a modal could not be changed');
    const at = shown ? outbounds.findIndex((each) => each.card !== undefined) : -1;
    await answers.deliver(
      outbounds.filter((each, index) => index !== at || (each.files ?? []).length > 0),
      target,
    );
  }

  return { shortcut, clicked };
}

/** The answers as a modal: the first card, or that there is none yet. */
function viewFor(outbounds: Outbound[] | null): ModalView {
  if (outbounds === null) return { ...workingView('One moment', 'Looking …'), callback_id: cardCallback };
  const card = outbounds.find((each) => each.card !== undefined)?.card;
  if (card !== undefined) return cardView(card);
  const problems = outbounds.find((each) => messageOf(each) !== null)?.problems ?? [];
  const said = problems.map(({ field, message }) => `${field}: ${message}`).join('\n');
  return cardView(plainCard('KQueen', said === '' ? 'Done.' : said));
}

/** A card as a modal whose buttons work. */
export function cardView(card: Card): ModalView {
  const title = oneLine(card.title) || 'KQueen';
  return {
    type: 'modal',
    callback_id: cardCallback,
    title: { type: 'plain_text', text: cut(title, limits.viewTitle), emoji: true },
    close: { type: 'plain_text', text: 'Close' },
    blocks: renderCard(card).blocks,
  };
}
