import type { TxnRequest } from '../../../src/store/store.ts';

/** One promise of the design, as far as the key space shows it. What is broken is thrown. */
export interface Promised {
  /** Called before a transaction of a controller; what it returns is called after it was done, if it was. */
  transaction?(request: TxnRequest): () => void;
  /** Called after every step. */
  look?(): void;
}
