import type { Compare, KeyValue } from '../messages.ts';
import type { View } from '../storage/engine.ts';
import { isSingleKey, spanOf } from './key-span.ts';

const missing: KeyValue = {
  key: Buffer.alloc(0),
  createRevision: 0n,
  modRevision: 0n,
  version: 0n,
  value: Buffer.alloc(0),
  lease: 0n,
};

/** Whether the condition holds: for every key of a range, or for a missing key as if all its numbers were 0. */
export function holds(view: View, compare: Compare): boolean {
  if (isSingleKey(compare)) {
    const kv = view.get(compare.key);
    return kv ? holdsFor(compare, kv) : compare.target !== 'VALUE' && holdsFor(compare, missing);
  }
  const kvs = view.scan(spanOf(compare.key, compare.rangeEnd), { keysOnly: compare.target !== 'VALUE' });
  // A missing value is not an empty one: no comparison with it holds, not even NOT_EQUAL.
  if (kvs.length === 0) return compare.target !== 'VALUE' && holdsFor(compare, missing);
  return kvs.every((kv) => holdsFor(compare, kv));
}

function holdsFor(compare: Compare, kv: KeyValue): boolean {
  const order = orderOf(compare, kv);
  switch (compare.result) {
    case 'EQUAL':
      return order === 0;
    case 'NOT_EQUAL':
      return order !== 0;
    case 'GREATER':
      return order > 0;
    case 'LESS':
      return order < 0;
  }
}

function orderOf({ target, with: other }: Compare, kv: KeyValue): number {
  if (target === 'VALUE') return Buffer.compare(kv.value, other?.kind === 'VALUE' ? other.value : missing.value);
  const expected = other && other.kind !== 'VALUE' && other.kind === target ? other.number : 0n;
  const actual = numberOf(kv, target);
  return actual === expected ? 0 : actual > expected ? 1 : -1;
}

function numberOf(kv: KeyValue, target: Exclude<Compare['target'], 'VALUE'>): bigint {
  switch (target) {
    case 'VERSION':
      return kv.version;
    case 'CREATE':
      return kv.createRevision;
    case 'MOD':
      return kv.modRevision;
    case 'LEASE':
      return kv.lease;
  }
}
