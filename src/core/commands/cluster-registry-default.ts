import { z } from 'zod';
import { mirrorsText } from '../addons-images.ts';
import { registryRef } from '../addons-registry.ts';
import { plainCard } from '../card.ts';
import { type Command, lineOf } from '../command.ts';
import { asFault, Fault } from '../errors.ts';
import { field, fieldsOf } from '../schema.ts';
import { demandMirrors, mirrorsField } from './cluster-registry.ts';
import { movedFault, repeatAnswer, toCaller } from './common.ts';

/** The mirrors of all clusters that have none of their own. */
export const registryDefault: Command = {
  name: 'registry default',
  aliases: ['cluster registry default'],
  summary: 'Set the mirrors of clusters that have none of their own',
  examples: [
    'registry default',
    'registry default mirrors="docker.io=mirror.example.com/dockerhub"',
    'registry default mirrors=none',
  ],
  group: 'Network and images',
  policy: 'registry:update',
  changes: true,
  args: z.object({ mirrors: field(mirrorsField.optional(), { ...mirrorsField.meta(), label: 'Mirrors' }) }),
  positional: [],
  async run(context, values) {
    const { caller, now } = context;
    const ref = registryRef(caller.org);
    const found = await context.store.get(ref);
    const before = found?.record.mirrors ?? [];
    const given = values.mirrors;
    if (given === undefined && context.source !== 'form') return { audience: 'caller', form: formOf(before, given) };
    let mirrors: ReturnType<typeof demandMirrors>;
    try {
      mirrors = demandMirrors(given ?? '');
    } catch (thrown) {
      const fault = asFault(thrown);
      if (context.source !== 'form' || !(thrown instanceof Fault)) throw thrown;
      const problems = [{ field: 'mirrors', message: fault.message }];
      const form = formOf(before, given);
      return {
        audience: 'caller',
        form: { ...form, fields: form.fields.map((each) => ({ ...each, problem: fault.message })) },
        problems,
      };
    }
    if (mirrorsText(mirrors) === mirrorsText(before))
      return toCaller(plainCard('Nothing to change', 'The mirrors of the organisation are like this already.'));
    const record = {
      v: 1 as const,
      id: ref.id,
      org: caller.org,
      mirrors,
      at: now,
      by: caller.person,
      byName: caller.name,
    };
    const says =
      mirrors.length === 0
        ? 'The organisation has no mirrors any more.'
        : `Clusters without mirrors of their own now have ${mirrorsText(mirrors).replaceAll(',', ', ')}.`;
    const done = await context.effect([{ op: 'put', ref, record, if: found?.revision ?? 0 }], {
      ...{ action: 'registry.default', outcome: 'done', subject: 'registry', says },
    });
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (!done.ok) throw movedFault('The mirrors of the organisation');
    return toCaller(
      plainCard(
        'Mirrors of the organisation',
        `${says} It counts for what is deployed from now on; what runs stays as it is.`,
        'good',
      ),
    );
  },
};

function formOf(before: readonly { from: string; to: string }[], given: string | undefined) {
  return {
    title: 'Mirrors of the organisation',
    command: lineOf(registryDefault, {}),
    submit: 'Set them',
    intro: 'For what is deployed from then on, in clusters that have no mirrors of their own.',
    fields: fieldsOf(registryDefault.args, { mirrors: given ?? mirrorsText(before).replaceAll(',', '\n') }),
    private: false,
  };
}
