import { malformed, Reader } from './reader.ts';
import type { MessageType, NamedField } from './schema.ts';
import { Writer } from './writer.ts';

/** As deep as protobuf's own readers go. */
const deepest = 100;

type Values = Record<string, unknown>;

/** Reads a message. Fields that are not known are passed over. */
export function decode<Message>(type: MessageType<Message>, bytes: Buffer): Message {
  return decodeUntil(type, new Reader(bytes), bytes.length, 0) as Message;
}

/** A message as bytes. */
export function encode<Message>(type: MessageType<Message>, message: Message): Buffer {
  const writer = new Writer();
  write(writer, type, message);
  return writer.finish();
}

/** A message as gRPC sends it: a byte 0 for "not compressed", its length, itself. */
export function encodeFrame<Message>(type: MessageType<Message>, message: Message): Buffer {
  const writer = new Writer();
  write(writer, type, message);
  writer.uint32BE(writer.length);
  writer.varint(0);
  return writer.finish();
}

function decodeUntil(type: MessageType<unknown>, reader: Reader, end: number, depth: number): unknown {
  if (depth > deepest) throw malformed('messages are nested too deep');
  const values: Values = { ...type.defaults };
  for (const property of type.lists) values[property] = [];
  while (reader.at < end) {
    const tag = reader.varint32();
    const wireType = tag & 7;
    const field = type.byNumber[tag >>> 3];
    if (!field) reader.skip(wireType);
    else if (wireType === wireTypeOf(field)) {
      const value = readValue(field, reader, depth);
      if (field.repeated) (values[field.property] as unknown[]).push(value);
      else values[field.property] = value;
    } else if (wireType === 2 && field.repeated) readPacked(field, reader, values[field.property] as unknown[]);
    else reader.skip(wireType);
  }
  if (reader.at !== end) throw malformed('unexpected EOF');
  return type.fromFields ? type.fromFields(values as never) : values;
}

function readPacked(field: NamedField, reader: Reader, list: unknown[]): void {
  const end = reader.end();
  while (reader.at < end) list.push(readValue(field, reader, 0));
}

function readValue(field: NamedField, reader: Reader, depth: number): unknown {
  switch (field.kind) {
    case 'bytes':
      return reader.bytes();
    case 'string':
      return reader.string();
    case 'bool':
      return reader.uint64() !== 0n;
    case 'int64':
      return BigInt.asIntN(64, reader.uint64());
    case 'uint64':
      return reader.uint64();
    case 'uint32':
      return reader.varint32();
    case 'enum':
      return enumName(field, reader.varint32());
    case 'message': {
      const end = reader.end();
      return decodeUntil((field.message as () => MessageType<unknown>)(), reader, end, depth + 1);
    }
  }
}

function enumName(field: NamedField, number: number): string {
  const name = field.enumeration?.names[number];
  if (name === undefined) throw malformed(`${number} is not a ${field.enumeration?.goName}`);
  return name;
}

function write(writer: Writer, type: MessageType<unknown>, message: unknown): void {
  if (type.writeFast) {
    type.writeFast(writer, message as never);
    return;
  }
  const values = (type.toFields ? type.toFields(message as never) : message) as Values;
  // Backwards, as the writer goes: the fields come out in the order of their numbers.
  for (let index = type.fields.length - 1; index >= 0; index--) {
    const field = type.fields[index] as NamedField;
    const value = values[field.property];
    if (value === undefined) continue;
    if (field.repeated) {
      const list = value as readonly unknown[];
      if (isPacked(field) && list.length > 0) writePacked(writer, field, list);
      else for (let at = list.length - 1; at >= 0; at--) writeField(writer, field, list[at]);
    } else if (field.optional || !isDefault(field, value)) writeField(writer, field, value);
  }
}

function writePacked(writer: Writer, field: NamedField, list: readonly unknown[]): void {
  const before = writer.length;
  for (let at = list.length - 1; at >= 0; at--) writeScalar(writer, field, list[at]);
  writer.varint(writer.length - before);
  writer.varint(field.number * 8 + 2);
}

function writeField(writer: Writer, field: NamedField, value: unknown): void {
  if (wireTypeOf(field) === 0) {
    writeScalar(writer, field, value);
    writer.varint(field.number * 8);
    return;
  }
  const before = writer.length;
  if (field.kind === 'message') write(writer, (field.message as () => MessageType<unknown>)(), value);
  else if (field.kind === 'bytes') writer.bytes(value as Buffer);
  else writer.string(value as string);
  writer.varint(writer.length - before);
  writer.varint(field.number * 8 + 2);
}

function writeScalar(writer: Writer, field: NamedField, value: unknown): void {
  if (field.kind === 'int64' || field.kind === 'uint64') writer.int64(value as bigint);
  else if (field.kind === 'bool') writer.varint(value ? 1 : 0);
  else if (field.kind === 'uint32') writer.varint(value as number);
  else writer.varint(field.enumeration?.names.indexOf(value as string) ?? 0);
}

function isDefault(field: NamedField, value: unknown): boolean {
  switch (field.kind) {
    case 'bytes':
    case 'string':
      return (value as Buffer | string).length === 0;
    case 'enum':
      return value === field.enumeration?.names[0];
    case 'int64':
    case 'uint64':
      return value === 0n;
    case 'uint32':
      return value === 0;
    default:
      return value === false;
  }
}

const wireTypeOf = ({ kind }: NamedField): 0 | 2 =>
  kind === 'bytes' || kind === 'string' || kind === 'message' ? 2 : 0;

const isPacked = (field: NamedField): boolean => wireTypeOf(field) === 0;
