import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endedStates } from '../../src/core/records.ts';
import { type Delivery, words } from '../counterparts/slack/index.ts';
import { type CountingProxy, startHttpProxy } from '../proxy.ts';
import { eventually, lacksServer } from '../servers.ts';
import { captured, openStage, type Replica, type Stage, startReplica, typedSpec } from './stage.ts';

/** One replica with its own way to Slack's Web API, so that a test sees which of them posts. */
interface Place {
  replica: Replica;
  api: CountingProxy;
}

describe.skipIf(lacksServer('etcd', 'redis-server'))('two replicas on one etcd and one Redis', () => {
  let stage: Stage;
  const places: Place[] = [];

  async function begin(): Promise<Place> {
    const api = await startHttpProxy(new URL(stage.slack.apiUrl).origin, { tls: false });
    const settings = stage.settings();
    const slack = { ...settings.slack, botToken: settings.slack?.botToken ?? '', apiUrl: `${api.url}/api/` };
    return { replica: await startReplica({ ...settings, slack }), api };
  }
  const urls = () => places.filter(({ replica }) => replica.runs()).map(({ replica }) => `${replica.url}/slack/events`);
  const deliver = () => stage.slack.deliverTo(...urls());

  /** What a person does arrives four times at once, spread over both. */
  async function fourTimes(act: () => Promise<Delivery>): Promise<Delivery[]> {
    const delivery = await captured(stage.slack, urls(), act);
    const arrived = await stage.slack.redeliver(delivery, 2, { to: urls() });
    expect(arrived.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    return arrived;
  }
  const type = (who: string, text: string) => stage.slack.user(who).command('/kqueen', text, { channel: 'C1' });
  const jobOf = async (name: string) => (await stage.all('job')).filter((job) => job.clusterName === name);
  const auditOf = async (name: string) => (await stage.all('audit')).filter(({ subject }) => subject === name);
  const ended = (name: string, ms = 30_000) =>
    eventually(`the end of ${name}`, async () => (await jobOf(name)).find((job) => endedStates.includes(job.state)), {
      timeoutMs: ms,
      everyMs: 100,
    });
  const askedOf = (admin: string, name: string) =>
    stage.slack.until(
      () => stage.shown(stage.slack.user(admin).dm, new RegExp(`${name}: your decision is asked`))[0],
      10_000,
      `a request about ${name} to ${admin}`,
    );

  beforeAll(async () => {
    stage = await openStage({ speed: 20 });
    places.push(...(await Promise.all([begin(), begin()])));
    deliver();
    // The workspace is known and one of them posts.
    await eventually(
      'a leader',
      async () => (await stage.opened.store.get({ kind: 'claim', org: 'default', id: 'posts.slack.T1' })) !== undefined,
    );
  }, 60_000);
  afterAll(async () => {
    await Promise.all(places.map(({ replica }) => replica.kill9()));
    await Promise.all(places.map(({ api }) => api.close()));
    await stage?.close();
  });

  it('one command, one click and one event, each delivered four times at once, have one effect each', async () => {
    const { slack } = stage;
    await fourTimes(() => type('U1', `cluster create one-1 ${typedSpec}`));
    expect((await stage.all('cluster')).map(({ name }) => name)).toEqual(['one-1']);
    expect(await jobOf('one-1')).toHaveLength(1);
    expect((await auditOf('one-1')).map(({ outcome }) => outcome)).toEqual(['requested']);

    const request = await askedOf('U2', 'one-1');
    await askedOf('U3', 'one-1');
    await fourTimes(() => slack.user('U2').click(request, { text: 'Approve' }));
    expect((await auditOf('one-1')).map(({ outcome }) => outcome).sort()).toEqual(['approved', 'requested']);
    expect((await ended('one-1')).state).toBe('Succeeded');
    await slack.until(() => stage.shown('C1', /Cluster one-1 is ready/)[0], 10_000, 'the summary');

    await fourTimes(() => slack.user('U4').mention('C1', `cluster create one-2 ${typedSpec}`));
    expect(await jobOf('one-2')).toHaveLength(1);
    expect((await auditOf('one-2')).map(({ outcome }) => outcome)).toEqual(['requested']);
    await slack.until(() => stage.shown('C1', /Create cluster one-2/)[0], 10_000, 'the message of one-2');
    await askedOf('U2', 'one-2');
    await askedOf('U3', 'one-2');

    // One live message each, one request to each admin, one cluster at the provider.
    expect(
      slack
        .everything('C1')
        .filter(
          (each) =>
            /cluster one-1/i.test(words(each)) &&
            each.byApp &&
            each.threadTs === undefined &&
            each.ephemeralTo === undefined,
        ),
    ).toHaveLength(1);
    expect(stage.shown('C1', /cluster one-2/i)).toHaveLength(1);
    for (const admin of ['U2', 'U3']) expect(stage.shown(slack.user(admin).dm, /cluster one-1/i)).toHaveLength(1);
    const made = Object.values(await stage.made());
    expect(made.map((each) => each.made)).toEqual([1]);
  }, 60_000);

  it('two admins who approve on different replicas at the same moment make one decision', async () => {
    const { slack } = stage;
    const [first, second] = urls();
    const one = await captured(slack, urls(), async () =>
      slack.user('U2').click(await askedOf('U2', 'one-2'), { text: 'Approve' }),
    );
    const other = await captured(slack, urls(), async () =>
      slack.user('U3').click(await askedOf('U3', 'one-2'), { text: 'Approve' }),
    );
    await Promise.all([
      slack.redeliver(one, 1, { to: [first ?? ''] }),
      slack.redeliver(other, 1, { to: [second ?? ''] }),
    ]);
    const outcomes = (await auditOf('one-2')).map(({ outcome }) => outcome).sort();
    expect(outcomes).toEqual(['approved', 'requested']);
    expect((await ended('one-2')).state).toBe('Succeeded');
    expect(Object.values(await stage.made()).map((each) => each.made)).toEqual([1, 1]);
    // Who was slower is told so.
    await slack.until(
      () =>
        ['U2', 'U3'].some((who) =>
          slack.messages(slack.user(who).dm).some((each) => /was faster|nothing to decide/.test(words(each))),
        ) ||
        ['U2', 'U3'].some((who) =>
          slack.ephemeral(slack.user(who).dm, who).some((each) => /was faster|nothing to decide/.test(words(each))),
        ),
      5_000,
      'an answer to the slower admin',
    );
  }, 60_000);

  it('kill -9 of the replica that posts: the other goes on with the job and its message within 10 s', async () => {
    const { slack } = stage;
    await stage.provider.ask('PUT', '/v1/admin/faults', [
      { operation: 'create', clusterPrefix: 'one-3', effect: { stuckAtPercent: 60 } },
    ]);
    await type('U1', `cluster create one-3 ${typedSpec}`);
    await slack.user('U2').click(await askedOf('U2', 'one-3'), { text: 'Approve' });
    await slack.until(() => stage.shown('C1', /Create cluster one-3: running.*\d\d %/s)[0], 20_000, 'progress');
    const posts = ({ api }: Place) => api.seen().filter(({ path }) => /chat\.(postMessage|update)/.test(path)).length;
    const leader = places.findIndex((place) => posts(place) === Math.max(...places.map(posts)));
    const dead = places[leader];
    const other = places[1 - leader];
    if (!dead || !other) throw new Error('There are no two replicas.');
    const live = stage.shown('C1', /cluster one-3/i)[0];
    const ticks = (await jobOf('one-3'))[0]?.tick ?? 0;
    const wrote = posts(other);

    await dead.replica.kill9();
    const killed = performance.now();
    deliver();
    await stage.provider.ask('DELETE', '/v1/admin/faults');
    const [step, edit] = await Promise.all([
      eventually(
        'the next step',
        async () => ((await jobOf('one-3'))[0]?.tick ?? 0) > ticks && performance.now() - killed,
        {
          timeoutMs: 15_000,
        },
      ),
      eventually('the next edit', () => posts(other) > wrote && performance.now() - killed, { timeoutMs: 15_000 }),
    ]);
    expect(step).toBeLessThan(10_000);
    expect(edit).toBeLessThan(10_000);
    expect((await ended('one-3')).state).toBe('Succeeded');
    const ready = await slack.until(() => stage.shown('C1', /Cluster one-3 is ready/)[0], 10_000, 'the summary');
    expect(ready.ts).toBe(live?.ts);
    expect(stage.shown('C1', /cluster one-3/i)).toHaveLength(1);
    expect(Object.values(await stage.made()).map((each) => each.made)).toEqual([1, 1, 1]);
  }, 60_000);

  it('SIGTERM of one with a job under way and commands arriving: it exits within 10 s and nothing is lost', async () => {
    const { slack } = stage;
    await type('U1', `cluster create two-0 ${typedSpec}`);
    await slack.user('U2').click(await askedOf('U2', 'two-0'), { text: 'Approve' });
    await slack.until(() => stage.shown('C1', /Create cluster two-0: running/)[0], 20_000, 'progress');
    const going = places.find(({ replica }) => replica.runs());
    if (!going) throw new Error('No replica runs.');
    places.push(await begin());
    deliver();
    const acked: string[] = [];
    let sent = 0;
    let stop = false;
    const people = (async () => {
      while (!stop) {
        sent += 1;
        const { status } = await type('U1', `cluster create two-${sent} ${typedSpec}`);
        if (status === 200) acked.push(`two-${sent}`);
      }
    })();
    await eventually('some commands', () => acked.length >= 6);
    const { ms, code } = await going.replica.terminate();
    deliver();
    const before = acked.length;
    await eventually('more commands', () => acked.length >= before + 4);
    stop = true;
    await people;
    expect(ms).toBeLessThan(10_000);
    expect(code).toBe(0);
    const jobs = (await stage.all('job')).map(({ clusterName }) => clusterName);
    for (const name of acked) expect(jobs.filter((each) => each === name)).toEqual([name]);
    expect((await ended('two-0')).state).toBe('Succeeded');
    await slack.until(() => stage.shown('C1', /Cluster two-0 is ready/)[0], 20_000, 'the summary');
    expect(stage.shown('C1', /cluster two-0/i)).toHaveLength(1);
    expect(Object.values(await stage.made()).map((each) => each.made)).toEqual([1, 1, 1, 1]);
  }, 60_000);

  it('Slack saw no rule broken, and nobody logged an error', () => {
    const refusedByTheDead = /status 503|dispatch_failed/;
    expect(stage.slack.violations.filter(({ detail }) => !refusedByTheDead.test(detail))).toEqual([]);
    for (const { replica } of places) expect(replica.log()).not.toMatch(/^error /m);
  });
});
