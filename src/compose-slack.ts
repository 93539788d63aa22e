/** Slack as a part of the bot role: in one workspace by a token, or in every workspace that has installed KQueen. */
import { createFirstContact } from './bot/first-contact.ts';
import type { Handle } from './bot/inbound.ts';
import type { SlackCall } from './bot/slack/api.ts';
import type { Heard } from './bot/slack/app.ts';
import { newId } from './clock.ts';
import { Fault } from './core/errors.ts';
import type { ChatPort } from './core/ports/chat.ts';
import type { Clock } from './core/ports/clock.ts';
import type { Log } from './core/ports/log.ts';
import type { Cache, Sealer, Store } from './core/ports/store.ts';
import type { Listener } from './http.ts';
import type { Settings, SlackSettings } from './settings.ts';

export interface SlackParts {
  handle: Handle;
  log: Log;
  clock: Clock;
  store: Store;
  cache: Cache;
  sealer: Sealer;
  onCall: (call: SlackCall) => void;
  /** A workspace is served from now on, though Slack may not have said yet which it is. */
  opened(port: ChatPort): void;
  /** It is served no longer. */
  closed(port: ChatPort): Promise<void>;
}

/** Slack while it runs. */
export interface RunningSlack {
  events?: Listener;
  installer?: Listener;
  heard: Heard;
  start(): Promise<void>;
  stop(graceMs: number): Promise<void>;
  /** Throws a Fault while it cannot serve. */
  ready(): Promise<void>;
}

/** Opens what the settings ask for; `start` connects it. */
export async function openRunningSlack(
  { org, publicUrl }: Pick<Settings, 'org' | 'publicUrl'>,
  slack: SlackSettings,
  parts: SlackParts,
): Promise<RunningSlack> {
  const { oauth, botToken, ...transport } = slack;
  const followed = {
    cache: parts.cache,
    org,
    firstContact: createFirstContact({ ...parts, org }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
  };
  if (oauth !== undefined) {
    if (publicUrl === undefined) throw new Fault('bad-input', 'SLACK_CLIENT_ID needs KQUEEN_PUBLIC_URL.');
    const { openSlackForMany } = await import('./bot/slack/many.ts');
    const many = await openSlackForMany({
      ...transport,
      ...parts,
      followed,
      oauth: { ...oauth, publicUrl },
      org,
      newId,
    });
    return { ...many, ...(many.requestListener ? { events: many.requestListener } : {}) };
  }
  if (botToken === undefined) throw new Fault('bad-input', 'Slack needs SLACK_BOT_TOKEN or SLACK_CLIENT_ID.');
  const { openSlack } = await import('./bot/slack/adapter.ts');
  const one = await openSlack({ ...transport, ...parts, followed, botToken });
  parts.opened(one.port);
  return {
    ...(one.requestListener ? { events: one.requestListener } : {}),
    heard: one.heard,
    start: () => one.start(),
    stop: (graceMs) => one.stop(graceMs),
    ready: () => one.port.ready(),
  };
}
