/** What one event of Slack's goes through: the one `handle`, within the time that Slack waits, and back without falling over Slack's own refusals. */
import { asFault, Fault } from '../../core/errors.ts';
import { PlaceGone } from '../../core/ports/chat.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Handle, Inbound, Outbound } from '../inbound.ts';

/** Sends the acknowledgement; rejects when the connection it belongs to is gone. */
export type Ack<Body> = (body?: Body) => Promise<void>;

export interface Turn {
  /** Never throws. */
  handled(inbound: Inbound): Promise<Outbound[]>;
  /** The value, or null when it is not there after `ms`. */
  within<T>(work: Promise<T>, ms: number): Promise<T | null>;
  /** Slack's own refusals as false; what is ours to mend is thrown on. */
  succeeds(work: () => Promise<unknown>, what: string): Promise<boolean>;
  /** False when the acknowledgement did not arrive. */
  acked<Body>(ack: Ack<Body>, body?: Body): Promise<boolean>;
}

/** Slack gives up on an acknowledgement after 3 s; the rest is for the way there and back. */
export const ackMs = 2_200;

const failedCard = {
  title: 'Something went wrong',
  tone: 'bad' as const,
  text: 'Something went wrong inside KQueen; it is in its log. Please look whether it was done before you repeat it.',
  parts: [],
  buttons: [],
};

export function createTurn({ handle, clock, log }: { handle: Handle; clock: Clock; log: Log }): Turn {
  return {
    async handled(inbound) {
      try {
        const outbounds = await handle(inbound);
        // The live message that says the same follows at once; only a slash command has an acknowledgement to fill.
        return outbounds.filter(
          ({ receipt, replaces }) => receipt !== true || replaces === true || inbound.source === 'command',
        );
      } catch (error) {
        log.error({ detail: asFault(error).detail, source: inbound.source }, 'an event could not be handled');
        return [{ audience: 'caller', card: failedCard }];
      }
    },
    async within(work, ms) {
      const timer = new AbortController();
      const late = clock.sleep(Math.max(0, ms), timer.signal).then(
        () => null,
        () => null,
      );
      const first = await Promise.race([work, late]);
      timer.abort();
      return first;
    },
    async succeeds(work, what) {
      try {
        await work();
        return true;
      } catch (error) {
        if (!(error instanceof Fault || error instanceof PlaceGone)) throw error;
        log.warn({ error: error.message, detail: error instanceof Fault ? error.detail : undefined }, what);
        return false;
      }
    },
    async acked(ack, body) {
      try {
        await (body === undefined ? ack() : ack(body));
        return true;
      } catch (error) {
        log.warn({ error: String(error) }, 'an acknowledgement did not reach Slack');
        return false;
      }
    },
  };
}
