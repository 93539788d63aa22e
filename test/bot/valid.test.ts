import { describe, expect, it } from 'vitest';
import { renderForm as renderModal } from '../../src/bot/slack/form.ts';
import { renderCard as renderSlack } from '../../src/bot/slack/render.ts';
import { renderForm } from '../../src/bot/teams/form.ts';
import { renderCard as renderTeams } from '../../src/bot/teams/render.ts';
import { cardSamples, formSamples } from './samples.ts';
import { blockFaults, metadataFaults, viewStructureFaults } from './valid-blocks.ts';
import { cardFaults } from './valid-card.ts';

const place = { chat: 'slack', workspace: 'T1', conversation: 'D1' } as const;
const section = { type: 'section', text: { type: 'mrkdwn', text: 'Hello' } };

describe('blocks and views by the types of @slack/types', () => {
  it.each<[string, unknown, RegExp]>([
    ['an unknown block', { type: 'carpet' }, /\/blocks\/0: no block of type carpet/],
    ['an unknown property', { ...section, colour: 'red' }, /\/blocks\/0: must NOT have additional properties .*colour/],
    ['a missing text', { type: 'header' }, /\/blocks\/0: must have required property .*text/],
    [
      'a wrong type deep inside',
      { type: 'actions', elements: [{ type: 'button', action_id: 'a', text: 'Go' }] },
      /\/blocks\/0\/elements\/0/,
    ],
    [
      'a number for a text',
      { type: 'section', text: { type: 'mrkdwn', text: 7 } },
      /\/blocks\/0\/text\/text: must be string/,
    ],
  ])('%s is found, with its path', (_name, block, complaint) => {
    expect(blockFaults([block]).join('\n')).toMatch(complaint);
  });

  it('takes what Slack takes', () => {
    expect(blockFaults([section, { type: 'divider' }])).toEqual([]);
    expect(metadataFaults({ event_type: 'job', event_payload: { id: 'x' } })).toEqual([]);
    expect(metadataFaults({ event_type: 'job' })).not.toEqual([]);
    expect(viewStructureFaults({ type: 'home', blocks: [section] })).toEqual([]);
    expect(viewStructureFaults({ type: 'modal', blocks: [section] }).join()).toMatch(/title/);
    expect(viewStructureFaults({ type: 'wall', blocks: [] }).join()).toMatch(/no view of type wall/);
  });

  it.each(cardSamples)('card $name', ({ card }) => {
    expect(blockFaults(renderSlack(card).blocks)).toEqual([]);
  });

  it.each(formSamples)('form $name', ({ form }) => {
    expect(viewStructureFaults(renderModal(form, place, true))).toEqual([]);
  });
});

describe('Adaptive Cards by the library of Microsoft', () => {
  const card = (more: Record<string, unknown> = {}) => ({
    type: 'AdaptiveCard',
    version: '1.5',
    fallbackText: 'x',
    body: [{ type: 'TextBlock', text: 'Hello' }],
    ...more,
  });

  it.each<[string, unknown, RegExp]>([
    ['what is no card', { type: 'Carpet' }, /no AdaptiveCard/],
    ['an unknown element', card({ body: [{ type: 'Carpet' }] }), /\/body\/0: Carpet is not known/],
    ['an unknown property', card({ body: [{ type: 'TextBlock', text: 'x', font: 'y' }] }), /\/body\/0\/font/],
    [
      'a property of a later version',
      card({ body: [{ type: 'Input.Text', id: 'x', labelPosition: 'inline' }] }),
      /labelPosition/,
    ],
    [
      'a value that is none',
      card({ body: [{ type: 'TextBlock', text: 'x', size: 'Vast' }] }),
      /adaptivecards: .*Vast/i,
    ],
    ['a card that is too large', card({ body: [{ type: 'TextBlock', text: 'x'.repeat(30_000) }] }), /bytes/],
    ['no words for clients without cards', card({ fallbackText: '' }), /fallbackText/],
    [
      'seven actions in a row',
      card({ actions: Array.from({ length: 7 }, () => ({ type: 'Action.Submit', title: 'x' })) }),
      /7 primary/,
    ],
  ])('%s is found, with its path', (_name, given, complaint) => {
    expect(cardFaults(given).join('\n')).toMatch(complaint);
  });

  it.each(cardSamples)('card $name', ({ card: sample }) => {
    expect(cardFaults(renderTeams(sample))).toEqual([]);
  });

  it.each(formSamples)('form $name', ({ form }) => {
    expect(cardFaults(renderForm(form))).toEqual([]);
  });
});
