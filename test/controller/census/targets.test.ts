import { expect } from 'chai';
import { listTargets } from '../../../src/controller/census/targets.ts';
import { WatchedWorld } from '../support/watched-world.ts';

describe('listTargets()', () => {
  let watched: WatchedWorld;

  beforeEach(async () => {
    watched = new WatchedWorld();
    watched.world.cell('n1', 'z1', { metrics: '10.0.0.1:9301' });
    watched.world.cell('n2', 'z2');
    watched.world.apply('f1', { plan: 'standard', parameters: { 'node-count': 2 } });
    watched.simulation.settle(['f1']);
    await watched.start();
  });
  afterEach(() => watched.stop());

  const list = (job: string | null) => listTargets(job, { cells: watched.herd.cells, informers: watched.informers });

  it('lists where Patroni and PostgreSQL of every running node are, with what they are labelled by', () => {
    const patroni = list('patroni');
    expect(patroni).to.have.length(2);
    const [first] = patroni;
    expect(first?.targets).to.deep.equal([Object.values(watched.world.json(nodeKeys()[0] ?? '')?.['ports'] ?? {})[1]]);
    expect(first?.labels).to.deep.equal({
      __meta_pgherd_job: 'patroni',
      __meta_pgherd_scope: 'f1',
      __meta_pgherd_node: nodeKeys()[0]?.split('/').at(-1),
      __meta_pgherd_cell: 'n1',
      __meta_pgherd_zone: 'z1',
    });
    expect(list('postgresql')).to.have.length(2);
  });

  it('lists cells and routers that say where they are scraped, and everything when nothing is asked for', () => {
    expect(list('cell')).to.deep.equal([
      {
        targets: ['10.0.0.1:9301'],
        labels: { __meta_pgherd_job: 'cell', __meta_pgherd_cell: 'n1', __meta_pgherd_zone: 'z1' },
      },
    ]);
    expect(list('router')).to.deep.equal([]);
    expect(list(null)).to.have.length(5);
    expect(list('nonsense')).to.deep.equal([]);
  });

  const nodeKeys = () => watched.world.keys('/cells/observed/');
});
