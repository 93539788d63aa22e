/** Certificates of a cluster that can be seen without reading any Secret, and when they end. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { Fault } from '../../core/errors.ts';
import { objectAt } from '../apply/manifests.ts';
import type { Talk } from '../operation.ts';
import { type Finding, findingRanks, type Seen } from './findings.ts';

/** How long before its end a certificate is told of, and how long the API server may take to show its own, in milliseconds. */
const limits = { soonMs: 30 * 86_400_000, handshakeMs: 3_000 };

/** Where Kubernetes publishes the authorities of its control plane: ConfigMaps of kube-system, and their keys. */
const published = [
  { map: 'extension-apiserver-authentication', key: 'client-ca-file', about: 'Authority of client certificates' },
  {
    map: 'extension-apiserver-authentication',
    key: 'requestheader-client-ca-file',
    about: 'Authority of aggregated APIs',
  },
  { map: 'kube-root-ca.crt', key: 'ca.crt', about: 'Authority of the API server' },
] as const;

/** When certificates of the control plane end: its authorities, and the one the API server at `server` (an https URL, or '') shows. */
export async function certificateFindings(talk: Talk, server: string): Promise<Seen> {
  const found: Finding[] = [];
  let root: string | undefined;
  for (const { map, key, about } of published) {
    const pem = await keyOf(talk, map, key);
    if (key === 'ca.crt') root = pem;
    for (const certificate of certificatesOf(pem ?? '')) found.push(...ending(certificate, about, talk.now()));
  }
  const own = server === '' ? null : await shown(server, root);
  if (own) found.push(...ending(own, 'Certificate of the API server', talk.now()));
  const unseen = own ? {} : { unseen: 'The certificate of the API server: it could not be read from here.' };
  return { found, ...unseen };
}

async function keyOf(talk: Talk, map: string, key: string): Promise<string | undefined> {
  try {
    const found = await talk.raw({ method: 'GET', path: `/api/v1/namespaces/kube-system/configmaps/${map}` });
    const text = objectAt(found, 'data')[key];
    return typeof text === 'string' ? text : undefined;
  } catch (thrown) {
    if (thrown instanceof Fault && (thrown.kind === 'not-found' || thrown.kind === 'not-allowed')) return undefined;
    throw thrown;
  }
}

function certificatesOf(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return blocks.slice(0, 20).flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      // A ConfigMap can hold anything; what is no certificate has no end.
      return [];
    }
  });
}

function ending(certificate: X509Certificate, about: string, now: number): Finding[] {
  const end = Date.parse(certificate.validTo);
  if (!(end - now < limits.soonMs)) return [];
  const day = new Date(end).toISOString().slice(0, 10);
  const over = end <= now;
  return [
    {
      ...{ rank: over ? findingRanks.certificate : findingRanks.soon, level: over ? 'now' : 'soon', about },
      why: over ? `ended on ${day}` : `ends on ${day}: renew it before then`,
      alike: `${about}/${day}`,
      next: [],
    },
  ];
}

/** The certificate that a server shows, checked by the cluster's own authority; null when it does not show one that passes. */
function shown(server: string, root: string | undefined): Promise<X509Certificate | null> {
  return new Promise((resolve) => {
    const url = URL.canParse(server) ? new URL(server) : null;
    if (url?.protocol !== 'https:') return resolve(null);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const socket = connect({
      ...{ host, port: Number(url.port || 443), timeout: limits.handshakeMs },
      ...(isIP(host) ? {} : { servername: host }),
      ...(root === undefined ? {} : { ca: root }),
    });
    const end = (certificate: X509Certificate | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(certificate);
    };
    const timer = setTimeout(() => end(null), limits.handshakeMs);
    socket.once('secureConnect', () => end(socket.getPeerX509Certificate() ?? null));
    socket.once('error', () => end(null));
  });
}
