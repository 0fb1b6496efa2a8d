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
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';
import type { Alarm } from './space.ts';
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
        errors: space.active.map((alarm) => `memberID:${identity.memberId} alarm:${alarm} `),
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
    async handle({ action, memberId, alarm }) {
      const answer = (alarms: readonly Alarm[]) => ({
        // etcd leaves it out.
        header: undefined,
        alarms: alarms.map((each) => ({ memberId: identity.memberId, alarm: each })),
      });
      const isMeant = (each: Alarm) => alarm === 'NONE' || alarm === each;
      const isHere = memberId === 0n || memberId === identity.memberId;
      if (action === 'GET') return answer(space.active.filter(isMeant));
      if (action === 'ACTIVATE') {
        if (alarm === 'NONE') return answer([]);
        await space.raise(alarm);
        return answer([alarm]);
      }
      const disarmed = isHere ? space.active.filter(isMeant) : [];
      for (const each of disarmed) await space.disarm(each);
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
      gate.requireAdmin(caller);
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
      gate.requireAdmin(caller);
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
      gate.requireAdmin(caller);
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
