import { z } from 'zod';
import { accessNamespace, accountName, bindingsOf, there, unbind } from '../access.ts';
import { eachObject } from '../client.ts';
import type { Talk, WorkOperation } from '../operation.ts';

const Input = z.object({ person: z.string().min(1) });

const steps = ['Delete the account', 'Delete its bindings'];

/** The uid of the person's account, or null when there is none. */
async function accountOf(talk: Talk, person: string): Promise<string | null> {
  let uid: string | null = null;
  const name = accountName(person);
  const fieldSelector = `metadata.name=${name}`;
  await eachObject(
    (page) => talk.client.core.listNamespacedServiceAccount({ ...page, namespace: accessNamespace, fieldSelector }),
    ({ metadata }) => {
      if (metadata?.name === name) uid = metadata.uid ?? '';
    },
  );
  return uid;
}

/** Deletes a person's account, with which all its tokens end, and what binds it to rights. */
export const revokeAccess: WorkOperation = {
  op: 'access.revoke',

  async plan(talk, { input }) {
    const { person } = Input.parse(input);
    const uid = await accountOf(talk, person);
    const bindings = await bindingsOf(talk, person);
    const where = bindings.map(
      ({ role, namespace }) => `${role} ${namespace === '' ? 'in all namespaces' : `in ${namespace}`}`,
    );
    return {
      steps,
      facts: [
        { label: 'Account', value: uid === null ? 'deleted already' : accountName(person) },
        { label: 'Rights', value: where.length === 0 ? 'none' : where.sort().join(', ') },
      ],
      disturbs: 'Whoever uses a token of this account: it ends within about ten seconds.',
      warnings: [],
      rests: { uid, bindings: where.sort() },
      ...(uid === null && bindings.length === 0
        ? { nothing: 'There is no account of this person in the cluster.' }
        : {}),
    };
  },

  async step(talk, { input }) {
    const { person } = Input.parse(input);
    // The account first: with it the tokens end, and a binding without an account gives nothing to anybody.
    const name = accountName(person);
    await there(() => talk.client.core.deleteNamespacedServiceAccount({ name, namespace: accessNamespace }));
    for (const binding of await bindingsOf(talk, person)) await unbind(talk, binding);
    return {
      state: 'done',
      progress: {},
      at: steps.length - 1,
      percent: 100,
      note: 'The account and its bindings are deleted; its tokens end within about ten seconds.',
    };
  },
};
