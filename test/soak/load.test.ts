import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endedStates } from '../../src/core/records.ts';
import { words } from '../counterparts/slack/index.ts';
import { openStage, type Replica, type Stage, startReplica } from '../replicas/stage.ts';
import { eventually, lacksServer } from '../servers.ts';

const commands = Number(process.env.SOAK_COMMANDS ?? 500);
/** How often a process is killed; every third time it is the bot. */
const deaths = Number(process.env.SOAK_KILLS ?? 50);
/** How many of them have a message while they run. */
const followed = 100;
/** A number that is printed, so that a run that fails can be had again. */
const seed = Number(process.env.SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Numbers from 0 to 1 that depend on the seed alone (a linear congruence, as in Numerical Recipes). */
function randomFrom(first: number): () => number {
  let state = first >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe.skipIf(lacksServer('etcd', 'redis-server'))(
  `${commands} commands while processes are killed ${deaths} times`,
  () => {
    let stage: Stage;
    let bot: Replica;
    let worker: Replica;

    beforeAll(async () => {
      stage = await openStage({ speed: 600 });
      await stage.provider.ask('PUT', '/v1/admin/quota', { clusters: 10_000, nodes: 10_000 });
      // Slack's own limits would make this a test of patience: 1,000 messages at one a second.
      stage.slack.rates.enabled = false;
      bot = await startReplica(stage.settings({ roles: { bot: true, worker: false } }));
      worker = await startWorker();
      stage.slack.deliverTo(`${bot.url}/slack/events`);
    });
    afterAll(async () => {
      await Promise.all([bot?.kill9(), worker?.kill9()]);
      await stage?.close();
    });

    function startWorker(): Promise<Replica> {
      // Workers hold no chat tokens.
      const { slack: _slack, ...settings } = stage.settings({ roles: { bot: false, worker: true } });
      return startReplica(settings);
    }

    it('every acknowledged command ends in exactly one last message', async () => {
      console.log(`SOAK_SEED=${seed}`);
      const random = randomFrom(seed);
      const spec = 'on sandbox region=sandbox-north version=1.34.2 size=small nodes=1';
      const admin = stage.slack.user('U2');
      const acked: string[] = [];
      let sending = true;
      let kills = 0;
      let botKills = 0;
      let away = false;

      /** What is typed again until somebody is there to answer it: a bot that was killed takes a moment to be replaced. */
      async function answered(line: string, wanted: RegExp): Promise<string> {
        return eventually(
          line,
          async () => {
            const { status, ack } = await admin.command('/kqueen', line, { channel: 'C1' });
            const said = JSON.stringify(ack);
            return status === 200 && wanted.test(said) ? said : undefined;
          },
          { timeoutMs: 60_000, everyMs: 200 },
        );
      }
      /** An admin's creation: the plan is shown, then pressed. What was done before its answer was lost is said on the next try. */
      async function create(name: string): Promise<void> {
        const plan = await answered(`cluster create ${name} ${spec}`, /plan=[a-z0-9]+/);
        const hash = /plan=([a-z0-9]+)/.exec(plan)?.[1] ?? '';
        await answered(`cluster create ${name} ${spec} plan=${hash}`, /Creating cluster|already|is taken|#[a-z0-9]{8}/);
        acked.push(name);
      }
      async function people(mine: number[]): Promise<void> {
        for (const index of mine) {
          // Slack lets a message be edited 40 times a minute in a whole workspace, so only some of the jobs are followed from their start;
          // for the others Slack takes no message until they have ended.
          if (acked.length >= followed && !away) {
            away = true;
            stage.slack.faults.cut('chat.postMessage', 1_000_000);
          }
          await create(`load-${index}`);
        }
      }
      async function death(): Promise<void> {
        while (sending || kills < deaths) {
          await new Promise((resolve) => setTimeout(resolve, 500 + random() * 2_000));
          kills += 1;
          if (kills % 3 === 0) {
            botKills += 1;
            await bot.kill9();
            bot = await startReplica(stage.settings({ roles: { bot: true, worker: false } }));
            stage.slack.deliverTo(`${bot.url}/slack/events`);
          } else {
            await worker.kill9();
            worker = await startWorker();
          }
        }
      }
      const all = Array.from({ length: commands }, (_, index) => index);
      const dying = death();
      await Promise.all([0, 1, 2, 3].map((lane) => people(all.filter((index) => index % 4 === lane))));
      await eventually(
        'the end of most jobs',
        async () => (await stage.all('job')).filter(({ state }) => endedStates.includes(state)).length > commands / 2,
        { timeoutMs: 120_000, everyMs: 500 },
      );
      sending = false;
      await dying;

      expect(acked).toHaveLength(commands);
      const jobs = await eventually(
        'the end of all jobs',
        async () => {
          const found = await stage.all('job');
          return found.every(({ state }) => endedStates.includes(state)) ? found : undefined;
        },
        { timeoutMs: 180_000, everyMs: 500 },
      );
      expect(jobs.map(({ clusterName }) => clusterName).sort()).toEqual([...acked].sort());
      expect(
        jobs.filter(({ state }) => state !== 'Succeeded').map(({ clusterName, note }) => `${clusterName}: ${note}`),
      ).toEqual([]);
      stage.slack.faults.clear();
      const told = () => {
        const messages = new Map<string, string[]>();
        for (const message of stage.slack.messages('C1')) {
          if (!message.byApp || message.threadTs !== undefined) continue;
          const name = /cluster (load-\d+)\b/i.exec(words(message))?.[1];
          if (name) messages.set(name, [...(messages.get(name) ?? []), words(message)]);
        }
        return messages;
      };
      const unready = () => {
        const messages = told();
        return acked.filter((name) => !messages.get(name)?.some((each) => /is ready/.test(each)));
      };
      await eventually('every last message', () => unready().length === 0, { timeoutMs: 20 * 60_000, everyMs: 1_000 });
      // A bot that dies between a post and its answer may post once more; nothing else may.
      const surplus = [...told().values()].reduce((sum, messages) => sum + messages.length - 1, 0);
      expect(surplus).toBeLessThanOrEqual(botKills);
      expect(kills).toBeGreaterThanOrEqual(deaths);
      for (const [name, messages] of told())
        expect([name, messages.filter((each) => /is ready/.test(each)).length]).toEqual([name, 1]);
      const made = Object.values(await stage.made());
      expect(made).toHaveLength(commands);
      expect(made.every((each) => each.made === 1)).toBe(true);
      console.log(
        `${commands} commands, ${kills} kills (${botKills} of the bot), ${surplus} messages twice, ${stage.slack.calls.length} calls to Slack`,
      );
    });
  },
);
