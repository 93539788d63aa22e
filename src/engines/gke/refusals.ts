/** Google's refusals (https://google.aip.dev/193) as Faults: what its error body says is told apart as sharply as it can be. */
import { Fault, type FaultKind, type FaultOptions } from '../../core/errors.ts';
import { type Asked, type BadAnswer, retryAfter, statusFault } from '../http-faults.ts';
import { oneLine, scrub } from '../scrub.ts';
import { fieldOf } from './refused-fields.ts';
import { ErrorAnswer, type GoogleError } from './wire.ts';

const known = new WeakMap<Fault, GoogleError>();

/** What Google said behind a Fault of `refusalFault`. */
export function googleErrorOf(fault: unknown): GoogleError | undefined {
  return fault instanceof Fault ? known.get(fault) : undefined;
}

/** Google's own error in an answer, or null when it is not one of Google's. */
export function readGoogleError(text: string): GoogleError | null {
  try {
    const read = ErrorAnswer.safeParse(JSON.parse(text));
    return read.success ? read.data.error : null;
  } catch {
    return null;
  }
}

/** The Fault for an answer of 400 and above. */
export function refusalFault(asked: Asked, answer: BadAnswer, project: string, now: number): Fault {
  const error = readGoogleError(answer.text);
  if (!error) return statusFault(asked, answer, {}, now);
  const fault =
    explained(asked, answer, error, project, now) ?? statusFault(asked, answer, { message: error.message }, now);
  known.set(fault, error);
  return fault;
}

interface Meaning {
  kind: FaultKind;
  /** The sentence before what Google says, without its full stop. */
  lead: string;
  next: string;
  options?: FaultOptions;
}

function explained(asked: Asked, answer: BadAnswer, error: GoogleError, project: string, now: number): Fault | null {
  const meaning = meaningOf(answer.status, error, project);
  if (!meaning) return null;
  const said = oneLine(error.message, asked.secrets);
  const wait = retryAfter(answer.headers['retry-after'], now) ?? retryDelay(error);
  return new Fault(meaning.kind, said ? `${meaning.lead}: ${said}` : `${meaning.lead}.`, {
    ...meaning.options,
    next: meaning.next,
    detail: scrub(`HTTP ${answer.status}\n${answer.text}`, asked.secrets),
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  });
}

/** `12.5s` of google.rpc.RetryInfo, in milliseconds. */
function retryDelay(error: GoogleError): number | undefined {
  const seconds = error.details.map((each) => /^(\d+(?:\.\d+)?)s$/.exec(each.retryDelay)?.[1]).find(Boolean);
  return seconds === undefined ? undefined : Math.min(Math.round(Number(seconds) * 1_000), 86_400_000);
}

/** Wordings of "another operation runs", of which Google has several for the one status FAILED_PRECONDITION. */
const busyWords =
  /incompatible operation|is currently \w+ing|please wait and try again|being created, deleted, updated or repaired|operation.{0,80}in progress/i;

/** What a refusal means; null leaves it to the meaning of its HTTP status. */
function meaningOf(status: number, error: GoogleError, project: string): Meaning | null {
  const { message } = error;
  const reasons = [...error.details.map((each) => each.reason), ...error.errors.map((each) => each.reason)];
  const has = (...wanted: string[]) => reasons.some((reason) => wanted.includes(reason));
  if (status >= 500) return /stockout|ZONE_RESOURCE_POOL_EXHAUSTED/i.test(message) ? capacity : null;
  if (status === 401) return null;
  if (
    has('SERVICE_DISABLED', 'accessNotConfigured') ||
    /has not been used in project|API .*is (disabled|not enabled)/i.test(message)
  ) {
    return apiDisabled(message, project);
  }
  if (has('BILLING_DISABLED') || /billing.{0,40}(disabled|not enabled|to be enabled)/i.test(message)) {
    return {
      kind: 'not-allowed',
      lead: `The project ${project} has no billing`,
      next: 'Ask an admin to link the project to a billing account in the Google Cloud console.',
    };
  }
  const limited = rateOrQuota(status, error, has);
  if (limited) return limited;
  if (/stockout|does not have enough resources|ZONE_RESOURCE_POOL_EXHAUSTED/i.test(message)) return capacity;
  if (
    has('operationInProgress') ||
    error.status === 'ABORTED' ||
    ([400, 409].includes(status) && busyWords.test(message))
  ) {
    return busy;
  }
  switch (status) {
    case 403:
      return forbidden(error, project, has);
    case 404:
      return projectMissing(message)
        ? missingProject(project)
        : { kind: 'not-found', lead: 'Google does not know that', next: 'Look with `cluster check`.' };
    case 409:
      return {
        kind: 'conflict',
        lead: 'Google refuses because something else is in the way',
        next: 'Choose another name.',
      };
    case 400:
      return badRequest(error, project, has);
    default:
      return null;
  }
}

const capacity: Meaning = {
  kind: 'capacity',
  lead: 'Google has no such machines left there',
  next: 'Try another zone or machine type, or try again later.',
};

const busy: Meaning = {
  kind: 'conflict',
  lead: 'Google is busy with this cluster',
  next: 'KQueen tries again by itself.',
  options: { retryable: true },
};

function rateOrQuota(status: number, error: GoogleError, has: (...reasons: string[]) => boolean): Meaning | null {
  const { message } = error;
  const rate: Meaning = {
    kind: 'rate-limited',
    lead: 'Google asks KQueen to slow down',
    next: 'Nothing to do: KQueen goes on as soon as it may.',
  };
  if (/quota exceeded for quota (metric|group)|per minute|rate limit/i.test(message)) return rate;
  if (has('RATE_LIMIT_EXCEEDED', 'rateLimitExceeded', 'userRateLimitExceeded')) return rate;
  const used =
    /insufficient (regional |project |global )?quota|quota.{0,60}exceeded|exceed.{0,60}quota|QUOTA_EXCEEDED|limit of .{0,20}clusters/i;
  if (has('quotaExceeded', 'QUOTA_EXCEEDED', 'GCE_QUOTA_EXCEEDED') || used.test(message)) {
    return {
      kind: 'quota',
      lead: 'The quota of the Google project is used up',
      next: 'Ask for fewer or smaller nodes, delete a cluster that nobody needs, or have an admin raise the quota (IAM & Admin, Quotas).',
    };
  }
  return status === 429 ? rate : null;
}

function apiDisabled(message: string, project: string): Meaning {
  const api = /compute/i.test(message) ? 'compute.googleapis.com' : 'container.googleapis.com';
  return {
    kind: 'not-allowed',
    lead: `The API ${api} is not enabled in the project ${project}`,
    next: `Ask an admin to run \`gcloud services enable ${api} --project ${project}\` and wait a few minutes.`,
  };
}

function projectMissing(message: string): boolean {
  return (
    /project.{0,80}(not found|does not exist|deleted)|(not found|does not exist).{0,20}project ['"]?[\w.:-]+['"]?\.?$/i.test(
      message,
    ) && !/clusters?\/|\/(zones|regions)\/[^/]+\/\w/.test(message)
  );
}

function missingProject(project: string): Meaning {
  return {
    kind: 'not-found',
    lead: `There is no project ${project}, or the service account may not see it`,
    next: 'Ask an admin to correct the project with `provisioner edit`, or to grant the service account the roles of the guide there.',
    options: { whose: 'admin' },
  };
}

function forbidden(error: GoogleError, project: string, has: (...reasons: string[]) => boolean): Meaning {
  const { message } = error;
  const said = error.details.map((each) => each.metadata.permission).find(Boolean);
  const permission =
    said ??
    /\b([a-z]+\.[a-zA-Z]+\.[a-zA-Z]+)\b['"]? permission|permission ['"]?([a-z]+\.[a-zA-Z]+\.[a-zA-Z]+)/i
      .exec(message)
      ?.slice(1)
      .find(Boolean);
  if (permission) {
    return {
      kind: 'not-allowed',
      lead: `The service account lacks the permission ${oneLine(permission, [], 80)}`,
      next: `Ask an admin to grant it the role ${roleFor(permission)} in the project ${project}.`,
    };
  }
  if (/iam\.serviceAccountUser|actAs|access to service account/i.test(message)) return serviceAccountUser;
  if (has('ACCESS_TOKEN_SCOPE_INSUFFICIENT')) {
    return {
      kind: 'not-allowed',
      lead: 'The access token may not be used for this',
      next: 'Ask an admin to replace the key of the service account with `provisioner edit`.',
    };
  }
  // Google says "Permission denied on resource project X" of projects that do not exist, so that nobody can try out names.
  if (
    has('CONSUMER_INVALID', 'RESOURCE_PROJECT_INVALID') ||
    projectMissing(message) ||
    /permission denied on (resource )?project/i.test(message)
  ) {
    return missingProject(project);
  }
  return {
    kind: 'not-allowed',
    lead: 'The service account may not do this',
    next: `Ask an admin to grant it the roles of the guide in the project ${project}.`,
  };
}

const serviceAccountUser: Meaning = {
  kind: 'not-allowed',
  lead: 'The service account lacks the permission iam.serviceAccounts.actAs on the service account of the nodes',
  next: 'Ask an admin to grant it the role roles/iam.serviceAccountUser on the service account of the nodes.',
};

/** The least role with a permission, as the guide names it. */
function roleFor(permission: string): string {
  if (permission.startsWith('container.')) return 'roles/container.admin';
  if (/^compute\..*\.update$/.test(permission))
    return 'roles/compute.instanceAdmin.v1 (or the smaller one of the guide)';
  if (permission.startsWith('compute.')) return 'roles/compute.viewer';
  if (permission.startsWith('iam.serviceAccounts.')) return 'roles/iam.serviceAccountUser';
  return `that has ${oneLine(permission, [], 80)}`;
}

function badRequest(error: GoogleError, project: string, has: (...reasons: string[]) => boolean): Meaning {
  const { message } = error;
  if (/iam\.serviceAccountUser/i.test(message)) return serviceAccountUser;
  if (has('CONSUMER_INVALID') || projectMissing(message)) return missingProject(project);
  if (error.status === 'FAILED_PRECONDITION') {
    const passing = /fingerprint|in progress|try again/i.test(message);
    return {
      kind: 'conflict',
      lead: 'Google cannot do that to the cluster as it is',
      next: passing ? 'KQueen tries again by itself.' : 'Look at the cluster with `cluster show`, then try again.',
      options: { retryable: passing },
    };
  }
  const field = fieldOf(error);
  return {
    kind: 'bad-input',
    lead: 'Google did not accept the request',
    next: 'Change the values and try again.',
    ...(field ? { options: { field } } : {}),
  };
}
