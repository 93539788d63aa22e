import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FaultName, faults, type OperationName, type Rule, rules } from './rules.ts';

/** What came of an engine's run: `ok`, or the reason why it does not apply. Kept in test/engines/matrix, from which docs/engines.md is written. */
export interface Matrix {
  rules: Partial<Record<Rule, string>>;
  faults: Partial<Record<FaultName, Record<OperationName, string>>>;
}

function fileOf(engine: string): string {
  return fileURLToPath(new URL(`matrix/${engine}.json`, import.meta.url));
}

/**
 * Compares a run with the matrix that is kept. Null when they are the same, `incomplete` when something was not run or did not pass, else what is
 * wrong, for people. With UPDATE_MATRIX=1 a complete run is kept instead.
 */
export function checkMatrix(engine: string, run: Matrix): string | 'incomplete' | null {
  const whole =
    Object.keys(rules).every((id) => run.rules[id as Rule] !== undefined) &&
    Object.keys(faults).every((id) => run.faults[id as FaultName] !== undefined);
  if (!whole) return 'incomplete';
  const text = `${JSON.stringify(inOrder(run), null, 2)}\n`;
  const file = fileOf(engine);
  if (process.env.UPDATE_MATRIX === '1') {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return null;
  }
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return null;
  return `test/engines/matrix/${engine}.json is not what this run shows. UPDATE_MATRIX=1 keeps the run; then npm run docs.`;
}

/** The same in the order of the lists, so that equal runs give equal texts. */
function inOrder(run: Matrix): Matrix {
  return {
    rules: Object.fromEntries(Object.keys(rules).map((id) => [id, run.rules[id as Rule]])),
    faults: Object.fromEntries(Object.keys(faults).map((id) => [id, run.faults[id as FaultName]])),
  };
}
