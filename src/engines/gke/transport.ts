/** Carries the requests of Google's library over connections of our own: bounded, without redirects, and ended by the call. */

import { Agent } from 'undici';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { gaveUp, unlessAborted } from '../bound.ts';
import { readCaBundle } from '../http.ts';
import { type Asked, type BadAnswer, connectionFault, timeoutFault, tooLargeFault } from '../http-faults.ts';

export type Fetch = (...args: Parameters<typeof fetch>) => ReturnType<typeof fetch>;

/** One request and its answer, of which the library sees no more than the text. */
export interface Exchange {
  fetch: Fetch;
  /** The whole answer, once there is one. */
  answer(): BadAnswer | undefined;
}

export interface Transport {
  /** For one request, which ends when `signal` fires; the library's own retries have to be off. */
  exchange(asked: Asked, call: Call, signal: AbortSignal): Exchange;
  close(): Promise<void>;
}

const mostBytes = 16 * 1024 * 1024;

export function openTransport(base: URL, caBundle: string): Transport {
  const connect: { timeout: number; ca?: string[] } = { timeout: 10_000 };
  if (caBundle.trim()) connect.ca = readCaBundle(caBundle);
  const agent = new Agent({
    connections: 8,
    pipelining: 1,
    keepAliveTimeout: 20_000,
    // Every call has a deadline of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
    connect,
  });
  const prefix = base.pathname.replace(/\/+$/, '');

  return {
    exchange(asked, call, signal) {
      let answer: BadAnswer | undefined;
      let sent = false;

      async function send(...[input, init]: Parameters<Fetch>): Promise<Response> {
        const url = new URL(input instanceof Request ? input.url : input);
        const headers = new Headers(init?.headers);
        // What comes compressed would have to be unpacked here, and bounded again.
        headers.set('accept-encoding', 'identity');
        headers.set('user-agent', 'kqueen');
        sent = !signal.aborted;
        const got = await unlessAborted(
          signal,
          agent.request({
            origin: base.origin,
            path: `${prefix}${url.pathname}${url.search}`,
            // As the library has it: some reads go by POST, and are no change all the same.
            method: (init?.method ?? asked.method) as 'GET' | 'POST' | 'PUT' | 'DELETE',
            headers: Object.fromEntries(headers),
            body: typeof init?.body === 'string' ? init.body : null,
            signal,
          }),
        );
        const text = await readText(got.body, asked);
        answer = { status: got.statusCode, headers: got.headers, text };
        return new Response(got.statusCode === 204 || got.statusCode === 304 ? null : text, { status: got.statusCode });
      }

      return {
        async fetch(...args) {
          try {
            return await send(...args);
          } catch (thrown) {
            if (thrown instanceof Fault) throw thrown;
            if (signal.aborted) throw timeoutFault(asked, gaveUp(call), sent);
            throw connectionFault(asked, thrown);
          }
        },
        answer: () => answer,
      };
    },
    close: () => agent.destroy(),
  };
}

async function readText(body: AsyncIterable<Buffer>, asked: Asked): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Leaving the loop destroys the stream, and with it the connection.
    if (size > mostBytes) throw tooLargeFault(asked, mostBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
