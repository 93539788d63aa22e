import { z } from 'zod';
import { plainCard } from '../card.ts';
import type { Command } from '../command.ts';
import { formatLine } from '../line.ts';
import { atLeast } from '../policy.ts';
import { fieldsOf } from '../schema.ts';
import { ago, count } from '../words.ts';
import { toCaller } from './common.ts';

/** The configured engines of the organisation with the result of their last check. */
export const provisioners: Command = {
  name: 'provisioners',
  aliases: ['provisioner list'],
  summary: 'Where clusters can be made',
  examples: ['provisioners'],
  group: 'Provisioners',
  policy: 'provisioner:list',
  changes: false,
  args: z.object({}),
  positional: [],
  async run(context) {
    const { cache, caller, now, engines } = context;
    const rows = cache.query('provisioner', caller.org, { limit: 50 });
    const admin = atLeast(caller.role, 'admin');
    const add = admin ? [{ label: 'Add a provisioner', command: 'provisioner add', style: 'primary' as const }] : [];
    if (rows.total === 0) {
      const text = admin ? 'There is no provisioner yet; add one.' : 'There is no provisioner yet; an admin adds one.';
      return toCaller(plainCard('Provisioners', text, 'plain', add));
    }
    return toCaller({
      title: count(rows.total, 'provisioner'),
      tone: rows.items.every(({ state }) => state === 'OK') ? 'good' : 'warn',
      text: rows.items.map((each) => `${each.name}: ${each.state}`).join(', '),
      parts: [
        {
          part: 'table',
          columns: ['Provisioner', 'Engine', 'State', 'Seen', 'Says'],
          rows: rows.items.map((each) => [
            each.name,
            engines.get(each.engine)?.title ?? `${each.engine} (not allowed here)`,
            each.state,
            each.checkedAt === undefined ? 'never' : ago(now - each.checkedAt),
            each.message,
          ]),
        },
      ],
      buttons: [
        ...add,
        ...(admin
          ? rows.items.slice(0, 3).map((each) => ({
              label: `Check ${each.name}`,
              command: formatLine('provisioner check', ['provisioner'], { provisioner: each.name }),
            }))
          : []),
      ],
    });
  },
};

const able: [keyof import('../ports/engine.ts').Capabilities, string][] = [
  ['create', 'create'],
  ['delete', 'delete'],
  ['scale', 'scale'],
  ['upgrade', 'upgrade'],
  ['cancel', 'cancel half-way'],
  ['percent', 'percent of progress'],
];

/** The kinds of provider this installation can drive, and what each asks for. */
export const enginesCommand: Command = {
  name: 'engines',
  aliases: ['engine list'],
  summary: 'Kinds of provider, and what each can do',
  examples: ['engines'],
  group: 'Provisioners',
  policy: 'provisioner:list',
  changes: false,
  args: z.object({}),
  positional: [],
  async run(context) {
    const all = context.engines.all();
    return toCaller({
      title: count(all.length, 'engine'),
      tone: 'plain',
      text: all.map(({ title }) => title).join(', '),
      parts: all.flatMap((engine) => [
        {
          part: 'text' as const,
          text: `*${engine.title}* (\`${engine.name}\`)${engine.notice ? `: ${engine.notice}` : ''}`,
        },
        {
          part: 'facts' as const,
          facts: [
            {
              label: 'Can',
              value: able
                .filter(([key]) => engine.capabilities[key])
                .map(([, word]) => word)
                .join(', '),
            },
            {
              label: 'A provisioner needs',
              value: fieldsOf(engine.provisioner)
                .map(({ label, required }) => (required ? label : `${label} (optional)`))
                .join(', '),
            },
            {
              label: 'A cluster has',
              value: fieldsOf(engine.cluster)
                .map(({ label }) => label)
                .join(', '),
            },
          ],
        },
      ]),
      buttons: [],
    });
  },
};
