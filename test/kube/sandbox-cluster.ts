import { Agent } from 'undici';
import { readKubeconfig } from '../../src/kube/kubeconfig.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';

/** A cluster with an API server to look at. */
export interface TestCluster {
  kubeconfig: string;
  /** A request to its API as its admin, past everything that is tested; the answer's JSON whatever its status. */
  api(method: string, path: string, body?: unknown, contentType?: string): Promise<{ status: number; body: unknown }>;
  close(): Promise<void>;
}

/** Requests to the API of a kubeconfig over one connection. */
export function apiOf(kubeconfig: string): Pick<TestCluster, 'api' | 'close'> {
  const to = readKubeconfig(kubeconfig);
  const server = new URL(to.server);
  const agent = new Agent({ connections: 8, allowH2: false, connect: to.ca === undefined ? {} : { ca: to.ca } });
  return {
    async api(method, path, body, contentType = 'application/json') {
      const answer = await agent.request({
        origin: server.origin,
        path: `${server.pathname.replace(/\/$/, '')}${path}`,
        method: method as 'GET',
        headers: { authorization: `Bearer ${to.token}`, 'content-type': contentType },
        body: body === undefined ? null : JSON.stringify(body),
      });
      const text = await answer.body.text();
      return { status: answer.statusCode, body: text.startsWith('{') ? (JSON.parse(text) as unknown) : text };
    },
    close: () => agent.destroy(),
  };
}

/** A cluster of the sandbox provider, which runs as a program of its own. */
export async function startSandboxCluster(nodes = 3): Promise<TestCluster & { provider: SandboxProvider }> {
  const provider = await startSandboxProvider(200);
  await provider.ask('POST', '/v1/clusters', {
    name: 'kube-test',
    region: 'sandbox-north',
    version: '1.34.2',
    size: 'small',
    nodes,
    labels: {},
  });
  await eventually('the cluster runs', async () => {
    const seen = (await provider.ask('GET', '/v1/clusters/kube-test')) as { status: string };
    return seen.status === 'RUNNING';
  });
  const kubeconfig = String(await provider.ask('GET', '/v1/clusters/kube-test/kubeconfig'));
  const direct = apiOf(kubeconfig);
  return {
    provider,
    kubeconfig,
    api: direct.api,
    async close() {
      await direct.close();
      await provider.stop();
    },
  };
}

/** A Deployment of `replicas` pods; the sandbox's kubelets know what becomes of an image by its name. */
export function deployment(name: string, image: string, replicas = 1): unknown {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [{ name: 'main', image, resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
        },
      },
    },
  };
}
