/** docker-compose.yml as Docker Compose reads it: merged, variables filled in, everything else refused. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

export const root = join(import.meta.dirname, '..', '..');

const words = z.array(z.string()).min(1);
const seconds = z
  .string()
  .regex(/^\d+s$/)
  .transform((text) => Number(text.slice(0, -1)));

/** Strict: a key that no rule here looks at, such as `privileged`, is a mistake. */
const serviceSchema = z.strictObject({
  image: z.string(),
  build: z.literal('.').optional(),
  user: z.string().optional(),
  init: z.literal(true).optional(),
  entrypoint: words.optional(),
  command: words,
  environment: z.record(z.string(), z.string()).default({}),
  healthcheck: z
    .strictObject({ test: words, interval: seconds, timeout: seconds, start_period: seconds, retries: z.number() })
    .optional(),
  depends_on: z
    .record(z.string(), z.strictObject({ condition: z.enum(['service_started', 'service_healthy']) }))
    .default({}),
  networks: words,
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  tmpfs: z.array(z.string()).default([]),
  restart: z.string(),
  read_only: z.boolean(),
  cap_drop: words,
  security_opt: words,
  stop_grace_period: seconds.default(10),
  logging: z.strictObject({ driver: z.string(), options: z.record(z.string(), z.string()) }),
});
export type Service = z.infer<typeof serviceSchema>;

const composeSchema = z.looseObject({
  name: z.string(),
  services: z.record(z.string(), serviceSchema),
  networks: z.record(z.string(), z.strictObject({ internal: z.boolean().optional() })),
  volumes: z.record(z.string(), z.strictObject({})),
});
export type Compose = z.infer<typeof composeSchema>;

export const composeText = readFileSync(join(root, 'docker-compose.yml'), 'utf8');

/** Variables that are filled in somewhere, with what follows their name: `:?…` needed, `:-…` default, or nothing. */
export function variablesOf(text: string): { name: string; rest: string }[] {
  const code = text.replace(/^\s*#.*$/gm, '');
  return [...code.matchAll(/(?<!\$)\$\{(\w+)([^}]*)\}/g)].map(([, name = '', rest = '']) => ({ name, rest }));
}

/** Fills in the variables of one text. Throws, as Compose does, when a needed one is missing. */
export function fillIn(text: string, env: Record<string, string>): string {
  return text.replace(/\$(?:(\$)|\{(\w+)(?::([?-])([^}]*))?\}|(\w+))/g, (whole, escaped, name, how, rest) => {
    if (escaped) return '$';
    if (name === undefined) throw new Error(`write \${…} instead of ${whole}`);
    const value = env[name] ?? '';
    if (value !== '') return value;
    if (how === '?') throw new Error(`required variable ${name} is missing a value: ${rest}`);
    return how === '-' ? rest : '';
  });
}

/** The file with these variables and no others. Throws when a needed one is missing, or on anything no rule is written for. */
export function readCompose(env: Record<string, string>): Compose {
  return composeSchema.parse(filled(parse(composeText, { merge: true }), env));
}

function filled(value: unknown, env: Record<string, string>): unknown {
  if (typeof value === 'string') return fillIn(value, env);
  if (Array.isArray(value)) return value.map((each) => filled(each, env));
  if (!value || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filled(each, env)]));
}

/** A service by its name; throws when there is none. */
export function serviceOf(compose: Compose, name: string): Service {
  const service = compose.services[name];
  if (!service) throw new Error(`no service ${name} in docker-compose.yml`);
  return service;
}
