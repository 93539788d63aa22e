import { type JsonObject, listAt, numberAt, objectAt, objectsAt, textAt } from './json.ts';
import { RESOURCES, type Resource, resourceKey, row } from './kube-registry.ts';
import type { ObjectStore } from './kube-store.ts';

const DEFINITIONS = 'customresourcedefinitions.apiextensions.k8s.io';

const BUILT_IN = new Map(RESOURCES.map((one) => [`${one.group}/${one.version}/${one.plural}`, one]));

/** What metrics-server serves. */
const METRICS: readonly Resource[] = [
  row({
    group: 'metrics.k8s.io',
    version: 'v1beta1',
    kind: 'NodeMetrics',
    plural: 'nodes',
    singular: '',
    namespaced: false,
    computed: true,
  }),
  row({
    group: 'metrics.k8s.io',
    version: 'v1beta1',
    kind: 'PodMetrics',
    plural: 'pods',
    singular: '',
    computed: true,
  }),
];

/** The texts of a list. */
function texts(value: JsonObject, ...path: string[]): string[] {
  return listAt(value, ...path).filter((item) => typeof item === 'string');
}

/** What users of a deprecated version are warned of. */
function deprecation(spec: JsonObject, version: JsonObject): string | undefined {
  if (version.deprecated !== true) return undefined;
  const name = `${textAt(spec, 'group')}/${textAt(version, 'name')} ${textAt(spec, 'names', 'kind')}`;
  return textAt(version, 'deprecationWarning') ?? `${name} is deprecated`;
}

/** The resources that a definition has served; none before its names are accepted. */
function resourcesOf(definition: JsonObject): Resource[] {
  const spec = objectAt(definition, 'spec');
  const names = objectAt(spec, 'names');
  const served = objectsAt(spec, 'versions').filter((version) => version.served === true);
  return served.map((version) =>
    row({
      group: textAt(spec, 'group') ?? '',
      version: textAt(version, 'name') ?? '',
      kind: textAt(names, 'kind') ?? '',
      plural: textAt(names, 'plural') ?? '',
      singular: textAt(names, 'singular') ?? (textAt(names, 'kind') ?? '').toLowerCase(),
      namespaced: textAt(spec, 'scope') === 'Namespaced',
      shortNames: texts(names, 'shortNames'),
      categories: texts(names, 'categories'),
      status: objectAt(version, 'subresources').status !== undefined,
      scale: objectAt(version, 'subresources').scale !== undefined,
      generation: true,
      schema: objectAt(version, 'schema', 'openAPIV3Schema'),
      definition: {
        columns: objectsAt(version, 'additionalPrinterColumns'),
        scale: objectAt(version, 'subresources', 'scale'),
        deprecated: deprecation(spec, version),
      },
    }),
  );
}

/** How new a version's name is, as Kubernetes sorts them: v2, v1, v1beta1, v1alpha1, then the rest. */
function rank(version: string): number {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) return 0;
  const level = match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1;
  return level * 1e6 + Number(match[1]) * 1e3 + Number(match[3] ?? 0);
}

/** All kinds that one cluster serves: those that every cluster has, custom resources, and metrics. */
export class Kinds {
  static readonly #known = new WeakMap<ObjectStore, Kinds>();
  readonly #store: ObjectStore;
  #custom: Resource[] | undefined;

  /** The kinds of a cluster, the same for everybody who asks. */
  static of(store: ObjectStore): Kinds {
    const known = Kinds.#known.get(store) ?? new Kinds(store);
    Kinds.#known.set(store, known);
    return known;
  }

  private constructor(store: ObjectStore) {
    this.#store = store;
    store.watch(
      DEFINITIONS,
      () => {
        this.#custom = undefined;
      },
      () => undefined,
    );
  }

  /** Everything that is served now. */
  all(): Resource[] {
    this.#custom ??= this.#store
      .list(DEFINITIONS)
      .flatMap(resourcesOf)
      .sort((a, b) => rank(b.version) - rank(a.version));
    return [...RESOURCES, ...this.#custom, ...(this.#hasMetrics() ? METRICS : [])];
  }

  /** The resource of a path; undefined when it is not served. */
  find(group: string, version: string, plural: string): Resource | undefined {
    const built = BUILT_IN.get(`${group}/${version}/${plural}`);
    if (built !== undefined) return built;
    return this.all().find((one) => one.group === group && one.plural === plural && one.version === version);
  }

  /** The named groups, in the order of the table. */
  groups(): string[] {
    return [...new Set(this.all().map((resource) => resource.group))].filter((group) => group !== '');
  }

  /** The keys of everything that is kept, each once. */
  keys(): string[] {
    const kept = this.all().filter((resource) => !resource.review && !resource.computed);
    return [...new Set(kept.map(resourceKey))];
  }

  /** metrics-server makes its API known only while it runs. */
  #hasMetrics(): boolean {
    return this.#store
      .list('deployments.apps')
      .some(
        (object) =>
          textAt(object, 'metadata', 'name') === 'metrics-server' &&
          (numberAt(object, 'status', 'availableReplicas') ?? 0) > 0,
      );
  }
}
