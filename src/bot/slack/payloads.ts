/**
 * What Slack sends, as far as it is read here. Sources: docs.slack.dev/interactivity/implementing-slash-commands,
 * …/reference/interaction-payloads/block_actions-payload and …/view-interactions-payload, …/reference/events/message and app_mention.
 */
import { z } from 'zod';

const text = z.string();
const maybe = z.string().nullish();

export const CommandPayload = z.object({
  command: text,
  text: z.string().optional(),
  trigger_id: text,
  response_url: text,
  team_id: text,
  user_id: text,
  user_name: z.string().optional(),
  channel_id: text,
});
export type CommandPayload = z.infer<typeof CommandPayload>;

/** A file as `file_input` gives it (docs.slack.dev/reference/objects/file-object). */
const SlackFile = z.looseObject({
  id: text,
  name: maybe,
  size: z.number().nullish(),
  mimetype: maybe,
  url_private: maybe,
  file_access: maybe,
});
export type SlackFile = z.infer<typeof SlackFile>;

export const View = z.looseObject({
  id: text,
  hash: z.string().default(''),
  callback_id: z.string().default(''),
  private_metadata: z.string().default(''),
  title: z.looseObject({ text }).nullish(),
  submit: z.looseObject({ text }).nullish(),
  previous_view_id: maybe,
  blocks: z.array(z.looseObject({ type: text, block_id: z.string().optional() })).default([]),
  state: z
    .looseObject({
      values: z.record(
        z.string(),
        z.record(
          z.string(),
          z.looseObject({
            value: maybe,
            selected_option: z.looseObject({ value: maybe }).nullish(),
            files: z.array(SlackFile).nullish(),
          }),
        ),
      ),
    })
    .optional(),
});
export type View = z.infer<typeof View>;

const User = z.looseObject({ id: text, name: z.string().optional(), username: z.string().optional(), team_id: maybe });
const Team = z.looseObject({ id: text }).nullish();

export const ActionPayload = z.object({
  type: text,
  trigger_id: z.string().default(''),
  response_url: z.string().optional(),
  team: Team,
  user: User,
  channel: z.looseObject({ id: text }).nullish(),
  container: z
    .looseObject({ message_ts: maybe, channel_id: maybe, is_ephemeral: z.boolean().nullish(), thread_ts: maybe })
    .optional(),
  message: z.looseObject({ ts: text, thread_ts: maybe }).nullish(),
  view: View.nullish(),
  actions: z
    .array(
      z.looseObject({ action_id: z.string().default(''), value: maybe, url: maybe, action_ts: z.string().default('') }),
    )
    .min(1),
});
export type ActionPayload = z.infer<typeof ActionPayload>;

export const ViewPayload = z.object({
  type: text,
  trigger_id: z.string().default(''),
  team: Team,
  user: User,
  view: View,
});
export type ViewPayload = z.infer<typeof ViewPayload>;

/** The letters typed into an external select, for the options to offer (…/interaction-payloads/block_suggestion-payload). */
export const SuggestionPayload = z.object({
  type: text,
  team: Team,
  user: User,
  action_id: z.string().default(''),
  block_id: z.string().default(''),
  value: z.string().nullish(),
  view: View.nullish(),
});
export type SuggestionPayload = z.infer<typeof SuggestionPayload>;

export const EventPayload = z.object({
  event_id: text,
  team_id: text,
  /** Seconds since the epoch. */
  event_time: z.number().optional(),
  /** Whether another organisation reads the conversation as well. */
  is_ext_shared_channel: z.boolean().optional(),
  event: z.looseObject({
    type: text,
    user: maybe,
    text: maybe,
    channel: maybe,
    channel_type: maybe,
    ts: maybe,
    thread_ts: maybe,
    subtype: maybe,
    bot_id: maybe,
    hidden: z.boolean().nullish(),
    edited: z.unknown().optional(),
  }),
});
export type EventPayload = z.infer<typeof EventPayload>;

const Routed = z.looseObject({
  team_id: maybe,
  authorizations: z.array(z.looseObject({ team_id: maybe })).nullish(),
  team: z.looseObject({ id: maybe }).nullish(),
  view: z.looseObject({ app_installed_team_id: maybe }).nullish(),
  user: z.union([z.looseObject({ team_id: maybe }), z.string()]).nullish(),
});

/**
 * The workspace that a payload is for, among those the app is installed in: where channels are shared, `team_id` alone may name the other
 * side's (docs.slack.dev/apis/events-api, "authorizations"). Empty when the payload does not say.
 */
export function teamOf(body: unknown): string {
  const read = Routed.safeParse(body);
  if (!read.success) return '';
  const { authorizations, view, team, user } = read.data;
  const found = [
    authorizations?.[0]?.team_id,
    view?.app_installed_team_id,
    read.data.team_id,
    team?.id,
    typeof user === 'object' ? user?.team_id : undefined,
  ];
  return found.find((each) => typeof each === 'string' && each !== '') ?? '';
}

/** Message subtypes that a person typed: plain messages have none. */
const typedSubtypes = new Set([undefined, null, 'file_share', 'thread_broadcast']);

/** Whether a message event is something a person says to us now: no bot, no edit, no deletion, nothing hidden. */
export function isSaidByPerson(event: EventPayload['event'], botUser: string | undefined): boolean {
  const { bot_id, hidden, edited, subtype, user } = event;
  return (
    !bot_id && hidden !== true && !edited && typedSubtypes.has(subtype) && typeof user === 'string' && user !== botUser
  );
}

/**
 * What was said to us without our own mention: what follows it, or what precedes it when nothing follows. Other mentions, links and
 * entities stay as Slack wrote them. Without a known bot user the mention at the start is taken for ours.
 */
export function withoutMention(said: string, botUser: string | undefined): string {
  const ours = new RegExp(`<@${botUser ?? '[UW]\\w+'}(?:\\|[^>]*)?>`);
  const found = ours.exec(said);
  if (found === null || (botUser === undefined && found.index > 0)) return said.trim();
  const after = said
    .slice(found.index + found[0].length)
    .replace(/^[\s:,]+/, '')
    .trim();
  return after === '' ? said.slice(0, found.index).trim() : after;
}
