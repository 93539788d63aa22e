import { describe, expect, it } from 'vitest';
import { meaningOf, readError, reasonOf } from '../../src/engines/aks/meanings.ts';

const gateway = (code: string, message: string) => ({ error: { code, message } });
const flat = (code: string, message: string, subcode = '') => ({ code, details: null, message, subcode });

describe('what an error of Azure means', () => {
  it.each([
    [
      400,
      flat('ErrCode_InsufficientVCPUQuota', 'Insufficient vcpu quota requested 8, remaining 2.'),
      { kind: 'quota' },
    ],
    [400, flat('QuotaExceeded', 'Operation results in exceeding quota limits of Core.'), { kind: 'quota' }],
    [
      409,
      gateway(
        'OperationNotAllowed',
        'Operation could not be completed as it results in exceeding approved Total Regional Cores quota.',
      ),
      { kind: 'quota' },
    ],
    [
      409,
      gateway('SkuNotAvailable', 'The requested size is currently not available in location eastus.'),
      { kind: 'capacity' },
    ],
    [409, gateway('ZonalAllocationFailed', 'Allocation failed.'), { kind: 'capacity' }],
    [409, gateway('OverconstrainedAllocationRequest', 'Allocation failed.'), { kind: 'capacity' }],
    [
      400,
      flat(
        'BadRequest',
        `The VM size of Standard_D2 is not allowed in your subscription in location 'eastus'. The available VM sizes are ${'x,'.repeat(4_000)}`,
      ),
      { kind: 'bad-input', field: 'size' },
    ],
    [
      400,
      flat('K8sVersionNotSupported', 'Managed cluster x is on version 1.20.9 which is not supported in this region.'),
      { kind: 'bad-input', field: 'version' },
    ],
    [
      400,
      flat('OperationNotAllowed', 'Upgrading Kubernetes version 1.32.9 to 1.35.0 is not allowed.'),
      { kind: 'bad-input', field: 'version' },
    ],
    [
      409,
      flat(
        'OperationNotAllowed',
        'Operation is not allowed: Another operation (Updating) is in progress, please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details',
      ),
      { kind: 'conflict', retryable: true },
    ],
    [
      400,
      flat(
        'OperationNotAllowed',
        'Operation is not allowed because there is an operation (PutExtensionAddonHandler.PUT) in progress.',
      ),
      { kind: 'conflict', retryable: true },
    ],
    [
      409,
      flat(
        'EtagMismatch',
        'Operation is not allowed: Another operation is in progress',
        'PutManagedClusterAndComponents_FailedPrecondition',
      ),
      { kind: 'conflict', retryable: true },
    ],
    [412, gateway('PreconditionFailed', 'Etag does not match.'), { kind: 'conflict', retryable: true }],
    [
      400,
      flat('BadRequest', 'Managed Cluster is in stopped state, no operations except for start are allowed.'),
      { kind: 'conflict', retryable: false },
    ],
    [
      400,
      flat('ServicePrincipalNotFound', 'Service principal clientID: x not found in Active Directory tenant y'),
      { kind: 'conflict', retryable: true },
    ],
    [
      403,
      gateway(
        'AuthorizationFailed',
        "The client 'a' with object id 'a' does not have authorization to perform action 'Microsoft.ContainerService/managedClusters/write' over scope '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/x' or the scope is invalid.",
      ),
      { kind: 'not-allowed', sentence: expect.stringContaining('Microsoft.ContainerService/managedClusters/write') },
    ],
    [
      403,
      gateway(
        'LinkedAuthorizationFailed',
        "The client has permission to perform action 'x/write' on scope 's'; however, it does not have permission to perform action(s) 'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s) '/subscriptions/s/v'.",
      ),
      { kind: 'not-allowed' },
    ],
    [
      403,
      gateway(
        'RequestDisallowedByPolicy',
        'Resource \'x\' was disallowed by policy. Policy identifiers: \'[{"policyAssignment":{"name":"No AKS in Europe","id":"/y"}}]\'.',
      ),
      { kind: 'not-allowed', sentence: expect.stringContaining('No AKS in Europe') },
    ],
    [
      409,
      gateway('ScopeLocked', 'The scope cannot perform delete operation because following scope(s) are locked.'),
      { kind: 'not-allowed' },
    ],
    [
      409,
      gateway(
        'MissingSubscriptionRegistration',
        "The subscription is not registered to use namespace 'Microsoft.ContainerService'.",
      ),
      { kind: 'not-allowed', next: expect.stringContaining('Microsoft.ContainerService') },
    ],
    [
      401,
      gateway('InvalidAuthenticationTokenTenant', 'The access token is from the wrong issuer.'),
      { kind: 'not-allowed', sentence: expect.stringContaining('directory') },
    ],
    [
      404,
      gateway('ResourceGroupNotFound', "Resource group 'g' could not be found."),
      { kind: 'not-found', whose: 'admin', sentence: expect.stringContaining('group g') },
    ],
    [
      404,
      gateway('SubscriptionNotFound', "The subscription 's' could not be found."),
      { kind: 'not-found', whose: 'admin' },
    ],
    [
      400,
      gateway('LocationNotAvailableForResourceType', "The provided location 'x' is not available for resource type."),
      { kind: 'bad-input', field: 'location' },
    ],
    [
      400,
      flat('InvalidParameter', 'The value of parameter linuxProfile.ssh.publicKeys.keyData is invalid.'),
      { kind: 'bad-input', field: 'sshKey' },
    ],
    [
      400,
      flat('InvalidParameter', 'The value of parameter networkProfile.serviceCIDR is invalid.'),
      { kind: 'bad-input', field: 'serviceCidr' },
    ],
    [
      400,
      flat('AvailabilityZoneNotSupported', 'Preflight validation check failed.'),
      { kind: 'bad-input', field: 'zones' },
    ],
  ])('%i %j', (status, body, meaning) => {
    const error = readError(body);
    if (!error) throw new Error('the body was not read');
    expect(meaningOf(status, error)).toMatchObject(meaning);
  });

  it('finds the reason below the errors that pass it on, and leaves the advice out', () => {
    const reason = (body: unknown) => reasonOf(readError(body) ?? { code: '', message: '', target: '', inner: [] });
    expect(
      reason({
        error: {
          code: 'DeploymentFailed',
          message: 'At least one resource deployment operation failed. Please list deployment operations for details.',
          details: [{ code: 'Conflict', message: 'The disk is full.' }],
        },
      }),
    ).toBe('The disk is full.');
    expect(
      reason(
        flat(
          'QuotaExceeded',
          'Results in exceeding approved quota. Additional details - Deployment Model: Resource Manager, Location: eastus.',
        ),
      ),
    ).toBe('Results in exceeding approved quota.');
    expect(reason(flat('X', ''))).toBe('X');
    expect(readError('text')).toBeNull();
    expect(readError({ error: {} })).toBeNull();
  });
});
