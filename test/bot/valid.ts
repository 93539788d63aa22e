/**
 * Everything that any test makes KQueen emit is validated where it arrives: the loopback Slack and the Bot Connector of the tests hand in what
 * they find wrong. A fault fails the test during which it arrived, with the path to it.
 */

const found: string[] = [];
let expected = false;

/** For tests that play a wrong app themselves: what arrives in this file is not held against anybody. */
export function allowInvalid(): void {
  expected = true;
}

/** What was wrong with what has arrived since this was asked last. */
export function takeFaults(): string[] {
  return found.splice(0);
}

/** Hands in what was wrong with one thing that arrived; `where` says what it was. */
export function keepFaults(where: string, faults: string[]): void {
  if (!expected) found.push(...faults.map((fault) => `${where}${fault}`));
}

// The counterparts are used by programs outside the test runner as well.
if (process.env.VITEST !== undefined) {
  const { afterAll, afterEach } = await import('vitest');
  const demand = () => {
    const faults = takeFaults();
    if (faults.length > 0) throw new Error(`What was emitted is not valid:\n${faults.slice(0, 10).join('\n')}`);
  };
  afterEach(demand);
  afterAll(demand);
}
