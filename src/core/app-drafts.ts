/** What a person has given for an app, kept sealed between the plan and the click on it: no line could carry it, and manifests may hold secrets. */
import type { Context } from './command.ts';
import { Fault } from './errors.ts';
import { hashOf } from './plan.ts';
import type { Ref } from './ports/store.ts';

/** How long a plan can be clicked on, in milliseconds. */
const draftMs = 60 * 60_000;

function refOf(context: Pick<Context, 'caller'>, id: string): Ref<'secret'> {
  // Bound to the person: nobody deploys what another has pasted.
  const whose = hashOf(context.caller.person).slice(0, 12);
  return { kind: 'secret', org: context.caller.org, id: `draft.${whose}.${id}` };
}

/** Keeps a draft for an hour and answers its name. */
export async function keepDraft(context: Context, text: string): Promise<string> {
  const id = context.newId(12);
  const ref = refOf(context, id);
  const lease = await context.store.lease(draftMs);
  const sealed = context.sealer.seal(ref, text);
  await context.store.commit([{ op: 'put', ref, record: { v: 1, id: ref.id, org: ref.org, sealed }, lease: lease.id }]);
  return id;
}

/** A kept draft; a Fault when its hour is over, which names the command to begin `anew` with. */
export async function readDraft(context: Context, id: string, anew = 'app deploy'): Promise<string> {
  const ref = refOf(context, /^[\w-]{1,40}$/.test(id) ? id : 'none');
  const found = await context.store.get(ref);
  if (found) return context.sealer.open(ref, found.record.sealed);
  throw new Fault(
    'not-found',
    'What was to be deployed is not kept any more: a plan holds for an hour, and for whoever made it.',
    {
      whose: 'caller',
      next: `Begin anew with ${anew}.`,
    },
  );
}
