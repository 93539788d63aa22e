/** Conversations: what they are set to, what was told in them, and what was heard. */
import { z } from 'zod';
import { id, millis, Place } from './common.ts';

/** A chat conversation's own reference, needed to write there unasked (Microsoft's ConversationReference). */
export const Conversation = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  place: Place,
  reference: z.record(z.string(), z.unknown()),
  seenAt: millis,
});
export type Conversation = z.infer<typeof Conversation>;

export const notifyEvents = ['health', 'jobs', 'approvals', 'drift', 'versions'] as const;
export type NotifyEvent = (typeof notifyEvents)[number];

/** What a conversation is told of clusters: which (as in src/core/scope.ts), of what, and how much. */
const Notify = z.object({
  clusters: z.string(),
  events: z.array(z.enum(notifyEvents)),
  level: z.enum(['changes', 'problems', 'none']),
  by: z.string(),
  byName: z.string(),
  /** Nothing that was before this is told. */
  since: millis,
});
export type Notify = z.infer<typeof Notify>;

const Digest = z.object({
  /** 0 is Sunday; absent: every day. */
  weekday: z.number().int().min(0).max(6).optional(),
  /** Of the day, on the clocks of the zone. */
  minute: z.number().int().min(0).max(1_439),
  /** A zone of the IANA database. */
  zone: z.string(),
  clusters: z.string(),
  by: z.string(),
  byName: z.string(),
  dueAt: millis,
  /** The last one: what has changed since is told in the next. */
  last: z.object({ at: millis, counts: z.record(z.string(), z.number()) }).optional(),
});
export type Digest = z.infer<typeof Digest>;

/** What a conversation is set to; its id is a hash of where it is. Threads share their channel's. */
export const Channel = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  place: Place,
  /** The cluster that is looked at when none is named. */
  cluster: id.optional(),
  /** What of its clusters is told there unasked. */
  notify: Notify.optional(),
  /** When the fleet is summed up there. */
  digest: Digest.optional(),
  /** A digest that is being posted: saved before it is, so that it comes once. */
  posting: z
    .object({
      key: z.string(),
      /** When it was due, or asked for. */
      due: millis,
      asked: z.boolean(),
      clusters: z.string(),
      by: z.string(),
      byName: z.string(),
      attempts: z.number().int().nonnegative(),
      retryAt: millis.optional(),
    })
    .optional(),
});
export type Channel = z.infer<typeof Channel>;

/** What was told in a conversation of one cluster; its id is `<channel>.<cluster>`. */
export const Watch = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  channel: id,
  cluster: id,
  clusterName: z.string(),
  place: Place,
  /** The health that was told, or was there before anything was. */
  health: z.string().optional(),
  /** How often the verdict had changed by then. */
  changes: z.number().int().nonnegative(),
  version: z.string().optional(),
  /** Hash of the drift that was told. */
  drift: z.string().optional(),
  /** When its state changed lately, newest last. */
  lately: z.array(millis),
  /** It changes to and fro, which was told once. */
  flapping: z.object({ since: millis, changes: z.number().int() }).optional(),
  /** Ends of jobs and decisions that were told, newest last. */
  told: z.array(z.string()),
  /** The first message of each day, newest last: later ones go below it. */
  roots: z.array(
    z.object({
      day: z.string(),
      ref: z.object({ conversation: z.string(), id: z.string(), thread: z.string().optional() }),
    }),
  ),
  /** What is being said at the moment: it is looked for when no answer came. */
  sending: z
    .object({
      key: z.string(),
      at: millis,
      tone: z.enum(['plain', 'good', 'busy', 'warn', 'bad']),
      title: z.string(),
      text: z.string(),
      job: id.optional(),
    })
    .optional(),
  attempts: z.number().int().nonnegative(),
  retryAt: millis.optional(),
  at: millis,
});
export type Watch = z.infer<typeof Watch>;

/** A picture that a chat fetches by a link nobody can guess: its id. */
export const StoredPicture = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  picture: z.object({
    kind: z.enum(['stacks', 'use', 'tree']),
    title: z.string(),
    alt: z.string(),
    series: z.array(z.object({ name: z.string(), tone: z.enum(['plain', 'good', 'busy', 'warn', 'bad']) })),
    rows: z.array(
      z.object({
        label: z.string(),
        values: z.array(z.number()),
        note: z.string().optional(),
        depth: z.number().int().optional(),
        cells: z.array(z.object({ text: z.string(), series: z.number().int() })).optional(),
      }),
    ),
    note: z.string().optional(),
  }),
  expiresAt: millis,
});

/** A delivered event that had an effect; the same event again is answered from here. */
export const Delivery = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  at: millis,
  who: z.string(),
  command: z.string(),
  job: id.optional(),
  /** One sentence on what it did. */
  effect: z.string(),
});
export type Delivery = z.infer<typeof Delivery>;

/** How far the thread below a live message tells what happened. */
const Told = z.object({
  /** State of each step, by its first letters, as it was last told. */
  steps: z.string(),
  lines: z.number().int().nonnegative(),
  /** A row of retries that was told of, and is not over. */
  tries: z.object({ since: millis, attempts: z.number().int(), why: z.string() }).optional(),
  /** Of a failure: what was said of it; `all` as well when nothing more can be said there. */
  end: z.enum(['words', 'all']).optional(),
});

/** The same, and what is being said at the moment: it is looked for when no answer came. */
const Thread = Told.extend({ pending: z.object({ key: z.string(), next: Told }).optional() });
export type Thread = z.infer<typeof Thread>;

/** One live message of KQueen's in a chat: saved before it is posted, then with where it is and what it shows. */
export const Message = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  /** What it reports: a job's progress, an approval asked of someone, a cluster's health, many jobs at once, a file to take away again, or a notice. */
  about: z.object({ kind: z.enum(['job', 'approval', 'health', 'board', 'file', 'notice']), id }),
  place: Place,
  /** Sent with the post, so that it can be looked for after an unknown answer. */
  key: z.string(),
  ref: z.object({ conversation: z.string(), id: z.string(), thread: z.string().optional() }).optional(),
  /** Hash of what it shows, apart from how time passes. */
  shown: z.string().optional(),
  editedAt: millis.optional(),
  edits: z.number().int().nonnegative(),
  /** Set when the last state has arrived. */
  closed: z.boolean(),
  pinged: z.boolean(),
  /** Somebody was pinged because the job waits for a person. */
  asked: z.boolean().optional(),
  /** What was said below it. */
  thread: Thread.optional(),
  /** Of a board: when it ended, and up to which end of a job each person was told. */
  board: z.object({ until: millis.optional(), told: z.record(z.string(), millis) }).optional(),
  /** How often in a row it could not be written, and when to try again. */
  attempts: z.number().int().nonnegative(),
  retryAt: millis.optional(),
  createdAt: millis,
});
export type Message = z.infer<typeof Message>;

/** A chat workspace that KQueen was installed in by its own people; the tokens are in the secret record of the same id. */
export const Installation = z.object({
  v: z.literal(1),
  /** `slack.<team id>`. */
  id,
  org: z.string(),
  chat: z.literal('slack'),
  workspace: z.string().min(1),
  name: z.string(),
  appId: z.string(),
  botUser: z.string(),
  scopes: z.array(z.string()),
  /** A person, as everywhere. */
  installedBy: z.string(),
  installedAt: millis,
  /** Changes with the tokens, so that every process knows when to read them again. */
  tokensVersion: z.string(),
  /** When the token ends; absent: it does not end. */
  expiresAt: millis.optional(),
});
export type Installation = z.infer<typeof Installation>;
