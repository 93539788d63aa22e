import type { BadAnswer, Explanation } from '../http-faults.ts';
import { ErrorAnswer } from './wire.ts';

/** Where Heat names the request that failed; an operator of the cloud finds it in the logs by this. */
const requestIdHeader = 'x-openstack-request-id';

/** Keeps the id of the request with the text of the answer, which goes into the detail of the Fault. */
function keepRequestId(answer: BadAnswer): void {
  const id = answer.headers[requestIdHeader];
  if (typeof id === 'string' && id !== '') answer.text += `\n${requestIdHeader}: ${id}`;
}

/** Reads Keystone's refusals of POST /v3/auth/tokens. */
export function explainKeystone(byCredential: boolean) {
  return (status: number, body: unknown, answer: BadAnswer): Explanation => {
    keepRequestId(answer);
    const message = ErrorAnswer.safeParse(body).data?.error.message ?? undefined;
    if (status === 400 || status === 403) {
      return { kind: 'not-allowed', ...(message ? { message } : {}), next: renewNext(byCredential), retryable: false };
    }
    if (status !== 401) return message ? { message } : {};
    return {
      message: byCredential
        ? 'the application credential is wrong, expired or deleted, or its owner has lost the role.'
        : 'the user, its domain or the password is wrong.',
      next: renewNext(byCredential),
    };
  };
}

function renewNext(byCredential: boolean): string {
  return byCredential
    ? 'Ask an admin to make a new application credential and to put it in with `provisioner edit`.'
    : 'Ask an admin to check user, password and domain with `provisioner edit`.';
}

/** Heat's policies name what is refused (`stacks:create`), not the role that would allow it, which every cloud may set otherwise. */
function noRole(said: string): Explanation {
  const rule = /not authorized to use ([\w:]+)/.exec(said)?.[1];
  const what = rule ? `for ${rule} its policy` : 'its policy';
  return {
    message: `${what} asks for a role in the project, usually heat_stack_owner (or member), which the account does not have.`,
    next: 'Ask an admin of the cloud to grant the account the role heat_stack_owner in the project.',
  };
}

const noTrust: Explanation = {
  message:
    'this cloud does not let application credentials create the trust that Heat makes for every stack, so it cannot be used to create or change stacks.',
  next: 'Ask an admin to use a user and password of an account of its own instead, with `provisioner edit`.',
};

const quotaNext = 'Delete a cluster that nobody needs, ask for less, or have the quota of the project raised.';

/** Reads Heat's error bodies by their type; one that is not known keeps the meaning of its HTTP status. */
export function explainHeat(options: { byCredential: boolean; field(message: string): string | undefined }) {
  return (status: number, body: unknown, answer: BadAnswer): Explanation => {
    keepRequestId(answer);
    const read = ErrorAnswer.safeParse(body);
    const type = read.data?.error.type ?? '';
    const message = read.data?.error.message ?? read.data?.explanation ?? '';
    // Keystone's refusal of the trust comes through Heat without a word; a policy of Heat has some.
    const silent = !read.data?.error.message;
    if (status === 403 && options.byCredential && (silent || /trust/i.test(message))) return noTrust;
    if (status === 403) return noRole(message);
    if (status < 400 || status >= 500) return message ? { message } : {};
    if (/quota|OverLimit|maximum stacks per/i.test(message)) {
      return { kind: 'quota', message, next: quotaNext, retryable: false };
    }
    switch (type) {
      case 'RequestLimitExceeded':
      case 'DownloadLimitExceeded':
      case 'InvalidTemplateVersion':
      case 'InvalidTemplateSection':
      case 'InvalidTemplateReference':
      case 'InvalidSchemaError':
      case 'ResourceTypeUnavailable':
        return {
          kind: 'bad-input',
          message,
          field: 'template',
          next: 'Ask an admin to mend the template of the provisioner.',
        };
      case 'MissingCredentialError':
        return {
          kind: 'not-allowed',
          message: 'the cloud wants a user and password, so that Heat can act later by itself.',
          next: 'Ask an admin to use a user and password instead of an application credential, with `provisioner edit`.',
          retryable: false,
        };
      case 'ActionInProgress':
        return { kind: 'conflict', message, retryable: true, next: 'KQueen tries again by itself.' };
      case 'NotSupported':
        return { kind: 'conflict', message, retryable: false };
      case 'StackExists':
        return { kind: 'conflict', message, retryable: false };
      case 'ImmutableParameterModified':
        return {
          kind: 'bad-input',
          message,
          ...fieldOf(options.field(message)),
          next: 'The template does not let this be changed later; make a new cluster instead.',
        };
      default: {
        if (status !== 400) return message ? { message } : {};
        return { kind: 'bad-input', ...(message ? { message } : {}), ...fieldOf(options.field(message)) };
      }
    }
  };
}

function fieldOf(field: string | undefined): Explanation {
  return field === undefined ? {} : { field };
}

/** The names of template parameters that a refusal of Heat may be about, as it quotes them. */
export function namesIn(message: string): string[] {
  const patterns = [/Parameter '([^']+)'/g, /The Parameter \(([^)]+)\)/g, /may not be updated: (.+)$/g];
  return patterns.flatMap((pattern) =>
    [...message.matchAll(pattern)].flatMap(([, found]) => (found ?? '').split(', ').map((each) => each.trim())),
  );
}

/** The values of properties that Heat refuses, as it quotes them: a flavor or an image that does not exist. */
export function valuesIn(message: string): string[] {
  return [...message.matchAll(/Error validating value '([^']*)'/g)].map(([, found]) => found ?? '');
}
