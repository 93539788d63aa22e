import { Fault } from '../../core/errors.ts';
import type { BadAnswer, Explanation } from '../http-faults.ts';

/** How Jenkins is named in sentences. */
export const providerName = 'Jenkins';

/** A permission's id as the pages of Jenkins write it: `hudson.model.Item.Build` is Job/Build. */
export function permissionName(id: string): string {
  const groups: Record<string, string> = {
    'hudson.model.Item': 'Job',
    'hudson.model.Hudson': 'Overall',
    'hudson.model.Run': 'Run',
    'hudson.model.View': 'View',
  };
  const at = id.lastIndexOf('.');
  const group = Object.hasOwn(groups, id.slice(0, at)) ? groups[id.slice(0, at)] : undefined;
  return group ? `${group}/${id.slice(at + 1)}` : id;
}

/** The first of a header's values. */
export function header(headers: BadAnswer['headers'], name: string): string | undefined {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) || undefined;
}

/** Whether a refusal is about the crumb, which lives as long as its session. */
export function isCrumbRefusal(status: number, answer: BadAnswer): boolean {
  return status === 403 && /no valid crumb/i.test(answer.text);
}

/** Reads the error pages of Jenkins, which are HTML for people; what they say best is in the headers and in fixed phrases. */
export function explainAnswer(status: number, _body: unknown, answer: BadAnswer): Explanation {
  const permission = header(answer.headers, 'x-required-permission');
  const user = header(answer.headers, 'x-you-are-authenticated-as');
  if (status === 403 && permission) {
    const name = permissionName(permission);
    return {
      message: `${user ? `the user ${user}` : 'its user'} lacks the permission ${name}.`,
      next: `Ask an admin of Jenkins to give the account ${name}, also in the folders of the jobs.`,
    };
  }
  if (isCrumbRefusal(status, answer)) {
    return {
      message: 'it wants a crumb that it accepts.',
      next: 'Ask an admin to give the provisioner an API token instead of the password: tokens need no crumb.',
    };
  }
  if (status === 401) {
    return { next: 'Ask an admin to make a new API token in Jenkins and to enter it with `provisioner edit`.' };
  }
  if (status === 503 && /jenkins/i.test(answer.text)) {
    return { message: 'it is starting or restarting.', next: 'KQueen tries again by itself.' };
  }
  if (status === 409 && /not buildable/i.test(answer.text)) {
    return {
      kind: 'not-allowed',
      message: 'the job is disabled.',
      next: 'Ask an admin of Jenkins to enable the job.',
    };
  }
  if ((status === 400 || status === 500) && /not parameterized/i.test(answer.text)) {
    return {
      kind: 'bad-input',
      message: 'the job has no parameters.',
      next: 'Ask an admin to give the job its parameters, or to name another job in the provisioner.',
    };
  }
  const illegal = /Illegal choice for parameter ([\w.-]+)/i.exec(answer.text)?.[1];
  if (illegal) return { kind: 'bad-input', message: `it does not take this value for ${illegal}.`, field: illegal };
  // Some refusals come with their sentence in a header of their own.
  const said = header(answer.headers, 'x-error');
  return said ? { message: said } : {};
}

/** The Fault for an address where something else answers. */
export function notJenkins(): Fault {
  return new Fault('unreachable', 'The address of the provisioner is not that of a Jenkins.', {
    whose: 'admin',
    retryable: false,
    next: 'Ask an admin to check the address of the provisioner: as in the browser, with the path if there is one.',
  });
}

/** The Fault for what Jenkins answers with its 404: what is not there, or may not be seen. */
export function missing(what: string): Fault {
  return new Fault('not-found', `Jenkins has no ${what}, or its user may not see it.`, {
    whose: 'admin',
    next: 'Ask an admin to check the name with its folders, and that the account has Job/Read there.',
  });
}
