/** What a person's kubeconfig is worth: signed in with at real APIs, and at a server that answers as older ones and proxies do. */
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { openKube } from '../../src/kube/index.ts';
import {
  authorityOf,
  type KubeConnection,
  readKubeconfig,
  validityOf,
  writeKubeconfig,
} from '../../src/kube/kubeconfig.ts';
import { reviewKubeconfig } from '../../src/kube/review.ts';
import { makeTestCertificate } from '../certificate.ts';
import { callFor, faultOf, realClock } from '../engines/calls.ts';
import { freePort } from '../servers.ts';
import { startRealServer, whyNoRealServer } from './real-server.ts';
import { startSandboxCluster, type TestCluster } from './sandbox-cluster.ts';

const canary = 'canary-pass-8821x';
const reason = whyNoRealServer();
if (reason !== null) console.warn(`skipped: ${reason}`);

const jwt = (claims: Record<string, unknown>) =>
  ['{"alg":"none"}', JSON.stringify(claims), canary].map((each) => Buffer.from(each).toString('base64url')).join('.');

let kube: Kube;
beforeAll(() => {
  kube = openKube({ log: silentLog, clock: realClock });
});
afterAll(() => kube.close());

describe.each([
  ['a sandbox cluster', () => startSandboxCluster(1), false],
  ['a real API server', startRealServer, reason !== null],
] as const)('a review at %s', (_name, start, skipped) => {
  let cluster: TestCluster;
  let admin: KubeConnection;
  beforeAll(async () => {
    if (skipped) return;
    cluster = await start();
    admin = readKubeconfig(cluster.kubeconfig);
  }, 120_000);
  afterAll(() => cluster?.close());

  it.skipIf(skipped)('tells who the credential is, and that it may do everything', async () => {
    const review = await kube.review(cluster.kubeconfig, callFor());
    expect(review).toMatchObject({ server: admin.server, by: 'token', everything: true, looks: true });
    expect(review.user).toBeTruthy();
    expect(review.groups).toContain('system:masters');
    expect(review.authority).toMatch(/^[0-9a-f]{64}$/);
    // What is kept is the present context alone, and it works.
    expect(readKubeconfig(review.kubeconfig)).toEqual(admin);
  });

  it.skipIf(skipped)('tells a credential that may do nothing from one that may look', async () => {
    await cluster.api('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'guest' } });
    const path = '/api/v1/namespaces/default/serviceaccounts/guest/token';
    const { body } = await cluster.api('POST', path, { spec: { audiences: [], expirationSeconds: 900 } });
    const { token } = (body as { status: { token: string } }).status;
    const text = writeKubeconfig('x', 'guest', { server: admin.server, token, ...(admin.ca ? { ca: admin.ca } : {}) });
    const before = await kube.review(text, callFor());
    expect(before).toMatchObject({ everything: false, looks: false, user: 'system:serviceaccount:default:guest' });
    // A token of Kubernetes says itself when it ends.
    expect(Math.abs((before.expiresAt ?? 0) - Date.now() - 900_000)).toBeLessThan(30_000);
    await cluster.api('POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', {
      metadata: { name: 'looker' },
      rules: [{ apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['list'] }],
    });
    await cluster.api('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: 'looker' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'looker' },
      subjects: [{ kind: 'ServiceAccount', name: 'guest', namespace: 'default' }],
    });
    expect(await kube.review(text, callFor())).toMatchObject({ everything: false, looks: true });
  });

  it.skipIf(skipped)('leaves nothing behind', async () => {
    const { body } = await cluster.api('GET', '/api/v1/namespaces');
    expect(JSON.stringify(body)).not.toContain('kqueen');
  });

  it.skipIf(skipped)('says what is wrong with a token, an authority, an address', async () => {
    const wrong = async (change: Partial<KubeConnection>) => {
      const fault = await faultOf(kube.review(writeKubeconfig('x', 'u', { ...admin, ...change }), callFor()));
      expect(`${fault.message} ${fault.next} ${fault.detail} ${fault.stack}`).not.toContain(canary);
      expect(fault.next).toBeTruthy();
      return fault;
    };
    const refused = await wrong({ token: canary });
    expect(refused).toMatchObject({ kind: 'not-allowed', field: 'kubeconfig' });
    expect(refused.message).toMatch(/does not accept the token/);
    const { ca } = makeTestCertificate();
    const authority = await wrong({ ca });
    expect(authority).toMatchObject({ kind: 'unreachable', field: 'kubeconfig' });
    expect(authority.message).toMatch(/not signed by the authority/);
    expect(authority.next).toMatch(/belong together/);
    const nobody = await wrong({ server: `https://127.0.0.1:${await freePort()}` });
    expect(nobody.message).toMatch(
      /^The cluster at https:\/\/127\.0\.0\.1:\d+ cannot be reached from KQueen: nothing listens/,
    );
    expect(nobody.next).toMatch(/machine that KQueen runs on/);
    const noName = await wrong({ server: 'https://no-such-host.invalid:6443' });
    expect(noName.message).toMatch(/host name/);
  });

  it.skipIf(skipped)('says of a password that Kubernetes took it away', async () => {
    const { token: _token, ...rest } = admin;
    const text = writeKubeconfig('x', 'u', { ...rest, basic: { username: 'admin', password: canary } });
    const fault = await faultOf(kube.review(text, callFor()));
    expect(fault.message).toMatch(/does not accept the user name and password/);
    expect(fault.next).toMatch(/1\.19/);
    expect(`${fault.message} ${fault.next} ${fault.detail}`).not.toContain(canary);
  });
});

describe('credentials that say when they end', () => {
  const never = async () => {
    throw new Error('the cluster was asked');
  };
  const now = Date.now();
  const at = (connection: Partial<KubeConnection>, when = now) =>
    reviewKubeconfig({ server: 'https://k.example', ...connection }, never, when, callFor());

  it('are refused after it, with the date, and nobody is asked', async () => {
    const { ca: cert, key } = makeTestCertificate();
    const certificate = await faultOf(at({ cert, key }, now + 2 * 3_600_000));
    expect(certificate).toMatchObject({ kind: 'bad-input', field: 'kubeconfig' });
    expect(certificate.message).toMatch(
      /client certificate in this kubeconfig expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC/,
    );
    const token = await faultOf(at({ token: jwt({ exp: 1_600_000_000 }) }));
    expect(token.message).toMatch(/token in this kubeconfig expired on 2020-09-13 12:26 UTC/);
    expect(token.next).toMatch(/new kubeconfig/);
  });

  it('are refused before they begin', async () => {
    const fault = await faultOf(at({ token: jwt({ nbf: now / 1_000 + 7_200, exp: now / 1_000 + 9_000 }) }));
    expect(fault.message).toMatch(/good only from/);
  });

  it('are told from those that do not say', () => {
    const server = 'https://k.example';
    expect(validityOf({ server, token: jwt({ exp: 2_000_000_000 }) })).toEqual({ what: 'token', until: 2e12 });
    for (const token of [
      'opaque',
      'a.b',
      'a.b.c',
      `x.${Buffer.from('7').toString('base64url')}.y`,
      jwt({ exp: 'soon' }),
    ])
      expect(validityOf({ server, token })).toBeUndefined();
    expect(validityOf({ server, basic: { username: 'a', password: 'b' } })).toBeUndefined();
  });

  it('are named by a probe that is refused', async () => {
    const cluster = await startSandboxCluster(1);
    const { server, ca } = readKubeconfig(cluster.kubeconfig);
    const text = writeKubeconfig('x', 'u', { server, token: jwt({ exp: 1_600_000_000 }), ...(ca ? { ca } : {}) });
    const health = await kube.probe(text, callFor());
    expect(health.conditions[0]).toMatchObject({
      status: 'Unknown',
      reason: 'CredentialsExpired',
      message: expect.stringMatching(/expired on 2020-09-13/),
    });
    await cluster.close();
  }, 60_000);

  it('have an authority that tells clusters apart', () => {
    const [one, two] = [makeTestCertificate(), makeTestCertificate()];
    const server = 'https://k.example';
    expect(authorityOf({ server, ca: one.ca })).toBe(authorityOf({ server, ca: `\n${one.ca}` }));
    expect(authorityOf({ server, ca: one.ca })).not.toBe(authorityOf({ server, ca: two.ca }));
    expect(authorityOf({ server })).toBe('');
  });
});

// Kubernetes before 1.19 took a password (--basic-auth-file), and before 1.28 had no SelfSubjectReview; some proxies still take one.
describe('a server that takes a user name and password', () => {
  const certificate = makeTestCertificate();
  const seen: { url: string; authorization: string }[] = [];
  const server = https.createServer(certificate, (request, response) => {
    const authorization = request.headers.authorization ?? '';
    seen.push({ url: request.url ?? '', authorization });
    const reply = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (authorization !== `Basic ${Buffer.from(`admin:${canary}`).toString('base64')}`) {
      return reply(401, { kind: 'Status', message: 'Unauthorized', code: 401 });
    }
    if (request.url === '/version') return reply(200, { major: '1', minor: '18', gitVersion: 'v1.18.20' });
    return reply(404, { kind: 'Status', message: 'the server could not find the requested resource', code: 404 });
  });
  let address = '';
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const kubeconfig = (user: Record<string, unknown>) =>
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'main',
      clusters: [
        {
          name: 'c',
          cluster: { server: address, 'certificate-authority-data': Buffer.from(certificate.ca).toString('base64') },
        },
      ],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
    });

  it('is signed in to with them, and what it does not know is unknown', async () => {
    const review = await kube.review(kubeconfig({ username: 'admin', password: canary }), callFor());
    expect(review).toMatchObject({ server: address, by: 'user name and password', everything: null, looks: null });
    expect(review.user).toBeUndefined();
    expect(readKubeconfig(review.kubeconfig).basic).toEqual({ username: 'admin', password: canary });
    expect(seen.every(({ authorization }) => authorization.startsWith('Basic '))).toBe(true);
    // The look at it goes the same way.
    const health = await kube.probe(review.kubeconfig, callFor());
    expect(health.version).toBe('1.18.20');
  });

  it('that refuses them does not show them', async () => {
    const fault = await faultOf(kube.review(kubeconfig({ username: 'admin', password: `${canary}-no` }), callFor()));
    expect(`${fault.message} ${fault.next} ${fault.detail} ${fault.stack}`).not.toContain(canary);
    expect(fault.kind).toBe('not-allowed');
  });
});
