/** Calls to Slack: the Web API and response URLs, each with a deadline, none repeated by itself. */
import type { WebClient, WebClientOptions } from '@slack/web-api';
import { Fault } from '../../core/errors.ts';
import { type Attachment, PlaceGone } from '../../core/ports/chat.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { deadWords, isNeverSent, platformFault, refusalWord, slackFault, unreachable } from './faults.ts';

/** How one call went; `method` is a name of Slack's, `response_url`, `file` or `files.uploadV2`. */
export interface SlackCall {
  method: string;
  outcome: 'ok' | 'rate-limited' | 'unreachable' | 'refused';
  ms: number;
}

/** An `ok` answer of the Web API. */
export type Answer = { [name: string]: unknown };

export interface SlackApi {
  /** Throws a Fault or PlaceGone. `quick` gives up after two seconds: for what has to be done while a trigger lives. */
  call(method: string, args: Record<string, unknown>, quick?: boolean): Promise<Answer>;
  /** Uploads one file into a conversation; resolves with the file's id. */
  upload(channel: string, thread: string | undefined, file: Attachment): Promise<string>;
  /** Uploads an image that is shared nowhere yet, with the words for who cannot see it; resolves with the file's id. */
  picture(png: Uint8Array, alt: string): Promise<string>;
  /** Waits, on the clock of the calls. */
  pause(ms: number): Promise<void>;
  /** Posts to a response URL of an interaction. */
  respond(url: string, body: Record<string, unknown>): Promise<void>;
  /** Reads a file at its private address; null when that is none of Slack's own. Throws a Fault. */
  download(url: string, mostBytes: number): Promise<Uint8Array | 'too-large' | null>;
}

const callMs = 10_000;
const quickMs = 2_000;
const uploadMs = 20_000;
const respondMs = 5_000;
const downloadMs = 10_000;

export interface ApiOptions {
  /** The token of the next call; undefined for methods that take none. */
  token(): string | undefined;
  apiUrl?: string;
  clock: Clock;
  onCall?: (call: SlackCall) => void;
  /** Told when Slack says that the token is dead. */
  onDead?: () => void;
  logger: NonNullable<WebClientOptions['logger']>;
}

/** Options of every WebClient: a deadline, no repeats (the notifier has its own), and a 429 as an error with its time. */
export function clientOptions(options: Pick<ApiOptions, 'apiUrl' | 'logger'>, timeout: number): WebClientOptions {
  return {
    ...(options.apiUrl === undefined ? {} : { slackApiUrl: options.apiUrl }),
    timeout,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    maxRequestConcurrency: 50,
    logger: options.logger,
  };
}

/** Loads the Web API client and returns the calls. */
export async function createApi(options: ApiOptions): Promise<SlackApi> {
  const { WebClient } = await import('@slack/web-api');
  const clients = new Map<number, { token: string | undefined; client: WebClient }>();

  /** The client with this deadline, made anew when the token has changed. */
  function client(timeout: number): WebClient {
    const token = options.token();
    const known = clients.get(timeout);
    if (known !== undefined && known.token === token) return known.client;
    const made = new WebClient(token, clientOptions(options, timeout));
    clients.set(timeout, { token, client: made });
    return made;
  }

  async function metered<T>(method: string, work: () => Promise<T>): Promise<T> {
    const started = options.clock.now();
    const done = (outcome: SlackCall['outcome']) =>
      options.onCall?.({ method, outcome, ms: options.clock.now() - started });
    try {
      const answer = await work();
      done('ok');
      return answer;
    } catch (thrown) {
      if (deadWords.has(refusalWord(thrown) ?? '')) options.onDead?.();
      const fault = slackFault(thrown, method);
      done(outcomeOf(fault));
      throw fault;
    }
  }

  return {
    async call(method, args, isQuick = false) {
      return await metered(method, async () => ({
        ...(await client(isQuick ? quickMs : callMs).apiCall(method, args)),
      }));
    },
    async upload(channel, thread, file) {
      return await metered('files.uploadV2', async () => {
        const answer = await client(uploadMs).filesUploadV2({
          channel_id: channel,
          ...(thread === undefined ? {} : { thread_ts: thread }),
          filename: file.name,
          title: file.name,
          file: Buffer.from(file.content, 'utf8'),
          initial_comment: file.text,
        } as Parameters<WebClient['filesUploadV2']>[0]);
        return uploadedId(answer);
      });
    },
    async picture(png, alt) {
      return await metered('files.uploadV2', async () => {
        const answer = await client(uploadMs).filesUploadV2({
          filename: 'picture.png',
          title: alt.slice(0, 200),
          alt_text: alt.slice(0, 1_000),
          file: Buffer.from(png),
        } as Parameters<WebClient['filesUploadV2']>[0]);
        return uploadedId(answer);
      });
    },
    pause: (ms) => options.clock.sleep(ms),
    async respond(url, body) {
      await metered('response_url', () => postResponse(url, body));
    },
    async download(url, mostBytes) {
      if (!isSlackFile(url, options.apiUrl)) return null;
      return await metered('file', () => getFile(url, options.token() ?? '', mostBytes));
    },
  };
}

function outcomeOf(fault: Fault | PlaceGone): SlackCall['outcome'] {
  if (!('kind' in fault)) return 'refused';
  return fault.kind === 'rate-limited' || fault.kind === 'unreachable' ? fault.kind : 'refused';
}

/** files.uploadV2 answers with a list of completions, each with its files. */
function uploadedId(answer: unknown): string {
  const found = /"id":"(F[A-Z0-9]+)"/.exec(JSON.stringify(answer));
  return found?.[1] ?? '';
}

async function postResponse(url: string, body: Record<string, unknown>): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(respondMs),
    });
  } catch (thrown) {
    throw unreachable(`response_url: ${String(thrown)}`, !isNeverSent(thrown));
  }
  const text = (await response.text()).slice(0, 300);
  if (response.ok) return;
  if (response.status === 429) throw platformFault('ratelimited', 'response_url');
  if (response.status >= 500) throw unreachable(`response_url: ${response.status}`, true);
  throw platformFault(
    response.status === 404 ? 'not_found' : 'response_refused',
    `response_url: ${response.status} ${text}`,
  );
}

/** The token goes to Slack alone: to its own hosts, and to the place that stands for them. */
function isSlackFile(url: string, apiUrl: string | undefined): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname, origin } = new URL(url);
  if (apiUrl !== undefined && origin === new URL(apiUrl).origin) return true;
  return protocol === 'https:' && /(^|\.)(slack|slack-files|slack-gov)\.com$/.test(hostname);
}

/** A token without files:read is led to a page for signing in (docs.slack.dev/reference/objects/file-object, "Authentication"). */
async function getFile(url: string, token: string, mostBytes: number): Promise<Uint8Array | 'too-large'> {
  const signal = AbortSignal.timeout(downloadMs);
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}` },
      redirect: 'manual',
      signal,
    });
    const page = response.headers.get('content-type')?.startsWith('text/html') === true;
    if (response.status === 403 || (response.status >= 300 && response.status < 400) || page)
      throw platformFault('missing_scope', `file: ${response.status}`);
    if (response.status === 404) throw platformFault('file_not_found', 'file: 404');
    if (response.status === 429) throw platformFault('ratelimited', 'file');
    if (!response.ok) throw unreachable(`file: ${response.status}`, false);
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > mostBytes) return 'too-large';
      chunks.push(chunk);
    }
  } catch (thrown) {
    if (thrown instanceof Fault || thrown instanceof PlaceGone) throw thrown;
    throw unreachable(`file: ${String(thrown)}`, false);
  }
  return Buffer.concat(chunks);
}
