import { z } from 'zod';
import { Fault } from '../../core/errors.ts';

/** What is read of the provider's answers; what else they hold is ignored, so that a newer provider does no harm. */
export const ClusterAnswer = z.object({
  id: z.string(),
  name: z.string(),
  region: z.string(),
  version: z.string(),
  size: z.string().default(''),
  nodes: z.number().int(),
  gateways: z.number().int().default(0),
  networkPolicy: z.boolean().default(false),
  addons: z
    .array(z.object({ name: z.string(), title: z.string(), note: z.string().default(''), on: z.boolean() }))
    .default([]),
  labels: z.record(z.string(), z.string()).default({}),
  labelFingerprint: z.string().default(''),
  status: z.string(),
  statusMessage: z.string().nullish(),
  operation: z.string().nullish(),
  endpoint: z.string().nullish(),
  machines: z.array(z.object({ name: z.string(), createdAt: z.string() })).default([]),
});
export type ClusterAnswer = z.infer<typeof ClusterAnswer>;

export const ClustersAnswer = z.object({
  clusters: z.array(ClusterAnswer),
  nextPage: z.number().int().nullish(),
});

export const OperationAnswer = z.object({
  id: z.string(),
  type: z.string(),
  status: z.string(),
  percent: z.number().nullish(),
  step: z.string().nullish(),
  error: z.object({ code: z.string(), message: z.string() }).nullish(),
});

export type OperationAnswer = z.infer<typeof OperationAnswer>;

/** The answer of a change: the operation that it began, or that runs already. */
export const BegunAnswer = z.object({ operation: z.object({ id: z.string() }) });

export const EventsAnswer = z.object({
  events: z.array(z.object({ at: z.string(), type: z.string(), message: z.string() })),
});

export const AccountAnswer = z.object({
  project: z.string(),
  title: z.string(),
  quota: z.object({ clusters: z.number(), nodes: z.number() }),
  used: z.object({ clusters: z.number(), nodes: z.number() }),
});

/** Regions, versions and sizes with their prices; kept as it came for `price`. */
export const CatalogAnswer = z.object({
  currency: z.string(),
  controlPlanePricePerHour: z.number(),
  regions: z.array(z.object({ name: z.string(), title: z.string(), priceFactor: z.number() })),
  versions: z.array(z.object({ version: z.string(), status: z.string(), endOfLife: z.string() })),
  sizes: z.array(z.object({ name: z.string(), title: z.string(), pricePerHour: z.number() })),
});
export type CatalogAnswer = z.infer<typeof CatalogAnswer>;

/** The provider's error body, wherever it answers 400 and above. */
export const ErrorAnswer = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    field: z.string().optional(),
    quota: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    operation: z.string().optional(),
  }),
});

/** Reads an answer, or throws `internal`: a provider that answers in another shape is not the one this engine was made for. */
export function readAnswer<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new Fault('internal', 'The sandbox provider answered in a shape that KQueen does not know.', {
    whose: 'provider',
    detail: `${where}: ${parsed.error.issues[0]?.message ?? ''}`,
  });
}
