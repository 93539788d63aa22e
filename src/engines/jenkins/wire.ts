import { z } from 'zod';
import { Fault } from '../../core/errors.ts';

/**
 * Answers of Jenkins' JSON API, as core (hudson.model.*, @Exported members) and the Pipeline REST API plugin give them. What is not read here is
 * ignored; Jenkins leaves out what an account may not see, so almost everything may be missing.
 */

const ParameterValue = z.object({
  name: z.string(),
  /** Missing for passwords. */
  value: z.union([z.string(), z.number(), z.boolean()]).nullish().catch(undefined),
});

const Action = z.object({
  parameters: z.array(ParameterValue).nullish(),
  causes: z.array(z.object({ userId: z.string().nullish(), userName: z.string().nullish() }).nullable()).nullish(),
});

/** hudson.model.Run */
export const BuildAnswer = z.object({
  number: z.number().int(),
  queueId: z.number().int().nullish(),
  building: z.boolean().nullish(),
  result: z.string().nullish(),
  /** Epoch milliseconds by the clock of Jenkins. */
  timestamp: z.number(),
  duration: z.number().nullish(),
  /** Milliseconds, −1 when there is nothing to estimate from. */
  estimatedDuration: z.number().nullish(),
  description: z.string().nullish(),
  actions: z.array(Action.nullable()).nullish(),
  artifacts: z.array(z.object({ relativePath: z.string(), fileName: z.string() })).nullish(),
});
export type BuildAnswer = z.infer<typeof BuildAnswer>;

/** hudson.model.ParameterDefinition; `type` is the simple name of its class. */
export const Definition = z.object({
  name: z.string(),
  type: z.string().nullish(),
  description: z.string().nullish(),
  choices: z.array(z.string()).nullish().catch(undefined),
  defaultParameterValue: z
    .object({ value: z.union([z.string(), z.number(), z.boolean()]).nullish().catch(undefined) })
    .nullish(),
});
export type Definition = z.infer<typeof Definition>;

/** hudson.model.Job */
export const JobAnswer = z.object({
  buildable: z.boolean().nullish(),
  property: z.array(z.object({ parameterDefinitions: z.array(Definition).nullish() }).nullable()).nullish(),
  builds: z.array(BuildAnswer).nullish(),
  allBuilds: z.array(BuildAnswer).nullish(),
});
export type JobAnswer = z.infer<typeof JobAnswer>;

/** hudson.model.Queue.Item; one that has left the queue holds `executable` or `cancelled`. */
export const ItemAnswer = z.object({
  id: z.number().int(),
  why: z.string().nullish(),
  inQueueSince: z.number().nullish(),
  cancelled: z.boolean().nullish(),
  executable: z.object({ number: z.number().int().nullish() }).nullish(),
  task: z.object({ url: z.string().nullish() }).nullish(),
  actions: z.array(Action.nullable()).nullish(),
});
export type ItemAnswer = z.infer<typeof ItemAnswer>;

/** hudson.model.Queue */
export const QueueAnswer = z.object({ items: z.array(ItemAnswer) });

/** jenkins.security.WhoAmI */
export const WhoAmIAnswer = z.object({ name: z.string(), anonymous: z.boolean().nullish() });

/** hudson.security.csrf.CrumbIssuer */
export const CrumbAnswer = z.object({ crumb: z.string(), crumbRequestField: z.string() });

/** `wfapi/describe` of the plugin pipeline-rest-api. */
export const StagesAnswer = z.object({
  status: z.string().nullish(),
  stages: z.array(z.object({ name: z.string(), status: z.string().nullish() })).default([]),
});

/** Reads an answer, or throws `internal`: what answers in another shape is not the Jenkins this engine was made for. */
export function readAnswer<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Fault('internal', 'Jenkins answered in a shape that KQueen does not know.', {
    whose: 'provider',
    detail: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
  });
}
