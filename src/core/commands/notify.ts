import { z } from 'zod';
import { plainCard } from '../card.ts';
import type { Answer, Command, Context } from '../command.ts';
import { Fault } from '../errors.ts';
import type { Stored } from '../ports/store.ts';
import { type Channel, type Notify, type NotifyEvent, notifyEvents, type Place } from '../records.ts';
import { field } from '../schema.ts';
import { readScope, scopeText } from '../scope.ts';
import { channelRef } from '../which.ts';
import { movedFault, repeatAnswer, toCaller, toPlace } from './common.ts';

/** What this conversation is told unasked. */
export const notify: Command = {
  name: 'notify',
  aliases: ['notify show', 'notifications'],
  summary: 'What this conversation is told of clusters unasked',
  examples: ['notify'],
  group: 'KQueen',
  policy: 'kqueen:read',
  changes: false,
  args: z.object({}),
  positional: [],
  async run({ cache, caller, place }) {
    const set = cache.get(channelRef(caller.org, place))?.notify;
    const text = set
      ? `${notifyText(set)} Set by ${set.byName}.`
      : 'Only the health of clusters that were asked for here is told here, to whom they belong.';
    return toCaller(
      plainCard('What is told here', text, 'plain', [
        ...(set ? [] : [{ label: 'Tell all problems', command: 'notify here level=problems' }]),
        ...(set ? [{ label: 'Turn it off', command: 'notify off' }] : []),
        { label: 'Digest', command: 'digest' },
      ]),
    );
  },
};

/** Tells this conversation what changes. */
export const notifyHere: Command = {
  name: 'notify here',
  aliases: ['notify on'],
  summary: 'Tell this conversation when clusters change',
  examples: [
    'notify here',
    'notify here clusters=mine level=problems',
    'notify here clusters=label=data events=health,drift',
    'notify here level=none',
  ],
  group: 'KQueen',
  policy: 'channel:set',
  changes: true,
  args: z.object({
    clusters: field(z.string().trim().min(1).max(300).default('all'), {
      label: 'Clusters',
      help: 'all, mine, names, or conditions such as label=data.',
      example: 'label=data',
      order: 1,
    }),
    events: field(z.string().trim().max(100).default('all'), {
      label: 'Events',
      help: `all, or some of: ${notifyEvents.join(', ')}.`,
      example: 'health,drift',
      order: 2,
    }),
    level: field(z.enum(['changes', 'problems', 'none']).default('changes'), {
      label: 'How much',
      help: 'problems tells what goes wrong and when it is over; none tells nothing here at all.',
      order: 3,
    }),
  }),
  positional: ['clusters'],
  words: { for: 'clusters', about: 'events' },
  async run(context, values) {
    const { caller, cache, now } = context;
    const set: Notify = {
      clusters: readScope(values.clusters ?? 'all', cache, caller.org, now),
      events: readEvents(values.events ?? 'all'),
      level: (values.level ?? 'changes') as Notify['level'],
      by: caller.person,
      byName: caller.name,
      since: now,
    };
    const says = notifyText(set);
    return changeChannel(
      context,
      { action: 'channel.notify', subject: set.level === 'none' ? 'none' : set.clusters, says },
      (before) => ({
        ...before,
        notify: set,
      }),
    );
  },
};

/** Back to what is told without any setting. */
export const notifyOff: Command = {
  name: 'notify off',
  aliases: ['notify stop'],
  summary: 'Tell this conversation no more of what it asked for',
  examples: ['notify off'],
  group: 'KQueen',
  policy: 'channel:set',
  changes: true,
  args: z.object({}),
  positional: [],
  async run(context) {
    const says =
      'Only the health of clusters that were asked for here is told here from now on. For nothing at all: notify here level=none.';
    return changeChannel(context, { action: 'channel.notify', subject: 'off', says }, (before) => {
      if (!before.notify)
        throw new Fault('conflict', 'Nothing is set to be told here.', { next: 'Write notify to see what is.' });
      const { notify: _notify, ...rest } = before;
      return rest;
    });
  },
};

function readEvents(written: string): NotifyEvent[] {
  const words = written
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => word !== '');
  if (words.length === 0 || words.includes('all')) return [...notifyEvents];
  const unknown = words.find((word) => !notifyEvents.some((event) => event === word));
  if (unknown !== undefined) {
    throw new Fault('bad-input', `There are no events called ${unknown.slice(0, 40)}.`, {
      field: 'events',
      next: `Events: ${notifyEvents.join(', ')}, or all.`,
    });
  }
  return notifyEvents.filter((event) => words.includes(event));
}

/** "Problems of all clusters are told here: health and drift. …" */
export function notifyText({ clusters, events, level, by, byName }: Notify): string {
  if (level === 'none') return 'Nothing is told here unasked; only answers come.';
  const of = scopeText({ clusters, by, byName });
  const which = events.length === notifyEvents.length ? 'everything' : events.join(', ');
  const what =
    level === 'problems'
      ? `Problems of ${of}, and when they are over, are told here`
      : `What changes with ${of} is told here`;
  return `${what} (${which}), in one thread a cluster and day. What comes and goes is told once.`;
}

/** Changes what the conversation is set to; `change` throws a Fault when there is nothing to change. */
export async function changeChannel(
  context: Context,
  { action, subject, says }: { action: string; subject: string; says: string },
  change: (before: Channel) => Channel,
): Promise<Answer> {
  const { caller, place, store } = context;
  const ref = channelRef(caller.org, place);
  // A digest that is posted at the same moment writes there as well: that stands in nobody's way.
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const before: Stored<'channel'> | undefined = await store.get(ref);
    const record = change(before?.record ?? { v: 1, id: ref.id, org: caller.org, place: placeOf(place) });
    const done = await context.effect([{ op: 'put', ref, record, if: before?.revision ?? 0 }], {
      action,
      outcome: 'done',
      subject,
      says,
    });
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (done.ok) return toPlace(plainCard('This conversation', says, 'good'));
  }
  throw movedFault('This conversation');
}

/** The conversation without the thread something was said in. */
function placeOf({ thread: _thread, ...place }: Place): Place {
  return place;
}
