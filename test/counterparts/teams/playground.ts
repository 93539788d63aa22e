/**
 * Microsoft's Agents Playground in headless Chromium: a real Teams client, offline. One person (Alex Wilber), a personal chat,
 * a group chat and a team with the channel General.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { endProcess, eventually, findServer, freePort, spawnReaped } from '../../servers.ts';
import { judgeCards } from './cards.ts';

/** The Playground's built-in person and tenant. */
export const playgroundPerson = { name: 'Alex Wilber', objectId: '00000000-0000-0000-0000-0000000000020' };
const playgroundChats = {
  personal: 'Personal Chat',
  group: 'Group Chat',
  channel: 'My Team - General',
} as const;

export interface Playground {
  page: Page;
  url: string;
  /** Opens one of the chats. */
  goto(chat: keyof typeof playgroundChats): Promise<void>;
  /** Writes to the bot; in the channel as a new post, with the mention the bot needs there. */
  say(text: string): Promise<void>;
  /** Clicks the newest button of that name. */
  click(button: string): Promise<void>;
  /** Fills the newest field of that label: text, number, a choice by its title, or `true`/`false` for a toggle. */
  fill(label: string, value: string): Promise<void>;
  /** Waits until the text is to be seen in the newest place it stands. */
  see(text: string | RegExp, timeoutMs?: number): Promise<void>;
  /** How often the text is to be seen now. */
  count(text: string | RegExp): Promise<number>;
  /** Saves a picture of the page as `<name>.png` in the folder of pictures; returns its path. */
  shot(name: string): Promise<string>;
  stop(): Promise<void>;
}

export interface PlaygroundOptions {
  /** Where the bot listens: `http://127.0.0.1:1234/api/messages`. */
  botUrl: string;
  /** Where pictures go (default KQUEEN_SHOTS, else a temporary folder that `stop` removes). */
  shots?: string;
}

const chromiumFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts the Playground and a browser on its page; needs the chromium program. */
export async function startPlayground(options: PlaygroundOptions): Promise<Playground> {
  const program = findServer('chromium');
  if (program === null) throw new Error('not installed here: chromium');
  const folder = mkdtempSync(join(tmpdir(), 'kqueen-playground-'));
  const shots = options.shots ?? process.env.KQUEEN_SHOTS ?? join(folder, 'shots');
  mkdirSync(shots, { recursive: true });
  const port = await freePort();
  const cli = join(
    dirname(createRequire(import.meta.url).resolve('@microsoft/m365agentsplayground/package.json')),
    'cli.js',
  );
  const child = spawnReaped(
    process.execPath,
    [cli, 'start', '-e', options.botUrl, '-c', 'msteams', '-p', String(port), '--disable-telemetry'],
    { ...process.env, BROWSER: 'none' },
    folder,
  );
  let log = '';
  const keep = (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-20_000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const url = `http://127.0.0.1:${port}/`;
  let context: BrowserContext | undefined;
  const stop = async () => {
    await context?.close();
    await endProcess(child, 'SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await eventually(
      'the Agents Playground to listen',
      async () => {
        if (child.exitCode !== null) throw new Error(`it ended: ${log}`);
        return (await fetch(url)).ok;
      },
      { timeoutMs: 30_000, everyMs: 100 },
    );
    context = await chromium.launchPersistentContext(join(folder, 'profile'), {
      executablePath: program,
      headless: true,
      viewport: { width: 1280, height: 1000 },
      args: chromiumFlags,
    });
    const page = context.pages()[0] ?? (await context.newPage());
    // Nothing leaves this machine: the page would fetch its fonts from a network of Microsoft's.
    await page.route(
      ({ hostname }) => !/^(127\.0\.0\.1|localhost)$/.test(hostname),
      (route) => route.abort(),
    );
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => judgeFrame(String(payload))));
    await page.goto(url);
    await composeBox(page).waitFor({ timeout: 20_000 });
    return playOn(page, url, shots, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The page is told of each message that it is to show as JSON: `{ action: 'createMessage' | 'updateMessage', message }`. */
function judgeFrame(text: string): void {
  if (!text.startsWith('{"action":')) return;
  const { message } = JSON.parse(text) as { message?: { attachments?: unknown } };
  judgeCards('a message in the Agents Playground', message?.attachments);
}

function composeBox(page: Page): Locator {
  return page.locator('div[role=textbox][contenteditable=true]').first();
}

function playOn(page: Page, url: string, shots: string, stop: () => Promise<void>): Playground {
  let chat: keyof typeof playgroundChats = 'personal';
  page.setDefaultTimeout(10_000);

  const box = () => composeBox(page);

  return {
    page,
    url,
    stop,
    async goto(which) {
      await page.getByLabel(playgroundChats[which], { exact: true }).first().click();
      chat = which;
      await page.waitForTimeout(300);
    },
    async say(text) {
      if (chat === 'channel' && !(await box().isVisible())) await page.getByText('Start a new post').first().click();
      await box().click();
      if (chat !== 'personal') {
        await page.keyboard.type('@');
        await page.getByText('Test Bot', { exact: true }).last().click();
        await page.keyboard.type(' ');
      }
      await page.keyboard.type(text);
      if (chat === 'channel') await page.getByRole('button', { name: 'Post', exact: true }).click();
      else await page.getByLabel('Send Message').click();
    },
    async click(button) {
      await page.getByRole('button', { name: button, exact: true }).last().click();
    },
    async fill(label, value) {
      const controls = page.locator('input, textarea, [role=combobox]');
      // Of "Nodes" and "Gateway nodes" the first is meant by its own name; what follows the name is its help.
      const named = new RegExp(`^${label.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);
      const field = controls.and(page.getByLabel(named)).last();
      await field.waitFor();
      const kind = await field.evaluate(
        (element) => element.getAttribute('role') ?? element.getAttribute('type') ?? 'text',
      );
      if (kind === 'combobox') {
        await field.click();
        await page.getByRole('option', { name: value }).last().click();
      } else if (kind === 'checkbox') await field.setChecked(value === 'true');
      else await field.fill(value);
    },
    async see(text, timeoutMs = 15_000) {
      await page.getByText(text).last().waitFor({ timeout: timeoutMs });
    },
    count: (text) => page.getByText(text).count(),
    async shot(name) {
      const path = join(shots, `${name}.png`);
      await page.screenshot({ path });
      return path;
    },
  };
}
