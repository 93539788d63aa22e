import { nameOf, now, patchStatus, type World } from './controller-world.ts';
import { type JsonObject, numberAt, objectAt, objectsAt, sameJson, textAt } from './json.ts';
import { countBudget } from './kube-eviction.ts';
import { quotaUsage } from './kube-usage.ts';

/** Keeps the figures of disruption budgets and quotas, and gives ingresses an address. */
export class Budgets {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  #podsOf(namespace: string): JsonObject[] {
    return [...this.#world.kinds.pods.items.values()].filter((pod) => nameOf(pod).namespace === namespace);
  }

  /** Looks at one disruption budget. */
  async budget(key: string): Promise<undefined> {
    const budget = this.#world.kinds.poddisruptionbudgets.items.get(key);
    if (budget === undefined) return undefined;
    const { namespace } = nameOf(budget);
    const { kinds } = this.#world;
    const counts = countBudget(budget, this.#podsOf(namespace), (kind, name) => {
      const place = `${namespace}/${name}`;
      const owner = kind === 'ReplicaSet' ? kinds.replicasets.items.get(place) : kinds.statefulsets.items.get(place);
      return kind === 'ReplicaSet' || kind === 'StatefulSet' ? numberAt(owner, 'spec', 'replicas') : undefined;
    });
    const enough = counts.disruptionsAllowed > 0;
    const old = objectsAt(budget, 'status', 'conditions')[0];
    const status = enough ? 'True' : 'False';
    const generation = numberAt(budget, 'metadata', 'generation') ?? 0;
    const condition = {
      type: 'DisruptionAllowed',
      status,
      reason: enough ? 'SufficientPods' : 'InsufficientPods',
      message: '',
      observedGeneration: generation,
      lastTransitionTime: old?.status === status ? old.lastTransitionTime : now(),
    };
    const next: JsonObject = { ...counts, observedGeneration: generation, conditions: [condition] };
    if (!sameJson(objectAt(budget, 'status'), next)) {
      await patchStatus(this.#world, 'poddisruptionbudgets', budget, next);
    }
    return undefined;
  }

  /** Looks at one quota; what it counts beside pods is looked at again now and then. */
  async quota(key: string): Promise<number | undefined> {
    const quota = this.#world.kinds.resourcequotas.items.get(key);
    if (quota === undefined) return undefined;
    const { namespace } = nameOf(quota);
    const hard = objectAt(quota, 'spec', 'hard');
    const lists = new Map<string, JsonObject[]>([['pods', this.#podsOf(namespace)]]);
    const wanted = new Set<string>();
    quotaUsage(hard, (kind) => {
      wanted.add(kind);
      return [];
    });
    for (const kind of wanted) {
      if (lists.has(kind)) continue;
      const [plural = '', ...group] = kind.split('.');
      const root = group.length === 0 ? '/api/v1' : `/apis/${group.join('.')}/v1`;
      const list = await this.#world.api.request('GET', `${root}/namespaces/${namespace}/${plural}`);
      lists.set(kind, objectsAt(list, 'items'));
    }
    const status: JsonObject = { hard, used: quotaUsage(hard, (kind) => lists.get(kind) ?? []) };
    if (!sameJson(objectAt(quota, 'status'), status)) {
      await patchStatus(this.#world, 'resourcequotas', quota, status);
    }
    return wanted.size > 1 || !wanted.has('pods') ? Math.max(this.#world.real(30_000), 1000) : undefined;
  }

  /** Looks at one ingress: one of a class that is there gets an address of the range that is for documentation. */
  async ingress(key: string): Promise<number | undefined> {
    const ingress = this.#world.kinds.ingresses.items.get(key);
    if (ingress === undefined || objectsAt(ingress, 'status', 'loadBalancer', 'ingress').length > 0) return undefined;
    const list = await this.#world.api.request('GET', '/apis/networking.k8s.io/v1/ingressclasses');
    const wanted = textAt(ingress, 'spec', 'ingressClassName');
    const standard = 'ingressclass.kubernetes.io/is-default-class';
    const found = objectsAt(list, 'items').find((entry) =>
      wanted === undefined
        ? textAt(entry, 'metadata', 'annotations', standard) === 'true'
        : nameOf(entry).name === wanted,
    );
    if (found === undefined) return Math.max(this.#world.real(30_000), 1000);
    await patchStatus(this.#world, 'ingresses', ingress, { loadBalancer: { ingress: [{ ip: '203.0.113.10' }] } });
    return undefined;
  }
}
