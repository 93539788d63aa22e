/** NetworkPolicy objects in words, whoever wrote them. Pure. */
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import { plain } from '../faults.ts';

/** What a policy does, a sentence each. */
export function wordsOf(policy: JsonObject): string[] {
  const spec = objectAt(policy, 'spec');
  const whom = selected(objectAt(spec, 'podSelector'));
  const types = listAt(spec, 'policyTypes').map(String);
  const incoming = listAt(spec, 'ingress');
  const outgoing = listAt(spec, 'egress');
  // As the API does where the types are left out.
  const both = types.length > 0 ? types : ['Ingress', ...(outgoing.length > 0 ? ['Egress'] : [])];
  const sentences: string[] = [];
  if (both.includes('Ingress')) sentences.push(`Lets into ${whom}: ${ways(incoming, 'from')}.`);
  if (both.includes('Egress')) sentences.push(`Lets out of ${whom}: ${ways(outgoing, 'to')}.`);
  return sentences.map((sentence) => plain(sentence, 300));
}

function ways(rules: readonly unknown[], key: 'from' | 'to'): string {
  if (rules.length === 0) return 'nothing by itself';
  return rules
    .filter(isObject)
    .map((rule) => {
      const peers = listAt(rule, key).filter(isObject).map(peerWords);
      const ports = listAt(rule, 'ports').filter(isObject).map(portWords);
      const where = peers.length > 0 ? peers.join(' and ') : 'everything';
      return ports.length > 0 ? `${where} on ${[...new Set(ports)].join(', ')}` : where;
    })
    .join('; ');
}

function peerWords(peer: JsonObject): string {
  if (isObject(peer.ipBlock)) {
    const except = listAt(peer.ipBlock, 'except').map(String);
    const but = except.length > 0 ? ` without ${except.join(', ')}` : '';
    return peer.ipBlock.cidr === '0.0.0.0/0' && except.length > 3
      ? 'the internet'
      : `${String(peer.ipBlock.cidr)}${but}`;
  }
  const pods = isObject(peer.podSelector) ? selected(peer.podSelector) : 'all pods';
  if (!isObject(peer.namespaceSelector)) return `${pods} of this namespace`;
  const labels = objectAt(peer.namespaceSelector, 'matchLabels');
  const named = labels['kubernetes.io/metadata.name'];
  const only = Object.keys(labels).length === 1 && listAt(peer.namespaceSelector, 'matchExpressions').length === 0;
  if (typeof named === 'string' && only) return `${pods} of namespace ${named}`;
  const which = labelled(peer.namespaceSelector);
  return which === '' ? `${pods} of all namespaces` : `${pods} of namespaces with ${which}`;
}

function selected(selector: JsonObject): string {
  const which = labelled(selector);
  return which === '' ? 'all pods' : `pods with ${which}`;
}

function labelled(selector: JsonObject): string {
  const labels = Object.entries(objectAt(selector, 'matchLabels')).map(([key, value]) => `${key}=${String(value)}`);
  const others = listAt(selector, 'matchExpressions')
    .filter(isObject)
    .map(({ key, operator, values }) => {
      const list = Array.isArray(values) && values.length > 0 ? ` ${values.map(String).join('|')}` : '';
      return `${String(key)} ${String(operator)}${list}`;
    });
  return [...labels, ...others].join(', ');
}

function portWords({ port, endPort, protocol }: JsonObject): string {
  const kind = typeof protocol === 'string' ? protocol : 'TCP';
  if (port === undefined) return `every ${kind} port`;
  return `${kind} ${String(port)}${endPort === undefined ? '' : `-${String(endPort)}`}`;
}
