import { randomBytes } from 'node:crypto';
import type { Backend } from '../backend.ts';
import type { Header } from '../protocol/header.ts';

/** Which cluster and member answers: drawn once, kept with the data. */
export class Identity {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** Of the one election that a cluster of one has. */
  readonly raftTerm = 2n;

  constructor(clusterId: bigint, memberId: bigint) {
    this.clusterId = clusterId;
    this.memberId = memberId;
  }

  header(revision: bigint): Header {
    return { clusterId: this.clusterId, memberId: this.memberId, revision, raftTerm: this.raftTerm };
  }
}

const name = 'identity';

export async function loadIdentity(backend: Backend): Promise<Identity> {
  let kept = await backend.getMeta(name);
  if (kept?.length !== 16) {
    kept = randomBytes(16);
    await backend.setMeta(name, kept);
  }
  return new Identity(kept.readBigUInt64BE(0), kept.readBigUInt64BE(8));
}
