import { maxTxnOps, type Op, rangeContains, type TxnRequest } from './store.ts';
import { StoreError } from './store-error.ts';

/** Refuses what etcd refuses before it looks at any key. */
export function checkShape(request: TxnRequest): void {
  checkSize(request, maxTxnOps);
  for (const ops of [request.then, request.else ?? []]) {
    checkWrittenOnce(ops.flatMap((op): readonly Op[] => (op.type === 'when' ? op.then : [op])));
  }
}

/** What is conditional in a transaction may be as large as the transaction itself leaves room for. */
function checkSize(request: TxnRequest, most: number): void {
  const branches = [request.then, request.else ?? []];
  const size = Math.max(request.if.length, ...branches.map((ops) => ops.length));
  if (size > most) throw new StoreError('invalid', `transaction of ${size} operations: at most ${most} are allowed`);
  for (const op of branches.flat()) if (op.type === 'when') checkSize(op, most - size);
}

function checkWrittenOnce(ops: readonly Op[]): void {
  const put = new Set<string>();
  const refuse = (key: string): never => {
    throw new StoreError('invalid', `transaction writes ${key} twice`);
  };
  for (const op of ops) {
    if (op.type === 'put' || op.type === 'raise') {
      if (put.has(op.key)) refuse(op.key);
      put.add(op.key);
    }
  }
  for (const op of ops) {
    if (op.type === 'delete' && put.has(op.key)) refuse(op.key);
    if (op.type !== 'deleteRange') continue;
    for (const key of put) if (rangeContains(op.range, key)) refuse(key);
  }
}
