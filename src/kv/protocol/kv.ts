import type {
  CompactionRequest,
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  Event,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from '../messages.ts';
import { StoredVersion, storedAt } from '../stored-version.ts';
import {
  bool,
  bytes,
  embedded,
  enumeration,
  int64,
  type MessageType,
  message,
  optional,
  repeated,
  shaped,
} from '../wire/schema.ts';
import type { Writer } from '../wire/writer.ts';
import { type Header, header, innerHeader } from './header.ts';

type Answer<Response> = Omit<Response, 'revision'> & { readonly header: Header | undefined };

export const keyValueType: MessageType<KeyValue> = {
  ...message('KeyValue', {
    key: bytes(1),
    createRevision: int64(2),
    modRevision: int64(3),
    version: int64(4),
    value: bytes(5),
    lease: int64(6),
  }),
  writeFast: writeKeyValue,
};

/** Backwards, as the writer goes; each tag is the number of the field, times 8, and 2 for bytes. */
function writeKeyValue(writer: Writer, kv: KeyValue): void {
  if (kv instanceof StoredVersion) {
    writeStored(writer, kv);
    return;
  }
  writeInt64(writer, kv.lease, 48);
  writeBytes(writer, kv.value, 42);
  writeInt64(writer, kv.version, 32);
  writeInt64(writer, kv.modRevision, 24);
  writeInt64(writer, kv.createRevision, 16);
  writeBytes(writer, kv.key, 10);
}

function writeInt64(writer: Writer, value: bigint, tag: number): void {
  if (value === 0n) return;
  writer.int64(value);
  writer.varint(tag);
}

function writeBytes(writer: Writer, value: Buffer, tag: number): void {
  if (value.length === 0) return;
  writer.bytes(value);
  writer.varint(value.length);
  writer.varint(tag);
}

/** The same from the bytes in the store, without making numbers and buffers of them. */
function writeStored(writer: Writer, { keyRow, row }: StoredVersion): void {
  writeStoredInt64(writer, row, storedAt.lease, 48);
  writeStoredBytes(writer, row, storedAt.value, 42);
  writeStoredInt64(writer, row, storedAt.version, 32);
  writeStoredInt64(writer, row, storedAt.modRevision, 24);
  writeStoredInt64(writer, row, storedAt.createRevision, 16);
  writeStoredBytes(writer, keyRow, 1, 10);
}

function writeStoredInt64(writer: Writer, row: Buffer, at: number, tag: number): void {
  const high = row.readUInt32BE(at);
  const low = row.readUInt32BE(at + 4);
  if (high === 0 && low === 0) return;
  // A lease has all 64 bits, which a number has not.
  if (high < 0x20_0000) writer.varint(high * 0x1_0000_0000 + low);
  else writer.int64(row.readBigInt64BE(at));
  writer.varint(tag);
}

function writeStoredBytes(writer: Writer, row: Buffer, from: number, tag: number): void {
  if (row.length === from) return;
  writer.bytes(row, from);
  writer.varint(row.length - from);
  writer.varint(tag);
}

interface EventFields {
  readonly type: Event['type'];
  readonly kv: KeyValue | undefined;
  readonly prevKv: KeyValue | undefined;
}

const eventFields: MessageType<EventFields> = message('Event', {
  type: enumeration(1, 'mvccpb.Event_EventType', ['PUT', 'DELETE']),
  kv: embedded(2, () => keyValueType),
  prevKv: embedded(3, () => keyValueType),
});

export const eventType = eventFields as MessageType<Event>;

export const rangeRequestType: MessageType<RangeRequest> = message('RangeRequest', {
  key: bytes(1),
  rangeEnd: bytes(2),
  limit: int64(3),
  revision: int64(4),
  sortOrder: enumeration(5, 'etcdserverpb.RangeRequest_SortOrder', ['NONE', 'ASCEND', 'DESCEND']),
  sortTarget: enumeration(6, 'etcdserverpb.RangeRequest_SortTarget', ['KEY', 'VERSION', 'CREATE', 'MOD', 'VALUE']),
  serializable: bool(7),
  keysOnly: bool(8),
  countOnly: bool(9),
  minModRevision: int64(10),
  maxModRevision: int64(11),
  minCreateRevision: int64(12),
  maxCreateRevision: int64(13),
});

export const rangeResponseType: MessageType<Answer<RangeResponse>> = message('RangeResponse', {
  ...header,
  kvs: repeated(embedded(2, () => keyValueType)),
  more: bool(3),
  count: int64(4),
});

export const putRequestType: MessageType<PutRequest> = message('PutRequest', {
  key: bytes(1),
  value: bytes(2),
  lease: int64(3),
  prevKv: bool(4),
  ignoreValue: bool(5),
  ignoreLease: bool(6),
});

export const putResponseType: MessageType<Answer<PutResponse>> = message('PutResponse', {
  ...header,
  prevKv: embedded(2, () => keyValueType),
});

export const deleteRangeRequestType: MessageType<DeleteRangeRequest> = message('DeleteRangeRequest', {
  key: bytes(1),
  rangeEnd: bytes(2),
  prevKv: bool(3),
});

export const deleteRangeResponseType: MessageType<Answer<DeleteRangeResponse>> = message('DeleteRangeResponse', {
  ...header,
  deleted: int64(2),
  prevKvs: repeated(embedded(3, () => keyValueType)),
});

const compareFields = message('Compare', {
  result: enumeration(1, 'etcdserverpb.Compare_CompareResult', ['EQUAL', 'GREATER', 'LESS', 'NOT_EQUAL']),
  target: enumeration(2, 'etcdserverpb.Compare_CompareTarget', ['VERSION', 'CREATE', 'MOD', 'VALUE', 'LEASE']),
  key: bytes(3),
  version: optional(int64(4)),
  createRevision: optional(int64(5)),
  modRevision: optional(int64(6)),
  value: optional(bytes(7)),
  lease: optional(int64(8)),
  rangeEnd: bytes(64),
});

const numbersCompared = { VERSION: 'version', CREATE: 'createRevision', MOD: 'modRevision', LEASE: 'lease' } as const;
const kindsCompared = ['VERSION', 'CREATE', 'MOD', 'LEASE'] as const;

export const compareType: MessageType<Compare> = shaped(
  compareFields,
  ({ result, target, key, rangeEnd, value, ...numbers }) => {
    const kind = kindsCompared.find((each) => numbers[numbersCompared[each]] !== undefined);
    if (kind) return { result, target, key, rangeEnd, with: { kind, number: numbers[numbersCompared[kind]] ?? 0n } };
    return { result, target, key, rangeEnd, with: value && { kind: 'VALUE', value } };
  },
  ({ with: operand, ...compare }) => {
    if (!operand) return compare;
    if (operand.kind === 'VALUE') return { ...compare, value: operand.value };
    return { ...compare, [numbersCompared[operand.kind]]: operand.number };
  },
);

const requestOpFields = message('RequestOp', {
  requestRange: embedded(1, () => rangeRequestType),
  requestPut: embedded(2, () => putRequestType),
  requestDeleteRange: embedded(3, () => deleteRangeRequestType),
  requestTxn: embedded<TxnRequest>(4, () => txnRequestType),
});

export const requestOpType: MessageType<RequestOp> = shaped(
  requestOpFields,
  ({ requestRange, requestPut, requestDeleteRange, requestTxn }) => {
    if (requestPut) return { kind: 'put', request: requestPut };
    if (requestRange) return { kind: 'range', request: requestRange };
    if (requestDeleteRange) return { kind: 'deleteRange', request: requestDeleteRange };
    if (requestTxn) return { kind: 'txn', request: requestTxn };
    return { kind: 'none' };
  },
  (op) => {
    switch (op.kind) {
      case 'range':
        return { requestRange: op.request };
      case 'put':
        return { requestPut: op.request };
      case 'deleteRange':
        return { requestDeleteRange: op.request };
      case 'txn':
        return { requestTxn: op.request };
      case 'none':
        return {};
    }
  },
);

export const txnRequestType: MessageType<TxnRequest> = message('TxnRequest', {
  compare: repeated(embedded(1, () => compareType)),
  success: repeated(embedded(2, () => requestOpType)),
  failure: repeated(embedded(3, () => requestOpType)),
});

const responseOpFields = message('ResponseOp', {
  responseRange: embedded(1, () => rangeResponseType),
  responsePut: embedded(2, () => putResponseType),
  responseDeleteRange: embedded(3, () => deleteRangeResponseType),
  responseTxn: embedded<Answer<TxnResponse>>(4, () => txnResponseType),
});

const revisionOf = (answer: { readonly header: Header | undefined }): bigint => answer.header?.revision ?? 0n;

export const responseOpType: MessageType<ResponseOp> = shaped(
  responseOpFields,
  ({ responseRange, responsePut, responseDeleteRange, responseTxn }): ResponseOp => {
    if (responseRange) return { kind: 'range', response: { ...responseRange, revision: revisionOf(responseRange) } };
    if (responsePut) return { kind: 'put', response: { ...responsePut, revision: revisionOf(responsePut) } };
    if (responseTxn) return { kind: 'txn', response: { ...responseTxn, revision: revisionOf(responseTxn) } };
    const deletion = responseDeleteRange ?? { header: undefined, deleted: 0n, prevKvs: [] };
    return { kind: 'deleteRange', response: { ...deletion, revision: revisionOf(deletion) } };
  },
  (op) => {
    switch (op.kind) {
      case 'range':
        return { responseRange: { ...op.response, header: innerHeader(op.response.revision) } };
      case 'put':
        return { responsePut: { ...op.response, header: innerHeader(op.response.revision) } };
      case 'deleteRange':
        return { responseDeleteRange: { ...op.response, header: innerHeader(op.response.revision) } };
      case 'txn':
        // etcd leaves the header of an inner transaction empty.
        return { responseTxn: { ...op.response, header: innerHeader(0n) } };
    }
  },
);

export const txnResponseType: MessageType<Answer<TxnResponse>> = message('TxnResponse', {
  ...header,
  succeeded: bool(2),
  responses: repeated(embedded(3, () => responseOpType)),
});

export const compactionRequestType: MessageType<CompactionRequest> = message('CompactionRequest', {
  revision: int64(1),
  physical: bool(2),
});
