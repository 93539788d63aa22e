/** Webhooks that refuse everything while nobody answers them, and kinds whose stored versions are not served any more. */
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import type { Finding } from '../check/findings.ts';
import { get } from '../check/pods.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { eachListed, listPath } from '../views/pages.ts';
import { type Aim, concernRanks } from './aim.ts';

/** A webhook of the cluster's own that fails closed, and the Service behind it. */
interface Closed {
  about: string;
  service: string;
  what: string;
}

/** Webhooks with `failurePolicy: Fail` whose Service has no ready endpoint: what they watch over cannot be made or changed, pods of new nodes among it. */
export async function deafWebhooks(talk: Talk, aim: Aim): Promise<Finding[]> {
  const closed: Closed[] = [];
  for (const [kind, plural] of [
    ['Validating webhook', 'validatingwebhookconfigurations'],
    ['Mutating webhook', 'mutatingwebhookconfigurations'],
  ] as const) {
    await eachListed(talk, listPath('admissionregistration.k8s.io/v1', plural, ''), (object) => {
      for (const hook of listAt(object, 'webhooks').filter(isObject)) {
        const { name, namespace } = objectAt(hook, 'clientConfig', 'service');
        if (hook.failurePolicy === 'Ignore' || name === undefined) continue;
        closed.push({
          about: `${kind} ${plain(String(hook.name), 120)}`,
          service: `${String(namespace)}/${String(name)}`,
          what: watched(hook),
        });
      }
    });
  }
  if (closed.length === 0) return [];
  const ready = await servicesWithEndpoints(talk);
  return closed
    .filter(({ service }) => !ready.has(service))
    .map(({ about, service, what }) => ({
      ...{ rank: concernRanks.webhook, level: 'now' as const, about },
      why: `nothing answers behind Service ${plain(service, 120)}, and it fails closed: ${what} are refused meanwhile`,
      alike: `webhook/${about}`,
      next: [get('Services', aim.cluster, 'services')],
    }));
}

function watched(hook: JsonObject): string {
  const resources = listAt(hook, 'rules')
    .filter(isObject)
    .flatMap((rule) => listAt(rule, 'resources').map(String));
  if (resources.length === 0) return 'the changes it watches over';
  const some = [...new Set(resources)].slice(0, 4).join(', ');
  return plain(`changes of ${resources.includes('*') ? 'everything' : some}`, 120);
}

/** `namespace/name` of every Service with at least one endpoint that is ready. */
async function servicesWithEndpoints(talk: Talk): Promise<Set<string>> {
  const ready = new Set<string>();
  await eachListed(talk, listPath('discovery.k8s.io/v1', 'endpointslices', ''), (slice) => {
    const metadata = objectAt(slice, 'metadata');
    const service = objectAt(metadata, 'labels')['kubernetes.io/service-name'];
    // A condition that is not there counts as true (kubernetes.io/docs/concepts/services-networking/endpoint-slices).
    const some = listAt(slice, 'endpoints').some((each) => objectAt(each, 'conditions').ready !== false);
    if (some && typeof service === 'string') ready.add(`${String(metadata.namespace)}/${service}`);
  });
  return ready;
}

/** CustomResourceDefinitions that still have objects stored in a version that they do not serve any more. */
export async function storedVersions(talk: Talk): Promise<Finding[]> {
  const found: Finding[] = [];
  await eachListed(talk, listPath('apiextensions.k8s.io/v1', 'customresourcedefinitions', ''), (object) => {
    const served = listAt(object, 'spec', 'versions')
      .filter(isObject)
      .filter((version) => version.served === true)
      .map((version) => String(version.name));
    const lost = listAt(object, 'status', 'storedVersions')
      .map(String)
      .filter((version) => !served.includes(version));
    if (lost.length === 0) return;
    const name = String(objectAt(object, 'metadata').name);
    found.push({
      ...{ rank: concernRanks.stored, level: 'soon', about: `CustomResourceDefinition ${plain(name, 120)}` },
      why: `objects may still be stored as ${plain(lost.join(', '), 60)}, which it does not serve any more; its next release may not read them`,
      alike: `stored/${name}`,
      next: [],
    });
  });
  return found;
}
