import { maxTxnOps, type Op, rangeContains, type TxnRequest } from './store.ts';
import { StoreError } from './store-error.ts';

/** Refuses what etcd refuses before it looks at any key. */
export function checkShape(request: TxnRequest): void {
  checkSize(request, maxTxnOps);
  for (const ops of [request.then, request.else ?? []]) {
    checkWrittenOnce(ops);
  }
}

/** What is conditional in a transaction may be as large as the transaction itself leaves room for. */
function checkSize(request: TxnRequest, most: number): void {
  const branches = [request.then, request.else ?? []];
  const size = Math.max(request.if.length, ...branches.map((ops) => ops.length));
  if (size > most) throw new StoreError('invalid', `transaction of ${size} operations: at most ${most} are allowed`);
  for (const op of branches.flat()) if (op.type === 'when') checkSize(op, most - size);
}

// As etcd: what is conditional is looked at in its order, so a key put by one and deleted by a later one is allowed.
function checkWrittenOnce(ops: readonly Op[]): void {
  const put = new Set<string>();
  const deleted: Op[] = [];
  const look = (some: readonly Op[]): void => {
    for (const op of some) {
      if (op.type !== 'put' && op.type !== 'raise') continue;
      const { key } = op;
      if (put.has(key) || deleted.some((each) => deletes(each, key))) {
        throw new StoreError('invalid', `transaction writes ${key} twice`);
      }
      put.add(key);
    }
  };
  deleted.push(...ops);
  for (const op of ops) {
    // A `raise` is a condition of its own.
    if (op.type === 'raise') look([op]);
    if (op.type !== 'when') continue;
    deleted.push(...op.then);
    look(op.then);
  }
  look(ops.filter(({ type }) => type === 'put'));
}

const deletes = (op: Op, key: string): boolean =>
  (op.type === 'delete' && op.key === key) || (op.type === 'deleteRange' && rangeContains(op.range, key));
