import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import type { Daemon } from '../fixtures/process.ts';
import { killAll } from '../fixtures/processes.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { until } from '../fixtures/until.ts';
import { Writer } from '../fixtures/writer.ts';

interface Node {
  readonly node_id: string;
  readonly backend_id: string;
}
interface Instance {
  readonly leader: string;
  readonly nodes: readonly Node[];
  readonly repairs?: readonly string[];
  readonly conditions: readonly { readonly type: string; readonly reason: string; readonly message: string }[];
}

describe('replicas that cannot follow, on real Patroni under write load', function () {
  this.timeout(120_000);
  let herd: Herd;
  let writer: Writer;

  const state = async (): Promise<Instance> => JSON.parse(await herd.run('get', 'instances', 'f1', '-o', 'json')).state;
  const replicas = async (): Promise<readonly Node[]> => {
    const { nodes, leader } = await state();
    return nodes.filter(({ node_id }) => node_id !== leader);
  };
  const degraded = async (reason: string) =>
    until(
      `Degraded ${reason}`,
      async () => {
        const { conditions } = await state();
        return conditions.find((each) => each.type === 'Degraded' && each.message && each.reason === reason);
      },
      { withinMs: 60_000, everyMs: 300 },
    );
  const daemonOf = ({ backend_id }: Node): Daemon => herd.cells.find(({ name }) => name === backend_id) as Daemon;
  const homeOf = ({ node_id, backend_id }: Node): string => join(herd.dir, backend_id, 'nodes', node_id, 'home');
  const dataOf = (node: Node): string => join(homeOf(node), 'pg');
  /** As a superuser, through the public port. */
  const superuser = async (...texts: readonly string[]): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: await herd.superuserUri('f1') });
    await client.connect();
    try {
      let rows: unknown[] = [];
      for (const text of texts) ({ rows } = await client.query(text));
      return rows;
    } finally {
      await client.end();
    }
  };
  /** Patroni's name for it: what is no letter and no digit is an underscore. */
  const hasSlot = async ({ node_id }: Node): Promise<boolean> => {
    const name = node_id.replaceAll('-', '_');
    return (await superuser(`select 1 from pg_replication_slots where slot_name = '${name}'`)).length > 0;
  };
  /** Does this while the node's processes are dead and its agent has not seen it yet. */
  const whileDead = async (node: Node, act: () => void | Promise<void>): Promise<void> => {
    daemonOf(node).signal('SIGSTOP');
    try {
      killAll(herd.processesOf(node.node_id));
      await act();
    } finally {
      daemonOf(node).signal('SIGCONT');
    }
  };
  const rebuilt = async (node: Node): Promise<void> => {
    await until(
      `${node.node_id} is built anew`,
      async () => (await state()).nodes.every(({ node_id }) => node_id !== node.node_id),
      { withinMs: 60_000, everyMs: 300 },
    );
    await herd.ready('f1');
    expect((await state()).nodes).to.have.length(3);
    expect(herd.processesOf(node.node_id)).to.deep.equal([]);
    expect(readdirSync(join(herd.dir, node.backend_id, 'nodes'))).to.not.include(node.node_id);
  };
  const nothingLost = async (): Promise<void> => {
    await writer.nextAck();
    expect(await writer.lost()).to.deep.equal([]);
  };

  before(async () => {
    herd = await startHerd({ cells: 3, firstPort: 27000, network: 70, controllerArgs: ['--repair-after', '8s'] });
    await herd.apply('f1', { plan: 'test', parameters: { 'node-count': 3, synchronous: true } });
    writer = await new Writer(await herd.uri('f1')).start();
  });
  after(async () => {
    await writer?.stop();
    await herd?.stop();
  });

  it('builds a replica anew whose data directory is broken, and leaves the leader alone', async () => {
    const { leader } = await state();
    const [victim] = (await replicas()) as [Node];
    await whileDead(victim, () =>
      writeFileSync(join(dataOf(victim), 'global', 'pg_control'), Buffer.alloc(8192, 0x5a)),
    );
    await rebuilt(victim);
    expect((await state()).leader).to.equal(leader);
    await nothingLost();
  });

  it('builds a replica anew that lacks WAL which the leader has no more', async () => {
    const { leader } = await state();
    const [victim] = (await replicas()) as [Node];
    // More than wal_keep_size.
    const more = ['create table if not exists noise (x int)', 'insert into noise values (1)', 'select pg_switch_wal()'];
    await whileDead(victim, async () => {
      const key = `/service/f1/members/${victim.node_id}`;
      await until(
        'Patroni forgot it, and its slot',
        async () => (await herd.keys(key)).length === 0 && !(await hasSlot(victim)),
      );
      await superuser(...Array.from({ length: 12 }, () => more).flat(), 'checkpoint');
    });
    await rebuilt(victim);
    expect((await state()).leader).to.equal(leader);
    await nothingLost();
  });

  it('builds a leader of before anew that lacks the WAL to be rewound', async () => {
    await herd.synchronous('f1');
    const { leader, nodes } = await state();
    const victim = nodes.find(({ node_id }) => node_id === leader) as Node;
    await whileDead(victim, () => {
      rmSync(join(dataOf(victim), 'pg_wal'), { recursive: true });
      mkdirSync(join(dataOf(victim), 'pg_wal'), { mode: 0o700 });
    });
    await rebuilt(victim);
    await nothingLost();
  });

  it('stops after three times an hour and says why, touches none when no replica is left, and goes on when they are back', async () => {
    const { repairs, leader, nodes } = await state();
    expect(repairs).to.have.length(3);
    const [one, other] = (await replicas()) as [Node, Node];
    const ruin = (node: Node) =>
      whileDead(node, () => {
        renameSync(dataOf(node), `${dataOf(node)}.away`);
        writeFileSync(dataOf(node), 'not a directory');
      });
    await ruin(one);
    const { message } = await degraded('RepairsExhausted');
    expect(message).to.match(
      new RegExp(`${one.node_id} cannot follow since .*three|3 times within an hour; see its logs`),
    );
    await ruin(other);
    expect((await degraded('RepairHeld')).message).to.match(/none of the replicas .* follows/);
    await nothingLost();
    for (const node of [one, other]) {
      rmSync(dataOf(node));
      renameSync(`${dataOf(node)}.away`, dataOf(node));
    }
    await herd.ready('f1');
    expect((await state()).nodes).to.deep.equal(nodes);
    expect((await state()).leader).to.equal(leader);
    await nothingLost();
  });
});
