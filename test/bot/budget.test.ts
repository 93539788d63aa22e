import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBudget } from '../../src/bot/budget.ts';
import { liveAllowances } from '../../src/bot/teams/rates.ts';
import type { ChatLimits } from '../../src/core/ports/chat.ts';
import { handClock } from '../store/clocks.ts';

const slack: ChatLimits = {
  editEveryMs: 3_000,
  editsPerMinute: 40,
  postsPerMinute: 200,
  conversation: { allowances: [{ most: 1, ms: 1_000 }], editsCount: false },
};
const teams: ChatLimits = { ...slack, conversation: { allowances: liveAllowances, editsCount: true } };

describe('the budget of calls', () => {
  test('never lets more through in any window than the chat bears, whatever is asked when', async () => {
    const asks = fc.array(
      fc.record({
        after: fc.integer({ min: 0, max: 2_000 }),
        call: fc.constantFrom('edit' as const, 'post' as const),
        conversation: fc.constantFrom('C1', 'C2'),
        share: fc.constantFrom(0.8, 1),
      }),
      { maxLength: 300 },
    );
    await fc.assert(
      fc.asyncProperty(asks, fc.constantFrom(slack, teams), async (all, limits) => {
        const clock = handClock();
        const budget = createBudget(clock, limits);
        const made: { at: number; call: string; conversation: string }[] = [];
        for (const { after, call, conversation, share } of all) {
          await clock.advance(after);
          if (budget.wait(call, conversation, share) > 0) continue;
          budget.take(call, conversation);
          made.push({ at: clock.now(), call, conversation });
        }
        const within = (ms: number, which: (each: (typeof made)[number]) => boolean) => {
          const at = made.filter(which).map((each) => each.at);
          return Math.max(0, ...at.map((from) => at.filter((each) => each >= from && each <= from + ms).length));
        };
        expect(within(60_000, ({ call }) => call === 'edit')).toBeLessThanOrEqual(limits.editsPerMinute);
        for (const { most, ms } of limits.conversation.allowances) {
          const counts = ({ call, conversation }: (typeof made)[number]) =>
            conversation === 'C1' && (call === 'post' || limits.conversation.editsCount);
          expect(within(ms, counts)).toBeLessThanOrEqual(most);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('what can wait leaves room for what cannot', () => {
    const budget = createBudget(handClock(), slack);
    for (let call = 0; call < 32; call += 1) {
      expect(budget.wait('edit', 'C1', 0.8)).toBe(0);
      budget.take('edit', 'C1');
    }
    expect(budget.wait('edit', 'C1', 0.8)).toBeGreaterThan(59_000);
    expect(budget.wait('edit', 'C1')).toBe(0);
  });

  test('a 429 closes what it is about: all edits of a workspace in Slack, one conversation in Teams', () => {
    const ofSlack = createBudget(handClock(), slack);
    ofSlack.close('edit', 'C1', 30_000);
    expect(ofSlack.wait('edit', 'C2')).toBe(30_000);
    expect(ofSlack.wait('post', 'C1')).toBe(0);
    ofSlack.close('post', 'C1', 5_000);
    expect(ofSlack.wait('post', 'C1')).toBe(5_000);
    expect(ofSlack.wait('post', 'C2')).toBe(0);
    const ofTeams = createBudget(handClock(), teams);
    ofTeams.close('edit', 'C1', 9_000);
    expect(ofTeams.wait('post', 'C1')).toBe(9_000);
    expect(ofTeams.wait('edit', 'C2')).toBe(0);
  });

  test('what another process has just spent is spent', async () => {
    const clock = handClock();
    const budget = createBudget(clock, slack);
    for (let call = 0; call < 40; call += 1) budget.made('edit', 'C1', clock.now() - 30_000);
    expect(budget.wait('edit', 'C1')).toBeGreaterThan(29_000);
    await clock.advance(33_000);
    expect(budget.wait('edit', 'C1')).toBe(0);
  });
});
