/** Pictures that a chat fetches by a link: kept as numbers and words, and drawn by whichever process is asked for them. */
import type { Picture } from '../../core/picture.ts';
import type { Clock, NewId } from '../../core/ports/clock.ts';
import type { Store } from '../../core/ports/store.ts';
import { drawPicture } from './index.ts';

export interface PublishedPictures {
  /** Keeps a picture for thirty days; resolves with the id that nobody can guess. */
  publish(picture: Picture): Promise<string>;
  /** The PNG; null when there is none of that id any more. */
  read(id: string): Promise<Uint8Array | null>;
}

const keptMs = 30 * 86_400_000;
const idSize = 32;

export function openPublished({
  store,
  clock,
  newId,
  org,
}: {
  store: Store;
  clock: Clock;
  newId: NewId;
  org: string;
}): PublishedPictures {
  const refOf = (id: string) => ({ kind: 'picture', org, id }) as const;
  return {
    async publish(picture) {
      const id = newId(idSize);
      const record = { v: 1 as const, id, org, picture, expiresAt: clock.now() + keptMs };
      await store.commit([{ op: 'put', ref: refOf(id), record, if: 0 }]);
      return id;
    },
    async read(id) {
      if (!/^[a-z0-9]{20,80}$/.test(id)) return null;
      const stored = await store.get(refOf(id));
      if (!stored || stored.record.expiresAt <= clock.now()) return null;
      const { rows, note, ...rest } = stored.record.picture;
      return drawPicture({
        ...rest,
        ...(note === undefined ? {} : { note }),
        rows: rows.map(({ label, values, note, depth, cells }) => ({
          ...{ label, values },
          ...(note === undefined ? {} : { note }),
          ...(depth === undefined ? {} : { depth }),
          ...(cells === undefined ? {} : { cells }),
        })),
      });
    },
  };
}
