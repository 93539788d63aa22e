/** What is said to others in a channel is none of KQueen's: it hears it, where it is subscribed, and stays silent. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Slack, startSlack } from '../counterparts/slack/index.ts';
import { activityFrom, deliver, type Seat, say } from '../counterparts/teams/person.ts';
import { type Account, startTeamsService, type TeamsService } from '../counterparts/teams/service.ts';
import { eventually } from '../servers.ts';
import { startTestKQueen, type TestKQueen } from '../story/kqueen.ts';

const appId = '11111111-1111-1111-1111-111111111111';
const tenantId = '22222222-2222-2222-2222-222222222222';
const bot: Account = { id: `28:${appId}`, name: 'KQueen' };
const ada: Account = {
  id: '29:ada',
  name: 'Ada',
  aadObjectId: 'aaaaaaaa-0000-0000-0000-000000000001',
  userRole: 'user',
};

// The peer answered every message in every channel it could read.
describe('D12 messages that are not for us stay unanswered', () => {
  let slack: Slack;
  let service: TeamsService;
  let kqueen: TestKQueen;

  beforeAll(async () => {
    slack = await startSlack({
      signingSecret: 'silence-signing-secret',
      botToken: 'xoxb-silence',
      team: 'T1',
      users: [{ id: 'U1', name: 'ada' }],
      channels: [{ id: 'C1', name: 'clusters' }],
      events: ['app_mention', 'message.im', 'message.channels'],
    });
    service = await startTeamsService({
      appId,
      secret: 'silence-app-password',
      tenantId,
      authenticated: true,
      limits: false,
    });
    service.rosters.set('19:channel', [ada, bot]);
    kqueen = await startTestKQueen({
      sandbox: { on: false, speed: 1, port: 0 },
      slack: { botToken: 'xoxb-silence', signingSecret: 'silence-signing-secret', apiUrl: slack.apiUrl },
      teams: {
        appId,
        appPassword: 'silence-app-password',
        tenantId,
        appType: 'SingleTenant',
        development: false,
        endpoints: service.endpoints,
      },
    });
    slack.deliverTo(`${kqueen.url}/slack/events`);
  });
  afterAll(async () => {
    await kqueen?.end();
    await Promise.all([slack?.close(), service?.stop()]);
  });

  const chatter = [
    'good morning',
    'clusters',
    'cluster delete dev-1',
    'help',
    'did kqueen break again?',
    'approve k3f9x2ab',
  ];

  it('in a channel of Slack, whatever they say', async () => {
    for (const text of chatter) {
      await slack.user('U1').say('C1', text);
      await slack.user('U1').say('C1', text, { thread: slack.messages('C1')[0]?.ts ?? '' });
    }
    // What is for us is answered: that it was heard before the others is not the reason.
    await slack.user('U1').mention('C1', 'whoami');
    await slack.until(
      () => [...slack.messages('C1'), ...slack.ephemeral('C1', 'U1')].some((each) => each.byApp),
      5_000,
      'the answer to a mention',
    );
    const ours = slack.everything('C1').filter(({ byApp }) => byApp);
    expect(ours).toHaveLength(1);
    expect(slack.messages(slack.user('U1').dm).filter(({ byApp }) => byApp)).toEqual([]);
  });

  it('in a channel of Teams, whatever they say', async () => {
    const seat: Seat = {
      botUrl: `${kqueen.url}/api/messages`,
      service,
      bot,
      person: ada,
      tenantId,
      conversation: { id: '19:channel', conversationType: 'channel' },
    };
    // Teams delivers what does not mention the bot where the app may read a channel's messages.
    for (const text of chatter) await deliver(seat, activityFrom(seat, { text }));
    await say(seat, 'whoami');
    await eventually('the answer to a mention', () => service.messages.length > 0);
    expect(service.messages.map(({ conversation }) => conversation)).toEqual(['19:channel']);
  });
});
