/** What can be asked of Slack about the app: its tokens, what they may, where it is, and what the clocks say. Nothing is posted and nothing is kept. */
import { type Finding, fine } from '../../core/doctor.ts';
import { Fault } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Place } from '../../core/records.ts';
import { ago } from '../../core/words.ts';
import type { Heard } from './app.ts';
import { installPath } from './install.ts';
import { events, scopeNames, scopes, slashCommand } from './needs.ts';
import { oneLine } from './text.ts';

export interface SlackDoctorOptions {
  /** The workspaces that are served; without a team, by the token of the configuration. */
  workspaces: readonly { team?: string; name?: string; token: string }[];
  oauth?: { clientId: string; clientSecret: string; publicUrl: string };
  appToken?: string;
  /** Another place for Slack's Web API, ending in `/api/`. */
  apiUrl?: string;
  /** Where requests for approval are posted. */
  approvals: readonly Place[];
  clock: Clock;
  /** What a running KQueen has heard since its start. */
  heard?: Heard;
}

export interface SlackDiagnosis {
  findings: Finding[];
  /** How far Slack's clock is ahead of ours, in milliseconds. */
  skewMs?: number;
}

interface Answered {
  /** `ok`, or the word of a refusal. */
  word: string;
  body: Record<string, unknown>;
  scopes: string[] | null;
  skewMs: number | null;
}

const askMs = 8_000;

/** Looks at the app and at every workspace. Never throws for what Slack answers. */
export async function diagnoseSlack(options: SlackDoctorOptions): Promise<SlackDiagnosis> {
  const looked = await Promise.all(options.workspaces.map((each) => lookAtWorkspace(options, each)));
  const findings = looked.flatMap((each) => each.findings);
  if (options.workspaces.length === 0) {
    const fix = options.oauth
      ? `Open ${options.oauth.publicUrl}${installPath} and press Add to Slack.`
      : 'Set SLACK_BOT_TOKEN.';
    findings.push({
      part: 'Slack',
      check: 'workspaces',
      verdict: 'attention',
      means: 'No workspace has installed KQueen yet.',
      fix,
    });
  }
  const teams = looked.flatMap(({ team }) => (team === undefined ? [] : [team]));
  if (teams.length === looked.length) findings.push(...strayApprovals(options.approvals, teams));
  const app = await Promise.all([lookAtAppToken(options), lookAtClient(options)]);
  findings.push(...app.flatMap((each) => each ?? []), ...whatWasHeard(options));
  const skews = looked.flatMap(({ skewMs }) => skewMs ?? []);
  return { findings, ...(skews[0] === undefined ? {} : { skewMs: skews[0] }) };
}

/** Calls a method; what Slack says is an answer, be it a refusal. Throws a Fault when it says nothing. */
async function ask(
  { apiUrl, clock }: Pick<SlackDoctorOptions, 'apiUrl' | 'clock'>,
  method: string,
  token: string | null,
  form: Record<string, string> = {},
): Promise<Answered> {
  const response = await fetch(`${apiUrl ?? 'https://slack.com/api/'}${method}`, {
    method: 'POST',
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
    body: new URLSearchParams(form),
    redirect: 'error',
    signal: AbortSignal.timeout(askMs),
  }).catch((cause: unknown) => {
    throw new Fault('unreachable', 'Slack does not answer.', { cause, detail: String(cause) });
  });
  const body: unknown = await response.json().catch(() => null);
  if (typeof body !== 'object' || body === null) {
    throw new Fault('unreachable', `Slack answered ${response.status} with something that is no answer of Slack’s.`);
  }
  const date = Date.parse(response.headers.get('date') ?? '');
  const granted = response.headers.get('x-oauth-scopes');
  const error = 'error' in body ? String(body.error) : 'unknown';
  return {
    word: 'ok' in body && body.ok === true ? 'ok' : error,
    body: { ...body },
    scopes:
      granted === null
        ? null
        : granted
            .split(',')
            .map((each) => each.trim())
            .filter((each) => each !== ''),
    skewMs: Number.isNaN(date) ? null : date - clock.now(),
  };
}

function unanswered(part: string, check: string, thrown: unknown): Finding {
  const means = thrown instanceof Fault ? thrown.message : 'Slack could not be asked.';
  const fix =
    'Check that this machine may reach slack.com over HTTPS (a proxy, a firewall, DNS), and SLACK_API_URL if it is set.';
  return { part, check, verdict: 'broken', means, fix };
}

async function lookAtWorkspace(
  options: SlackDoctorOptions,
  { team: known, name, token }: SlackDoctorOptions['workspaces'][number],
): Promise<{ findings: Finding[]; team?: string; skewMs?: number }> {
  const part = name === undefined ? 'Slack' : `Slack ${name}`;
  const team = known === undefined ? {} : { team: known };
  let answer: Answered;
  try {
    answer = await ask(options, 'auth.test', token);
  } catch (thrown) {
    return { findings: [unanswered(part, 'token', thrown)], ...team };
  }
  const skew = answer.skewMs === null ? {} : { skewMs: answer.skewMs };
  if (answer.word !== 'ok') return { findings: [refusedToken(options, part, answer.word)], ...team, ...skew };
  const { body } = answer;
  const found = String(body.team_id);
  const findings = [
    fine(
      part,
      'token',
      `Slack takes the token: KQueen is ${oneLine(String(body.user))} in ${oneLine(String(body.team))} (${found}).`,
    ),
  ];
  if (known !== undefined && known !== found) {
    findings.push({
      part,
      check: 'workspace',
      verdict: 'broken',
      means: `The token is of another workspace (${found}).`,
      fix: again(options),
    });
  }
  findings.push(...lookAtScopes(options, part, answer.scopes));
  for (const place of options.approvals.filter(({ chat, workspace }) => chat === 'slack' && workspace === found)) {
    findings.push(await lookAtChannel(options, part, token, place.conversation));
  }
  return { findings, team: found, ...skew };
}

/** How the app is installed again, in words. */
function again({ oauth }: SlackDoctorOptions): string {
  return oauth
    ? `Install it again at ${oauth.publicUrl}${installPath}.`
    : 'Install it again (Install App at https://api.slack.com/apps) and copy its Bot User OAuth Token into SLACK_BOT_TOKEN.';
}

function refusedToken(options: SlackDoctorOptions, part: string, word: string): Finding {
  const told: Record<string, string> = {
    invalid_auth: 'Slack does not know the token, or does not take it from this address.',
    account_inactive: 'The app is no longer installed there.',
    token_revoked: 'The token was revoked.',
    token_expired: options.oauth
      ? 'The token has ended and could not be renewed.'
      : 'The token has ended: token rotation is on, and a token in the configuration cannot be renewed. Installing with SLACK_CLIENT_ID can.',
  };
  const means = told[word] ?? `Slack refuses the token (${oneLine(word)}).`;
  return { part, check: 'token', verdict: 'broken', means, fix: again(options) };
}

function lookAtScopes(options: SlackDoctorOptions, part: string, granted: string[] | null): Finding[] {
  const check = 'scopes';
  if (granted === null) {
    return [{ part, check, verdict: 'unknown', means: 'Slack did not tell which scopes the token has.' }];
  }
  const missing = Object.entries(scopes).filter(([scope]) => !granted.includes(scope));
  const more = granted.filter((scope) => !scopeNames.includes(scope));
  const findings: Finding[] = [];
  if (missing.length > 0) {
    const what = missing.map(([scope, why]) => `${scope} (to ${why})`).join(', ');
    const fix = `Bring the app up to date with manifest.yml (App Manifest at https://api.slack.com/apps). ${again(options)}`;
    findings.push({ part, check, verdict: 'broken', means: `The token lacks ${what}.`, fix });
  }
  if (more.length > 0) {
    const means = `The token may more than KQueen uses: ${more.map(oneLine).join(', ')}.`;
    const fix = `Take them out at OAuth & Permissions (https://api.slack.com/apps). ${again(options)}`;
    findings.push({ part, check, verdict: 'attention', means, fix });
  }
  return findings.length > 0
    ? findings
    : [fine(part, check, 'The token has every scope of manifest.yml, and no other.')];
}

/** Whether requests for approval can be posted there and found again; by its history, for which the app has the scopes anyway. */
async function lookAtChannel(
  options: SlackDoctorOptions,
  part: string,
  token: string,
  channel: string,
): Promise<Finding> {
  const check = `channel ${channel}`;
  try {
    const { word } = await ask(options, 'conversations.history', token, { channel, limit: '1' });
    const invite = `Write /invite @kqueen in that channel`;
    switch (word) {
      case 'ok':
        return fine(part, check, 'Requests for approval can be posted there.');
      case 'not_in_channel':
        return {
          part,
          check,
          verdict: 'attention',
          means: 'KQueen is no member: it may post there, and cannot find its message again after a lost answer.',
          fix: `${invite}.`,
        };
      case 'channel_not_found':
        return {
          part,
          check,
          verdict: 'broken',
          means: 'KQueen sees no such channel: the id is wrong, or it is private and KQueen was not invited.',
          fix: `${invite}, or correct KQUEEN_APPROVALS.`,
        };
      default:
        return {
          part,
          check,
          verdict: 'broken',
          means: `Slack does not let it be read (${oneLine(word)}).`,
          fix: `${invite}.`,
        };
    }
  } catch (thrown) {
    return unanswered(part, check, thrown);
  }
}

function strayApprovals(approvals: readonly Place[], teams: readonly string[]): Finding[] {
  const stray = approvals.filter(({ chat, workspace }) => chat === 'slack' && !teams.includes(workspace));
  return stray.map(({ workspace, conversation }) => ({
    part: 'Slack',
    check: `channel ${conversation}`,
    verdict: 'broken',
    means: `KQUEEN_APPROVALS names a channel of ${workspace}, in which KQueen is not installed.`,
    fix: 'Correct KQUEEN_APPROVALS, or install KQueen there.',
  }));
}

async function lookAtAppToken(options: SlackDoctorOptions): Promise<Finding | null> {
  if (options.appToken === undefined) return null;
  const [part, check] = ['Slack', 'Socket Mode'] as const;
  try {
    const { word } = await ask(options, 'apps.connections.open', options.appToken);
    if (word === 'ok') return fine(part, check, 'A Socket Mode connection can be opened with the app-level token.');
    const make =
      'Make an app-level token with the scope connections:write (Basic Information, App-Level Tokens) and set it as SLACK_APP_TOKEN.';
    const isToken = [
      'invalid_auth',
      'not_allowed_token_type',
      'missing_scope',
      'no_permission',
      'token_revoked',
    ].includes(word);
    const means = isToken
      ? `Slack does not take the app-level token (${word}).`
      : `Slack opens no Socket Mode connection (${oneLine(word)}).`;
    const fix = isToken ? make : 'Switch Socket Mode on for the app (Socket Mode at https://api.slack.com/apps).';
    return { part, check, verdict: 'broken', means, fix };
  } catch (thrown) {
    return unanswered(part, check, thrown);
  }
}

/** Whether Slack knows the client: with a code that cannot be good it gets as far as the code. */
async function lookAtClient(options: SlackDoctorOptions): Promise<Finding | null> {
  const { oauth } = options;
  if (oauth === undefined) return null;
  const [part, check] = ['Slack', 'client'] as const;
  try {
    const form = { client_id: oauth.clientId, client_secret: oauth.clientSecret, code: 'kqueen-doctor' };
    const { word } = await ask(options, 'oauth.v2.access', null, form);
    if (word === 'invalid_code') return fine(part, check, 'Slack takes the client id and its secret.');
    const known = {
      invalid_client_id: 'Slack does not know the client id.',
      bad_client_secret: 'The client secret is wrong.',
    };
    const means = known[word as keyof typeof known] ?? `Slack refuses the client (${oneLine(word)}).`;
    const fix = 'Copy SLACK_CLIENT_ID and SLACK_CLIENT_SECRET from Basic Information at https://api.slack.com/apps.';
    return { part, check, verdict: 'broken', means, fix };
  } catch (thrown) {
    return unanswered(part, check, thrown);
  }
}

/** Events and commands cannot be asked for; that they arrive can be seen. */
function whatWasHeard({ heard, clock }: SlackDoctorOptions): Finding[] {
  if (heard === undefined) return [];
  const talk = events.filter((name) => name === 'app_mention' || name === 'message.im');
  const wanted = [`command ${slashCommand}`, ...talk.map((name) => `event ${name}`), 'interaction'];
  const [part, check] = ['Slack', 'what arrives'] as const;
  const since = wanted.flatMap((name) => {
    const at = heard.get(name);
    return at === undefined ? [] : [`${name} ${ago(clock.now() - at)}`];
  });
  const silent = wanted.filter((name) => !heard.has(name));
  const findings = since.length > 0 ? [fine(part, check, `Heard since the start: ${since.join(', ')}.`)] : [];
  if (silent.length === 0) return findings;
  const means = `Not heard since the start: ${silent.join(', ')}. What was used meanwhile and is in this list does not arrive here.`;
  const fix =
    'Compare Slash Commands, Event Subscriptions and Interactivity at https://api.slack.com/apps with manifest.yml, addresses too.';
  return [...findings, { part, check, verdict: 'unknown', means, fix }];
}
