import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { ApiFailure, connectApi, type LinkOptions } from './controller-client.ts';
import { Controller } from './controller-cluster.ts';
import { isObject, type JsonObject, objectAt, objectsAt, textAt } from './json.ts';

const USAGE = `node src/sandbox/controller.ts --kubeconfig FILE [--nodes N] [--kubelet-only] [--speed N]
Plays the machines of a Kubernetes API server: nodes become Ready, pods run. Without --kubelet-only also the scheduler
and the controllers of workloads, for an API server that has none of its own.
  --nodes N        registers nodes sandbox-0 to sandbox-(N-1) first
  --kubelet-only   only nodes and the pods on them
  --speed N        how much faster than the wall things happen (default 1)`;

/** A real API server's own controllers call a node unknown after 40 s, so leases are renewed as the kubelet does it. */
const HEARTBEAT = 10_000;

type Login = { link: LinkOptions; token: string | undefined };

function decode(value: string | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
}

/** Server and credentials of a kubeconfig's current context: CA, token or client certificate; programs are not run. */
function loginOf(file: string): Login {
  const config: unknown = parse(readFileSync(file, 'utf8'));
  if (!isObject(config)) throw new Error(`${file} is no kubeconfig`);
  const named = (list: string, name: string | undefined): JsonObject =>
    objectAt(
      objectsAt(config, list).find((entry) => entry.name === name),
      list.slice(0, -1),
    );
  const context = named('contexts', textAt(config, 'current-context'));
  const cluster = named('clusters', textAt(context, 'cluster'));
  const user = named('users', textAt(context, 'user'));
  const fileOr = (from: JsonObject, name: string): string | undefined => {
    const path = textAt(from, name);
    return decode(textAt(from, `${name}-data`)) ?? (path === undefined ? undefined : readFileSync(path, 'utf8'));
  };
  const url = textAt(cluster, 'server');
  if (url === undefined) throw new Error(`${file} names no server`);
  const ca = fileOr(cluster, 'certificate-authority');
  const cert = fileOr(user, 'client-certificate');
  const key = fileOr(user, 'client-key');
  const link = {
    url,
    insecure: cluster['insecure-skip-tls-verify'] === true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  return { link, token: textAt(user, 'token') };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kubeconfig: { type: 'string' },
      nodes: { type: 'string', default: '0' },
      speed: { type: 'string', default: '1' },
      'kubelet-only': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const count = Number(values.nodes);
  const speed = Number(values.speed);
  if (values.help || values.kubeconfig === undefined || !Number.isInteger(count) || count < 0 || !(speed > 0)) {
    console.error(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const { link, token } = loginOf(values.kubeconfig);
  const connection = connectApi(link);
  const api = connection.api('', token);
  for (let index = 0; index < count; index += 1) {
    const name = `sandbox-${index}`;
    const node = {
      kind: 'Node',
      apiVersion: 'v1',
      metadata: { name, labels: { 'kubernetes.io/hostname': name, 'sandbox.kqueen.io/sandbox': 'true' } },
      spec: { podCIDR: `10.244.${index}.0/24` },
    };
    try {
      await api.request('POST', '/api/v1/nodes', node);
    } catch (error) {
      if (!(error instanceof ApiFailure && error.reason === 'AlreadyExists')) throw error;
    }
  }
  const controller = new Controller(api, {
    speed: () => speed,
    kubeletOnly: values['kubelet-only'],
    heartbeat: HEARTBEAT,
    onFailure: (what, error) => console.error(`${what}: ${error instanceof Error ? error.message : String(error)}`),
  });
  controller.start();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      controller.stop();
      connection.close();
      process.exit(0);
    });
  }
  console.log(`Playing the machines of ${link.url}`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
