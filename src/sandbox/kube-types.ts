import { isObject, type Json, type JsonObject, listAt, objectAt, textAt } from './json.ts';
import { TYPES } from './kube-protobuf-types.ts';
import type { Resource } from './kube-registry.ts';
import { GROUP_TYPES } from './kube-types-groups.ts';
import { ATOMIC, LISTS } from './kube-types-lists.ts';

/** A member of a type: its JSON name, its number in protobuf, and its type (see kube-protobuf-types.ts). */
export type Member = { name: string; number: number; list: boolean; map: boolean; pointer: boolean; type: string };

/** What a value may be, and how server-side apply and strategic merge patches merge it. */
export type Shape =
  | { kind: 'any' }
  | { kind: 'leaf'; type: string }
  | { kind: 'object'; name: string; member: (name: string) => Shape | undefined; atomic: boolean }
  | { kind: 'map'; item: Shape; atomic: boolean }
  | { kind: 'list'; item: Shape; keys: readonly string[]; set: boolean; patchKey: string; patchSet: boolean };

const ANY: Shape = { kind: 'any' };
const SCALARS = new Set(['s', 'i', 'd', 'b', 'y', 'T', 'U', 'Q', 'O']);

let types: Map<string, Member[]> | undefined;
let lists: Map<string, Map<string, string>> | undefined;
const shapes = new Map<string, Shape>();

/** The members of all types by the type's name, read when the first is asked for. */
export function memberTable(): Map<string, Member[]> {
  types ??= new Map(
    `${TYPES.trim()}\n${GROUP_TYPES.trim()}`.split('\n').map((line) => {
      const [name = '', ...members] = line.split(' ').filter((part) => part !== '');
      return [name, members.map(memberOf)];
    }),
  );
  return types;
}

function memberOf(text: string): Member {
  const match = /^(\S+)=(\d+)(\?)?(\*)?(m)?(\w+)$/.exec(text);
  const [, name = '', number = '0', pointer, list, map, type = 's'] = match ?? [];
  const has = (part: string | undefined): boolean => part !== undefined;
  return { name, number: Number(number), pointer: has(pointer), list: has(list), map: has(map), type };
}

function listRule(type: string, member: string): string {
  lists ??= new Map(
    LISTS.trim()
      .split('\n')
      .map((line) => {
        const [name = '', ...rules] = line.split(' ');
        return [
          name,
          new Map(rules.map((rule): [string, string] => [rule.split('=')[0] ?? '', rule.split('=')[1] ?? ''])),
        ];
      }),
  );
  return lists.get(type)?.get(member) ?? '-/-';
}

/** The type's name of a kind: two groups have an Event. */
export function typeName(group: string, kind: string): string {
  return group === 'events.k8s.io' && kind === 'Event' ? 'EventsEvent' : kind;
}

function typeShape(type: string): Shape {
  const known = shapes.get(type);
  if (known !== undefined) return known;
  if (SCALARS.has(type)) return { kind: 'leaf', type };
  const members = memberTable().get(type);
  if (type === 'V') return listOf({ kind: 'leaf', type: 's' }, '-/-');
  if (members === undefined) return ANY;
  const byName = new Map<string, { member: Member; owner: string }>();
  const take = (owner: string, own: readonly Member[]): void => {
    for (const member of own) {
      if (member.name === '^') take(member.type, memberTable().get(member.type) ?? []);
      else byName.set(member.name, { member, owner });
    }
  };
  take(type, members);
  const made = new Map<string, Shape>();
  const shape: Shape = {
    kind: 'object',
    name: type,
    atomic: ATOMIC.has(type),
    member: (name) => {
      const present = made.get(name);
      if (present !== undefined) return present;
      const found = byName.get(name);
      if (found === undefined) return undefined;
      const fresh = memberShape(found.owner, found.member);
      made.set(name, fresh);
      return fresh;
    },
  };
  shapes.set(type, shape);
  return shape;
}

function memberShape(owner: string, { name, type, list, map }: Member): Shape {
  const rule = listRule(owner, name);
  const item = typeShape(type);
  const one: Shape = map ? { kind: 'map', item, atomic: rule === 'atomic' } : item;
  if (list) return listOf(one, rule);
  return rule === 'atomic' && one.kind === 'object' ? { ...one, atomic: true } : one;
}

function listOf(item: Shape, rule: string): Shape {
  const [apply = '-', patch = '-'] = rule.split('/');
  return {
    kind: 'list',
    item,
    keys: apply === '-' || apply === 'set' ? [] : apply.split(','),
    set: apply === 'set',
    patchKey: patch === '-' || patch === 'set' ? '' : patch,
    patchSet: patch === 'set',
  };
}

function withMembers(shape: Shape, more: Record<string, Shape>): Shape {
  if (shape.kind !== 'object') return shape;
  return { ...shape, member: (name) => more[name] ?? shape.member(name) };
}

const TYPE_META = { apiVersion: { kind: 'leaf', type: 's' }, kind: { kind: 'leaf', type: 's' } } as const;
const roots = new WeakMap<Resource, Shape>();

/** What an object of a resource may hold; anything for one whose type is not known. */
export function shapeOf(resource: Resource): Shape {
  const known = roots.get(resource);
  if (known !== undefined) return known;
  const metadata = typeShape('ObjectMeta');
  const root =
    resource.schema === undefined
      ? withMembers(typeShape(typeName(resource.group, resource.kind)), TYPE_META)
      : withMembers(schemaShape(resource.schema, true), { ...TYPE_META, metadata });
  const whole: Shape = root.kind === 'any' ? withMembers(openObject(), { ...TYPE_META, metadata }) : root;
  roots.set(resource, whole);
  return whole;
}

function openObject(): Shape {
  return { kind: 'object', name: '', atomic: false, member: () => ANY };
}

const SCHEMA_SCALARS: Record<string, string> = { string: 's', integer: 'i', number: 'd', boolean: 'b' };

/** The shape that a custom resource's structural schema describes. */
function schemaShape(schema: JsonObject, root = false): Shape {
  if (schema['x-kubernetes-int-or-string'] === true) return { kind: 'leaf', type: 'O' };
  const type = textAt(schema, 'type') ?? (root ? 'object' : '');
  const open = schema['x-kubernetes-preserve-unknown-fields'] === true;
  const atomic = schema['x-kubernetes-map-type'] === 'atomic';
  if (type === 'array') {
    const keys = listAt(schema, 'x-kubernetes-list-map-keys').filter((key) => typeof key === 'string');
    const item = schemaShape(objectAt(schema, 'items'));
    return {
      kind: 'list',
      item,
      keys: schema['x-kubernetes-list-type'] === 'map' ? keys : [],
      set: schema['x-kubernetes-list-type'] === 'set',
      patchKey: '',
      patchSet: false,
    };
  }
  if (type === 'object') {
    const extra: Json | undefined = schema.additionalProperties;
    if (isObject(extra)) return { kind: 'map', item: schemaShape(extra), atomic };
    const properties = objectAt(schema, 'properties');
    if (open && Object.keys(properties).length === 0 && !root) return ANY;
    const made = new Map<string, Shape>();
    for (const [name, member] of Object.entries(properties)) if (isObject(member)) made.set(name, schemaShape(member));
    const shape: Shape = {
      kind: 'object',
      name: '',
      atomic,
      member: (name) => made.get(name) ?? (open || extra === true ? ANY : undefined),
    };
    if (schema['x-kubernetes-embedded-resource'] !== true) return shape;
    return withMembers(shape, { ...TYPE_META, metadata: typeShape('ObjectMeta') });
  }
  const scalar = SCHEMA_SCALARS[type];
  return scalar === undefined ? ANY : { kind: 'leaf', type: scalar };
}

/** The shape of a list item's or map's member below a shape; undefined when there is no such member. */
export function memberOfShape(shape: Shape, name: string): Shape | undefined {
  switch (shape.kind) {
    case 'object':
      return shape.member(name);
    case 'map':
      return shape.item;
    case 'any':
      return ANY;
    default:
      return undefined;
  }
}
