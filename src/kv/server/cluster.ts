import { KvError } from '../kv-error.ts';
import { memberListResponseType } from '../protocol/cluster.ts';
import { doneType, nothingType } from '../protocol/plain.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';

/** How this server is known. */
export interface Member {
  readonly name: string;
  /** Where clients are to go: some leave the address that they came by at once. */
  readonly clientUrls: readonly string[];
}

const changes = [
  ['MemberAdd', 'add'],
  ['MemberRemove', 'remove'],
  ['MemberUpdate', 'update'],
  ['MemberPromote', 'promote'],
] as const;

/** Cluster: a list of one. */
export const cluster = ({ identity, gate }: ServerParts, member: () => Member): readonly Method[] => [
  method({
    kind: 'unary',
    path: '/etcdserverpb.Cluster/MemberList',
    gateway: ['/cluster/member/list'],
    request: nothingType,
    response: memberListResponseType,
    async handle() {
      const { name, clientUrls } = member();
      const only = { id: identity.memberId, name, peerUrls: clientUrls, clientUrls, isLearner: false };
      return { header: identity.header(0n), members: [only] };
    },
  }),
  ...changes.map(([rpc, path]) =>
    method({
      kind: 'unary',
      path: `/etcdserverpb.Cluster/${rpc}`,
      gateway: [`/cluster/member/${path}`],
      request: nothingType,
      response: doneType,
      async handle(_, caller) {
        gate.requireAdmin(caller);
        throw new KvError('FailedPrecondition', 'etcdserver: this store has one member: run an etcd cluster for more');
      },
    }),
  ),
];
