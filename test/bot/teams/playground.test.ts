import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Inbound, Outbound } from '../../../src/bot/inbound.ts';
import type { Teams } from '../../../src/bot/teams/adapter.ts';
import { openTeams } from '../../../src/bot/teams/adapter.ts';
import type { StoredConversation } from '../../../src/bot/teams/conversations.ts';
import type { Card, Form } from '../../../src/core/card.ts';
import { plainCard } from '../../../src/core/card.ts';
import type { MessageRef } from '../../../src/core/ports/chat.ts';
import type { Playground } from '../../counterparts/teams/playground.ts';
import { playgroundPerson, startPlayground } from '../../counterparts/teams/playground.ts';
import { lacksServer } from '../../servers.ts';
import { cardSamples, formSamples } from '../samples.ts';
import { quiet, realClock } from './stage.ts';

/** What a person sees of KQueen in a real Teams client, with dispatch played by a script. */
describe.skipIf(lacksServer('chromium'))('in the Agents Playground', () => {
  const heard: Inbound[] = [];
  const stored = new Map<string, StoredConversation>();
  let script: (inbound: Inbound) => Outbound[] = () => [];
  let teams: Teams;
  let server: Server;
  let play: Playground;

  beforeAll(async () => {
    teams = await openTeams({
      appId: '',
      appPassword: '',
      tenantId: '',
      appType: '',
      development: true,
      async handle(inbound) {
        heard.push(inbound);
        return script(inbound);
      },
      async saveConversation(each) {
        stored.set(each.id, each);
      },
      loadConversation: async (id) => stored.get(id),
      clock: realClock,
      log: quiet,
    });
    server = createServer((request, response) => teams.requestListener(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    play = await startPlayground({ botUrl: `http://127.0.0.1:${address.port}/api/messages` });
  });
  afterAll(async () => {
    await play?.stop();
    await teams?.stop(2_000);
    server?.closeAllConnections();
    server?.close();
  });

  it('a command is answered by a card, and a button runs the next command', async () => {
    script = () => [{ audience: 'caller', card: sample('plan') }];
    await play.goto('personal');
    await play.say('cluster create demo');
    await play.see('Create cluster demo?');
    expect(heard.at(-1)).toMatchObject({
      source: 'direct',
      text: 'cluster create demo',
      private: true,
      person: { id: `teams:local:${playgroundPerson.objectId}`, name: playgroundPerson.name, external: null },
    });
    await play.shot('plan');
    script = () => [{ audience: 'place', card: sample('progress'), replaces: true }];
    await play.click('Ask for approval');
    await play.see('Creating cluster demo');
    expect(heard.at(-1)).toMatchObject({ source: 'button', text: 'cluster create demo provisioner=sandbox plan=3f9a' });
    expect(await play.count('Create cluster demo?')).toBe(0);
    await play.shot('progress');
  });

  it('a dangerous button asks first', async () => {
    script = () => [{ audience: 'caller', card: sample('ready') }];
    await play.say('cluster show demo');
    await play.see('Cluster demo is ready');
    const before = heard.length;
    await play.click('Delete');
    await play.see('You will be asked for its name.');
    await play.shot('ready-confirm');
    expect(heard).toHaveLength(before);
    script = () => [{ audience: 'caller', card: plainCard('Delete cluster demo?', 'Type its name.', 'warn') }];
    await play.click('Go on');
    await play.see('Type its name.');
    expect(heard.at(-1)).toMatchObject({ source: 'button', text: 'cluster delete demo' });
  });

  it('a form is filled in, refused with the reason at its field, and accepted', async () => {
    const form = (formSamples.find(({ name }) => name === 'every-kind') as { form: Form }).form;
    script = () => [{ audience: 'caller', form }];
    await play.say('cluster create');
    await play.see('Nothing is made before you have seen the');
    await play.shot('form');
    const before = heard.length;
    await play.fill('Name', 'Demo!');
    await play.fill('API token', 'canary-secret');
    await play.fill('Purpose', 'Load tests');
    await play.fill('Nodes', '5');
    await play.fill('Provisioner', 'gke (europe)');
    script = () => [{ audience: 'caller', form, problems: [{ field: 'name', message: 'Demo! is no DNS label.' }] }];
    await play.click('Show the plan');
    await play.see('Demo! is no DNS label.');
    await play.shot('form-problem');
    expect(heard.slice(before).map(({ source }) => source)).toEqual(['form']);
    expect(heard.at(-1)?.values).toMatchObject({
      name: 'Demo!',
      token: 'canary-secret',
      purpose: 'Load tests',
      nodes: '5',
      provisioner: 'gke',
      public: 'true',
      labels: 'team=a,env=test',
    });
    script = () => [{ audience: 'caller', card: plainCard('The plan', 'Three nodes.', 'good') }];
    await play.fill('Name', 'demo');
    await play.fill('API token', 'canary-secret');
    await play.click('Show the plan');
    await play.see('Three nodes.');
    expect(heard.at(-1)?.values).toMatchObject({ name: 'demo' });
    expect(await play.count('Demo! is no DNS label.')).toBe(0);
    await play.shot('form-done');
  });

  it('a form with a needed field is not sent without it', async () => {
    const form = (formSamples.find(({ name }) => name === 'one-field') as { form: Form }).form;
    script = () => [{ audience: 'caller', form }];
    await play.say('cluster delete demo');
    await play.see('Its 3 nodes and everything on them will be gone.');
    const before = heard.length;
    await play.click('Delete');
    await play.see('Type its name is needed.');
    await play.shot('form-needed');
    expect(heard).toHaveLength(before);
    script = () => [{ audience: 'caller', card: plainCard('Deleting demo', 'An admin decides.', 'busy') }];
    await play.fill('Type its name', 'demo');
    await play.click('Delete');
    await play.see('An admin decides.');
    expect(heard.at(-1)).toMatchObject({ source: 'form', text: 'cluster delete demo', values: { confirm: 'demo' } });
  });

  it('a live message is posted unasked and edited in place, in the personal chat', async () => {
    const place = await teams.port.direct(`teams:local:${playgroundPerson.objectId}`);
    const message = await teams.port.post(place, plainCard('Working', 'Step 1 of 3', 'busy'), 'k');
    await play.see('Step 1 of 3');
    await teams.port.edit(place, message, plainCard('Ready', 'Step 3 of 3', 'good'));
    await play.see('Step 3 of 3');
    expect(await play.count('Step 1 of 3')).toBe(0);
    await teams.port.ping(place, message, `teams:local:${playgroundPerson.objectId}`, 'Cluster demo_1 is *ready*.');
    await play.see('Cluster demo_1 is *ready*.');
    await play.shot('live');
    // The Playground knows no deleting; Teams does.
    await expect(teams.port.remove(place, message)).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('a channel is answered in the thread, edited there, and pings by a mention', async () => {
    script = () => [{ audience: 'place', card: sample('failed') }];
    await play.goto('channel');
    await play.say('job show j7');
    await play.see('Cluster demo could not be made');
    const inbound = heard.at(-1);
    expect(inbound).toMatchObject({ source: 'mention', text: 'job show j7', private: false });
    if (!inbound) throw new Error('nothing was heard');
    const { place } = inbound;
    expect(place.thread).toBeDefined();
    script = () => [{ audience: 'place', card: plainCard('Tried again', 'In the thread.', 'busy'), replaces: true }];
    await play.click('Try again');
    await play.see('In the thread.');
    const message: MessageRef = await teams.port.post(place, plainCard('Creating demo', 'Half way.', 'busy'), 'k');
    await play.see('Half way.');
    await teams.port.edit(place, message, plainCard('Demo is ready', 'All the way.', 'good'));
    await play.see('All the way.');
    await teams.port.ping(place, message, `teams:local:${playgroundPerson.objectId}`, 'Your cluster is ready.');
    await play.see('Your cluster is ready.');
    const { thread: _thread, ...root } = place;
    await teams.port.post(root, plainCard('Health of demo', 'A post of its own.', 'good'), 'k');
    await play.see('A post of its own.');
    await play.shot('channel');
  });

  it('the worst cards are shown whole, and do nothing', async () => {
    await play.goto('personal');
    for (const name of [
      'markup',
      'hostile',
      'long',
      'many-parts',
      'table-200',
      'table-wide',
      'right-to-left',
      'empty-texts',
    ]) {
      script = () => [{ audience: 'caller', card: { ...sample(name), footer: `sample ${name} ends` } }];
      await play.say(`show ${name}`);
      await play.see(`sample ${name} ends`);
      await play.shot(`sample-${name}`);
    }
    expect(await play.page.locator('a[href^="javascript"]').count()).toBe(0);
  }, 60_000);
});

function sample(name: string): Card {
  return (cardSamples.find((each) => each.name === name) as { card: Card }).card;
}
