/** Pictures in answers to what people ask: as images where the chat can show them to whoever asked, else as bars of letters. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { Outbound } from '../../../src/bot/inbound.ts';
import { openSlack } from '../../../src/bot/slack/adapter.ts';
import { renderText } from '../../../src/bot/text/render.ts';
import type { Card } from '../../../src/core/card.ts';
import { silentLog } from '../../../src/core/ports/log.ts';
import { startSlack } from '../../counterparts/slack/index.ts';
import { say } from '../../counterparts/teams/person.ts';
import { eventually } from '../../servers.ts';
import { realClock } from '../../store/clocks.ts';
import { usePicture } from '../samples.ts';
import { openStage } from '../teams/stage.ts';

const card: Card = {
  ...{ title: 'Cluster dev-1 is healthy', tone: 'good', text: 'Nothing is wrong.', buttons: [] },
  parts: [{ part: 'picture', picture: usePicture }],
};
const answer: Outbound = { audience: 'caller', card };
const bars = /dev-1 +\[#+\.*\] 95 %, 5\.7 of 6 cores/;

test('Slack: an image in the direct chat, bars of letters in what one alone sees of a channel', async () => {
  const slack = await startSlack({
    ...{ signingSecret: 'a-signing-secret', botToken: 'xoxb-test', fileSettleMs: 300 },
    users: [{ id: 'U1', name: 'ada' }],
    channels: [{ id: 'C1', name: 'ops' }],
  });
  const adapter = await openSlack({
    ...{ botToken: 'xoxb-test', signingSecret: 'a-signing-secret', apiUrl: slack.apiUrl },
    ...{ handle: async () => [answer], log: silentLog, clock: realClock },
  });
  await adapter.start();
  const server = createServer(adapter.requestListener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  slack.deliverTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`);
  try {
    await slack.user('U1').direct('cluster check dev-1');
    const shown = (all: { blocks?: unknown }[]) => JSON.stringify(all.map(({ blocks }) => blocks));
    const direct = () => slack.messages('DU1').filter(({ byApp }) => byApp);
    await eventually('the image is there', () => /"type":"image".*"slack_file"/.test(shown(direct())));
    expect(shown(direct())).toContain(usePicture.alt);
    await slack.user('U1').command('/kqueen', 'cluster check dev-1', { channel: 'C1' });
    await eventually('the bars are there', () => bars.test(shown(slack.ephemeral('C1', 'U1'))));
    expect(slack.violations).toEqual([]);
  } finally {
    await adapter.stop(1_000);
    server.closeAllConnections();
    server.close();
    await slack.close();
  }
});

test('Teams: an image in the card, wherever it is asked', async () => {
  const stage = await openStage();
  stage.script = () => [answer];
  try {
    await say(stage.inChannel(), 'cluster check dev-1');
    await eventually('the image is there', () =>
      /"type":"Image","url":"data:image\/png;base64,[^"]{5000,}"/.test(JSON.stringify(stage.service.messages)),
    );
  } finally {
    await stage.stop();
  }
});

test('the terminal: bars of letters', () => {
  expect(renderText(card)).toMatch(bars);
});
