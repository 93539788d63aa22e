import type { Size } from './catalog.ts';
import { addonPlace, addonSeed } from './cloud-addons.ts';
import type { ClusterBackend } from './cloud-backend.ts';
import type { ClusterRecord, Failure } from './cloud-records.ts';
import { controlPlaneSeeds, nodeInfo, nodeLeftovers, nodeSeeds, type Place, type Seed } from './cloud-seed.ts';
import { type ApiClient, ApiFailure, MERGE } from './controller-client.ts';
import { type JsonObject, objectAt, objectsAt, textAt } from './json.ts';
import { apiVersionOf, resourceOf } from './kube-registry.ts';
import type { ControlPlane } from './real-processes.ts';

/** How often the nodes are looked at, and how long what failed waits for its next try, ms. */
const LOOK_EVERY = 300;
const PAUSE = 500;

/** How often an action is tried before it is given up. */
const TRIES = 40;

const ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles';

function pathOf(key: string, namespace: string, name = ''): string {
  const resource = resourceOf(key);
  const root = resource.group === '' ? '/api/v1' : `/apis/${apiVersionOf(resource)}`;
  const place = resource.namespaced ? `/namespaces/${namespace}` : '';
  return `${root}${place}/${resource.plural}${name === '' ? '' : `/${name}`}`;
}

/** A real etcd and kube-apiserver of a cluster; all that is asked of it happens in turn, once it is up. */
export function realBackend(
  plane: ControlPlane,
  api: ApiClient,
  onUp: () => void,
  note: (message: string) => void,
  onPort: (port: number) => void,
): ClusterBackend {
  let ready: number | Failure = 0;
  let closed = false;
  let looking: NodeJS.Timeout | undefined;

  function failed(message: string): void {
    ready = { code: 'control_plane_failed', message };
    note(message);
  }

  let turn: Promise<void> = plane.start().then(
    () => {
      if (closed) return;
      onPort(Number(new URL(plane.url()).port));
      onUp();
      looking = setInterval(() => void look(), LOOK_EVERY);
    },
    (error: unknown) => failed(error instanceof Error ? error.message : String(error)),
  );

  async function look(): Promise<void> {
    try {
      const nodes = objectsAt(await api.request('GET', '/api/v1/nodes'), 'items');
      const up = nodes.filter((node) =>
        objectsAt(node, 'status', 'conditions').some((entry) => entry.type === 'Ready' && entry.status === 'True'),
      );
      ready = up.length;
    } catch (error) {
      const ended = plane.ended();
      if (ended !== undefined && !closed) failed(ended);
      else if (!(error instanceof ApiFailure)) throw error;
    }
  }

  /** Does something after all that was asked before, again until it works. */
  function then(what: string, action: () => Promise<unknown>): void {
    turn = turn.then(async () => {
      for (let tries = 1; !closed && typeof ready === 'number'; tries += 1) {
        try {
          await action();
          return;
        } catch (error) {
          if (tries >= TRIES) {
            failed(`${what}: ${error instanceof Error ? error.message : String(error)}`);
            return;
          }
          await new Promise((resolve) => setTimeout(resolve, PAUSE));
        }
      }
    });
  }

  async function ensure({ resource, namespace, body }: Seed): Promise<void> {
    const { kind } = resourceOf(resource);
    const { status, ...rest } = body;
    const whole = { kind, apiVersion: apiVersionOf(resourceOf(resource)), ...rest };
    try {
      await api.request('POST', pathOf(resource, namespace), whole);
    } catch (error) {
      if (!(error instanceof ApiFailure && error.reason === 'AlreadyExists')) throw error;
      return;
    }
    if (status === undefined) return;
    const path = pathOf(resource, namespace, textAt(body, 'metadata', 'name') ?? '');
    await api.request('PATCH', `${path}/status`, { status }, MERGE);
  }

  function remove(what: string, [resource, namespace, name]: Place): void {
    then(what, async () => {
      try {
        await api.request('DELETE', pathOf(resource, namespace, name), { gracePeriodSeconds: 0 });
      } catch (error) {
        if (!(error instanceof ApiFailure && error.code === 404)) throw error;
      }
    });
  }

  /** Fills view, edit and admin from the roles that are labelled for them: the work of a controller that is not there. */
  async function aggregate(): Promise<void> {
    for (const name of ['view', 'edit', 'admin']) {
      const roles = objectsAt(await api.request('GET', ROLES), 'items');
      const label = `rbac.authorization.k8s.io/aggregate-to-${name}`;
      const rules = roles
        .filter((role) => objectAt(role, 'metadata', 'labels')[label] === 'true')
        .flatMap((role) => objectsAt(role, 'rules'));
      if (rules.length > 0) await api.request('PATCH', `${ROLES}/${name}`, { rules }, MERGE);
    }
  }

  const patch = (path: string, body: JsonObject): Promise<JsonObject> => api.request('PATCH', path, body, MERGE);

  return {
    api: undefined,
    seedControlPlane: () => {
      then('the aggregated roles', aggregate);
      for (const namespace of ['kube-public', 'kube-node-lease']) {
        const seed: Seed = { resource: 'namespaces', namespace: '', body: { metadata: { name: namespace } } };
        then(`namespace ${namespace}`, () => ensure(seed));
      }
      for (const seed of controlPlaneSeeds()) then(`the first objects (${seed.resource})`, () => ensure(seed));
    },
    seedNode: (cluster: ClusterRecord, size: Size, index: number, gateway?: boolean) => {
      for (const seed of nodeSeeds(cluster, size, index, gateway)) then(`node ${index}`, () => ensure(seed));
    },
    removeNode: (cluster, index, gateway) => {
      for (const place of nodeLeftovers(cluster, index, gateway)) remove(`removing node ${index}`, place);
    },
    seedAddon: (name) => then(`add-on ${name}`, () => ensure(addonSeed(name))),
    removeAddon: (name) => remove(`removing add-on ${name}`, addonPlace(name)),
    upgradeNodes: (cluster) =>
      then('upgrading the nodes', async () => {
        const nodes = objectsAt(await api.request('GET', '/api/v1/nodes'), 'items');
        for (const node of nodes) {
          const name = textAt(node, 'metadata', 'name') ?? '';
          const status = { nodeInfo: nodeInfo(cluster.version, cluster.id, name) };
          await patch(`/api/v1/nodes/${name}/status`, { status });
        }
      }),
    readyNodes: () => ready,
    annotateNode: (node, key, value) => {
      then(`node ${node}`, () =>
        patch(`/api/v1/nodes/${node}`, { metadata: { annotations: { [key]: value ?? null } } }),
      );
      return true;
    },
    // A real API server compacts by itself, and its events have a time to live.
    compact: () => undefined,
    pruneEvents: () => undefined,
    close: async () => {
      closed = true;
      clearInterval(looking);
      await plane.stop();
    },
    drop: () => plane.drop(),
  };
}
