/**
 * What clients say and are told: etcd's own messages (`rpc.proto`, `kv.proto`) as plain objects. Every field is there,
 * with protobuf's default when it was not sent; int64 and uint64 are bigint, bytes are Buffers, a message that was not
 * sent is undefined. Headers are put on by the server, which knows cluster and member.
 */

export interface KeyValue {
  readonly key: Buffer;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly version: bigint;
  readonly value: Buffer;
  readonly lease: bigint;
}

export type SortOrder = 'NONE' | 'ASCEND' | 'DESCEND';
export type SortTarget = 'KEY' | 'VERSION' | 'CREATE' | 'MOD' | 'VALUE';

/** `rangeEnd` empty: the one key; a single zero byte: all keys from `key` on. */
export interface RangeRequest {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  readonly limit: bigint;
  /** 0 or less: the present. */
  readonly revision: bigint;
  readonly sortOrder: SortOrder;
  readonly sortTarget: SortTarget;
  readonly serializable: boolean;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly minModRevision: bigint;
  readonly maxModRevision: bigint;
  readonly minCreateRevision: bigint;
  readonly maxCreateRevision: bigint;
}

export interface RangeResponse {
  /** The store's revision that the answer is true for. */
  readonly revision: bigint;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: bigint;
}

export interface PutRequest {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly lease: bigint;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

export interface PutResponse {
  readonly revision: bigint;
  readonly prevKv: KeyValue | undefined;
}

export interface DeleteRangeRequest {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  readonly prevKv: boolean;
}

export interface DeleteRangeResponse {
  readonly revision: bigint;
  readonly deleted: bigint;
  readonly prevKvs: readonly KeyValue[];
}

/** `target` and the kind of `with` may differ in what a client sends: then the number compared with is 0, as in etcd. */
export interface Compare {
  readonly result: 'EQUAL' | 'GREATER' | 'LESS' | 'NOT_EQUAL';
  readonly target: 'VERSION' | 'CREATE' | 'MOD' | 'VALUE' | 'LEASE';
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  readonly with:
    | { readonly kind: 'VERSION' | 'CREATE' | 'MOD' | 'LEASE'; readonly number: bigint }
    | { readonly kind: 'VALUE'; readonly value: Buffer }
    | undefined;
}

export type RequestOp =
  | { readonly kind: 'range'; readonly request: RangeRequest }
  | { readonly kind: 'put'; readonly request: PutRequest }
  | { readonly kind: 'deleteRange'; readonly request: DeleteRangeRequest }
  | { readonly kind: 'txn'; readonly request: TxnRequest }
  /** An operation of no kind, which etcd refuses. */
  | { readonly kind: 'none' };

export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

export type ResponseOp =
  | { readonly kind: 'range'; readonly response: RangeResponse }
  | { readonly kind: 'put'; readonly response: PutResponse }
  | { readonly kind: 'deleteRange'; readonly response: DeleteRangeResponse }
  | { readonly kind: 'txn'; readonly response: TxnResponse };

export interface TxnResponse {
  readonly revision: bigint;
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}

export interface CompactionRequest {
  readonly revision: bigint;
  readonly physical: boolean;
}

export interface Event {
  readonly type: 'PUT' | 'DELETE';
  /** Of a deletion: only key and modRevision, all else is 0 or empty. */
  readonly kv: KeyValue;
  readonly prevKv: KeyValue | undefined;
}

export interface WatchCreateRequest {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  /** 0: from now on. */
  readonly startRevision: bigint;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly prevKv: boolean;
}

export interface LeaseGrantRequest {
  /** Seconds. */
  readonly ttl: bigint;
  /** 0: the server chooses. */
  readonly id: bigint;
}

export interface LeaseStatus {
  /** -1: there is no such lease. */
  readonly ttl: bigint;
  readonly grantedTtl: bigint;
  readonly keys: readonly Buffer[];
}
