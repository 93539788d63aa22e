/** Pictures in Teams: inside the card where they fit, else by a link to KQueen's own address, else written as bars of letters. */
import type { Card } from '../../core/card.ts';
import type { Picture } from '../../core/picture.ts';
import { drawPicture, fine, type Grain, small } from '../pictures/index.ts';
import { type AdaptiveCard, bytes, mostBytes, renderCard } from './render.ts';

/** Gives a picture an address that Teams can fetch it from; null when this KQueen has none. */
export type Publish = (picture: Picture) => Promise<string | null>;

/** The card with the finest picture there is room for. Never throws for a picture: the words matter more. */
export async function renderWithPictures(card: Card, publish?: Publish): Promise<AdaptiveCard> {
  const urls = new Map<Picture, string>();
  for (const part of card.parts) {
    if (part.part !== 'picture') continue;
    const { picture } = part;
    for (const source of [
      () => inline(picture, fine),
      () => publish?.(picture) ?? null,
      () => inline(picture, small),
    ]) {
      const url = await tried(source);
      if (url === null) continue;
      urls.set(picture, url);
      if (shows(renderCard(card, urls), url)) break;
      urls.delete(picture);
    }
  }
  return renderCard(card, urls);
}

async function inline(picture: Picture, grain: Grain): Promise<string> {
  return `data:image/png;base64,${(await drawPicture(picture, grain)).toString('base64')}`;
}

async function tried(source: () => Promise<string | null> | null): Promise<string | null> {
  try {
    return await source();
  } catch (thrown) {
    // Whatever it was, bars of letters say the same.
    if (thrown instanceof Error) return null;
    throw thrown;
  }
}

function shows({ body, ...rest }: AdaptiveCard, url: string): boolean {
  return bytes({ ...rest, body }) <= mostBytes && body.some((element) => 'url' in element && element.url === url);
}
