import { bad, good, type Parsed } from './parsed.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Name of one PostgreSQL cluster of the herd; the last segment of `/serviceinstances/<id>` and Patroni's scope. */
export type InstanceId = Branded<'instance'>;
/** Name of one node; Patroni's member name. Unique in the whole herd, never used twice. */
export type NodeId = Branded<'node'>;
/** Name of one machine that runs nodes. */
export type CellId = Branded<'cell'>;
/** Name of one router. */
export type RouterId = Branded<'router'>;

const pattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

// A node id is the instance id and seven characters more, and PostgreSQL cuts slot names at 63.
const maxInstanceIdLength = 50;
const maxIdLength = 63;

export function parseInstanceId(text: string): Parsed<InstanceId> {
  return parseId<InstanceId>('instance id', text, maxInstanceIdLength);
}

export function parseCellId(text: string): Parsed<CellId> {
  return parseId<CellId>('cell id', text, maxIdLength);
}

export function parseRouterId(text: string): Parsed<RouterId> {
  return parseId<RouterId>('router id', text, maxIdLength);
}

function parseId<Id extends string>(what: string, text: string, maxLength: number): Parsed<Id> {
  if (text.length <= maxLength && pattern.test(text) && !text.includes('..')) return good(text as Id);
  const shown =
    text.length > 60 ? `${JSON.stringify(text.slice(0, 60))}… (${text.length} characters)` : JSON.stringify(text);
  return bad(
    `${what} ${shown} is not allowed: use 1 to ${maxLength} letters, digits, '.', '_' or '-', beginning and ending with a letter or digit, without '..'`,
  );
}

/** A new node's id: the instance's, a dash, and six characters of `random`, a source of numbers in [0, 1). */
export function newNodeId(instance: InstanceId, random: () => number): NodeId {
  const alphabet = 'bcdfghjkmnpqrstvwxz23456789';
  let suffix = '';
  for (let i = 0; i < 6; i++) suffix += alphabet[Math.floor(random() * alphabet.length)];
  return `${instance}-${suffix}` as NodeId;
}

/** The instance that a node's id was made for, undefined when the id is none of ours. */
export function instanceOfNode(node: string): InstanceId | undefined {
  return /^(.+)-[a-z2-9]{6}$/.exec(node)?.[1] as InstanceId | undefined;
}
