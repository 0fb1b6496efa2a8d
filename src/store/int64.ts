/** A 64-bit integer as protobufjs reads and writes it: two halves of 32 bits. */
export interface Int64 {
  readonly low: number;
  readonly high: number;
}

/** The signed number. */
export function toBigInt({ low, high }: Int64): bigint {
  // Revisions fit into 53 bits for as long as anybody lives; leases do not.
  if (high >= 0 && high < 2 ** 21) return BigInt(high * 2 ** 32 + (low >>> 0));
  return (BigInt(high | 0) << 32n) | BigInt(low >>> 0);
}

/** A signed number in two halves. */
export function fromBigInt(value: bigint): Int64 {
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)) };
}
