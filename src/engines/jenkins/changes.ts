import { setTimeout as wait } from 'node:timers/promises';
import { Fault } from '../../core/errors.ts';
import type { Call, ClusterUpdate, Operation, Target } from '../../core/ports/engine.ts';
import { cannot } from '../unsupported.ts';
import { type Jenkins, jobPath } from './api.ts';
import { header, missing } from './explain.ts';
import { type Build, buildPath, handleOf, markOf } from './history.ts';
import { type Look, look } from './look.ts';
import { type Purpose, valuesFor, type Wish } from './parameters.ts';
import type { Reports } from './progress.ts';
import { type JenkinsProvisioner, jobDoes, nodesKey, refuseOtherPool, versionKey } from './schema.ts';
import { isBusy } from './verdict.ts';

/** How the engine is named in sentences. */
export const title = 'Jenkins';

/** How often a removal is tried for one delete, and the first pause after one that failed, in milliseconds. */
const removals = 3;
const firstPauseMs = 30_000;
/** How long a delete waits for a build that it has stopped, in milliseconds, and how often it looks. */
const stopPatienceMs = 10_000;
const stopEveryMs = 250;

export interface ChangeParts {
  jenkins: Jenkins;
  params: JenkinsProvisioner;
  reports: Reports;
}

/** Starts the build that makes the cluster, or finds the one that has. */
export async function create(
  parts: ChangeParts,
  target: Target,
  spec: Record<string, unknown>,
  call: Call,
): Promise<Operation> {
  const found = await look(parts.jenkins, parts.params, target, call);
  const { state, mine, made } = found.verdict;
  if (!mine) throw foreign(target);
  if (found.lost) throw lost(target);
  if (state === 'deleting') throw busy(`The earlier cluster ${target.externalName} is still being removed.`);
  if (made) return { id: handleOf(made) };
  if (state !== 'absent') throw busy('An earlier request is just leaving the queue of Jenkins.');
  return start(parts, found, 'provision', { target, spec, mark: markOf(target) }, call);
}

/** Starts the build that removes the cluster; whatever is still making or changing it is stopped before. */
export async function remove(parts: ChangeParts, target: Target, call: Call): Promise<Operation | null> {
  const until = Math.min(Date.now() + stopPatienceMs, call.deadline - 2_000);
  const stopped = new Set<string>();
  let found = await look(parts.jenkins, parts.params, target, call);
  for (;;) {
    const { state, mine, removal, made, change, twins } = found.verdict;
    if (state === 'absent' && !found.lost) return null;
    if (!mine) throw foreign(target);
    if (removal && isBusy(removal)) return { id: handleOf(removal) };
    const working = [made, change, ...twins].filter((build) => build !== undefined).filter(isBusy);
    if (working.length === 0 && state !== 'creating') break;
    for (const build of working) {
      const mark = `${handleOf(build)} ${build.stage}`;
      if (!stopped.has(mark)) await stop(parts.jenkins, build, call);
      stopped.add(mark);
    }
    if (Date.now() >= until)
      throw busy(
        'Jenkins is still stopping the build that works on this cluster. Where it never does, its account lacks the right to cancel builds.',
      );
    await rest(stopEveryMs, call);
    found = await look(parts.jenkins, parts.params, target, call);
  }
  await mayTryAgain(parts, found, target, call);
  return start(parts, found, 'deprovision', { target, spec: target.spec, mark: markOf(target) }, call);
}

/** Starts the next build that changes the cluster, or null when it is as wanted. */
export async function update(
  parts: ChangeParts,
  target: Target,
  wanted: ClusterUpdate,
  call: Call,
): Promise<Operation | null> {
  if (wanted.autoscale !== undefined) cannot(title, 'autoscale');
  if (wanted.power !== undefined) cannot(title, 'stop or start');
  if (wanted.addons !== undefined) cannot(title, 'change the add-ons of');
  if (wanted.networkPolicy !== undefined) cannot(title, 'change the network policies of');
  if (wanted.gateways !== undefined) cannot(title, 'set the gateways of');
  if (wanted.retire !== undefined) cannot(title, 'replace single machines of');
  refuseOtherPool(wanted.pool);
  const found = await look(parts.jenkins, parts.params, target, call);
  const { state, mine, nodes, version } = found.verdict;
  if (!mine) throw foreign(target);
  if (found.lost) throw lost(target);
  if (state === 'absent') throw gone(target);
  if (state === 'creating' || state === 'updating' || state === 'deleting') {
    throw busy('Jenkins is still working on this cluster.');
  }
  if (state !== 'running') {
    throw new Fault('conflict', 'A cluster whose last build in Jenkins failed cannot be changed.', {
      whose: 'provider',
      next: 'Look at the build in Jenkins, or delete the cluster.',
    });
  }
  const scales = wanted.nodes !== undefined && wanted.nodes !== nodes;
  const upgrades = wanted.version !== undefined && wanted.version !== version;
  if (!scales && !upgrades) return null;
  const purpose = scales ? 'scale' : 'upgrade';
  if (!found.history.jobs[purpose]) throw withoutJob(purpose);
  const both = parts.params.scaleJob === parts.params.upgradeJob;
  // A job that also takes the other value gets it as it is: its default would change what nobody asked to change.
  const { [nodesKey]: hadNodes, [versionKey]: hadVersion, ...spec } = target.spec;
  const wish: Wish = { target, spec, mark: markOf(target) };
  const nodesNow = nodes ?? (Number(hadNodes) || undefined);
  const versionNow = version ?? (typeof hadVersion === 'string' ? hadVersion : undefined);
  const nodesThen = scales || both ? (wanted.nodes ?? nodesNow) : nodesNow;
  const versionThen = !scales || both ? (wanted.version ?? versionNow) : versionNow;
  if (nodesThen !== undefined) wish.nodes = nodesThen;
  if (versionThen !== undefined) wish.version = versionThen;
  return start(parts, found, purpose, wish, call);
}

/** Asks for a build and answers with its operation. */
async function start(
  { jenkins, params }: ChangeParts,
  { history }: Look,
  purpose: Purpose,
  wish: Wish,
  call: Call,
): Promise<Operation> {
  const job = history.jobs[purpose];
  if (!job) throw withoutJob(purpose);
  const values = valuesFor(params, job, wish);
  const answer = await jenkins.post(`${jobPath(job.name)}/buildWithParameters`, values, call, { delay: '0sec' });
  if (answer.status === 404) throw missing(`job ${job.name}`);
  const location = header(answer.headers, 'location') ?? '';
  const path = URL.canParse(location, params.url) ? new URL(location, params.url).pathname : '';
  // Only the number counts: the host is what Jenkins believes to be its own.
  const id = /\/queue\/item\/(\d+)\/?$/.exec(path)?.[1];
  // An identical request that still waits is answered with its item (303), so that nothing is built twice.
  if (id !== undefined)
    return { id: handleOf({ purpose, job: job.name, queueId: Number(id), at: 0, stage: 'queued', values }) };
  if (/login|securityRealm|oauth|saml/i.test(path)) throw signInPage();
  const found = await look(jenkins, params, wish.target, call);
  const { latest } = found.verdict;
  if (latest?.purpose === purpose && isBusy(latest)) return { id: handleOf(latest) };
  throw busy('Jenkins did not put the build into its queue: it is about to shut down, or one of its plugins refused.');
}

/** Takes a build out of the queue, or stops it where it runs. */
async function stop(jenkins: Jenkins, build: Build, call: Call): Promise<void> {
  // Versions of Jenkins answer differently (204, 302, 404, 422); what became of it is seen at the next look.
  if (build.number === undefined) {
    await jenkins.post('/queue/cancelItem', {}, call, { id: build.queueId }).catch((thrown: unknown) => {
      // 422: it has just left the queue, or this account may not cancel.
      if (!(thrown instanceof Fault && thrown.kind === 'bad-input')) throw thrown;
    });
  } else await jenkins.post(`${buildPath(build.job, build.number)}/stop`, {}, call);
}

/** Throws while a removal that failed should rest, and for good when this delete has tried often enough. */
async function mayTryAgain(parts: ChangeParts, found: Look, target: Target, call: Call): Promise<void> {
  const { removal, failures } = found.verdict;
  // Another delete than the one whose removal failed is a person's decision to try again.
  if (removal?.stage !== 'failed' || target.operation !== handleOf(removal)) return;
  const { message, detail } = await parts.reports.failure(removal, call);
  const more = detail === undefined ? {} : { detail };
  if (failures >= removals) {
    throw new Fault('internal', `Removing it failed ${failures} times. ${message}`, {
      ...more,
      whose: 'provider',
      retryable: false,
      next: 'Mend the cause in Jenkins, then press Retry: the cluster may still be running and costing money.',
    });
  }
  const due = (removal.endedAt ?? removal.at) + firstPauseMs * 2 ** (failures - 1);
  if (due <= found.history.now) return;
  throw new Fault('conflict', `Removing it failed. ${message}`, {
    ...more,
    retryable: true,
    retryAfterMs: due - found.history.now,
    next: 'KQueen tries again by itself.',
  });
}

async function rest(ms: number, call: Call): Promise<void> {
  try {
    await wait(ms, undefined, { signal: call.signal });
  } catch (thrown) {
    // The next request turns the abort into its Fault.
    if (!call.signal.aborted) throw thrown;
  }
}

function busy(message: string): Fault {
  return new Fault('conflict', message, { retryable: true, next: 'KQueen tries again by itself.' });
}

/** The name is in use by builds without this cluster's mark. */
export function foreign(target: Target): Fault {
  return new Fault(
    'conflict',
    `A job of Jenkins has made a ${target.externalName} already, and it is not this cluster.`,
    {
      whose: 'admin',
      retryable: false,
      next: 'Choose another name, or have that cluster removed with the job in Jenkins.',
    },
  );
}

export function gone(target: Target): Fault {
  return new Fault('not-found', `Jenkins knows no cluster ${target.externalName}.`, {
    whose: 'provider',
    next: 'Look at it with `cluster check`.',
  });
}

/** Its builds have been thrown away. */
export function lost(target: Target): Fault {
  return new Fault('conflict', `Jenkins has thrown away the builds that made ${target.externalName}.`, {
    whose: 'admin',
    retryable: false,
    next: 'Have the job keep its builds longer. Deleting the cluster still works: it runs the job that removes it.',
  });
}

function withoutJob(purpose: Purpose): Fault {
  const what = purpose === 'scale' || purpose === 'upgrade' ? jobDoes[purpose] : 'does that';
  return new Fault('unsupported', `This provisioner has no job that ${what}.`, {
    whose: 'admin',
    next: `Ask an admin to enter one with \`provisioner edit\` (${purpose}Job).`,
  });
}

function signInPage(): Fault {
  return new Fault('not-allowed', 'Jenkins asks to sign in instead of accepting the credentials of the provisioner.', {
    next: 'Ask an admin to renew the credentials with `provisioner edit`.',
  });
}
