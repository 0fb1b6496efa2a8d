import { expect } from 'chai';
import { writeMixedHerd } from '../fixtures/herd.ts';
import { pgherd, type TestWorld, testWorld } from '../fixtures/world.ts';

describe('commands on one cell', () => {
  let world: TestWorld;
  beforeEach(() => {
    world = testWorld();
    writeMixedHerd(world.keyspace);
  });
  const maintenance = (cell: string) => {
    const kv = world.keyspace.get(`/cells/maintenance/${cell}`);
    return kv && JSON.parse(kv.value);
  };
  const put = (key: string, value: unknown) =>
    world.keyspace.txn({ if: [], then: [{ type: 'put', key, value: JSON.stringify(value) }] });
  const remove = (start: string) =>
    world.keyspace.txn({ if: [], then: [{ type: 'deleteRange', range: { start, end: `${start}~` } }] });

  for (const command of ['cordon', 'uncordon', 'drain', 'forget cell']) {
    it(`${command} names the nearest cell when there is none of that name`, async () => {
      const { code, err } = await pgherd(world, `${command} cel-1`);
      expect([code, err]).to.deep.equal([1, 'pgherd: no cell "cel-1". Did you mean cell-1?\n']);
      expect(maintenance('cel-1')).to.equal(undefined);
    });
  }

  it('cordon and uncordon write and remove what operators say', async () => {
    expect((await pgherd(world, 'cordon cell-1 --reason disk')).out).to.equal('cell-1 is cordoned\n');
    expect(maintenance('cell-1')).to.deep.include({ mode: 'cordon', reason: 'disk' });
    expect((await pgherd(world, 'uncordon cell-1')).out).to.equal('cell-1 takes nodes again\n');
    expect(maintenance('cell-1')).to.equal(undefined);
    expect((await pgherd(world, 'uncordon cell-1')).out).to.equal('cell-1 was not cordoned\n');
  });

  it('drain tells what is left and why, and that it is done', async () => {
    const draining = pgherd(world, 'drain cell-1');
    for (;;) {
      if (world.printed.out.includes('left')) break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    remove('/cells/assignments/cell-1/');
    remove('/cells/observed/cell-1/');
    for (const instance of ['example', 'refused']) remove(`/serviceinstances/${instance}/nodes/`);
    const { code, out } = await draining;
    expect(code).to.equal(0);
    expect(out).to.match(/^cell-1: draining, for 60m at most\ncell-1: 2 nodes left\n {2}example-aaaaaa: /);
    expect(out).to.match(/cell-1 is drained: it holds no node and takes none until `pgherd uncordon cell-1`\n$/);
  });

  it('drain ends at its deadline with what stayed and why, and leaves the cell cordoned', async () => {
    const { code, err } = await pgherd(world, 'drain cell-1 --deadline 300ms');
    expect(code).to.equal(1);
    expect(err).to.match(
      /^pgherd: the drain of cell-1 has come to its deadline; 2 stayed: example-aaaaaa: .*; refused-eeeeee: /,
    );
    expect(maintenance('cell-1')?.mode).to.equal('drain');
    expect((await pgherd(world, 'get cell cell-1')).out).to.include('DrainEnded');
  });

  it('drain goes on where it was interrupted, with the deadline it had', async () => {
    await pgherd(world, 'drain cell-1 --deadline 30m --reason kernel --no-wait');
    const before = maintenance('cell-1');
    const { out } = await pgherd(world, 'drain cell-1 --no-wait');
    expect(out).to.match(/^cell-1: going on with the drain that ends in (29|30)m\n$/);
    expect(maintenance('cell-1')).to.deep.equal(before);
    expect(before).to.include({ mode: 'drain', reason: 'kernel' });
  });

  it('drain refuses a cell that is gone', async () => {
    const { code, err } = await pgherd(world, 'drain cell-3');
    expect([code, err.includes('pgherd forget cell cell-3')]).to.deep.equal([1, true]);
  });

  it('forget refuses a cell that is there, and one that has the last copy of an instance', async () => {
    expect((await pgherd(world, 'forget cell cell-1')).err).to.match(/^pgherd: cell cell-1 is there: drain it/);
    remove('/cells/registered/cell-4');
    const { code, err } = await pgherd(world, 'forget cell cell-4');
    expect(code).to.equal(1);
    expect(err).to.match(/^pgherd: cell cell-4 has the last copy of hollow: bring it back; or add --accept-data-loss/);
    expect(maintenance('cell-4')).to.equal(undefined);
  });

  it('forget waits until nothing speaks of the cell any more', async () => {
    const forgetting = pgherd(world, 'forget cell cell-3');
    while (!maintenance('cell-3')) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const what of ['assignments', 'observed', 'maintenance']) remove(`/cells/${what}/cell-3`);
    remove('/serviceinstances/example/nodes/example-cccccc');
    expect((await forgetting).out).to.equal('cell-3 is forgotten\n');
  });

  it('get cells tells since when a cell is gone, and why nothing is replaced', async () => {
    put('/cells/health/cell-3', { health: 'Lost', since: new Date(Date.now() - 300_000).toISOString(), zone: 'z3' });
    put('/cells/brake', { since: '2026-01-01T12:00:00Z', reason: '2 of 4 cells are gone at once' });
    const { out, err } = await pgherd(world, 'get cells');
    expect(out).to.match(/cell-3 .*Lost 5m/);
    expect(err).to.equal('since 2026-01-01T12:00:00Z 2 of 4 cells are gone at once\n');
  });

  it('rebalance says what it would move, and writes nothing on a dry run', async () => {
    const { revision } = world.keyspace;
    expect((await pgherd(world, 'rebalance --dry-run')).out).to.match(/^nothing to move/);
    expect(world.keyspace.revision).to.equal(revision);
    expect((await pgherd(world, 'rebalance --budget none')).code).to.equal(2);
  });
});
