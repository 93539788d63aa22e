/** What records of every kind are made of. */
import { z } from 'zod';

/** Epoch milliseconds, or a span of them. */
export const millis = z.number().int().nonnegative();

/** Names a record within its kind. */
export const id = z.string().min(1).max(200);

/** Where something was said: a conversation in a chat workspace. */
export const Place = z.object({
  chat: z.enum(['slack', 'teams', 'terminal']),
  /** Slack team id, Microsoft tenant id, or `local`. */
  workspace: z.string().min(1),
  conversation: z.string().min(1),
  /** The message the answer belongs under, when it was said in a thread. */
  thread: z.string().optional(),
});
export type Place = z.infer<typeof Place>;
