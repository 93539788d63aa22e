/**
 * The HTTP side that apps call: the Web API, response URLs, uploads and downloads.
 *
 * Contract: docs.slack.dev/apis/web-api (form or JSON arguments, bearer token, HTTP 200 with `ok`; 429 with `Retry-After`;
 * `not_authed`, `invalid_auth`, `not_allowed_token_type`, `missing_scope` with `needed` and `provided`, `unknown_method`).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { respond } from './chat-methods.ts';
import type { Core } from './core.ts';
import type { Fault } from './faults.ts';
import { isObject, parsed, textOf } from './json.ts';
import { HANDLERS } from './other-methods.ts';
import { METHODS } from './rates.ts';
import { Refusal, unlucky, wrong } from './refusal.ts';
import type { Call, Json } from './types.ts';

const BODY_LIMIT = 20 * 1024 * 1024;

interface Answer {
  status: number;
  body: Json | string;
  headers?: Record<string, string>;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > BODY_LIMIT) throw wrong('request_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function formOf(body: Buffer, contentType: string): Promise<FormData> {
  return await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
}

async function argumentsOf(request: IncomingMessage, url: URL): Promise<Json> {
  const query = Object.fromEntries(url.searchParams);
  if (request.method === 'GET') return query;
  const body = await bodyOf(request);
  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('application/json')) {
    const json = parsed(body.toString('utf8'));
    if (!isObject(json)) throw wrong('json_not_object');
    return { ...query, ...json };
  }
  if (type.startsWith('multipart/form-data')) return { ...query, ...Object.fromEntries(await formOf(body, type)) };
  if (body.length > 0 && !type.startsWith('application/x-www-form-urlencoded')) throw wrong('invalid_post_type');
  return { ...query, ...Object.fromEntries(new URLSearchParams(body.toString('utf8'))) };
}

function tokenOf(request: IncomingMessage, args: Json): string {
  const header = request.headers.authorization ?? '';
  return header.startsWith('Bearer ') ? header.slice('Bearer '.length) : textOf(args.token);
}

/** Refuses a call whose token, scope or method is not right. */
function authorise(core: Core, method: string, token: string): void {
  const rule = METHODS[method];
  if (rule === undefined) throw wrong('unknown_method');
  const { botToken, appToken, scopes } = core.options;
  if (rule.token === 'none') return;
  if (token === '') throw wrong('not_authed');
  const dead = core.deadTokens.get(token);
  if (dead !== undefined) throw unlucky(dead);
  if (token !== botToken && token !== appToken) throw wrong('invalid_auth');
  if ((token === appToken) !== (rule.token === 'app')) throw wrong('not_allowed_token_type');
  if (scopes !== undefined && rule.scope !== undefined && !scopes.includes(rule.scope)) {
    const refusal = wrong('missing_scope');
    Object.assign(refusal.extra, { needed: rule.scope, provided: scopes.join(',') });
    throw refusal;
  }
}

/** The scopes of the token, told with every answer (docs.slack.dev/authentication/installing-with-oauth, "X-OAuth-Scopes"). */
function granted({ options }: Core, method: string, token: string): Record<string, string> {
  const { scopes, appToken } = options;
  if (METHODS[method]?.token === 'none' || scopes === undefined) return {};
  return { 'x-oauth-scopes': token === appToken ? 'connections:write' : scopes.join(',') };
}

/** Seconds the caller has to wait; 0 to go on. */
function throttle(core: Core, method: string, args: Json): number {
  const wait = core.rates.admit(method, METHODS[method]?.perMinute);
  if (wait > 0 || method !== 'chat.postMessage') return wait;
  const target = textOf(args.channel);
  return core.rates.admitPost(core.world.users.has(target) ? `D${target}` : target);
}

function tooMany(seconds: number): Answer {
  return { status: 429, body: { ok: false, error: 'ratelimited' }, headers: { 'retry-after': String(seconds) } };
}

function refused(core: Core, where: string, error: unknown): Json {
  if (!(error instanceof Refusal)) throw error;
  if (error.blame) core.world.violate(error.code, `${where}: ${error.message}`);
  return { ok: false, error: error.code, ...error.extra };
}

function perform(core: Core, method: string, args: Json, token: string): Answer {
  try {
    authorise(core, method, token);
    const wait = throttle(core, method, args);
    if (wait > 0) return tooMany(wait);
    const handler = HANDLERS[method];
    if (handler === undefined) throw wrong('unknown_method');
    return { status: 200, body: { ok: true, ...handler(core, args) }, headers: granted(core, method, token) };
  } catch (error) {
    return { status: 200, body: refused(core, method, error) };
  }
}

/** Bodies of response URLs; refusals are plain text with a status, as with incoming webhooks. */
function performResponse(core: Core, id: string, body: Json): Answer {
  try {
    const { userId, channelId, source } = core.responseUrls.use(id);
    respond(core, id, userId, channelId, source, body);
    return { status: 200, body: { ok: true } };
  } catch (error) {
    const answer = refused(core, 'response_url', error);
    const status =
      answer.error === 'used_url' || answer.error === 'expired_url' || answer.error === 'no_such_url' ? 404 : 400;
    return { status, body: answer };
  }
}

async function upload(core: Core, id: string, request: IncomingMessage): Promise<Answer> {
  const file = core.world.files.get(id);
  if (file === undefined || file.bytes !== undefined) return { status: 404, body: 'file_not_found' };
  const body = await bodyOf(request);
  const type = request.headers['content-type'] ?? '';
  let bytes = body;
  if (type.startsWith('multipart/form-data')) {
    for (const part of (await formOf(body, type)).values()) {
      bytes = typeof part === 'string' ? Buffer.from(part) : Buffer.from(await part.arrayBuffer());
    }
  }
  if (bytes.length !== file.declaredLength) {
    core.world.violate('upload-length', `${file.name}: declared ${file.declaredLength} bytes, sent ${bytes.length}`);
  }
  file.bytes = bytes;
  return { status: 200, body: `OK - ${bytes.length}` };
}

function download(core: Core, id: string, request: IncomingMessage): Answer {
  const file = core.world.files.get(id);
  const { botToken, scopes } = core.options;
  // Without the right to it, the answer is the page for signing in.
  if (tokenOf(request, {}) !== botToken || scopes?.includes('files:read') === false) {
    return { status: 302, body: '', headers: { location: `${core.origin}/?redir=%2Ffiles` } };
  }
  if (file?.bytes === undefined || file.deleted) return { status: 404, body: 'file_not_found' };
  return { status: 200, body: file.bytes.toString('utf8') };
}

function describe(fault: Fault): string {
  return fault.kind === 'error' ? `error ${fault.error}` : fault.kind;
}

/** Answers a call, or has it meet its fault; `work` carries it out. */
async function answerCall(
  core: Core,
  call: Call,
  response: ServerResponse,
  work: () => Answer | Promise<Answer>,
): Promise<void> {
  const fault = core.faults.take(call.method);
  if (fault !== undefined) call.fault = describe(fault);
  if (fault?.kind === 'hang') return;
  if (fault?.kind === 'cut') return void response.destroy();
  if (fault?.kind === 'slow') await sleep(fault.ms);
  const answer = await faultyAnswer(fault, work);
  call.answer = isObject(answer.body) ? answer.body : { body: answer.body };
  if (fault?.kind === 'lost') return void response.destroy();
  call.status = answer.status;
  const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
  const type = typeof answer.body === 'string' ? 'text/plain' : 'application/json; charset=utf-8';
  response.writeHead(answer.status, { 'content-type': type, ...answer.headers }).end(text);
}

async function faultyAnswer(fault: Fault | undefined, work: () => Answer | Promise<Answer>): Promise<Answer> {
  if (fault?.kind === 'error') return { status: 200, body: { ok: false, error: fault.error } };
  if (fault?.kind === 'rate-limit') return tooMany(fault.retryAfter);
  if (fault?.kind === 'status') return { status: fault.status, body: 'upstream error' };
  return await work();
}

/** Serves one request of the app. */
export async function serve(core: Core, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', core.origin);
  const [, area, name = ''] = url.pathname.split('/');
  const method = area === 'api' ? name : area === 'response' ? 'response_url' : textOf(area);
  const call: Call = { method, args: {}, at: core.clock.now(), status: 0, answer: {}, fault: undefined };
  core.calls.push(call);
  try {
    if (area === 'upload') return await answerCall(core, call, response, () => upload(core, name, request));
    if (area === 'files') return await answerCall(core, call, response, () => download(core, name, request));
    call.args = await argumentsOf(request, url);
    if (area === 'api') {
      const token = tokenOf(request, call.args);
      delete call.args.token;
      return await answerCall(core, call, response, () => perform(core, name, call.args, token));
    }
    if (area === 'response') {
      return await answerCall(core, call, response, () => performResponse(core, name, call.args));
    }
    throw unlucky('no_such_page');
  } catch (error) {
    if (!(error instanceof Refusal)) core.world.violate('broken-request', `${method}: ${String(error)}`);
    call.status = error instanceof Refusal ? 200 : 500;
    call.answer = error instanceof Refusal ? refused(core, method, error) : { ok: false, error: 'internal_error' };
    if (!response.headersSent) response.writeHead(call.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(call.answer));
  }
}
