/** The container API v1: which request does what (googleapis, container/v1.d.ts; https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1). */
import { channels, isZonal, versions, zonesOf } from './catalog.ts';
import { type Message, object, shownCluster } from './cluster.ts';
import { refusals } from './errors.ts';
import { type Operation, shownOperation } from './operations.ts';
import { checkShape } from './shapes.ts';
import type { World } from './world.ts';

export interface Asked {
  method: string;
  path: string;
  body: Message;
}

/** In selfLink and targetLink stands the project's number, not its id (recorded). */
const number = '764460891170';
const base = `https://container.googleapis.com/v1/projects/${number}`;

interface Route {
  method: string;
  pattern: RegExp;
  answer(found: string[], body: Message): Message;
}

/** Zones or regions that Google cannot ask at the moment. */
export interface Gaps {
  missingZones: string[];
}

export function containerRoutes(world: World, project: string, gaps: Gaps): (asked: Asked) => Message {
  const shown = (operation: Operation) => shownOperation(operation, base, isZonal(operation.location));
  const under = '^/v1/projects/([^/]+)/locations/([^/]+)';

  const routes: Route[] = [
    route('GET', '/clusters', ([, location = '']) => {
      const listed = world.clusters(location).map((each) => shownCluster(each, base, project));
      return {
        ...(listed.length > 0 ? { clusters: listed } : {}),
        ...(gaps.missingZones.length > 0 ? { missingZones: gaps.missingZones } : {}),
      };
    }),
    route('POST', '/clusters', ([, location = ''], body) => {
      checkShape('CreateClusterRequest', body, 'create_cluster_request');
      return shown(world.create(location, object(body.cluster)));
    }),
    route('GET', '/clusters/([^/:]+)', ([, location = '', name = '']) =>
      shownCluster(world.cluster(location, name), base, project),
    ),
    route('DELETE', '/clusters/([^/:]+)', ([, location = '', name = '']) => shown(world.remove(location, name))),
    route('PUT', '/clusters/([^/:]+)', ([, location = '', name = ''], body) => {
      checkShape('UpdateClusterRequest', body, 'update_cluster_request');
      return shown(world.update(location, name, object(body.update)));
    }),
    route('POST', '/clusters/([^/:]+):setResourceLabels', ([, location = '', name = ''], body) => {
      checkShape('SetLabelsRequest', body, 'set_labels_request');
      const labels = object(body.resourceLabels) as Record<string, string>;
      return shown(world.setLabels(location, name, labels, String(body.labelFingerprint ?? '')));
    }),
    route('GET', '/clusters/([^/:]+):fetchClusterUpgradeInfo', ([, location = '', name = '']) => {
      const { version } = world.cluster(location, name);
      return { minorTargetVersion: version, patchTargetVersion: version, endOfStandardSupportTimestamp: '2027-04-30' };
    }),
    route('POST', '/clusters/([^/:]+):setNetworkPolicy', ([, location = '', name = ''], body) => {
      checkShape('SetNetworkPolicyRequest', body, 'set_network_policy_request');
      return shown(world.setNetworkPolicy(location, name, object(body.networkPolicy)));
    }),
    route('POST', '/clusters/([^/:]+)/nodePools', ([, location = '', name = ''], body) => {
      checkShape('CreateNodePoolRequest', body, 'create_node_pool_request');
      return shown(world.createPool(location, name, object(body.nodePool)));
    }),
    route('DELETE', '/clusters/([^/:]+)/nodePools/([^/:]+)', ([, location = '', name = '', pool = '']) =>
      shown(world.removePool(location, name, pool)),
    ),
    route('PUT', '/clusters/([^/:]+)/nodePools/([^/:]+)', ([, location = '', name = '', pool = ''], body) => {
      checkShape('UpdateNodePoolRequest', body, 'update_node_pool_request');
      return shown(world.upgradePool(location, name, pool, String(body.nodeVersion ?? '')));
    }),
    route('POST', '/clusters/([^/:]+)/nodePools/([^/:]+):setSize', ([, location = '', name = '', pool = ''], body) => {
      checkShape('SetNodePoolSizeRequest', body, 'set_node_pool_size_request');
      return shown(world.setSize(location, name, pool, Number(body.nodeCount ?? 0)));
    }),
    route(
      'POST',
      '/clusters/([^/:]+)/nodePools/([^/:]+):setAutoscaling',
      ([, location = '', name = '', pool = ''], body) => {
        checkShape('SetNodePoolAutoscalingRequest', body, 'set_node_pool_autoscaling_request');
        return shown(world.setAutoscaling(location, name, pool, object(body.autoscaling)));
      },
    ),
    route('GET', '/operations', ([, location = '']) => {
      const listed = world.operations(location).map(shown);
      return listed.length > 0 ? { operations: listed } : {};
    }),
    route('GET', '/operations/([^/:]+)', ([, location = '', name = '']) => shown(world.operation(location, name))),
    route('POST', '/operations/([^/:]+):cancel', ([, location = '', name = ''], body) => {
      checkShape('CancelOperationRequest', body, 'cancel_operation_request');
      world.cancel(location, name);
      return {};
    }),
    route('GET', '/serverConfig', ([, location = '']) => {
      if (!zonesOf(location)) throw refusals.badRequest(`Location "${location}" does not exist.`);
      return {
        defaultClusterVersion: '1.33.6-gke.1130000',
        defaultImageType: 'COS_CONTAINERD',
        validImageTypes: ['COS_CONTAINERD', 'UBUNTU_CONTAINERD'],
        validMasterVersions: [...versions],
        validNodeVersions: [...versions],
        channels,
      };
    }),
  ];

  function route(method: string, pattern: string, answer: Route['answer']): Route {
    return { method, pattern: new RegExp(`${under}${pattern}$`), answer };
  }

  return ({ method, path, body }) => {
    for (const each of routes) {
      const found = each.pattern.exec(path);
      if (!found || each.method !== method) continue;
      const pieces = found.slice(1).map(decodeURIComponent);
      if (pieces[0] !== project && pieces[0] !== number) throw refusals.noProject(pieces[0] ?? '');
      return each.answer(pieces, body);
    }
    throw refusals.badRequest(`This Google has no ${method} ${path}.`);
  };
}
