/**
 * Messages as tables: number, kind and name of every field, and from them the TypeScript type, protobuf's bytes
 * (`protobuf.ts`) and the gateway's JSON (`json.ts`). What is declared once cannot differ between the two protocols.
 */

import type { Writer } from './writer.ts';

type Kind = 'bytes' | 'string' | 'bool' | 'int64' | 'uint64' | 'uint32' | 'enum' | 'message';

/** One field; `Value` is what a reader of the message gets. */
export interface Field<Value> {
  readonly number: number;
  readonly kind: Kind;
  readonly repeated: boolean;
  /** Absent and default are told apart; always so for messages. */
  readonly optional: boolean;
  /** In JSON, where it is not the property with underscores. */
  readonly jsonName?: string;
  readonly enumeration?: Enumeration;
  readonly message?: () => MessageType<unknown>;
  /** Never there: it carries the type. */
  readonly reads?: () => Value;
}

/** Names in the order of their numbers, from 0. */
export interface Enumeration {
  readonly goName: string;
  readonly names: readonly string[];
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type ValueOf<F> = F extends Field<infer Value> ? Value : never;
type Raw<F extends Fields> = { readonly [Name in keyof F]: ValueOf<F[Name]> };

/** A field with the names that it has in TypeScript and in JSON. */
export interface NamedField extends Field<unknown> {
  readonly property: string;
  readonly json: string;
}

/** A message; `Message` is what a reader gets, which may have another form than the bytes. */
export interface MessageType<Message> {
  readonly name: string;
  readonly fields: readonly NamedField[];
  readonly byNumber: readonly (NamedField | undefined)[];
  readonly byJsonName: ReadonlyMap<string, NamedField>;
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly lists: readonly string[];
  readonly fromFields?: (fields: never) => Message;
  readonly toFields?: (message: never) => object;
  /** Writes it without looking at the table: for the one message of which there are thousands in an answer. */
  readonly writeFast?: (writer: Writer, message: never) => void;
}

/** What a reader of messages of a type gets. */
export type Message<Type> = Type extends MessageType<infer M> ? M : never;

const empty = Buffer.alloc(0);
const defaultOf: Readonly<Record<Exclude<Kind, 'enum'>, unknown>> = {
  bytes: empty,
  string: '',
  bool: false,
  int64: 0n,
  uint64: 0n,
  uint32: 0,
  message: undefined,
};

const scalar =
  <Value>(kind: Kind) =>
  (number: number, jsonName?: string): Field<Value> => ({
    number,
    kind,
    repeated: false,
    optional: false,
    ...(jsonName !== undefined && { jsonName }),
  });

export const bytes = scalar<Buffer>('bytes');
export const string = scalar<string>('string');
export const bool = scalar<boolean>('bool');
export const int64 = scalar<bigint>('int64');
export const uint64 = scalar<bigint>('uint64');
export const uint32 = scalar<number>('uint32');

export const enumeration = <const Name extends string>(
  number: number,
  goName: string,
  names: readonly Name[],
  jsonName?: string,
): Field<Name> => ({
  number,
  kind: 'enum',
  repeated: false,
  optional: false,
  enumeration: { goName, names },
  ...(jsonName !== undefined && { jsonName }),
});

export const embedded = <Message>(number: number, message: () => MessageType<Message>): Field<Message | undefined> => ({
  number,
  kind: 'message',
  repeated: false,
  optional: true,
  message: message as () => MessageType<unknown>,
});

/** A scalar of which it is known whether it was sent: a member of a oneof. */
export const optional = <Value>(field: Field<Value>): Field<Value | undefined> =>
  ({ ...field, optional: true }) as unknown as Field<Value | undefined>;

export const repeated = <Value>(field: Field<Value>): Field<readonly NonNullable<Value>[]> =>
  ({ ...field, repeated: true, optional: false }) as unknown as Field<readonly NonNullable<Value>[]>;

/** A message whose form in TypeScript is that of its fields. */
export function message<F extends Fields>(name: string, fields: F): MessageType<Raw<F>> {
  const named = Object.entries(fields).map(
    ([property, field]): NamedField => ({
      ...field,
      property,
      json: field.jsonName ?? property.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    }),
  );
  named.sort((a, b) => a.number - b.number);
  const byNumber: NamedField[] = [];
  const byJsonName = new Map<string, NamedField>();
  const defaults: Record<string, unknown> = {};
  for (const field of named) {
    byNumber[field.number] = field;
    byJsonName.set(camelCase(field.json), field).set(field.json, field);
    defaults[field.property] = defaultValue(field);
  }
  const lists = named.filter((field) => field.repeated).map(({ property }) => property);
  return { name, fields: named, byNumber, byJsonName, defaults, lists };
}

/** The same message in another form: a oneof as a union, say. */
export const shaped = <Message, F>(
  type: MessageType<F>,
  fromFields: (fields: F) => Message,
  toFields: (message: Message) => Partial<F>,
): MessageType<Message> => ({ ...type, fromFields, toFields }) as unknown as MessageType<Message>;

/** As protobuf derives names for JSON. */
const camelCase = (name: string): string => name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

function defaultValue(field: NamedField): unknown {
  if (field.optional || field.repeated) return undefined;
  return field.kind === 'enum' ? field.enumeration?.names[0] : defaultOf[field.kind];
}
