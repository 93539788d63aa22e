/** A person in Teams, for the tests: writes, mentions and clicks by delivering activities to the bot as Teams does. */
import { judgeCards } from './cards.ts';
import type { Account, TeamsService } from './service.ts';

export interface Seat {
  /** Where the bot listens: `http://127.0.0.1:1234/api/messages`. */
  botUrl: string;
  service: TeamsService;
  bot: Account;
  person: Account;
  tenantId: string;
  conversation: { id: string; conversationType: 'personal' | 'groupChat' | 'channel' };
}

export interface Answered {
  status: number;
  body: unknown;
}

let counter = 0;

/** An activity from the seat; `more` replaces what it says. */
export function activityFrom(seat: Seat, more: Record<string, unknown> = {}): Record<string, unknown> {
  counter += 1;
  return {
    type: 'message',
    id: `${1_700_000_000_000 + counter}`,
    timestamp: new Date().toISOString(),
    channelId: 'msteams',
    serviceUrl: seat.service.serviceUrl,
    from: seat.person,
    recipient: seat.bot,
    conversation: {
      ...seat.conversation,
      tenantId: seat.tenantId,
      isGroup: seat.conversation.conversationType !== 'personal',
    },
    channelData: { tenant: { id: seat.tenantId } },
    ...more,
  };
}

/** Delivers any body with any token (null for none). */
export async function deliver(
  seat: Seat,
  activity: unknown,
  token: string | null = seat.service.token(),
): Promise<Answered> {
  const response = await fetch(seat.botUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
    body: typeof activity === 'string' ? activity : JSON.stringify(activity),
  });
  const text = await response.text();
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  judgeCards('an answer to Teams', body);
  return { status: response.status, body };
}

/** Says something; in a channel or group the bot is mentioned, as it must be there. */
export function say(seat: Seat, text: string, more: Record<string, unknown> = {}): Promise<Answered> {
  const personal = seat.conversation.conversationType === 'personal';
  const mention = { type: 'mention', text: `<at>${seat.bot.name}</at>`, mentioned: seat.bot };
  return deliver(
    seat,
    activityFrom(
      seat,
      personal ? { text, ...more } : { text: `${mention.text}&nbsp;${text}\n`, entities: [mention], ...more },
    ),
  );
}

/** Clicks an Action.Execute of a message. */
export function execute(
  seat: Seat,
  messageId: string,
  data: unknown,
  more: Record<string, unknown> = {},
): Promise<Answered> {
  return deliver(
    seat,
    activityFrom(seat, {
      type: 'invoke',
      name: 'adaptiveCard/action',
      replyToId: messageId,
      value: { action: { type: 'Action.Execute', verb: 'kqueen', data }, trigger: 'manual' },
      ...more,
    }),
  );
}

/** Clicks an Action.Submit of a message, as clients without Universal Actions do. */
export function submit(seat: Seat, messageId: string, data: unknown): Promise<Answered> {
  return deliver(seat, activityFrom(seat, { replyToId: messageId, value: data }));
}
