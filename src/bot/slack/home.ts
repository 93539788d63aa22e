/**
 * KQueen's home tab: published when somebody opens it, and again when something on it changes, for those who opened it lately. It says as of
 * when it is. docs.slack.dev/surfaces/app-home; views.publish is Tier 4 (100 and more a minute and workspace).
 */
import { z } from 'zod';
import { type Card, plainCard } from '../../core/card.ts';
import { asFault, Fault } from '../../core/errors.ts';
import { PlaceGone } from '../../core/ports/chat.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Cache } from '../../core/ports/store.ts';
import type { Place } from '../../core/records.ts';
import { helloCard } from '../../core/views/home.ts';
import type { FirstContact } from '../first-contact.ts';
import { concernedBy } from '../home-changes.ts';
import type { PersonIn } from '../inbound.ts';
import type { Answers, Target } from './answers.ts';
import type { SlackApi } from './api.ts';
import type { Forms } from './form-events.ts';
import type { ActionPayload, EventPayload } from './payloads.ts';
import type { People } from './people.ts';
import type { SlackPort } from './port.ts';
import { renderCard, renderLine } from './render.ts';
import { type Ack, ackMs, type Turn } from './turn.ts';

/** What the home needs of the store to follow it. */
export interface Followed {
  cache: Cache;
  org: string;
  firstContact: FirstContact;
  /** KQueen's own address, whose links are shown as what they lead to. */
  publicUrl?: string;
}

export interface HomeParts {
  api: SlackApi;
  port: SlackPort;
  people: People;
  answers: Answers;
  forms: Forms;
  turn: Turn;
  clock: Clock;
  log: Log;
  /** Without it a home shows what was when it was opened. */
  followed?: Followed;
}

export interface HomeTabs {
  /** `app_home_opened`, of either tab. */
  opened(payload: EventPayload): Promise<void>;
  /** A button on the tab: forms open above it, answers go to the direct conversation, and the tab says so. */
  clicked(payload: ActionPayload, text: string, ack: Ack<never>): Promise<void>;
  close(): Promise<void>;
}

/** callback_id of the tab. */
export const homeCallback = 'kqueen.home';

/** How long after it was opened a tab is kept up to date. */
const lately = 8 * 3_600_000;
/** Between two changes of one tab. */
const quietMs = 10_000;
/** Of the hundred a minute that Slack promises; what people open themselves goes first, and is counted. */
const perMinute = 50;
const burst = 30;
const mostTabs = 2_000;
/** From then on, a tab says that it may be old. */
const staleMs = 15_000;
const beatMs = 1_000;

interface Tab {
  person: PersonIn;
  place: Place;
  user: string;
  openedAt: number;
  publishedAt: number;
  /** Since when something on it has changed. */
  changedAt: number | null;
  hash: string;
  shown: string;
}

const Opened = z.looseObject({ user: z.string(), channel: z.string(), tab: z.string().default('home') });
const Published = z.looseObject({ view: z.looseObject({ hash: z.string().default('') }) });

export function createHome(parts: HomeParts): HomeTabs {
  const { api, port, people, answers, forms, turn, clock, log, followed } = parts;
  const tabs = new Map<string, Tab>();
  const turns = new Map<string, Promise<unknown>>();
  const stop = new AbortController();
  let beating: Promise<void> | null = null;
  let budget = burst;
  let refilledAt = clock.now();
  let wasStale = false;

  /** The card that the person would get in the direct conversation, with a line above it. */
  async function cardFor(person: PersonIn, place: Place, said: string | null): Promise<Card> {
    const outbounds = await turn.handled({
      source: 'button',
      eventId: `slack:home:${person.id}:${clock.now()}`,
      person,
      place,
      private: true,
      text: 'home',
      canOpenForm: true,
    });
    const card = outbounds.find((each) => each.card !== undefined)?.card ?? plainCard('Home', 'There is nothing here.');
    return said === null
      ? card
      : { ...card, parts: [{ part: 'text', text: said }, { part: 'divider' }, ...card.parts] };
  }

  /** Publishes; with a hash only over the view that we know: another replica may have taken over. Resolves with the new hash. */
  async function publish(user: string, card: Card, hash: string): Promise<string> {
    const { blocks } = renderCard(card);
    budget = Math.max(-perMinute, budget - 1);
    const view = { type: 'home', callback_id: homeCallback, blocks };
    const answer = await api.call('views.publish', { user_id: user, view, ...(hash === '' ? {} : { hash }) });
    return Published.safeParse(answer).data?.view.hash ?? '';
  }

  async function opened(payload: EventPayload): Promise<void> {
    const event = Opened.safeParse(payload.event).data;
    if (event === undefined) return;
    const { user, channel } = event;
    const place: Place = { chat: 'slack', workspace: payload.team_id, conversation: channel };
    const person = await people.look(payload.team_id, user, undefined);
    if (person.external !== null) {
      if (event.tab === 'home') await quietly(refuse(user, person.external));
      return;
    }
    await Promise.all([
      event.tab === 'home' ? quietly(show(user, person, place, null)) : undefined,
      quietly(greet(person, place), 'a person could not be greeted'),
    ]);
  }

  /** Says why there is nothing to see. Where Slack did not tell in time who it is, another look helps. */
  async function refuse(user: string, reason: string): Promise<void> {
    const again = { label: 'Try again', command: 'home again' };
    await publish(user, plainCard('Not for guests', reason, 'warn', [again]), '');
  }

  /** One at a time for each person, so that what we know of a tab is what Slack shows. */
  function inTurn<T>(user: string, work: () => Promise<T>): Promise<T> {
    const next = (turns.get(user) ?? Promise.resolve()).then(work, work);
    turns.set(user, next);
    const done = () => {
      if (turns.get(user) === next) turns.delete(user);
    };
    next.then(done, done);
    return next;
  }

  /** Shows the tab as it is now, over whatever it showed, and keeps it up to date from now on. */
  function show(user: string, person: PersonIn, place: Place, said: string | null): Promise<void> {
    return inTurn(user, async () => {
      const card = await cardFor(person, place, said);
      const opened = { person, place, user, openedAt: clock.now(), changedAt: null };
      try {
        const hash = await publish(user, card, '');
        keep({ ...opened, hash, publishedAt: clock.now(), shown: timeless(card) });
      } catch (error) {
        // Slack will take it later: the tab comes when its turn does.
        const fault = asFault(error);
        if (fault.retryable && !(error instanceof PlaceGone))
          keep(later({ ...opened, hash: '', publishedAt: 0, shown: '' }, fault));
        throw error;
      }
    });
  }

  function keep(tab: Tab): void {
    tabs.delete(tab.user);
    tabs.set(tab.user, tab);
    const [oldest] = tabs.keys();
    if (tabs.size > mostTabs && oldest !== undefined) tabs.delete(oldest);
    if (followed && !stop.signal.aborted)
      beating ??= beat(followed).finally(() => {
        beating = null;
      });
  }

  function later(tab: Tab, { retryAfterMs }: Fault): Tab {
    const now = clock.now();
    return Object.assign(tab, { changedAt: now, publishedAt: now + (retryAfterMs ?? quietMs) - quietMs });
  }

  /** The first words in a direct conversation in which nobody has said anything yet. */
  async function greet(person: PersonIn, place: Place): Promise<void> {
    if (!followed || !(await followed.firstContact(person.id))) return;
    // What is remembered of a greeting ends some day, and people who were here before have none.
    const { messages } = await api.call('conversations.history', { channel: place.conversation, limit: 1 });
    if (Array.isArray(messages) && messages.length > 0) return;
    await port.post(place, helloCard(person.name), `hello.${person.id}`);
  }

  async function quietly(work: Promise<unknown>, what = 'a home was not shown'): Promise<void> {
    try {
      await work;
    } catch (error) {
      const fault = error instanceof PlaceGone ? error : asFault(error);
      log.warn({ error: fault.message, detail: fault instanceof Fault ? fault.detail : undefined }, what);
    }
  }

  const unsubscribe = followed?.cache.onChange((seen) => {
    if (tabs.size === 0) return;
    const concerned = concernedBy(followed.cache, followed.org, seen);
    if (concerned === null) return;
    for (const tab of tabs.values()) if (concerned(tab.person.id)) tab.changedAt ??= clock.now();
  });

  /** Runs while somebody has a tab that is kept up to date. */
  async function beat({ cache }: Followed): Promise<void> {
    while (!stop.signal.aborted && tabs.size > 0) {
      const now = clock.now();
      budget = Math.min(burst, budget + ((now - refilledAt) * perMinute) / 60_000);
      refilledAt = now;
      const isStale = cache.staleMs() > staleMs;
      for (const tab of tabs.values()) {
        if (tab.openedAt < now - lately) tabs.delete(tab.user);
        else if (isStale !== wasStale) tab.changedAt ??= now;
      }
      wasStale = isStale;
      const due = [...tabs.values()]
        .filter(({ changedAt, publishedAt }) => changedAt !== null && publishedAt <= now - quietMs)
        .toSorted((a, b) => (a.changedAt ?? 0) - (b.changedAt ?? 0));
      for (const tab of due) {
        if (budget < 1 || stop.signal.aborted) break;
        await renew(tab);
      }
      await clock.sleep(beatMs, stop.signal).catch(() => undefined);
    }
  }

  function renew(tab: Tab): Promise<void> {
    return inTurn(tab.user, async () => {
      if (tabs.get(tab.user) !== tab) return;
      tab.changedAt = null;
      const card = await cardFor(tab.person, tab.place, null);
      if (timeless(card) === tab.shown) return;
      try {
        const hash = await publish(tab.user, card, tab.hash);
        Object.assign(tab, { hash, shown: timeless(card), publishedAt: clock.now() });
      } catch (error) {
        const fault = asFault(error);
        // Somebody else has published a newer one, and keeps it from now on; or nobody is there to see it.
        if (error instanceof PlaceGone || fault.kind === 'conflict') return void forget(tab);
        if (fault.kind === 'rate-limited') budget = Math.min(0, budget);
        later(tab, fault);
        log.warn({ kind: fault.kind, detail: fault.detail }, 'a home was not brought up to date');
      }
    });
  }

  /** Unless it was opened again meanwhile. */
  function forget(tab: Tab): void {
    if (tabs.get(tab.user) === tab) tabs.delete(tab.user);
  }

  async function clicked(payload: ActionPayload, text: string, ack: Ack<never>): Promise<void> {
    const since = clock.now();
    const { user } = payload;
    const team = payload.team?.id ?? user.team_id ?? port.known()?.team ?? '';
    const person = await people.look(team, user.id, user.name ?? user.username);
    const known = tabs.get(user.id)?.place ?? (await turn.within(port.direct(person.id), 1_000));
    const place = known ?? { chat: 'slack' as const, workspace: team, conversation: user.id };
    if (/^home\b/.test(text)) {
      await turn.acked(ack);
      return await quietly(
        person.external === null ? show(user.id, person, place, null) : refuse(user.id, person.external),
      );
    }
    const target: Target = { place, private: true, user: user.id, text };
    const work = turn.handled({
      source: 'button',
      eventId: `slack:action:${payload.actions[0]?.action_ts}:${payload.view?.id}:${user.id}`,
      person,
      place,
      private: true,
      text,
      canOpenForm: payload.trigger_id !== '',
    });
    const outbounds = await turn.within(work, ackMs - (clock.now() - since));
    await turn.acked(ack);
    if (outbounds === null) await answers.whisper(renderLine('Still working on it, I will answer here.'), target);
    const { rest, after } = await forms.opened(outbounds ?? (await work), payload.trigger_id, since, target, person);
    await answers.deliver(rest, target);
    await after();
    const told = rest.find((each) => each.card !== undefined || (each.problems ?? []).length > 0);
    if (told === undefined || person.external !== null) return;
    const said = told.card ? `*${told.card.title}*: the answer is in Messages.` : 'The answer is in Messages.';
    await quietly(show(user.id, person, place, said));
  }

  return {
    opened,
    clicked,
    async close() {
      unsubscribe?.();
      stop.abort(new Error('stopping'));
      await beating;
    },
  };
}

/** What a card says apart from when: a home on which only the time has moved is not published again. */
function timeless(card: Card): string {
  return JSON.stringify({ ...card, parts: card.parts.filter(({ part }) => part !== 'time') });
}
