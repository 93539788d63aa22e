import { lookup as resolve } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { Agent } from 'undici';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { readCaBundle } from '../http.ts';
import { oneLine } from '../scrub.ts';
import { longestTemplate } from './schema.ts';

/** Addresses that are nobody's on the internet: a template address must not make KQueen read what only its own network may. */
const inner = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  inner.addSubnet(net, bits, 'ipv4');
}
for (const [net, bits] of [
  ['::', 128],
  ['::1', 128],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  inner.addSubnet(net, bits, 'ipv6');
}

/** Whether an address belongs to a private, local or otherwise inner network; IPv4 in IPv6 counts as what it carries. */
export function isInner(address: string): boolean {
  const carried = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (carried) return inner.check(carried, 'ipv4');
  const family = isIP(address);
  return family === 0 || inner.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Reads a template from its address: https, no redirect, at most 512 KiB, and no inner address unless it is the host of Keystone, which the
 * admin has given anyway. Throws `bad-input` at `templateUrl`, or `unreachable`.
 */
export async function fetchTemplate(
  address: string,
  options: { authUrl: string; caBundle?: string | undefined },
  call: Call,
): Promise<string> {
  const url = new URL(address);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const known = url.hostname === new URL(options.authUrl).hostname;
  if (!known && isIP(host) !== 0 && isInner(host)) throw innerAddress();
  const agent = new Agent({
    connections: 1,
    allowH2: false,
    connect: {
      timeout: 10_000,
      ...(known && options.caBundle?.trim() ? { ca: readCaBundle(options.caBundle) } : {}),
      // Checked where the connection is made: a name that is looked up twice may give two answers.
      lookup(name, given, done) {
        resolve(name, { ...given, all: true }, (error, found) => {
          if (error) return done(error, []);
          const bad = !known && found.some((each) => isInner(each.address));
          if (bad) return done(Object.assign(new Error('inner address'), { code: 'KQUEEN_INNER' }), []);
          if (given.all) return done(null, found);
          const [first] = found;
          return done(null, first?.address ?? '', first?.family ?? 4);
        });
      },
    },
  });
  const timer = AbortSignal.timeout(Math.max(1, Math.min(call.deadline - Date.now(), 30_000)));
  const signal = AbortSignal.any([call.signal, timer]);
  try {
    const answer = await agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'GET',
      headers: { accept: '*/*', 'user-agent': 'kqueen' },
      signal,
    });
    if (answer.statusCode !== 200) throw badAnswer(answer.statusCode);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > longestTemplate) throw refused('The template at its address has more than 512 KiB.');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    if (thrown instanceof Error && (thrown as { code?: unknown }).code === 'KQUEEN_INNER') throw innerAddress();
    throw new Fault('unreachable', 'The template cannot be read from its address.', {
      whose: 'admin',
      retryable: true,
      detail: oneLine(thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)),
      next: 'Ask an admin to check the address of the template, or to paste the template itself.',
      cause: thrown,
    });
  } finally {
    await agent.destroy();
  }
}

function badAnswer(status: number): Fault {
  if (status >= 500 || status === 429) {
    return new Fault('unreachable', `The address of the template answers HTTP ${status}.`, {
      next: 'Try again in a while.',
    });
  }
  const redirect = status >= 300 && status < 400;
  return refused(
    redirect
      ? 'The address of the template points to another one, which KQueen does not follow.'
      : `The address of the template answers HTTP ${status}.`,
  );
}

function innerAddress(): Fault {
  return refused('The address of the template is in a private network, from which KQueen reads none.');
}

function refused(message: string): Fault {
  return new Fault('bad-input', message, {
    field: 'templateUrl',
    whose: 'admin',
    next: 'Ask an admin to correct the address of the template, or to paste the template itself.',
  });
}
