import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AppSource } from '../../src/core/apps.ts';
import { asFault } from '../../src/core/errors.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import { allowed, isInside } from '../../src/kube/apply/address.ts';
import { unpack } from '../../src/kube/apply/bundle.ts';
import { openKube } from '../../src/kube/index.ts';
import { writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { makeTestCertificate } from '../certificate.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';

const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n';
const certificate = makeTestCertificate();
const folder = mkdtempSync(join(tmpdir(), 'kqueen-sources-'));
const kubeconfig = writeKubeconfig('test', 'admin', { server: 'https://127.0.0.1:1', token: 'not-a-real-token' });
const kubes: Kube[] = [];
let server: Server;
let port = 0;

beforeAll(async () => {
  server = createServer({ cert: certificate.cert, key: certificate.key }, (request, response) => {
    if (request.url === '/app.yaml') return response.end(yaml);
    if (request.url === '/moved') return response.writeHead(302, { location: 'https://127.0.0.1/' }).end();
    if (request.url === '/page') return response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
    if (request.url === '/large') return response.end('x'.repeat(6 * 2 ** 20));
    return response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  await Promise.all(kubes.map((kube) => kube.close()));
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

function kubeWith(hosts: string[], helm?: string): Kube {
  const kube = openKube({
    log: keepingLog(),
    clock: realClock,
    apps: { hosts, authority: certificate.ca, ...(helm ? { helm } : {}) },
  });
  kubes.push(kube);
  return kube;
}

const call = () => ({ signal: new AbortController().signal, deadline: Date.now() + 10_000 });
const app = { name: 'cache', namespace: 'shop' };

async function refusalOf(kube: Kube, source: AppSource): Promise<string> {
  const result = await kube.bundle(kubeconfig, app, source, call()).then(() => null, asFault);
  return result === null ? 'taken' : `${result.kind} ${result.message} ${result.next ?? ''}`;
}

describe('manifests by their address', () => {
  test('an allowed host inside the network is read only when private: is before it', async () => {
    const url = `https://localhost:${port}/app.yaml`;
    const bundle = await kubeWith([`private:localhost:${port}`]).bundle(
      kubeconfig,
      app,
      { from: 'address', url },
      call(),
    );
    expect(unpack(bundle.bulk)).toMatchObject([{ kind: 'ConfigMap', name: 'a' }]);
    expect(await refusalOf(kubeWith([`localhost:${port}`]), { from: 'address', url })).toMatch(
      /not-allowed localhost:\d+ is inside this network/,
    );
    expect(
      await refusalOf(kubeWith([`127.0.0.1:${port}`]), { from: 'address', url: `https://127.0.0.1:${port}/app.yaml` }),
    ).toMatch(/inside this network/);
    expect(await refusalOf(kubeWith([]), { from: 'address', url })).toMatch(
      /Apps are not taken from localhost.*KQUEEN_APP_SOURCES/,
    );
  });

  test('redirects, web pages, other answers and large files are refused in words', async () => {
    const kube = kubeWith([`private:localhost:${port}`]);
    const at = (path: string): AppSource => ({ from: 'address', url: `https://localhost:${port}${path}` });
    expect(await refusalOf(kube, at('/moved'))).toMatch(/points to another address/);
    expect(await refusalOf(kube, at('/page'))).toMatch(/a web page, not with manifests/);
    expect(await refusalOf(kube, at('/none'))).toMatch(/HTTP 404/);
    expect(await refusalOf(kube, at('/large'))).toMatch(/5 MiB is the most/);
  });

  test('hosts fit whole, by domain and port; no user, no http', () => {
    const access = { hosts: ['git.example.com', '*.charts.example.com', 'other.example.com:8443'] };
    const may = (url: string) => {
      try {
        return allowed(new URL(url), access) !== null;
      } catch {
        return false;
      }
    };
    expect(
      ['https://git.example.com/x', 'https://a.charts.example.com/', 'https://other.example.com:8443/'].map(may),
    ).toEqual([true, true, true]);
    const bad = [
      'https://git.example.com.evil.org/',
      'https://xgit.example.com/',
      'https://charts.example.com/',
      'https://other.example.com/',
      'http://git.example.com/',
      'https://u:p@git.example.com/',
      'https://git.example.com:444/',
    ];
    expect(bad.map(may)).toEqual(bad.map(() => false));
  });

  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '169.254.169.254',
    '192.168.0.1',
    '100.64.0.1',
    '::1',
    '[::1]',
    '::ffff:10.0.0.1',
    'fd00::1',
    'fe80::1',
    '0.0.0.0',
    '64:ff9b::a00:1',
  ])('%s is inside', (address) => {
    expect(isInside(address)).toBe(true);
  });
  test.each(['8.8.8.8', '140.82.121.3', '2606:50c0:8000::153'])('%s is not', (address) => {
    expect(isInside(address)).toBe(false);
  });
});

describe('charts', () => {
  /** A stand-in for helm that checks what it is called with, and says what the file permissions are. */
  function standIn(name: string, body: string): string {
    const path = join(folder, name);
    writeFileSync(
      path,
      `#!${process.execPath}\nconst fs = require('node:fs');\nconst args = process.argv.slice(2);\n${body}\n`,
    );
    chmodSync(path, 0o755);
    return path;
  }

  test('seeds 56: helm gets its arguments one by one, a kubeconfig that it alone can read, and nothing of our environment', async () => {
    const told = join(folder, 'told.json');
    const helm = standIn(
      'helm-good',
      `const at = (flag) => args[args.indexOf(flag) + 1];
fs.writeFileSync(${JSON.stringify(told)}, JSON.stringify({ args, mode: fs.statSync(at('--kubeconfig')).mode & 0o777, kubeconfig: fs.readFileSync(at('--kubeconfig'), 'utf8'), values: fs.readFileSync(at('--values'), 'utf8'), env: Object.keys(process.env), path: at('--kubeconfig') }));
process.stdout.write(${JSON.stringify(yaml)});`,
    );
    const kube = kubeWith(['private:localhost'], helm);
    const bundle = await kube.bundle(
      kubeconfig,
      app,
      { from: 'chart', chart: 'redis', repo: 'https://localhost/charts', version: '1.2.3', values: 'a: "$(touch x)"' },
      call(),
    );
    expect(unpack(bundle.bulk)).toMatchObject([{ name: 'a' }]);
    const seen = JSON.parse(readFileSync(told, 'utf8')) as {
      args: string[];
      mode: number;
      kubeconfig: string;
      values: string;
      env: string[];
      path: string;
    };
    expect(seen.args.slice(0, 7)).toEqual([
      'template',
      'cache',
      'redis',
      '--repo',
      'https://localhost/charts',
      '--version',
      '1.2.3',
    ]);
    expect(seen.args).toEqual(expect.arrayContaining(['--namespace', 'shop', '--include-crds', '--no-hooks']));
    expect(seen.mode).toBe(0o600);
    expect(seen.values).toBe('a: "$(touch x)"');
    expect(seen.kubeconfig).toContain('not-a-real-token');
    expect(seen.env.filter((name) => name.startsWith('KQUEEN') || name.startsWith('VITEST'))).toEqual([]);
    // Nothing of it is left behind.
    expect(existsSync(seen.path)).toBe(false);
  });

  test('seeds 56: what helm refuses is said in its words, without paths and secrets', async () => {
    const helm = standIn(
      'helm-bad',
      `process.stderr.write('Error: chart "redis" version "9" not found, password=abcdef123456\\n'); process.exit(1);`,
    );
    const said = await refusalOf(kubeWith(['private:localhost'], helm), {
      from: 'chart',
      chart: 'redis',
      repo: 'https://localhost/charts',
    });
    expect(said).toMatch(/Helm could not make manifests of that chart: Error: chart "redis" version "9" not found/);
    expect(said).not.toContain('abcdef123456');
  });

  test('seeds 56: without helm it says so plainly', async () => {
    const kube = kubeWith(['private:localhost'], join(folder, 'no-such-helm'));
    expect(await refusalOf(kube, { from: 'chart', chart: 'redis', repo: 'https://localhost/charts' })).toMatch(
      /unsupported Charts need the helm program, which is not there.*KQUEEN_HELM/,
    );
  });

  test.each<[AppSource, RegExp]>([
    [{ from: 'chart', chart: '--post-renderer=/bin/sh', repo: 'https://localhost/' }, /Write the name of the chart/],
    [{ from: 'chart', chart: './local' }, /Say where the chart is/],
    [{ from: 'chart', chart: '/etc/passwd' }, /Say where the chart is/],
    [{ from: 'chart', chart: 'oci://elsewhere.example.com/x' }, /Apps are not taken from elsewhere/],
    [{ from: 'chart', chart: 'redis', repo: 'https://localhost/', version: '--debug' }, /Write the version/],
    [{ from: 'chart', chart: 'redis', repo: 'file:///etc' }, /Say where the chart is/],
  ])('%j is refused before helm is asked', async (source, said) => {
    expect(await refusalOf(kubeWith(['private:localhost'], join(folder, 'no-such-helm')), source)).toMatch(said);
  });

  test('large manifests are read beside the event loop', async () => {
    const text = Array.from(
      { length: 400 },
      (_each, at) =>
        `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c-${at}}\ndata: {x: "${'x'.repeat(2_000)}"}`,
    ).join('\n');
    const kube = kubeWith([]);
    const bundle = await kube.bundle(kubeconfig, app, { from: 'text', text }, call());
    expect(bundle.objects).toBe(400);
    expect(await refusalOf(kube, { from: 'text', text: `${text}\n---\nfoo: [` })).toMatch(/broken at line \d+/);
  });
});
