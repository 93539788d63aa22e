import type { FaultOwner } from '../../core/errors.ts';
import type { Explanation } from '../http-faults.ts';

/** An error of the resource manager or of a resource provider. */
export interface AzureError {
  code: string;
  message: string;
  target: string;
  /** Codes and messages of the errors below it. */
  inner: { code: string; message: string }[];
}

/** What an error means; `sentence` replaces the general one that its HTTP status would give. */
export interface Meaning extends Explanation {
  whose?: FaultOwner;
  sentence?: string;
}

const again = 'Nothing to do: KQueen tries again by itself.';

/** Reads both shapes: the gateway's `{ error: { code, message } }` and the flat one of the AKS resource provider. */
export function readError(body: unknown): AzureError | null {
  const outer = record(body);
  const error = record(outer?.error) ?? outer;
  if (!error) return null;
  const code = text(error.code);
  const message = text(error.message);
  if (code === '' && message === '') return null;
  const details = Array.isArray(error.details) ? error.details.flatMap((each) => readError(each) ?? []) : [];
  const inner = details.flatMap((each) => [{ code: each.code, message: each.message }, ...each.inner]);
  return { code, message, target: text(error.target), inner };
}

/**
 * What an error means for a person. Codes come first; texts are looked at only where Azure gives one code to many things (BadRequest,
 * OperationNotAllowed, Conflict).
 */
export function meaningOf(status: number, error: AzureError): Meaning {
  const codes = [error.code, ...error.inner.map((each) => each.code)].filter((code) => code !== '');
  const said = reasonOf(error);
  const all = [error.message, ...error.inner.map((each) => each.message)].join('\n');
  const has = (pattern: RegExp) => codes.some((code) => pattern.test(code));
  const base: Meaning = { message: said };

  const permission = permissionOf(codes, all);
  if (permission) return permission;
  const place = placeOf(codes, all);
  if (place) return place;
  if (status === 429) return { ...base, kind: 'rate-limited' };
  if (status === 412 || has(/^(PreconditionFailed|EtagMismatch|ETagMismatch)$/i)) {
    return {
      kind: 'conflict',
      retryable: true,
      sentence: 'The cluster was changed by somebody else at the same moment.',
      next: again,
    };
  }
  if (has(/Quota|LimitReached|LimitExceeded|CountExceeds/i) || /exceed(s|ing) (the )?approved .*quota/i.test(all)) {
    return {
      ...base,
      kind: 'quota',
      whose: 'admin',
      next: 'Ask for fewer or smaller nodes, delete a cluster that nobody needs, or have an admin raise the quota of the subscription.',
    };
  }
  if (has(/^(SkuNotAvailable|AllocationFailed|ZonalAllocationFailed|Overconstrained\w*|AKSCapacity\w*)$/i)) {
    return {
      ...base,
      kind: 'capacity',
      next: 'Choose another machine size, location or zone, or try again later.',
    };
  }
  const size = /VM size (?:of )?['"]?([A-Za-z0-9_]+)['"]? is not (?:allowed|supported|available)/i.exec(all)?.[1];
  if (size || has(/VMSize/i)) {
    return {
      kind: 'bad-input',
      field: 'size',
      // The whole list of sizes that are allowed follows in Azure's text, many thousand characters.
      sentence: size
        ? `This subscription cannot have machines of the size ${size} in this location.`
        : 'This subscription cannot have machines of this size in this location.',
      next: 'Choose another machine size or location.',
    };
  }
  if (
    has(/K8sVersion|KubernetesVersion|OrchestratorVersion/i) ||
    /only one minor version|Upgrading Kubernetes version .* is not allowed/i.test(all)
  ) {
    return { ...base, kind: 'bad-input', field: 'version', next: 'Choose a version that the location offers.' };
  }
  if (has(/^ServicePrincipalNotFound$|^ServicePrincipalValidationClientError$/i)) {
    // A new principal takes some minutes to be known everywhere (az repeats such a request for ten minutes).
    return {
      kind: 'conflict',
      whose: 'provider',
      retryable: true,
      sentence: 'Azure has not spread a new identity everywhere yet.',
      next: again,
    };
  }
  if (/stopped state|cluster is stopped|is in stopped/i.test(all)) {
    return { ...base, kind: 'conflict', retryable: false, next: 'Start the cluster first.' };
  }
  if (
    has(/^(AnotherOperationInProgress|OperationPreempted|\w*OperationInProgress)$/i) ||
    /aks-pending-operation|operation .{0,60}in progress|is in progress|currently being|is currently (upgrading|updating|creating|deleting|scaling)/i.test(
      all,
    )
  ) {
    return { ...base, kind: 'conflict', retryable: true, next: again };
  }
  if (has(/^(InvalidResourceLocation|ResourceGroupBeingDeleted|ReadOnlyDisabledSubscription)$/i)) {
    return { ...base, kind: 'conflict', retryable: false, whose: 'admin' };
  }
  if (has(/^Location|^NoRegisteredProviderFound$|^InvalidLocation$/i)) {
    return { ...base, kind: 'bad-input', field: 'location', next: 'Choose another location.' };
  }
  const field = status < 500 ? fieldOf(error, all) : undefined;
  return field ? { ...base, kind: 'bad-input', field } : base;
}

/** The first useful sentence of an error: that of the service which refused, not of those that passed it on. */
export function reasonOf(error: AzureError): string {
  const texts = [error.message, ...error.inner.map((each) => each.message)];
  for (const each of texts) {
    // Reconcilers quote the service below them: `OrginalError: Code="QuotaExceeded" Message="Operation could not …"`.
    const quoted = /Message=\\?"((?:[^"\\]|\\[^"])+)/.exec(each)?.[1];
    if (quoted) return plain(quoted);
  }
  const own = plain(error.message);
  const below = error.inner.map((each) => plain(each.message)).find((each) => each.length > 10);
  // "At least one resource deployment operation failed. Please list deployment operations for details."
  if (below && (own === '' || /for details|see (the )?(inner|details)|internal (server )?error/i.test(own)))
    return below;
  return own || error.code;
}

/** Without the advice, links and trace ids that follow the reason. */
function plain(message: string): string {
  return message
    .replace(/\\n/g, ' ')
    .replace(/\s+/g, ' ')
    .replace(
      / (Additional details|Submit a request for|Please (see|read more|find more)|Details:|For more (details|information)|If you (still )?want).*$/i,
      '',
    )
    .trim();
}

function permissionOf(codes: string[], all: string): Meaning | null {
  if (
    codes.some((code) =>
      /^(AuthorizationFailed|LinkedAuthorizationFailed|LinkedAccessCheckFailed|AuthorizationPermissionMismatch)$/i.test(
        code,
      ),
    )
  ) {
    const action = /action(?:\(s\))? '([^']+)'/i.exec(all)?.[1];
    const scope = /(?:over|on|at) (?:the )?(?:linked )?scope(?:\(s\))? '([^']+)'/i.exec(all)?.[1];
    return {
      kind: 'not-allowed',
      sentence: action
        ? `The service principal may not ${action}${scope ? ` on ${scopeName(scope)}` : ''}.`
        : 'The service principal lacks a permission for this.',
      next:
        'Ask an admin to give the service principal the role "Azure Kubernetes Service Contributor Role" on the resource group' +
        `${action ? `, or another one with ${action}` : ''}. A role just given takes some minutes to count.`,
    };
  }
  if (codes.some((code) => /^RequestDisallowedByPolicy$/i.test(code))) {
    const policy = /"displayName"\s*:\s*"([^"]+)"/.exec(all)?.[1] ?? /"name"\s*:\s*"([^"]+)"/.exec(all)?.[1];
    return {
      kind: 'not-allowed',
      sentence: `A policy of the subscription forbids this${policy ? `: ${policy}` : ''}.`,
      next: 'Change the values, or ask an admin of the subscription about its Azure policies.',
    };
  }
  if (codes.some((code) => /^ScopeLocked$/i.test(code))) {
    return {
      kind: 'not-allowed',
      sentence: 'A lock at Azure forbids this change.',
      next: 'Ask an admin to remove the lock of the cluster or of its resource group.',
    };
  }
  return null;
}

function placeOf(codes: string[], all: string): Meaning | null {
  const has = (pattern: RegExp) => codes.some((code) => pattern.test(code));
  if (has(/^ResourceGroupNotFound$/i)) {
    const name = /Resource group '([^']+)'/i.exec(all)?.[1];
    return {
      kind: 'not-found',
      whose: 'admin',
      sentence: `The resource group${name ? ` ${name}` : ''} does not exist in the subscription.`,
      next: 'Ask an admin to make it (`az group create`) or to correct its name with `provisioner edit`.',
    };
  }
  if (has(/^(SubscriptionNotFound|InvalidSubscriptionId)$/i)) {
    return {
      kind: 'not-found',
      whose: 'admin',
      sentence: 'The subscription does not exist, or the service principal has no role in it.',
      next: 'Ask an admin to check the subscription ID with `provisioner edit`, and the roles of the service principal.',
    };
  }
  if (has(/^(DisabledSubscription|ReadOnlyDisabledSubscription|SubscriptionDisabled)$/i)) {
    return {
      kind: 'not-allowed',
      sentence: 'The subscription is disabled, so nothing can be changed in it.',
      next: 'Ask an admin to have it enabled again.',
    };
  }
  if (has(/^InvalidAuthenticationTokenTenant$/i)) {
    return {
      kind: 'not-allowed',
      sentence: 'The subscription belongs to another directory (tenant) than the service principal.',
      next: 'Ask an admin to check the directory (tenant) ID and the subscription ID with `provisioner edit`.',
    };
  }
  if (has(/^(MissingSubscriptionRegistration|SubscriptionNotRegistered)$/i)) {
    const provider = /'(Microsoft\.\w+)'/.exec(all)?.[1] ?? 'Microsoft.ContainerService';
    return {
      kind: 'not-allowed',
      sentence: `The subscription is not registered for ${provider}.`,
      next: `Ask an admin to run \`az provider register --namespace ${provider}\`; it takes some minutes.`,
    };
  }
  return null;
}

/** Parameters of the AKS API by the field of the cluster form that they come from. */
const fieldsByTarget: readonly [RegExp, string][] = [
  [/vmSize/i, 'size'],
  [/(agentPool\w*|agentPoolProfiles?)\.(count|minCount|maxCount)|\bcount\b/i, 'nodes'],
  [/kubernetesVersion|orchestratorVersion/i, 'version'],
  [/keyData|sshPublicKey|ssh\.publicKeys|sshRSAPublicKey/i, 'sshKey'],
  [/adminUsername/i, 'adminUsername'],
  [/osDiskSize/i, 'osDiskGb'],
  [/availabilityZones?|\bzones?\b/i, 'zones'],
  [/dnsService/i, 'dnsServiceIp'],
  [/serviceCidr/i, 'serviceCidr'],
  [/podCidr/i, 'podCidr'],
  [/networkPolicy/i, 'networkPolicy'],
  [/networkPlugin/i, 'networkPlugin'],
  [/agentPool\w*\.name/i, 'systemPool'],
  [/\blocation\b/i, 'location'],
  [/\btags?\b|TagName|TagValue/i, 'tags'],
];

function fieldOf(error: AzureError, all: string): string | undefined {
  const parameter = /parameter ['"]?([\w.[\]]+)/i.exec(all)?.[1] ?? '';
  for (const hint of [error.target, parameter, error.code, ...error.inner.map((each) => each.code)]) {
    const known = fieldsByTarget.find(([pattern]) => pattern.test(hint));
    if (hint !== '' && known) return known[1];
  }
  return undefined;
}

/** "the resource group kqueen" of a scope's long path. */
function scopeName(scope: string): string {
  const parts = scope.split('/').filter((part) => part !== '');
  const last = parts.at(-1) ?? scope;
  const kind = parts.at(-2)?.toLowerCase();
  if (kind === 'resourcegroups') return `the resource group ${last}`;
  if (kind === 'subscriptions') return `the subscription ${last}`;
  return scope;
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
