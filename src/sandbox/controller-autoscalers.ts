import { ApiFailure, MERGE } from './controller-client.ts';
import { nameOf, now, patchStatus, tell, unlessGone, type World } from './controller-world.ts';
import { type JsonObject, numberAt, objectAt, objectsAt, sameJson, textAt, textsAt } from './json.ts';
import { quantity, quantityText } from './kube-quantities.ts';
import { matchesLabels } from './kube-selectors.ts';
import { podAmount } from './kube-usage.ts';

/** How often a workload is looked at, ms of the sandbox's clock, and at least so many real ms. */
const EVERY = 15_000;
const LEAST = 500;

/** Differences of use that are let be, as the real autoscaler does. */
const TOLERANCE = 0.1;

/** Scales workloads by their use of cpu or memory, where metrics-server tells it. */
export class Autoscalers {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Looks at one autoscaler; the answer is after how many real ms it wants to be looked at again. */
  async reconcile(key: string): Promise<number | undefined> {
    const scaler = this.#world.kinds.horizontalpodautoscalers.items.get(key);
    if (scaler === undefined) return undefined;
    const { namespace } = nameOf(scaler);
    const target = objectAt(scaler, 'spec', 'scaleTargetRef');
    const plural = `${(textAt(target, 'kind') ?? '').toLowerCase()}s`;
    const path = `/apis/${textAt(target, 'apiVersion') ?? 'apps/v1'}/namespaces/${namespace}/${plural}/${textAt(target, 'name')}`;
    const workload = await unlessGone(this.#world.api.request('GET', path));
    if (workload === undefined) {
      const why = `the HPA controller was unable to get the target's current scale: ${plural}.apps "${textAt(target, 'name')}" not found`;
      await this.#report(scaler, 0, 0, [], [['AbleToScale', false, 'FailedGetScale', why]]);
      return this.#wait();
    }
    const current = numberAt(workload, 'spec', 'replicas') ?? 1;
    const pods = [...this.#world.kinds.pods.items.values()].filter(
      (pod) =>
        nameOf(pod).namespace === namespace &&
        textAt(pod, 'status', 'phase') === 'Running' &&
        matchesLabels(objectAt(workload, 'spec', 'selector'), textsAt(pod, 'metadata', 'labels')),
    );
    const able: [string, boolean, string, string] = [
      'AbleToScale',
      true,
      'ReadyForNewScale',
      'recommended size matches current size',
    ];
    const seen = await this.#measure(scaler, namespace, pods);
    if (typeof seen === 'string') {
      const active: [string, boolean, string, string] = ['ScalingActive', false, 'FailedGetResourceMetric', seen];
      await this.#report(scaler, current, current, [], [able, active]);
      return this.#wait();
    }
    const ratio = Math.max(...seen.map(({ ratio: each }) => each));
    const wished = Math.abs(ratio - 1) <= TOLERANCE ? current : Math.ceil(pods.length * ratio);
    const least = numberAt(scaler, 'spec', 'minReplicas') ?? 1;
    const most = numberAt(scaler, 'spec', 'maxReplicas') ?? least;
    const desired = current === 0 ? 0 : Math.min(Math.max(wished, least), most);
    if (desired !== current) {
      await this.#world.api.request('PATCH', `${path}/scale`, { spec: { replicas: desired } }, MERGE);
      const message = `New size: ${desired}; reason: resource utilization ${desired > current ? 'above' : 'below'} target`;
      tell(this.#world, scaler, 'Normal', 'SuccessfulRescale', message, 'horizontal-pod-autoscaler');
    }
    const active = 'the HPA was able to successfully calculate a replica count from resource utilization';
    await this.#report(
      scaler,
      current,
      desired,
      seen.map(({ metric }) => metric),
      [
        able,
        ['ScalingActive', true, 'ValidMetricFound', active],
        [
          'ScalingLimited',
          wished !== desired,
          wished > most ? 'TooManyReplicas' : wished < least ? 'TooFewReplicas' : 'DesiredWithinRange',
          'the desired count is compared with the acceptable range',
        ],
      ],
    );
    return this.#wait();
  }

  #wait(): number {
    return Math.max(this.#world.real(EVERY), LEAST);
  }

  /** How the use of each metric compares with its target, or why it cannot be told. */
  async #measure(
    scaler: JsonObject,
    namespace: string,
    pods: readonly JsonObject[],
  ): Promise<{ ratio: number; metric: JsonObject }[] | string> {
    let list: JsonObject;
    try {
      list = await this.#world.api.request('GET', `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods`);
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      return 'the HPA was unable to compute the replica count: failed to get resource metrics: the server could not find the requested resource (get pods.metrics.k8s.io)';
    }
    const measured = new Map(objectsAt(list, 'items').map((item) => [nameOf(item).name, item]));
    const found: { ratio: number; metric: JsonObject }[] = [];
    for (const entry of objectsAt(scaler, 'spec', 'metrics')) {
      const name = textAt(entry, 'resource', 'name') ?? '';
      const goal = numberAt(entry, 'resource', 'target', 'averageUtilization');
      if (goal === undefined || pods.length === 0) continue;
      const used = pods.reduce((sum, pod) => {
        const containers = objectsAt(measured.get(nameOf(pod).name), 'containers');
        return sum + containers.reduce((part, one) => part + quantity(objectAt(one, 'usage')[name]), 0);
      }, 0);
      const asked = pods.reduce((sum, pod) => sum + podAmount(pod, 'requests', name), 0);
      if (asked === 0) return `failed to get ${name} utilization: missing request for ${name} in container`;
      const percent = Math.round((used / asked) * 100);
      const current = { averageUtilization: percent, averageValue: quantityText(used / pods.length) };
      found.push({ ratio: percent / goal, metric: { type: 'Resource', resource: { name, current } } });
    }
    return found.length === 0 ? 'no metrics of a kind that the sandbox measures' : found;
  }

  async #report(
    scaler: JsonObject,
    current: number,
    desired: number,
    metrics: JsonObject[],
    conditions: [string, boolean, string, string][],
  ): Promise<void> {
    const old = objectAt(scaler, 'status');
    const scaled = desired === current ? textAt(old, 'lastScaleTime') : now();
    const status: JsonObject = {
      currentReplicas: current,
      desiredReplicas: desired,
      currentMetrics: metrics.length === 0 ? null : metrics,
      conditions: conditions.map(([type, holds, reason, message]) => {
        const value = holds ? 'True' : 'False';
        const before = objectsAt(old, 'conditions').find((entry) => entry.type === type);
        const since = before?.status === value ? before.lastTransitionTime : now();
        return { type, status: value, reason, message, lastTransitionTime: since };
      }),
      ...(scaled === undefined ? {} : { lastScaleTime: scaled }),
    };
    if (!sameJson({ ...old, currentMetrics: old.currentMetrics ?? null }, status)) {
      await patchStatus(this.#world, 'horizontalpodautoscalers', scaler, status);
    }
  }
}
