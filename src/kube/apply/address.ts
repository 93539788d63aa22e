/** Manifests by an address: from hosts that are allowed, never from inside this network unless that is said. */
import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Agent } from 'undici';
import { largestManifest } from '../../core/apps.ts';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { connectionFault, timeoutFault } from '../faults.ts';
import { demandSize } from './manifests.ts';

/** From where apps may come. */
export interface AppAccess {
  /** `host`, `host:port`, `*.domain`; `private:` before it allows addresses inside this network. */
  hosts: readonly string[];
  /** The helm program; without one the first on the PATH. */
  helm?: string | undefined;
  /** Folder with add-ons of the installation's own, and with files for those that it offers. */
  addonDir?: string | undefined;
  /** Authority that their certificates are checked by, PEM, when it is a private one. */
  authority?: string | undefined;
}

/** Networks that are not the internet (https://www.iana.org/assignments/iana-ipv4-special-registry, and the one for IPv6). */
const inside = new BlockList();
for (const [net, bits] of [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
  ] as const),
  ...([
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.88.99.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
  ] as const),
  ...([
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
    ['224.0.0.0', 3],
  ] as const),
])
  inside.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of [
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const)
  inside.addSubnet(net, bits, 'ipv6');

/** Whether an address is not one of the internet. */
export function isInside(address: string): boolean {
  const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  if (mapped !== undefined) return inside.check(mapped, 'ipv4');
  const family = isIP(bare);
  return family === 0 || /^::ffff:/i.test(bare) || inside.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}

/** How an address is allowed: from the internet alone, or inside this network as well. Throws a Fault that says why it is not. */
export function allowed(url: URL, access: AppAccess): { private: boolean } {
  if (url.protocol !== 'https:' && url.protocol !== 'oci:') throw refused('Use an address that begins with https://.');
  if (url.username !== '' || url.password !== '') throw refused('Leave user name and password out of the address.');
  const host = url.hostname.toLowerCase().replace(/\.$/, '');
  for (const entry of access.hosts) {
    const [, own, name = '', port = '443'] = /^(private:)?([^:]+)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    const fits = name.startsWith('*.') ? host.endsWith(name.slice(1)) && host.length > name.length - 1 : host === name;
    if (fits && (url.port || '443') === port) return { private: own !== undefined };
  }
  throw new Fault('not-allowed', `Apps are not taken from ${url.host || 'there'}.`, {
    field: 'url',
    whose: 'admin',
    next:
      access.hosts.length === 0
        ? 'An admin allows hosts with KQUEEN_APP_SOURCES. Until then paste the manifests.'
        : `Allowed are: ${access.hosts.map((each) => each.replace(/^private:/, '')).join(', ')}. An admin adds others to KQUEEN_APP_SOURCES.`,
  });
}

function refused(message: string): Fault {
  return new Fault('bad-input', message, { field: 'url' });
}

/** Looks names up as usual, and fails where one leads inside this network. The check is on the very address that is connected to. */
export function guardedLookup(mayBeInside: boolean): LookupFunction {
  return (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, '', 4);
      const [first] = addresses;
      if (!mayBeInside && addresses.some(({ address }) => isInside(address))) {
        return done(Object.assign(new Error(`${hostname} is inside this network`), { code: 'EINSIDE' }), '', 4);
      }
      if (options.all) return done(null, addresses);
      return done(null, first?.address ?? '', first?.family ?? 4);
    });
  };
}

/** The text at an address, at most as long as manifests may be. Redirects are not followed: they could lead anywhere. */
export async function fetchText(address: string, access: AppAccess, call: Call): Promise<string> {
  if (!URL.canParse(address)) throw refused('This is no address.');
  const url = new URL(address);
  if (url.protocol === 'oci:')
    throw refused('Charts are deployed with app chart; this takes the address of manifests.');
  const rule = allowed(url, access);
  if (!rule.private && isIP(url.hostname.replace(/^\[|\]$/g, '')) > 0 && isInside(url.hostname)) throw insideFault(url);
  const agent = new Agent({
    connect: {
      lookup: guardedLookup(rule.private),
      timeout: 5_000,
      ...(access.authority === undefined ? {} : { ca: access.authority }),
    },
  });
  const signal = AbortSignal.any([
    call.signal,
    AbortSignal.timeout(Math.max(0, Math.min(10_000, call.deadline - Date.now()))),
  ]);
  try {
    const answer = await agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'GET',
      headers: { accept: 'application/yaml, text/plain, */*', 'user-agent': 'kqueen' },
      signal,
    });
    if (answer.statusCode >= 300 && answer.statusCode < 400) {
      throw refused(`${url.host} points to another address, which is not followed; give that one.`);
    }
    if (answer.statusCode !== 200)
      throw refused(`${url.host} answered with HTTP ${answer.statusCode}, so nothing was read.`);
    if (/html/.test(String(answer.headers['content-type'] ?? '')))
      throw refused(`${url.host} answers with a web page, not with manifests. Take the address of the raw file.`);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > largestManifest) demandSize(size);
      chunks.push(chunk);
    }
    return new TextDecoder('utf-8').decode(Buffer.concat(chunks));
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    if (causedBy(thrown, 'EINSIDE')) throw insideFault(url);
    if (signal.aborted) throw timeoutFault('GET', call.signal.aborted);
    const fault = connectionFault('GET', thrown);
    throw new Fault('unreachable', fault.message.replace("The cluster's API", url.host), {
      ...(fault.detail ? { detail: fault.detail } : {}),
      next: 'Look at the address, or try again in a while.',
    });
  } finally {
    await agent.destroy();
  }
}

function causedBy(thrown: unknown, code: string): boolean {
  for (let each = thrown, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth += 1) {
    if ((each as { code?: unknown }).code === code) return true;
  }
  return false;
}

function insideFault(url: URL): Fault {
  return new Fault('not-allowed', `${url.host} is inside this network, where apps are not taken from.`, {
    field: 'url',
    whose: 'admin',
    next: `If it is meant, an admin allows it as private:${url.host} in KQUEEN_APP_SOURCES.`,
  });
}
