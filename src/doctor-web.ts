/** What the doctor looks at over HTTP: KQueen's own port from here and from its public address, Microsoft, and other people's clocks. */
import { createHmac, randomBytes } from 'node:crypto';
import { Agent, fetch as fetchThrough } from 'undici';
import { publicCloud } from './bot/teams/connector.ts';
import { openTokens } from './bot/teams/token.ts';
import { type Finding, fine } from './core/doctor.ts';
import { asFault } from './core/errors.ts';
import type { Clock } from './core/ports/clock.ts';
import type { Settings, TeamsSettings } from './settings.ts';

const lookMs = 8_000;

/** Why a request got no answer, in a word of the system where there is one. */
function why(thrown: unknown): string {
  let error: unknown = thrown;
  for (let depth = 0; depth < 5 && typeof error === 'object' && error !== null; depth += 1) {
    if ('code' in error && typeof error.code === 'string') return error.code;
    error = 'cause' in error ? error.cause : undefined;
  }
  return thrown instanceof Error && thrown.name === 'TimeoutError' ? `nothing within ${lookMs / 1_000} s` : 'no answer';
}

interface Look {
  status: number;
  body: string;
  /** How far the other side's clock is ahead of ours, in milliseconds. */
  skewMs: number | null;
}

async function look(clock: Clock, url: string, init: RequestInit = {}): Promise<Look | string> {
  try {
    const response = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(lookMs) });
    const date = Date.parse(response.headers.get('date') ?? '');
    return {
      status: response.status,
      body: (await response.text()).slice(0, 10_000),
      skewMs: Number.isNaN(date) ? null : date - clock.now(),
    };
  } catch (thrown) {
    return why(thrown);
  }
}

/** An address at which KQueen should answer. */
export interface Base {
  /** `this machine` or `the public address`. */
  name: string;
  url: string;
  isPublic: boolean;
}

/** Where this KQueen listens, and where people reach it. */
export function bases({ http, publicUrl }: Pick<Settings, 'http' | 'publicUrl'>, port = http.port): Base[] {
  const host = ['0.0.0.0', '::', '[::]'].includes(http.host) ? '127.0.0.1' : http.host;
  const literal = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return [
    ...(port === 0 ? [] : [{ name: 'this machine', url: `http://${literal}:${port}`, isPublic: false }]),
    ...(publicUrl === undefined ? [] : [{ name: 'the public address', url: publicUrl, isPublic: true }]),
  ];
}

/** Whether KQueen answers at an address; `skewMs` where that told the time. */
export async function checkBase(clock: Clock, base: Base): Promise<{ finding: Finding; up: boolean; skewMs?: number }> {
  const [part, check] = ['HTTP', base.name] as const;
  const seen = await look(clock, `${base.url}/healthz`);
  const up = typeof seen === 'object' && seen.status === 200 && seen.body.trim() === 'ok';
  const skew = typeof seen === 'object' && seen.skewMs !== null ? { skewMs: seen.skewMs } : {};
  if (up) return { finding: fine(part, check, `KQueen answers at ${base.url}.`), up, ...skew };
  const what =
    typeof seen === 'string' ? `does not answer (${seen})` : `answers ${seen.status}, and not as KQueen does`;
  const finding: Finding = base.isPublic
    ? {
        part,
        check,
        verdict: 'attention',
        means: `${base.url} ${what}, as seen from here. People, Slack and Teams may see it otherwise.`,
        fix: 'Check the name in DNS, the proxy that ends TLS and its certificate; all paths have to lead to this port.',
      }
    : {
        part,
        check,
        verdict: 'unknown',
        means: `${base.url} ${what}: no KQueen runs there now, so what only a running one can tell was not looked at.`,
      };
  return { finding, up };
}

/** Sends what Slack sends to prove an address: whether a request signed with our secret gets through and is believed. */
export async function checkSignature(clock: Clock, base: Base, secret: string): Promise<Finding> {
  const [part, check] = ['Slack', `signature, ${base.name}`] as const;
  const challenge = randomBytes(12).toString('hex');
  const body = JSON.stringify({ type: 'url_verification', challenge });
  const timestamp = Math.floor(clock.now() / 1_000);
  const signature = `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`;
  const seen = await look(clock, `${base.url}/slack/events`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-slack-request-timestamp': String(timestamp),
      'x-slack-signature': signature,
    },
    body,
  });
  if (typeof seen === 'object' && seen.status === 200 && seen.body.includes(challenge)) {
    return fine(part, check, 'A request signed with SLACK_SIGNING_SECRET gets through and is believed.');
  }
  if (typeof seen === 'object' && seen.status === 401) {
    const means =
      'A request signed with SLACK_SIGNING_SECRET arrives and is not believed: the KQueen there has another secret or another time.';
    const fix =
      'Give every process the Signing Secret of Basic Information (https://api.slack.com/apps), and start them again.';
    return { part, check, verdict: 'broken', means, fix };
  }
  const what = typeof seen === 'string' ? seen : `status ${seen.status}`;
  const fix = 'POST /slack/events has to reach a process with the bot role, with its body and headers as they are.';
  return {
    part,
    check,
    verdict: 'broken',
    means: `Slack’s requests to ${base.url}/slack/events would not get through (${what}).`,
    fix,
  };
}

/** Whether Teams can reach us, and strangers cannot. */
export async function checkMessages(clock: Clock, base: Base, { development }: TeamsSettings): Promise<Finding> {
  const [part, check] = ['Teams', `messaging endpoint, ${base.name}`] as const;
  const url = `${base.url}/api/messages`;
  const headers = { 'content-type': 'application/json' };
  const seen = await look(clock, url, { method: 'POST', headers, body: JSON.stringify({ type: 'message' }) });
  if (typeof seen === 'object' && seen.status === 401)
    return fine(part, check, 'It answers, and lets nobody in without Microsoft’s token.');
  if (development) return fine(part, check, 'Authentication is off for development, on this machine alone.');
  const what = typeof seen === 'string' ? seen : `status ${seen.status} instead of 401`;
  const fix = `The Azure Bot’s messaging endpoint and the proxy have to lead to ${url}.`;
  return {
    part,
    check,
    verdict: 'broken',
    means: `A message without a token is answered otherwise than it should be (${what}).`,
    fix,
  };
}

/** What Entra ID's codes mean (learn.microsoft.com, "Microsoft Entra authentication and authorization error codes"). */
const entra: Record<string, { means: string; fix: string }> = {
  7000215: {
    means: 'Microsoft does not take the client secret.',
    fix: 'Set MicrosoftAppPassword to the secret’s Value, not to its Secret ID (App registrations, Certificates & secrets).',
  },
  7000222: {
    means: 'The client secret has expired.',
    fix: 'Make a new client secret (App registrations, Certificates & secrets) and set it as MicrosoftAppPassword.',
  },
  700016: {
    means: 'The tenant does not know the application.',
    fix: 'Compare MicrosoftAppId and MicrosoftAppTenantId with the Overview of the app registration, and MicrosoftAppType with the Azure Bot.',
  },
  90002: {
    means: 'There is no such tenant.',
    fix: 'Set MicrosoftAppTenantId to the Directory (tenant) ID of the app registration.',
  },
};

/** Whether Microsoft gives us a token; the token itself is dropped. */
export async function checkTeamsToken(clock: Clock, teams: TeamsSettings): Promise<Finding> {
  const [part, check] = ['Teams', 'token'] as const;
  if (teams.appId === '')
    return { part, check, verdict: 'unknown', means: 'There is no application id: the Agents Playground needs none.' };
  if (teams.appType === 'UserAssignedMSI') {
    return {
      part,
      check,
      verdict: 'unknown',
      means: 'A managed identity has no secret to try; Azure gives its token to the machine.',
    };
  }
  const endpoints = { ...publicCloud, ...teams.endpoints };
  const tenant = teams.appType === 'MultiTenant' ? 'botframework.com' : teams.tenantId;
  try {
    await openTokens({
      ...teams,
      loginUrl: `${endpoints.loginUrl}/${tenant}`,
      scope: endpoints.scope,
      clock,
      timeoutMs: lookMs,
    })();
    const kind =
      teams.appType === 'MultiTenant'
        ? 'a multi-tenant application; people of one tenant are served'
        : 'an application of one tenant';
    return fine(part, check, `Microsoft takes the application id and its secret, as ${kind}.`);
  } catch (thrown) {
    const fault = asFault(thrown);
    const known = Object.entries(entra).find(([code]) => fault.detail?.split(' ').includes(code))?.[1];
    const fix = fault.next ?? 'Check that this machine may reach login.microsoftonline.com over HTTPS.';
    return { part, check, verdict: 'broken', means: fault.message, fix, ...known };
  }
}

/** How far an etcd member's clock is ahead of ours, in milliseconds; null where it does not tell. */
export async function etcdSkew(clock: Clock, etcd: NonNullable<Settings['store']['etcd']>): Promise<number | null> {
  const { ca, cert, key, hosts } = etcd;
  const tls = { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
  const dispatcher = new Agent({ connect: { ...tls, timeout: 3_000 } });
  try {
    const response = await fetchThrough(`${hosts[0]}/version`, { dispatcher, signal: AbortSignal.timeout(3_000) });
    const date = Date.parse(response.headers.get('date') ?? '');
    await response.text();
    return Number.isNaN(date) ? null : date - clock.now();
  } catch {
    // Whether etcd answers is another check's to say; this one only reads its clock.
    return null;
  } finally {
    await dispatcher.close();
  }
}

/** Slack refuses to be believed, and we refuse Slack, beyond five minutes; Microsoft's tokens bear five minutes, too. */
export function checkClock(skews: readonly { from: string; ms: number }[]): Finding {
  const [part, check] = ['Clock', 'difference'] as const;
  const worst = [...skews].sort((a, b) => Math.abs(b.ms) - Math.abs(a.ms))[0];
  if (worst === undefined)
    return { part, check, verdict: 'unknown', means: 'Nobody was there to compare the time with.' };
  const seconds = Math.abs(Math.round(worst.ms / 1_000));
  const against = skews.map(({ from }) => from).join(', ');
  // The Date header has whole seconds, and the answer was on its way for some time.
  if (seconds < 10) return fine(part, check, `This machine and ${against} agree on the time.`);
  const means = `This machine’s clock is ${seconds} s ${worst.ms > 0 ? 'behind' : 'ahead of'} that of ${worst.from}.${seconds >= 240 ? ' From five minutes on, requests of Slack and Teams are refused.' : ''}`;
  const fix = 'Switch on time synchronisation: timedatectl set-ntp true, or the host’s own way.';
  return { part, check, verdict: seconds >= 240 ? 'broken' : 'attention', means, fix };
}
