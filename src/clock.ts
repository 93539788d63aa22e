/** The machine's own time and chance; tests hand in theirs. */
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock, NewId } from './core/ports/clock.ts';

const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';

/** Random ids without look-alikes. */
export const newId: NewId = (size = 8) =>
  Array.from({ length: size }, () => alphabet[randomInt(alphabet.length)]).join('');

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => pause(ms, undefined, signal ? { signal } : {}),
};
