/**
 * The message extension: links to clusters shown as what they lead to (`composeExtension/queryLink`), and the action on a message that finds what it
 * speaks of (`composeExtension/fetchTask`). "Add link unfurling" and "Respond to the action command", Microsoft Learn.
 */
import { z } from 'zod';
import type { Card } from '../../core/card.ts';
import { formatLine } from '../../core/line.ts';
import type { Place } from '../../core/records.ts';
import { clusterOfLink, namesIn } from '../cluster-links.ts';
import type { Inbound, Outbound, PersonIn } from '../inbound.ts';
import { type Activity, isPersonalChat, placeOf } from './activity.ts';
import { renderCard } from './render.ts';
import { shorten } from './text.ts';

const cardType = 'application/vnd.microsoft.card.adaptive';

/** The action on messages, as the manifest names it. */
export const messageAction = 'about';

const Link = z.looseObject({ url: z.string().max(3_000) });
const Task = z.looseObject({
  commandId: z.string(),
  messagePayload: z
    .looseObject({
      id: z.string().nullish(),
      replyToId: z.string().nullish(),
      body: z.looseObject({ content: z.string().nullish() }).nullish(),
      attachments: z.array(z.looseObject({ content: z.unknown().optional() })).nullish(),
    })
    .nullish(),
});

export interface ExtensionParts {
  workspace: string;
  publicUrl?: string;
  /** Never throws. */
  answersOf(inbound: Inbound): Promise<Outbound[]>;
}

/** Whether an activity is for the message extension. */
export function isExtension({ type, name }: Activity): boolean {
  return type === 'invoke' && (name === 'composeExtension/queryLink' || name === 'composeExtension/fetchTask');
}

/** The body of the answer: for people of the organisation what they asked for, for others nothing of it. */
export async function answerExtension(activity: Activity, person: PersonIn, parts: ExtensionParts): Promise<unknown> {
  return activity.name === 'composeExtension/queryLink'
    ? await unfurled(activity, person, parts)
    : await found(activity, person, parts);
}

const nothing = { composeExtension: { type: 'result', attachmentLayout: 'list', attachments: [] } };

async function unfurled(activity: Activity, person: PersonIn, parts: ExtensionParts): Promise<unknown> {
  const url = Link.safeParse(activity.value).data?.url ?? '';
  const name = parts.publicUrl === undefined ? null : clusterOfLink(url, parts.publicUrl);
  if (name === null || person.external !== null) return nothing;
  const line = formatLine('cluster show', ['cluster'], { cluster: name });
  const card = await cardOf(activity, person, placeOf(activity, parts.workspace), line, parts);
  if (!card?.title.startsWith(`Cluster ${name}`)) return nothing;
  const preview = {
    contentType: 'application/vnd.microsoft.card.thumbnail',
    content: { title: shorten(card.title, 100), text: shorten(card.text, 300) },
  };
  const attachment = { contentType: cardType, content: renderCard({ ...card, buttons: [] }), preview };
  return { composeExtension: { type: 'result', attachmentLayout: 'list', attachments: [attachment] } };
}

async function found(activity: Activity, person: PersonIn, parts: ExtensionParts): Promise<unknown> {
  const task = Task.safeParse(activity.value).data;
  if (task?.commandId !== messageAction) return message('KQueen does not know this action any more.');
  const { messagePayload: said } = task;
  const names = namesIn(plain(said?.body?.content ?? ''));
  const line = formatLine('about', ['text'], { text: names === '' ? 'this' : names });
  const thread = said?.replyToId ?? said?.id;
  const place = { ...placeOf(activity, parts.workspace), ...(thread ? { thread } : {}) };
  const card = await cardOf(activity, person, place, line, parts);
  if (card === null) return message('KQueen has no answer to this.');
  const { title } = card;
  // In a dialog only the extension itself would hear of its buttons: they are typed, as everything can be.
  const content = renderCard({ ...card, buttons: [] });
  const value = {
    title: shorten(title, 60),
    height: 'medium',
    width: 'medium',
    card: { contentType: cardType, content },
  };
  return { task: { type: 'continue', value } };
}

function message(value: string): unknown {
  return { task: { type: 'message', value } };
}

/** The card that answers a line which only looks. */
async function cardOf(
  activity: Activity,
  person: PersonIn,
  place: Place,
  text: string,
  { answersOf }: ExtensionParts,
): Promise<Card | null> {
  const answers = await answersOf({
    source: 'button',
    eventId: `teams:${activity.conversation.id}:${activity.id ?? ''}:${activity.name}`,
    ...{ person, place, text },
    private: isPersonalChat(activity),
    canOpenForm: false,
  });
  return answers.find((each) => each.card !== undefined)?.card ?? null;
}

const characters: Record<string, string> = { nbsp: ' ', lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'" };

/** The words and links of a message's HTML. */
function plain(html: string): string {
  return html
    .slice(0, 50_000)
    .replace(/<a\s[^>]*?href="([^"]*)"[^>]*>/gi, ' $1 ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&(nbsp|lt|gt|amp|quot|#39);/g, (whole, name: string) => characters[name] ?? whole);
}
