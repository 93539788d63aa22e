/** Manifests from a Helm chart: the helm program makes them, and everything after is as with any manifests. */
import { spawn } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appName, appNameRule, largestManifest } from '../../core/apps.ts';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { scrub } from '../../core/secrets.ts';
import { plain, timeoutFault } from '../faults.ts';
import { type AppAccess, allowed, isInside } from './address.ts';
import { demandSize } from './manifests.ts';

export interface Chart {
  chart: string;
  repo?: string;
  version?: string;
  /** YAML. */
  values?: string;
}

/** Variables that helm needs to reach the outside where a proxy stands before it. */
const passedOn = [
  'PATH',
  'HTTPS_PROXY',
  'HTTP_PROXY',
  'NO_PROXY',
  'https_proxy',
  'http_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
];

/** The chart as helm is told it; throws for what is no name or address, or from where nothing is taken. */
async function source({ chart, repo, version }: Chart, access: AppAccess): Promise<string[]> {
  const bad = (field: string, message: string) => new Fault('bad-input', message, { field });
  if (version !== undefined && !/^[\w^~*<>=][\w.+ ,<>=^~*-]{0,60}$/.test(version))
    throw bad('version', 'Write the version of the chart, such as 1.2.3.');
  const at = repo ?? chart;
  if (!/^(https|oci):\/\//.test(at))
    throw bad('repo', 'Say where the chart is: repo=https://…, or the chart as oci://…');
  if (!URL.canParse(at)) throw bad(repo === undefined ? 'chart' : 'repo', 'This is no address.');
  if (repo !== undefined && !/^[a-z0-9][a-z0-9._-]{0,100}$/i.test(chart))
    throw bad('chart', 'Write the name of the chart in its repository, such as redis.');
  if (repo?.startsWith('oci:')) throw bad('repo', 'Write a chart of a registry whole, as oci://host/path/chart.');
  const url = new URL(at);
  const rule = allowed(url, access);
  if (!rule.private) {
    const found = await lookup(url.hostname.replace(/^\[|\]$/g, ''), { all: true }).catch(() => []);
    if (found.length === 0) throw new Fault('unreachable', `The host ${url.hostname} is not known.`);
    if (found.some(({ address }) => isInside(address))) {
      throw new Fault('not-allowed', `${url.host} is inside this network, where apps are not taken from.`, {
        whose: 'admin',
        field: 'repo',
      });
    }
  }
  return [
    chart,
    ...(repo === undefined ? [] : ['--repo', repo]),
    ...(version === undefined ? [] : ['--version', version]),
  ];
}

/** The manifests that a chart makes for this cluster (helm 3.13 or newer). Its hooks are left out: what runs once is not part of an app. */
export async function renderChart(
  kubeconfig: string,
  app: { name: string; namespace: string },
  chart: Chart,
  access: AppAccess,
  call: Call,
): Promise<string> {
  if (!appName.test(app.name)) throw new Fault('bad-input', appNameRule, { field: 'name' });
  const asked = await source(chart, access);
  const folder = await mkdtemp(join(tmpdir(), 'kqueen-helm-'));
  try {
    const file = async (name: string, text: string) => {
      const path = join(folder, name);
      await writeFile(path, text, { mode: 0o600 });
      return path;
    };
    const config = await file('kubeconfig', kubeconfig);
    const values = chart.values?.trim() ? ['--values', await file('values.yaml', chart.values)] : [];
    const args = [
      'template',
      app.name,
      ...asked,
      '--namespace',
      app.namespace,
      '--include-crds',
      '--no-hooks',
      '--dry-run=server',
      '--kubeconfig',
      config,
      ...values,
    ];
    return await run(access.helm ?? 'helm', args, folder, call);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(program: string, args: string[], folder: string, call: Call): Promise<string> {
  const env: Record<string, string> = {
    HOME: folder,
    HELM_CACHE_HOME: folder,
    HELM_CONFIG_HOME: folder,
    HELM_DATA_HOME: folder,
  };
  for (const name of passedOn) if (process.env[name] !== undefined) env[name] = process.env[name];
  const left = Math.max(0, call.deadline - Date.now() - 500);
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(left)]);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    });
    const out: Buffer[] = [];
    let size = 0;
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= largestManifest) out.push(chunk);
      else child.kill('SIGKILL');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-4_000);
    });
    child.on('error', (error: Error & { code?: string }) => {
      if (signal.aborted) reject(timeoutFault('GET', call.signal.aborted));
      else if (error.code === 'ENOENT' || error.code === 'EACCES') reject(noHelm());
      else reject(error);
    });
    child.on('close', (code) => {
      if (size > largestManifest) {
        try {
          demandSize(size);
        } catch (thrown) {
          reject(thrown);
        }
        return;
      }
      if (code === 0) return resolve(Buffer.concat(out).toString('utf8'));
      const words = plain(said.replaceAll(folder, ''), 400);
      reject(
        new Fault('bad-input', `Helm could not make manifests of that chart${words === '' ? '.' : `: ${words}`}`, {
          field: 'chart',
          detail: scrub(said),
          next: 'Look at the name, the version and the values of the chart.',
        }),
      );
    });
  });
}

function noHelm(): Fault {
  return new Fault('unsupported', 'Charts need the helm program, which is not there on the machine of the bot.', {
    whose: 'admin',
    next: 'An admin installs helm 3.13 or newer and names it in KQUEEN_HELM. Manifests and images need no helm.',
  });
}
