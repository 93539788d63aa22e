/**
 * The structure of Block Kit as `@slack/types` declares it: a JSON Schema is made from its types once for each version and kept in
 * node_modules/.cache. It knows no limits; those are in test/counterparts/slack/blocks.ts and elements.ts, each with its source.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Ajv, type AnySchemaObject, type ErrorObject, type ValidateFunction } from 'ajv';

const root = join(import.meta.dirname, '../..');
const types = join(root, 'node_modules/@slack/types');
const makers = ['@slack/types', 'ts-json-schema-generator'].map((name) => versionOf(name));
const cached = join(root, `node_modules/.cache/kqueen/slack-types-${makers.join('-')}.json`);

/** The names of the types that anything may be checked against. */
type Root = 'KnownBlock' | 'View' | 'MessageMetadata';
const roots: Root[] = ['KnownBlock', 'View', 'MessageMetadata'];

function versionOf(name: string): string {
  const text = readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The kept schema, or a new one; two processes that make it at the same time make the same. */
function schema(): AnySchemaObject {
  try {
    return JSON.parse(readFileSync(cached, 'utf8')) as AnySchemaObject;
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')) throw thrown;
  }
  const made = generate();
  mkdirSync(dirname(cached), { recursive: true });
  const half = `${cached}.${process.pid}`;
  writeFileSync(half, JSON.stringify(made));
  renameSync(half, cached);
  return made;
}

function generate(): AnySchemaObject {
  // It brings a compiler of its own, which is loaded only when there is something to make.
  const { createGenerator } = createRequire(import.meta.url)(
    'ts-json-schema-generator',
  ) as typeof import('ts-json-schema-generator');
  const generator = createGenerator({
    path: join(types, 'dist/index.d.ts'),
    type: '*',
    skipTypeCheck: true,
    additionalProperties: false,
  });
  const definitions = roots.map((name) => generator.createSchema(name).definitions ?? {});
  return { $id: 'slack', definitions: Object.assign({}, ...definitions) as Record<string, unknown> };
}

let ajv: Ajv | undefined;
let byType: Map<string, string> | undefined;

function validator(definition: string): ValidateFunction {
  if (!ajv) {
    ajv = new Ajv({ strict: false, allErrors: true });
    ajv.addSchema(schema());
  }
  const found = ajv.getSchema(`slack#/definitions/${definition}`);
  if (!found) throw new Error(`@slack/types declares no ${definition}`);
  return found;
}

/** The values that `type` may have, also where a declaration is made of several. */
function typesOf(schema: AnySchemaObject): string[] {
  const { const: type } = (schema.properties as Record<string, { const?: string }> | undefined)?.type ?? {};
  const members = [...((schema.anyOf ?? schema.allOf ?? []) as AnySchemaObject[])];
  return type === undefined ? [...new Set(members.flatMap(typesOf))] : [type];
}

/** The declaration of each block and view by its `type`. */
function declarations(): Map<string, string> {
  byType ??= new Map(
    Object.entries((schema().definitions ?? {}) as Record<string, AnySchemaObject>).flatMap(([name, each]) =>
      /(?:Block|View)$/.test(name) ? typesOf(each).map((type): [string, string] => [type, name]) : [],
    ),
  );
  return byType;
}

/** The complaints that lie deepest: of a union all other members complain as well, nearer to the top. */
function deepest(errors: ErrorObject[]): ErrorObject[] {
  const depth = ({ instancePath }: ErrorObject) => instancePath.split('/').length;
  const most = Math.max(0, ...errors.map(depth));
  return errors.filter((each) => depth(each) === most).slice(0, 4);
}

function complaints(definition: string, value: unknown, at: string): string[] {
  const validate = validator(definition);
  if (validate(value)) return [];
  return deepest(validate.errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${at}${instancePath}: ${message} ${JSON.stringify(params)} [${definition} of @slack/types]`,
  );
}

/** What of the blocks of a message is not as `@slack/types` declares it. */
export function blockFaults(blocks: readonly unknown[], at = '/blocks'): string[] {
  return blocks.flatMap((block, index) => {
    const type = (block as { type?: unknown } | null)?.type;
    const name = declarations().get(String(type));
    return name === undefined
      ? [`${at}/${index}: no block of type ${String(type)} in @slack/types`]
      : complaints(name, block, `${at}/${index}`);
  });
}

/** The same of a modal or a home tab: the view itself, and each of its blocks. */
export function viewStructureFaults(view: unknown): string[] {
  const { blocks, ...rest } = (view ?? {}) as { type?: unknown; blocks?: unknown[] };
  const name = declarations().get(String(rest.type));
  if (name === undefined) return [`/view: no view of type ${String(rest.type)} in @slack/types`];
  return [...complaints(name, { ...rest, blocks: [] }, '/view'), ...blockFaults(blocks ?? [], '/view/blocks')];
}

/** The same of the metadata of a message. */
export function metadataFaults(metadata: unknown): string[] {
  return complaints('MessageMetadata', metadata, '/metadata');
}
