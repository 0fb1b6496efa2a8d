import type { RequestOp } from '../messages.ts';
import { refusals } from './refusals.ts';

interface Touched {
  readonly puts: Set<string>;
  readonly deletes: Deleted[];
}

interface Deleted {
  readonly from: string;
  /** undefined: to the end. */
  readonly to: string | undefined;
}

/**
 * Refuses operations of one branch that write a key twice. As in etcd: two deletions may overlap, the branches of one
 * nested transaction exclude each other, and a range end of a zero byte is compared as it is written.
 */
export function checkDuplicates(ops: readonly RequestOp[]): Touched {
  const deletes: Deleted[] = [];
  for (const op of ops) {
    if (op.kind !== 'deleteRange') continue;
    const from = op.request.key.toString('latin1');
    const end = op.request.rangeEnd.toString('latin1');
    deletes.push({ from, to: end === '' ? `${from}\0` : end });
  }
  const puts = new Set<string>();
  const add = (key: string, exempt?: ReadonlySet<string>) => {
    if (puts.has(key) && !exempt?.has(key)) throw refusals.duplicateKey();
    if (deletes.some(({ from, to }) => from <= key && (to === undefined || key < to))) throw refusals.duplicateKey();
    puts.add(key);
  };
  for (const op of ops) {
    if (op.kind !== 'txn') continue;
    const success = checkDuplicates(op.request.success);
    const failure = checkDuplicates(op.request.failure);
    for (const key of success.puts) add(key);
    for (const key of failure.puts) add(key, success.puts);
    deletes.push(...success.deletes, ...failure.deletes);
  }
  for (const op of ops) if (op.kind === 'put') add(op.request.key.toString('latin1'));
  return { puts, deletes };
}
