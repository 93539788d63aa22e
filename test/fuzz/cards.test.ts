import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderForm as renderModal } from '../../src/bot/slack/form.ts';
import { renderCard as renderSlack } from '../../src/bot/slack/render.ts';
import { renderForm as renderInputs } from '../../src/bot/teams/form.ts';
import { renderCard as renderTeams } from '../../src/bot/teams/render.ts';
import { renderFormText, renderText } from '../../src/bot/text/render.ts';
import { allowInvalid } from '../bot/valid.ts';
import { blockFaults, viewStructureFaults } from '../bot/valid-blocks.ts';
import { cardFaults } from '../bot/valid-card.ts';
import { checkMessageBlocks, checkView } from '../counterparts/slack/blocks.ts';
import { anyCard, anyForm } from './arbitraries.ts';

// Each is checked here itself, so that fast-check can make it smaller.
allowInvalid();

const place = { chat: 'slack', workspace: 'T1', conversation: 'D1' } as const;
/** What could move the cursor or hide what follows. */
const misleading = /(?!\n)[\p{Cc}\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\ufeff]/u;

describe('any card', () => {
  it('is a message that Slack takes', () => {
    fc.assert(
      fc.property(anyCard, (card) => {
        const { text, blocks } = renderSlack(card);
        expect([...checkMessageBlocks(blocks), ...blockFaults(blocks)]).toEqual([]);
        expect(text.trim()).not.toBe('');
        expect(text.length).toBeLessThanOrEqual(4_000);
      }),
      { numRuns: 120 },
    );
  });

  it('is an Adaptive Card that Teams takes', () => {
    fc.assert(
      fc.property(anyCard, (card) => void expect(cardFaults(renderTeams(card))).toEqual([])),
      { numRuns: 120 },
    );
  });

  it('is text that cannot mislead a terminal', () => {
    fc.assert(
      fc.property(anyCard, (card) => void expect(renderText(card)).not.toMatch(misleading)),
      { numRuns: 120 },
    );
  });
});

describe('any form', () => {
  it('is a modal that Slack takes', () => {
    fc.assert(
      fc.property(anyForm, (form) => {
        const view = renderModal(form, place, true);
        expect([...checkView(view, 'modal'), ...viewStructureFaults(view)]).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it('is an Adaptive Card that Teams takes', () => {
    fc.assert(
      fc.property(anyForm, (form) => void expect(cardFaults(renderInputs(form))).toEqual([])),
      { numRuns: 100 },
    );
  });

  it('is text that cannot mislead a terminal', () => {
    fc.assert(
      fc.property(anyForm, (form) => void expect(renderFormText(form)).not.toMatch(misleading)),
      { numRuns: 100 },
    );
  });
});
