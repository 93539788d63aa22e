/** Why a cluster does not take an object, from its own words. */
import { Fault } from '../../core/errors.ts';
import { plain } from '../faults.ts';
import { called, type Manifest } from './manifests.ts';

/** One object that a cluster refuses. */
export interface Refusal {
  why: 'conflict' | 'immutable' | 'unknown-field' | 'quota' | 'webhook' | 'no-namespace' | 'no-kind' | 'invalid';
  /** A sentence for people. */
  text: string;
  next?: string;
  /** With `conflict`: who else keeps the fields, and which. */
  others?: { manager: string; fields: string[] }[];
}

/** The whole message of a refused request; a Fault's own is cut for chat. */
function saidBy(fault: Fault): { status: number; message: string } {
  const [, code = '0', text = ''] = /^HTTP (\d+)\n([\s\S]*)$/.exec(fault.detail ?? '') ?? [];
  const written = /"message"\s*:\s*"((?:[^"\\]|\\.)*)/.exec(text)?.[1];
  let message = fault.message;
  if (written !== undefined) {
    try {
      message = JSON.parse(`"${written.replace(/\\$/, '')}"`) as string;
    } catch (thrown) {
      if (!(thrown instanceof SyntaxError)) throw thrown;
    }
  }
  return { status: Number(code), message };
}

/** The refusal in a Fault; null for what is none of the object's business, such as a server that does not answer. */
export function refusalOf(thrown: unknown, manifest: Manifest): Refusal | null {
  if (!(thrown instanceof Fault)) return null;
  const { status, message } = saidBy(thrown);
  if (status === 0) return null;
  const it = called(manifest);
  const words = plain(message, 300);
  if (status === 409 && /^Apply failed with/.test(message)) return conflict(it, message);
  if (/admission webhook "[^"]+" denied the request/.test(message)) {
    return { why: 'webhook', text: `A check of the cluster refuses ${it}: ${words}` };
  }
  if (/failed calling webhook/.test(message)) {
    return {
      why: 'webhook',
      text: `The cluster must ask a webhook about ${it}, which fails: ${words}`,
      next: 'Look after the app that the webhook belongs to.',
    };
  }
  if (
    /strict decoding error|failed to create typed patch object|field not declared in schema|unknown field/.test(message)
  ) {
    return unknownField(it, message);
  }
  if (status === 403 && /exceeded quota|must specify/.test(message)) {
    return {
      why: 'quota',
      text: `A quota of the cluster refuses ${it}: ${words}`,
      next: 'Ask for less, or have the quota raised.',
    };
  }
  if (status === 403 && /violates PodSecurity/.test(message)) {
    return { why: 'webhook', text: `The namespace's security level refuses ${it}: ${words}` };
  }
  if (status === 404) {
    const gone = /namespaces? "([^"]+)" not found/.exec(message)?.[1];
    if (gone !== undefined) return { why: 'no-namespace', text: `There is no namespace ${gone} for ${it}.` };
    return { why: 'no-kind', text: `The cluster does not know the kind of ${it}.` };
  }
  if (status === 422 || status === 400) {
    if (
      /immutable|updates to statefulset spec|may not change once set|cannot be changed|may not be changed/i.test(
        message,
      )
    )
      return immutable(it, message, manifest);
    return { why: 'invalid', text: `The cluster does not take ${it}: ${words}` };
  }
  if (status === 403 && !/cannot (get|list|patch|create|update|delete)/.test(message)) {
    return { why: 'webhook', text: `The cluster refuses ${it}: ${words}` };
  }
  return null;
}

function conflict(it: string, message: string): Refusal {
  const others: NonNullable<Refusal['others']> = [];
  for (const part of message.split(/conflicts? with /).slice(1)) {
    const manager = /^"([^"]*)"/.exec(part)?.[1] ?? 'another one';
    const listed = [...part.matchAll(/^- (\S+)$/gm)].map(([, field]) => field ?? '');
    const single = /:\s*(\.\S+)\s*$/.exec(part)?.[1];
    const fields = listed.length > 0 ? listed : single === undefined ? [] : [single];
    others.push({ manager, fields: fields.map((field) => field.replace(/^\./, '')) });
  }
  const who = others.map(
    ({ manager, fields }) =>
      `${plain(manager, 60)} keeps ${
        fields
          .slice(0, 5)
          .map((field) => plain(field, 80))
          .join(', ') || 'some fields'
      }`,
  );
  return {
    why: 'conflict',
    text: `Of ${it}, ${who.join('; ')}.`,
    next: 'Leave these fields out of the manifests, or say force=yes to take them over.',
    others,
  };
}

function unknownField(it: string, message: string): Refusal {
  const strict = [...message.matchAll(/(unknown|duplicate) field "([^"]+)"/g)].map(
    ([, how, field]) => `${how} field ${field}`,
  );
  const typed = [...message.matchAll(/(\.[\w.[\]"=/-]+): field not declared in schema/g)].map(
    ([, field = '']) => `unknown field ${field.slice(1)}`,
  );
  const fields = [...new Set([...strict, ...typed])].slice(0, 5);
  const text =
    fields.length > 0
      ? `${it} has an ${fields.join(', ')}.`.replace('an duplicate', 'a duplicate')
      : `${it} does not fit its kind: ${plain(message, 240)}`;
  return { why: 'unknown-field', text, next: 'Look for a typing error, or a field that this version does not have.' };
}

function immutable(it: string, message: string, manifest: Manifest): Refusal {
  const field =
    /((?:spec|data|roleRef|metadata|webhooks|provisioner|parameters)[\w.[\]]*): (?:Invalid value|Forbidden)/.exec(
      message,
    )?.[1] ??
    (/updates to statefulset spec/.test(message)
      ? 'spec (other than replicas, template, updateStrategy)'
      : 'a field of it');
  const how =
    manifest.kind === 'Job'
      ? 'Give the Job another name, or delete the old one first.'
      : manifest.kind === 'StatefulSet' || manifest.kind === 'PersistentVolumeClaim'
        ? 'Give it another name and move the data, or delete it first and deploy again.'
        : 'Give it another name, or delete it first and deploy again.';
  return { why: 'immutable', text: `${field} of ${it} cannot be changed once it is made.`, next: how };
}

/** One Fault for all that was refused. */
export function refusalFault(refusals: readonly Refusal[]): Fault {
  const shown = refusals.slice(0, 5).map(({ text }) => text);
  const more = refusals.length - shown.length;
  const next = [...new Set(refusals.flatMap((each) => each.next ?? []))].slice(0, 2).join(' ');
  const [first] = refusals;
  const kind =
    first?.why === 'quota'
      ? 'quota'
      : first?.why === 'conflict' || first?.why === 'immutable'
        ? 'conflict'
        : 'bad-input';
  return new Fault(kind, `${shown.join(' ')}${more > 0 ? ` And ${more} more are refused.` : ''}`, {
    ...(next ? { next } : {}),
    whose: 'caller',
    retryable: false,
    field: 'manifest',
  });
}
