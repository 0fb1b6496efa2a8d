import type { KeyValue, RangeRequest, RangeResponse } from '../messages.ts';
import type { ScanOptions, View } from '../storage/engine.ts';
import { isSingleKey, spanOf } from './key-span.ts';
import { refusals } from './refusals.ts';

const noBytes = Buffer.alloc(0);

/** Answers a range request from a view. */
export function rangeOf(view: View, request: RangeRequest): RangeResponse {
  checkRevision(view, request);
  const { revision } = view;
  if (isSingleKey(request) && request.revision <= 0n) {
    const kv = view.get(request.key);
    const count = kv ? 1n : 0n;
    if (!kv || request.countOnly) return { revision, kvs: [], more: false, count };
    return { revision, kvs: shown(filtered([kv], request), request), more: false, count };
  }
  const span = spanOf(request.key, request.rangeEnd);
  const options = scanOptions(request);
  const counted = () => BigInt(view.count(span, options.revision));
  if (request.countOnly) return { revision, kvs: [], more: false, count: counted() };
  const found = view.scan(span, options);
  const count = options.limit === undefined || found.length < options.limit ? BigInt(found.length) : counted();
  const kvs = sorted(filtered(found, request), request);
  const more = request.limit > 0n && BigInt(kvs.length) > request.limit;
  return { revision, kvs: shown(more ? kvs.slice(0, Number(request.limit)) : kvs, request), more, count };
}

/** Refuses revisions that are not there yet, or no more. */
export function checkRevision(view: View, { revision }: RangeRequest): void {
  if (revision <= 0n) return;
  if (revision > view.revision) throw refusals.futureRevision();
  if (revision < view.compactRevision) throw refusals.compacted();
}

/** How to look for the keys of a request: only as many as are needed, when order and filters allow. */
export function scanOptions(request: RangeRequest): ScanOptions {
  const whole =
    request.limit <= 0n ||
    request.sortOrder !== 'NONE' ||
    request.minModRevision !== 0n ||
    request.maxModRevision !== 0n ||
    request.minCreateRevision !== 0n ||
    request.maxCreateRevision !== 0n;
  return {
    revision: request.revision > 0n ? request.revision : undefined,
    // One more than asked for says whether there are more.
    limit: whole ? undefined : Number(request.limit) + 1,
    keysOnly: request.keysOnly && request.sortTarget !== 'VALUE',
  };
}

function filtered(kvs: readonly KeyValue[], request: RangeRequest): readonly KeyValue[] {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  if (minModRevision === 0n && maxModRevision === 0n && minCreateRevision === 0n && maxCreateRevision === 0n) {
    return kvs;
  }
  return kvs.filter(
    ({ modRevision, createRevision }) =>
      (maxModRevision === 0n || modRevision <= maxModRevision) &&
      (minModRevision === 0n || modRevision >= minModRevision) &&
      (maxCreateRevision === 0n || createRevision <= maxCreateRevision) &&
      (minCreateRevision === 0n || createRevision >= minCreateRevision),
  );
}

function sorted(kvs: readonly KeyValue[], { sortOrder, sortTarget }: RangeRequest): readonly KeyValue[] {
  // They come in key order; any other target is sorted ascending even when no order was asked for, as etcd does.
  if (sortTarget === 'KEY') return sortOrder === 'DESCEND' ? kvs.toReversed() : kvs;
  const order = orders[sortTarget];
  return kvs.toSorted(sortOrder === 'DESCEND' ? (a, b) => order(b, a) : order);
}

const orders = {
  VERSION: (a: KeyValue, b: KeyValue) => Number(a.version - b.version),
  CREATE: (a: KeyValue, b: KeyValue) => Number(a.createRevision - b.createRevision),
  MOD: (a: KeyValue, b: KeyValue) => Number(a.modRevision - b.modRevision),
  VALUE: (a: KeyValue, b: KeyValue) => Buffer.compare(a.value, b.value),
} as const;

function shown(kvs: readonly KeyValue[], { keysOnly }: RangeRequest): readonly KeyValue[] {
  return keysOnly ? kvs.map(withoutValue) : kvs;
}

function withoutValue({ key, createRevision, modRevision, version, lease }: KeyValue): KeyValue {
  return { key, createRevision, modRevision, version, lease, value: noBytes };
}
