import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parityPage } from '../../scripts/docs/parity.ts';
import { registry } from '../../src/core/commands/index.ts';
import { endedStates } from '../../src/core/records.ts';
import { type Slack, startSlack } from '../counterparts/slack/index.ts';
import { type Account, startTeamsService, type TeamsService } from '../counterparts/teams/service.ts';
import { eventually, freePort } from '../servers.ts';
import { startTestKQueen, type TestKQueen } from '../story/kqueen.ts';
import { type Chat, chats, liveTitle, type Seat, type Seen, type Who } from './seat.ts';
import { slackSeat } from './slack-seat.ts';
import { type Step, steps } from './steps.ts';
import { teamsSeat } from './teams-seat.ts';
import { type Paper, terminalSeat } from './terminal-seat.ts';

const appId = '11111111-1111-1111-1111-111111111111';
const tenantId = '22222222-2222-2222-2222-222222222222';
const sandbox = { on: true, speed: 600, port: 0, admin: true };
const bot: Account = { id: `28:${appId}`, name: 'KQueen' };
const account = (name: string, digit: number): Account => ({
  id: `29:${name}`,
  name,
  aadObjectId: `aaaaaaaa-0000-0000-0000-00000000000${digit}`,
  userRole: 'user',
});
const accounts: Record<Who, Account> = { admin: account('grace', 1), developer: account('ada', 2) };

/** What came of one thing that was said or pressed: how it was answered, and what it was headed with. */
type Result = `${Seen['kind']}: ${string}` | 'nothing';

const link: Result = 'card: a link';
/** By `command`, and by `command > button`, in order. */
type Run = Record<string, Result>;

/** A KQueen of its own for each chat, so that all three see the same world. */
interface World {
  kqueen: TestKQueen;
  seats: Record<Who, Seat>;
  close(): Promise<void>;
}

/** One address for all that a KQueen serves, known before it starts: one-time links lead there. */
async function address() {
  const port = await freePort();
  return { http: { host: '127.0.0.1', port }, publicUrl: `http://127.0.0.1:${port}` };
}

const open: Record<Chat, () => Promise<World>> = {
  async Slack() {
    const slack: Slack = await startSlack({
      signingSecret: 'parity-signing-secret',
      botToken: 'xoxb-parity',
      team: 'T1',
      users: [
        { id: 'U1', name: 'ada' },
        { id: 'U2', name: 'grace' },
      ],
      channels: [{ id: 'C1', name: 'clusters' }],
    });
    slack.rates.enabled = false;
    const kqueen = await startTestKQueen({
      ...(await address()),
      sandbox,
      slack: { botToken: 'xoxb-parity', signingSecret: 'parity-signing-secret', apiUrl: slack.apiUrl },
      bootstrapAdmins: ['slack:T1:U2'],
    });
    slack.deliverTo(`${kqueen.url}/slack/events`);
    return {
      kqueen,
      seats: {
        admin: slackSeat(slack, 'U2', () => answeredBy(kqueen)),
        developer: slackSeat(slack, 'U1', () => answeredBy(kqueen)),
      },
      async close() {
        await kqueen.end();
        await slack.close();
        // How fast it answers is tested where nothing else runs beside it.
        expect(slack.violations.filter(({ kind }) => kind !== 'late-ack')).toEqual([]);
      },
    };
  },
  async Teams() {
    const secret = 'parity-app-password';
    const service: TeamsService = await startTeamsService({
      appId,
      secret,
      tenantId,
      authenticated: true,
      limits: false,
    });
    for (const each of Object.values(accounts)) service.rosters.set(`a:personal-${each.id}`, [each, bot]);
    const kqueen = await startTestKQueen({
      ...(await address()),
      sandbox,
      teams: {
        appId,
        appPassword: secret,
        tenantId,
        appType: 'SingleTenant',
        development: false,
        endpoints: service.endpoints,
      },
      bootstrapAdmins: [`teams:${tenantId}:${accounts.admin.aadObjectId}`],
    });
    const seat = (who: Who) =>
      teamsSeat(
        {
          botUrl: `${kqueen.url}/api/messages`,
          service,
          bot,
          person: accounts[who],
          tenantId,
          conversation: { id: `a:personal-${accounts[who].id}`, conversationType: 'personal' },
        },
        () => answeredBy(kqueen),
      );
    return {
      kqueen,
      seats: { admin: seat('admin'), developer: seat('developer') },
      async close() {
        await kqueen.end();
        await service.stop();
      },
    };
  },
  async Terminal() {
    const paper: Paper = { printed: [], asked: [] };
    const kqueen = await startTestKQueen({
      ...(await address()),
      sandbox,
      bootstrapAdmins: ['terminal:grace'],
      terminal: {
        write: (name, text) => paper.printed.push({ name, text }),
        async ask(name) {
          paper.asked.push(name);
          return null;
        },
      },
    });
    const terminal = () => {
      if (!kqueen.terminal) throw new Error('There is no terminal.');
      return kqueen.terminal;
    };
    return {
      kqueen,
      seats: {
        admin: terminalSeat(terminal, paper, 'grace', () => answeredBy(kqueen)),
        developer: terminalSeat(terminal, paper, 'ada', () => answeredBy(kqueen)),
      },
      close: () => kqueen.end(),
    };
  },
};

/** How many commands a KQueen has answered, by its own count. */
async function answeredBy({ url }: TestKQueen): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return [...text.matchAll(/^kqueen_commands_total\{[^}]*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

/** What came; null where nothing did, which a person on a busy machine answers by doing it once more. */
async function tried(what: string, act: () => Promise<Seen>): Promise<Seen | null> {
  try {
    return await act();
  } catch (thrown) {
    if (/an answer/.test(String(thrown))) return null;
    throw new Error(`${what}: ${String(thrown)}`);
  }
}

/** A cluster at the sandbox provider that KQueen did not make. */
async function makeForeign({ cache, dataDir }: TestKQueen, name: string): Promise<void> {
  const params = cache.query('provisioner', 'default').items[0]?.params ?? {};
  const [token = ''] = globSync('**/token', { cwd: dataDir }).map((file) => readFileSync(join(dataDir, file), 'utf8'));
  const agent = new Agent({ connect: { ca: String(params.caBundle) }, allowH2: false });
  const { statusCode, body } = await agent.request({
    origin: String(params.url),
    path: '/v1/clusters',
    method: 'POST',
    headers: { authorization: `Bearer ${token.trim()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name, region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 1, labels: {} }),
  });
  if (statusCode >= 300) throw new Error(`${name} was not made: ${await body.text()}`);
  await agent.close();
}

/** The steps, and an example of every command that none of them is about. */
function allSteps(): Step[] {
  const about = new Set(steps.filter(({ silent }) => !silent).map((step) => step.about));
  const others = registry.all.filter(({ name }) => !about.has(name));
  return [...steps, ...others.map(({ name, examples }) => ({ about: name, line: examples[0] ?? name }))];
}

/** Plays every step and presses every button of its answer. */
async function play({ kqueen, seats }: World): Promise<Run> {
  const { cache } = kqueen;
  const jobs = () => cache.query('job', 'default', { descending: true, limit: 500 }).items;
  const rest = async () => {
    await eventually(
      'the end of all jobs',
      () => jobs().every(({ state }) => state === 'AwaitingApproval' || endedStates.includes(state)),
      { timeoutMs: 60_000 },
    );
    await Promise.all([seats.admin.quiet(), seats.developer.quiet()]);
  };
  const lineOf = (line: string) =>
    line.replace(/JOB\((.+?)\)/, (_all, name: string) => jobs().find((each) => each.clusterName === name)?.id ?? '?');
  const ids = () => [...jobs(), ...cache.query('backup', 'default', { limit: 500 }).items];
  const named = (text: string) =>
    ids()
      .reduce((said, { id }) => said.replaceAll(id, 'JOB'), text)
      .replace(liveTitle, 'message about $1$2')
      .replace(/^(Doctor|The fleet on)\b.*/, '$1 …')
      .replace(/\bsandbox-dev-1-\w+-\d+\b/, 'NODE')
      .replace(/^\d+ /, 'N ')
      .replace(/\b(?:KQueen )?\d+\.\d+\.\d+-test\b/, 'VERSION')
      .replace(/\d+(?:\.\d+)? (?:ms|s|min|h)\b/g, 'TIME')
      .trim();
  const say = (seat: Seat, { line, on }: Step): Promise<Seen> => (on ? seat.find(on) : seat.say(lineOf(line ?? '')));

  await makeForeign(kqueen, 'legacy-1');
  const run: Run = {};
  const keep = (key: string, seen: Seen) => {
    run[key] = seen.kind === 'form' ? 'form: ' : `card: ${named(seen.title)}`;
    if (/Something went wrong|I do not know that/.test(seen.words)) throw new Error(`${key}: ${seen.words}`);
  };
  for (const step of allSteps()) {
    const seat = seats[step.who ?? 'admin'];
    const seen = (await tried(step.about, () => say(seat, step))) ?? (await tried(step.about, () => say(seat, step)));
    await rest();
    if (step.silent) continue;
    if (step.shown) {
      keep(step.about, await seat.find(step.shown));
      continue;
    }
    if (!seen) {
      run[step.about] = 'nothing';
      continue;
    }
    keep(step.about, seen);
    for (const { label, press } of seen.buttons) {
      const key = `${step.about} > ${named(label)}`;
      if (press === undefined) {
        run[key] = link;
        continue;
      }
      const answered = (await tried(key, press)) ?? (await tried(key, press));
      if (answered) keep(key, answered);
      else run[key] = 'nothing';
      await rest();
    }
  }
  return run;
}

describe('parity', () => {
  const runs = {} as Record<Chat, Run>;
  const worlds: World[] = [];

  beforeAll(async () => {
    const played = chats.map(async (chat) => {
      const world = await open[chat]();
      worlds.push(world);
      runs[chat] = await play(world);
    });
    for (const outcome of await Promise.allSettled(played)) if (outcome.status === 'rejected') throw outcome.reason;
  }, 600_000);
  afterAll(async () => {
    for (const world of worlds) await world.close();
  }, 60_000);

  it('has every command of the registry', () => {
    for (const { name } of registry.all)
      for (const chat of chats) expect(runs[chat][name], name).toMatch(/^card|^form/);
  });

  it('answers the same in Slack, in Teams and in the terminal, with the same buttons', () => {
    expect(runs.Teams).toEqual(runs.Slack);
    expect(runs.Terminal).toEqual(runs.Slack);
  });

  it('came out as it is kept, which is what the table is made of', async () => {
    const kinds = (run: Run) =>
      Object.fromEntries(
        Object.entries(run)
          .map(([key, result]) => [key, result === link ? 'link' : result.split(':')[0]] as const)
          .sort(([one], [other]) => (one < other ? -1 : 1)),
      );
    const kept = Object.fromEntries(chats.map((chat) => [chat, kinds(runs[chat])]));
    await expect(`${JSON.stringify(kept, null, 2)}\n`).toMatchFileSnapshot('./seen.json');
  });

  it('is what docs/parity.md shows; npm run docs writes it', () => {
    expect(readFileSync(join(import.meta.dirname, '../..', parityPage.file), 'utf8')).toBe(parityPage.render());
  });
});
