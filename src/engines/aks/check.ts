import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Call, CheckResult } from '../../core/ports/engine.ts';
import { type Arm, azureCode } from './arm.ts';
import { aksProvider } from './choices.ts';
import type { AksProvisioner } from './schema.ts';
import { fieldOfSignIn } from './tokens.ts';

/** GET of a resource group (https://learn.microsoft.com/rest/api/resources/resource-groups/get). */
const Group = z.object({ name: z.string(), location: z.string() });

/** GET …/Microsoft.Authorization/permissions (https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource-group). */
const Permissions = z.object({
  value: z.array(z.object({ actions: z.array(z.string()).nullish(), notActions: z.array(z.string()).nullish() })),
});

/** What the engine does, as permissions (https://learn.microsoft.com/azure/role-based-access-control/permissions/containers). */
const needed = [
  'Microsoft.ContainerService/managedClusters/read',
  'Microsoft.ContainerService/managedClusters/write',
  'Microsoft.ContainerService/managedClusters/delete',
  'Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action',
  'Microsoft.ContainerService/managedClusters/agentPools/read',
  'Microsoft.ContainerService/managedClusters/agentPools/write',
];

/** The resource group's own location. A read. */
export async function groupLocation(arm: Arm, call: Call): Promise<string> {
  const answer = await arm.read(call, () => arm.get(`${arm.group}?api-version=2022-12-01`));
  const read = Group.safeParse(answer.body);
  if (read.success) return read.data.location;
  throw new Fault('internal', 'Azure described the resource group in a shape that KQueen does not know.', {
    whose: 'provider',
  });
}

/** Signs in, looks at the resource group and its clusters, and at what the service principal may do there. Writes nothing. */
export async function checkAzure(arm: Arm, params: AksProvisioner, call: Call): Promise<CheckResult> {
  const facts: CheckResult['facts'] = [];
  const fact = (label: string, value: string) => facts.push({ label, value });
  try {
    const location = await groupLocation(arm, call);
    fact('Resource group', `${params.resourceGroup} in ${location}`);
    const first = await arm.read(call, async () => {
      const pages = arm.aks.managedClusters.listByResourceGroup(params.resourceGroup).byPage();
      const page = await pages.next();
      return page.done
        ? { count: 0, more: false }
        : { count: page.value.length, more: Boolean(page.value.continuationToken) };
    });
    fact('Clusters there', `${first.count}${first.more ? ' and more' : ''}`);
    const provider = await aksProvider(arm, call);
    if (provider) {
      fact('Microsoft.ContainerService', provider.state);
      if (/^not ?registered$/i.test(provider.state)) {
        return {
          state: 'Error',
          message: 'The subscription is not registered for Microsoft.ContainerService.',
          next: 'Run `az provider register --namespace Microsoft.ContainerService`; it takes some minutes.',
          field: 'subscriptionId',
          facts,
        };
      }
    }
    const missing = await missingPermissions(arm, call);
    if (missing?.length) {
      return {
        state: 'Error',
        message: `The service principal lacks on the resource group ${params.resourceGroup}: ${missing.join(', ')}.`,
        next: 'Give it the role "Azure Kubernetes Service Contributor Role" there; a new role takes some minutes to count.',
        field: 'clientId',
        facts,
      };
    }
    if (missing) fact('Permissions', 'all that are needed');
    return { state: 'OK', message: `KQueen can make clusters in the resource group ${params.resourceGroup}.`, facts };
  } catch (thrown) {
    if (!(thrown instanceof Fault) || (call.signal.aborted && Date.now() < call.deadline)) throw thrown;
    return failure(thrown);
  }
}

function failure(fault: Fault): CheckResult {
  const silent = fault.kind === 'unreachable' || fault.kind === 'rate-limited';
  const result: CheckResult = {
    state: silent ? 'Unreachable' : 'Error',
    message: fault.message.endsWith('.') ? fault.message : `${fault.message}.`,
    next: fault.next ?? 'Check the values of the provisioner.',
    facts: [],
  };
  const field = fieldOfSignIn(fault) ?? fieldByCode(azureCode(fault)?.code ?? '');
  if (field) result.field = field;
  return result;
}

function fieldByCode(code: string): string | undefined {
  if (/^ResourceGroupNotFound$/i.test(code)) return 'resourceGroup';
  if (/Subscription/i.test(code)) return 'subscriptionId';
  if (/^InvalidAuthenticationTokenTenant$/i.test(code)) return 'tenantId';
  if (/^AuthorizationFailed$/i.test(code)) return 'clientId';
  return undefined;
}

/** Those of the needed permissions that no role gives; null when the roles may not be read. */
async function missingPermissions(arm: Arm, call: Call): Promise<string[] | null> {
  let body: unknown;
  try {
    const path = `${arm.group}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01`;
    body = (await arm.read(call, () => arm.get(path))).body;
  } catch (thrown) {
    if (azureCode(thrown)?.status === 403 || azureCode(thrown)?.status === 404) return null;
    throw thrown;
  }
  const read = Permissions.safeParse(body);
  if (!read.success || read.data.value.length === 0) return null;
  return needed.filter(
    (action) =>
      !read.data.value.some(
        ({ actions, notActions }) => covers(actions ?? [], action) && !covers(notActions ?? [], action),
      ),
  );
}

/** Whether one of the patterns (`*`, `Microsoft.ContainerService/managedClusters/*`) is met; capital letters do not matter. */
function covers(patterns: string[], action: string): boolean {
  return patterns.some((pattern) => {
    const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, (sign) => (sign === '*' ? '.*' : `\\${sign}`));
    return new RegExp(`^${source}$`, 'i').test(action);
  });
}
