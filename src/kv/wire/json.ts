import { KvError } from '../kv-error.ts';
import { JsonIncomplete, JsonNumber, type JsonObject, JsonReader, type JsonValue } from './json-values.ts';
import type { MessageType, NamedField } from './schema.ts';

type Values = Record<string, unknown>;

/** A message as etcd's gateway prints it: protobuf's own names, 64 bits as text, bytes in base64, no defaults. */
export function toJson<Message>(type: MessageType<Message>, message: Message): object {
  const values = (type.toFields ? type.toFields(message as never) : message) as Values;
  const json: Record<string, unknown> = {};
  for (const field of type.fields) {
    const value = values[field.property];
    if (value === undefined) continue;
    if (field.repeated) {
      const list = value as readonly unknown[];
      if (list.length > 0) json[field.json] = list.map((each) => print(field, each));
    } else if (field.optional || !isDefault(field, value)) json[field.json] = print(field, value);
  }
  return json;
}

/** Reads what the gateway takes: either spelling of names, numbers as numbers or text; unknown names are ignored. */
export function fromJson<Message>(type: MessageType<Message>, json: JsonValue): Message {
  if (json !== null && !(json instanceof Map)) throw mismatch(json, 'map[string]json.RawMessage');
  const values: Values = { ...type.defaults };
  for (const property of type.lists) values[property] = [];
  for (const [name, value] of (json ?? new Map()) as JsonObject) {
    const field = type.byJsonName.get(name);
    if (!field || value === null) continue;
    if (!field.repeated) values[field.property] = read(field, value);
    else if (Array.isArray(value)) values[field.property] = value.map((each) => read(field, each));
    else throw mismatch(value, '[]json.RawMessage');
  }
  return (type.fromFields ? type.fromFields(values as never) : values) as Message;
}

function print(field: NamedField, value: unknown): unknown {
  switch (field.kind) {
    case 'bytes':
      return (value as Buffer).toString('base64');
    case 'int64':
    case 'uint64':
      return (value as bigint).toString();
    case 'message':
      return toJson((field.message as () => MessageType<unknown>)(), value);
    default:
      return value;
  }
}

function isDefault(field: NamedField, value: unknown): boolean {
  if (field.kind === 'enum') return value === field.enumeration?.names[0];
  return value === 0n || value === 0 || value === false || (value as { length?: number }).length === 0;
}

function read(field: NamedField, value: JsonValue): unknown {
  switch (field.kind) {
    case 'bytes':
      return readBytes(value);
    case 'string':
      if (typeof value !== 'string') throw mismatch(value, 'string');
      return value;
    case 'bool':
      if (typeof value !== 'boolean') throw mismatch(value, 'bool');
      return value;
    case 'int64':
      return readInteger(value, 'int64', -(2n ** 63n), 2n ** 63n);
    case 'uint64':
      return readInteger(value, 'uint64', 0n, 2n ** 64n);
    case 'uint32':
      return Number(readInteger(value, 'uint32', 0n, 2n ** 32n));
    case 'enum':
      return readEnum(field, value);
    case 'message':
      return fromJson((field.message as () => MessageType<unknown>)(), value);
  }
}

function readBytes(value: JsonValue): Buffer {
  if (typeof value !== 'string') throw mismatch(value, '[]uint8');
  // Node reads what it can of anything; Go refuses.
  const bad = /[^A-Za-z0-9+/\r\n]/.exec(value.replace(/={1,2}$/, ''));
  const complete = value.replaceAll(/[\r\n]/g, '');
  if (bad || complete.length % 4 !== 0) {
    const at = bad?.index ?? value.length - (complete.length % 4);
    throw new KvError('InvalidArgument', `illegal base64 data at input byte ${at - (at % 4)}`);
  }
  return Buffer.from(complete, 'base64');
}

function readInteger(value: JsonValue, goType: string, least: bigint, limit: bigint): bigint {
  const parsed = typeof value === 'string' ? parseQuoted(value) : value;
  if (!(parsed instanceof JsonNumber)) throw mismatch(parsed, goType);
  const number = /^-?\d+$/.test(parsed.text) ? BigInt(parsed.text) : undefined;
  if (number === undefined || number < least || number >= limit) throw mismatch(parsed, goType);
  return number;
}

function parseQuoted(text: string): JsonValue {
  try {
    return new JsonReader(text).value();
  } catch (error) {
    if (error instanceof JsonIncomplete) throw new KvError('InvalidArgument', 'unexpected end of JSON input');
    throw error;
  }
}

function readEnum(field: NamedField, value: JsonValue): string {
  const { goName, names } = field.enumeration ?? { goName: '', names: [] };
  if (typeof value === 'string') {
    if (names.includes(value)) return value;
    throw new KvError('InvalidArgument', `unknown value ${JSON.stringify(value)} for enum ${goName}`);
  }
  if (!(value instanceof JsonNumber)) throw mismatch(value, goName);
  const name = names[Number(value.text)];
  if (name === undefined) throw new KvError('InvalidArgument', `unknown value ${value.text} for enum ${goName}`);
  return name;
}

function mismatch(value: JsonValue, goType: string): KvError {
  const what =
    value instanceof JsonNumber
      ? `number ${value.text}`
      : Array.isArray(value)
        ? 'array'
        : value instanceof Map
          ? 'object'
          : typeof value === 'boolean'
            ? 'bool'
            : typeof value;
  // Go names the number only where a number was expected.
  const shown = value instanceof JsonNumber && !/int/.test(goType.replace('uint8', '')) ? 'number' : what;
  return new KvError('InvalidArgument', `json: cannot unmarshal ${shown} into Go value of type ${goType}`);
}
