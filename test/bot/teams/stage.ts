/** A bot on loopback between Microsoft's side and people, for the tests of the Teams adapter. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Inbound, Outbound } from '../../../src/bot/inbound.ts';
import type { Teams, TeamsOptions } from '../../../src/bot/teams/adapter.ts';
import { openTeams } from '../../../src/bot/teams/adapter.ts';
import type { StoredConversation } from '../../../src/bot/teams/conversations.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import { silentLog as quiet } from '../../../src/core/ports/log.ts';
import type { Seat } from '../../counterparts/teams/person.ts';
import type { Account, TeamsService } from '../../counterparts/teams/service.ts';
import { startTeamsService } from '../../counterparts/teams/service.ts';

const appId = '11111111-1111-1111-1111-111111111111';
export const tenantId = '22222222-2222-2222-2222-222222222222';
export const secret = 'canary-app-password';

export { quiet };

export const realClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    }),
};

export const ada: Account = {
  id: '29:ada',
  name: 'Ada Lovelace',
  aadObjectId: 'aaaaaaaa-0000-0000-0000-000000000001',
  userRole: 'user',
};
export const guest: Account = {
  id: '29:guest',
  name: 'Gus',
  aadObjectId: 'aaaaaaaa-0000-0000-0000-000000000002',
  userRole: 'guest',
};
export const extern: Account = {
  id: '29:extern',
  name: 'Eve',
  aadObjectId: 'aaaaaaaa-0000-0000-0000-000000000003',
  userPrincipalName: 'eve_other.example#EXT#@kqueen.example',
};
export const bot: Account = { id: `28:${appId}`, name: 'KQueen' };
export const adaId = `teams:${tenantId}:${ada.aadObjectId}`;
export const personalChat = 'a:personal-29:ada';
export const channel = '19:channel@thread.tacv2';

export interface Stage {
  service: TeamsService;
  teams: Teams;
  /** Everything that reached the bot's dispatch. */
  heard: Inbound[];
  /** What dispatch answers; replaced by each test. */
  script: (inbound: Inbound) => Outbound[] | Promise<Outbound[]>;
  stored: Map<string, StoredConversation>;
  outcomes: string[];
  logged: string[];
  botUrl: string;
  personal(person?: Account): Seat;
  inChannel(person?: Account): Seat;
  /** The bot once more, as another replica: same store, nothing in memory. */
  another(more?: Partial<TeamsOptions>): Promise<Teams>;
  /** Runs `deed` against another bot, from the personal chat. */
  serve<T>(teams: Teams, deed: (seat: Seat) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

export async function openStage(
  more: Partial<TeamsOptions> = {},
  serviceOptions: { limits?: boolean; authenticated?: boolean } = {},
): Promise<Stage> {
  const service = await startTeamsService({ appId, secret, tenantId, authenticated: true, ...serviceOptions });
  service.rosters.set(personalChat, [ada, bot]);
  service.rosters.set(channel, [ada, guest, extern, bot]);
  const stored = new Map<string, StoredConversation>();
  const logged: string[] = [];
  const keepLog = (fields: Record<string, unknown>, message: string) => {
    logged.push(
      `${message} ${JSON.stringify(fields, (_key, value) => (value instanceof Error ? String(value) : value))}`,
    );
  };
  const options: TeamsOptions = {
    appId,
    appPassword: secret,
    tenantId,
    appType: 'SingleTenant',
    development: false,
    endpoints: service.endpoints,
    clock: realClock,
    log: { ...quiet, info: keepLog, warn: keepLog, error: keepLog },
    timeoutMs: 2_000,
    async saveConversation(each) {
      stored.set(each.id, structuredClone(each));
    },
    loadConversation: async (id) => stored.get(id) ?? null,
    async handle(inbound) {
      stage.heard.push(inbound);
      return stage.script(inbound);
    },
    onCall: (call, outcome) => stage.outcomes.push(`${call} ${outcome}`),
    ...more,
  };
  const teams = await openTeams(options);
  const listening = async (each: Teams) => {
    const server = createServer((request, response) => each.requestListener(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    const close = async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    };
    return { url: `http://127.0.0.1:${address.port}/api/messages`, close };
  };
  const { url: botUrl, close } = await listening(teams);
  const seat = (person: Account, id: string, conversationType: 'personal' | 'channel'): Seat => ({
    botUrl,
    service,
    bot,
    person,
    tenantId,
    conversation: { id, conversationType },
  });
  const stage: Stage = {
    service,
    teams,
    heard: [],
    script: () => [],
    stored,
    outcomes: [],
    logged,
    botUrl,
    personal: (person = ada) => seat(person, `a:personal-${person.id}`, 'personal'),
    inChannel: (person = ada) => seat(person, `${channel};messageid=1699999999999`, 'channel'),
    another: (changed = {}) => openTeams({ ...options, ...changed }),
    async serve(each, deed) {
      const other = await listening(each);
      try {
        return await deed({ ...stage.personal(), botUrl: other.url });
      } finally {
        await each.stop(2_000);
        await other.close();
      }
    },
    async stop() {
      await teams.stop(2_000);
      await close();
      await service.stop();
    },
  };
  return stage;
}
