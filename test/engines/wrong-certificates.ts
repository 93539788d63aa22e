import { type CountingProxy, startHttpProxy } from '../proxy.ts';
import type { Harness } from './harness.ts';

/** Parameters under which every address of the provider shows a certificate that is not its own. */
export interface WrongCertificates {
  params: Record<string, unknown>;
  close(): Promise<void>;
}

/**
 * Puts a TLS proxy before each address of the harness. Where the engine takes a bundle of authorities, the proxy's certificate is signed by one of them
 * and is for another host; where it takes none, nobody who is known has signed it.
 */
export async function wrongCertificates(harness: Harness): Promise<WrongCertificates> {
  const params = { ...harness.params };
  const proxies: CountingProxy[] = [];
  for (const { key, ca } of harness.addresses) {
    const proxy = await startHttpProxy(String(harness.params[key]), {
      host: 'elsewhere.example',
      ...(ca === undefined ? {} : { targetCa: ca }),
    });
    proxies.push(proxy);
    params[key] = proxy.url;
  }
  if (proxies.length === 0) throw new Error('the harness has no address; give a reason in skip');
  if ('caBundle' in params) params.caBundle = proxies.map(({ ca }) => ca).join('');
  return {
    params,
    async close() {
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
}
