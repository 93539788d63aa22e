import { z } from 'zod';
import { plainCard } from '../card.ts';
import { type Command, type Context, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { hashOf } from '../plan.ts';
import type { Stored } from '../ports/store.ts';
import { roles } from '../records.ts';
import { field } from '../schema.ts';
import { ago, count } from '../words.ts';
import { movedFault, repeatAnswer, toCaller, toPlace } from './common.ts';

const perPage = 20;

/** The people KQueen has met, with their roles. */
export const people: Command = {
  name: 'people',
  aliases: ['person list'],
  summary: 'Who is known here, and with which role',
  examples: ['people'],
  group: 'KQueen',
  policy: 'person:list',
  changes: false,
  args: z.object({ page: field(z.number().int().min(1).max(10_000).default(1), { label: 'Page', order: 1 }) }),
  positional: ['page'],
  async run(context, values) {
    const { cache, caller, now } = context;
    const page = Number(values.page ?? 1);
    const rows = cache.query('person', caller.org, { offset: (page - 1) * perPage, limit: perPage });
    if (rows.total === 0) return toCaller(plainCard('People', 'Nobody has changed anything here yet.'));
    const pages = Math.ceil(rows.total / perPage);
    const turn = (to: number, label: string) => ({ label, command: lineOf(people, { page: String(to) }) });
    return toCaller({
      title: `${count(rows.total, 'person', 'people')}${pages > 1 ? `, page ${page} of ${pages}` : ''}`,
      tone: 'plain',
      text: rows.items.map(({ name, role }) => `${name}: ${role}`).join(', '),
      parts: [
        {
          part: 'table',
          columns: ['Name', 'Role', 'Seen', 'Id'],
          rows: rows.items.map((each) => [each.name, each.role, ago(now - each.seenAt), each.id]),
        },
      ],
      buttons: [
        ...(page > 1 ? [turn(page - 1, 'Previous page')] : []),
        ...(page < pages ? [turn(page + 1, 'Next page')] : []),
      ],
    });
  },
};

/** Gives a person a role. Nobody changes their own: so nobody raises themselves, and a superadmin always remains. */
export const personRole: Command = {
  name: 'person role',
  aliases: ['role set', 'role'],
  summary: 'Make somebody member, admin or superadmin',
  examples: ['person role ada admin', 'person role slack:T1:U1 member'],
  group: 'KQueen',
  policy: 'person:role',
  changes: true,
  args: z.object({
    person: field(z.string().trim().min(1), {
      label: 'Person',
      help: 'A name, or the id that whoami shows.',
      example: 'ada',
      order: 1,
    }),
    role: field(z.enum(roles), { label: 'Role', order: 2 }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['person', 'role'],
  words: { to: 'role', as: 'role' },
  async run(context, values) {
    const found = await findPerson(context, values.person ?? '');
    const before = found.record;
    const role = roles.find((each) => each === values.role) ?? 'member';
    if (before.id === context.caller.person) {
      throw new Fault('not-allowed', 'Nobody changes their own role.', { next: 'Ask another superadmin.' });
    }
    if (before.role === role) return toCaller(plainCard(before.name, `${before.name} is ${role} already.`));
    const hash = hashOf({ action: 'person.role', person: before.id, from: before.role, to: role });
    if (values.plan !== hash) {
      // Names are people's own choice, so the id is what is looked at.
      const text = 'Nothing happens until you press Change it.';
      return toCaller({
        title: `Make ${before.name} ${role}?`,
        tone: 'warn',
        text: `Make ${before.name} (${before.id}) ${role}? ${text}`,
        parts: [
          { part: 'text', text },
          {
            part: 'facts',
            facts: [
              { label: 'Person', value: before.name },
              { label: 'Id', value: before.id },
              { label: 'Role', value: `${before.role} → ${role}` },
            ],
          },
        ],
        buttons: [
          {
            label: 'Change it',
            command: lineOf(personRole, { person: before.id, role, plan: hash }),
            style: 'primary',
          },
        ],
      });
    }
    const says = `${before.name} is now ${role}, no longer ${before.role}.`;
    const done = await context.effect(
      [{ op: 'put', ref: found.ref, record: { ...before, role }, if: found.revision }],
      {
        action: 'person.role',
        outcome: 'done',
        subject: before.name,
        says,
      },
    );
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (!done.ok) throw movedFault(before.name);
    return toPlace(plainCard('Role changed', says, 'good'));
  },
};

async function findPerson(context: Context, typed: string): Promise<Stored<'person'>> {
  const { cache, caller, store } = context;
  const wanted = typed.replace(/^@/, '').toLowerCase();
  const near = cache.query('person', caller.org, {
    where: ({ id, name }) =>
      name.toLowerCase() === wanted || id.toLowerCase() === wanted || id.toLowerCase().endsWith(`:${wanted}`),
    limit: 3,
  });
  const [one] = near.items;
  const found = one && near.total === 1 ? await store.get({ kind: 'person', org: caller.org, id: one.id }) : undefined;
  if (found) return found;
  const why = near.total > 1 ? `More than one person is called ${typed}.` : `KQueen does not know ${typed}.`;
  throw new Fault('not-found', why, { field: 'person', next: 'Write people to see everybody, and use the id.' });
}
