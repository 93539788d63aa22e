import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { scrub } from '../scrub.ts';

/**
 * What is read of the answers of Keystone (https://docs.openstack.org/api-ref/identity/v3/) and Heat
 * (https://docs.openstack.org/api-ref/orchestration/v1/); what else they hold is ignored.
 */
const EndpointEntry = z.object({
  interface: z.string(),
  region: z.string().nullish(),
  region_id: z.string().nullish(),
  url: z.string(),
});
export type EndpointEntry = z.infer<typeof EndpointEntry>;

export const CatalogEntry = z.object({ type: z.string(), endpoints: z.array(EndpointEntry).default([]) });
export type CatalogEntry = z.infer<typeof CatalogEntry>;

export const TokenAnswer = z.object({
  token: z.object({
    expires_at: z.string().nullish(),
    issued_at: z.string().nullish(),
    catalog: z.array(CatalogEntry).default([]),
    project: z.object({ id: z.string(), name: z.string() }).nullish(),
    user: z.object({ name: z.string() }).nullish(),
    roles: z.array(z.object({ name: z.string() })).default([]),
  }),
});

/** GET /v3/auth/projects: where this user may go. */
export const ProjectsAnswer = z.object({ projects: z.array(z.object({ name: z.string() })) });

const StackEntry = z.object({
  id: z.string(),
  stack_name: z.string(),
  stack_status: z.string(),
  stack_status_reason: z.string().nullish(),
  creation_time: z.string().nullish(),
  updated_time: z.string().nullish(),
  stack_owner: z.string().nullish(),
  tags: z.array(z.string()).nullish(),
});

const OutputEntry = z.object({ output_key: z.string(), output_value: z.unknown().optional() });

const StackBody = StackEntry.extend({
  parameters: z.record(z.string(), z.unknown()).default({}),
  outputs: z.array(OutputEntry).nullish(),
  timeout_mins: z.number().nullish(),
});
/** A stack as Heat shows it. Parameters are text whatever their type; hidden ones are `******`. */
export type Stack = z.infer<typeof StackBody>;

export const StackAnswer = z.object({ stack: StackBody });
export const StacksAnswer = z.object({
  stacks: z.array(StackEntry),
  links: z.array(z.object({ rel: z.string(), href: z.string() })).nullish(),
  count: z.number().nullish(),
});
export const CreatedAnswer = z.object({ stack: z.object({ id: z.string() }) });
export const OutputAnswer = z.object({ output: OutputEntry });

const ResourceEntry = z.object({
  resource_name: z.string(),
  resource_type: z.string().default(''),
  resource_status: z.string(),
  resource_status_reason: z.string().nullish(),
  physical_resource_id: z.string().nullish(),
  updated_time: z.string().nullish(),
  links: z.array(z.object({ rel: z.string(), href: z.string() })).default([]),
});
export type Resource = z.infer<typeof ResourceEntry>;
const Previewed = z.array(z.object({ resource_name: z.string(), resource_type: z.string().default('') })).default([]);

/** The dry run of an update: what would become of each resource. */
export const PreviewAnswer = z.object({
  resource_changes: z.object({ added: Previewed, updated: Previewed, replaced: Previewed, deleted: Previewed }),
});

/** GET /servers/detail of Nova. */
export const ServersAnswer = z.object({
  servers: z.array(z.object({ id: z.string(), name: z.string(), created: z.string().nullish() })),
});

export const ResourcesAnswer = z.object({ resources: z.array(ResourceEntry) });

const EventEntry = z.object({
  event_time: z.string().nullish(),
  resource_name: z.string().nullish(),
  resource_status: z.string().nullish(),
  resource_status_reason: z.string().nullish(),
  links: z.array(z.object({ rel: z.string(), href: z.string() })).default([]),
});
export const EventsAnswer = z.object({ events: z.array(EventEntry) });

/** A parameter as POST /validate describes it: the words of CloudFormation for templates of both kinds. */
const ValidatedParameter = z.object({
  Type: z.string(),
  Label: z.string().nullish(),
  Description: z.string().nullish(),
  NoEcho: z.union([z.string(), z.boolean()]).nullish(),
  Default: z.unknown().optional(),
  AllowedValues: z.array(z.unknown()).nullish(),
  AllowedPattern: z.string().nullish(),
  MinValue: z.unknown().optional(),
  MaxValue: z.unknown().optional(),
  MinLength: z.unknown().optional(),
  MaxLength: z.unknown().optional(),
  Step: z.unknown().optional(),
  Offset: z.unknown().optional(),
  ConstraintDescription: z.string().nullish(),
  CustomConstraint: z.string().nullish(),
});
export type ValidatedParameter = z.infer<typeof ValidatedParameter>;
export const ValidateAnswer = z.object({
  Description: z.string().nullish(),
  Parameters: z.record(z.string(), ValidatedParameter).default({}),
});

/** Heat's and Keystone's error bodies. Heat leaves `message` out of some refusals, and has none of it before authentication. */
export const ErrorAnswer = z.object({
  title: z.string().nullish(),
  explanation: z.string().nullish(),
  error: z.object({
    type: z.string().nullish(),
    title: z.string().nullish(),
    message: z.string().nullish(),
  }),
});

/** Reads an answer, or throws `internal`: what answers in another shape is no Heat that this engine was made for. */
export function readAnswer<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Fault('internal', 'OpenStack answered in a shape that KQueen does not know.', {
    whose: 'provider',
    retryable: false,
    next: 'Ask an admin whether the addresses of the provisioner are those of Keystone and Heat.',
    detail: scrub(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`),
  });
}
