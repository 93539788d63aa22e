/**
 * Links to clusters, shown as what they lead to: for people of the organisation alone, so not where another organisation reads along.
 * docs.slack.dev/messaging/unfurling-links-in-messages.
 */
import { z } from 'zod';
import { asFault, Fault } from '../../core/errors.ts';
import { formatLine } from '../../core/line.ts';
import { PlaceGone } from '../../core/ports/chat.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Place } from '../../core/records.ts';
import { clusterOfLink } from '../cluster-links.ts';
import type { SlackApi } from './api.ts';
import type { Followed } from './home.ts';
import type { EventPayload } from './payloads.ts';
import type { People } from './people.ts';
import { renderCard } from './render.ts';
import type { Turn } from './turn.ts';

export interface UnfurlParts {
  api: SlackApi;
  people: People;
  turn: Turn;
  log: Log;
  followed?: Followed;
}

const mostLinks = 5;

const Shared = z.looseObject({
  user: z.string(),
  channel: z.string(),
  message_ts: z.string(),
  thread_ts: z.string().nullish(),
  unfurl_id: z.string().nullish(),
  source: z.string().nullish(),
  links: z.array(z.looseObject({ url: z.string() })),
});

/** Answers `link_shared`; what is not a cluster that there is stays a bare link. */
export function createUnfurl({
  api,
  people,
  turn,
  log,
  followed,
}: UnfurlParts): (payload: EventPayload) => Promise<void> {
  return async (payload) => {
    const event = Shared.safeParse(payload.event).data;
    if (event === undefined || followed?.publicUrl === undefined || payload.is_ext_shared_channel === true) return;
    const { cache, org, publicUrl } = followed;
    const wanted = event.links.slice(0, mostLinks).flatMap(({ url }) => {
      const name = clusterOfLink(url, publicUrl);
      if (name === null) return [];
      const known = cache.query('cluster', org, { where: (each) => each.name === name, limit: 1 }).total > 0;
      return known ? [{ url, name }] : [];
    });
    if (wanted.length === 0) return;
    const person = await people.look(payload.team_id, event.user, undefined);
    if (person.external !== null) return;
    const thread = event.thread_ts ? { thread: event.thread_ts } : {};
    const place: Place = { chat: 'slack', workspace: payload.team_id, conversation: event.channel, ...thread };
    const unfurls: Record<string, { blocks: unknown[] }> = {};
    for (const { url, name } of wanted) {
      const line = formatLine('cluster show', ['cluster'], { cluster: name });
      const eventId = `slack:event:${payload.event_id}:${name}`;
      const answers = await turn.handled({
        ...{ source: 'button' as const, eventId, person, place, text: line },
        ...{ private: false, canOpenForm: false },
      });
      const card = answers.find((each) => each.card?.title.startsWith(`Cluster ${name}`))?.card;
      // Buttons there would answer to whoever presses them, under somebody else's message.
      if (card) unfurls[url] = { blocks: renderCard({ ...card, buttons: [] }).blocks };
    }
    if (Object.keys(unfurls).length === 0) return;
    const at =
      event.unfurl_id && event.source
        ? { unfurl_id: event.unfurl_id, source: event.source }
        : { channel: event.channel, ts: event.message_ts };
    try {
      await api.call('chat.unfurl', { ...at, unfurls });
    } catch (error) {
      const fault = error instanceof PlaceGone ? error : asFault(error);
      log.warn(
        { error: fault.message, detail: fault instanceof Fault ? fault.detail : undefined },
        'a link was not unfurled',
      );
    }
  };
}
