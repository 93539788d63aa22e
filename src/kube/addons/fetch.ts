/** Files of add-ons: fetched within bounds, and read by nobody before their hash is the one that is expected. */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { Agent } from 'undici';
import { largestManifest } from '../../core/apps.ts';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { type AppAccess, guardedLookup, isInside } from '../apply/address.ts';
import { demandSize } from '../apply/manifests.ts';
import { connectionFault, timeoutFault } from '../faults.ts';

/** Release files are redirected to where they are kept; more often than this is nothing good. */
const mostRedirects = 4;

/** One file as it came. */
export interface Fetched {
  url: string;
  bytes: Buffer;
  sha256: string;
}

/** Hash of what is in a file, hex. */
export function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * The bytes at an address, `https:` all the way. Addresses inside this network are refused unless the host is among the private ones of
 * KQUEEN_APP_SOURCES. Redirects are followed, since what comes is held against a hash.
 */
export async function fetchFile(address: string, access: AppAccess, call: Call): Promise<Fetched> {
  const signal = AbortSignal.any([
    call.signal,
    AbortSignal.timeout(Math.max(0, Math.min(20_000, call.deadline - Date.now()))),
  ]);
  let url = new URL(address);
  for (let hops = 0; hops <= mostRedirects; hops += 1) {
    if (url.protocol !== 'https:') throw refused(`${url.host} leads to an address without https.`);
    const answer = await get(url, access, signal, call);
    if (Buffer.isBuffer(answer)) return { url: address, bytes: answer, sha256: sha256Of(answer) };
    if (!URL.canParse(answer, url.href)) throw refused(`${url.host} leads to what is no address.`);
    url = new URL(answer, url.href);
  }
  throw refused(`${new URL(address).host} leads from address to address, more than ${mostRedirects} times.`);
}

/** The bytes, or where they are said to be. */
async function get(url: URL, access: AppAccess, signal: AbortSignal, call: Call): Promise<Buffer | string> {
  const mayBeInside = isPrivate(url, access);
  if (!mayBeInside && isIP(url.hostname.replace(/^\[|\]$/g, '')) > 0 && isInside(url.hostname)) throw insideFault(url);
  const agent = new Agent({
    connect: {
      lookup: guardedLookup(mayBeInside),
      timeout: 5_000,
      ...(access.authority === undefined ? {} : { ca: access.authority }),
    },
  });
  try {
    const answer = await agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'GET',
      headers: { accept: 'application/octet-stream, application/yaml, text/plain, */*', 'user-agent': 'kqueen' },
      signal,
    });
    const { location } = answer.headers;
    if (answer.statusCode >= 300 && answer.statusCode < 400 && typeof location === 'string') return location;
    if (answer.statusCode !== 200)
      throw new Fault('unreachable', `${url.host} answered with HTTP ${answer.statusCode}, so nothing was read.`, {
        retryable: false,
        whose: 'admin',
        next: 'Try again in a while, or have an admin put the file into the folder of KQUEEN_ADDON_DIR.',
      });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > largestManifest) demandSize(size);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    if (isCausedBy(thrown, 'EINSIDE')) throw insideFault(url);
    if (signal.aborted && call.signal.aborted) throw timeoutFault('GET', true);
    const fault = signal.aborted ? timeoutFault('GET', false) : connectionFault('GET', thrown);
    throw new Fault('unreachable', fault.message.replace("The cluster's API", url.host), {
      ...(fault.detail ? { detail: fault.detail } : {}),
      whose: 'admin',
      retryable: false,
      next: 'Try again in a while. Where KQueen cannot get out, an admin puts the file into the folder of KQUEEN_ADDON_DIR.',
    });
  } finally {
    await agent.destroy();
  }
}

function isPrivate(url: URL, { hosts }: AppAccess): boolean {
  return hosts.some((entry) => {
    const [, name = '', port = '443'] = /^private:([^:]+)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    const host = url.hostname.toLowerCase();
    return (
      (name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name) &&
      name !== '' &&
      (url.port || '443') === port
    );
  });
}

function isCausedBy(thrown: unknown, code: string): boolean {
  for (let each = thrown, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth += 1) {
    if ((each as { code?: unknown }).code === code) return true;
  }
  return false;
}

function refused(message: string): Fault {
  return new Fault('bad-input', message, { field: 'addon', whose: 'admin' });
}

function insideFault(url: URL): Fault {
  return new Fault('not-allowed', `${url.host} is inside this network, where add-ons are not taken from.`, {
    field: 'addon',
    whose: 'admin',
    next: `If it is meant, an admin allows it as private:${url.host} in KQUEEN_APP_SOURCES, or puts the file into the folder of KQUEEN_ADDON_DIR.`,
  });
}
