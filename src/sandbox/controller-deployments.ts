import { ApiFailure, MERGE } from './controller-client.ts';
import { hashOf } from './controller-pod-template.ts';
import {
  controllerOf,
  deleteObject,
  isEnding,
  nameOf,
  now,
  patchStatus,
  pathOf,
  tell,
  type World,
} from './controller-world.ts';
import { type Json, type JsonObject, numberAt, objectAt, objectsAt, sameJson, textAt, textsAt } from './json.ts';

const REVISION = 'deployment.kubernetes.io/revision';
const HASH = 'pod-template-hash';
/** A number or a percentage of a total, rounded up or down. */
function share(value: Json | undefined, total: number, round: (value: number) => number): number {
  if (typeof value === 'string' && value.endsWith('%')) return round((Number(value.slice(0, -1)) / 100) * total);
  return Number(value ?? 0);
}

function replicasOf(object: JsonObject): number {
  return numberAt(object, 'spec', 'replicas') ?? 0;
}

function availableOf(set: JsonObject): number {
  return numberAt(set, 'status', 'availableReplicas') ?? 0;
}

function sum(sets: readonly JsonObject[], of: (set: JsonObject) => number): number {
  return sets.reduce((total, set) => total + of(set), 0);
}

function revisionOf(object: JsonObject): number {
  return Number(textAt(object, 'metadata', 'annotations', REVISION) ?? 0);
}

/** Rolls Deployments out by ReplicaSets and tells how far they are. */
export class Deployments {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  #setsOf(uid: string): JsonObject[] {
    return [...this.#world.kinds.replicasets.items.values()].filter(
      (set) => controllerOf(set)?.uid === uid && !isEnding(set),
    );
  }

  /** Looks at one Deployment; the answer is after how many real ms its deadline has to be looked at. */
  async reconcile(key: string): Promise<number | undefined> {
    const deployment = this.#world.kinds.deployments.items.get(key);
    if (deployment === undefined || isEnding(deployment)) return undefined;
    const { uid } = nameOf(deployment);
    const hash = hashOf(objectAt(deployment, 'spec', 'template'));
    const paused = objectAt(deployment, 'spec').paused === true;
    const current = await this.#current(deployment, this.#setsOf(uid), hash, paused);
    const old = this.#setsOf(uid).filter(
      (set) => set !== current && nameOf(set).uid !== (current === undefined ? '' : nameOf(current).uid),
    );
    if (current === undefined || paused) await this.#scalePaused(deployment, current, old);
    else if (textAt(deployment, 'spec', 'strategy', 'type') === 'Recreate')
      await this.#recreate(deployment, current, old);
    else await this.#roll(deployment, current, old);
    await this.#forgetOld(deployment, old);
    return await this.#report(deployment, hash);
  }

  /** The ReplicaSet of the present template: found, or made unless the Deployment is paused. */
  async #current(
    deployment: JsonObject,
    sets: JsonObject[],
    hash: string,
    paused: boolean,
  ): Promise<JsonObject | undefined> {
    const { namespace, name } = nameOf(deployment);
    const newest = Math.max(0, ...sets.map(revisionOf));
    const found = sets.find((set) => textAt(set, 'metadata', 'labels', HASH) === hash);
    if (found !== undefined) {
      const revision = revisionOf(found) === newest ? newest : newest + 1;
      if (revision !== revisionOf(found)) {
        const patch = { metadata: { annotations: { [REVISION]: String(revision) } } };
        const path = pathOf('replicasets', namespace, nameOf(found).name);
        this.#world.kinds.replicasets.accept(await this.#world.api.request('PATCH', path, patch, MERGE));
      }
      await this.#mark(deployment, revision);
      return this.#world.kinds.replicasets.items.get(`${namespace}/${nameOf(found).name}`);
    }
    if (paused) return undefined;
    const made = await this.#make(deployment, sets, hash, newest + 1);
    tell(
      this.#world,
      deployment,
      'Normal',
      'ScalingReplicaSet',
      `Scaled up replica set ${name}-${hash} to ${replicasOf(made)}`,
      'deployment-controller',
    );
    await this.#mark(deployment, newest + 1);
    return made;
  }

  async #make(deployment: JsonObject, sets: JsonObject[], hash: string, revision: number): Promise<JsonObject> {
    const { namespace, name, uid } = nameOf(deployment);
    const template = objectAt(deployment, 'spec', 'template');
    const labels = { ...textsAt(template, 'metadata', 'labels'), [HASH]: hash };
    const selector = objectAt(deployment, 'spec', 'selector');
    const wanted = replicasOf(deployment);
    const recreate = textAt(deployment, 'spec', 'strategy', 'type') === 'Recreate';
    const running = sum(sets, replicasOf);
    const start = recreate
      ? running === 0
        ? wanted
        : 0
      : Math.min(wanted, Math.max(0, wanted + this.#surge(deployment) - running));
    const set = {
      kind: 'ReplicaSet',
      apiVersion: 'apps/v1',
      metadata: {
        name: `${name}-${hash}`,
        namespace,
        labels,
        annotations: {
          ...inherited(deployment),
          [REVISION]: String(revision),
          'deployment.kubernetes.io/desired-replicas': String(wanted),
        },
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'Deployment', name, uid, controller: true, blockOwnerDeletion: true },
        ],
      },
      spec: {
        replicas: start,
        selector: { ...selector, matchLabels: { ...textsAt(selector, 'matchLabels'), [HASH]: hash } },
        template: { ...template, metadata: { ...objectAt(template, 'metadata'), labels } },
      },
    };
    try {
      const made = await this.#world.api.request('POST', pathOf('replicasets', namespace), set);
      this.#world.kinds.replicasets.accept(made);
      return made;
    } catch (error) {
      if (!(error instanceof ApiFailure && error.reason === 'AlreadyExists')) throw error;
      const there = await this.#world.api.request('GET', pathOf('replicasets', namespace, `${name}-${hash}`));
      this.#world.kinds.replicasets.accept(there);
      if (controllerOf(there)?.uid !== uid) throw error;
      return there;
    }
  }

  async #mark(deployment: JsonObject, revision: number): Promise<void> {
    if (revisionOf(deployment) === revision) return;
    const { namespace, name, uid } = nameOf(deployment);
    const patch = { metadata: { uid, annotations: { [REVISION]: String(revision) } } };
    this.#world.kinds.deployments.accept(
      await this.#world.api.request('PATCH', pathOf('deployments', namespace, name), patch, MERGE),
    );
  }

  #surge(deployment: JsonObject): number {
    return share(objectAt(deployment, 'spec', 'strategy', 'rollingUpdate').maxSurge, replicasOf(deployment), Math.ceil);
  }

  async #scale(deployment: JsonObject, set: JsonObject, replicas: number): Promise<void> {
    const before = replicasOf(set);
    if (before === replicas) return;
    const { namespace, name, uid } = nameOf(set);
    const patch = { metadata: { uid }, spec: { replicas } };
    this.#world.kinds.replicasets.accept(
      await this.#world.api.request('PATCH', pathOf('replicasets', namespace, name), patch, MERGE),
    );
    const direction = replicas > before ? 'up' : 'down';
    tell(
      this.#world,
      deployment,
      'Normal',
      'ScalingReplicaSet',
      `Scaled ${direction} replica set ${name} from ${before} to ${replicas}`,
      'deployment-controller',
    );
  }

  async #scalePaused(deployment: JsonObject, current: JsonObject | undefined, old: JsonObject[]): Promise<void> {
    const running = [current, ...old].filter((set) => set !== undefined).filter((set) => replicasOf(set) > 0);
    const only = running.length === 1 ? running[0] : undefined;
    if (only !== undefined) await this.#scale(deployment, only, replicasOf(deployment));
  }

  async #recreate(deployment: JsonObject, current: JsonObject, old: JsonObject[]): Promise<void> {
    for (const set of old) await this.#scale(deployment, set, 0);
    const left = [...this.#world.kinds.pods.items.values()].some((pod) =>
      old.some((set) => controllerOf(pod)?.uid === nameOf(set).uid),
    );
    if (!left) await this.#scale(deployment, current, replicasOf(deployment));
  }

  async #roll(deployment: JsonObject, current: JsonObject, old: JsonObject[]): Promise<void> {
    const wanted = replicasOf(deployment);
    const surge = this.#surge(deployment);
    const rolling = objectAt(deployment, 'spec', 'strategy', 'rollingUpdate');
    let unavailable = Math.min(share(rolling.maxUnavailable, wanted, Math.floor), wanted);
    if (surge === 0 && unavailable === 0) unavailable = 1;
    const present = replicasOf(current);
    const total = present + sum(old, replicasOf);
    if (present > wanted) await this.#scale(deployment, current, wanted);
    else if (present < wanted && total < wanted + surge) {
      await this.#scale(deployment, current, present + Math.min(wanted - present, wanted + surge - total));
    }
    const least = wanted - unavailable;
    const waiting = Math.max(0, present - availableOf(current));
    let spare = total - least - waiting;
    for (const set of old) {
      if (spare <= 0) return;
      // Pods that do not serve go first and cost no availability.
      const idle = Math.min(replicasOf(set) - availableOf(set), spare);
      if (idle > 0) {
        await this.#scale(deployment, set, replicasOf(set) - idle);
        spare -= idle;
      }
    }
    let free = availableOf(current) + sum(old, availableOf) - least;
    for (const { name } of old.map(nameOf)) {
      const set = this.#world.kinds.replicasets.items.get(`${nameOf(deployment).namespace}/${name}`);
      if (set === undefined || free <= 0) continue;
      const fewer = Math.min(replicasOf(set), free);
      await this.#scale(deployment, set, replicasOf(set) - fewer);
      free -= fewer;
    }
  }

  async #forgetOld(deployment: JsonObject, old: JsonObject[]): Promise<void> {
    const limit = numberAt(deployment, 'spec', 'revisionHistoryLimit') ?? 10;
    const empty = old.filter((set) => replicasOf(set) === 0 && (numberAt(set, 'status', 'replicas') ?? 0) === 0);
    const surplus = empty.sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, empty.length - limit));
    for (const set of surplus) await deleteObject(this.#world, 'replicasets', set);
  }

  async #report(before: JsonObject, hash: string): Promise<number | undefined> {
    const { namespace, name, uid } = nameOf(before);
    const deployment = this.#world.kinds.deployments.items.get(`${namespace}/${name}`) ?? before;
    const sets = this.#setsOf(uid);
    const current = sets.filter((set) => textAt(set, 'metadata', 'labels', HASH) === hash);
    const count = (from: JsonObject[], field: string): number =>
      sum(from, (set) => numberAt(set, 'status', field) ?? 0);
    const wanted = replicasOf(deployment);
    const available = count(sets, 'availableReplicas');
    const counts = {
      replicas: count(sets, 'replicas'),
      updatedReplicas: count(current, 'replicas'),
      readyReplicas: count(sets, 'readyReplicas'),
      availableReplicas: available,
      unavailableReplicas: Math.max(0, Math.max(wanted, count(sets, 'replicas')) - available),
    };
    const status = objectAt(deployment, 'status');
    const moved = Object.entries(counts).some(([field, value]) => (numberAt(status, field) ?? 0) !== value);
    const rolling = objectAt(deployment, 'spec', 'strategy', 'rollingUpdate');
    const recreate = textAt(deployment, 'spec', 'strategy', 'type') === 'Recreate';
    const least = recreate ? wanted : wanted - Math.min(share(rolling.maxUnavailable, wanted, Math.floor), wanted);
    const complete = counts.updatedReplicas === wanted && counts.replicas === wanted && available >= wanted;
    const progress = this.#progress(deployment, current[0], complete, moved);
    const enough = available >= least;
    const conditions = [
      condition(
        status,
        'Available',
        enough,
        enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
        enough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
      ),
      ...(progress === undefined ? [] : [progress.condition]),
      ...objectsAt(current[0], 'status', 'conditions')
        .filter((entry) => entry.type === 'ReplicaFailure')
        .map((entry) => condition(status, 'ReplicaFailure', true, String(entry.reason), String(entry.message))),
    ];
    const next: JsonObject = { observedGeneration: numberAt(before, 'metadata', 'generation') ?? 0, conditions };
    for (const [field, value] of Object.entries(counts)) next[field] = value === 0 ? undefined : value;
    if (!sameJson(status, next)) {
      const patch: JsonObject = { ...next };
      for (const field of Object.keys(counts)) patch[field] ??= null;
      await patchStatus(this.#world, 'deployments', deployment, patch);
    }
    return progress?.wait;
  }

  #progress(
    deployment: JsonObject,
    current: JsonObject | undefined,
    complete: boolean,
    moved: boolean,
  ): { condition: JsonObject; wait: number | undefined } | undefined {
    const status = objectAt(deployment, 'status');
    const old = objectsAt(status, 'conditions').find((entry) => entry.type === 'Progressing');
    const set = `ReplicaSet "${current === undefined ? nameOf(deployment).name : nameOf(current).name}"`;
    if (complete) {
      const done = `${set} has successfully progressed.`;
      const fresh = condition(status, 'Progressing', true, 'NewReplicaSetAvailable', done);
      return { condition: fresh, wait: undefined };
    }
    if (objectAt(deployment, 'spec').paused === true) {
      return {
        condition: condition(status, 'Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused'),
        wait: undefined,
      };
    }
    const deadline = this.#world.real((numberAt(deployment, 'spec', 'progressDeadlineSeconds') ?? 600) * 1000);
    const fresh =
      moved || old === undefined || old.reason === 'NewReplicaSetAvailable' || old.reason === 'DeploymentPaused';
    const since = fresh ? Date.now() : Date.parse(textAt(old, 'lastUpdateTime') ?? now());
    const left = since + deadline - Date.now();
    if (!fresh && (old.reason === 'ProgressDeadlineExceeded' || left <= 0)) {
      const late = `${set} has timed out progressing.`;
      return { condition: condition(status, 'Progressing', false, 'ProgressDeadlineExceeded', late), wait: undefined };
    }
    const going = condition(status, 'Progressing', true, 'ReplicaSetUpdated', `${set} is progressing.`);
    if (moved) going.lastUpdateTime = now();
    // Times are whole seconds, so a look right at the deadline could come too early.
    return { condition: going, wait: Math.max(left, 0) + 1000 };
  }
}

function condition(
  status: JsonObject,
  type: string,
  holds: boolean | 'Unknown',
  reason: string,
  message: string,
): JsonObject {
  const value = holds === 'Unknown' ? 'Unknown' : holds ? 'True' : 'False';
  const old = objectsAt(status, 'conditions').find((entry) => entry.type === type);
  const same = old?.status === value && old.reason === reason && old.message === message;
  return {
    type,
    status: value,
    reason,
    message,
    lastUpdateTime: same ? old.lastUpdateTime : now(),
    lastTransitionTime: old?.status === value ? old.lastTransitionTime : now(),
  };
}

/** The annotations of a Deployment that its ReplicaSets get, the cause of the change among them. */
function inherited(deployment: JsonObject): Record<string, string> {
  const {
    'kubectl.kubernetes.io/last-applied-configuration': _,
    [REVISION]: __,
    ...rest
  } = textsAt(deployment, 'metadata', 'annotations');
  return rest;
}
