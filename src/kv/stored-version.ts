import type { KeyValue } from './messages.ts';

/** Create revision, mod revision, version and lease, eight bytes each; the value is what follows. */
export const storedAt = { createRevision: 0, modRevision: 8, version: 16, lease: 24, value: 32 } as const;

/**
 * A version of a key as it lies in a sorted store. Its parts are made when somebody asks for them, and its bytes can be
 * sent without that: of the thousands of versions in an answer, nobody looks at one.
 */
export class StoredVersion implements KeyValue {
  /** A byte for the table, and the key. */
  readonly keyRow: Buffer;
  readonly row: Buffer;

  constructor(keyRow: Buffer, row: Buffer) {
    this.keyRow = keyRow;
    this.row = row;
  }

  get key(): Buffer {
    return this.keyRow.subarray(1);
  }

  get createRevision(): bigint {
    return this.row.readBigInt64BE(storedAt.createRevision);
  }

  get modRevision(): bigint {
    return this.row.readBigInt64BE(storedAt.modRevision);
  }

  get version(): bigint {
    return this.row.readBigInt64BE(storedAt.version);
  }

  get lease(): bigint {
    return this.row.readBigInt64BE(storedAt.lease);
  }

  get value(): Buffer {
    return this.row.subarray(storedAt.value);
  }
}
