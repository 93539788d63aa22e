import { z } from 'zod';
import type { Command } from '../command.ts';
import { field } from '../schema.ts';
import { homeCard } from '../views/home.ts';

/** What concerns the caller, in one look. `home again` puts it in the place of the message whose button asked for it. */
export const home: Command = {
  name: 'home',
  aliases: ['dashboard', 'overview'],
  summary: 'Your clusters, what runs, what waits for you',
  examples: ['home'],
  group: 'KQueen',
  policy: 'kqueen:read',
  changes: false,
  args: z.object({
    how: field(z.enum(['new', 'again']).default('new'), {
      label: 'How',
      help: 'again: in place of the one before.',
      order: 1,
    }),
  }),
  positional: ['how'],
  async run(context, values) {
    const { cache, engines, caller, now } = context;
    const card = homeCard({ cache, engines, caller, now });
    const again = values.how === 'again' && context.message !== undefined;
    return { audience: 'caller', card, ...(again ? { replaces: true } : {}) };
  },
};
