import { Agent } from 'undici';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { unlessAborted } from '../bound.ts';
import { readCaBundle } from '../http.ts';
import {
  type Asked,
  type BadAnswer,
  connectionFault,
  type Explanation,
  redirectFault,
  statusFault,
  strangeAnswer,
  timeoutFault,
} from '../http-faults.ts';
import { header } from './explain.ts';

export interface ConsoleOptions {
  base: string;
  provider: string;
  secrets: readonly string[];
  caBundle?: string;
  authorize(call: Call): Promise<Record<string, string>>;
  /** Throws unless a 404 is Jenkins' own. */
  proveOwn(headers: BadAnswer['headers'], call: Call): Promise<void>;
  explain(status: number, body: unknown, answer: BadAnswer): Explanation;
}

/** A piece of a console log. */
export interface TailText {
  text: string;
  /** Where the next read goes on, in bytes. */
  next: number;
  /** The build still writes. */
  more: boolean;
}

export interface Tail {
  /**
   * The log of the build at `path` from byte `start` on, at most about `longest` bytes, and then its end. Null when there is no such build.
   */
  read(path: string, range: { start: number; longest: number }, call: Call): Promise<TailText | null>;
  close(): Promise<void>;
}

/** A running build's log comes in pieces of at most 10,000 lines (stapler's LargeText); so many of them are read in one go. */
const mostPieces = 20;

/**
 * Reads ends of console logs, which may be far longer than what is wanted of them. Jenkins says the length before it sends the text
 * (`X-Text-Size` of `logText/progressiveText`), so a long one is broken off and asked for again from near its end.
 */
export function openConsole(options: ConsoleOptions): Tail {
  const base = new URL(options.base);
  const agent = new Agent({
    connections: 2,
    pipelining: 1,
    keepAliveTimeout: 20_000,
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
    connect: { timeout: 10_000, ...(options.caBundle ? { ca: readCaBundle(options.caBundle) } : {}) },
  });
  const asked: Asked = { provider: options.provider, method: 'GET', secrets: options.secrets };

  async function piece(path: string, start: number, longest: number, call: Call): Promise<TailText | number | null> {
    const timer = new AbortController();
    const timeout = setTimeout(() => timer.abort(), Math.max(0, Math.min(call.deadline - Date.now(), 2 ** 31 - 1)));
    const signal = AbortSignal.any([call.signal, timer.signal]);
    const late = () => timeoutFault(asked, call.signal.aborted && Date.now() < call.deadline - 50, true);
    let refused: BadAnswer | null = null;
    try {
      const answer = await unlessAborted(
        signal,
        agent.request({
          origin: base.origin,
          path: `${base.pathname.replace(/\/+$/, '')}${path}/logText/progressiveText?start=${start}`,
          method: 'GET',
          headers: { accept: 'text/plain', 'user-agent': 'kqueen', ...(await options.authorize(call)) },
          signal,
        }),
      );
      const { statusCode: status, headers } = answer;
      const size = Number(header(headers, 'x-text-size') ?? Number.NaN);
      const long = status === 200 && size - start > longest;
      const text = await readSome(answer.body, long ? 0 : Math.max(longest * 4, 256 * 1024));
      if (long) return size;
      if (status === 404) {
        await options.proveOwn(headers, call);
        return null;
      }
      if (status === 200 && Number.isFinite(size)) {
        return { text, next: size, more: header(headers, 'x-more-data') === 'true' };
      }
      refused = { status, headers, text };
    } catch (thrown) {
      if (signal.aborted) throw late();
      if (thrown instanceof Fault) throw thrown;
      throw connectionFault(asked, thrown);
    } finally {
      clearTimeout(timeout);
    }
    const { status } = refused;
    if (status < 300) throw strangeAnswer(asked, refused);
    if (status < 400) throw redirectFault(asked, refused);
    throw statusFault(asked, refused, options.explain(status, undefined, refused), Date.now());
  }

  return {
    async read(path, { start, longest }, call) {
      let from = start;
      let text = '';
      let cut = false;
      for (let count = 0; count < mostPieces; count += 1) {
        const got = await piece(path, from, cut ? longest * 2 : longest, call);
        if (got === null) return null;
        if (typeof got === 'number') {
          from = Math.max(0, got - longest);
          text = '';
          cut = true;
          continue;
        }
        text = (text + got.text).slice(-2 * longest);
        const grew = got.next > from && got.text !== '';
        from = got.next;
        if (!got.more || !grew) return { text: lastPart(text, cut, longest), next: from, more: got.more };
      }
      return { text: lastPart(text, cut, longest), next: from, more: true };
    },
    close: () => agent.destroy(),
  };
}

/** The end of a text in whole lines; one that was cut before begins in the middle of a line. */
function lastPart(text: string, cut: boolean, longest: number): string {
  const end = text.slice(-longest);
  return cut || end.length < text.length ? end.slice(end.indexOf('\n') + 1) : end;
}

/** At most `limit` bytes of a body; leaving it early ends its connection. */
async function readSome(body: AsyncIterable<Buffer>, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    if (size + chunk.length > limit) break;
    chunks.push(chunk);
    size += chunk.length;
  }
  return Buffer.concat(chunks).toString('utf8');
}
