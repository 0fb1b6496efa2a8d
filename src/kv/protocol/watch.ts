import type { Event } from '../messages.ts';
import { bool, bytes, embedded, enumeration, int64, message, repeated, string } from '../wire/schema.ts';
import { header } from './header.ts';
import { eventType } from './kv.ts';

export const watchCreateType = message('WatchCreateRequest', {
  key: bytes(1),
  rangeEnd: bytes(2),
  startRevision: int64(3),
  progressNotify: bool(4),
  filters: repeated(enumeration(5, 'etcdserverpb.WatchCreateRequest_FilterType', ['NOPUT', 'NODELETE'])),
  prevKv: bool(6),
  watchId: int64(7),
  fragment: bool(8),
});

const watchCancelType = message('WatchCancelRequest', { watchId: int64(1) });
const watchProgressType = message('WatchProgressRequest', {});

export const watchRequestType = message('WatchRequest', {
  createRequest: embedded(1, () => watchCreateType),
  cancelRequest: embedded(2, () => watchCancelType),
  progressRequest: embedded(3, () => watchProgressType),
});

export const watchResponseType = message('WatchResponse', {
  ...header,
  watchId: int64(2),
  created: bool(3),
  canceled: bool(4),
  compactRevision: int64(5),
  cancelReason: string(6),
  fragment: bool(7),
  events: repeated(embedded<Event>(11, () => eventType)),
});
