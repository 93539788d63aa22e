import { parse } from 'yaml';
import { Fault } from '../../core/errors.ts';
import type { Call, CheckResult, EngineClient, ExternalCluster, Observation, Target } from '../../core/ports/engine.ts';
import { readPriceList } from '../price-list.ts';
import { oneLine } from '../scrub.ts';
import { cannot } from '../unsupported.ts';
import { openJenkins } from './api.ts';
import { create, foreign, gone, lost, remove, title, update } from './changes.ts';
import { header, missing } from './explain.ts';
import {
  type Build,
  type History,
  handleOf,
  idOf,
  markOf,
  numberIn,
  purposes,
  readBuild,
  readHandle,
  readHistory,
  readJobAlone,
  readMark,
} from './history.ts';
import { look } from './look.ts';
import { fixedOf, flawOf, type Job, jobName, leftToTheJob, offered, type Purpose } from './parameters.ts';
import { openReports, readArtifact } from './progress.ts';
import { type JenkinsProvisioner, keyOf, poolName, readLines } from './schema.ts';
import { openTurns } from './turns.ts';
import { buildOf, endWords, isBusy, judge, outcomeOf } from './verdict.ts';
import { readAnswer, WhoAmIAnswer } from './wire.ts';

/** So many builds and addresses are remembered. */
const mostRemembered = 2_000;

/** Opens the connections to one Jenkins. */
export function openJenkinsClient(params: JenkinsProvisioner): EngineClient {
  const jenkins = openJenkins(params);
  const reports = openReports(jenkins, params.url);
  const parts = { jenkins, params, reports };
  /** Build numbers by queue item: Jenkins forgets the item five minutes after it has become a build. */
  const numbers = new Map<number, number>();
  /** Queue items whose builds have ended. */
  const ended = new Map<number, true>();
  /** Addresses of clusters' APIs by build. */
  const endpoints = new Map<string, string | null>();
  /** What is done to a cluster is done one after the other, so that two creates at once find each other's build. */
  const turns = openTurns();

  function note(builds: readonly Build[]): void {
    for (const { queueId, number } of builds) {
      if (queueId > 0 && number !== undefined) keep(numbers, queueId, number);
    }
  }

  async function found(target: Target, call: Call) {
    const seen = await look(jenkins, params, target, call);
    note(seen.history.builds.filter(isBusy));
    return seen;
  }

  /** The running build of a known operation, asked for alone: most looks are at one. Null when it takes a whole look. */
  async function glance(target: Target, call: Call): Promise<Observation | null> {
    const asked = readHandle(target.operation);
    const name = asked ? jobName(params, asked.purpose) : undefined;
    if (!asked || !name || ended.has(asked.queueId)) return null;
    const remembered = asked.purpose === 'provision' ? numberIn(target.externalId, name) : null;
    const number = numbers.get(asked.queueId) ?? remembered;
    if (number === null) return null;
    const job: Job = { ...bare, purpose: asked.purpose, name, idParameter: params.idParameter };
    const got = await readBuild(jenkins, job, number, call);
    if (got?.build.queueId !== asked.queueId) return null;
    if (got.build.stage !== 'running') {
      keep(ended, asked.queueId, true);
      return null;
    }
    if (asked.purpose === 'provision' && got.build.mark !== markOf(target)) return null;
    const states = { provision: 'creating', deprovision: 'deleting', scale: 'updating', upgrade: 'updating' } as const;
    const seen: Observation = {
      state: states[asked.purpose],
      mine: true,
      outcome: 'running',
      operation: handleOf(got.build),
      ...(await reports.progress(got.build, got.answer, got.now, call)),
    };
    if (asked.purpose === 'provision') seen.externalId = idOf(got.build);
    else if (target.externalId) seen.externalId = target.externalId;
    return seen;
  }

  async function progressOf(history: History, build: Build, call: Call): Promise<Partial<Observation>> {
    const job = history.jobs[build.purpose];
    const got = job && build.number !== undefined ? await readBuild(jenkins, job, build.number, call) : null;
    return reports.progress(build, got?.answer ?? null, got?.now ?? Date.now(), call);
  }

  async function endpointOf(history: History, made: Build, call: Call): Promise<string | null> {
    const known = endpoints.get(idOf(made));
    if (known !== undefined) return known;
    try {
      const endpoint = serverOf(await kubeconfigOf(history, made, call));
      keep(endpoints, idOf(made), endpoint);
      return endpoint;
    } catch (thrown) {
      // A cluster runs with or without its artifact; who asks for the kubeconfig itself hears what is wrong with it.
      if (thrown instanceof Fault && !thrown.retryable) return null;
      throw thrown;
    }
  }

  async function kubeconfigOf(history: History, made: Build, call: Call): Promise<string> {
    const job = history.jobs.provision;
    const got = job && made.number !== undefined ? await readBuild(jenkins, job, made.number, call) : null;
    if (!got) throw missing(`build ${idOf(made)}`);
    const text = await readArtifact(jenkins, made, params.kubeconfigArtifact, got.answer.artifacts ?? [], call);
    if (serverOf(text) !== null) return text;
    throw new Fault('not-found', `The artifact ${params.kubeconfigArtifact} of ${idOf(made)} is not a kubeconfig.`, {
      whose: 'admin',
      next: 'Have the job archive the kubeconfig of the cluster, or name another artifact in the provisioner.',
    });
  }

  async function observe(target: Target, call: Call): Promise<Observation> {
    const quick = await glance(target, call);
    if (quick) return quick;
    const { history, verdict, lost: without, cancelled } = await found(target, call);
    const { state, mine, made, removal, latest } = verdict;
    const seen: Observation = { state: without ? 'unknown' : state, mine };
    if (made?.number !== undefined) seen.externalId = idOf(made);
    if (!mine) return seen;
    if (latest && state !== 'absent') seen.operation = handleOf(latest);
    if (verdict.nodes !== undefined) {
      seen.nodes = verdict.nodes;
      seen.pools = [{ name: poolName, nodes: verdict.nodes }];
    }
    if (verdict.version !== undefined) seen.version = verdict.version;
    if (verdict.twins.length > 0) {
      seen.notes = [`Jenkins makes this cluster twice: also ${verdict.twins.map(idOf).join(', ')} is at work.`];
    }
    if (cancelled) seen.message = cancelled;
    if (without && state === 'absent') seen.step = 'Jenkins has thrown away the builds that say what became of it.';
    const asked = buildOf(history, target.operation);
    const outcome = asked ? outcomeOf(asked) : undefined;
    if (outcome) seen.outcome = outcome;
    if (latest && isBusy(latest)) return { ...seen, ...(await progressOf(history, latest, call)) };
    const failed = outcome === 'failed' ? asked : state === 'error' ? (removal ?? made) : undefined;
    if (failed) Object.assign(seen, await reports.failure(failed, call));
    if (state === 'error' && !removal && made) {
      seen.leftovers = [`${target.externalName}, as far as ${idOf(made)} has built it`];
    }
    if (state === 'unknown' && latest) seen.step = `${endWords(latest)}, a word that KQueen does not know.`;
    if (state === 'running' && made) {
      const endpoint = await endpointOf(history, made, call);
      if (endpoint) seen.endpoint = endpoint;
    }
    return seen;
  }

  async function kubeconfig(target: Target, call: Call): Promise<string> {
    const seen = await found(target, call);
    const { state, mine, made } = seen.verdict;
    if (!mine) throw foreign(target);
    if (seen.lost) throw lost(target);
    if (state === 'absent') throw gone(target);
    if ((state === 'running' || state === 'updating') && made) return kubeconfigOf(seen.history, made, call);
    throw new Fault('conflict', `Jenkins has no kubeconfig of ${target.externalName} yet.`, {
      retryable: state === 'creating',
      next: 'Wait until the job that makes the cluster has succeeded.',
    });
  }

  async function list(call: Call): Promise<ExternalCluster[]> {
    const fresh = await readHistory(jenkins, params, call);
    const history = fresh.more ? await readHistory(jenkins, params, call, true) : fresh;
    const last = new Map<string, Build>();
    for (const build of history.builds) {
      if (build.purpose === 'provision' && build.name) last.set(build.name, build);
    }
    return [...last].flatMap(([name, build]) => {
      const mark = readMark(build.mark);
      const verdict = judge(history, { org: mark?.org ?? '', cluster: mark?.cluster ?? '', externalName: name });
      if (verdict.state === 'absent') return [];
      const made: ExternalCluster = { externalName: name, state: verdict.state, where: build.job };
      if (mark && verdict.mine) Object.assign(made, { cluster: mark.cluster, org: mark.org });
      if (verdict.version !== undefined) made.version = verdict.version;
      if (verdict.nodes !== undefined) {
        made.nodes = verdict.nodes;
        made.pools = [{ name: poolName, nodes: verdict.nodes }];
      }
      if (verdict.made?.number !== undefined) made.externalId = idOf(verdict.made);
      if (build.owner) made.owner = oneLine(build.owner, [], 80);
      return [made];
    });
  }

  async function check(call: Call): Promise<CheckResult> {
    try {
      return await probe(call);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      // A check that was called off says nothing about Jenkins.
      if (call.signal.aborted && Date.now() < call.deadline - 50) throw thrown;
      const passing = thrown.kind === 'unreachable' || thrown.kind === 'rate-limited';
      return {
        state: passing ? 'Unreachable' : 'Error',
        message: thrown.message,
        ...(thrown.next ? { next: thrown.next } : {}),
        ...(thrown.field ? { field: thrown.field } : {}),
        facts: [],
      };
    }
  }

  async function probe(call: Call): Promise<CheckResult> {
    const who = await jenkins.get('/whoAmI/api/json', call);
    if (!who) throw missing('page for whom it takes the caller');
    const { name, anonymous } = readAnswer(WhoAmIAnswer, who.body);
    if (anonymous) throw unseen();
    const facts = [
      { label: 'Jenkins', value: oneLine(header(who.headers, 'x-jenkins') ?? 'of an unknown version', [], 40) },
      { label: 'User', value: oneLine(name, [], 80) },
    ];
    const wanted = purposes.flatMap((purpose) => {
      const job = jobName(params, purpose);
      return job ? [{ purpose, job }] : [];
    });
    const jobs = await Promise.all(
      wanted.map(async ({ purpose, job }) => {
        try {
          return await readJobAlone(jenkins, params, purpose, job, call);
        } catch (thrown) {
          if (!(thrown instanceof Fault) || thrown.kind !== 'not-found') throw thrown;
          const more = thrown.next ? { next: thrown.next } : {};
          throw new Fault('not-found', thrown.message, { ...more, whose: 'admin', field: `${purpose}Job` });
        }
      }),
    );
    const words: Record<Purpose, string> = {
      provision: 'Makes clusters',
      deprovision: 'Removes clusters',
      scale: 'Scales clusters',
      upgrade: 'Upgrades clusters',
    };
    for (const job of jobs) {
      const flaw = flawOf(params, job);
      if (flaw) return { state: 'Error', message: flaw.message, next: flaw.next, field: flaw.field, facts };
      const count = job.definitions.length;
      facts.push({
        label: words[job.purpose],
        value: `${job.name} (${count} ${count === 1 ? 'parameter' : 'parameters'})`,
      });
    }
    const secret = Object.keys(readLines(params.secretParameters) ?? {}).find(
      (each) => !jobs.some(({ definitions }) => definitions.some((one) => one.name === each)),
    );
    if (secret !== undefined) {
      const message = `None of the jobs has the secret parameter ${oneLine(secret, [], 60)}.`;
      return { state: 'Error', message, next: 'Correct its name.', field: 'secretParameters', facts };
    }
    const [maker] = jobs;
    const left = maker ? leftToTheJob(params, maker) : [];
    if (left.length > 0) facts.push({ label: "Keep the job's own value", value: oneLine(left.join(', '), [], 300) });
    return { state: 'OK', message: 'Jenkins answers, accepts the credentials, and has the jobs.', facts };
  }

  return {
    observe,
    kubeconfig,
    list,
    check,
    create: (target, spec, call) => turns.take(markOf(target), call, () => create(parts, target, spec, call)),
    update: (target, wanted, call) => turns.take(markOf(target), call, () => update(parts, target, wanted, call)),
    delete: (target, call) => turns.take(markOf(target), call, () => remove(parts, target, call)),

    async log(target, call) {
      const { history, verdict } = await found(target, call);
      if (!verdict.mine) throw foreign(target);
      const build = buildOf(history, target.operation) ?? verdict.latest;
      return build ? reports.log(build, call) : null;
    },

    async upgrades(target, call) {
      const seen = await found(target, call);
      const { state, mine, version } = seen.verdict;
      if (!mine) throw foreign(target);
      if (state === 'absent' && !seen.lost) throw gone(target);
      return upgradesOf(seen.history.jobs.upgrade, version ?? String(target.spec.version ?? ''));
    },

    async options(_given, call) {
      const job = await readJobAlone(jenkins, params, 'provision', params.provisionJob, call);
      const parameters = offered(params, job).map(({ parameter }) => parameter);
      const fixed = params.sizeParameter ? fixedOf(params, 'provision')[params.sizeParameter] : 'node';
      const prices = {
        list: readPriceList(params.prices),
        ...(fixed ? { size: fixed } : { sizeKey: keyOf(params.sizeParameter ?? '') }),
      };
      return { choices: {}, parameters, prices, at: Date.now() };
    },

    signIn: async () => null,
    adopt: async () => cannot(title, 'adopt'),
    release: async () => cannot(title, 'release'),
    close: () => jenkins.close(),
  };
}

/** A job of which nothing but its name is known. */
const bare: Omit<Job, 'purpose' | 'name'> = {
  buildable: true,
  definitions: [],
  nameParameter: undefined,
  idParameter: undefined,
  nodesParameter: undefined,
  versionParameter: undefined,
  fixed: {},
};

/** The versions among the choices of the job that upgrades which are newer than `from`, by one minor at most: Kubernetes skips none. */
function upgradesOf(job: Job | undefined, from: string) {
  const definition = job?.definitions.find(({ name }) => name === job.versionParameter);
  const current = numbersOf(from);
  if (!current) return [];
  return (definition?.choices ?? [])
    .filter((choice) => {
      const version = numbersOf(choice);
      if (!version || version[0] !== current[0]) return false;
      const ahead = version[1] - current[1];
      return ahead === 1 || (ahead === 0 && version[2] > current[2]);
    })
    .toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    .map((value) => ({ value, label: value }));
}

function numbersOf(version: string): [number, number, number] | null {
  const found = /^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(version);
  return found ? [Number(found[1]), Number(found[2]), Number(found[3] ?? 0)] : null;
}

/** The address of the API in a kubeconfig; null for a text that is none. */
function serverOf(text: string): string | null {
  try {
    const read = parse(text, { maxAliasCount: 0 }) as {
      clusters?: { name?: string; cluster?: { server?: unknown } }[];
      contexts?: { name?: string; context?: { cluster?: string } }[];
      'current-context'?: string;
    } | null;
    const context = read?.contexts?.find(({ name }) => name === read['current-context']);
    const cluster = read?.clusters?.find(({ name }) => name === context?.context?.cluster) ?? read?.clusters?.[0];
    return typeof cluster?.cluster?.server === 'string' ? cluster.cluster.server : null;
  } catch {
    return null;
  }
}

function unseen(): Fault {
  return new Fault('not-allowed', 'Jenkins answers as if nobody had signed in.', {
    next: 'Ask an admin to check that the proxy before Jenkins hands on the Authorization header, and to renew the credentials.',
  });
}

function keep<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.set(key, value);
  if (map.size <= mostRemembered) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
