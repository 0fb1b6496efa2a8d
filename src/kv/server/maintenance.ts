import { KvError } from '../kv-error.ts';
import {
  alarmRequestType,
  alarmResponseType,
  hashKvRequestType,
  hashKvResponseType,
  hashResponseType,
  statusResponseType,
} from '../protocol/maintenance.ts';
import { doneType, nothingType } from '../protocol/plain.ts';
import { asMaintenance } from './maintenance-refusal.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';
import type { ActiveAlarm } from './space.ts';
import { etcdVersion } from './version.ts';

const path = (name: string): string => `/etcdserverpb.Maintenance/${name}`;

/** Maintenance, all but snapshots. */
export const maintenance = ({ backend, identity, gate, space }: ServerParts): readonly Method[] => [
  method({
    kind: 'unary',
    path: path('Status'),
    gateway: ['/maintenance/status'],
    request: nothingType,
    response: statusResponseType,
    async handle() {
      const { revision, dbSize, dbSizeInUse } = backend.status();
      return {
        header: identity.header(revision),
        version: etcdVersion,
        dbSize: BigInt(dbSize),
        dbSizeInUse: BigInt(dbSizeInUse),
        leader: identity.memberId,
        // There is no log but the store itself.
        raftIndex: revision,
        raftAppliedIndex: revision,
        raftTerm: identity.raftTerm,
        errors: space.active.map(({ alarm, memberId }) => `memberID:${memberId} alarm:${alarm} `),
        isLearner: false,
      };
    },
  }),
  method({
    kind: 'unary',
    path: path('Alarm'),
    gateway: ['/maintenance/alarm'],
    request: alarmRequestType,
    response: alarmResponseType,
    async handle({ action, memberId, alarm }, caller) {
      asMaintenance(() => gate.identify(caller));
      // etcd sends no header here.
      const answer = (alarms: readonly ActiveAlarm[]) => ({ header: undefined, alarms });
      const meant = space.active.filter((each) => alarm === 'NONE' || alarm === each.alarm);
      if (action === 'GET') return answer(meant);
      if (action === 'ACTIVATE') {
        if (alarm === 'NONE') return answer([]);
        await space.raise(alarm, memberId);
        return answer([{ alarm, memberId }]);
      }
      const disarmed = meant.filter((each) => each.memberId === memberId);
      for (const each of disarmed) await space.disarm(each.alarm);
      return answer(disarmed);
    },
  }),
  method({
    kind: 'unary',
    path: path('Defragment'),
    gateway: ['/maintenance/defragment'],
    request: nothingType,
    response: doneType,
    async handle(_, caller) {
      asMaintenance(() => gate.requireAdmin(caller));
      await backend.defragment();
      return { header: undefined };
    },
  }),
  method({
    kind: 'unary',
    path: path('Hash'),
    gateway: ['/maintenance/hash'],
    request: nothingType,
    response: hashResponseType,
    async handle(_, caller) {
      asMaintenance(() => gate.requireAdmin(caller));
      const { hash, revision } = await backend.hash(0n);
      return { header: identity.header(revision), hash };
    },
  }),
  method({
    kind: 'unary',
    path: path('HashKV'),
    gateway: [],
    request: hashKvRequestType,
    response: hashKvResponseType,
    async handle({ revision }, caller) {
      asMaintenance(() => gate.requireAdmin(caller));
      const { hash, compactRevision, revision: at } = await backend.hash(revision);
      return { header: identity.header(at), hash, compactRevision };
    },
  }),
  ...(['MoveLeader', 'Downgrade'] as const).map((name) =>
    method({
      kind: 'unary',
      path: path(name),
      gateway: name === 'MoveLeader' ? ['/maintenance/transfer-leadership'] : ['/maintenance/downgrade'],
      request: nothingType,
      response: doneType,
      async handle() {
        throw name === 'MoveLeader'
          ? new KvError('FailedPrecondition', 'etcdserver: bad leader transferee')
          : new KvError('Unimplemented', 'etcdserver: this store has no versions to go back to');
      },
    }),
  ),
];
