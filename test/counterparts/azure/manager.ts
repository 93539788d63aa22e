import { randomBytes } from 'node:crypto';
import { locationsAnswer, providerAnswer, resolveVersion, skusAnswer, upgradesOf, versionsAnswer } from './catalog.ts';
import type { Cluster, Json, World } from './types.ts';
import { adminKubeconfig, clusterView, entraKubeconfig, idOf, poolView } from './views.ts';
import { type Answer, type Asked, gateway, provider } from './wire.ts';

export interface ManagerOptions {
  subscriptionId: string;
  resourceGroup: string;
  tenantId: string;
  world: World;
  /** The actions that the service principal's roles give; without it the roles may not be read. */
  actions(): string[] | null;
  /** Actions that are refused, such as everything on the subscription. */
  forbids(action: string): boolean;
  clientId: string;
}

/** What a route needs of its place in the path. */
interface Place {
  asked: Asked;
  group: string;
}

/** Items of a page; few, so that every list has several. */
const pageSize = 5;

/** The API version of the AKS routes that @azure/arm-containerservice 25.5 speaks. */
const aksVersion = '2026-06-01';

/**
 * Azure Resource Manager with the AKS resource provider, as far as the engine and Microsoft's SDK use them. Sources: the type definitions of
 * @azure/arm-containerservice 25.5, the examples of azure-rest-api-specs (containerservice/resource-manager), and for long-running operations
 * https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations.
 */
export function openManager(options: ManagerOptions): (asked: Asked) => Answer {
  const { world, subscriptionId } = options;

  function answer(asked: Asked): Answer {
    world.settle();
    if (!asked.query.get('api-version')) {
      throw gateway(
        400,
        'MissingApiVersionParameter',
        'The api-version query parameter (?api-version=) is required for all requests.',
      );
    }
    const parts = asked.path.split('/').slice(1).map(decodeURIComponent);
    if (parts[0]?.toLowerCase() !== 'subscriptions') throw unknownPath(asked);
    if (parts[1]?.toLowerCase() !== subscriptionId) {
      throw gateway(404, 'SubscriptionNotFound', `The subscription '${parts[1]}' could not be found.`);
    }
    const route = parts.slice(2);
    if (route[0]?.toLowerCase() === 'resourcegroups') return inGroup(asked, route[1] ?? '', route.slice(2));
    return inSubscription(asked, route);
  }

  function inSubscription(asked: Asked, route: string[]): Answer {
    const path = route.join('/').toLowerCase();
    if (path === 'locations') {
      allow('Microsoft.Resources/subscriptions/locations/read', `/subscriptions/${subscriptionId}`);
      return { status: 200, body: locationsAnswer(subscriptionId) };
    }
    if (path === 'providers/microsoft.containerservice') {
      allow('Microsoft.Resources/subscriptions/providers/read', `/subscriptions/${subscriptionId}`);
      return { status: 200, body: providerAnswer(subscriptionId) };
    }
    if (path === 'providers/microsoft.compute/skus') {
      allow('Microsoft.Compute/skus/read', `/subscriptions/${subscriptionId}`);
      const location = /location eq '([a-z0-9]+)'/.exec(asked.query.get('$filter') ?? '')?.[1];
      return { status: 200, body: skusAnswer(location ?? 'eastus') };
    }
    const [, namespace, , location = '', what = '', id = ''] = route;
    if (namespace?.toLowerCase() !== 'microsoft.containerservice') throw unknownPath(asked);
    if (what === 'kubernetesVersions') {
      allow('Microsoft.ContainerService/locations/kubernetesVersions/read', `/subscriptions/${subscriptionId}`);
      return { status: 200, body: versionsAnswer() };
    }
    if (what === 'operations') return operationAnswer(id, location, asked);
    if (what === 'operationresults') return resultAnswer(id, asked);
    throw unknownPath(asked);
  }

  function operationAnswer(id: string, _location: string, asked: Asked): Answer {
    const operation = world.operation(id);
    if (!operation || !signed(asked)) throw provider(404, 'NotFound', 'The operation was not found.');
    return {
      status: 200,
      body: {
        name: operation.id,
        status: operation.status,
        startTime: new Date(operation.startTime).toISOString(),
        ...(operation.endTime === null ? {} : { endTime: new Date(operation.endTime).toISOString() }),
        ...(operation.status === 'Failed' || operation.status === 'Canceled' ? { error: operation.error } : {}),
      },
    };
  }

  /** Recorded answers to stop and start: 202 while it runs, 204 at its end. */
  function resultAnswer(id: string, asked: Asked): Answer {
    const operation = world.operation(id);
    if (!operation || !signed(asked)) throw provider(404, 'NotFound', 'The operation was not found.');
    return operation.status === 'InProgress'
      ? { status: 202, headers: { location: asked.origin + asked.path } }
      : { status: 204 };
  }

  function inGroup(asked: Asked, group: string, route: string[]): Answer {
    const scope = `/subscriptions/${subscriptionId}/resourceGroups/${group}`;
    if (group.toLowerCase() !== options.resourceGroup.toLowerCase()) {
      throw gateway(404, 'ResourceGroupNotFound', `Resource group '${group}' could not be found.`);
    }
    if (route.length === 0) {
      allow('Microsoft.Resources/subscriptions/resourceGroups/read', scope);
      return {
        status: 200,
        body: {
          id: scope,
          name: options.resourceGroup,
          type: 'Microsoft.Resources/resourceGroups',
          location: 'westeurope',
          properties: { provisioningState: 'Succeeded' },
        },
      };
    }
    const [, namespace = '', type = '', name, ...rest] = route;
    if (namespace.toLowerCase() === 'microsoft.authorization' && type === 'permissions') {
      const actions = options.actions();
      if (!actions) throw denied('Microsoft.Authorization/permissions/read', scope);
      return { status: 200, body: { value: [{ actions, notActions: [], dataActions: [], notDataActions: [] }] } };
    }
    if (namespace.toLowerCase() !== 'microsoft.containerservice' || type.toLowerCase() !== 'managedclusters') {
      throw unknownPath(asked);
    }
    if (asked.query.get('api-version') !== aksVersion) {
      throw gateway(
        400,
        'NoRegisteredProviderFound',
        `No registered resource provider found for API version '${asked.query.get('api-version')}' for type 'managedClusters'.`,
      );
    }
    return name === undefined ? list({ asked, group }, scope) : cluster({ asked, group }, name, rest, scope);
  }

  function list({ asked, group }: Place, scope: string): Answer {
    allow('Microsoft.ContainerService/managedClusters/read', scope);
    const all = world.inGroup(group);
    const skip = Number(asked.query.get('$skipToken') ?? 0);
    const page = all.slice(skip, skip + pageSize);
    const next =
      skip + pageSize < all.length
        ? { nextLink: `${asked.origin}${asked.path}?api-version=${aksVersion}&%24skipToken=${skip + pageSize}` }
        : {};
    return { status: 200, body: { value: page.map((each) => clusterView(each, subscriptionId)), ...next } };
  }

  function cluster(place: Place, name: string, rest: string[], scope: string): Answer {
    const { asked, group } = place;
    const found = world.find(group, name);
    const full = `${scope}/providers/Microsoft.ContainerService/managedClusters/${name}`;
    const [sub, item, part, ...more] = rest;
    if (more.length > 0 || (part !== undefined && sub !== 'agentPools')) throw unknownPath(asked);
    const verb = `${asked.method} ${sub ?? ''}`.trim();
    allow(`Microsoft.ContainerService/managedClusters/${actionOf(asked.method, sub, part)}`, full);
    if (verb === 'PUT') {
      const { cluster: made, operation, isNew } = world.put(group, name, jsonOf(asked), asked);
      return accepted(isNew ? 201 : 200, asked, made, operation.id, clusterView(made, subscriptionId));
    }
    if (!found) {
      // A DELETE of what is not there is done already.
      if (verb === 'DELETE') return { status: 204 };
      throw notFound(name, group);
    }
    switch (verb) {
      case 'GET':
        return { status: 200, body: clusterView(found, subscriptionId) };
      case 'DELETE':
        return accepted(202, asked, found, world.remove(found).id);
      case 'PATCH': {
        const { tags } = jsonOf(asked) as { tags?: Record<string, string> };
        const operation = world.tag(found, tags ?? {}, asked);
        return accepted(200, asked, found, operation.id, clusterView(found, subscriptionId));
      }
      case 'POST stop':
        return accepted(202, asked, found, world.power(found, false).id);
      case 'POST start':
        return accepted(202, asked, found, world.power(found, true).id);
      case 'POST abort':
        return accepted(202, asked, found, world.abort(found).id);
      case 'POST listClusterAdminCredential':
        return credentials(found, 'clusterAdmin', asked);
      case 'POST listClusterUserCredential':
        return credentials(found, 'clusterUser', asked);
      case 'GET upgradeProfiles':
        return { status: 200, body: upgradeProfile(found) };
      case 'GET agentPools':
      case 'PUT agentPools':
      case 'DELETE agentPools':
        return part === undefined ? pool(found, item, asked) : machines(found, item, part, asked);
      case 'POST agentPools':
        return machines(found, item, part, asked);
      default:
        throw unknownPath(asked);
    }
  }

  function pool(found: Cluster, name: string | undefined, asked: Asked): Answer {
    if (name === undefined) {
      return { status: 200, body: { value: found.pools.map((each) => poolView(each, found, subscriptionId)) } };
    }
    if (asked.method === 'PUT') {
      const { pool: changed, operation, isNew } = world.putPool(found, name, jsonOf(asked), asked);
      return accepted(isNew ? 201 : 200, asked, found, operation.id, poolView(changed, found, subscriptionId));
    }
    const known = found.pools.find((each) => each.name === name);
    if (!known) throw provider(404, 'NotFound', `Could not find the agent pool ${name} of ${found.name}.`);
    if (asked.method === 'DELETE') return accepted(202, asked, found, world.removePool(found, known).id);
    return { status: 200, body: poolView(known, found, subscriptionId) };
  }

  /** Machines and their deletion, as @azure/arm-containerservice 25.5 asks for them. */
  function machines(found: Cluster, name: string | undefined, part: string | undefined, asked: Asked): Answer {
    const known = found.pools.find((each) => each.name === name);
    if (!known) throw provider(404, 'NotFound', `Could not find the agent pool ${name} of ${found.name}.`);
    if (asked.method === 'POST' && part === 'deleteMachines') {
      const { machineNames } = jsonOf(asked) as { machineNames?: string[] };
      return accepted(202, asked, found, world.deleteMachines(found, known, machineNames ?? []).id);
    }
    if (asked.method !== 'GET' || part !== 'machines') throw unknownPath(asked);
    const id = `${idOf(found, subscriptionId)}/agentPools/${known.name}/machines`;
    const value = world.machines(known).map((each) => ({
      ...{ id: `${id}/${each}`, name: each, type: 'Microsoft.ContainerService/managedClusters/agentPools/machines' },
      properties: { network: { ipAddresses: [{ family: 'IPv4', ip: '10.224.0.4' }] } },
    }));
    return { status: 200, body: { value } };
  }

  function credentials(found: Cluster, role: string, asked: Asked): Answer {
    if (found.provisioningState === 'Creating') {
      throw provider(
        409,
        'OperationNotAllowed',
        'Operation is not allowed: Another operation (Creating) is in progress, please wait for it to finish before starting a new operation.',
      );
    }
    if (role === 'clusterAdmin' && found.rest.disableLocalAccounts === true) {
      // Recorded (clouds of 2022): the code is BadRequest and the text tells.
      throw provider(
        400,
        'BadRequest',
        'Getting static credential is not allowed because this cluster is set to disable local accounts.',
      );
    }
    const entra = role === 'clusterUser' && found.rest.aadProfile && asked.query.get('format') === 'exec';
    const text = entra ? entraKubeconfig(found, options.tenantId) : adminKubeconfig(found);
    return { status: 200, body: { kubeconfigs: [{ name: role, value: Buffer.from(text).toString('base64') }] } };
  }

  /** Real answers have null for the pools at times. */
  function upgradeProfile(found: Cluster): Json {
    const version = resolveVersion(found.kubernetesVersion) ?? found.kubernetesVersion;
    return {
      id: `${idOf(found, subscriptionId)}/upgradeprofiles/default`,
      name: 'default',
      type: 'Microsoft.ContainerService/managedClusters/upgradeprofiles',
      properties: {
        controlPlaneProfile: { kubernetesVersion: version, osType: 'Linux', upgrades: upgradesOf(version) },
        agentPoolProfiles: null,
      },
    };
  }

  function allow(action: string, scope: string): void {
    if (options.forbids(action)) throw denied(action, scope);
  }

  function denied(action: string, scope: string) {
    return gateway(
      403,
      'AuthorizationFailed',
      `The client '${options.clientId}' with object id '${options.clientId}' does not have authorization to perform action '${action}' over scope '${scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
    );
  }

  function accepted(status: number, asked: Asked, found: Cluster, id: string, body?: Json): Answer {
    const base = `${asked.origin}/subscriptions/${subscriptionId}/providers/Microsoft.ContainerService/locations/${found.location}`;
    // The resource manager signs these addresses; real ones are some 3,000 characters long.
    const signature = `t=${Date.now()}&c=${noise(1_900)}&s=${noise(340)}&h=${noise(43)}`;
    const headers: Record<string, string> = {
      'azure-asyncoperation': `${base}/operations/${id}?api-version=${aksVersion}&${signature}`,
    };
    if (status === 202) headers.location = `${base}/operationresults/${id}?api-version=${aksVersion}&${signature}`;
    return body ? { status, body, headers } : { status, headers };
  }

  return answer;
}

function actionOf(method: string, sub: string | undefined, part?: string): string {
  const of = sub === 'agentPools' || sub === 'upgradeProfiles' ? `${sub}/` : '';
  if (part !== undefined) return method === 'GET' ? `${of}${part}/read` : `${of}${part}/action`;
  if (method === 'GET') return `${of}read`;
  if (method === 'DELETE') return `${of}delete`;
  return method === 'POST' && sub ? `${sub}/action` : `${of}write`;
}

function signed(asked: Asked): boolean {
  return ['t', 'c', 's', 'h'].every((key) => asked.query.get(key));
}

function noise(length: number): string {
  return randomBytes(length).toString('base64url').slice(0, length);
}

function notFound(name: string, group: string) {
  return gateway(
    404,
    'ResourceNotFound',
    `The Resource 'Microsoft.ContainerService/managedClusters/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  );
}

function unknownPath(asked: Asked) {
  return gateway(404, 'InvalidResourceType', `The path '${asked.path}' is none that the counterpart knows.`);
}

function jsonOf(asked: Asked): Json {
  try {
    const body = JSON.parse(asked.text) as unknown;
    if (typeof body === 'object' && body !== null) return body as Json;
  } catch {
    // Falls through to the refusal, as does JSON that is no object.
  }
  throw gateway(400, 'InvalidRequestContent', 'The request content was invalid and could not be deserialized.');
}
