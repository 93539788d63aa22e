/** From a signed slash command to its acknowledgement: a durable change, against Bolt with one transaction on the same etcd. */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { encoded, signedHeaders } from '../../test/counterparts/slack/index.ts';
import { type Stage, signingSecret, startReplica, typedSpec } from '../../test/replicas/stage.ts';
import { endProcess, spawnReaped } from '../../test/servers.ts';
import { median, quantile, type Row } from './measure.ts';

/** Pause between two commands: the posts that follow an answer are no part of it, and a person does not type faster. */
const pauseMs = 150;

export async function measureAck(
  stage: Stage,
  { rounds, perRound }: { rounds: number; perRound: number },
): Promise<Row[]> {
  stage.slack.rates.enabled = false;
  const replica = await startReplica(stage.settings({ roles: { bot: true, worker: false } }));
  const floor = spawnReaped(process.execPath, [join(import.meta.dirname, 'floor-ack.ts')], {
    PATH: process.env.PATH,
    FLOOR_ETCD: stage.etcd.hosts[0],
    FLOOR_SECRET: signingSecret,
  });
  try {
    if (!floor.stdout) throw new Error('The floor has no output.');
    const [line] = (await once(createInterface({ input: floor.stdout }), 'line')) as [string];
    const { port } = JSON.parse(line) as { port: number };
    const targets = { ours: `${replica.url}/slack/events`, floor: `http://127.0.0.1:${port}/slack/events` };
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let sent = 0;
    const send = async (url: string): Promise<number> => {
      sent += 1;
      const fields = {
        ...{ command: '/kqueen', text: `cluster create ack-${sent} ${typedSpec}`, trigger_id: `1.${sent}.bench` },
        ...{ response_url: `${new URL(stage.slack.apiUrl).origin}/response/none`, team_id: 'T1', team_domain: 'bench' },
        ...{
          user_id: 'U1',
          user_name: 'ada',
          channel_id: 'C1',
          channel_name: 'clusters',
          is_enterprise_install: 'false',
        },
      };
      const { body, type } = encoded('command', fields);
      const headers = signedHeaders(signingSecret, body, type);
      const begun = performance.now();
      const going = request(url, { method: 'POST', agent, headers });
      going.end(body);
      const [answer] = (await once(going, 'response')) as [import('node:http').IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      const ms = performance.now() - begun;
      const said = Buffer.concat(chunks).toString('utf8');
      if (answer.statusCode !== 200 || !/Asked for cluster|taken/.test(said))
        throw new Error(`${answer.statusCode} ${said}`);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      return ms;
    };
    const medians: Record<'ours' | 'floor', number[]> = { ours: [], floor: [] };
    const all: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      for (const who of ['floor', 'ours'] as const) {
        const times: number[] = [];
        for (let count = 0; count < perRound; count += 1) times.push(await send(targets[who]));
        // The first round warms both up.
        if (round === 0) continue;
        medians[who].push(median(times));
        if (who === 'ours') all.push(...times);
      }
    }
    agent.destroy();
    return [
      {
        what: 'slash command to durable ack, p50',
        unit: 'ms',
        ours: median(medians.ours),
        floor: median(medians.floor),
        most: 3,
      },
      { what: 'slash command to durable ack, p99', unit: 'ms', ours: quantile(all, 0.99), most: 500 },
    ];
  } finally {
    await Promise.all([replica.kill9(), endProcess(floor, 'SIGKILL')]);
  }
}
