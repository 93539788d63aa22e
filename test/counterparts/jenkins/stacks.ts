/** Four jobs that make, remove, scale and upgrade stacks, as an operator would have written them. */
import { randomBytes } from 'node:crypto';
import type { KubeBackend } from '../../engines/harness.ts';
import type { JenkinsServer } from './index.ts';
import type { Course, Job, ParameterDefinition } from './world.ts';

interface Stack {
  nodes: number;
  version: string;
  kubeconfig: string;
  /** The values of the build that made it. */
  values: Record<string, string>;
}

export interface Stacks {
  jobs: { provision: Job; deprovision: Job; scale: Job; upgrade: Job };
  /** What is there now, by name. */
  stacks: Map<string, Stack>;
  /** Tokens of the kubeconfigs that were handed out. */
  tokens: string[];
  /** Provision builds end with this error. */
  failProvision: string | null;
  failUpdate: string | null;
  failDeprovision: string | null;
  /** How a provision build ends; SUCCESS by default. */
  provisionResult: string;
  /** A provision build waits for a person. */
  pauseProvision: boolean;
  /** What deprovision builds were given, in order. */
  removals: Record<string, string>[];
}

export interface StackOptions {
  folder?: string;
  createMs: number;
  kube?: KubeBackend;
  /** Pipelines have stages, freestyle jobs have none. */
  pipeline?: boolean;
}

const versions = ['1.35.1', '1.34.2', '1.33.6'];

/** Adds the jobs to a Jenkins, in a folder. */
export function addStackJobs(server: JenkinsServer, options: StackOptions): Stacks {
  const { world } = server;
  const folder = options.folder ?? 'kubernetes';
  const pipeline = options.pipeline ?? true;
  const there = new Map<string, Stack>();
  const stacks: Omit<Stacks, 'jobs'> = {
    stacks: there,
    tokens: [],
    failProvision: null,
    failUpdate: null,
    failDeprovision: null,
    provisionResult: 'SUCCESS',
    pauseProvision: false,
    removals: [],
  };
  const text = (name: string, description = '', preset = ''): ParameterDefinition => ({
    type: 'StringParameterDefinition',
    name,
    description,
    default: preset,
  });
  const choice = (name: string, choices: string[], description = ''): ParameterDefinition => ({
    type: 'ChoiceParameterDefinition',
    name,
    description,
    choices,
  });
  const common = [text('STACK_NAME', 'Name of the stack'), text('KQUEEN_BUILD_ID', 'Who asked for it')];
  const stackType = choice('STACK_TYPE', ['heat', 'aws']);

  function lines(job: string, stages: string[]): Course['lines'] {
    return [
      { at: 0, text: `Running ${job}` },
      ...stages.flatMap((stage, index) => [
        { at: index / stages.length, text: `[Pipeline] { (${stage})` },
        { at: index / stages.length, text: `\u001b[32m${stage}\u001b[0m: begun` },
      ]),
    ];
  }

  function failing(course: Course, message: string): Course {
    return {
      ...course,
      ms: course.ms * 0.4,
      result: 'FAILURE',
      lines: [
        ...course.lines,
        { at: 0.9, text: `ERROR: ${message}` },
        { at: 0.95, text: '[Pipeline] End of Pipeline' },
        { at: 0.96, text: 'ERROR: script returned exit code 2' },
      ],
    };
  }

  const provision = world.addJob({
    fullName: `${folder}/provision`,
    pipeline,
    definitions: [
      ...common,
      text('NODE_COUNT', 'How many workers', '3'),
      choice('KUBERNETES_VERSION', versions.toReversed(), 'Version of Kubernetes'),
      choice('OPENSTACK_REGION', ['north', 'south'], 'Where <b>machines</b> run'),
      text('FLAVOR', 'Machine type', 'm1.small'),
      { type: 'BooleanParameterDefinition', name: 'WITH_GPU', description: 'Add a GPU', default: false },
      { type: 'TextParameterDefinition', name: 'EXTRA_VARS', description: 'YAML for the playbook' },
      { type: 'PasswordParameterDefinition', name: 'OS_PASSWORD', description: 'For OpenStack' },
      { type: 'FileParameterDefinition', name: 'site.yml' },
      stackType,
    ],
    course({ values }) {
      const name = values.STACK_NAME ?? '';
      const stages = ['Create network', 'Create machines', 'Install Kubernetes'];
      const course: Course = {
        ms: options.createMs,
        result: stacks.provisionResult,
        lines: lines('provision', stages),
        stages,
        artifacts: {},
      };
      if (stacks.failProvision !== null) return failing(course, stacks.failProvision);
      if (there.has(name)) return failing(course, `a stack named ${name} exists already`);
      const token = randomBytes(24).toString('hex');
      const stack: Stack = {
        nodes: Number(values.NODE_COUNT),
        version: values.KUBERNETES_VERSION ?? '',
        kubeconfig: strayKubeconfig(name, token),
        values,
      };
      there.set(name, stack);
      if (stacks.pauseProvision) course.pausesAt = 0.5;
      if (options.kube) {
        course.ready = options.kube.open(name, stack.nodes).then((api) => {
          stack.kubeconfig = api.kubeconfig;
          stacks.tokens.push(api.token);
          course.artifacts = { kubeconfig: api.kubeconfig, 'logs/ansible.log': 'ok' };
        });
      } else {
        stacks.tokens.push(token);
        course.artifacts = { kubeconfig: stack.kubeconfig, 'logs/ansible.log': 'ok' };
      }
      return course;
    },
  });

  const deprovision = world.addJob({
    fullName: `${folder}/deprovision`,
    pipeline,
    definitions: [...common, stackType, choice('OPENSTACK_REGION', ['north', 'south'])],
    course({ values }) {
      const name = values.STACK_NAME ?? '';
      stacks.removals.push(values);
      const course: Course = {
        ms: options.createMs / 2,
        result: 'SUCCESS',
        lines: lines('deprovision', ['Delete machines', 'Delete network']),
        stages: ['Delete machines', 'Delete network'],
        ended: (result) => {
          if (result === 'SUCCESS') there.delete(name);
        },
      };
      if (stacks.failDeprovision !== null) return failing(course, stacks.failDeprovision);
      if (options.kube) course.ready = options.kube.remove(name);
      return course;
    },
  });

  function changeJob(
    name: string,
    definitions: ParameterDefinition[],
    apply: (stack: Stack, values: Record<string, string>) => void,
  ): Job {
    return world.addJob({
      fullName: `${folder}/${name}`,
      pipeline,
      definitions: [...common, ...definitions],
      course({ values }) {
        const stack = there.get(values.STACK_NAME ?? '');
        const course: Course = {
          ms: options.createMs / 2,
          result: 'SUCCESS',
          lines: lines(name, ['Drain', 'Apply']),
          stages: ['Drain', 'Apply'],
          ended: (result) => {
            if (result === 'SUCCESS' && stack) apply(stack, values);
          },
        };
        if (stacks.failUpdate !== null) return failing(course, stacks.failUpdate);
        if (!stack) return failing(course, 'there is no such stack');
        if (options.kube)
          course.ready = options.kube.scale(values.STACK_NAME ?? '', Number(values.NODE_COUNT) || stack.nodes);
        return course;
      },
    });
  }

  const nodeCount = text('NODE_COUNT', 'How many workers', '3');
  const version = choice('KUBERNETES_VERSION', versions);
  const scale = changeJob('scale', [nodeCount], (stack, values) => {
    stack.nodes = Number(values.NODE_COUNT);
  });
  // Its playbook also sets the number of nodes, so that a build that leaves it out changes that as well.
  const upgrade = changeJob('upgrade', [version, nodeCount], (stack, values) => {
    stack.version = values.KUBERNETES_VERSION ?? '';
    stack.nodes = Number(values.NODE_COUNT);
  });

  return Object.assign(stacks, { jobs: { provision, deprovision, scale, upgrade } });
}

function strayKubeconfig(name: string, token: string): string {
  return `apiVersion: v1
kind: Config
current-context: ${name}
clusters:
  - name: ${name}
    cluster:
      server: https://${name}.stacks.invalid:6443
contexts:
  - name: ${name}
    context:
      cluster: ${name}
      user: admin
users:
  - name: admin
    user:
      token: ${token}
`;
}
