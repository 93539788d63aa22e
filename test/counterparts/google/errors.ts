/** Google's error bodies (https://google.aip.dev/193), thrown by what refuses and written by the server. */

export class Refusal extends Error {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Record<string, string>;

  constructor(status: number, code: string, message: string, details: unknown[] = [], reason?: string) {
    super(message);
    this.status = status;
    // `errors` stands beside `details` in recorded answers of the container API (GET of a missing cluster, k8s-config-connector).
    const errors = reason ? { errors: [{ message, domain: 'global', reason }] } : {};
    const more = details.length > 0 ? { details } : {};
    this.body = { error: { code: status, message, ...errors, ...(code ? { status: code } : {}), ...more } };
    this.headers = {};
  }

  /** With headers, such as Retry-After. */
  with(headers: Record<string, string>): this {
    Object.assign(this.headers, headers);
    return this;
  }
}

export function errorInfo(reason: string, metadata: Record<string, string> = {}): unknown {
  return { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com', metadata };
}

const requestInfo = { '@type': 'type.googleapis.com/google.rpc.RequestInfo', requestId: '0x17cb33f8f0d24873' };

export const refusals = {
  /** Recorded: `Not found: projects/…/locations/…/clusters/….` with reason notFound. */
  notFound: (path: string) => new Refusal(404, 'NOT_FOUND', `Not found: ${path}.`, [], 'notFound'),
  /** As the compute API writes it, without a status: "The resource 'projects/…/zones/…/instances/…' was not found". */
  computeNotFound: (path: string) => new Refusal(404, '', `The resource '${path}' was not found`, [], 'notFound'),
  /** terraform-provider-google: "Already exists: projects/x/locations/y/clusters/z." */
  alreadyExists: (path: string) => new Refusal(409, 'ALREADY_EXISTS', `Already exists: ${path}.`, [], 'alreadyExists'),
  badRequest: (message: string) => new Refusal(400, 'INVALID_ARGUMENT', message, [], 'badRequest'),
  precondition: (message: string) => new Refusal(400, 'FAILED_PRECONDITION', message, [], 'failedPrecondition'),
  /** How Google's JSON front end refuses a field that a message does not have (google.rpc.BadRequest). */
  unknownField(field: string, at: string) {
    const description = `Invalid JSON payload received. Unknown name "${field}" at '${at}': Cannot find field.`;
    return new Refusal(400, 'INVALID_ARGUMENT', description, [
      { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field: at, description }] },
    ]);
  },
  unauthenticated: () =>
    new Refusal(
      401,
      'UNAUTHENTICATED',
      'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.',
      [errorInfo('ACCESS_TOKEN_EXPIRED', { service: 'container.googleapis.com' })],
    ),
  /** Of a project that is not there as of one that is none of the caller's business. */
  noProject: (project: string) =>
    new Refusal(403, 'PERMISSION_DENIED', `Permission denied on resource project ${project}.`, [
      errorInfo('CONSUMER_INVALID', { consumer: `projects/${project}`, service: 'container.googleapis.com' }),
    ]),
  apiDisabled: (project: string, service = 'container.googleapis.com', title = 'Kubernetes Engine API') =>
    new Refusal(
      403,
      'PERMISSION_DENIED',
      `${title} has not been used in project ${project} before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/${service}/overview?project=${project} then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.`,
      [errorInfo('SERVICE_DISABLED', { consumer: `projects/${project}`, service })],
    ),
  /** Public logs of terraform and gcloud: `Required "container.clusters.list" permission(s) for "projects/x".` */
  missingPermission: (permission: string, project: string) =>
    new Refusal(
      403,
      'PERMISSION_DENIED',
      `Required "${permission}" permission(s) for "projects/${project}".`,
      [requestInfo],
      'forbidden',
    ),
  /** Public logs of gcloud and terraform. */
  quota: (project: string) =>
    new Refusal(
      403,
      'PERMISSION_DENIED',
      `Insufficient regional quota to satisfy request: resource "CPUS": request requires '8.0' and is short '8.0'. project has a quota of '24.0' with '0.0' available. View and manage quotas at https://console.cloud.google.com/iam-admin/quotas?usage=USED&project=${project}.`,
      [requestInfo],
      'forbidden',
    ),
  rate: (seconds: number, status = 429) =>
    new Refusal(
      status,
      status === 429 ? 'RESOURCE_EXHAUSTED' : 'PERMISSION_DENIED',
      "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service 'container.googleapis.com' for consumer 'project_number:764460891170'.",
      [errorInfo('RATE_LIMIT_EXCEEDED', { quota_limit_value: '3000', service: 'container.googleapis.com' })],
    ).with({ 'retry-after': String(seconds) }),
  internal: () => new Refusal(500, 'INTERNAL', 'Internal error encountered.', [], 'backendError'),
};
