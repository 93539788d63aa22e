import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Seat } from '../counterparts/teams/person.ts';
import { type Account, startTeamsService, type TeamsService } from '../counterparts/teams/service.ts';
import { freePort, lacksServer, startEtcd, startRedis, type TestEtcd, type TestServer } from '../servers.ts';
import { someSecretKey, startTestKQueen, type TestKQueen } from './kqueen.ts';
import { playOperating } from './operate.ts';
import { playStory, type StoryChat } from './story.ts';
import { teamsChat } from './teams-chat.ts';

const appId = '11111111-1111-1111-1111-111111111111';
const tenantId = '22222222-2222-2222-2222-222222222222';
const bot: Account = { id: `28:${appId}`, name: 'KQueen' };
const ada: Account = {
  id: '29:ada',
  name: 'Ada',
  aadObjectId: 'aaaaaaaa-0000-0000-0000-000000000001',
  userRole: 'user',
};
const grace: Account = {
  id: '29:grace',
  name: 'Grace',
  aadObjectId: 'aaaaaaaa-0000-0000-0000-000000000002',
  userRole: 'user',
};

describe.skipIf(lacksServer('etcd', 'redis-server'))('the whole story in Teams, on etcd and Redis', () => {
  let etcd: TestEtcd;
  let redis: TestServer;
  let service: TeamsService;
  let kqueen: TestKQueen;

  beforeAll(async () => {
    [etcd, redis] = await Promise.all([startEtcd(), startRedis()]);
    service = await startTeamsService({
      appId,
      secret: 'story-app-password',
      tenantId,
      authenticated: true,
      limits: true,
    });
    for (const person of [ada, grace]) service.rosters.set(`a:personal-${person.id}`, [person, bot]);
    const port = await freePort();
    kqueen = await startTestKQueen({
      store: { prefix: '/kqueen', etcd: { hosts: etcd.hosts }, secretKeys: someSecretKey() },
      redisUrl: redis.url,
      http: { host: '127.0.0.1', port },
      publicUrl: `http://127.0.0.1:${port}`,
      teams: {
        appId,
        appPassword: 'story-app-password',
        tenantId,
        appType: 'SingleTenant',
        development: false,
        endpoints: service.endpoints,
      },
      bootstrapAdmins: [`teams:${tenantId}:${grace.aadObjectId}`],
    });
  });
  afterAll(async () => {
    await kqueen?.end();
    await service?.stop();
    await Promise.all([etcd?.stop(), redis?.stop()]);
  });

  function chatOfBoth(): StoryChat {
    const seat = (person: Account): Seat => ({
      botUrl: `${kqueen.url}/api/messages`,
      service,
      bot,
      person,
      tenantId,
      conversation: { id: `a:personal-${person.id}`, conversationType: 'personal' },
    });
    return teamsChat(service, { developer: seat(ada), admin: seat(grace) });
  }

  it('ask, approve, provision, watch, use, delete', { timeout: 120_000 }, async () => {
    const chat = chatOfBoth();
    // People install the bot, or write to it once, before it can write to them.
    await chat.say('admin', 'whoami');
    await chat.sees('admin', /superadmin/);

    await playStory({ chat, kqueen });

    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
    expect(kqueen.log.lines.join('\n')).not.toContain('story-app-password');
  });

  it('deploy, back up, lose, restore, scale, drain, upgrade', { timeout: 300_000 }, async () => {
    await playOperating({ chat: chatOfBoth(), kqueen });

    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
