import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Notifier, startNotifier } from '../../src/bot/notifier.ts';
import { connectProvisioner } from '../../src/core/connect.ts';
import { type Chat, openChat } from '../bot/chat.ts';
import { nextId, openStage, org, type Stage } from '../core/stage.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';

let provider: SandboxProvider;
let stage: Stage;
let chat: Chat;
let notifier: Notifier;

beforeAll(async () => {
  provider = await startSandboxProvider(500);
});
afterAll(() => provider.stop());
afterEach(async () => {
  await notifier.close();
  await stage.close();
  await provider.ask('PUT', '/v1/admin/faults', []);
});

test('a creation that fails at a real provider: what the provider said and the end of its log are in the thread, once and silently', async () => {
  stage = await openStage({ provider, worker: true });
  chat = openChat(realClock, { editEveryMs: 100 });
  const { store, cache, sealer } = stage.opened;
  const { engines, log } = stage.parts;
  notifier = startNotifier({
    ...{ store, cache, engines, log, org },
    clock: realClock,
    newId: nextId,
    port: chat.connect('one'),
    approvals: [],
    connect: (provisioner) => connectProvisioner({ store, sealer, engines }, provisioner),
  });
  const fail = { code: 'no_capacity', message: 'There are no machines of this size left.', atPercent: 40 };
  await provider.ask('PUT', '/v1/admin/faults', [{ operation: 'create', times: 1, effect: { fail } }]);
  const wish = 'cluster create dev-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=2';
  await stage.press('anna', await stage.say('anna', wish), 'Create it');
  await eventually('the message says that it failed', () => /failed/.test(chat.screen[0]?.card.title ?? ''), {
    timeoutMs: 20_000,
  });
  const tail = await eventually('the end of the log is in the thread', () =>
    chat.replies.find(({ said }) => typeof said !== 'string' && /end of the provider's log/.test(said.title)),
  );
  expect(tail.under).toBe(chat.screen[0]?.id);
  expect(JSON.stringify(tail.said)).toContain('There are no machines of this size left.');
  await eventually('the message is closed', async () =>
    (await store.page('message', org)).items.every(({ record }) => record.closed),
  );
  expect(chat.replies.filter(({ said }) => typeof said !== 'string' && /log of/.test(said.title))).toHaveLength(1);
  expect(chat.pings).toHaveLength(1);
  expect(chat.screen).toHaveLength(1);
});
