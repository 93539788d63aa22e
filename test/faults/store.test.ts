import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Message } from '../counterparts/slack/index.ts';
import { words } from '../counterparts/slack/index.ts';
import { type CountingProxy, type ProxyMode, startGrpcProxy, startTcpProxy, type TcpProxy } from '../proxy.ts';
import { openStage, type Stage, typedSpec } from '../replicas/stage.ts';
import { eventually, lacksServer } from '../servers.ts';
import { startTestKQueen, type TestKQueen } from '../story/kqueen.ts';

describe.skipIf(lacksServer('etcd', 'redis-server'))('the store fails while people command', () => {
  let stage: Stage;
  let kqueen: TestKQueen;
  let network: TcpProxy;
  let requests: CountingProxy;

  beforeAll(async () => {
    stage = await openStage();
    requests = await startGrpcProxy(stage.etcd.url);
    network = await startTcpProxy({ port: requests.port });
    const settings = stage.settings();
    const store = { prefix: '/kqueen', ...settings.store, etcd: { hosts: [`http://127.0.0.1:${network.port}`] } };
    kqueen = await startTestKQueen({ ...settings, store });
    stage.slack.deliverTo(`${kqueen.url}/slack/events`);
    // The person and the provider's choices are known from before.
    await (await ask('before-1')).hears(/Asked for cluster/);
  }, 60_000);
  afterAll(async () => {
    await network?.setMode('pass');
    await kqueen?.end();
    await network?.close();
    await requests?.close();
    await stage?.close();
  });

  /** What U1 reads that is meant for them alone. */
  const read = (): Message[] => [
    ...stage.slack.ephemeral('C1', 'U1'),
    ...stage.slack.messages(stage.slack.user('U1').dm).filter(({ byApp }) => byApp),
  ];
  /** A command, its answer within Slack's time, and everything that the person reads because of it later. */
  async function ask(name: string) {
    const before = new Set(read().map(({ ts }) => ts));
    const line = `cluster create ${name} ${typedSpec}`;
    const { status, ms } = await stage.slack.user('U1').command('/kqueen', line, { channel: 'C1' });
    expect(status).toBe(200);
    expect(ms).toBeLessThan(3_000);
    const heard = () =>
      read()
        .filter(({ ts }) => !before.has(ts))
        .map(words);
    const hears = (pattern: RegExp) =>
      eventually(`an answer like ${pattern}`, () => heard().find((each) => pattern.test(each)), { timeoutMs: 20_000 });
    return { heard, hears };
  }
  const counted = async (name: string) => ({
    clusters: (await stage.all('cluster')).filter((each) => each.name === name).length,
    jobs: (await stage.all('job')).filter((each) => each.clusterName === name).length,
    asked: (await stage.all('audit')).filter((each) => each.subject === name && each.outcome === 'requested').length,
  });
  const once = { clusters: 1, jobs: 1, asked: 1 };
  const none = { clusters: 0, jobs: 0, asked: 0 };
  const taken = /Asked for cluster|It was recorded/;
  const refused = /The store does not answer|It was not recorded/;
  /** The store is in reach again and commands work. */
  const healed = () =>
    eventually('a ready KQueen', async () => Object.keys(await kqueen.notReady()).length === 0, { timeoutMs: 15_000 });

  it.each([
    { when: 'before' as const, told: /It was not recorded/, count: none },
    { when: 'after' as const, told: /It was recorded.*is asked for/s, count: once },
  ])(
    'an answer lost $when the change: not confirmed, then told by itself how it stands',
    async (each) => {
      const { when, told, count } = each;
      // A transaction of another part may lose the connection first; then the command is refused, and nothing is done.
      for (let attempt = 1; ; attempt += 1) {
        const name = `s-${when}-${attempt}`;
        requests.setHooks({ [when]: ({ path }: { path: string }) => (path.endsWith('/Txn') ? 'cut' : undefined) });
        const asked = await ask(name);
        const answer = await asked.hears(/Not confirmed|The store does not answer/);
        requests.setHooks({});
        await healed();
        if (/Not confirmed/.test(answer)) {
          await asked.hears(told);
          expect(await counted(name)).toEqual(count);
          return;
        }
        expect(await counted(name)).toEqual(none);
        expect(attempt).toBeLessThan(8);
      }
    },
    60_000,
  );

  it.each<{ mode: ProxyMode; name: string }>([
    { mode: 'refuse', name: 'down' },
    { mode: 'hang', name: 'hanging' },
    { mode: 'half-open', name: 'half-open' },
  ])(
    '$name: an answer within 3 s, the person is told that it was refused, and it works again afterwards',
    async ({ mode, name }) => {
      await network.setMode(mode);
      if (mode === 'refuse') network.cut();
      const asked = await ask(`s-${name}`);
      await asked.hears(refused);
      // Lists are shown from memory, and soon say how old they are.
      const list = async () => {
        const { ms, ack } = await stage.slack.user('U1').command('/kqueen', 'clusters', { channel: 'C1' });
        expect(ms).toBeLessThan(3_000);
        return /before-1.*has lost touch with its store/.test(JSON.stringify(ack));
      };
      await eventually('a list that says so', list, { everyMs: 200 });

      await network.setMode('pass');
      await healed();
      expect(await counted(`s-${name}`)).toEqual(none);
      await (await ask(`s-${name}`)).hears(/Asked for cluster/);
      expect(await counted(`s-${name}`)).toEqual(once);
    },
    60_000,
  );

  it('slow: an answer within 3 s, and what the person is told in the end is how it stands', async () => {
    network.setDelay(250);
    const asked = await ask('s-slow');
    const answer = await asked.hears(new RegExp(`${taken.source}|${refused.source}`));
    network.setDelay(0);
    await healed();
    expect(await counted('s-slow')).toEqual(taken.test(answer) ? once : none);
    expect(asked.heard().filter((each) => taken.test(each) || refused.test(each))).toHaveLength(1);
  }, 60_000);

  it('afterwards every request has one live message and one request to each admin, and no rule was broken', async () => {
    for (const { clusterName } of await stage.all('job')) {
      const pattern = new RegExp(`Create cluster ${clusterName}:`);
      await stage.slack.until(() => stage.shown('C1', pattern)[0], 30_000, `the message of ${clusterName}`);
      expect(stage.shown('C1', pattern)).toHaveLength(1);
      const dm = stage.slack.user('U2').dm;
      await stage.slack.until(() => stage.shown(dm, pattern)[0], 30_000, `the request about ${clusterName}`);
      expect(stage.shown(dm, pattern)).toHaveLength(1);
    }
    expect(stage.slack.violations).toEqual([]);
    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  }, 60_000);
});
