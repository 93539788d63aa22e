/** Pictures in Slack: drawn, uploaded where only KQueen sees them, and shown by messages of ours, which everybody in the place sees. */
import type { Card } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import type { Picture } from '../../core/picture.ts';
import { PlaceGone } from '../../core/ports/chat.ts';
import { drawPicture } from '../pictures/index.ts';
import type { SlackApi } from './api.ts';
import { renderCard, type SlackMessage } from './render.ts';

/**
 * Slack looks at an uploaded file before it takes it in a message, which goes on after the upload has been answered
 * (github.com/slackapi/node-slack-sdk/issues/1865): until then a message with it is refused as invalid.
 */
const settleMs = [500, 1_000, 2_000, 4_000];

/** Whether a message was refused for a file that Slack has not looked at yet, or cannot show. */
function isUnsettled(thrown: unknown): boolean {
  return (
    thrown instanceof Fault &&
    /invalid_blocks|invalid slack file|slack_file|file_not_found/.test(`${thrown.message} ${thrown.detail ?? ''}`)
  );
}

/**
 * Sends the card with its pictures by `send`. A picture that cannot be drawn, uploaded or shown is written as bars of letters instead: the words
 * matter more. Throws what `send` throws of anything else.
 */
export async function withPictures<T>(
  api: SlackApi,
  card: Card,
  send: (message: SlackMessage) => Promise<T>,
): Promise<T> {
  const pictures = card.parts.flatMap((part) => (part.part === 'picture' ? [part.picture] : []));
  if (pictures.length === 0) return send(renderCard(card));
  const files = await uploaded(api, pictures);
  if (files.size === 0) return send(renderCard(card));
  const message = renderCard(card, files);
  for (const pause of settleMs) {
    try {
      return await send(message);
    } catch (thrown) {
      if (!isUnsettled(thrown)) throw thrown;
    }
    await api.pause(pause);
  }
  await Promise.all([...files.values()].map((file) => removed(api, file)));
  return send(renderCard(card));
}

async function uploaded(api: SlackApi, pictures: readonly Picture[]): Promise<Map<Picture, string>> {
  const files = new Map<Picture, string>();
  for (const picture of pictures) {
    try {
      const id = await api.picture(await drawPicture(picture), picture.alt);
      if (id !== '') files.set(picture, id);
    } catch (thrown) {
      if (!(thrown instanceof Fault || thrown instanceof PlaceGone)) throw thrown;
    }
  }
  return files;
}

async function removed(api: SlackApi, file: string): Promise<void> {
  try {
    await api.call('files.delete', { file });
  } catch (thrown) {
    if (!(thrown instanceof Fault || thrown instanceof PlaceGone)) throw thrown;
  }
}
