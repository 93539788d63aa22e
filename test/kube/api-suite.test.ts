import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeTestCertificate } from '../certificate.ts';
import { until } from '../sandbox/sandbox.ts';
import { type Answer, at, type BothCluster, SERVERS } from './both.ts';

const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';

/** A Deployment as a person would write it. */
function workload(name: string, spec: object = {}, container: object = {}): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels: { app: name } },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'main', image: 'nginx:1', ports: [{ containerPort: 80 }], ...container }] },
      },
      ...spec,
    },
  };
}

/** Managers of an object: `manager operation subresource`. */
function managers(body: unknown): string[] {
  const list = at(body, 'metadata.managedFields');
  return (Array.isArray(list) ? list : [])
    .map((entry) => `${at(entry, 'manager')} ${at(entry, 'operation')} ${at(entry, 'subresource') ?? ''}`.trim())
    .sort();
}

describe.each(SERVERS)('$name', ({ skipped, open }) => {
  describe.skipIf(skipped !== null)('writes', () => {
    let cluster: BothCluster;
    let namespace: string;

    beforeAll(async () => {
      cluster = await open();
      namespace = await cluster.namespace();
    }, 120_000);

    afterAll(async () => {
      await cluster?.close();
    });

    const maps = (name = ''): string => `/api/v1/namespaces/${namespace}/configmaps${name && `/${name}`}`;
    const deployments = (name = ''): string => `/apis/apps/v1/namespaces/${namespace}/deployments${name && `/${name}`}`;
    const apply = (path: string, body: object, manager: string, more = ''): Promise<Answer> =>
      cluster.call('PATCH', `${path}?fieldManager=${manager}${more}`, { body, type: APPLY });

    test('server-side apply makes, merges, and takes away what is applied no more', async () => {
      const map = (data: object): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data });
      expect((await apply(maps('a'), map({ one: '1', two: '2' }), 'first')).status).toBe(201);
      const second = await apply(maps('a'), map({ three: '3' }), 'second');
      expect(second.body).toMatchObject({ data: { one: '1', two: '2', three: '3' } });
      const less = await apply(maps('a'), map({ one: '1' }), 'first');
      expect([less.status, at(less.body, 'data')]).toEqual([200, { one: '1', three: '3' }]);
      expect(managers(less.body)).toEqual(['first Apply', 'second Apply']);
      const again = await apply(maps('a'), map({ one: '1' }), 'first');
      expect(at(again.body, 'metadata.resourceVersion')).toBe(at(less.body, 'metadata.resourceVersion'));
    });

    test('a conflict names the other manager and the field; force takes the field over', async () => {
      expect((await cluster.call('POST', deployments(), { body: workload('web') })).status).toBe(201);
      await cluster.call('PATCH', `${deployments('web')}/scale?fieldManager=scaler`, {
        body: { spec: { replicas: 2 } },
        type: MERGE,
      });
      const wanted = workload('web', { replicas: 3 });
      const refused = await apply(deployments('web'), wanted, 'kqueen');
      expect(refused.status).toBe(409);
      expect(refused.body).toMatchObject({ kind: 'Status', reason: 'Conflict', code: 409 });
      expect(at(refused.body, 'message')).toMatch(/^Apply failed with 1 conflict: conflict with "scaler"/);
      expect(at(refused.body, 'details.causes')).toMatchObject([
        { reason: 'FieldManagerConflict', field: '.spec.replicas' },
      ]);
      const forced = await apply(deployments('web'), wanted, 'kqueen', '&force=true');
      expect([forced.status, at(forced.body, 'spec.replicas')]).toEqual([200, 3]);
      expect(managers(forced.body)).toContain('kqueen Apply');
      expect(managers(forced.body)).toContain('suite Update');
      expect(managers(forced.body)).not.toContain('scaler Update scale');
    });

    test('items of lists are told apart by all their keys', async () => {
      const service = (ports: object[]): object => ({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'dns' },
        spec: { selector: { app: 'dns' }, ports },
      });
      const path = `/api/v1/namespaces/${namespace}/services/dns`;
      const udp = { name: 'udp', port: 53, protocol: 'UDP', targetPort: 53 };
      const tcp = { name: 'tcp', port: 53, protocol: 'TCP', targetPort: 53 };
      expect((await apply(path, service([udp, tcp]), 'kqueen')).status).toBe(201);
      const one = await apply(path, service([tcp]), 'kqueen');
      expect(at(one.body, 'spec.ports')).toEqual([tcp]);
    });

    test('a dry run answers what would be and keeps nothing', async () => {
      const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'dry' }, data: { a: '1' } };
      const tried = await apply(maps('dry'), map, 'kqueen', '&dryRun=All');
      expect([tried.status, at(tried.body, 'data.a')]).toEqual([201, '1']);
      expect((await cluster.call('POST', `${maps()}?dryRun=All`, { body: map })).status).toBe(201);
      expect((await cluster.call('GET', maps('dry'))).status).toBe(404);
      expect((await cluster.call('POST', maps(), { body: map })).status).toBe(201);
      const changed = await cluster.call('PATCH', `${maps('dry')}?dryRun=All`, {
        body: { data: { a: '2' } },
        type: MERGE,
      });
      expect(at(changed.body, 'data.a')).toBe('2');
      expect((await cluster.call('DELETE', `${maps('dry')}?dryRun=All`)).status).toBe(200);
      expect(at((await cluster.call('GET', maps('dry'))).body, 'data.a')).toBe('1');
      const nowhere = `/api/v1/namespaces/not-there/configmaps/dry?fieldManager=k&dryRun=All`;
      expect((await cluster.call('PATCH', nowhere, { body: map, type: APPLY })).status).toBe(404);
      expect((await cluster.call('POST', `${maps()}?dryRun=Some`, { body: map })).status).not.toBe(201);
    });

    test('members that a kind does not have are refused, warned of or left out', async () => {
      const typo = workload('typo', { replica: 3 });
      const strict = await cluster.call('POST', `${deployments()}?fieldValidation=Strict`, { body: typo });
      expect([strict.status, at(strict.body, 'reason')]).toEqual([400, 'BadRequest']);
      expect(at(strict.body, 'message')).toContain('strict decoding error: unknown field "spec.replica"');
      const warned = await cluster.call('POST', deployments(), { body: typo });
      expect(warned.status).toBe(201);
      expect(warned.warnings.join()).toContain('unknown field \\"spec.replica\\"');
      expect(at(warned.body, 'spec')).not.toHaveProperty('replica');
      const silent = await cluster.call('PATCH', `${deployments('typo')}?fieldValidation=Ignore`, {
        body: { spec: { template: { spec: { containerz: [] } } } },
        type: MERGE,
      });
      expect([silent.status, silent.warnings]).toEqual([200, []]);
      const patched = await cluster.call('PATCH', `${deployments('typo')}?fieldValidation=Strict`, {
        body: { spec: { replica: 1 } },
        type: MERGE,
      });
      expect(patched.status).toBe(422);
      expect(at(patched.body, 'message')).toContain('unknown field "spec.replica"');
      const applied = await apply(deployments('typo'), typo, 'kqueen', '&force=true');
      expect(applied.status).toBe(500);
      expect(at(applied.body, 'message')).toContain('.spec.replica: field not declared in schema');
      const wrong = await cluster.call('POST', deployments(), { body: workload('wrong', { replicas: 'three' }) });
      expect(wrong.status).toBe(400);
      expect(at(wrong.body, 'message')).toContain('cannot unmarshal string into Go struct field');
    });

    test('the three kinds of patches', async () => {
      await cluster.call('POST', deployments(), {
        body: workload('patched', {}, { env: [{ name: 'A', value: '1' }] }),
      });
      const containers = async (body: unknown, type: string): Promise<Answer> =>
        await cluster.call('PATCH', deployments('patched'), { body, type });
      const two = { template: { spec: { containers: [{ name: 'side', image: 'busybox:1' }] } } };
      const strategic = await containers({ spec: two }, STRATEGIC);
      expect(at(strategic.body, 'spec.template.spec.containers')).toHaveLength(2);
      const gone = await containers(
        { spec: { template: { spec: { containers: [{ name: 'side', $patch: 'delete' }] } } } },
        STRATEGIC,
      );
      expect(at(gone.body, 'spec.template.spec.containers')).toHaveLength(1);
      const env = { name: 'main', env: [{ name: 'B', value: '2' }] };
      const merged = await containers({ spec: { template: { spec: { containers: [env] } } } }, STRATEGIC);
      expect(at(merged.body, 'spec.template.spec.containers.0.env')).toHaveLength(2);
      const image = '/spec/template/spec/containers/0/image';
      const tested = await containers([{ op: 'test', path: image, value: 'other' }], JSON_PATCH);
      expect(tested.status).toBe(422);
      const replaced = await containers([{ op: 'replace', path: image, value: 'nginx:2' }], JSON_PATCH);
      expect(at(replaced.body, 'spec.template.spec.containers.0.image')).toBe('nginx:2');
      const labels = await containers({ metadata: { labels: { app: null, tier: 'x' } } }, MERGE);
      expect(at(labels.body, 'metadata.labels')).toEqual({ tier: 'x' });
      expect((await containers({ spec: { replicas: 2 } }, 'application/json')).status).toBe(415);
      expect((await containers({ spec: { replicas: 2 } }, JSON_PATCH)).status).toBe(400);
    });

    test('what may not change is refused with the field; quantities come back in their canonical form', async () => {
      await cluster.call('POST', deployments(), {
        body: workload('fixed', {}, { resources: { requests: { cpu: '0.5', memory: '1024Mi' } } }),
      });
      const fixed = await cluster.call('GET', deployments('fixed'));
      expect(at(fixed.body, 'spec.template.spec.containers.0.resources.requests')).toEqual({
        cpu: '500m',
        memory: '1Gi',
      });
      const moved = await cluster.call('PATCH', deployments('fixed'), {
        body: { spec: { selector: { matchLabels: { app: 'x' } }, template: { metadata: { labels: { app: 'x' } } } } },
        type: MERGE,
      });
      expect([moved.status, at(moved.body, 'reason')]).toEqual([422, 'Invalid']);
      expect(at(moved.body, 'message')).toContain('field is immutable');
      expect(at(moved.body, 'details.causes.0.field')).toBe('spec.selector');
    });

    test('a webhook that refuses is quoted; one that does not answer fails what it must be asked about', async () => {
      const certificate = makeTestCertificate();
      const server = createServer({ cert: certificate.cert, key: certificate.key }, async (request, response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const review: unknown = JSON.parse(Buffer.concat(chunks).toString());
        const forbidden = at(review, 'request.object.data.mood') === 'bad';
        const verdict = forbidden ? { allowed: false, status: { message: 'no bad moods here' } } : { allowed: true };
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            kind: 'AdmissionReview',
            apiVersion: 'admission.k8s.io/v1',
            response: { uid: at(review, 'request.uid'), ...verdict },
          }),
        );
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const configurations = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
      const name = `moods-${namespace}`;
      try {
        const made = await cluster.call('POST', configurations, {
          body: {
            metadata: { name },
            webhooks: [
              {
                name: 'moods.suite.example.com',
                admissionReviewVersions: ['v1'],
                sideEffects: 'None',
                timeoutSeconds: 5,
                clientConfig: {
                  url: `https://127.0.0.1:${port}/moods`,
                  caBundle: Buffer.from(certificate.ca).toString('base64'),
                },
                namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
                rules: [
                  { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] },
                ],
              },
            ],
          },
        });
        expect(made.status).toBe(201);
        const map = (mood: string): object => ({ metadata: { generateName: 'mood-' }, data: { mood } });
        // A real API server takes a moment before it heeds a new configuration.
        const refused = await until('the refusal', async () => {
          const answer = await cluster.call('POST', `${maps()}?dryRun=All`, { body: map('bad') });
          return answer.status === 201 ? undefined : answer;
        });
        expect([refused.status, at(refused.body, 'message')]).toEqual([
          400,
          'admission webhook "moods.suite.example.com" denied the request: no bad moods here',
        ]);
        expect((await cluster.call('POST', maps(), { body: map('good') })).status).toBe(201);
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
        const silent = await cluster.call('POST', maps(), { body: map('good') });
        expect(silent.status).toBe(500);
        expect(at(silent.body, 'message')).toContain('failed calling webhook "moods.suite.example.com"');
      } finally {
        server.close();
        await cluster.call('DELETE', `${configurations}/${name}`);
      }
      await until('the maps to be free again', async () =>
        (await cluster.call('POST', maps(), { body: { metadata: { generateName: 'free-' } } })).status === 201
          ? true
          : undefined,
      );
    });

    test('of a pod only the image may change; a custom object is scaled by the paths of its definition', async () => {
      const pods = `/api/v1/namespaces/${namespace}/pods`;
      const spec = { containers: [{ name: 'main', image: 'nginx:1' }] };
      expect((await cluster.call('POST', pods, { body: { metadata: { name: 'one' }, spec } })).status).toBe(201);
      const patch = (body: object): Promise<Answer> => cluster.call('PATCH', `${pods}/one`, { body, type: STRATEGIC });
      const image = await patch({ spec: { containers: [{ name: 'main', image: 'nginx:2' }] } });
      expect(at(image.body, 'spec.containers.0.image')).toBe('nginx:2');
      const command = await patch({ spec: { containers: [{ name: 'main', command: ['sleep'] }] } });
      expect(command.status).toBe(422);
      expect(at(command.body, 'message')).toContain('pod updates may not change fields other than');

      const plural = `fleets${namespace.slice(-8)}`;
      const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      const properties = {
        spec: { type: 'object', properties: { ships: { type: 'integer' } } },
        status: { type: 'object', properties: { ships: { type: 'integer' } } },
      };
      await cluster.call('POST', definitions, {
        body: {
          metadata: { name: `${plural}.suite.example.com` },
          spec: {
            group: 'suite.example.com',
            scope: 'Namespaced',
            names: { plural, kind: `Fleet${namespace.slice(-8)}` },
            versions: [
              {
                name: 'v1',
                served: true,
                storage: true,
                schema: { openAPIV3Schema: { type: 'object', properties } },
                subresources: { scale: { specReplicasPath: '.spec.ships', statusReplicasPath: '.status.ships' } },
              },
            ],
          },
        },
      });
      const path = `/apis/suite.example.com/v1/namespaces/${namespace}/${plural}`;
      await until('the fleets to be served', async () =>
        (await cluster.call('GET', path)).status === 200 ? true : undefined,
      );
      const fleet = {
        kind: `Fleet${namespace.slice(-8)}`,
        apiVersion: 'suite.example.com/v1',
        metadata: { name: 'a' },
      };
      expect((await cluster.call('POST', path, { body: { ...fleet, spec: { ships: 2 } } })).status).toBe(201);
      const scale = await cluster.call('PATCH', `${path}/a/scale`, { body: { spec: { replicas: 5 } }, type: MERGE });
      expect([scale.status, at(scale.body, 'spec.replicas')]).toEqual([200, 5]);
      expect(at((await cluster.call('GET', `${path}/a`)).body, 'spec.ships')).toBe(5);
      await cluster.call('DELETE', `${definitions}/${plural}.suite.example.com`);
    });
  });
});
