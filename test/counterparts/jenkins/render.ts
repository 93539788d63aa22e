/** Shapes of Jenkins' JSON: the @Exported members of hudson.model.Job, Run, Queue.Item and ParameterDefinition. */
import type { Build, Item, Job, ParameterDefinition, World } from './world.ts';

type Json = Record<string, unknown>;

export interface Renderer {
  job(job: Job): Json;
  build(build: Build): Json;
  item(item: Item): Json;
  queue(items: Item[]): Json;
  stages(build: Build): Json;
  root(): Json;
}

/** `root` is what Jenkins believes to be its own address, without a slash at its end. */
export function makeRenderer(world: World, root: () => string): Renderer {
  function jobUrl(job: Job): string {
    const path = job.fullName.split('/').map((part) => `/job/${encodeURIComponent(part)}`);
    return `${root()}${path.join('')}/`;
  }

  function short(build: Build): Json {
    return { _class: classOf(build.job, true), number: build.number, url: `${jobUrl(build.job)}${build.number}/` };
  }

  /** hudson.model.Job.getEstimatedDuration: the mean of up to three of the last builds that have ended, those that succeeded first. */
  function estimate(job: Job): number {
    const ended = job.builds.filter(({ result }) => result !== undefined).slice(0, 6);
    const good = ended.filter(({ result }) => result === 'SUCCESS' || result === 'UNSTABLE');
    const candidates = (good.length > 0 ? good : ended).slice(0, 3);
    if (candidates.length === 0) return -1;
    const total = candidates.reduce((sum, build) => sum + (build.endedAt ?? 0) - build.startedAt, 0);
    return Math.round(total / candidates.length);
  }

  function actions(job: Job, values: Record<string, string>, by: string): Json[] {
    const secret = (name: string) => typeOf(job, name) === 'PasswordParameterDefinition';
    return [
      {
        _class: 'hudson.model.CauseAction',
        causes: [
          {
            _class: 'hudson.model.Cause$UserIdCause',
            shortDescription: `Started by user ${by}`,
            userId: by,
            userName: by,
          },
        ],
      },
      {
        _class: 'hudson.model.ParametersAction',
        parameters: Object.entries(values).map(([name, value]) => ({
          _class: valueClass(typeOf(job, name)),
          name,
          // hudson.model.PasswordParameterValue exports no value.
          ...(secret(name)
            ? {}
            : { value: typeOf(job, name) === 'BooleanParameterDefinition' ? value === 'true' : value }),
        })),
      },
      {},
    ];
  }

  function renderItem(item: Item): Json {
    const waiting = world.now() < item.due;
    const left = item.leftAt !== undefined;
    const kind = left ? 'LeftItem' : waiting ? 'WaitingItem' : 'BuildableItem';
    const made: Json = {
      _class: `hudson.model.Queue$${kind}`,
      actions: actions(item.job, item.values, item.by),
      blocked: false,
      buildable: kind === 'BuildableItem',
      id: item.id,
      inQueueSince: item.since,
      params: `\n${Object.entries(item.values)
        .map(([name, value]) => `${name}=${value}`)
        .join('\n')}`,
      stuck: false,
      task: { _class: classOf(item.job, false), name: nameOf(item.job), url: jobUrl(item.job), color: 'blue' },
      url: `queue/item/${item.id}/`,
      why: left
        ? null
        : waiting
          ? `In the quiet period. Expires in ${(item.due - world.now()) / 1_000} sec`
          : 'Waiting for next available executor',
    };
    if (left) {
      made.cancelled = item.cancelled === true;
      made.executable = item.build ? short(item.build) : null;
    }
    return made;
  }

  return {
    root: () => ({
      _class: 'hudson.model.Hudson',
      jobs: [...world.jobs.values()].map((job) => ({
        _class: classOf(job, false),
        name: nameOf(job),
        url: jobUrl(job),
      })),
      mode: 'NORMAL',
      useCrumbs: true,
      useSecurity: true,
    }),
    job(job) {
      const last = job.builds[0];
      const waiting = world.items.filter((item) => item.job === job && item.leftAt === undefined);
      const first = job.builds.at(-1);
      const all = job.builds.map((build) => ({ ...renderBuild(build) }));
      return {
        _class: classOf(job, false),
        description: '',
        displayName: nameOf(job),
        fullName: job.fullName,
        name: nameOf(job),
        url: jobUrl(job),
        buildable: !job.disabled,
        builds: all.slice(0, 100),
        allBuilds: all,
        color: 'blue',
        firstBuild: first ? short(first) : null,
        inQueue: waiting.length > 0,
        keepDependencies: false,
        lastBuild: last ? short(last) : null,
        nextBuildNumber: job.next,
        property: [
          ...(job.definitions
            ? [
                {
                  _class: 'hudson.model.ParametersDefinitionProperty',
                  parameterDefinitions: job.definitions.map(definition),
                },
              ]
            : []),
          { _class: 'jenkins.model.BuildDiscarderProperty' },
        ],
        queueItem: waiting[0] ? renderItem(waiting[0]) : null,
        concurrentBuild: true,
      };
    },
    build: renderBuild,
    item: renderItem,
    queue: (items) => ({ _class: 'hudson.model.Queue', discoverableItems: [], items: items.map(renderItem) }),
    stages(build) {
      const names = build.course.stages ?? [];
      const share = build.result === undefined ? Math.min(0.999, (world.now() - build.startedAt) / build.course.ms) : 1;
      const { pausesAt } = build.course;
      const reached = Math.floor((pausesAt === undefined ? share : Math.min(share, pausesAt)) * names.length);
      const paused = pausesAt !== undefined && share >= pausesAt && build.result === undefined;
      const statusOf = (at: number) => {
        if (build.result !== undefined) return build.result === 'SUCCESS' || at < reached ? 'SUCCESS' : 'FAILED';
        if (at < reached) return 'SUCCESS';
        return paused ? 'PAUSED_PENDING_INPUT' : 'IN_PROGRESS';
      };
      const ended: Record<string, string> = {
        SUCCESS: 'SUCCESS',
        FAILURE: 'FAILED',
        ABORTED: 'ABORTED',
        UNSTABLE: 'UNSTABLE',
      };
      return {
        id: String(build.number),
        name: `#${build.number}`,
        status:
          build.result === undefined
            ? paused
              ? 'PAUSED_PENDING_INPUT'
              : 'IN_PROGRESS'
            : (ended[build.result] ?? 'NOT_EXECUTED'),
        startTimeMillis: build.startedAt,
        endTimeMillis: build.endedAt ?? world.now(),
        durationMillis: (build.endedAt ?? world.now()) - build.startedAt,
        // Stages that have not begun are not listed.
        stages: names.slice(0, reached + 1).map((name, at) => ({
          id: String(at + 6),
          name,
          status: statusOf(at),
          startTimeMillis: build.startedAt,
          durationMillis: 1,
        })),
      };
    },
  };

  function renderBuild(build: Build): Json {
    const { job } = build;
    const paths = Object.keys(build.result === undefined ? {} : (build.course.artifacts ?? {}));
    const good = build.result === 'SUCCESS';
    return {
      ...short(build),
      actions: actions(job, build.values, build.by),
      artifacts: (good ? paths : []).map((path) => {
        const fileName = path.split('/').at(-1);
        return { displayPath: fileName, fileName, relativePath: path };
      }),
      building: build.result === undefined,
      inProgress: build.result === undefined,
      description: null,
      displayName: `#${build.number}`,
      fullDisplayName: `${job.fullName} #${build.number}`,
      duration: build.endedAt === undefined ? 0 : build.endedAt - build.startedAt,
      estimatedDuration: estimate(job),
      id: String(build.number),
      keepLog: false,
      queueId: build.queueId,
      result: build.result ?? null,
      timestamp: build.startedAt,
    };
  }
}

function nameOf(job: Job): string {
  return job.fullName.split('/').at(-1) ?? '';
}

function classOf(job: Job, build: boolean): string {
  if (job.pipeline) return `org.jenkinsci.plugins.workflow.job.Workflow${build ? 'Run' : 'Job'}`;
  return `hudson.model.FreeStyle${build ? 'Build' : 'Project'}`;
}

function typeOf(job: Job, name: string): string {
  return job.definitions?.find((each) => each.name === name)?.type ?? 'StringParameterDefinition';
}

function valueClass(type: string): string {
  // A choice's value is a string value (hudson.model.ChoiceParameterDefinition.createValue).
  return `hudson.model.${type.replace('Choice', 'String').replace('Definition', 'Value')}`;
}

function definition(each: ParameterDefinition): Json {
  const secret = each.type === 'PasswordParameterDefinition';
  const preset = each.default ?? each.choices?.[0] ?? (each.type === 'BooleanParameterDefinition' ? false : '');
  return {
    _class: `hudson.model.${each.type}`,
    defaultParameterValue:
      each.type === 'FileParameterDefinition'
        ? null
        : { _class: `${valueClass(each.type)}`, name: each.name, ...(secret ? {} : { value: preset }) },
    description: each.description ?? '',
    name: each.name,
    type: each.type,
    ...(each.choices ? { choices: each.choices } : {}),
  };
}
