import { Fault } from '../../core/errors.ts';
import type { NodePool, Parameter } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import { HeatProvisioner } from './schema.ts';
import { type TemplateParameter, truth } from './template-parameter.ts';

/**
 * The parameters that mean something to KQueen have keys of their own in a cluster's spec, whatever the template calls them, so that nodes,
 * pools, version and size can be read from a spec alone.
 */
export const roles = ['nodes', 'gateways', 'version', 'size', 'sshKey'] as const;
export type Role = (typeof roles)[number];

/** Where a role is looked for when the provisioner does not name its parameter; the first one that is there counts. */
const usual: Record<Role, readonly string[]> = {
  nodes: [
    'node_count',
    'worker_count',
    'workers',
    'nodes',
    'k8s_nodes',
    'number_of_nodes',
    'minions',
    'number_of_minions',
  ],
  gateways: ['gateway_count', 'ingress_count', 'gateways', 'ingress_nodes'],
  version: ['kubernetes_version', 'k8s_version', 'kube_version', 'version'],
  size: ['flavor', 'node_flavor', 'worker_flavor', 'minion_flavor', 'instance_type'],
  sshKey: ['key_name', 'ssh_key', 'ssh_key_name', 'keypair', 'key_pair'],
};

const labels: Record<Role, string> = {
  nodes: 'Worker nodes',
  gateways: 'Gateway nodes',
  version: 'Kubernetes version',
  size: 'Machine size',
  sshKey: 'SSH key pair',
};

/** The fields of the provisioner that name the parameter of a role. */
const configured = {
  nodes: 'nodeParameter',
  gateways: 'gatewayParameter',
  version: 'versionParameter',
  size: 'sizeParameter',
  sshKey: 'keyParameter',
} as const satisfies Record<Role, keyof HeatProvisioner>;

export const poolNames = { nodes: 'workers', gateways: 'gateways' } as const;

/** Words that a command of KQueen takes by itself, so that a parameter of the same name needs another key. */
const taken: ReadonlySet<string> = new Set([
  ...Object.keys(HeatProvisioner.shape),
  ...['name', 'provisioner', 'purpose', 'labels', 'plan', 'owner', 'cluster', 'pool', 'reason', 'org', 'id'],
]);

/** Which parameter of a template has which key in a spec. */
export interface Keys {
  /** Key by parameter name. */
  keys: Map<string, string>;
  /** Parameter name by role. */
  roles: Partial<Record<Role, string>>;
}

/** Finds the roles among the parameters and gives every parameter a key of its own; the same names give the same keys, always. */
export function keysFor(
  names: readonly string[],
  params: { [key in (typeof configured)[Role]]?: string | undefined },
): Keys {
  const keys = new Map<string, string>();
  const found: Partial<Record<Role, string>> = {};
  for (const role of roles) {
    const asked = params[configured[role]];
    const name = (asked ? [asked] : usual[role]).find((each) => names.includes(each) && !keys.has(each));
    if (name === undefined) continue;
    found[role] = name;
    keys.set(name, role);
  }
  const used = new Set<string>(roles);
  const free = (key: string) => !taken.has(key) && !used.has(key);
  const others = names.filter((name) => !keys.has(name)).sort();
  // Those that can keep their name do, whatever order they come in.
  const plain = others.filter((name) => /^[a-z][\w-]*$/i.test(name) && free(name));
  for (const name of [...plain, ...others.filter((each) => !plain.includes(each))]) {
    let key = name.replace(/[^\w-]/g, '_').replace(/^(?![a-z])/i, 'p_');
    while (!free(key)) key = `stack_${key}`;
    used.add(key);
    keys.set(name, key);
  }
  return { keys, roles: found };
}

/** The parameters that the form asks for: neither hidden nor fixed by the provisioner. */
export function askedParameters(
  all: readonly TemplateParameter[],
  keys: Keys,
  fixed: ReadonlySet<string>,
  choices: ReadonlyMap<string, string[]> = new Map(),
): Parameter[] {
  const order = (parameter: TemplateParameter) => {
    const at = (roles as readonly string[]).indexOf(keys.keys.get(parameter.name) ?? '');
    return at < 0 ? roles.length : at;
  };
  return all
    .filter((each) => !each.hidden && !fixed.has(each.name))
    .toSorted((a, b) => order(a) - order(b))
    .map((each) => asField(each, keys, choices.get(each.name)));
}

function asField(parameter: TemplateParameter, keys: Keys, live: string[] | undefined): Parameter {
  const key = keys.keys.get(parameter.name) ?? parameter.name;
  const role = roles.find((each) => each === key);
  const counted = role === 'nodes' || role === 'gateways';
  const made: Parameter = {
    key,
    label: oneLine(parameter.label ?? (role ? labels[role] : parameter.name), [], 48),
    kind: 'text',
    required: parameter.default === undefined,
  };
  const help = [parameter.description, parameter.rule].filter((each) => each !== undefined).join(' ');
  if (help) made.help = oneLine(help, [], 300);
  if (parameter.default !== undefined) made.default = parameter.default;
  const choices = parameter.allowed ?? live;
  if (parameter.type === 'boolean') made.kind = 'toggle';
  else if (choices && choices.length > 0) {
    made.kind = 'choice';
    made.choices = choices;
    if (made.default !== undefined) made.default = String(made.default);
    // A default that the project has not got is none.
    if (typeof made.default === 'string' && made.default !== '' && !choices.includes(made.default)) {
      delete made.default;
      made.required = true;
    }
    if (made.default === '') delete made.default;
  } else if (parameter.type === 'number') {
    made.kind = 'number';
    const { min, max } = countBounds(parameter, counted);
    if (min !== undefined) made.min = min;
    if (max !== undefined) made.max = max;
  } else {
    if (parameter.type === 'json' || (parameter.maxLength ?? 0) > 1_000) made.kind = 'multiline';
    if (parameter.minLength !== undefined) made.minLength = parameter.minLength;
    if (parameter.maxLength !== undefined) made.maxLength = parameter.maxLength;
    if (parameter.pattern !== undefined && parameter.type === 'string') made.pattern = parameter.pattern;
  }
  return made;
}

/** A number of machines is not negative, and a template that sets no limit still has one here. */
function countBounds(parameter: TemplateParameter, counted: boolean): { min?: number; max?: number } {
  const bounds: { min?: number; max?: number } = {};
  const min = parameter.min ?? (counted ? 0 : undefined);
  const max = parameter.max ?? (counted ? mostNodes : undefined);
  if (min !== undefined) bounds.min = min;
  if (max !== undefined) bounds.max = max;
  return bounds;
}

/** Heat makes at most a thousand resources in a stack by default, and a node takes several. */
export const mostNodes = 500;

/**
 * What goes to Heat for a spec, by parameter name. Throws `bad-input` at the key for what the template does not take; Heat itself would
 * ignore an unknown parameter of an update.
 */
export function heatParameters(
  spec: Record<string, unknown>,
  all: readonly TemplateParameter[],
  keys: Keys,
  fixed: ReadonlyMap<string, string>,
): Record<string, unknown> {
  const byKey = new Map(all.map((each) => [keys.keys.get(each.name) ?? each.name, each]));
  const made: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(spec)) {
    const parameter = byKey.get(key);
    if (value === undefined || value === null || value === '') continue;
    if (!parameter || parameter.hidden || fixed.has(parameter.name)) {
      const offered = all.filter((each) => !each.hidden && !fixed.has(each.name));
      throw new Fault('bad-input', oneLine(`The template has no parameter ${key} that can be set.`), {
        field: key,
        next: oneLine(
          `It takes: ${offered.map((each) => keys.keys.get(each.name) ?? each.name).join(', ') || 'none'}.`,
          [],
          400,
        ),
      });
    }
    made[parameter.name] = readValue(parameter, key, value);
  }
  for (const parameter of all) {
    const given = fixed.get(parameter.name);
    if (given !== undefined) made[parameter.name] = given;
    else if (parameter.default === undefined && made[parameter.name] === undefined) throw notGiven(parameter, keys);
  }
  return made;
}

function notGiven(parameter: TemplateParameter, keys: Keys): Fault {
  if (!parameter.hidden) {
    const key = keys.keys.get(parameter.name) ?? parameter.name;
    return new Fault('bad-input', oneLine(`The ${key} is missing.`), { field: key, next: 'Fill it in.' });
  }
  return new Fault('bad-input', oneLine(`The hidden parameter ${parameter.name} of the template has no value.`), {
    field: 'hiddenParameters',
    whose: 'admin',
    next: 'Ask an admin to add it to the fixed template parameters with `provisioner edit`.',
  });
}

/** One value as Heat takes it; throws `bad-input` at the key with the template's own words where it has any. */
export function readValue(parameter: TemplateParameter, key: string, value: unknown): string | number | boolean {
  const refuse = (why: string): never => {
    const said = parameter.rule ? `${why.replace(/\.$/, '')} (${parameter.rule})` : why;
    throw new Fault('bad-input', oneLine(`The ${key} is not right: ${said}`), {
      field: key,
      next: 'Change the value and try again.',
    });
  };
  const text = String(value).trim();
  if (parameter.allowed && !parameter.allowed.includes(text)) {
    refuse(`it must be one of ${parameter.allowed.slice(0, 12).join(', ')}.`);
  }
  switch (parameter.type) {
    case 'number':
      return readNumber(parameter, key, text, refuse);
    case 'boolean':
      if (!/^(1|t|true|on|y|yes|0|f|false|off|n|no)$/i.test(text)) refuse('it must be yes or no.');
      return truth(text);
    case 'json':
      if (!isJson(text)) refuse('it must be JSON.');
      return text;
    default: {
      const { minLength, maxLength, pattern } = parameter;
      if (minLength !== undefined && text.length < minLength) refuse(`it has at least ${minLength} characters.`);
      if (maxLength !== undefined && text.length > maxLength) refuse(`it has at most ${maxLength} characters.`);
      if (pattern !== undefined && parameter.type === 'string' && !fits(pattern, text)) {
        refuse(`it must match ${pattern}.`);
      }
      return text;
    }
  }
}

function readNumber(parameter: TemplateParameter, key: string, text: string, refuse: (why: string) => never): number {
  const number = /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : refuse('it must be a number.');
  const counted = key === 'nodes' || key === 'gateways';
  if (counted && !Number.isInteger(number)) refuse('it must be a whole number.');
  const { min, max } = countBounds(parameter, counted);
  if (min !== undefined && number < min) refuse(`it must be at least ${min}.`);
  if (max !== undefined && number > max) refuse(`it must be at most ${max}.`);
  const { step, offset = 0 } = parameter;
  if (step !== undefined && step !== 0 && (number - offset) % step !== 0) {
    refuse(`it must be ${offset === 0 ? '' : `${offset} more than `}a multiple of ${step}.`);
  }
  return number;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Heat's patterns are Python's; what is not a pattern of ours is left to Heat. */
function fits(pattern: string, text: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`).test(text);
  } catch {
    return true;
  }
}

/** The spec that the parameters of a stack amount to, without hidden ones and Heat's own. */
export function specOf(
  stackParameters: Record<string, unknown>,
  keys: Keys,
  fixed: ReadonlySet<string> = new Set(),
): Record<string, unknown> {
  const spec: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(stackParameters)) {
    const key = keys.keys.get(name);
    if (key === undefined || fixed.has(name) || value === null || value === undefined || /^\*+$/.test(String(value)))
      continue;
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    if (text === '') continue;
    spec[key] = key === 'nodes' || key === 'gateways' ? numberOr(text) : text;
  }
  return spec;
}

function numberOr(text: string): number | string {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

/** The names of a stack's parameters without Heat's own (`OS::stack_id` and the like, `AWS::Region` of the other kind). */
export function namesOf(stackParameters: Record<string, unknown>): string[] {
  return Object.keys(stackParameters).filter((name) => !/^(OS|AWS)::/.test(name));
}

/** How many of something a spec asks for; 0 when it does not say. */
export function countIn(spec: Record<string, unknown>, role: 'nodes' | 'gateways'): number {
  const number = Number(spec[role] ?? 0);
  return Number.isInteger(number) && number > 0 ? number : 0;
}

/** The pools of a spec: workers, and gateways where the template has them. `bounds` by role, where they are known. */
export function poolsIn(
  spec: Record<string, unknown>,
  bounds: Partial<Record<Role, { min: number; max: number }>> = {},
): NodePool[] {
  const pools: NodePool[] = [];
  for (const role of ['nodes', 'gateways'] as const) {
    if (spec[role] === undefined) continue;
    const pool: NodePool = { name: poolNames[role], nodes: countIn(spec, role) };
    if (typeof spec.size === 'string' && spec.size !== '') pool.size = spec.size;
    const known = bounds[role];
    if (known) pool.bounds = known;
    pools.push(pool);
  }
  return pools;
}

/** How far the pools of a template may be scaled. */
export function boundsOf(
  all: readonly TemplateParameter[],
  keys: Keys,
): Partial<Record<Role, { min: number; max: number }>> {
  const found: Partial<Record<Role, { min: number; max: number }>> = {};
  for (const role of ['nodes', 'gateways'] as const) {
    const parameter = all.find((each) => each.name === keys.roles[role]);
    if (!parameter || parameter.immutable) continue;
    const allowed = (parameter.allowed ?? []).map(Number).filter(Number.isInteger);
    const { min = 0, max = mostNodes } = countBounds(parameter, true);
    found[role] = allowed.length > 0 ? { min: Math.min(...allowed), max: Math.max(...allowed) } : { min, max };
  }
  return found;
}
