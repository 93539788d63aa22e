import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Playground, startPlayground } from '../counterparts/teams/playground.ts';
import { eventually, freePort, lacksServer } from '../servers.ts';
import { startTestKQueen, type TestKQueen } from './kqueen.ts';
import { playStory, type StoryChat } from './story.ts';

describe.skipIf(lacksServer('chromium'))("the whole story in Microsoft's Agents Playground, with real clicks", () => {
  let kqueen: TestKQueen;
  let playground: Playground;
  const printed: string[] = [];

  beforeAll(async () => {
    const port = await freePort();
    kqueen = await startTestKQueen({
      http: { host: '127.0.0.1', port },
      publicUrl: `http://127.0.0.1:${port}`,
      teams: { appId: '', appPassword: '', tenantId: 'local', appType: 'SingleTenant', development: true },
      terminal: { write: (_name, text) => printed.push(text) },
      bootstrapAdmins: ['terminal:admin'],
    });
    playground = await startPlayground({ botUrl: `${kqueen.url}/api/messages` });
  });
  afterAll(async () => {
    await playground?.stop();
    await kqueen?.end();
  });

  it('ask, approve in the terminal, provision, watch, use, delete', { timeout: 180_000 }, async () => {
    const { page } = playground;
    const terminal = kqueen.terminal;
    if (!terminal) throw new Error('There is no terminal.');
    // The text as it is laid out, so that words of different lines do not run together.
    const body = () => page.evaluate<string>('document.body.innerText');
    let shots = 0;
    const shot = async (what: string) => {
      shots += 1;
      await playground.shot(`${String(shots).padStart(2, '0')}-${what}`);
    };
    const chat: StoryChat = {
      async say(who, text) {
        if (who === 'admin') await terminal.say('admin', text);
        else await playground.say(text);
      },
      async click(_who, label, on) {
        const text = await eventually(`a message like ${on}`, () => printed.findLast((each) => on.test(each)));
        const command = new RegExp(`> ${label}: type {2}(.*)$`, 'm').exec(text)?.[1];
        await terminal.say('admin', command ?? '');
      },
      async submit(_who, values) {
        for (const [label, value] of Object.entries(values)) await playground.fill(label, value);
        await shot('form');
        const before = await body();
        await page
          .getByRole('button', { name: /^(Show the plan|Delete it)$/ })
          .last()
          .click();
        await eventually('an answer to the form', async () => (await body()) !== before);
        await page.waitForTimeout(500);
        const attention = page.getByText(/needs? your attention/);
        if ((await attention.count()) === 0) return '';
        await shot('problem');
        return (
          (await page
            .getByText(/lower-case letters, digits and dashes; begin|not its name/)
            .last()
            .textContent()) ?? ''
        );
      },
      async sees(who, pattern, ms = 15_000) {
        const text = await eventually(
          `${who} sees ${pattern}`,
          async () => {
            if (who === 'admin') return printed.findLast((each) => pattern.test(each));
            const shown = await body();
            return pattern.test(shown) ? shown : undefined;
          },
          { timeoutMs: ms, everyMs: 100 },
        );
        if (who === 'developer') await shot('seen');
        return text;
      },
      count: async (_who, pattern) => ((await body()).match(new RegExp(pattern, 'g')) ?? []).length,
      async credential() {
        const [opened] = await Promise.all([
          page.context().waitForEvent('page'),
          page
            .getByRole('button', { name: 'Get the kubeconfig' })
            .or(page.getByRole('link', { name: 'Get the kubeconfig' }))
            .last()
            .click(),
        ]);
        await opened.getByRole('button', { name: 'Download the kubeconfig' }).waitFor();
        const [download] = await Promise.all([
          opened.waitForEvent('download'),
          opened.getByRole('button', { name: 'Download the kubeconfig' }).click(),
        ]);
        const chunks: Buffer[] = [];
        for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
        await opened.close();
        return Buffer.concat(chunks).toString('utf8');
      },
      everything: () => printed.join('\n'),
    };

    await playStory({ chat, kqueen });

    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
