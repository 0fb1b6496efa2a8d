import {
  type CompareMessage,
  compareResult,
  compareTarget,
  type KeyValueMessage,
  type OpMessage,
} from './etcd-methods.ts';
import { fromBigInt, toBigInt } from './int64.ts';
import type { Compare, KeyRange, KeyValue, Op } from './store.ts';

/** Between our keys, which begin at `/`, and those of an etcd that holds them below a root. */
export class EtcdCodec {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  key(key: string): Buffer {
    return Buffer.from(this.#root + key);
  }

  range(range: KeyRange): { key: Buffer; range_end: Buffer } {
    return { key: this.key(range.start), range_end: this.key(range.end) };
  }

  keyOf(key: Buffer): string {
    return key.toString('utf8').slice(this.#root.length);
  }

  keyValue(kv: KeyValueMessage): KeyValue {
    return {
      key: this.keyOf(kv.key),
      value: kv.value.toString('utf8'),
      createRevision: toBigInt(kv.create_revision),
      modRevision: toBigInt(kv.mod_revision),
      leaseId: toBigInt(kv.lease),
    };
  }

  compare(compare: Compare): CompareMessage {
    const { op, target, value } = compare;
    const common = { key: this.key(compare.key), result: compareResult[op], target: compareTarget[target] };
    switch (target) {
      case 'create':
        return { ...common, create_revision: fromBigInt(value) };
      case 'mod':
        return { ...common, mod_revision: fromBigInt(value) };
      case 'lease':
        return { ...common, lease: fromBigInt(value) };
      case 'value':
        return { ...common, value: Buffer.from(value) };
    }
  }

  op(op: Op): OpMessage {
    switch (op.type) {
      case 'put': {
        const lease = op.leaseId ? { lease: fromBigInt(op.leaseId) } : {};
        return { request_put: { key: this.key(op.key), value: Buffer.from(op.value), ...lease } };
      }
      case 'delete':
        return { request_delete_range: { key: this.key(op.key) } };
      case 'deleteRange':
        return { request_delete_range: this.range(op.range) };
      case 'get':
        return { request_range: { key: this.key(op.key) } };
      case 'raise': {
        const compare = this.compare({ key: op.key, target: 'value', op: '<', value: op.value });
        return { request_txn: { compare: [compare], success: [this.op({ ...op, type: 'put' })], failure: [] } };
      }
      case 'when': {
        const compare = op.if.map((each) => this.compare(each));
        return { request_txn: { compare, success: op.then.map((each) => this.op(each)), failure: [] } };
      }
    }
  }
}
