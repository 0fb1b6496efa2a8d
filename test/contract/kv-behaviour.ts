import { expect } from 'chai';
import { GatewayClient } from '../fixtures/kv/gateway-client.ts';
import { GrpcClient } from '../fixtures/kv/grpc-client.ts';
import { authBehaviour } from './kv/auth.ts';
import { clusterBehaviour } from './kv/cluster.ts';
import { compactBehaviour } from './kv/compact.ts';
import { gatewayBehaviour } from './kv/gateway.ts';
import { leaseBehaviour } from './kv/lease.ts';
import { putBehaviour } from './kv/put.ts';
import { rangeBehaviour } from './kv/range.ts';
import { sizesBehaviour } from './kv/sizes.ts';
import { Tested } from './kv/tested.ts';
import { txnBehaviour } from './kv/txn.ts';
import { watchBehaviour } from './kv/watch.ts';

/** A server that was started for this suite alone, and is empty. */
export interface KvServer {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** What every server that speaks etcd's protocol must do, exactly, through gRPC and through the JSON gateway. */
export function kvBehaviour(start: () => Promise<KvServer>): void {
  let server: KvServer;

  before(async () => {
    server = await start();
  });
  after(() => server?.stop());

  const clients = {
    gRPC: () => new GrpcClient(server.endpoint),
    'the JSON gateway': () => new GatewayClient(server.endpoint),
  };
  for (const [transport, connect] of Object.entries(clients)) {
    describe(`through ${transport}`, () => {
      const t = new Tested(transport === 'gRPC');
      before(() => t.use(connect));
      beforeEach(() => t.next());
      after(() => t.close());

      if (transport === 'gRPC') {
        it('is at revision 1 when it is empty', async () => {
          expect(await t.ask('KV/Range', { key: 'a' })).to.deep.equal({ header: { revision: '1' } });
          expect(await t.put('a')).to.equal(2);
        });
      }
      describe('range', () => rangeBehaviour(t));
      describe('put and delete', () => putBehaviour(t));
      describe('transactions', () => txnBehaviour(t));
      describe('watches', () => watchBehaviour(t));
      describe('leases', () => leaseBehaviour(t));
      describe('compaction', () => compactBehaviour(t));
      describe('sizes', () => sizesBehaviour(t));
      describe('cluster and maintenance', () => clusterBehaviour(t, () => server));
      describe('authentication', () => authBehaviour(t));
    });
  }
  describe('the JSON gateway by itself', () => gatewayBehaviour(() => server));
}
