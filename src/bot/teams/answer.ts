/**
 * What becomes of an answer in Teams. There are no messages for one pair of eyes: in a channel, answers go to the thread for everybody,
 * unless they hold something that is the caller's alone (secret fields, one-time links, files); that goes to the personal chat,
 * and the thread is told so.
 */
import type { Card } from '../../core/card.ts';
import { plainCard } from '../../core/card.ts';
import { asFault } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Place } from '../../core/records.ts';
import type { Inbound, Outbound } from '../inbound.ts';
import { renderForm } from './form.ts';
import { type Publish, renderWithPictures } from './pictures.ts';
import type { Poster } from './port.ts';
import { cardDraft, patienceMs } from './port.ts';
import type { AdaptiveCard } from './render.ts';
import { isPersonal, plainText, renderCard } from './render.ts';
import { clip, oneLine } from './text.ts';

/** How a click is answered in its own HTTP response. */
export type ClickAnswer =
  | { kind: 'card'; card: AdaptiveCard }
  | { kind: 'line'; text: string }
  /** The whole body, for invokes that are no clicks. */
  | { kind: 'body'; body: unknown };

/** What to send for an answer, rendered. */
interface Shown {
  card: AdaptiveCard;
  /** The card with its pictures, for a message of its own: drawing them takes longer than a click may. */
  drawn(): Promise<AdaptiveCard>;
  summary: string;
  /** Takes the place of the message that was clicked. */
  replaces: boolean;
  /** For the caller's eyes alone. */
  personal: boolean;
  /** The live message says the same. */
  receipt: boolean;
  title: string;
}

export interface Delivery {
  /** For the HTTP response of a click. */
  click: ClickAnswer;
  /** Sends everything else; resolves when it is sent or was given up with a log line. Never throws. */
  rest(): Promise<void>;
}

/** Plans how the answers reach the person; nothing is sent before `rest` is called. */
export function planDelivery(
  inbound: Inbound,
  outbounds: Outbound[],
  poster: Poster,
  log: Log,
  clicked: boolean,
  { offersDialog = false, publish }: { offersDialog?: boolean; publish?: Publish | undefined } = {},
): Delivery {
  const shown = outbounds.flatMap((outbound) => show(inbound, outbound, offersDialog, publish));
  const here = shown.filter(({ personal }) => !personal || inbound.private);
  const elsewhere = shown.filter((each) => !here.includes(each));
  // A form card is used up once it is sent, as a dialog that closes; a receipt stays a line, the live message tells the rest.
  // One that was refused without a new one stays as it is, with what was typed.
  const refused = outbounds.some(({ problems, form }) => problems && problems.length > 0 && !form);
  const usedUp = !refused && (inbound.source === 'form' || inbound.source === 'open-form');
  const replacing = inbound.message ? here.find(({ replaces }) => replaces || usedUp) : undefined;
  const below = here.filter((each) => each !== replacing && !each.receipt);
  const receipt = here.find((each) => each !== replacing && each.receipt);
  const moved = elsewhere.length > 0 ? renderCard(movedNote(elsewhere[0]?.title ?? '')) : null;
  const closing = !replacing && usedUp && moved !== null ? moved : null;
  const replacement = replacing?.card ?? closing;

  return {
    click: replacement
      ? { kind: 'card', card: replacement }
      : { kind: 'line', text: clickLine(receipt, below, elsewhere) },
    async rest() {
      const { message, place } = inbound;
      const tasks: (() => Promise<unknown>)[] = [];
      if (replacement && message) {
        // After a click its own viewer has the new card already; the edit is for everybody else and for later.
        tasks.push(async () => {
          const card = replacing ? await replacing.drawn() : replacement;
          const draft = cardDraft(card, replacing?.summary ?? 'Sent to you directly.');
          return await poster.edit(message, draft, patienceMs.answer);
        });
      }
      for (const each of below)
        tasks.push(async () => poster.post(place, cardDraft(await each.drawn(), each.summary), patienceMs.answer));
      if (elsewhere.length > 0) tasks.push(() => sendAside(inbound, elsewhere, poster, closing === null && !clicked));
      for (const task of tasks) {
        await patiently(task).catch((error: unknown) => {
          const { kind, message: text, detail } = asFault(error);
          log.warn({ kind, text, detail, event: inbound.eventId }, 'an answer could not be sent to Teams');
        });
      }
    },
  };
}

/** Once more when Teams asked for patience: what it turned away had no effect, and the next try waits for its slot. */
async function patiently(task: () => Promise<unknown>): Promise<void> {
  try {
    await task();
  } catch (error) {
    const fault = asFault(error);
    if (fault.kind !== 'rate-limited' || (fault.retryAfterMs ?? 0) > patienceMs.answer) throw error;
    await task();
  }
}

function clickLine(receipt: Shown | undefined, below: Shown[], elsewhere: Shown[]): string {
  if (receipt) return receipt.summary;
  if (below[0]) return clip(`Answered below: ${below[0].title}`, 200);
  return elsewhere.length > 0 ? 'Answered in our direct chat.' : 'Done.';
}

/** Sends to the personal chat, and says in the place where it went or how to make that possible. */
async function sendAside(inbound: Inbound, shown: Shown[], poster: Poster, tell: boolean): Promise<void> {
  let place: Place;
  try {
    place = await poster.direct(inbound.person.id);
    for (const { drawn, summary } of shown)
      await poster.post(place, cardDraft(await drawn(), summary), patienceMs.answer);
  } catch (error) {
    const note = plainCard(
      'I cannot reach you directly',
      'This answer is for you alone. Open a direct chat with KQueen in Teams, say *help* there, and ask again.',
      'warn',
    );
    await poster.post(inbound.place, cardDraft(renderCard(note), plainText(note)), patienceMs.answer);
    throw error;
  }
  if (!tell) return;
  const note = movedNote(shown[0]?.title ?? '');
  await poster.post(inbound.place, cardDraft(renderCard(note), plainText(note)), patienceMs.answer);
}

function movedNote(title: string): Card {
  const what = oneLine(title);
  return plainCard(what || 'Answered', 'This is for you alone, so I have sent it to you in our direct chat.');
}

function hasPicture({ parts }: Card): boolean {
  return parts.some(({ part }) => part === 'picture');
}

function show(inbound: Inbound, outbound: Outbound, offersDialog: boolean, publish: Publish | undefined): Shown[] {
  const { card, form, files, remove } = outbound;
  const shared = { replaces: outbound.replaces === true, receipt: outbound.receipt === true };
  const list: Shown[] = [];
  if (files && files.length > 0) {
    const refused = noFilesCard(
      card?.title ?? 'A file for you',
      files.map(({ name }) => name),
    );
    const made = renderCard(refused);
    list.push({
      ...shared,
      card: made,
      drawn: async () => made,
      summary: plainText(refused),
      title: refused.title,
      personal: false,
    });
  } else if (card) {
    const whole = remove ? { ...card, parts: [...partsOf(card), removeNote] } : card;
    const made = renderCard(whole);
    list.push({
      ...shared,
      card: made,
      drawn: async () => (hasPicture(whole) ? renderWithPictures(whole, publish) : made),
      summary: plainText(whole),
      title: whole.title,
      personal: isPersonal(card),
    });
  }
  if (form) {
    const problems = new Map(outbound.problems?.map(({ field, message }) => [field, message]));
    const fields = form.fields.map((field) => {
      const problem = field.problem ?? problems.get(field.key);
      return problem === undefined ? field : { ...field, problem };
    });
    // A refused form keeps what was typed; one that was loaded again has its own idea of what still fits.
    const typed = { values: inbound.values ?? {}, wins: inbound.source === 'form' };
    const rendered = renderForm({ ...form, fields }, typed, { offersDialog });
    list.push({
      ...shared,
      card: rendered,
      drawn: async () => rendered,
      summary: rendered.fallbackText,
      title: form.title,
      personal: form.private,
    });
  }
  return list;
}

/** A card without parts shows its text; with a note added it must still do so. */
function partsOf(card: Card): Card['parts'] {
  return card.parts.length > 0 ? card.parts : [{ part: 'text', text: card.text }];
}

const removeNote = {
  part: 'text' as const,
  text: '*Teams does not let me delete your message: please delete it yourself, now.*',
};

/** Nothing secret is written into a chat as text; without a link there is no way to hand it over here. */
function noFilesCard(title: string, names: string[]): Card {
  const text =
    `I cannot hand you ${names.map((name) => `\`${oneLine(name).replaceAll('`', '')}\``).join(', ')} in Teams. ` +
    'An admin of KQueen can set KQUEEN_PUBLIC_URL; then you get a one-time link instead.';
  return plainCard(title, text, 'warn');
}
