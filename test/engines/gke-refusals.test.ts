import { describe, expect, it } from 'vitest';
import type { Fault } from '../../src/core/errors.ts';
import { refusalFault } from '../../src/engines/gke/refusals.ts';

const project = 'my-project-123';

/** A body as Google writes it, and the Fault that it becomes. */
function faultFor(
  status: number,
  code: string,
  message: string,
  more: Record<string, unknown> = {},
  method = 'POST',
): Fault {
  const body = { error: { code: status, message, status: code, ...more } };
  const asked = { provider: 'Google', method, secrets: ['canary-secret'] };
  return refusalFault(asked, { status, headers: {}, text: JSON.stringify(body) }, project, 0);
}

const info = (reason: string, metadata: Record<string, string> = {}) => ({
  details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com', metadata }],
});

describe("Google's refusals", () => {
  it('knows that another operation runs, in every wording, and that it passes', () => {
    const messages = [
      'Cluster is running incompatible operation operation-1596064640049-1b03e177.',
      'Operation operation-1596064640049-1b03e177 is currently upgrading cluster dev. Please wait and try again once it is done.',
      'Operation operation-1708671573108-f885d274 is currently creating cluster dev. Please wait and try again once it is done.',
      'Operation operation-1 is currently deleting a node pool for cluster dev. Please wait and try again once it is done.',
      'Cluster is currently being created, deleted, updated or repaired and cannot be updated.',
      'Labels could not be set due to fingerprint mismatch.',
    ];
    for (const message of messages) {
      expect(faultFor(400, 'FAILED_PRECONDITION', message), message).toMatchObject({
        kind: 'conflict',
        retryable: true,
        outcomeUnknown: false,
      });
    }
    expect(faultFor(409, 'ABORTED', 'The etag does not match.').retryable).toBe(true);
    expect(faultFor(400, 'FAILED_PRECONDITION', 'Cannot disable this add-on.')).toMatchObject({
      kind: 'conflict',
      retryable: false,
    });
    expect(faultFor(409, 'ALREADY_EXISTS', 'Already exists: projects/x/locations/y/clusters/z.')).toMatchObject({
      kind: 'conflict',
      retryable: false,
    });
  });

  it('tells a quota from a rate limit, both with 403 and with 429', () => {
    const quota = `Insufficient regional quota to satisfy request: resource "SSD_TOTAL_GB": request requires '300.0' and is short '100.0'. project has a quota of '500.0' with '200.0' available.`;
    const older = `Insufficient regional quota to satisfy request for resource: "IN_USE_ADDRESSES". The request requires '9.0' and is short '1.0'. The regional quota is '8.0' with '8.0' available.`;
    for (const message of [quota, older]) {
      const fault = faultFor(403, 'PERMISSION_DENIED', message);
      expect(fault).toMatchObject({ kind: 'quota', retryable: false, whose: 'admin' });
      expect(fault.message).toContain('is short');
      expect(fault.message).not.toMatch(/may not/);
    }
    const rate =
      "Quota exceeded for quota metric 'Cluster create requests' and limit 'Cluster create requests per minute' of service 'container.googleapis.com' for consumer 'project_number:1'.";
    expect(faultFor(403, 'PERMISSION_DENIED', rate)).toMatchObject({ kind: 'rate-limited', retryable: true });
    expect(
      faultFor(429, 'RESOURCE_EXHAUSTED', rate, {
        details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '12.5s' }],
      }),
    ).toMatchObject({
      kind: 'rate-limited',
      retryAfterMs: 12_500,
    });
    expect(faultFor(429, 'RESOURCE_EXHAUSTED', 'Resource has been exhausted (e.g. check quota).').kind).toBe(
      'rate-limited',
    );
  });

  it('names the permission that is missing and the role that has it', () => {
    const permissions: [Fault, string, string][] = [
      [
        faultFor(
          403,
          'PERMISSION_DENIED',
          'Required "container.clusters.create" permission(s) for "projects/my-project-123".',
        ),
        'container.clusters.create',
        'roles/container.admin',
      ],
      [
        faultFor(403, 'PERMISSION_DENIED', "Required 'compute.zones.list' permission for 'projects/my-project-123'"),
        'compute.zones.list',
        'roles/compute.viewer',
      ],
      [
        faultFor(
          403,
          'PERMISSION_DENIED',
          "Required 'compute.instanceGroupManagers.update' permission for 'projects/my-project-123/zones/europe-west3-a/instanceGroupManagers/gke-dev-grp'",
        ),
        'compute.instanceGroupManagers.update',
        'roles/compute.instanceAdmin.v1',
      ],
      [
        faultFor(
          403,
          'PERMISSION_DENIED',
          'Permission denied.',
          info('IAM_PERMISSION_DENIED', { permission: 'container.operations.get' }),
        ),
        'container.operations.get',
        'roles/container.admin',
      ],
      [
        faultFor(
          400,
          'INVALID_ARGUMENT',
          'The user does not have access to service account "default". Ask a project owner to grant you the iam.serviceAccountUser role on the service account.',
        ),
        'iam.serviceAccounts.actAs',
        'roles/iam.serviceAccountUser',
      ],
    ];
    for (const [fault, permission, role] of permissions) {
      expect(fault).toMatchObject({ kind: 'not-allowed', retryable: false, whose: 'admin' });
      expect(fault.message).toContain(permission);
      expect(fault.next).toContain(role);
    }
    expect(faultFor(403, 'PERMISSION_DENIED', 'The caller does not have permission').kind).toBe('not-allowed');
  });

  it('tells a missing project, an API that is off, and missing billing apart', () => {
    const disabled = faultFor(
      403,
      'PERMISSION_DENIED',
      'Kubernetes Engine API has not been used in project my-project-123 before or it is disabled. Enable it by visiting https://console.developers.google.com/ then retry.',
      info('SERVICE_DISABLED', { service: 'container.googleapis.com' }),
    );
    expect(disabled).toMatchObject({ kind: 'not-allowed', whose: 'admin' });
    expect(disabled.next).toContain('gcloud services enable container.googleapis.com --project my-project-123');
    for (const fault of [
      faultFor(
        403,
        'PERMISSION_DENIED',
        'Permission denied on resource project my-project-123.',
        info('CONSUMER_INVALID'),
      ),
      faultFor(404, 'NOT_FOUND', 'The resource "projects/my-project-123" was not found: project not found.'),
      faultFor(400, 'INVALID_ARGUMENT', "Project 'my-project-123' not found or deleted."),
    ]) {
      expect(fault).toMatchObject({ kind: 'not-found', whose: 'admin', retryable: false });
      expect(fault.message).toContain('There is no project my-project-123');
    }
    const billing = faultFor(
      403,
      'PERMISSION_DENIED',
      'This API method requires billing to be enabled. Please enable billing on project #1.',
      info('BILLING_DISABLED'),
    );
    expect(billing.message).toMatch(/no billing/);
  });

  it('finds the field that bad input is about', () => {
    const fields: [string, string][] = [
      ['No valid versions with the prefix "1.99" found.', 'version'],
      ['Master version "1.20.1-gke.1" is unsupported.', 'version'],
      ['Machine type with name "e2-huge" does not exist in zone "europe-west3-a".', 'machineType'],
      ['Invalid value for field "cluster.initial_node_count": must be greater than zero.', 'nodes'],
      ['Services IP range 10.0.0.0/20 conflicts.', 'servicesCidr'],
      ['The given secondary range does not exist.', 'clusterCidr'],
      ['Network "nowhere" does not exist.', 'network'],
      ['Subnetwork "nowhere" does not exist.', 'subnetwork'],
      ['Location "europe-west99" does not exist.', 'location'],
      ['Invalid maintenance window.', 'maintenanceStart'],
    ];
    for (const [message, field] of fields) {
      expect(faultFor(400, 'INVALID_ARGUMENT', message), message).toMatchObject({ kind: 'bad-input', field });
    }
    const named = {
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.BadRequest',
          fieldViolations: [{ field: 'cluster.node_pools[0].config.disk_size_gb', description: 'too small' }],
        },
      ],
    };
    expect(faultFor(400, 'INVALID_ARGUMENT', 'Bad request.', named).field).toBe('diskGb');
  });

  it('tells a stockout from a failure, and keeps the outcome of a failure open', () => {
    const stockout =
      "Google Compute Engine: The zone 'projects/x/zones/y' does not have enough resources available to fulfill the request.";
    expect(faultFor(503, 'UNAVAILABLE', `${stockout} (resource type:compute, stockout)`)).toMatchObject({
      kind: 'capacity',
      retryable: true,
      outcomeUnknown: false,
    });
    expect(faultFor(400, 'INVALID_ARGUMENT', stockout).kind).toBe('capacity');
    expect(faultFor(500, 'INTERNAL', 'Internal error encountered.')).toMatchObject({
      kind: 'unreachable',
      outcomeUnknown: true,
    });
    expect(faultFor(503, 'UNAVAILABLE', 'The service is currently unavailable.', {}, 'GET')).toMatchObject({
      kind: 'unreachable',
      outcomeUnknown: false,
    });
  });

  it('keeps one line for people and the whole text beside it, both without secrets', () => {
    const fault = faultFor(400, 'INVALID_ARGUMENT', `first line\nsecond line with canary-secret ${'x'.repeat(600)}`);
    expect(fault.message).not.toContain('\n');
    expect(fault.message.length).toBeLessThan(320);
    expect(`${fault.message}${fault.detail}`).not.toContain('canary-secret');
    expect(fault.detail).toContain('INVALID_ARGUMENT');
  });
});
