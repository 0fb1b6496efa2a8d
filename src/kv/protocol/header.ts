import { embedded, int64, message, uint64 } from '../wire/schema.ts';

/** Who answers, and at which revision. */
export interface Header {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly revision: bigint;
  readonly raftTerm: bigint;
}

export const headerType = message('ResponseHeader', {
  clusterId: uint64(1),
  memberId: uint64(2),
  revision: int64(3),
  raftTerm: uint64(4),
});

/** The first field of every answer. */
export const header = { header: embedded<Header>(1, () => headerType) };

/** Inside of a transaction an answer says only the revision, and nothing of 0. */
export const innerHeader = (revision: bigint): Header => ({ clusterId: 0n, memberId: 0n, revision, raftTerm: 0n });
