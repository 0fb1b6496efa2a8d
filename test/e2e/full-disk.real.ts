import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import { OperatingPage } from '../fixtures/operating-page.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import type { SmallDisk } from '../fixtures/small-disk.ts';
import { until } from '../fixtures/until.ts';
import { Writer } from '../fixtures/writer.ts';

interface Node {
  readonly node_id: string;
  readonly backend_id: string;
}
interface Instance {
  readonly leader?: string;
  readonly allocated_port: number;
  readonly nodes: readonly Node[];
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
  }[];
}

// A tenth of it is more than the 64 MB below which a cell takes no new nodes.
const diskMb = 720;
const nearlyFullBytes = 69 * 1024 ** 2;
const fullBytes = 40 * 1024 ** 2;

describe('a disk that fills up, on real Patroni under write load', function () {
  this.timeout(180_000);
  let herd: Herd;
  let writer: Writer;
  let port: number;

  const state = async (): Promise<Instance> => JSON.parse(await herd.run('get', 'instances', 'f1', '-o', 'json')).state;
  const leader = async (): Promise<Node> => {
    const { leader: id, nodes } = await state();
    return nodes.find(({ node_id }) => node_id === id) as Node;
  };
  const replica = async (): Promise<Node> => {
    const { leader: id, nodes } = await state();
    return nodes.find(({ node_id }) => node_id !== id) as Node;
  };
  const diskOf = ({ backend_id }: Node): SmallDisk => herd.disks.get(Number(backend_id.slice(-1))) as SmallDisk;
  const condition = (type: string, reason?: string) =>
    until(
      `${type} ${reason}`,
      async () => (await state()).conditions.find((each) => each.type === type && each.reason === reason),
      { withinMs: 60_000, everyMs: 300 },
    );
  const running = async () =>
    (await state()).conditions.find(({ type }) => type === 'Running') as Instance['conditions'][number];
  const diskIsNoWorry = () =>
    until('no worry about disks', async () => (await state()).conditions.every(({ type }) => type !== 'Degraded'), {
      withinMs: 60_000,
      everyMs: 300,
    });
  /** Begins new files of WAL, more than there are in stock: whoever has no room for them cannot go on. */
  const useUpWal = async (): Promise<void> => {
    const client = new pg.Client({ connectionString: await herd.superuserUri('f1') });
    client.on('error', () => undefined);
    await client.connect();
    try {
      await client.query('create table if not exists noise (x int)');
      for (let i = 0; i < 12; i++) {
        await client.query('insert into noise values (1)');
        await client.query('select pg_switch_wal()');
      }
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const nothingLost = async (): Promise<void> => {
    await herd.ready('f1');
    await writer.nextAck();
    expect(await writer.lost()).to.deep.equal([]);
    expect((await state()).allocated_port).to.equal(port);
  };

  before(async () => {
    herd = await startHerd({ cells: 3, firstPort: 27600, network: 72, disks: { 1: diskMb, 2: diskMb } });
    await herd.apply('f1', { plan: 'test', parameters: { 'node-count': 2, synchronous: true } });
    const { nodes, allocated_port } = await state();
    expect(nodes.map(({ backend_id }) => backend_id)).to.have.members(['cell-1', 'cell-2']);
    port = allocated_port;
    writer = await new Writer(await herd.uri('f1')).start();
  });
  after(async () => {
    await writer?.stop();
    await herd?.stop();
  });

  it('says which directory is over 90 % full before anything stops', async () => {
    const node = await leader();
    const processes = herd.processesOf(node.node_id);
    diskOf(node).leave(nearlyFullBytes);
    const { message } = await condition('Degraded', 'DiskFilling');
    expect(message).to.include(join(herd.dir, node.backend_id)).and.to.include(node.node_id);
    expect(await herd.run('get', 'cells', '-o', 'wide')).to.match(new RegExp(`${node.backend_id} .* is 9\\d % full`));
    expect(await herd.run('describe', 'f1')).to.include(message);
    await herd.ready('f1');
    expect(herd.processesOf(node.node_id)).to.include.members(processes.slice(0, 1));
    diskOf(node).free();
    await diskIsNoWorry();
    await nothingLost();
  });

  it('writes on without a replica whose disk is full, and has it back once there is room', async () => {
    const { nodes, leader: before } = await state();
    const node = await replica();
    diskOf(node).fill();
    await useUpWal();
    await until('the loss of the replica is told', async () => (await running()).status === 'False', {
      withinMs: 60_000,
      everyMs: 300,
    });
    await writer.nextAck();
    expect((await state()).leader).to.equal(before);
    diskOf(node).free();
    await nothingLost();
    expect((await state()).nodes).to.deep.equal(nodes);
  });

  it('goes on with the replica when the disk of the leader is full, before PostgreSQL ends, and has both back once there is room', async () => {
    const { nodes } = await state();
    const node = await leader();
    await herd.synchronous('f1');
    diskOf(node).leave(fullBytes);
    const leads = async () => (await state()).leader ?? node.node_id;
    await until('another leader', async () => (await leads()) !== node.node_id, { withinMs: 60_000, everyMs: 300 });
    await writer.nextAck();
    expect(await writer.lost()).to.deep.equal([]);
    diskOf(node).free();
    await nothingLost();
    expect((await state()).nodes).to.deep.equal(nodes);
  });

  it('moves everything away from a cell whose disk fills up, as the page says', async () => {
    const page = new OperatingPage(herd, 'replica-repair.md');
    herd.disks.get(1)?.leave(nearlyFullBytes);
    await condition('Degraded', 'DiskFilling');
    await page.run('drain cell-1');
    page.end();
    await diskIsNoWorry();
    expect((await state()).nodes.map(({ backend_id }) => backend_id)).to.have.members(['cell-2', 'cell-3']);
    await nothingLost();
  });
});
