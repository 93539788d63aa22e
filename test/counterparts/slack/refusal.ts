/** A refusal of the Web API: `{ ok: false, error, … }`, sent with HTTP 200 as Slack does. */
import type { Json } from './types.ts';

export class Refusal extends Error {
  readonly code: string;
  readonly extra: Json;
  /** True when the app broke a documented rule, rather than met a fact of the workspace. */
  readonly blame: boolean;

  constructor(code: string, blame: boolean, complaints: string[] = []) {
    super(complaints.length > 0 ? `${code}: ${complaints.join('; ')}` : code);
    this.code = code;
    this.blame = blame;
    this.extra =
      complaints.length > 0
        ? { errors: complaints, response_metadata: { messages: complaints.map((each) => `[ERROR] ${each}`) } }
        : {};
  }
}

/** The app broke a rule; counted as a violation. */
export function wrong(code: string, complaints: string[] = []): Refusal {
  return new Refusal(code, true, complaints);
}

/** The workspace is not as the app hoped (archived, gone, changed meanwhile); no violation. */
export function unlucky(code: string): Refusal {
  return new Refusal(code, false);
}
