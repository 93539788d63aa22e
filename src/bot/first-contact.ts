/** Whether a person is spoken to for the first time: decided once, whichever replica asks first. */
import type { Clock } from '../core/ports/clock.ts';
import type { Store } from '../core/ports/store.ts';
import { deliveryId } from './effects.ts';

/** True once for each person, as long as deliveries are kept; what the chat itself remembers has to be asked besides. Throws a Fault when the store does not answer. */
export type FirstContact = (person: string) => Promise<boolean>;

export function createFirstContact(parts: { store: Store; clock: Clock; org: string }): FirstContact {
  const { store, clock, org } = parts;
  /** Spares the store a write for each opening. */
  const known = new Set<string>();
  return async (person) => {
    if (known.has(person)) return false;
    const id = deliveryId(`hello:${person}`);
    const effect = 'Was greeted.';
    const record = { v: 1 as const, id, org, at: clock.now(), who: person, command: 'home', effect };
    const done = await store.commit([{ op: 'put', ref: { kind: 'delivery', org, id }, record, if: 0 }]);
    if (known.size > 10_000) known.clear();
    known.add(person);
    return done.ok;
  };
}
