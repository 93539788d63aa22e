import { createServer, type Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { asFault } from '../../src/core/errors.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import type { Work, WorkPlan, WorkStep } from '../../src/core/ports/work.ts';
import { openKube } from '../../src/kube/index.ts';
import { type AddonSource, map, openAddonSource, sha256 } from '../addons/source.ts';
import { makeTestCertificate } from '../certificate.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';
import { at, type BothCluster, itemsOf, SERVERS } from './both.ts';

const call = () => ({ signal: new AbortController().signal, deadline: Date.now() + 20_000 });

describe.each(SERVERS.map((server) => [server.name, server] as const))('%s', (_name, server) => {
  describe.skipIf(server.skipped !== null)('add-ons', () => {
    let cluster: BothCluster;
    let source: AddonSource;
    let kube: Kube;
    let asked = 0;

    beforeAll(async () => {
      cluster = await server.open();
    }, 120_000);
    afterAll(() => cluster.close());
    beforeEach(async () => {
      source = await openAddonSource();
      kube = openKube({ log: keepingLog(), clock: realClock, apps: source.access });
    });
    afterEach(async () => {
      await kube.close();
      await source.close();
    });

    const read = (name: string, pins: Record<string, string> = {}) =>
      kube.addon(cluster.kubeconfig, { name, pins }, call());
    const refusal = async (name: string, pins: Record<string, string> = {}) => {
      const fault = await read(name, pins).then(() => null, asFault);
      return fault ? `${fault.kind} ${fault.message} ${fault.next ?? ''}` : 'taken';
    };

    async function workOn(
      name: string,
      more: Record<string, unknown> = {},
      pins: Record<string, string> = {},
    ): Promise<Omit<Work, 'progress'>> {
      const { bulk, read: seen } = await read(name, pins);
      asked += 1;
      const { title, version, namespace, source: from, needs } = seen;
      return {
        op: 'addon.change',
        bulk: JSON.stringify({ [name]: bulk }),
        input: {
          items: [{ do: 'on', name, title, version, namespace, source: from, needs }],
          ...{ by: 'Ada', asked: `a${asked}`, withinMs: 30_000, ...more },
        },
      };
    }
    const workOff = (name: string, data = false): Omit<Work, 'progress'> => ({
      op: 'addon.change',
      input: { items: [{ do: 'off', name, title: name, data }], by: 'Ada', asked: 'off' },
    });
    const planOf = async (work: Omit<Work, 'progress'>): Promise<WorkPlan> =>
      kube.plan(cluster.kubeconfig, work, call());

    /** Runs the work to its end as its job would, each step twice, as after a crash before its word was saved. */
    async function finish(work: Omit<Work, 'progress'>): Promise<WorkStep> {
      let progress: Record<string, unknown> = {};
      const notes: string[] = [];
      const end = Date.now() + 40_000;
      while (Date.now() < end) {
        await kube.work(cluster.kubeconfig, { ...work, progress }, call());
        const step = await kube.work(cluster.kubeconfig, { ...work, progress }, call());
        notes.push(step.note);
        if (step.state === 'done') return step;
        progress = step.progress;
        if (step.state === 'wait') await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error(`not done: ${notes.join(' ')}`);
    }
    const there = async (path: string) => (await cluster.call('GET', path)).status === 200;

    test('a file whose hash is another is refused before anything of it is read', async () => {
      source.files.set('/a.yaml', 'this: [is not YAML');
      source.describe('bad-hash', { url: source.url('a.yaml'), sha256: 'ab'.repeat(32) });
      expect(await refusal('bad-hash')).toMatch(
        /bad-input a\.yaml is not the file that it should be.*Nothing of it was read/,
      );
    });

    test('a hash nobody knows is told when it is first seen, kept ones are held against what comes', async () => {
      source.files.set('/b.yaml', map('b'));
      source.describe('unknown-hash', { url: source.url('b.yaml') });
      const first = await read('unknown-hash');
      expect(first.read.files).toEqual([
        { url: source.url('b.yaml'), sha256: sha256(map('b')), bytes: map('b').length, known: false },
      ]);
      const pins = { [source.url('b.yaml')]: sha256(map('b')) };
      expect((await read('unknown-hash', pins)).read.files[0]?.known).toBe(true);
      source.files.set('/b.yaml', map('b', 'changed'));
      expect(await refusal('unknown-hash', pins)).toMatch(/is not the file that it should be/);
    });

    test('redirects are followed to another address by https alone, and not for ever', async () => {
      source.files.set('/c.yaml', (_request, response) => void response.writeHead(302, { location: '/c2.yaml' }).end());
      source.files.set('/c2.yaml', map('c'));
      source.describe('moved', { url: source.url('c.yaml'), sha256: sha256(map('c')) });
      expect(await refusal('moved')).toBe('taken');
      source.files.set('/c2.yaml', (_request, response) => void response.writeHead(302, { location: '/c.yaml' }).end());
      expect(await refusal('moved')).toMatch(/from address to address/);
      source.files.set(
        '/c.yaml',
        (_request, response) => void response.writeHead(302, { location: 'http://127.0.0.1/' }).end(),
      );
      expect(await refusal('moved')).toMatch(/without https/);
      source.files.set(
        '/c.yaml',
        (_request, response) => void response.writeHead(302, { location: 'https://127.0.0.1:1/' }).end(),
      );
      expect(await refusal('moved')).toMatch(/not-allowed 127\.0\.0\.1:1 is inside this network/);
    });

    test('an address that does not answer, a file that is not there, one that is too large, broken YAML: each in its words', async () => {
      source.describe('gone', { url: source.url('gone.yaml') });
      expect(await refusal('gone')).toMatch(/unreachable .*HTTP 404.*KQUEEN_ADDON_DIR/);
      const other = openKube({
        log: keepingLog(),
        clock: realClock,
        apps: { ...source.access, hosts: ['private:127.0.0.1:1'] },
      });
      source.describe('silent', { url: 'https://127.0.0.1:1/a.yaml' });
      const fault = await other
        .addon(cluster.kubeconfig, { name: 'silent', pins: {} }, call())
        .then(() => null, asFault);
      await other.close();
      expect(fault).toMatchObject({ kind: 'unreachable', retryable: false });
      expect(fault?.next).toMatch(/KQUEEN_ADDON_DIR/);
      source.files.set('/large.yaml', `# ${'x'.repeat(5 * 2 ** 20)}\n${map('large')}`);
      source.describe('large', { url: source.url('large.yaml') });
      expect(await refusal('large')).toMatch(/bad-input .*5 MiB is the most/);
      source.files.set('/broken.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n   labels: {}\n');
      source.describe('broken', { url: source.url('broken.yaml') });
      expect(await refusal('broken')).toMatch(/bad-input The YAML is broken at line \d+, column \d+/);
    });

    test('a folder of the installation: own add-ons, files instead of addresses, and what is wrong with a description', async () => {
      source.write('own-1.0.0.yaml', map('own-map'));
      source.describe('own', { about: 'Ours', link: 'https://wiki.example.com/own', tag: 'team' });
      source.write('broken.addon.yaml', 'name: Broken Name\n');
      source.write('headlamp-0.45.0.yaml', map('instead-of-headlamp'));
      const seen = await kube.addons(cluster.kubeconfig, call());
      expect(seen.addons.find(({ name }) => name === 'own')).toMatchObject({
        by: 'own',
        version: '1.0.0',
        tag: 'team',
      });
      expect(seen.problems.join()).toMatch(/broken\.addon\.yaml cannot be used: name/);
      expect((await read('own')).read.source).toMatch(/the file own-1\.0\.0\.yaml of this installation/);
      expect((await read('headlamp')).objects).toBe(1);
      expect(await refusal('nothing-like-it')).toMatch(/not-found There is no add-on nothing-like-it/);
      source.describe('nofile', {});
      expect(await refusal('nofile')).toMatch(/has no file nofile-1\.0\.0\.yaml in the folder/);
    });

    test('on, the same again, another version with what is no more in it pruned, off: each step twice', async () => {
      source.write('turns-1.0.0.yaml', `${map('turns-a')}---\n${map('turns-b')}`);
      source.describe('turns', {});
      const plan = await planOf(await workOn('turns'));
      expect(plan.detail).toMatch(/\+ ConfigMap default\/turns-a/);
      expect(await there('/api/v1/namespaces/default/configmaps/turns-a')).toBe(false);
      await finish(await workOn('turns'));
      const made = (await cluster.call('GET', '/api/v1/namespaces/default/configmaps/turns-a')).body;
      expect(at(made, 'metadata.labels')).toMatchObject({ 'kqueen/addon': 'turns', 'kqueen/app': 'addon.turns' });
      expect((await planOf(await workOn('turns'))).nothing).toMatch(/turns 1\.0\.0 is on already/);
      const seen = await kube.addons(cluster.kubeconfig, call());
      expect(seen.addons.find(({ name }) => name === 'turns')?.on).toMatchObject({
        version: '1.0.0',
        state: 'running',
      });
      source.write('turns-2.0.0.yaml', map('turns-a', 'two'));
      source.describe('turns', { version: '2.0.0' });
      const upgrade = await planOf(await workOn('turns'));
      expect(upgrade.facts[0]?.value).toBe('turns 2.0.0, now 1.0.0');
      expect(upgrade.detail).toMatch(/~ data\.word: one → two/);
      expect(upgrade.detail).toMatch(/- ConfigMap default\/turns-b/);
      await finish(await workOn('turns'));
      expect(await there('/api/v1/namespaces/default/configmaps/turns-b')).toBe(false);
      expect((await finish(workOff('turns'))).note).toBe('turns is off.');
      expect(await there('/api/v1/namespaces/default/configmaps/turns-a')).toBe(false);
      expect((await planOf(workOff('turns'))).nothing).toMatch(/is not on/);
    });

    test('kinds of which there are objects stay when it goes, unless that is asked; kinds without go', async () => {
      const kind = (name: string) => `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ${name}s.addons.example.com}
spec:
  group: addons.example.com
  scope: Namespaced
  names: {plural: ${name}s, singular: ${name}, kind: ${name[0]?.toUpperCase()}${name.slice(1)}, listKind: ${name}List}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
`;
      source.write('kinds-1.0.0.yaml', `${kind('used')}---\n${kind('unused')}`);
      source.describe('kinds', {});
      await finish(await workOn('kinds'));
      const path = '/apis/addons.example.com/v1/namespaces/default/useds';
      const body = { apiVersion: 'addons.example.com/v1', kind: 'Used', metadata: { name: 'mine' } };
      expect((await cluster.call('POST', path, { body })).status).toBe(201);
      const plan = await planOf(workOff('kinds'));
      expect(plan.detail).toMatch(
        /= CustomResourceDefinition useds\.addons\.example\.com stays, because there are objects/,
      );
      expect(plan.detail).toMatch(/- CustomResourceDefinition unuseds\.addons\.example\.com/);
      await finish(workOff('kinds'));
      const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      expect(await there(`${definitions}/useds.addons.example.com`)).toBe(true);
      expect(await there(`${path}/mine`)).toBe(true);
      await finish(await workOn('kinds'));
      expect((await planOf(workOff('kinds', true))).warnings.join()).toMatch(/go all objects of this kind/);
      await finish(workOff('kinds', true));
      expect(await there(`${definitions}/useds.addons.example.com`)).toBe(false);
    });

    test('what somebody else has put there is left alone, unless it is to be taken over', async () => {
      const namespace = await cluster.namespace();
      const labels = { app: 'theirs' };
      const body = {
        metadata: { name: 'theirs' },
        spec: {
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'nginx:1.29' }] } },
        },
      };
      await cluster.call('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, { body });
      const yaml = JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        ...body,
        metadata: { name: 'theirs', namespace },
      });
      source.write('theirs-1.0.0.yaml', yaml);
      source.describe('theirs', { namespace });
      const fault = await planOf(await workOn('theirs')).then(() => null, asFault);
      expect(fault?.message).toMatch(/is in the cluster already, and KQueen has not put it there: Deployment/);
      const plan = await planOf(await workOn('theirs', { force: true }));
      expect(plan.warnings.join()).toMatch(/is there already and becomes part/);
    });

    test('what it may do in the whole cluster is named, and wants an admin', async () => {
      source.write(
        'mighty-1.0.0.yaml',
        `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: suite-mighty}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: mighty, namespace: default}]
`,
      );
      source.describe('mighty', {});
      const plan = await planOf(await workOn('mighty'));
      expect(plan.admin).toMatch(/reaches over the whole cluster/);
      expect(plan.warnings.join()).toMatch(/gives mighty the role cluster-admin in the whole cluster/);
    });

    test('a quota that is in the way is said in the plan, and nothing is done', async () => {
      const namespace = await cluster.namespace();
      await cluster.call('POST', `/api/v1/namespaces/${namespace}/resourcequotas`, {
        body: { metadata: { name: 'none' }, spec: { hard: { 'count/services': '0', services: '0' } } },
      });
      source.write(
        'quota-1.0.0.yaml',
        `${map('before', 'one', namespace)}---\napiVersion: v1\nkind: Service\nmetadata: {name: late, namespace: ${namespace}}\nspec: {ports: [{port: 80}]}\n`,
      );
      source.describe('quota', { namespace });
      const fault = await planOf(await workOn('quota')).then(() => null, asFault);
      expect(fault).toMatchObject({ kind: 'quota' });
      expect(fault?.message).toMatch(/A quota of the cluster refuses Service/);
      expect(await there(`/api/v1/namespaces/${namespace}/configmaps/before`)).toBe(false);
    });

    describe('a webhook that begins to refuse half-way', () => {
      let webhook: HttpsServer;
      let refusing = false;
      afterEach(async () => {
        await cluster.call(
          'DELETE',
          '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/suite-addons',
        );
        webhook.closeAllConnections();
        await new Promise((resolve) => webhook.close(resolve));
      });

      test('what was applied before is told, and another try goes on', async () => {
        const namespace = await cluster.namespace();
        const certificate = makeTestCertificate();
        webhook = createServer({ cert: certificate.cert, key: certificate.key }, async (request, response) => {
          const chunks: Buffer[] = [];
          for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
          const asking = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { request: { uid: string } };
          const verdict = refusing
            ? { allowed: false, status: { code: 403, message: 'no maps today' } }
            : { allowed: true };
          response.setHeader('content-type', 'application/json');
          response.end(
            JSON.stringify({
              apiVersion: 'admission.k8s.io/v1',
              kind: 'AdmissionReview',
              response: { uid: asking.request.uid, ...verdict },
            }),
          );
        });
        await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
        const { port } = webhook.address() as AddressInfo;
        const configuration = {
          metadata: { name: 'suite-addons' },
          webhooks: [
            {
              ...{
                name: 'maps.suite.example.com',
                sideEffects: 'None',
                admissionReviewVersions: ['v1'],
                failurePolicy: 'Fail',
              },
              clientConfig: {
                url: `https://127.0.0.1:${port}/`,
                caBundle: Buffer.from(certificate.ca).toString('base64'),
              },
              rules: [
                { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] },
              ],
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
            },
          ],
        };
        const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
        expect((await cluster.call('POST', path, { body: configuration })).status).toBe(201);
        const account = `apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: first, namespace: ${namespace}}\n`;
        source.write('hooked-1.0.0.yaml', `${account}---\n${map('second', 'one', namespace)}`);
        source.describe('hooked', { namespace });
        const work = await workOn('hooked');
        await planOf(work);
        refusing = true;
        // A real server takes a moment until it asks.
        const fault = await finish(work).then(() => null, asFault);
        expect(fault?.message).toMatch(/refuses ConfigMap .*no maps today.* 1 of 2 objects were applied before/);
        expect(fault?.message).not.toContain('addon.');
        expect(await there(`/api/v1/namespaces/${namespace}/serviceaccounts/first`)).toBe(true);
        refusing = false;
        expect((await finish(work)).note).toMatch(/hooked runs, at revision 1/);
        expect(await there(`/api/v1/namespaces/${namespace}/configmaps/second`)).toBe(true);
      });
    });

    test('seeds 48: Services that announce themselves are add-ons of others; those that do not are none', async () => {
      const namespace = await cluster.namespace();
      const service = (name: string, annotations: Record<string, string>) =>
        cluster.call('POST', `/api/v1/namespaces/${namespace}/services`, {
          body: { metadata: { name, annotations }, spec: { ports: [{ port: 80 }] } },
        });
      await service('old', {
        'kqueen/name': 'Old way',
        'kqueen/link': 'https://old.example.com',
        'kqueen/tag': 'ui',
        'kqueen/icon': 'https://old.example.com/i.png',
      });
      await service('new', { 'kqueen.io/name': 'New way', 'kqueen.io/link': 'javascript:alert(1)' });
      await service('silent', { 'kqueen/tag': 'ui' });
      const { addons } = await kube.addons(cluster.kubeconfig, call());
      const others = addons.filter((each) => each.by === 'other' && each.namespace === namespace);
      expect(others).toEqual([
        expect.objectContaining({ name: 'new', title: 'New way' }),
        expect.objectContaining({
          name: 'old',
          title: 'Old way',
          link: 'https://old.example.com',
          tag: 'ui',
          icon: 'https://old.example.com/i.png',
        }),
      ]);
      expect(others[0]).not.toHaveProperty('link');
    });

    test('every add-on that KQueen makes itself is taken by the server, runs, and goes again', async () => {
      for (const name of ['metrics-server', 'traefik', 'headlamp']) {
        const plan = await planOf(await workOn(name));
        expect(plan.detail, name).toMatch(/\+ Deployment/);
        expect((await finish(await workOn(name))).note, name).toMatch(/runs, at revision 1/);
        await finish(workOff(name, true));
      }
      const left = await cluster.call('GET', '/apis/apps/v1/deployments?labelSelector=kqueen%2Faddon');
      expect(itemsOf(left)).toEqual([]);
    });

    test('Murano enableKubeDns: names are looked up by a pod of the cluster, which goes again', async () => {
      const work: Omit<Work, 'progress'> = {
        op: 'addon.dns',
        input: { names: ['kubernetes.default', 'example.com'], image: 'x/done:1', asked: 'dns-1' },
      };
      expect((await planOf(work)).facts[1]?.value).toMatch(/x\/done:1/);
      expect((await finish(work)).note).toBe('Names resolve inside the cluster: kubernetes.default, example.com.');
      const failing = { ...work, input: { ...work.input, image: 'x/failjob:1', asked: 'dns-2' } };
      const fault = await finish(failing).then(() => null, asFault);
      expect(fault?.message).toBe('Inside the cluster kubernetes.default does not resolve. example.com does.');
      expect(fault?.next).toMatch(/k8s-app=kube-dns/);
      const jobs = await cluster.call('GET', '/apis/batch/v1/namespaces/kqueen/jobs');
      expect(itemsOf(jobs)).toEqual([]);
    });
  });
});
