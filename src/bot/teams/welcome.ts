/** The first words in a personal chat, when KQueen is added to it. Channels and group chats are not greeted: nobody there has asked. */
import { helloCard } from '../../core/views/home.ts';
import type { FirstContact } from '../first-contact.ts';
import type { PersonIn } from '../inbound.ts';
import { type Activity, isPersonalChat, placeOf } from './activity.ts';
import { cardDraft, type Poster, patienceMs } from './port.ts';
import { plainText, renderCard } from './render.ts';

/** Whether an activity says that the app was added to a personal chat; Teams says it twice, as `installationUpdate` and as a new member. */
export function isAdded(activity: Activity): boolean {
  if (!isPersonalChat(activity)) return false;
  if (activity.type === 'installationUpdate') return activity.action === 'add' || activity.action === 'add-upgrade';
  if (activity.type !== 'conversationUpdate') return false;
  const added = Array.isArray(activity.membersAdded) ? activity.membersAdded : [];
  return added.some((each: unknown) => {
    return typeof each === 'object' && each !== null && 'id' in each && each.id === activity.recipient?.id;
  });
}

/** Greets a member who has not been greeted before. Throws Faults and PlaceGone. */
export async function welcome(
  activity: Activity,
  person: PersonIn,
  parts: { poster: Poster; workspace: string; firstContact: FirstContact },
): Promise<void> {
  if (person.external !== null || !(await parts.firstContact(person.id))) return;
  // Of an installation Teams tells the account alone.
  const card = helloCard(activity.from.name === undefined ? undefined : person.name);
  const draft = cardDraft(renderCard(card), plainText(card));
  await parts.poster.post(placeOf(activity, parts.workspace), draft, patienceMs.answer);
}
