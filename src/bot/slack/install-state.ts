/**
 * The `state` of an installation: signed, so that showing the page writes nothing; good for ten minutes; and good once, which the store remembers for
 * as long as it could still be shown. That it comes back to the browser it was given to is seen by the cookie that InstallProvider sets.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { InstallURLOptions, StateStore } from '@slack/bolt';
import type { Clock, NewId } from '../../core/ports/clock.ts';
import type { Store } from '../../core/ports/store.ts';

/** How long a person has for Slack's page, in milliseconds. */
export const stateLifeMs = 600_000;

export interface StateOptions {
  /** Signs; the same in every process. */
  clientSecret: string;
  store: Store;
  org: string;
  clock: Clock;
  newId: NewId;
  /** What every installation asks for. */
  asks: InstallURLOptions;
}

/** The code by which the callback's failure knows a bad state (@slack/oauth, errors.ts). */
export const invalidState = 'slack_oauth_invalid_state';

function refused(message: string): Error {
  return Object.assign(new Error(message), { code: invalidState });
}

export function createStateStore({ clientSecret, store, org, clock, newId, asks }: StateOptions): StateStore {
  const key = createHash('sha256').update('kqueen slack install state\0').update(clientSecret).digest();
  const sign = (text: string) => createHmac('sha256', key).update(text).digest('base64url');

  /** Whether this is the first time. */
  async function burn(nonce: string): Promise<boolean> {
    const id = `slack-install.${createHash('sha256').update(nonce).digest('hex')}`;
    const lease = await store.lease(stateLifeMs);
    const record = { v: 1 as const, id, org, holder: newId(12), fence: lease.id };
    const done = await store.commit([{ op: 'put', ref: { kind: 'claim', org, id }, record, if: 0, lease: lease.id }]);
    if (!done.ok) await lease.revoke();
    return done.ok;
  }

  return {
    async generateStateParam() {
      const text = `${randomBytes(24).toString('base64url')}.${clock.now().toString(36)}`;
      return `${text}.${sign(text)}`;
    },
    async verifyStateParam(_now, state) {
      const [nonce = '', madeAt = '', signature = '', ...rest] = state.split('.');
      const wanted = Buffer.from(sign(`${nonce}.${madeAt}`));
      const given = Buffer.from(signature);
      if (rest.length > 0 || given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
        throw refused('The state was not made here.');
      }
      const age = clock.now() - Number.parseInt(madeAt, 36);
      // Clocks of two replicas may differ by some seconds.
      if (!(age > -60_000 && age <= stateLifeMs)) throw refused('The state has expired.');
      if (!(await burn(nonce))) throw refused('The state was used before.');
      return asks;
    },
  };
}
