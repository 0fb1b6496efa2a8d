import {
  bool,
  bytes,
  embedded,
  enumeration,
  int64,
  message,
  repeated,
  string,
  uint32,
  uint64,
} from '../wire/schema.ts';
import { header } from './header.ts';

const alarmField = (number: number) => enumeration(number, 'etcdserverpb.AlarmType', ['NONE', 'NOSPACE', 'CORRUPT']);

export const alarmRequestType = message('AlarmRequest', {
  action: enumeration(1, 'etcdserverpb.AlarmRequest_AlarmAction', ['GET', 'ACTIVATE', 'DEACTIVATE']),
  memberId: uint64(2, 'memberID'),
  alarm: alarmField(3),
});

const alarmMemberType = message('AlarmMember', { memberId: uint64(1, 'memberID'), alarm: alarmField(2) });

export const alarmResponseType = message('AlarmResponse', {
  ...header,
  alarms: repeated(embedded(2, () => alarmMemberType)),
});

export const statusResponseType = message('StatusResponse', {
  ...header,
  version: string(2),
  dbSize: int64(3, 'dbSize'),
  leader: uint64(4),
  raftIndex: uint64(5, 'raftIndex'),
  raftTerm: uint64(6, 'raftTerm'),
  raftAppliedIndex: uint64(7, 'raftAppliedIndex'),
  errors: repeated(string(8)),
  dbSizeInUse: int64(9, 'dbSizeInUse'),
  isLearner: bool(10, 'isLearner'),
});

export const hashResponseType = message('HashResponse', { ...header, hash: uint32(2) });
export const hashKvRequestType = message('HashKVRequest', { revision: int64(1) });
export const hashKvResponseType = message('HashKVResponse', {
  ...header,
  hash: uint32(2),
  compactRevision: int64(3),
});

export const snapshotResponseType = message('SnapshotResponse', {
  ...header,
  remainingBytes: uint64(2),
  blob: bytes(3),
});

/** grpc.health.v1, which etcd serves beside its own services. */
export const healthCheckRequestType = message('HealthCheckRequest', { service: string(1) });
export const healthCheckResponseType = message('HealthCheckResponse', {
  status: enumeration(1, 'grpc_health_v1.HealthCheckResponse_ServingStatus', ['UNKNOWN', 'SERVING', 'NOT_SERVING']),
});
