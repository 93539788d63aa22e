import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ended, runningCluster, type SandboxChild, startChild, temporaryDirectory, until, wish } from './sandbox.ts';

const home = temporaryDirectory();
let sandbox: SandboxChild;

beforeAll(async () => {
  sandbox = await startChild(home.path);
});

afterAll(async () => {
  await sandbox.stop();
  home.remove();
});

const call: SandboxChild['call'] = (...args) => sandbox.call(...args);

describe('account and catalogue', () => {
  test('say that this is a sandbox, what may be used and what it costs', async () => {
    const account = await call('GET', '/v1/account');
    expect(account.body).toMatchObject({ project: 'kqueen-sandbox', quota: { clusters: 100, nodes: 500 } });
    const { body } = await call('GET', '/v1/catalog');
    expect(body.title).toBe('KQueen sandbox – no real machines');
    expect(body.currency).toBe('USD');
    expect(body.regions.length).toBeGreaterThan(1);
    expect(new Set(body.versions.map((entry) => entry.status))).toEqual(
      new Set(['supported', 'deprecated', 'preview']),
    );
    const factors = body.regions.map((region) => Number(region.priceFactor));
    expect(new Set(factors).size).toBe(factors.length);
    for (const size of body.sizes) expect(Number(size.pricePerHour)).toBeGreaterThan(0);
  });
});

describe('refusals', () => {
  test('a missing or wrong token is 401, another project 403', async () => {
    expect((await call('GET', '/v1/account', { token: null })).status).toBe(401);
    const wrong = await call('GET', '/v1/account', { token: 'x'.repeat(43) });
    expect([wrong.status, wrong.body.error.code]).toEqual([401, 'unauthorized']);
    const other = await call('GET', '/v1/account', { headers: { 'sandbox-project': 'prod' } });
    expect([other.status, other.body.error.code]).toEqual([403, 'forbidden']);
  });

  test.each([
    ['name', { name: 'Not_A_Label' }],
    ['name', { name: 'a'.repeat(41) }],
    ['name', { name: '' }],
    ['region', { region: 'moon' }],
    ['version', { version: '1.2.3' }],
    ['size', { size: 'gigantic' }],
    ['nodes', { nodes: 0 }],
    ['nodes', { nodes: 21 }],
    ['nodes', { nodes: 1.5 }],
    ['nodes', { nodes: 'three' }],
    ['labels.a', { labels: { a: 7 } }],
    ['surprise', { surprise: true }],
  ])('a wrong %s is named: %j', async (field, more) => {
    const answer = await call('POST', '/v1/clusters', { body: wish('never', more) });
    expect([answer.status, answer.body.error.code, answer.body.error.field]).toEqual([400, 'bad_request', field]);
    expect((await call('GET', '/v1/clusters/never')).status).toBe(404);
  });

  test('bodies that are no JSON or too large are refused', async () => {
    expect((await call('POST', '/v1/clusters', { body: '{"name":' })).status).toBe(400);
    expect((await call('POST', '/v1/clusters', { body: JSON.stringify({ name: 'x'.repeat(4_000_000) }) })).status).toBe(
      413,
    );
  });

  test('unknown paths are 404, wrong methods 405', async () => {
    expect((await call('GET', '/v1/nothing')).status).toBe(404);
    expect((await call('PUT', '/v1/clusters')).status).toBe(405);
    expect((await call('GET', '/v1/operations/op-none')).body.error.code).toBe('not_found');
  });
});

test('targets that are no paths, and requests that are no HTTP, end nothing but themselves', async () => {
  const { port } = new URL(sandbox.url);
  for (const line of ['GET // HTTP/1.1', 'OPTIONS * HTTP/1.1', 'GET /v1/clusters/%zz HTTP/1.1', 'nonsense']) {
    const socket = connect({ port: Number(port), host: '127.0.0.1', ca: sandbox.ca });
    socket.write(`${line}\r\nHost: x\r\nAuthorization: Bearer ${sandbox.token}\r\nConnection: close\r\n\r\n`);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 40\d /);
  }
  expect((await call('GET', '/v1/account')).status).toBe(200);
});

describe('labels', () => {
  test('are replaced at once, by whoever has seen the present ones', async () => {
    const made = await call('POST', '/v1/clusters', {
      body: wish('labelled', { labels: { owner: 'ada', team: 'x' } }),
    });
    const seen = made.body.cluster.labelFingerprint;
    const body = { labels: { owner: 'ada', mark: '1' }, labelFingerprint: seen };
    const changed = await call('PATCH', '/v1/clusters/labelled', { body });
    expect(changed.status).toBe(200);
    expect(changed.body.cluster).toMatchObject({ labels: body.labels, status: 'PROVISIONING' });
    const late = await call('PATCH', '/v1/clusters/labelled', { body });
    expect([late.status, late.body.error.code]).toEqual([412, 'precondition_failed']);
    for (const [field, wrong] of [
      ['labelFingerprint', { labels: {} }],
      ['labels', { labelFingerprint: seen }],
      ['labels', { ...body, nodes: 2 }],
      ['nodes', {}],
    ] as const) {
      const refused = await call('PATCH', '/v1/clusters/labelled', { body: wrong });
      expect([refused.status, refused.body.error.field]).toEqual([400, field]);
    }
    expect((await call('PATCH', '/v1/clusters/nobody', { body })).status).toBe(404);
    expect((await call('GET', '/v1/clusters/labelled')).body).toMatchObject({ labels: body.labels });
    await call('DELETE', '/v1/clusters/labelled');
  });
});

describe('the life of a cluster', () => {
  test('goes from creation with rising percent to RUNNING, changes and goes', async () => {
    await call('POST', '/v1/admin/clock', { body: { speed: 60 } });
    const labels = { 'kqueen.io/cluster': 'c-1' };
    const made = await call('POST', '/v1/clusters', { body: wish('life', { labels }) });
    expect(made.status).toBe(202);
    expect(made.body.cluster).toMatchObject({ name: 'life', status: 'PROVISIONING', endpoint: null, labels });
    expect(made.body.operation).toMatchObject({ type: 'create', status: 'running' });
    const early = await call('GET', '/v1/clusters/life/kubeconfig');
    expect([early.status, early.body.error.code]).toEqual([409, 'not_ready']);

    const again = await call('POST', '/v1/clusters', { body: wish('life') });
    expect([again.status, again.body.error.code]).toEqual([409, 'name_taken']);
    expect(again.body.error.labels).toEqual(labels);
    const busy = await call('PATCH', '/v1/clusters/life', { body: { nodes: 3 } });
    expect([busy.status, busy.body.error.code]).toEqual([409, 'operation_in_progress']);

    const seen: { percent: number; step: string }[] = [];
    await until('the end of the creation', async () => {
      const { body } = await call('GET', `/v1/operations/${made.body.operation.id}`);
      seen.push({ percent: body.percent, step: body.step });
      return body.status === 'done' ? body : undefined;
    });
    const percents = seen.map((entry) => entry.percent);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(percents.at(-1)).toBe(100);
    expect(new Set(percents).size).toBeGreaterThan(5);
    expect(seen.map((entry) => entry.step)).toEqual(expect.arrayContaining(['Booting control plane', 'Joining nodes']));
    await call('POST', '/v1/admin/clock', { body: { speed: 200 } });

    const up = await call('GET', '/v1/clusters/life');
    expect(up.body).toMatchObject({ status: 'RUNNING', nodes: 2, version: '1.33.6' });
    expect(up.body.endpoint).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/clusters\//);
    expect(up.body.pricePerHour).toBeCloseTo(0.1 + 2 * 0.08);
    expect((await call('GET', '/v1/clusters/life/kubeconfig')).text).toContain('current-context: sandbox-life');

    const older = await call('PATCH', '/v1/clusters/life', { body: { version: '1.32.10' } });
    expect([older.status, older.body.error.field]).toEqual([400, 'version']);
    const leap = await call('PATCH', '/v1/clusters/life', { body: { version: '1.35.0' } });
    expect([leap.status, leap.body.error.field]).toEqual([400, 'version']);
    const change = await call('PATCH', '/v1/clusters/life', { body: { nodes: 4, version: '1.34.2' } });
    expect(change.body.cluster.status).toBe('RECONCILING');
    expect((await ended(call, change.body.operation.id)).status).toBe('done');
    expect((await call('GET', '/v1/clusters/life')).body).toMatchObject({
      status: 'RUNNING',
      nodes: 4,
      version: '1.34.2',
    });

    const { body: history } = await call('GET', '/v1/clusters/life/events');
    expect(history.events.map((entry) => entry.message)).toEqual(
      expect.arrayContaining(['The cluster is up', 'The change is done']),
    );

    const gone = await call('DELETE', '/v1/clusters/life');
    expect([gone.status, gone.body.cluster.status]).toEqual([202, 'STOPPING']);
    const twice = await call('DELETE', '/v1/clusters/life');
    expect(twice.body.operation.id).toBe(gone.body.operation.id);
    expect((await ended(call, gone.body.operation.id)).status).toBe('done');
    expect((await call('GET', '/v1/clusters/life')).status).toBe(404);
    expect((await call('DELETE', '/v1/clusters/life')).status).toBe(404);
  });

  test('a repeated Idempotency-Key makes one cluster, and another body under it is refused', async () => {
    const headers = { 'idempotency-key': 'key-1' };
    const first = await call('POST', '/v1/clusters', { body: wish('once'), headers });
    const second = await call('POST', '/v1/clusters', { body: wish('once'), headers });
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.body.operation.id).toBe(first.body.operation.id);
    const other = await call('POST', '/v1/clusters', { body: wish('once', { nodes: 5 }), headers });
    expect([other.status, other.body.error.code]).toEqual([422, 'idempotency_key_reused']);
    const { body } = await call('GET', '/v1/admin/calls');
    expect(body.creates.once).toEqual({ received: 3, made: 1 });
  });

  test('clusters are listed by label and by page', async () => {
    for (const name of ['page-a', 'page-b', 'page-c']) {
      await call('POST', '/v1/clusters', { body: wish(name, { labels: { team: 'pages', name } }) });
    }
    const first = await call('GET', '/v1/clusters?label=team%3Dpages&limit=2');
    expect(first.body.clusters.map((cluster) => cluster.name)).toEqual(['page-a', 'page-b']);
    expect(first.body).toMatchObject({ total: 3, nextPage: 2 });
    const second = await call('GET', '/v1/clusters?label=team%3Dpages&limit=2&page=2');
    expect(second.body.clusters.map((cluster) => cluster.name)).toEqual(['page-c']);
    expect(second.body.nextPage).toBeNull();
    const both = await call('GET', '/v1/clusters?label=team%3Dpages&label=name%3Dpage-b');
    expect(both.body.clusters.map((cluster) => cluster.name)).toEqual(['page-b']);
    expect((await call('GET', '/v1/clusters?limit=many')).body.error.field).toBe('limit');
    expect((await call('GET', '/v1/clusters?label=nonsense')).body.error.field).toBe('label');
  });

  test('quotas of clusters and of nodes are kept', async () => {
    const { body } = await call('GET', '/v1/account');
    const used = body.used;
    await call('PUT', '/v1/admin/quota', { body: { clusters: used.clusters, nodes: 500 } });
    const full = await call('POST', '/v1/clusters', { body: wish('too-many') });
    expect([full.status, full.body.error.code, full.body.error.quota]).toEqual([403, 'quota_exceeded', 'clusters']);
    await call('PUT', '/v1/admin/quota', { body: { clusters: 100, nodes: used.nodes + 1 } });
    const large = await call('POST', '/v1/clusters', { body: wish('too-large') });
    expect([large.status, large.body.error.code, large.body.error.quota]).toEqual([403, 'quota_exceeded', 'nodes']);
    await call('PUT', '/v1/admin/quota', { body: { clusters: 100, nodes: 500 } });
  });

  test('without the admin switch the admin routes do not exist', async () => {
    const other = temporaryDirectory();
    const plain = await startChild(other.path, { SANDBOX_ADMIN: '0' });
    expect((await plain.call('GET', '/v1/admin/calls')).status).toBe(404);
    expect((await plain.call('PUT', '/v1/admin/faults', { body: [] })).status).toBe(404);
    await plain.stop();
    other.remove();
  });
});

describe('operations that go wrong on demand', () => {
  test('a failing creation ends in ERROR with the message, and can be deleted', async () => {
    const fail = { code: 'no_capacity', message: 'The zone has no machines left.', atPercent: 40 };
    await call('PUT', '/v1/admin/faults', { body: [{ operation: 'create', times: 1, effect: { fail } }] });
    const made = await call('POST', '/v1/clusters', { body: wish('fails') });
    const end = await ended(call, made.body.operation.id);
    expect(end).toMatchObject({ status: 'failed', percent: 40, error: { code: 'no_capacity', message: fail.message } });
    expect((await call('GET', '/v1/clusters/fails')).body).toMatchObject({
      status: 'ERROR',
      statusMessage: fail.message,
    });
    const gone = await call('DELETE', '/v1/clusters/fails');
    await ended(call, gone.body.operation.id);
    expect((await call('GET', '/v1/clusters/fails')).status).toBe(404);
  });

  test('a stuck creation stays at its percent until the faults are cleared', async () => {
    await call('PUT', '/v1/admin/faults', {
      body: [{ operation: 'create', times: 1, effect: { stuckAtPercent: 37 } }],
    });
    const made = await call('POST', '/v1/clusters', { body: wish('stuck') });
    const at = async (): Promise<number> =>
      (await call('GET', `/v1/operations/${made.body.operation.id}`)).body.percent;
    await until('percent 37', async () => ((await at()) === 37 ? true : undefined));
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await at()).toBe(37);
    await call('DELETE', '/v1/admin/faults');
    expect((await ended(call, made.body.operation.id)).status).toBe('done');
  });

  test('a deletion takes over from a stuck creation; a failed deletion can be asked for again', async () => {
    const faults = [
      { operation: 'create', clusterPrefix: 'halted', times: 1, effect: { stuckAtPercent: 80 } },
      { operation: 'delete', times: 1, effect: { fail: { message: 'The network is in use.' } } },
    ];
    await call('PUT', '/v1/admin/faults', { body: faults });
    const made = await call('POST', '/v1/clusters', { body: wish('halted') });
    await until('percent 80', async () => {
      const { body } = await call('GET', `/v1/operations/${made.body.operation.id}`);
      return body.percent === 80 ? true : undefined;
    });
    const first = await call('DELETE', '/v1/clusters/halted');
    expect((await call('GET', `/v1/operations/${made.body.operation.id}`)).body).toMatchObject({
      status: 'failed',
      error: { code: 'cancelled' },
    });
    expect((await ended(call, first.body.operation.id)).error).toMatchObject({ message: 'The network is in use.' });
    expect((await call('GET', '/v1/clusters/halted')).body.status).toBe('ERROR');
    const second = await call('DELETE', '/v1/clusters/halted');
    expect(second.body.operation.id).not.toBe(first.body.operation.id);
    expect((await ended(call, second.body.operation.id)).status).toBe('done');
    await call('DELETE', '/v1/admin/faults');
  });
});

describe('calls that go wrong on demand', () => {
  async function fault(effect: object, match: object = {}, times: number | null = 1): Promise<void> {
    const { status } = await call('PUT', '/v1/admin/faults', { body: [{ match, times, effect }] });
    expect(status).toBe(200);
  }

  test('an error with a status, a code and a Retry-After, as often as asked for', async () => {
    await fault(
      { status: 429, code: 'rate_limited', message: 'Slow down.', retryAfterSeconds: 3 },
      { pathPrefix: '/v1/account' },
      2,
    );
    for (const expected of [429, 429, 200]) {
      const answer = await call('GET', '/v1/account');
      expect(answer.status).toBe(expected);
      if (expected === 429) {
        expect(answer.headers.get('retry-after')).toBe('3');
        expect(answer.body.error).toEqual({ code: 'rate_limited', message: 'Slow down.' });
      }
    }
  });

  test('only the method and path that were asked for', async () => {
    await fault({ status: 503 }, { method: 'POST', pathPrefix: '/v1/clusters' }, null);
    expect((await call('GET', '/v1/clusters')).status).toBe(200);
    expect((await call('POST', '/v1/clusters', { body: wish('unlucky') })).status).toBe(503);
    await call('DELETE', '/v1/admin/faults');
    expect((await call('GET', '/v1/clusters/unlucky')).status).toBe(404);
  });

  test('a delay, and a call that hangs', async () => {
    await fault({ delayMs: 250 });
    const began = performance.now();
    expect((await call('GET', '/v1/account')).status).toBe(200);
    expect(performance.now() - began).toBeGreaterThan(240);
    await fault({ hang: true });
    await expect(call('GET', '/v1/account', { signal: AbortSignal.timeout(200) })).rejects.toThrow();
  });

  test('a lost answer after the work was done, and a connection that is cut before it', async () => {
    await fault({ loseAnswer: true }, { method: 'POST' });
    await expect(call('POST', '/v1/clusters', { body: wish('lost') })).rejects.toThrow();
    expect((await call('GET', '/v1/clusters/lost')).status).toBe(200);
    await fault({ dropBefore: true }, { method: 'POST' });
    await expect(call('POST', '/v1/clusters', { body: wish('cut') })).rejects.toThrow();
    expect((await call('GET', '/v1/clusters/cut')).status).toBe(404);
    const { body } = await call('GET', '/v1/admin/calls');
    expect(body.creates.lost).toEqual({ received: 1, made: 1 });
    expect(body.creates.cut).toBeUndefined();
  });

  test('an answer that ends half-way, and a page of HTML', async () => {
    await fault({ truncate: true });
    await expect(call('GET', '/v1/catalog')).rejects.toThrow();
    await fault({ html: true });
    const page = await call('GET', '/v1/account');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  });

  test("the clusters' own APIs fail as well, but not the controller that moves them", async () => {
    await fault({ status: 500, message: 'The control plane is on fire.' }, { pathPrefix: '/clusters/' }, null);
    const kubeconfig = await runningCluster(call, 'burning');
    expect(kubeconfig).toContain('sandbox-burning');
    const { body } = await call('GET', '/v1/clusters/burning');
    const answer = await call('GET', `/clusters/${body.id}/api/v1/nodes`);
    expect([answer.status, answer.body.kind, answer.body.message]).toEqual([
      500,
      'Status',
      'The control plane is on fire.',
    ]);
    await call('DELETE', '/v1/admin/faults');
  });

  test('faults that make no sense are refused', async () => {
    const answer = await call('PUT', '/v1/admin/faults', { body: [{ match: {}, effect: { explode: true } }] });
    expect([answer.status, answer.body.error.code]).toEqual([400, 'bad_request']);
  });
});
