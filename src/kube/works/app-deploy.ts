import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { unpack } from '../apply/bundle.ts';
import { stepDeploy } from '../apply/deploy.ts';
import { planDeploy, type Want } from '../apply/plan.ts';
import type { WorkOperation } from '../operation.ts';

const Input = z.object({ namespace: z.string().min(1), source: z.string() });

const want: Want = async (_talk, { input, bulk }) => {
  const { namespace, source } = Input.parse(input);
  if (bulk === undefined) throw new Fault('internal', 'There is nothing to deploy.', { retryable: false });
  return { manifests: unpack(bulk), namespace, source, privileged: false };
};

/** Applies manifests under the name of an app: new, or in place of what it was. */
export const deployApp: WorkOperation = {
  op: 'app.deploy',
  plan: (talk, work) => planDeploy(talk, work, want),
  step: (talk, work) => stepDeploy(talk, work, want),
};
