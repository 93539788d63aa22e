import { z } from 'zod';
import { plainCard } from '../card.ts';
import type { Answer, Command, Context } from '../command.ts';
import { knownZone, nextDue, readTime, readWeekday, type Schedule, scheduleText } from '../digest.ts';
import { Fault } from '../errors.ts';
import type { Digest } from '../records.ts';
import { field } from '../schema.ts';
import { readScope, scopeText } from '../scope.ts';
import { formatDuration } from '../units.ts';
import { channelRef } from '../which.ts';
import { toCaller } from './common.ts';
import { changeChannel } from './notify.ts';

const schedule = {
  at: field(z.string().trim().max(10).default('09:00'), {
    label: 'At',
    help: 'On the clocks of the zone.',
    example: '09:00',
    order: 2,
  }),
  zone: field(z.string().trim().max(60).optional(), {
    label: 'Time zone',
    help: 'Such as Europe/Berlin; yours when the chat tells it, else UTC.',
    example: 'Europe/Berlin',
    order: 3,
  }),
  clusters: field(z.string().trim().min(1).max(300).default('all'), {
    label: 'Clusters',
    help: 'all, mine, names, or conditions such as label=data.',
    example: 'all',
    order: 4,
  }),
};
const words = { at: 'at', in: 'zone', for: 'clusters' };

/** When this conversation gets a digest. */
export const digest: Command = {
  name: 'digest',
  aliases: ['digest show'],
  summary: 'When the fleet is summed up in this conversation',
  examples: ['digest'],
  group: 'KQueen',
  policy: 'kqueen:read',
  changes: false,
  args: z.object({}),
  positional: [],
  async run({ cache, caller, place, now }) {
    const set = cache.get(channelRef(caller.org, place))?.digest;
    if (!set) {
      return toCaller(
        plainCard('Digest', 'No digest is sent here.', 'plain', [
          { label: 'Every day at 09:00', command: 'digest daily at=09:00', style: 'primary' },
          { label: 'Once, now', command: 'digest now' },
        ]),
      );
    }
    const text = `A digest of ${scopeText(set)} comes here ${scheduleText(set)}, next in ${formatDuration(set.dueAt - now)}. Set by ${set.byName}.`;
    return toCaller({
      ...plainCard('Digest', text, 'plain', [
        { label: 'Once, now', command: 'digest now' },
        { label: 'Turn it off', command: 'digest off' },
      ]),
      parts: [
        { part: 'text', text },
        { part: 'time', label: 'Next', at: set.dueAt },
      ],
    });
  },
};

/** A digest every day. */
export const digestDaily: Command = {
  name: 'digest daily',
  aliases: ['digest every-day'],
  summary: 'Sum the fleet up here every day',
  examples: ['digest daily at 09:00', 'digest daily at 08:30 zone=Europe/Berlin clusters=label=data'],
  group: 'KQueen',
  policy: 'channel:set',
  changes: true,
  args: z.object(schedule),
  positional: ['at'],
  words,
  run: (context, values) => setDigest(context, values, undefined),
};

/** A digest every week. */
export const digestWeekly: Command = {
  name: 'digest weekly',
  summary: 'Sum the fleet up here every week',
  examples: ['digest weekly mon at 09:00', 'digest weekly friday at 16:00 clusters=mine'],
  group: 'KQueen',
  policy: 'channel:set',
  changes: true,
  args: z.object({
    day: field(z.string().trim().max(12).default('mon'), {
      label: 'Day',
      help: 'Of the week.',
      example: 'mon',
      order: 1,
    }),
    ...schedule,
  }),
  positional: ['day'],
  words: { ...words, on: 'day' },
  async run(context, values) {
    const weekday = readWeekday(values.day ?? 'mon');
    if (weekday === null) {
      throw new Fault('bad-input', `${(values.day ?? '').slice(0, 20)} is no day of the week.`, {
        field: 'day',
        next: 'Write mon, tue, wed, thu, fri, sat or sun.',
      });
    }
    return setDigest(context, values, weekday);
  },
};

/** A digest at once. */
export const digestNow: Command = {
  name: 'digest now',
  summary: 'Sum the fleet up here now',
  examples: ['digest now', 'digest now clusters=mine'],
  group: 'KQueen',
  policy: 'channel:set',
  changes: true,
  args: z.object({
    clusters: field(z.string().trim().min(1).max(300).optional(), {
      label: 'Clusters',
      help: 'all, mine, names, or conditions such as label=data.',
      example: 'mine',
      order: 1,
    }),
  }),
  positional: ['clusters'],
  words: { for: 'clusters' },
  async run(context, values) {
    const { caller, cache, now } = context;
    const given = values.clusters === undefined ? undefined : readScope(values.clusters, cache, caller.org, now);
    const says = 'The digest comes here in a moment.';
    const answer = await changeChannel(
      context,
      { action: 'channel.digest-now', subject: given ?? 'all', says },
      (before) => {
        // One that is on its way is the one that was asked for.
        if (before.posting)
          throw new Fault('conflict', 'A digest is on its way here already.', { next: 'It comes in a moment.' });
        const of =
          given === undefined && before.digest
            ? before.digest
            : { clusters: given ?? 'all', by: caller.person, byName: caller.name };
        return {
          ...before,
          posting: {
            key: context.newId(16),
            due: now,
            asked: true,
            clusters: of.clusters,
            by: of.by,
            byName: of.byName,
            attempts: 0,
          },
        };
      },
    );
    return { ...answer, receipt: true };
  },
};

/** No digest any more. */
export const digestOff: Command = {
  name: 'digest off',
  aliases: ['digest stop'],
  summary: 'Send no more digests here',
  examples: ['digest off'],
  group: 'KQueen',
  policy: 'channel:set',
  changes: true,
  args: z.object({}),
  positional: [],
  async run(context) {
    const says = 'No digest is sent here any more.';
    return changeChannel(context, { action: 'channel.digest', subject: 'off', says }, (before) => {
      if (!before.digest && !before.posting)
        throw new Fault('conflict', 'No digest is sent here.', { next: 'Write digest daily at 09:00 to get one.' });
      const { digest: _digest, posting: _posting, ...rest } = before;
      return rest;
    });
  },
};

async function setDigest(
  context: Context,
  values: Record<string, string>,
  weekday: number | undefined,
): Promise<Answer> {
  const { caller, cache, now } = context;
  const minute = readTime(values.at ?? '09:00');
  if (minute === null) {
    throw new Fault('bad-input', `${(values.at ?? '').slice(0, 20)} is no time of the day.`, {
      field: 'at',
      next: 'Write it as 09:00 or 5pm.',
    });
  }
  const asked = values.zone ?? context.zone;
  const zone = knownZone(asked ?? 'UTC');
  if (zone === null) {
    throw new Fault('bad-input', `There is no time zone ${(asked ?? '').slice(0, 60)}.`, {
      field: 'zone',
      next: 'Write it as Europe/Berlin or America/New_York.',
    });
  }
  const when: Schedule = { minute, zone, ...(weekday === undefined ? {} : { weekday }) };
  const set: Digest = {
    ...when,
    clusters: readScope(values.clusters ?? 'all', cache, caller.org, now),
    by: caller.person,
    byName: caller.name,
    dueAt: nextDue(when, now),
  };
  const guessed =
    values.zone !== undefined
      ? ''
      : context.zone === undefined
        ? ' This chat does not tell your time zone, so it is UTC; add zone=Europe/Berlin for another.'
        : ' That is your time zone; add zone=… for another.';
  const says = `A digest of ${scopeText(set)} comes here ${scheduleText(when)}, for the first time in ${formatDuration(set.dueAt - now)}.${guessed}`;
  return changeChannel(context, { action: 'channel.digest', subject: set.clusters, says }, (before) => ({
    ...before,
    digest: before.digest?.last ? { ...set, last: before.digest.last } : set,
  }));
}
