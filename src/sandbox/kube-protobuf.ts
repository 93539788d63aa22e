import { isObject, type Json, type JsonObject, parseObject } from './json.ts';
import { badRequest } from './kube-status.ts';
import { type Member, memberTable, typeName } from './kube-types.ts';

/**
 * Reads Kubernetes' protobuf bodies: clients built on client-go 1.32 and newer, kubectl among them, send these and
 * never fall back. Answers are always JSON, which they take. The envelope is "k8s" with a zero byte and a runtime.Unknown, see
 * k8s.io/apimachinery/pkg/runtime/serializer/protobuf.
 */

type Members = Map<number, Member>;

let types: Map<string, Members> | undefined;

/** The types' members by their numbers, read when the first body of this kind comes. */
function table(): Map<string, Members> {
  types ??= new Map(
    [...memberTable()].map(([name, members]) => [name, new Map(members.map((member) => [member.number, member]))]),
  );
  return types;
}

type Field = { number: number; varint: bigint; bytes: Buffer };

/** The fields of a message in order; throws a 400 StatusError when the bytes are none. */
function* fields(bytes: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw badRequest('the protobuf body ends too early');
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw badRequest('the protobuf body has a number that is too long');
  };
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw badRequest('the protobuf body ends too early');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const none = Buffer.alloc(0);
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0:
        yield { number, varint: varint(), bytes: none };
        break;
      case 1:
        yield { number, varint: 0n, bytes: take(8) };
        break;
      case 2:
        yield { number, varint: 0n, bytes: take(Number(varint())) };
        break;
      case 5:
        yield { number, varint: 0n, bytes: take(4) };
        break;
      default:
        throw badRequest('the protobuf body has a field of no known kind');
    }
  }
}

function fieldOf(bytes: Buffer, number: number): Field | undefined {
  return [...fields(bytes)].find((field) => field.number === number);
}

function textOf(bytes: Buffer, number: number): string {
  return fieldOf(bytes, number)?.bytes.toString('utf8') ?? '';
}

function numberOf(varint: bigint): number {
  return Number(BigInt.asIntN(64, varint));
}

function timeOf(bytes: Buffer, fraction: boolean): string | null {
  const seconds = numberOf(fieldOf(bytes, 1)?.varint ?? 0n);
  if (bytes.length === 0) return null;
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  if (!fraction) return `${whole}Z`;
  const micros = Math.floor(numberOf(fieldOf(bytes, 2)?.varint ?? 0n) / 1000);
  return `${whole}.${String(micros).padStart(6, '0')}Z`;
}

function decoded(type: string, field: Field): Json {
  const { bytes, varint } = field;
  switch (type) {
    case 's':
      return bytes.toString('utf8');
    case 'i':
      return numberOf(varint);
    case 'b':
      return varint !== 0n;
    case 'd':
      return bytes.readDoubleLE(0);
    case 'y':
      return bytes.toString('base64');
    case 'T':
      return timeOf(bytes, false);
    case 'U':
      return timeOf(bytes, true);
    case 'Q':
      return textOf(bytes, 1);
    case 'O':
      return (fieldOf(bytes, 1)?.varint ?? 0n) === 0n ? numberOf(fieldOf(bytes, 2)?.varint ?? 0n) : textOf(bytes, 3);
    case 'A':
    case 'F':
    case 'R': {
      const text = textOf(bytes, 1);
      return text === '' ? {} : parseObject(text);
    }
    case 'V':
      return [...fields(bytes)].filter((item) => item.number === 1).map((item) => item.bytes.toString('utf8'));
    default:
      return message(type, bytes);
  }
}

/** Whether a value says nothing: Go sends members that are no pointers even when they are zero. */
function isZero(value: Json): boolean {
  if (value === null || value === '' || value === false || value === 0) return true;
  return isObject(value) && Object.keys(value).length === 0;
}

function message(type: string, bytes: Buffer): JsonObject {
  const members = table().get(type);
  if (members === undefined) throw badRequest(`the sandbox cannot read a ${type} in protobuf`);
  const result: JsonObject = {};
  for (const field of fields(bytes)) {
    const member = members.get(field.number);
    if (member === undefined) continue;
    if (member.map) {
      const present = result[member.name];
      const map = isObject(present) ? present : {};
      const value = fieldOf(field.bytes, 2) ?? { number: 2, varint: 0n, bytes: Buffer.alloc(0) };
      map[textOf(field.bytes, 1)] = decoded(member.type, value);
      result[member.name] = map;
      continue;
    }
    const value = decoded(member.type, field);
    if (member.list) {
      const present = result[member.name];
      if (Array.isArray(present)) present.push(value);
      else result[member.name] = [value];
    } else if (member.name === '^') {
      Object.assign(result, value);
    } else if (member.pointer || !isZero(value)) {
      result[member.name] = value;
    }
  }
  return result;
}

/** The object in a protobuf body, as JSON; throws a 400 StatusError. */
export function readProtobuf(body: Buffer): JsonObject {
  if (body.subarray(0, 4).toString('latin1') !== 'k8s\u0000') throw badRequest('the body is no Kubernetes protobuf');
  const envelope = body.subarray(4);
  const meta = fieldOf(envelope, 1)?.bytes ?? Buffer.alloc(0);
  const apiVersion = textOf(meta, 1);
  const kind = textOf(meta, 2);
  return {
    apiVersion,
    kind,
    ...message(typeName(apiVersion.split('/')[0] ?? '', kind), fieldOf(envelope, 2)?.bytes ?? Buffer.alloc(0)),
  };
}
