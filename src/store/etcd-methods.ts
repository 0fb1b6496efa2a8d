import { createRequire } from 'node:module';
import protobuf from 'protobufjs';
import type { GrpcMethod } from './grpc.ts';
import { type Int64, toBigInt } from './int64.ts';

// The messages of etcd as they are on the wire, with the fields that are used here. What an answer does not carry reads
// as its default: 0, false, empty. Names are etcd's.

export interface KeyValueMessage {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly create_revision: Int64;
  readonly mod_revision: Int64;
  readonly lease: Int64;
}

interface HeaderMessage {
  readonly cluster_id: Int64;
  readonly revision: Int64;
}

/** Which cluster gave an answer, decimal as etcd prints it in JSON. */
export const clusterIdOf = ({ cluster_id }: HeaderMessage): string =>
  BigInt.asUintN(64, toBigInt(cluster_id)).toString();

export interface RangeRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  readonly revision?: Int64;
  readonly limit?: number;
  readonly count_only?: boolean;
}

export interface RangeResponse {
  readonly header: HeaderMessage;
  readonly kvs: readonly KeyValueMessage[];
  readonly more: boolean;
}

/** Numbers of `Compare.CompareResult`. */
export const compareResult = { '=': 0, '>': 1, '<': 2, '!=': 3 } as const;
/** Numbers of `Compare.CompareTarget`. */
export const compareTarget = { create: 1, mod: 2, value: 3, lease: 4 } as const;

export interface CompareMessage {
  readonly key: Buffer;
  readonly result: number;
  readonly target: number;
  readonly create_revision?: Int64;
  readonly mod_revision?: Int64;
  readonly lease?: Int64;
  readonly value?: Buffer;
}

export interface OpMessage {
  readonly request_put?: { readonly key: Buffer; readonly value: Buffer; readonly lease?: Int64 };
  readonly request_delete_range?: { readonly key: Buffer; readonly range_end?: Buffer };
  readonly request_range?: RangeRequest;
  readonly request_txn?: TxnRequest;
}

interface TxnRequest {
  readonly compare: readonly CompareMessage[];
  readonly success: readonly OpMessage[];
  readonly failure: readonly OpMessage[];
}

interface TxnResponse {
  readonly header: HeaderMessage;
  readonly succeeded: boolean;
  readonly responses: readonly {
    readonly response_range: RangeResponse | null;
    readonly response_txn: { readonly succeeded: boolean } | null;
  }[];
}

export interface WatchRequest {
  readonly create_request: RangeRequest & {
    readonly start_revision: Int64;
    readonly fragment: boolean;
    readonly progress_notify: boolean;
  };
}

/** Number of `Event.EventType` for a key that is gone. */
export const deleteEvent = 1;

export interface WatchResponse {
  readonly header: HeaderMessage;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly cancel_reason: string;
  readonly compact_revision: Int64;
  readonly fragment: boolean;
  readonly events: readonly { readonly type: number; readonly kv: KeyValueMessage }[];
}

/** The methods of etcd that are used here. */
export interface EtcdMethods {
  readonly range: GrpcMethod<RangeRequest, RangeResponse>;
  readonly txn: GrpcMethod<TxnRequest, TxnResponse>;
  readonly leaseGrant: GrpcMethod<{ TTL: number }, { header: HeaderMessage; ID: Int64; TTL: Int64 }>;
  /** Streams, but answers one question like any other method. */
  readonly leaseKeepAlive: GrpcMethod<{ ID: Int64 }, { header: HeaderMessage; TTL: Int64 }>;
  readonly leaseRevoke: GrpcMethod<{ ID: Int64 }, { header: HeaderMessage }>;
  readonly authenticate: GrpcMethod<{ name: string; password: string }, { header: HeaderMessage; token: string }>;
  readonly watch: GrpcMethod<WatchRequest, WatchResponse>;
}

/**
 * Reads etcd's protocol from the description that etcd3 carries. Only that is used of etcd3: its calls, watches and
 * leases lose events, hang, and hide failures behind retries, and loading them takes a command most of its time.
 */
export function loadMethods(): EtcdMethods {
  const description = createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto');
  const protocol = new protobuf.Root().loadSync(description, { keepCase: true });
  function method<Request extends object, Response>(path: string, request: string, response: string) {
    const requestType = protocol.lookupType(`etcdserverpb.${request}`);
    const responseType = protocol.lookupType(`etcdserverpb.${response}`);
    const generated: GrpcMethod<Request, Response> = {
      path: `/etcdserverpb.${path}`,
      // Encoded as it is: the types above say what protobufjs would otherwise check and convert, at twice the cost.
      requestSerialize: (message) => requestType.encode(message).finish() as Buffer,
      responseDeserialize: (bytes) => responseType.decode(bytes) as Response,
    };
    return generated;
  }
  return {
    range: method('KV/Range', 'RangeRequest', 'RangeResponse'),
    txn: method('KV/Txn', 'TxnRequest', 'TxnResponse'),
    leaseGrant: method('Lease/LeaseGrant', 'LeaseGrantRequest', 'LeaseGrantResponse'),
    leaseKeepAlive: method('Lease/LeaseKeepAlive', 'LeaseKeepAliveRequest', 'LeaseKeepAliveResponse'),
    leaseRevoke: method('Lease/LeaseRevoke', 'LeaseRevokeRequest', 'LeaseRevokeResponse'),
    authenticate: method('Auth/Authenticate', 'AuthenticateRequest', 'AuthenticateResponse'),
    watch: method('Watch/Watch', 'WatchRequest', 'WatchResponse'),
  };
}
