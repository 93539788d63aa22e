import { ContainerServiceClient } from '@azure/arm-containerservice';
import { createPipelineRequest } from '@azure/core-rest-pipeline';
import { asFault, Fault, type FaultOptions } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { gaveUp } from '../bound.ts';
import { type Asked, type BadAnswer, retryAfter, statusFault, timeoutFault } from '../http-faults.ts';
import { oneLine, scrub } from '../scrub.ts';
import { cloudOf } from './clouds.ts';
import { meaningOf, readError } from './meanings.ts';
import type { AksProvisioner } from './schema.ts';
import { openTokens, type Tokens } from './tokens.ts';
import { type Errand, errands, openTransport, quiet } from './transport.ts';

/** For people, in the middle of a sentence. */
export const azure = 'Azure';

/** The resource manager of one provisioner. */
export interface Arm {
  aks: ContainerServiceClient;
  /** The path of its resource group. */
  group: string;
  /** The path of its subscription. */
  subscription: string;
  /** Runs reads within the call's time; what fails in passing is repeated twice. */
  read<T>(call: Call, work: () => Promise<T>): Promise<T>;
  /** Runs work that changes something, once. */
  write<T>(call: Call, work: () => Promise<T>): Promise<T>;
  /** The JSON of a path that the SDK has no method for, with its status. Within `read`. */
  get(path: string): Promise<{ status: number; body: unknown }>;
  tokens: Tokens;
  /** Values to take out of every text. */
  secrets: readonly string[];
  close(): Promise<void>;
}

const repeats = 2;
const firstBackOffMs = 200;
/** A read waits this long by itself when it is told to slow down; longer is for the job's next tick. */
const patienceMs = 2_000;

/** The answers behind Faults, for those who have to know Azure's own code. */
const answers = new WeakMap<Fault, { status: number; code: string }>();

/** Azure's status and code of a Fault that was an answer of the resource manager. */
export function azureCode(thrown: unknown): { status: number; code: string } | undefined {
  return thrown instanceof Fault ? answers.get(thrown) : undefined;
}

/** Opens the SDK's client for one provisioner. Sends nothing yet. */
export function openArm(params: AksProvisioner): Arm {
  const secrets = [params.clientSecret];
  const cloud = cloudOf(params.resourceManagerEndpoint, params.authorityHost);
  const transport = openTransport({ caBundle: params.caBundle, secrets });
  const tokens = openTokens(params, cloud, transport);
  const httpClient = transport.to({ name: azure, base: cloud.resourceManager });
  const credential = {
    getToken: async () => ({ token: await tokens.get(), expiresOnTimestamp: Date.now() + 60_000 }),
  };
  const aks = new ContainerServiceClient(credential, params.subscriptionId, {
    endpoint: cloud.resourceManager,
    credentials: { scopes: [cloud.scope] },
    httpClient,
    // Repeats are KQueen's own: the SDK would send a PUT again whose answer was lost.
    retryOptions: { maxRetries: 0 },
    redirectOptions: { maxRetries: 0 },
    userAgentOptions: { userAgentPrefix: 'kqueen' },
    loggingOptions: { logger: quiet },
  });
  // The SDK's own policy keeps a token in a place from which a refused one cannot be dropped.
  aks.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
  aks.pipeline.addPolicy(
    {
      name: 'kqueenTokenPolicy',
      async sendRequest(request, next) {
        const token = await tokens.get();
        request.headers.set('authorization', `Bearer ${token}`);
        const answer = await next(request);
        if (answer.status !== 401) return answer;
        // Refused unread, so that it may be sent once more with a new one.
        tokens.drop(token);
        request.headers.set('authorization', `Bearer ${await tokens.get()}`);
        return next(request);
      },
    },
    { phase: 'Sign' },
  );
  aks.pipeline.addPolicy(
    {
      name: 'kqueenFaultPolicy',
      async sendRequest(request, next) {
        const answer = await next(request);
        if (answer.status < 400) return answer;
        const writes = errands.getStore()?.writes === true && request.method !== 'GET';
        throw refusal(
          { provider: azure, method: writes ? request.method : 'GET', secrets },
          { status: answer.status, headers: answer.headers.toJSON(), text: answer.bodyAsText ?? '' },
        );
      },
    },
    { phase: 'Serialize' },
  );

  return {
    aks,
    subscription: `/subscriptions/${params.subscriptionId}`,
    group: `/subscriptions/${params.subscriptionId}/resourceGroups/${encodeURIComponent(params.resourceGroup)}`,
    tokens,
    secrets,
    async read(call, work) {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await once(call, false, work);
        } catch (thrown) {
          const pause = attempt < repeats ? pauseBefore(thrown, attempt) : null;
          if (pause === null || Date.now() + pause >= call.deadline || call.signal.aborted) throw thrown;
          await rest(pause, call.signal);
        }
      }
    },
    write: (call, work) => once(call, true, work),
    async get(path) {
      const request = createPipelineRequest({ url: cloud.resourceManager + path, method: 'GET' });
      request.headers.set('accept', 'application/json');
      const answer = await aks.pipeline.sendRequest(httpClient, request);
      const text = answer.bodyAsText?.trim() ?? '';
      return { status: answer.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
    },
    close: () => transport.close(),
  };
}

/** Runs work as one errand; whatever it throws becomes a Fault. */
async function once<T>(call: Call, writes: boolean, work: () => Promise<T>): Promise<T> {
  const timer = new AbortController();
  const left = Math.max(0, call.deadline - Date.now());
  const timeout = setTimeout(() => timer.abort(), Math.min(left, 2 ** 31 - 1));
  if (left === 0) timer.abort();
  const errand: Errand = {
    signal: AbortSignal.any([call.signal, timer.signal]),
    gaveUp: () => gaveUp(call),
    writes,
    sent: false,
  };
  const asked: Asked = { provider: azure, method: writes ? 'PUT' : 'GET', secrets: [] };
  try {
    if (errand.signal.aborted) throw timeoutFault(asked, errand.gaveUp(), false);
    return await errands.run(errand, work);
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    if (errand.signal.aborted) throw timeoutFault(asked, errand.gaveUp(), errand.sent);
    throw errand.fault ?? unexpected(thrown, errand);
  } finally {
    clearTimeout(timeout);
  }
}

/** The SDK could not read an answer that Azure called good. */
function unexpected(thrown: unknown, errand: Errand): Fault {
  const { detail, cause } = asFault(thrown);
  const options: FaultOptions = { whose: 'provider', retryable: true, outcomeUnknown: errand.sent, cause };
  if (detail) options.detail = scrub(detail);
  return new Fault('internal', 'Azure answered in a shape that KQueen does not know.', options);
}

/** The Fault for an answer of 400 and above. */
function refusal(asked: Asked, answer: BadAnswer): Fault {
  const error = readError(parsed(answer.text));
  const meaning = error ? meaningOf(answer.status, error) : {};
  const general = statusFault(asked, answer, meaning, Date.now());
  const options: FaultOptions = {
    whose: meaning.whose ?? general.whose,
    retryable: meaning.retryable ?? (meaning.kind ? kindRetries(meaning.kind) : general.retryable),
    outcomeUnknown: general.outcomeUnknown,
  };
  const next = meaning.next ?? general.next;
  if (next) options.next = next;
  if (meaning.field) options.field = meaning.field;
  if (general.detail) options.detail = general.detail;
  const wait = retryAfter(answer.headers['retry-after'], Date.now());
  if (wait !== undefined) options.retryAfterMs = wait;
  const message = meaning.sentence ? oneLine(meaning.sentence, asked.secrets) : general.message;
  const fault = new Fault(meaning.kind ?? general.kind, message, options);
  answers.set(fault, { status: answer.status, code: error?.code ?? '' });
  return fault;
}

function kindRetries(kind: Fault['kind']): boolean {
  return new Fault(kind, '').retryable;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The next pause before a read is repeated, or null when repeating is of no use. */
function pauseBefore(thrown: unknown, attempt: number): number | null {
  if (!(thrown instanceof Fault) || !thrown.retryable) return null;
  if (thrown.kind !== 'unreachable' && thrown.kind !== 'rate-limited') return null;
  // What an admin has to mend (a certificate, a login page) is the same 200 ms later.
  if (thrown.whose === 'admin') return null;
  if (thrown.retryAfterMs !== undefined) return thrown.retryAfterMs <= patienceMs ? thrown.retryAfterMs : null;
  return Math.round(firstBackOffMs * 3 ** attempt * (0.8 + 0.4 * Math.random()));
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
