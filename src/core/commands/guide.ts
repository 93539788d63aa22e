import { z } from 'zod';
import type { Button } from '../card.ts';
import { type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { field } from '../schema.ts';
import { guideSections } from '../views/guide.ts';
import { engineCalled, toCaller } from './common.ts';

/** How to set up one kind of provider: credentials with the least rights, quotas, what is billed, what errors mean. From docs/providers. */
export const guide: Command = {
  name: 'guide',
  aliases: ['engine guide', 'engine show', 'provisioner guide'],
  summary: 'How to set up one kind of provider',
  examples: ['guide sandbox', 'guide sandbox section=2'],
  group: 'Provisioners',
  policy: 'provisioner:list',
  changes: false,
  args: z.object({
    engine: field(z.string().trim().min(1), { label: 'Engine', example: 'gke', order: 1 }),
    section: field(z.number().int().min(1).max(100).default(1), { label: 'Section', order: 2 }),
  }),
  positional: ['engine', 'section'],
  async run(context, values) {
    const engines = context.engines.all();
    const engine = engineCalled(engines, values.engine ?? '');
    if (!engine) {
      throw new Fault('not-found', `There is no engine ${values.engine} here.`, {
        field: 'engine',
        next: `There are: ${engines.map(({ name }) => name).join(', ')}.`,
      });
    }
    const sections = guideSections((await context.guide(engine)) ?? '');
    const number = Number(values.section ?? 1);
    const shown = sections[number - 1];
    if (!shown) {
      throw new Fault('not-found', `The guide for ${engine.title} has no section ${number}.`, {
        field: 'section',
        next: sections.length > 0 ? `It has ${sections.length}.` : 'It is in the documentation of KQueen.',
      });
    }
    const turn = (to: number): Button => ({
      label: (sections[to - 1]?.title ?? '').slice(0, 40),
      command: lineOf(guide, { engine: engine.name, section: String(to) }),
    });
    const others = sections.map((_, index) => index + 1).filter((each) => each !== number);
    return toCaller({
      title: number === 1 ? shown.title : `${engine.title}: ${shown.title}`,
      tone: 'plain',
      text: `Guide for ${engine.title}, section ${number} of ${sections.length}: ${shown.title}.`,
      parts: shown.parts,
      buttons: others.slice(0, 8).map(turn),
      footer: `Section ${number} of ${sections.length}. The whole guide is ${engine.docs} in the documentation.`,
    });
  },
};
