import type { JsonObject } from './json.ts';

/** Calls of one kind: how many arrived, and how many changed something. */
type Count = { received: number; effective: number };

/** Counts what the provider API was asked, for tests that must know how often. */
export class Calls {
  #kinds = new Map<string, Count>();
  #creates = new Map<string, Count>();

  #of(map: Map<string, Count>, key: string): Count {
    const count = map.get(key) ?? { received: 0, effective: 0 };
    map.set(key, count);
    return count;
  }

  /** A call of a kind arrived, whatever becomes of it. */
  received(kind: string): void {
    this.#of(this.#kinds, kind).received += 1;
  }

  /** A call of a kind changed something. */
  effective(kind: string): void {
    this.#of(this.#kinds, kind).effective += 1;
  }

  /** A creation of this name was read; `made` when it made a cluster. */
  create(name: string, made: boolean): void {
    const count = this.#of(this.#creates, name);
    if (made) count.effective += 1;
    else count.received += 1;
  }

  /** All counts: by kind of call, and creations by name. */
  view(): JsonObject {
    return {
      calls: Object.fromEntries([...this.#kinds].map(([kind, count]) => [kind, { ...count }])),
      creates: Object.fromEntries(
        [...this.#creates].map(([name, count]) => [name, { received: count.received, made: count.effective }]),
      ),
    };
  }

  /** Begins anew. */
  reset(): void {
    this.#kinds = new Map();
    this.#creates = new Map();
  }
}
