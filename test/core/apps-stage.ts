/** A stage with one ready cluster, for what is deployed into it from chat. */
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { apiOf } from '../kube/sandbox-cluster.ts';
import { eventually } from '../servers.ts';
import { openStage, type Stage, type StageOptions, type Who, words } from './stage.ts';

export interface AppStage {
  stage: Stage;
  /** A request to the cluster's own API as its admin. */
  api: ReturnType<typeof apiOf>['api'];
  /** The spec, status and so on of one object, or undefined when it is not there. */
  read(path: string): Promise<Record<string, unknown> | undefined>;
  /** Deploys manifests by the form and presses the button; the ended job. */
  deploy(who: Who, line: string, manifest: string): Promise<Awaited<ReturnType<Stage['lastJob']>>>;
  ended(): Promise<Awaited<ReturnType<Stage['lastJob']>>>;
  close(): Promise<void>;
}

export async function openAppStage(options: Partial<StageOptions> = {}): Promise<AppStage> {
  const provider: SandboxProvider = await startSandboxProvider(200);
  // A first plan reads what the cluster knows: on a busy machine that is longer than a person is kept waiting.
  const stage = await openStage({ provider, worker: true, parts: { patienceMs: 20_000 }, ...options });
  const wish = 'cluster create web-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=2';
  await stage.press('grace', await stage.say('grace', wish), 'Create it');
  const ready = await eventually('web-1 is ready', async () => {
    const found = await stage.cluster('web-1');
    return found?.phase === 'Ready' && !found.openJob ? found : null;
  });
  const direct = apiOf(String(await provider.ask('GET', `/v1/clusters/${ready.externalName}/kubeconfig`)));
  const ended = () =>
    eventually(
      'the job ends',
      async () => {
        const job = await stage.lastJob();
        return job.endedAt === undefined || (await stage.cluster('web-1'))?.openJob ? null : job;
      },
      { timeoutMs: 30_000 },
    );
  return {
    stage,
    api: direct.api,
    async read(path) {
      const { status, body } = await direct.api('GET', path);
      return status === 200 ? (body as Record<string, unknown>) : undefined;
    },
    async deploy(who, line, manifest) {
      const plan = await stage.fill(who, await stage.say(who, line), { manifest }, { private: true });
      if (!plan.card?.buttons.some(({ label }) => label === 'Deploy it')) throw new Error(`no plan: ${words(plan)}`);
      await stage.press(who, plan, 'Deploy it');
      return ended();
    },
    ended,
    async close() {
      await direct.close();
      await stage.close();
      await provider.stop();
    },
  };
}

/** A Deployment and its Service as YAML. */
export function webYaml(
  change: { name?: string; image?: string; replicas?: number; extra?: string; service?: boolean } = {},
): string {
  const { name = 'web', image = 'nginx:1.29', replicas = 2, extra = '', service = true } = change;
  const workload = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
spec:
  replicas: ${replicas}
  progressDeadlineSeconds: 400
  selector:
    matchLabels: {app: ${name}}
  template:
    metadata:
      labels: {app: ${name}}
    spec:
      containers:
        - name: main
          image: ${image}
${extra}`;
  if (!service) return workload;
  return `${workload}
---
# The way in
apiVersion: v1
kind: Service
metadata:
  name: ${name}
spec:
  selector: {app: ${name}}
  ports:
    - {port: 80, targetPort: 8080, protocol: TCP}
`;
}
