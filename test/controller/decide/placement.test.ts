import { expect } from 'chai';
import {
  cannotRun,
  chooseCells,
  explainShortage,
  type Need,
  rankCells,
  refusal,
} from '../../../src/controller/decide/placement.ts';
import type { CellView } from '../../../src/controller/view/instance-view.ts';
import { parseRegistration } from '../../../src/schema/cell.ts';
import type { CellId } from '../../../src/schema/ids.ts';
import { bad } from '../../../src/schema/parsed.ts';

interface Sketch {
  readonly zone?: string;
  readonly nodes?: number;
  readonly memoryMb?: number;
  readonly inMaintenance?: boolean;
  readonly labels?: Record<string, string>;
  readonly problem?: string;
  readonly versions?: string[];
  readonly images?: boolean;
  readonly registered?: boolean | 'unreadable';
}

function cell(id: string, sketch: Sketch = {}): CellView {
  const registration = parseRegistration(
    JSON.stringify({
      cell: id,
      hostname: id,
      address: '127.0.0.1',
      zone: sketch.zone ?? 'z1',
      labels: sketch.labels ?? {},
      capacity: { nodes: 4, memory_mb: 1024 },
      runtime: 'simulated',
      version: '0',
      boot_id: '1',
      ...(sketch.versions && { postgresql_versions: sketch.versions }),
      ...(sketch.images !== undefined && { images: sketch.images }),
      ...(sketch.problem && { problem: sketch.problem }),
    }),
  );
  const { registered = true, nodes = 0, memoryMb = 0, inMaintenance = false } = sketch;
  const says = registered === true ? registration : registered ? bad('not JSON') : undefined;
  return { id: id as CellId, registration: says, inMaintenance, nodes, memoryMb };
}

// The oracle of the systems pgherd succeeds.
const [n1, n2, n3, n4] = [
  cell('n1', { zone: 'z1', nodes: 3 }),
  cell('n2', { zone: 'z1', nodes: 1 }),
  cell('n3', { zone: 'z2', nodes: 2 }),
  cell('n4', { zone: 'z2', nodes: 0 }),
];
const all = [n1, n2, n3, n4] as CellView[];
const ids = (cells: readonly CellView[]) => cells.map(({ id }) => id);
const need = { pool: {}, memoryMb: 256 };

describe('rankCells()', () => {
  it('puts the first node on the cell with the fewest nodes', () => {
    expect(ids(rankCells(all, []))).to.deep.equal(['n4', 'n2', 'n3', 'n1']);
  });

  it('puts the second node into another zone, and onto the same cell last', () => {
    expect(ids(rankCells(all, [n1 as CellView]))).to.deep.equal(['n4', 'n3', 'n2', 'n1']);
  });

  it('gives the same order whatever order the cells come in', () => {
    expect(ids(rankCells(all.toReversed(), []))).to.deep.equal(['n4', 'n2', 'n3', 'n1']);
  });
});

describe('chooseCells()', () => {
  it('spreads the nodes of an instance over zones before it looks at load', () => {
    expect(ids(chooseCells(all, new Set(), [], need, 3))).to.deep.equal(['n4', 'n2', 'n3']);
  });

  it('never puts two nodes of an instance on a cell, however few there are', () => {
    expect(ids(chooseCells(all, new Set(['n4' as CellId]), [n4 as CellView], need, 9))).to.deep.equal([
      'n2',
      'n3',
      'n1',
    ]);
  });
});

describe('refusal()', () => {
  const cases: [string, CellView, Need, string | undefined][] = [
    ['a cell with room', cell('c'), need, undefined],
    ['a cell whose agent is gone', cell('c', { registered: false }), need, 'not registered'],
    [
      'a cell whose registration is garbage',
      cell('c', { registered: 'unreadable' }),
      need,
      'registered with something that cannot be read',
    ],
    ['a cell in maintenance', cell('c', { inMaintenance: true }), need, 'in maintenance'],
    ['a cell that reports a problem', cell('c', { problem: 'disk full' }), need, 'reporting a problem'],
    ['a cell with as many nodes as it takes', cell('c', { nodes: 4 }), need, 'full'],
    ['a cell without memory for one more', cell('c', { memoryMb: 800 }), need, 'full'],
    ['a cell with just enough memory', cell('c', { memoryMb: 768 }), need, undefined],
    ['a cell that is not named', cell('c'), { ...need, pool: { cells: ['d'] } }, 'outside the pool'],
    ['a cell of another zone', cell('c'), { ...need, pool: { zones: ['z2'] } }, 'outside the pool'],
    [
      'a cell without the label',
      cell('c', { labels: { disk: 'hdd' } }),
      { ...need, pool: { labels: { disk: 'ssd' } } },
      'outside the pool',
    ],
    [
      'a cell with the label',
      cell('c', { labels: { disk: 'ssd' } }),
      { ...need, pool: { labels: { disk: 'ssd' } } },
      undefined,
    ],
    ['a cell with the version', cell('c', { versions: ['15', '16'] }), { ...need, version: '16' }, undefined],
    [
      'a cell with other versions',
      cell('c', { versions: ['15'] }),
      { ...need, version: '16' },
      'without PostgreSQL 16',
    ],
    ['a cell that names no version', cell('c'), { ...need, version: '16' }, 'without PostgreSQL 16'],
    ['a cell of containers', cell('c', { images: true }), { ...need, image: 'a', version: '16' }, undefined],
    ['a cell of processes', cell('c', { images: false }), { ...need, image: 'a' }, 'not running containers'],
    ['a cell that does not say', cell('c'), { ...need, image: 'a' }, 'not running containers'],
  ];
  for (const [what, view, needs, expected] of cases) {
    it(`says ${expected ?? 'nothing'} of ${what}`, () => expect(refusal(view, needs)).to.equal(expected));
  }
});

describe('cannotRun()', () => {
  const cases: [string, Sketch, Pick<Need, 'version' | 'image'>, boolean][] = [
    ['a version that is not there any more', { versions: ['16'] }, { version: '15' }, true],
    ['a version that is there', { versions: ['15'] }, { version: '15' }, false],
    ['a version, of an agent that does not say', {}, { version: '15' }, false],
    ['an image, of a cell of processes', { images: false, versions: ['15'] }, { image: 'a', version: '15' }, true],
    ['an image, of an agent that does not say', { versions: ['15'] }, { image: 'a' }, false],
    ['nothing in particular', { images: false, versions: [] }, {}, false],
  ];
  for (const [what, sketch, needs, expected] of cases) {
    it(`${expected ? 'moves nodes for' : 'lets nodes stay for'} ${what}`, () => {
      const { registration } = cell('c', sketch);
      expect(registration?.ok && cannotRun(registration.value, needs)).to.equal(expected);
    });
  }
});

describe('explainShortage()', () => {
  it('counts what speaks against each cell, and says what would help', () => {
    const cells = [cell('a'), cell('b', { nodes: 4 }), cell('c', { nodes: 4 }), cell('d', { registered: false })];
    const sentence = explainShortage(cells, new Set(['a' as CellId]), { ...need, pool: { zones: ['z1', 'z2'] } });
    expect(sentence).to.equal(
      'no cell in zones z1,z2 has room: of 4, 1 is already holding a node of this instance, 2 are full, 1 is not registered; add a cell or widen the pool',
    );
  });

  it('names the cells of a pool that nobody has heard of', () => {
    const pool = { cells: ['a', 'cell-x', 'cell-y'] };
    expect(explainShortage([cell('a', { nodes: 4 }), cell('b')], new Set(), { ...need, pool })).to.equal(
      'no cell among a,cell-x,cell-y has room: of 2, 1 is full, 1 is outside the pool; nothing is known of cell-x,cell-y; add a cell or widen the pool',
    );
  });

  it('says that there are no cells when there are none', () => {
    expect(explainShortage([], new Set(), need)).to.equal('there are no cells; start `pgherd cell` on a machine');
  });
});
