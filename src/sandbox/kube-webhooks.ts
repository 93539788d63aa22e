import { randomUUID } from 'node:crypto';
import { request } from 'node:https';
import { type JsonObject, listAt, numberAt, objectAt, objectsAt, parseObject, textAt, textsAt } from './json.ts';
import type { User } from './kube-access.ts';
import { apiVersionOf, type Resource } from './kube-registry.ts';
import { matchesLabels } from './kube-selectors.ts';
import { badRequest, StatusError } from './kube-status.ts';
import type { ObjectStore } from './kube-store.ts';

/** A write that webhooks are asked about. */
export type Admission = {
  resource: Resource;
  namespace: string;
  name: string;
  subresource: string;
  operation: 'CREATE' | 'UPDATE' | 'DELETE';
  user: User;
  dryRun: boolean;
};

function covers(list: readonly unknown[], value: string): boolean {
  return list.includes('*') || list.includes(value);
}

function ruleFits(rule: JsonObject, { resource, subresource, operation }: Admission): boolean {
  const whole = subresource === '' ? resource.plural : `${resource.plural}/${subresource}`;
  const scope = textAt(rule, 'scope') ?? '*';
  const resources = listAt(rule, 'resources');
  const named =
    resources.includes('*/*') ||
    (subresource === ''
      ? covers(resources, whole)
      : resources.includes(whole) || resources.includes(`${resource.plural}/*`));
  return (
    named &&
    covers(listAt(rule, 'operations'), operation) &&
    covers(listAt(rule, 'apiGroups'), resource.group) &&
    covers(listAt(rule, 'apiVersions'), resource.version) &&
    (scope === '*' || scope === (resource.namespaced ? 'Namespaced' : 'Cluster'))
  );
}

/** The validating webhooks that have a say in a write; their own configurations are never asked about. */
export function webhooksFor(store: ObjectStore, admission: Admission): JsonObject[] {
  if (admission.resource.group === 'admissionregistration.k8s.io') return [];
  const labels = textsAt(store.get('namespaces', '', admission.namespace), 'metadata', 'labels');
  return store
    .list('validatingwebhookconfigurations.admissionregistration.k8s.io')
    .flatMap((configuration) => objectsAt(configuration, 'webhooks'))
    .filter((webhook) => objectsAt(webhook, 'rules').some((rule) => ruleFits(rule, admission)))
    .filter((webhook) => admission.namespace === '' || matchesLabels(objectAt(webhook, 'namespaceSelector'), labels));
}

/** What a webhook's address says: an answer, or why there is none. */
async function ask(store: ObjectStore, webhook: JsonObject, review: JsonObject): Promise<JsonObject | string> {
  const config = objectAt(webhook, 'clientConfig');
  const seconds = numberAt(webhook, 'timeoutSeconds') ?? 10;
  const service = objectAt(config, 'service');
  if (service.name !== undefined) {
    const { name, namespace } = service;
    const path = textAt(service, 'path') ?? '/';
    const url = `https://${String(name)}.${String(namespace)}.svc:${numberAt(service, 'port') ?? 443}${path}?timeout=${seconds}s`;
    if (store.get('services', String(namespace), String(name)) === undefined)
      return `Post "${url}": service "${String(name)}" not found`;
    const endpoints = store.get('endpoints', String(namespace), String(name));
    const ready = objectsAt(endpoints, 'subsets').some((subset) => listAt(subset, 'addresses').length > 0);
    // No container really runs here: one that is ready is taken to agree.
    return ready
      ? { response: { allowed: true } }
      : `Post "${url}": no endpoints available for service "${String(name)}"`;
  }
  const url = textAt(config, 'url') ?? '';
  const ca = textAt(config, 'caBundle');
  return await new Promise((resolve) => {
    const fail = (why: string): void => resolve(`Post "${url}?timeout=${seconds}s": ${why}`);
    const call = request(
      url,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        timeout: seconds * 1000,
        ...(ca === undefined || ca === '' ? {} : { ca: Buffer.from(ca, 'base64') }),
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', (error) => fail(error.message));
        answer.on('end', () => {
          try {
            resolve(parseObject(Buffer.concat(chunks).toString('utf8')));
          } catch {
            fail(`the answer with status ${answer.statusCode ?? 0} is no AdmissionReview`);
          }
        });
      },
    );
    call.on('timeout', () => call.destroy(new Error('context deadline exceeded')));
    call.on('error', (error) => fail(error.message));
    call.end(JSON.stringify(review));
  });
}

/**
 * Asks validating webhooks about a write, `object` being what it would make and `old` what is there. Throws what a
 * webhook refuses with, or a 500 when one that must be asked does not answer.
 */
export async function callWebhooks(
  store: ObjectStore,
  webhooks: readonly JsonObject[],
  admission: Admission,
  object: JsonObject | null,
  old: JsonObject | null,
): Promise<void> {
  const { resource, namespace, name, subresource, operation, user, dryRun } = admission;
  const labels = textsAt(object ?? old ?? {}, 'metadata', 'labels');
  const { group, version, kind, plural } = resource;
  for (const webhook of webhooks) {
    if (!matchesLabels(objectAt(webhook, 'objectSelector'), labels)) continue;
    const called = textAt(webhook, 'name') ?? '';
    const effects = textAt(webhook, 'sideEffects') ?? '';
    if (dryRun && effects !== 'None' && effects !== 'NoneOnDryRun') {
      throw badRequest(`admission webhook "${called}" does not support dry run`);
    }
    const answer = await ask(store, webhook, {
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1',
      request: {
        uid: randomUUID(),
        kind: { group, version, kind },
        resource: { group, version, resource: plural },
        requestKind: { group, version, kind },
        requestResource: { group, version, resource: plural },
        ...(subresource === '' ? {} : { subResource: subresource, requestSubResource: subresource }),
        name,
        ...(namespace === '' ? {} : { namespace }),
        operation,
        userInfo: { username: user.name, groups: [...user.groups] },
        object: object === null ? null : { ...object, apiVersion: apiVersionOf(resource), kind },
        oldObject: old,
        dryRun,
        options: null,
      },
    });
    if (typeof answer === 'string') {
      if (textAt(webhook, 'failurePolicy') === 'Ignore') continue;
      const why = `Internal error occurred: failed calling webhook "${called}": failed to call webhook: ${answer}`;
      throw new StatusError(500, 'InternalError', why, { causes: [{ reason: '', message: why, field: '' }] });
    }
    const response = objectAt(answer, 'response');
    if (response.allowed === true) continue;
    const status = objectAt(response, 'status');
    const said = textAt(status, 'message') ?? textAt(status, 'reason');
    const why = `admission webhook "${called}" denied the request${said === undefined ? ' without explanation' : `: ${said}`}`;
    // A refusal whose webhook gives it no code of an error is a bad request, as an API server has it.
    throw new StatusError(Math.max(400, numberAt(status, 'code') ?? 400), textAt(status, 'reason') ?? '', why);
  }
}
