import type { V1Service } from '@kubernetes/client-node';
import { Fault } from '../../core/errors.ts';
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import type { Talk, View } from '../operation.ts';
import { demandNamespace } from './listing.ts';
import { eachListed, listPath } from './pages.ts';
import { eachService, outsideOf } from './services.ts';

interface Address {
  /** A link, or host and port of what is no web page. */
  address: string;
  by: string;
}

/** Ports that speak TLS wherever they are seen: HTTPS, and the API servers of Kubernetes. */
const securePorts = [443, 6443, 4430, 8443];
const databasePorts = [21, 22, 25, 53, 1433, 1521, 3306, 5432, 5671, 5672, 6379, 9042, 9092, 11211, 27017];

/** What a name in a link may be made of, so that nothing in a cluster can write markup into a message. */
const hostRule = /^[A-Za-z0-9.:_-]{1,253}$/;

function addressOf(
  host: string,
  { port, name, appProtocol, protocol }: NonNullable<NonNullable<V1Service['spec']>['ports']>[number],
): string {
  const at = host.includes(':') ? `[${host}]` : host;
  const says = `${appProtocol ?? ''} ${name ?? ''}`;
  if (securePorts.includes(port) || /\bhttps\b/.test(says)) return `https://${at}${port === 443 ? '' : `:${port}`}`;
  if ((protocol ?? 'TCP') !== 'TCP' || databasePorts.includes(port)) return `${at}:${port}`;
  return `http://${at}${port === 80 ? '' : `:${port}`}`;
}

function ofIngress(ingress: JsonObject): Address[] {
  const { name, namespace } = objectAt(ingress, 'metadata');
  const by = `Ingress ${String(namespace)}/${String(name)}`;
  const secure = new Set(listAt(ingress, 'spec', 'tls').flatMap((each) => listAt(each, 'hosts').map(String)));
  const given = listAt(ingress, 'status', 'loadBalancer', 'ingress')
    .filter(isObject)
    .map((each) => String(each.hostname ?? each.ip ?? ''));
  return listAt(ingress, 'spec', 'rules')
    .filter(isObject)
    .flatMap((rule) => {
      const hosts = rule.host === undefined ? given : [String(rule.host)];
      const paths = listAt(rule, 'http', 'paths')
        .filter(isObject)
        .map((each) => String(each.path ?? '/'));
      return hosts
        .filter((host) => hostRule.test(host))
        .flatMap((host) =>
          [...new Set(paths.length > 0 ? paths : ['/'])]
            .filter((path) => /^\/[\w/.~%-]*$/.test(path))
            .map((path) => ({
              address: `${secure.has(host) ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}${path === '/' ? '' : path}`,
              by,
            })),
        );
    });
}

async function addresses(talk: Talk, namespace: string): Promise<{ found: Address[]; awaited: string[] }> {
  const found: Address[] = [];
  const awaited: string[] = [];
  await eachService(talk, namespace, (service) => {
    const called = `${service.metadata?.namespace ?? ''}/${service.metadata?.name ?? ''}`;
    const hosts = outsideOf(service).filter((host) => hostRule.test(host));
    if (service.spec?.type === 'LoadBalancer' && hosts.length === 0) awaited.push(called);
    for (const host of hosts)
      for (const port of service.spec?.ports ?? [])
        found.push({ address: addressOf(host, port), by: `Service ${called}` });
  });
  try {
    await eachListed(talk, listPath('networking.k8s.io/v1', 'ingresses', namespace), (ingress) => {
      found.push(...ofIngress(ingress));
    });
  } catch (thrown) {
    // A cluster may have no Ingresses at all, or show none to KQueen: the Services count nevertheless.
    if (!(thrown instanceof Fault) || (thrown.kind !== 'not-found' && thrown.kind !== 'not-allowed')) throw thrown;
  }
  return { found: found.sort((a, b) => (a.by < b.by ? -1 : a.by > b.by ? 1 : 0)), awaited };
}

/** Most addresses of one message. */
const mostLines = 25;

/** Where a cluster's Services and Ingresses are reached from outside, as links where they are web pages. */
export const urlsView: View = {
  name: 'urls',
  async look(talk, { namespace = '' }) {
    await demandNamespace(talk, namespace);
    const { found, awaited } = await addresses(talk, namespace);
    const of = namespace === '' ? '' : ` of namespace ${namespace}`;
    const wait =
      awaited.length > 0
        ? [{ part: 'note' as const, text: `No address yet: ${awaited.slice(0, 10).join(', ')}.` }]
        : [];
    if (found.length === 0) {
      const text = `Nothing${of} is reached from outside: no load balancer or ingress has an address.`;
      return { title: `No external addresses${of}`, text, parts: [{ part: 'text', text }, ...wait] };
    }
    const link = (address: string) => (/^https?:/.test(address) ? `[${address}](${address})` : `\`${address}\``);
    const lines = found.slice(0, mostLines).map(({ address, by }) => `${link(address)}, ${by}`);
    const more = found.length - lines.length;
    const title = `${found.length} external ${found.length === 1 ? 'address' : 'addresses'}${of}`;
    return {
      title,
      text: `${title}: ${found
        .slice(0, 3)
        .map(({ address }) => address)
        .join(', ')}${found.length > 3 ? ' and more' : ''}.`,
      parts: [
        { part: 'text', text: lines.join('\n') },
        ...(more > 0 ? [{ part: 'note' as const, text: `And ${more} more, in the file.` }] : []),
        ...wait,
      ],
      ...(more > 0
        ? { file: { name: 'urls.txt', content: `${found.map(({ address, by }) => `${address}\t${by}`).join('\n')}\n` } }
        : {}),
    };
  },
};
