/** What Teams delivers (Bot Framework activities) as our own Inbound. Nothing of it is trusted beyond what its token vouches for. */
import { z } from 'zod';
import type { MessageRef } from '../../core/ports/chat.ts';
import type { Place } from '../../core/records.ts';
import type { Inbound } from '../inbound.ts';
import { loadingMs } from '../loading.ts';
import { fieldPrefix, typedPrefix } from './form.ts';

const Account = z.looseObject({
  id: z.string().min(1).max(500),
  name: z.string().max(500).optional(),
  aadObjectId: z.string().max(100).optional(),
});

/** The parts of an activity that are read here; the rest passes through to the library. */
export const Activity = z.looseObject({
  type: z.string().min(1).max(50),
  id: z.string().max(500).optional(),
  name: z.string().max(200).optional(),
  channelId: z.string().max(50).optional(),
  serviceUrl: z.url({ protocol: /^https?$/ }).max(500),
  from: Account,
  recipient: Account.optional(),
  conversation: z.looseObject({
    id: z.string().min(1).max(1_000),
    conversationType: z.string().max(50).optional(),
    tenantId: z.string().max(100).optional(),
    isGroup: z.boolean().nullish(),
  }),
  text: z.string().nullish(),
  /** In the IANA database; Teams sends it with what a person writes. */
  localTimezone: z.string().max(100).nullish(),
  replyToId: z.string().max(500).nullish(),
  value: z.unknown().optional(),
  entities: z.array(z.looseObject({ type: z.string().optional() })).nullish(),
  channelData: z.looseObject({ tenant: z.looseObject({ id: z.string().max(100).optional() }).optional() }).nullish(),
});
export type Activity = z.infer<typeof Activity>;

const Payload = z.looseObject({
  kqueen: z.enum(['button', 'form', 'reload', 'dialog']),
  command: z.string().min(1).max(20_000),
});
const TaskValue = z.looseObject({ data: z.unknown().optional() });
const ExecuteValue = z.looseObject({ action: z.looseObject({ data: z.unknown().optional() }) });
const Mention = z.looseObject({
  type: z.literal('mention'),
  text: z.string(),
  mentioned: z.looseObject({ id: z.string() }),
});

/** An activity as something a person did, but for who the person is. */
export type Deed = Omit<Inbound, 'person'>;

const threadMark = ';messageid=';

/** A Teams conversation id without the thread, and the thread. */
export function splitConversation(id: string): { conversation: string; thread?: string } {
  const [conversation = id, thread] = id.split(threadMark);
  return thread ? { conversation, thread } : { conversation };
}

/** The id under which Teams takes messages for a place. */
export function joinConversation(conversation: string, thread?: string): string {
  return thread ? `${conversation}${threadMark}${thread}` : conversation;
}

export function isPersonalChat({ conversation }: Activity): boolean {
  if (conversation.conversationType) return conversation.conversationType === 'personal';
  return conversation.isGroup !== true;
}

export function placeOf(activity: Activity, workspace: string): Place {
  return { chat: 'teams', workspace, ...splitConversation(activity.conversation.id) };
}

/** The tenant an activity comes from, as its channel says. */
export function tenantOf({ channelData, conversation }: Activity): string | null {
  return channelData?.tenant?.id ?? conversation.tenantId ?? null;
}

/** True for a click on a Universal Action. */
export function isExecute({ type, name }: Activity): boolean {
  return type === 'invoke' && name === 'adaptiveCard/action';
}

/** Whether a message is said to us: in a channel or group chat only what mentions us is, whatever else the app is let to hear. */
export function isForUs(activity: Activity): boolean {
  const { text, recipient, entities: marks, value } = activity;
  if (activity.type !== 'message' || isPersonalChat(activity)) return true;
  if (Payload.safeParse(value).success) return true;
  if (recipient?.name && text?.includes(`<at>${recipient.name}</at>`)) return true;
  return (marks ?? []).some((mark) => Mention.safeParse(mark).data?.mentioned.id === recipient?.id);
}

/** True for what a dialog asks. */
export function isTask({ type, name }: Activity): boolean {
  return type === 'invoke' && (name === 'task/fetch' || name === 'task/submit');
}

/** A message or click as a deed; null for what is none, or for an action that is not ours. */
export function readDeed(activity: Activity, workspace: string): Deed | null {
  const task = isTask(activity);
  const execute = isExecute(activity) || task;
  if (!execute && activity.type !== 'message') return null;
  const payload = task
    ? TaskValue.safeParse(activity.value).data?.data
    : execute
      ? ExecuteValue.safeParse(activity.value).data?.action.data
      : activity.value;
  const sent = Payload.safeParse(payload);
  const text = typedText(activity);
  if (!sent.success && (execute || (text === '' && payload !== undefined && payload !== null))) return null;

  const place = placeOf(activity, workspace);
  const personal = isPersonalChat(activity);
  const shared = { eventId: eventId(activity, execute), place, private: personal, canOpenForm: true };
  // Who only calls us wants to know how things are.
  if (!sent.success) return { ...shared, source: personal ? 'direct' : 'mention', text: text || 'home' };
  const message = messageOf(activity, place);
  const clicked = { ...shared, text: sent.data.command, ...(message ? { message } : {}) };
  if (sent.data.kqueen === 'button') return { ...clicked, source: 'button' };
  const source = sent.data.kqueen === 'form' ? 'form' : 'open-form';
  // The person sees the button at work; Teams waits longer than this.
  return { ...clicked, source, values: valuesOf(sent.data), waitMs: loadingMs };
}

/** The message a button sits on. */
function messageOf(activity: Activity, place: Place): MessageRef | null {
  if (!activity.replyToId) return null;
  return {
    conversation: place.conversation,
    id: activity.replyToId,
    ...(place.thread ? { thread: place.thread } : {}),
  };
}

function valuesOf(payload: Record<string, unknown>): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [key, value] of Object.entries(payload).slice(0, 300)) {
    if (!key.startsWith(fieldPrefix) || !['string', 'number', 'boolean'].includes(typeof value)) continue;
    values[key.slice(fieldPrefix.length)] = String(value);
  }
  // What was typed beside a list counts for what is chosen in it.
  for (const [key, value] of Object.entries(payload).slice(0, 300)) {
    if (!key.startsWith(typedPrefix) || typeof value !== 'string' || value.trim() === '') continue;
    values[key.slice(typedPrefix.length)] = value.trim();
  }
  return values;
}

/** The same delivery has the same identity, on any replica. Clicks have activity ids of their own; the rest guards against reuse. */
function eventId(activity: Activity, execute: boolean): string {
  const parts = ['teams', activity.conversation.id, activity.id ?? ''];
  if (execute || !activity.id) parts.push(activity.replyToId ?? '', activity.from.id);
  return parts.join(':');
}

const entities: Record<string, string> = { nbsp: ' ', lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'" };

/** What was typed: without the bot's mention, other people's mentions as their names, Teams' entities as characters. */
function typedText({ text, recipient, entities: marks }: Activity): string {
  let typed = text ?? '';
  for (const mark of marks ?? []) {
    const mention = Mention.safeParse(mark);
    if (mention.success && mention.data.text && mention.data.mentioned.id === recipient?.id) {
      typed = typed.replaceAll(mention.data.text, ' ');
    }
  }
  if (recipient?.name) typed = typed.replaceAll(`<at>${recipient.name}</at>`, ' ');
  return typed
    .replace(/<\/?at(\s[^<>]*)?>/gi, '')
    .replace(/&(nbsp|lt|gt|amp|quot|#39);/g, (whole, name: string) => entities[name] ?? whole)
    .replace(/\u00a0/g, ' ')
    .trim();
}
