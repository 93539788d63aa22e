/** What every part of the loopback Slack shares: the workspace, the tickets, the faults and the record of calls. */
import { Faults } from './faults.ts';
import { Rates } from './rates.ts';
import type { Registration } from './registration.ts';
import { ResponseUrls, Triggers } from './tickets.ts';
import type { Call, Clock, Delivery, Message, SlackOptions } from './types.ts';
import { Views } from './views.ts';
import { World } from './world.ts';

export const APP_ID = 'A0KQUEEN';
export const BOT_ID = 'B0KQUEEN';
export const BOT_USER = 'U0KQUEEN';
/** The deprecated verification token, still sent in every payload. */
export const VERIFICATION_TOKEN = 'deprecated-verification-token';

export class Core {
  readonly options: SlackOptions;
  readonly clock: Clock;
  readonly team: string;
  readonly world: World;
  readonly views: Views;
  readonly triggers: Triggers;
  readonly responseUrls: ResponseUrls;
  readonly rates: Rates;
  readonly faults = new Faults();
  readonly calls: Call[] = [];
  readonly deliveries: Delivery[] = [];
  /** `http://127.0.0.1:port`, known once the server listens. */
  origin = '';
  /** Tokens that were good once, each with the word that calls with it are refused with. */
  readonly deadTokens = new Map<string, string>();
  /** The app as Slack knows it, where it is installed by OAuth. */
  registration: Registration | undefined;
  /** Messages whose links may be unfurled, by unfurl_id. */
  readonly unfurls = new Map<string, Message>();
  /** One-time tickets for WebSocket connections. */
  readonly tickets = new Set<string>();

  constructor(options: SlackOptions) {
    this.options = options;
    this.clock = options.clock ?? { now: () => Date.now() };
    this.team = options.team ?? 'T1';
    this.world = new World(this.clock, this.team, BOT_USER, options.users, options.channels);
    this.world.fileSettleMs = options.fileSettleMs ?? 0;
    this.views = new Views(this.world);
    this.triggers = new Triggers(this.clock);
    this.responseUrls = new ResponseUrls(this.clock);
    this.rates = new Rates(this.clock, options.postBurst ?? 5);
  }
}
