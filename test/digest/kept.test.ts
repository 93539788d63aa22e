/** What is kept of what was told, and for how long. */
import { afterEach, expect, test } from 'vitest';
import { newWatch } from '../../src/core/watch.ts';
import { openRetention } from '../../src/store/retention.ts';
import { usePicture } from '../bot/samples.ts';
import { openStage, org, type Stage } from '../core/stage.ts';
import { handClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';
import { place } from './stage.ts';

const day = 86_400_000;
let stage: Stage;
afterEach(() => stage.close());

test('a watch goes after thirty quiet days, a picture when its link has ended', async () => {
  const clock = handClock();
  stage = await openStage({ clock });
  const { store, cache } = stage.opened;
  const watch = (id: string, at: number) => ({ ...newWatch(org, { id: 'channel', place }, sampleCluster(id), at), at });
  const picture = (id: string, expiresAt: number) => ({ v: 1 as const, id, org, picture: usePicture, expiresAt });
  const now = clock.now();
  const watches = [watch('old', now - 31 * day), watch('new', now - 29 * day)];
  const pictures = [picture('past', now - 1), picture('there', now + day)];
  await stage.put(
    ...watches.map((record) => ({ op: 'put' as const, ref: { kind: 'watch' as const, org, id: record.id }, record })),
    ...pictures.map((record) => ({
      op: 'put' as const,
      ref: { kind: 'picture' as const, org, id: record.id },
      record,
    })),
  );
  const swept = await openRetention({ store, cache, clock, log: stage.log }).sweep();
  expect(swept.deleted).toEqual({ watch: 1, picture: 1 });
  expect((await store.page('watch', org, { limit: 9 })).items.map(({ record }) => record.cluster)).toEqual(['new']);
  expect((await store.page('picture', org, { limit: 9 })).items.map(({ record }) => record.id)).toEqual(['there']);
});
